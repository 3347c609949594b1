-- SPDX-License-Identifier: MIT
-- exit: the exit statuses of luamcp, and how a failure is printed. The numbers and the line of
-- JSON are those of the MCP Inspector's command line (version 2), so that scripts can use either.
local exit = {
  ---Success.
  OK = 0,
  ---Wrong usage, and every failure that has no number of its own.
  OTHER = 1,
  ---The tool has no app to show.
  NO_APP = 2,
  ---The server requires authorization.
  NEEDS_AUTH = 3,
  ---The server could not be reached, or the connection was lost.
  UNREACHABLE = 4,
  ---The tool reported an error, or what was asked for does not exist.
  TOOL = 5,
  ---Interrupted with Ctrl-C, as a shell reports SIGINT.
  INTERRUPTED = 130,
}

-- Codes of the client that mean a connection could not be made or was lost, and how others begin:
-- names that are not found, certificates, statuses of HTTP.
local UNREACHABLE = {
  ECONNREFUSED = true, ECONNRESET = true, EGONE = true, EHOSTUNREACH = true, ENETUNREACH = true,
  ENOTFOUND = true, ETIMEDOUT = true, ENOENT = true, EACCES = true, EREVISION = true, EPIPE = true,
  ECLOSED = true, EPROXY = true,
}
local FAMILIES = { "^EAI_", "^ETLS", "^EHTTP" }

---True once a verb has the flag --json: failures are printed as JSON as well.
exit.json = false

---The exit status for a code of the client.
---@param code any an integer of JSON-RPC, or a word such as "ECONNREFUSED"
---@return integer status
function exit.status_of(code)
  if code == "EHTTP401" or code == "EHTTP403" or code == "EAUTH" then return exit.NEEDS_AUTH end
  if UNREACHABLE[code] then return exit.UNREACHABLE end
  for _, family in ipairs(FAMILIES) do
    if tostring(code):find(family) then return exit.UNREACHABLE end
  end
  if math.type(code) == "integer" then return exit.TOOL end
  return exit.OTHER
end

---Prints a failure on standard error.
---@param status integer
---@param text string
---@param code any|nil of the client
---@param url string|nil the address, without secrets
---@return integer status the same, to be returned by the verb
function exit.fail(status, text, code, url)
  if exit.json then
    local core = require "mcp.core"
    local http = tostring(code):match "^EHTTP(%d+)$"
    local terminal = require "mcp.cli.terminal"
    local encoded = assert(core.encode({ error = {
      code = code or "EUSAGE", message = utf8.len(text) and text or terminal.clean(text),
      status = http and math.tointeger(http), url = url,
    } }, true))
    io.stderr:write(terminal.clean_json(encoded), "\n")
  else
    io.stderr:write("luamcp: ", require("mcp.cli.terminal").clean(text), "\n")
  end
  return status
end

---Prints a mistake in the command line.
---@param text string
---@param ... any for string.format
---@return integer status
function exit.usage(text, ...)
  return exit.fail(exit.OTHER, select("#", ...) > 0 and text:format(...) or text)
end

return exit
