-- SPDX-License-Identifier: MIT
-- tools: what a client knows of a server's tools when it calls one: the schema that a result has to
-- fit, and the arguments that go into header fields as well.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local fetch = require "mcp.client.request"
local pages = require "mcp.client.pages"
local schema = require "mcp.schema"
local value = require "mcp.value"

local tools = {}

local METHOD = "tools/call"

---Notes what a whole list says.
---@param client table
---@param list table[]
function tools.learn(client, list)
  local known = {}
  for _, tool in ipairs(list) do
    if type(tool.name) == "string" then known[tool.name] = { output = tool.outputSchema } end
  end
  client.tools_known = known
end

---The list is out of date.
---@param client table
function tools.forget(client)
  client.tools_known, client.mirrors = nil, {}
end

-- The list, fetched if nobody has asked for it yet. What fails here fails no call.
local function known(client, fresh)
  if not client.tools_known or fresh then
    local list, text = pages.all(client, "tools/list", { fresh = fresh })
    if list then
      tools.learn(client, list)
    else
      core.log("info", "results are not checked: tools/list: " .. text)
      return {}
    end
  end
  return client.tools_known
end

-- The check of a tool's output, compiled when it is first needed; nil if there is none.
local function check_of(tool, name)
  if tool.output == nil or tool.check ~= nil then return tool.check or nil end
  local check, message
  if value.is_object(tool.output) or type(tool.output) == "boolean" then
    check, message = schema.compile(tool.output)
  else
    message = "object expected, got " .. value.kind(tool.output)
  end
  -- A schema that we cannot follow (a dialect of its own, something to fetch) checks nothing.
  if not check then
    core.log("warning", ("tool %q: its output schema is not checked: %s"):format(name, message))
  end
  tool.check = check or false
  return check
end

-- What is wrong with the result of a tool that we know, or nil.
local function complaint(tool, name, result)
  local check, given = tool and check_of(tool, name), result.structuredContent
  if not check then return nil end
  if given == nil then
    return ("tool %q has an output schema, and its result has no structuredContent"):format(name)
  end
  local ok, problems = check(given)
  if ok then return nil end
  return ("tool %q: its result does not fit its output schema: %s"):format(name,
    schema.explain(problems, given, tool.output, "member"))
end

-- Does the result fit what its tool has promised? (protocol, 4.9)
local function check_result(client, name, result)
  if not client.settings.validate or result.isError == true then return true end
  local listed = client.tools_known
  -- Nothing to check: for that alone nobody fetches a list.
  if result.structuredContent == nil and not listed then return true end
  local text = complaint(known(client)[name], name, result)
  -- The schema may be another one by now, and nobody has told us.
  if text and listed then text = complaint(known(client, true)[name], name, result) end
  if text then return nil, text, "ESCHEMA" end
  return true
end

-- The fields that repeat arguments, where the transport has any.
local function about_of(client, name, arguments)
  if client.transport.duplex or not client.facts or not client.facts.stamp then return {} end
  local param_headers = require "mcp.message.param_headers"
  local headers, text, code = param_headers.of_arguments(client.mirrors[name], arguments)
  if not headers then return nil, text, code end
  return { headers = headers }
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
  local params = { name = name, arguments = arguments }
  local about, text, code = about_of(client, name, arguments)
  if not about then return nil, text, code end
  local result, why, number, data = fetch.run(client, METHOD, params, options, about)
  if number == errors.HEADER_MISMATCH and about.headers then
    -- The annotations are others than we know, or were never seen (HM-47).
    known(client, true)
    about, text, code = about_of(client, name, arguments)
    if not about then return nil, text, code end
    result, why, number, data = fetch.run(client, METHOD, params, options, about)
  end
  if not result then return nil, why, number, data end
  if result.content == nil then
    -- Structured content alone is a result, too; who reads content finds an empty list.
    result.content = value.array {}
  elseif not value.is_array(result.content) then
    return nil, ("%s: the server's answer is malformed: content: array expected, got %s")
      :format(METHOD, value.kind(result.content)), "ERPC"
  end
  local fits
  fits, text, code = check_result(client, name, result)
  if not fits then return nil, text, code end
  return result
end

return tools
