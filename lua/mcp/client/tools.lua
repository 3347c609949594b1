-- SPDX-License-Identifier: MIT
-- tools: calls a tool: validates the result against the tool's output schema, and copies arguments
-- into header fields where the tool asks for it.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local request = require "mcp.client.request"
local malformed = require("mcp.client.call").malformed
local pages = require "mcp.client.pages"
local schema = require "mcp.later" "mcp.schema"
local value = require "mcp.value"

local is_array = value.is_array

local tools = {}

local METHOD = "tools/call"

---Pages of the list that are fetched to repeat one refused call: a server that refuses every call
---must not make each of them a thousand requests.
tools.RELISTED = 100

---Remembers a list of tools.
---@param client table
---@param list table[]
function tools.learn(client, list)
  local known = {}
  for _, tool in ipairs(list) do
    if type(tool.name) == "string" then known[tool.name] = { output = tool.outputSchema } end
  end
  client.tools_known = known
end

---Forgets the list, which is out of date.
---@param client table
function tools.forget(client)
  client.tools_known, client.mirrors = false, {}
end

-- The list, fetched at first use. If that fails, the call succeeds without validation.
local function known(client, fresh)
  if not client.tools_known or fresh then
    local list, text = pages.all(client, "tools/list", { fresh = fresh })
    if list then
      tools.learn(client, list)
    else
      core.log("info", "results are not validated: tools/list: " .. text)
      return {}
    end
  end
  return client.tools_known
end

-- Fetches the list after a refused call; false if that fails.
local function relearn(client)
  local list, text = pages.all(client, "tools/list", { fresh = true }, tools.RELISTED)
  if list then
    tools.learn(client, list)
  else
    core.log("info", "the call is not repeated: " .. text)
  end
  return list ~= nil
end

-- The function that validates a tool's output, compiled at first use; nil if there is none.
local function check_of(tool, name)
  if tool.output == nil or tool.check ~= nil then return tool.check or nil end
  local check, message
  if value.is_object(tool.output) or type(tool.output) == "boolean" then
    check, message = schema.compile(tool.output)
  else
    message = "expected an object, got " .. value.kind(tool.output)
  end
  -- A schema that cannot be compiled (another dialect, a reference to fetch) validates nothing.
  if not check then
    core.log("warning", ("tool %q: results are not validated: output schema: %s")
      :format(name, message))
  end
  tool.check = check or false
  return check
end

-- What is wrong with the result of a known tool, or nil.
local function complaint(tool, name, result)
  local check, given = tool and check_of(tool, name), result.structuredContent
  if not check then return nil end
  if given == nil then
    return ("tool %q: expected structuredContent, since it has an output schema"):format(name)
  end
  local ok, problems = check(given)
  if ok then return nil end
  return ("tool %q: the result does not match the output schema: %s"):format(name,
    schema.explain(problems, given, tool.output, "member"))
end

-- Does the result match the output schema of its tool? (protocol, 4.9)
local function check_result(client, name, result)
  if result.isError == true then return true end
  local listed = client.tools_known
  -- Nothing to validate: not worth fetching the list.
  if result.structuredContent == nil and not listed then return true end
  local text = complaint(known(client)[name], name, result)
  -- The schema may have changed without a notification.
  if text and listed then text = complaint(known(client, true)[name], name, result) end
  if text then return nil, text, "ESCHEMA" end
  return true
end

-- What a call has that repeats no argument. The params of a call are made for it.
local PLAIN = { plain = true, own_params = true }
local NO_HEADERS = { plain = true, headers = {}, own_params = true }

-- The header fields that repeat arguments, if the transport has header fields.
local function about_of(client, name, arguments)
  if client.transport.duplex or not client.facts or not client.facts.stamp then return PLAIN end
  local mirrors = client.mirrors[name]
  if not mirrors then return NO_HEADERS end
  local param_headers = require "mcp.message.param_headers"
  local headers, text, code = param_headers.of_arguments(mirrors, arguments)
  if not headers then return nil, text, code end
  return { plain = true, headers = headers, own_params = true }
end

---Calls a tool for another client: what comes back is passed on as it is.
---@param client table
---@param params table name, arguments, and what else the call has
---@param options table
---@param about table see request.run; gets the header fields
---@return table|nil result
---@return string|nil message
---@return any code
---@return any data
function tools.relay(client, params, options, about)
  if client.transport.duplex or not client.facts or not client.facts.stamp then
    return request.run(client, METHOD, params, options, about)
  end
  for attempt = 1, 2 do
    about.headers = nil
    if client.mirrors[params.name] then
      local with, text, code = about_of(client, params.name, params.arguments)
      if not with then return nil, text, code end
      about.headers = with.headers
    end
    local result, reason, number, data = request.run(client, METHOD, params, options, about)
    if attempt == 2 or number ~= errors.HEADER_MISMATCH or not relearn(client) then
      return result, reason, number, data
    end
  end
end

---Calls a tool.
---@param client table
---@param name string
---@param arguments table
---@param options table
---@return table|nil result
---@return string|nil message
---@return any code
---@return any data
function tools.call(client, name, arguments, options)
  if client.pins then
    local fine, reason, code, data = client.pins:allow(client, "tools/list", name)
    if not fine then return nil, reason, code, data end
  end
  -- With a place for _meta.
  local params = { name = name, arguments = arguments, _meta = false }
  local about, text, code = about_of(client, name, arguments)
  if not about then return nil, text, code end
  local result, reason, number, data = request.run(client, METHOD, params, options, about)
  if not result and number == errors.HEADER_MISMATCH and about.headers then
    -- The annotations have changed or are not known yet (HM-47).
    if not relearn(client) then return nil, reason, number, data end
    about, text, code = about_of(client, name, arguments)
    if not about then return nil, text, code end
    result, reason, number, data = request.run(client, METHOD, params, options, about)
  end
  if not result then return nil, reason, number, data end
  local content = result.content
  if content == nil then
    -- A result may have structured content alone; programs that read `content` find an empty list.
    result.content = value.array {}
  elseif not is_array(content) then
    return malformed(METHOD, "content: expected an array, got %s", value.kind(content))
  end
  if not client.settings.validate then return result end
  local fits
  fits, text, code = check_result(client, name, result)
  if not fits then return nil, text, code end
  return result
end

return tools
