-- SPDX-License-Identifier: MIT
-- mirror: what a client repeats of a request in header fields of HTTP, so that
-- whatever stands in front of a server can route by them: Mcp-Method, Mcp-Name
-- and, for arguments that a tool's schema marks, Mcp-Param-*. It knows messages
-- and schemas; not connections, and not when a list of tools is old.
local annotations = require "mcp.message.param_headers"
local header = require "mcp.header"
local methods = require "mcp.protocol.methods"
local value = require "mcp.value"

local mirror = {}

---All mirrored arguments of one call together, in bytes; heads are finite (HM-49).
---What goes beyond is not sent, and the call fails here rather than anywhere between.
mirror.LENGTH = 16384

-- The integers that every JSON reader has exactly (HM-41).
local SAFE = 2 ^ 53 - 1

---The fields of any request: its method, and the name of what it is about.
---@param method string
---@param params table|nil
---@return table[] list of { name, value }
function mirror.fields(method, params)
  local out = { { "Mcp-Method", header.encode(method) } }
  local row = methods[method]
  local member = row and row.target
  local name = member and type(params) == "table" and params[member]
  if type(name) == "string" then out[2] = { "Mcp-Name", header.encode(name) } end
  return out
end

---The annotated arguments of a tool, as its schema has them; nil if there are
---none, false and the reason if they are not as they have to be: such a tool is
---left out of a list (HM-41, HM-42).
---@param schema any its inputSchema
---@return table[]|false|nil mirrors
---@return string|nil reason
function mirror.find(schema)
  if type(schema) ~= "table" or not value.is_object(schema) then return nil end
  local ok, found = pcall(annotations.find, schema)
  if ok then return found end
  return false, (tostring(found):gsub("^input: ", ""))
end

---The tools of a list whose annotations can be followed, in their order. Those
---that are left out are told to `log`.
---@param tools table[] as the server sent them
---@param log fun(text: string)
---@return table[] tools
---@return table<string, table[]> mirrors by the name of the tool
function mirror.sift(tools, log)
  local kept, mirrors = value.array {}, {}
  for _, tool in ipairs(tools) do
    local found, why = mirror.find(type(tool) == "table" and tool.inputSchema)
    if found == false then
      log(("tool %q is left out: its schema asks for a header that cannot be: %s")
        :format(tostring(tool.name), why))
    else
      kept[#kept + 1] = tool
      if found and type(tool.name) == "string" then mirrors[tool.name] = found end
    end
  end
  return kept, mirrors
end

-- The text of an argument, or nil where no field can carry it (the server then
-- says what is wrong with the argument).
local function text_of(given)
  local kind = type(given)
  if kind == "string" then return utf8.len(given) and given or nil end
  if kind == "boolean" then return tostring(given) end
  if kind ~= "number" or given > SAFE or given < -SAFE then return nil end
  local whole = math.tointeger(given)
  if whole then return ("%d"):format(whole) end
  return nil
end

---The fields of a call's annotated arguments (HM-30 to HM-35, HM-44).
---@param mirrors table[]|nil
---@param arguments table|nil
---@return table[]|nil list of { name, value }
---@return string|nil message
---@return string|nil code "ETOOBIG"
function mirror.arguments(mirrors, arguments)
  local out, length = {}, 0
  for _, one in ipairs(mirrors or {}) do
    local text = text_of(value.at(arguments, one.path))
    if text then
      local field = { "Mcp-Param-" .. one.name, header.encode(text) }
      length = length + #field[1] + #field[2]
      out[#out + 1] = field
    end
  end
  if length > mirror.LENGTH then
    return nil, ("the arguments that are repeated in headers have %d bytes; the limit is %d")
      :format(length, mirror.LENGTH), "ETOOBIG"
  end
  return out
end

return mirror
