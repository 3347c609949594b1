-- SPDX-License-Identifier: MIT
-- tools_spec.lua: lua/mcp/client/tools.lua: calls of tools, and whether results are what was
-- promised (4.9).
local helper = require "spec.helper"
local mcp = require "mcp"
local scripted = require "spec.scripted"
local value = require "mcp.value"

local SUM = { type = "object", required = value.array { "sum" },
  properties = { sum = { type = "number" } } }

-- A server with tools { name = output schema } that answers calls by `answer(name, arguments)`.
local function connect(tools, answer, options, era)
  return scripted.connect(scripted[era or "modern"](function(far, message)
    if message.method == "tools/list" then
      local list = value.array {}
      for name, schema in pairs(tools) do
        list[#list + 1] = { name = name, inputSchema = { type = "object" },
          outputSchema = schema or nil }
      end
      far:result(message.id, { tools = list })
    elseif message.method == "tools/call" then
      far:result(message.id, answer(message.params.name, message.params.arguments))
    end
  end), options)
end

local function structured(given)
  return { content = value.array {}, structuredContent = given }
end

describe("the result of a tool", function()
  after_each(scripted.leftovers)

  for _, era in ipairs { "legacy", "modern" } do
    it("has to fit what was promised (SEC-61), " .. era, function()
      local client, far = connect({ add = SUM }, function(_, arguments)
        return structured(arguments)
      end, nil, era)
      assert.equal(3, assert(client:call_tool("add", { sum = 3 })).structuredContent.sum)
      -- The list is fetched once, when there is something to check.
      assert.equal(1, #far:all "tools/list")
      assert(client:call_tool("add", { sum = 4 }))
      assert.equal(1, #far:all "tools/list")
      local result, text, code = client:call_tool("add", { sum = "x" })
      assert.same({ nil, "ESCHEMA" }, { result, code })
      assert.matches('^tool "add": the result does not match the output schema: .*"sum"', text)
      -- It was looked at again first: the schema might have been another one by now.
      assert.equal(2, #far:all "tools/list")
      result, text, code = client:call_tool("add", {})
      assert.same({ nil, "ESCHEMA" }, { result, code })
      assert.is_string(text)
    end)
  end

  it("is looked for where it was promised, if that is known", function()
    local client = connect({ add = SUM, other = false }, function()
      return { content = value.array { mcp.text "3" } }
    end)
    assert(client:call_tool "add")
    assert(client:list_tools())
    assert(client:call_tool "other")
    local result, text, code = client:call_tool "add"
    assert.same({ nil, 'tool "add": expected structuredContent, since it has an output schema',
      "ESCHEMA" }, { result, text, code })
  end)

  it("that says it failed is a result, and nothing is checked", function()
    local client, far = connect({ add = SUM }, function()
      return { content = value.array { mcp.text "no" }, isError = true, structuredContent = {} }
    end)
    local result = assert(client:call_tool "add")
    assert.is_true(result.isError)
    assert.equal("no", result.content[1].text)
    assert.equal(0, #far:all "tools/list")
  end)

  it("is not checked if nobody wants it", function()
    local client, far = connect({ add = SUM }, function() return structured { sum = "x" } end,
      { validate = false })
    assert.equal("x", assert(client:call_tool "add").structuredContent.sum)
    assert.equal(0, #far:all "tools/list")
  end)

  it("is checked against any schema of 2020-12 (T-52), null included", function()
    local client = connect({ list = { type = "array", items = { type = "integer" } },
      none = { type = "null" }, any = true, never = false or { ["not"] = {} } },
      function(name, arguments)
        if name == "none" then return structured(value.null) end
        return structured(arguments.given)
      end)
    assert(client:call_tool("list", { given = value.array { 1, 2 } }))
    assert.equal("ESCHEMA", select(3, client:call_tool("list", { given = value.array { "x" } })))
    assert.equal(value.null, assert(client:call_tool "none").structuredContent)
    assert(client:call_tool("any", { given = "x" }))
    assert.equal("ESCHEMA", select(3, client:call_tool("never", { given = 1 })))
  end)

  it("fetches nothing that a schema refers to, and is not checked by it (SEC-60)", function()
    for _, schema in ipairs { { ["$ref"] = "http://127.0.0.1:1/schema.json" },
      { ["$schema"] = "https://example.org/dialect" }, { type = 5 }, "x" } do
      local client
      local log = helper.logged(function()
        client = connect({ t = schema }, function() return structured { a = 1 } end)
        assert.equal(1, assert(client:call_tool "t").structuredContent.a)
        assert(client:call_tool "t")
      end)
      -- Once, not at every call.
      local count = select(2, log:gsub("results are not validated", ""))
      assert.equal(1, count)
      client:close()
    end
  end)

  it("stands although the list cannot be had", function()
    local client = scripted.connect(scripted.modern(function(far, message)
      if message.method == "tools/list" then return far:error(message.id, -32603) end
      far:result(message.id, structured { a = 1 })
    end))
    helper.logged(function() assert(client:call_tool "t") end)
  end)

  it("has a list of contents, or it is none (ERPC)", function()
    local given
    local client = connect({}, function() return { content = given } end)
    assert.is_true(value.is_array(assert(client:call_tool "t").content))
    for _, bad in ipairs { "x", { a = 1 }, 5 } do
      given = bad
      assert.equal("ERPC", select(3, client:call_tool "t"))
    end
  end)

  it("is asked for with arguments that are an object, if only an empty one", function()
    local client, far = connect({}, function() return structured(nil) end)
    assert(client:call_tool "t")
    assert(client:call_tool("t", {}))
    for _, raw in ipairs(far.raw) do
      if raw:find("tools/call", 1, true) then
        assert.matches('"arguments":{}', raw, 1, true)
      end
    end
    for _, bad in ipairs { { 1, 2 }, value.array {}, "x", 5, true } do
      local ok, text = pcall(function() return client:call_tool("t", bad) end)
      assert.is_false(ok)
      assert.matches("tools_spec.lua:%d+: client:call_tool: arguments: expected a table with names",
        text)
    end
  end)
end)

describe("the arguments that go into header fields", function()
  after_each(scripted.leftovers)

  -- A transport that is told of fields, as one of HTTP is.
  local function connect_http(script, options)
    local transport = scripted.transport(script)
    transport.duplex, transport.only_era = false, "modern"
    local sent = {}
    local request = transport.request
    transport.request = function(self, id, method, params, one)
      sent[#sent + 1] = { method, one.headers }
      return request(self, id, method, params, one)
    end
    local client = scripted.keep(mcp.session(transport, options))
    assert(client:initialize())
    return client, sent
  end

  local function annotated(name)
    return { type = "object",
      properties = { region = { type = "string", ["x-mcp-header"] = name } } }
  end

  it("are there once the tool is known (HM-44), and are found out (HM-47)", function()
    local listed, refused = 0, 0
    local client, sent = connect_http(scripted.modern(function(far, message)
      if message.method == "tools/list" then
        listed = listed + 1
        far:result(message.id, { tools = value.array {
          { name = "t", inputSchema = annotated "Region" },
          { name = "bad", inputSchema = annotated "a b" } } })
      elseif message.params.name == "t" and listed == 0 then
        refused = refused + 1
        far:error(message.id, -32020)
      else
        far:result(message.id, { content = value.array {} })
      end
    end))
    helper.logged(function() assert(client:call_tool("t", { region = "eu" })) end)
    assert.equal(1, refused)
    assert.same({ { "tools/call", {} }, { "tools/list" },
      { "tools/call", { { "Mcp-Param-Region", "eu" } } } }, { table.unpack(sent, 2) })
    -- Of a tool whose annotations cannot be followed nobody hears (HM-42).
    local log = helper.logged(function()
      assert.equal(1, #assert(client:list_tools { fresh = true }))
    end)
    assert.matches('ignoring tool "bad"', log, 1, true)
    local code = select(3, client:call_tool("t", { region = ("x"):rep(20000) }))
    assert.equal("ETOOBIG", code)
  end)

  it("are looked for on a hundred pages, and the call is repeated once", function()
    local calls, listed, endless = 0, 0, true
    local client = connect_http(scripted.modern(function(far, message)
      if message.method == "tools/list" then
        listed = listed + 1
        far:result(message.id, { tools = value.array {},
          nextCursor = endless and tostring(listed) or nil })
      else
        calls = calls + 1
        far:error(message.id, -32020)
      end
    end))
    local text, code
    local log = helper.logged(function()
      text, code = select(2, client:call_tool("t", { region = "eu" }))
    end)
    assert.equal(-32020, code)
    assert.is_string(text)
    assert.same({ 1, 100 }, { calls, listed })
    assert.matches("the call is not repeated: tools/list: more than 100 pages", log, 1, true)
    endless = false
    helper.logged(function() code = select(3, client:call_tool("t", { region = "eu" })) end)
    assert.equal(-32020, code)
    assert.same({ 3, 101 }, { calls, listed })
  end)
end)
