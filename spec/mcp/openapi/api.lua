-- SPDX-License-Identifier: MIT
-- api.lua: for the specs of app:openapi: a small document around one operation, an API on loopback
-- that records what it is asked, and a client of an app that imports it.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"

local api = {}

local open = {}

--- A server of HTTP: `answer(request)` returns status, fields and body; a table is sent as JSON.
function api.serve(answer)
  local server = raw_server.start(function(request)
    local status, fields, body = answer(request)
    if type(status) == "table" then status, fields, body = 200, nil, status end
    if type(body) == "table" then
      body = assert(core.encode(body))
      fields = fields or {}
      fields["Content-Type"] = fields["Content-Type"] or "application/json"
    end
    return status, fields, body
  end)
  server.at = ("http://127.0.0.1:%d"):format(server.port)
  open[#open + 1] = server
  return server
end

--- A document with these paths.
function api.document(paths, more)
  local document = { openapi = "3.0.3", info = { title = "Test", version = "1" }, paths = paths }
  for name, member in pairs(more or {}) do document[name] = member end
  return document
end

--- An operation that answers with anything, with these parameters and members.
function api.operation(parameters, more)
  local operation = { operationId = "go", parameters = mcp.array(parameters or {}),
    responses = { ["200"] = { description = "ok" } } }
  for name, member in pairs(more or {}) do operation[name] = member end
  return operation
end

--- A parameter.
function api.parameter(location, name, schema, more)
  local parameter = { ["in"] = location, name = name, schema = schema or { type = "string" } }
  for key, member in pairs(more or {}) do parameter[key] = member end
  if location == "path" then parameter.required = true end
  return parameter
end

--- A client of an app that has imported the document, the app, and what the import returned.
function api.client(document, options, server_options)
  local app = mcp.server(server_options or "test")
  local report = app:openapi(document, options)
  local client = assert(mcp.connect(app))
  open[#open + 1] = client
  return client, app, report
end

--- The text of a result.
function api.text(result)
  local out = {}
  for i, item in ipairs(result.content) do out[i] = item.text or item.type end
  return table.concat(out, "\n")
end

--- The definition of a tool.
function api.tool(client, name)
  for _, tool in ipairs(assert(client:list_tools())) do
    if tool.name == name then return helper.plain(tool) end
  end
end

--- Closes everything.
function api.close()
  for i = #open, 1, -1 do open[i]:close() end
  open = {}
  -- An app has no end of its own: its connections end with it.
  collectgarbage()
  collectgarbage()
  helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
  helper.leftovers()
end

return api
