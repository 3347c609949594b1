-- SPDX-License-Identifier: MIT
-- A method that needs nothing special is one row in protocol/methods.lua and one function in
-- server/dispatch.lua: dispatch, Mcp-Name, the capability and middleware follow.
local dispatch = require "mcp.server.dispatch"
local helper = require "spec.helper"
local http = require "mcp.server.front.http"
local mcp = require "mcp"
local methods = require "mcp.protocol.methods"
local param_headers = require "mcp.message.param_headers"

local GREETING = "greetings/get"

describe("the table of methods", function()
  local row

  before_each(function()
    row = { legacy = true, modern = true, capability = "tools", kind = "prompt", target = "name" }
    methods[GREETING] = row
    dispatch.serve[GREETING] = function(_, _, params) return { text = "hello " .. params.name } end
  end)

  after_each(function()
    methods[GREETING], dispatch.serve[GREETING] = nil, nil
    helper.leftovers()
  end)

  local function app_with_tool()
    local app = mcp.server "spec"
    app:tool "t" (function() end)
    return app
  end

  -- The response to the method, in a revision.
  local function greet(app, revision)
    local peer = helper.open(app, revision)
    peer:send { jsonrpc = "2.0", id = 1, method = GREETING, params = { name = "Ada",
      _meta = peer.era and helper.envelope() or nil } }
    return (peer:receive())
  end

  it("has a function for each row, and a row for each function", function()
    for name in pairs(dispatch.serve) do
      assert.is_table(methods[name], name)
      assert.is_true(methods[name].legacy or methods[name].modern, name)
    end
    for name, columns in pairs(methods) do
      -- The fronts serve initialize: it makes the session that dispatch needs. Methods of an
      -- extension are registered by the servers that have it.
      assert.is_true(dispatch.serve[name] ~= nil or name == "initialize"
        or columns.extension ~= nil, name)
    end
  end)

  it("has no other columns than those it describes", function()
    local known = { legacy = "boolean", modern = "boolean", capability = "string",
      target = "string", kind = "string", asks = "boolean", idempotent = "boolean",
      cache_key = "string", scope = "string", extension = "string" }
    for name, columns in pairs(methods) do
      for column, given in pairs(columns) do
        assert.equal(known[column], type(given), name .. ": " .. column)
      end
    end
  end)

  it("dispatches a new method in the eras that its row names", function()
    for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
      assert.equal("hello Ada", greet(app_with_tool(), revision).result.text, revision)
    end
    row.legacy = nil
    assert.equal(-32601, greet(app_with_tool(), "2025-11-25").error.code)
    assert.equal("hello Ada", greet(app_with_tool(), "2026-07-28").result.text)
  end)

  it("refuses the method while the capability of its row is absent", function()
    for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
      assert.equal(-32601, greet(mcp.server "spec", revision).error.code, revision)
    end
    row.capability = nil
    assert.equal("hello Ada", greet(mcp.server "spec", "2026-07-28").result.text)
  end)

  it("gives middleware the kind and the name of the row", function()
    local app, seen = app_with_tool(), {}
    app:use(function(request, next)
      seen[#seen + 1] = ("%s %s %s"):format(request.method, request.kind, request.name)
      return next(request)
    end)
    assert.equal("hello Ada", greet(app, "2026-07-28").result.text)
    row.kind, app.handlers = nil, {}
    greet(app, "2026-07-28")
    assert.same({ "greetings/get prompt Ada", "greetings/get other nil" }, seen)
  end)

  it("checks Mcp-Name against the target of the row, as the client sends it", function()
    local sent = {}
    for _, field in ipairs(param_headers.of_request(GREETING, { name = "Ada" })) do
      sent[field[1]] = field[2]
    end
    assert.same({ ["Mcp-Method"] = GREETING, ["Mcp-Name"] = "Ada" }, sent)

    local receive = http.receiver(app_with_tool())
    local name
    local peer = helper.peer(function(x, _, kind, id, method, params, meta, claim, capabilities,
      client, level, token)
      return receive(x, nil, kind, id, method, params, meta, claim, capabilities, client, level,
        token, "2026-07-28", GREETING, name)
    end)
    local function post()
      peer:send { jsonrpc = "2.0", id = 1, method = GREETING, params = { name = "Ada",
        _meta = helper.envelope() } }
      return (peer:receive())
    end
    name = sent["Mcp-Name"]
    assert.equal("hello Ada", post().result.text)
    name = "Bob"
    assert.equal(-32020, post().error.code)
    row.target, name = nil, nil
    assert.equal("hello Ada", post().result.text)
  end)
end)
