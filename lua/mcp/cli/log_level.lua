-- SPDX-License-Identifier: MIT
-- log_level: checks MCP_LOG and MCP_LOG_FORMAT before anything runs: a program must not start
-- without the log lines that the user asked for.
local log_level = {}

local LEVELS = { "wire", "debug", "info", "notice", "warning", "error", "off" }
local FORMATS = { "text", "json" }

-- What is wrong with a word that has to be one of a list; nil if it is.
local function wrong_word(what, given, list)
  for _, name in ipairs(list) do
    if name == given then return nil end
  end
  local meant = require("mcp.nearest").find(given, list)
  return ("%s: expected one of %s, got %q%s"):format(what, table.concat(list, ", "), given,
    meant and ("; did you mean %s?"):format(meant) or "")
end

---@param what string where it was given
---@param given string
---@return string|nil text what is wrong with the name of a format; nil if it is known
function log_level.wrong_format(what, given) return wrong_word(what, given, FORMATS) end

---@return string|nil text what is wrong with the variables of the log; nil if nothing is
function log_level.error()
  local level, format = os.getenv "MCP_LOG", os.getenv "MCP_LOG_FORMAT"
  return level and level ~= "" and wrong_word("MCP_LOG", level, LEVELS)
    or format and format ~= "" and log_level.wrong_format("MCP_LOG_FORMAT", format) or nil
end

return log_level
