-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local ALL = helper.revisions

describe("tool", function()
  after_each(helper.leftovers)

  -- An app with one tool "t", a peer of a revision, and what calling it gave.
  local function called(handler, options, revision, arguments)
    local app = mcp.server "spec"
    app:tool "t" (options or {}) (handler)
    local peer = helper.open(app, revision)
    local result, err
    helper.logged(function() result, err = peer:call("t", arguments) end)
    peer:close()
    return result, err
  end

  local function returning(...)
    local values = table.pack(...)
    return function() return table.unpack(values, 1, values.n) end
  end

  describe("results", function()
    it("a string is text content, in every revision", function()
      for _, revision in ipairs(ALL) do
        local result = called(returning "Grüße", nil, revision)
        assert.same({ { type = "text", text = "Grüße" } }, setmetatable(result.content, nil))
        assert.is_nil(result.structuredContent)
        assert.is_nil(result.isError)
        assert.equal(revision == "2026-07-28" and "complete" or nil, result.resultType)
      end
    end)

    it("an empty string is an empty text", function()
      assert.same("", called(returning "").content[1].text)
    end)

    it("what follows a string is no part of it (string.gsub returns a count)", function()
      local result = called(function() return ("abc"):gsub("b", "x") end)
      assert.equal(1, #result.content)
      assert.equal("axc", result.content[1].text)
    end)

    it("a table is structured content with its JSON as text (T-54)", function()
      local result = called(returning { sum = 3, parts = { 1, 2 } })
      assert.same({ sum = 3, parts = { 1, 2 } }, helper.plain(result.structuredContent))
      assert.equal('{"parts":[1,2],"sum":3}', result.content[1].text)
    end)

    it("numbers, booleans and arrays are structured as they are where any root may be", function()
      for _, given in ipairs { 7, 1.5, true, false, mcp.array { 1 }, mcp.null } do
        local result = called(returning(given), nil, "2026-07-28")
        assert.same(helper.plain(given), helper.plain(result.structuredContent))
        assert.equal(core.encode(given), result.content[1].text)
      end
    end)

    it("what is no object is wrapped for 2025-06-18 and 2025-11-25 (T-52)", function()
      for _, revision in ipairs { "2025-06-18", "2025-11-25" } do
        for _, given in ipairs { 7, true, false, mcp.array {}, mcp.array { 1 } } do
          local result = called(returning(given), nil, revision)
          assert.same({ result = helper.plain(given) }, helper.plain(result.structuredContent))
          assert.equal(core.encode(given), result.content[1].text)
        end
      end
    end)

    it("2024-11-05 and 2025-03-26 get the text alone (T-50)", function()
      for _, revision in ipairs { "2024-11-05", "2025-03-26" } do
        local result = called(returning { a = 1 }, nil, revision)
        assert.is_nil(result.structuredContent)
        assert.equal('{"a":1}', result.content[1].text)
      end
    end)

    it("integers stay integers, floats floats", function()
      assert.equal('{"a":9007199254740993,"b":0.1}',
        called(returning { a = 9007199254740993, b = 0.1 }).content[1].text)
    end)

    it("content goes out as content: one, several, or a list", function()
      local image = mcp.image("\0\1", "image/gif")
      for _, handler in ipairs { returning(mcp.text "a", image), returning("a", image),
        returning({ mcp.text "a", image }), returning({ mcp.text "a", image }, nil) } do
        local result = called(handler)
        assert.equal(2, #result.content)
        assert.same({ type = "text", text = "a" }, result.content[1])
        assert.same({ type = "image", data = "AAE=", mimeType = "image/gif" }, result.content[2])
        assert.is_nil(result.structuredContent)
      end
    end)

    it("strings among contents are texts", function()
      local result = called(returning(mcp.text "a", "b"))
      assert.same({ type = "text", text = "b" }, result.content[2])
      assert.same({ type = "text", text = "b" },
        called(returning { mcp.text "a", "b" }).content[2])
    end)

    it("anything else among contents is an error that says where", function()
      for _, odd in ipairs { 5, true, print } do
        local result = called(returning(mcp.text "a", odd))
        assert.is_true(result.isError)
        assert.matches("content 2: expected content or a string, got " .. type(odd),
          result.content[1].text, 1, true)
      end
    end)

    it("a full result goes out as it is", function()
      local result = called(returning { content = { { type = "text", text = "x" } },
        structuredContent = { a = 1 }, isError = false, _meta = { ["my.org/k"] = 1 } })
      assert.same({ { type = "text", text = "x" } }, setmetatable(result.content, nil))
      assert.same({ a = 1 }, result.structuredContent)
      assert.is_false(result.isError)
      assert.equal(1, result._meta["my.org/k"])
    end)

    it("a full result of the modern era keeps its _meta and gains the server's name", function()
      local result = called(returning { content = {}, _meta = { ["my.org/k"] = 1 } }, nil,
        "2026-07-28")
      assert.equal(1, result._meta["my.org/k"])
      assert.equal("spec", result._meta[helper.PREFIX .. "serverInfo"].name)
      assert.equal("complete", result.resultType)
    end)

    it("a full result's content may be one content, or strings", function()
      assert.equal("a", called(returning { content = mcp.text "a" }).content[1].text)
      assert.equal("b", called(returning { content = { "a", "b" } }).content[2].text)
    end)

    it("a full result with isError is one", function()
      local result = called(returning { content = { mcp.text "no" }, isError = true })
      assert.is_true(result.isError)
    end)

    it("empty content goes out as [], not {}", function()
      local app = mcp.server "spec"
      app:tool "nil" (function() return nil end)
      app:tool "nothing" (function() end)
      app:tool "full" (function() return { content = {} } end)
      local peer = helper.open(app)
      for _, name in ipairs { "nil", "nothing", "full" } do
        local _, line = peer:request("tools/call", { name = name })
        assert.matches('"content":[]', line, 1, true)
      end
      peer:close()
    end)

    it("an empty table is an empty object, an empty array an array", function()
      assert.equal("{}", called(returning {}).content[1].text)
      assert.equal("[]", called(returning(mcp.array {})).content[1].text)
    end)

    it("nil and a text is a failure, as Lua's own functions have it", function()
      local result = called(function() return nil, "no such file" end)
      assert.is_true(result.isError)
      assert.equal("no such file", result.content[1].text)
    end)

    it("functions, threads and handles are failures that name the tool", function()
      for _, odd in ipairs { print, coroutine.create(print), io.stderr } do
        local result = called(returning(odd))
        assert.is_true(result.isError)
        assert.matches('tool "t": expected a string, number, boolean, table or content as its '
          .. "result, got a " .. type(odd), result.content[1].text, 1, true)
      end
    end)

    it("what JSON cannot carry is a failure that says where", function()
      local cyclic = { a = {} }
      cyclic.a.b = cyclic
      local cases = {
        { 0 / 0, "" }, { math.huge, "" }, { { x = -math.huge }, "x" },
        { { list = { 1, 0 / 0 } }, "list[2]" }, { cyclic, "a.b" },
        { { text = "\xff" }, "text" }, { { f = print }, "f" },
        { { 1, 2, x = 3 }, "" }, { { [1.5] = 1 }, "" },
      }
      for _, case in ipairs(cases) do
        local result, err = called(returning(case[1]))
        assert.is_nil(err)
        assert.is_true(result.isError)
        assert.matches('tool "t" returned what JSON cannot carry', result.content[1].text, 1, true)
        assert.matches(case[2], result.content[1].text, 1, true)
      end
    end)

    it("a string that is no UTF-8 is an error and not a broken line", function()
      local result, err = called(returning "\xff\xfe")
      local text = err and err.message or result.content[1].text
      assert.matches("UTF%-8", text)
    end)

    it("a line break within a result does not break the line (IO-01)", function()
      local app = mcp.server "spec"
      app:tool "t" (function() return "a\nb\r\n\u{2028}" end)
      local peer = helper.open(app)
      local response = peer:request("tools/call", { name = "t" })
      assert.equal("a\nb\r\n\u{2028}", response.result.content[1].text)
      peer:close()
    end)
  end)

  describe("content that a revision does not know", function()
    it("audio is text for 2024-11-05 only", function()
      for _, revision in ipairs(ALL) do
        local item = called(returning(mcp.audio("x", "audio/ogg")), nil, revision).content[1]
        assert.equal(revision == "2024-11-05" and "text" or "audio", item.type)
        assert.matches(revision == "2024-11-05" and "audio/ogg" or "eA==",
          item.text or item.data, 1, true)
      end
    end)

    it("a resource link is text before 2025-06-18", function()
      for _, revision in ipairs(ALL) do
        local old = revision < "2025-06-18"
        local item = called(returning(mcp.resource_link("a:b", { name = "N" })), nil, revision)
          .content[1]
        assert.equal(old and "text" or "resource_link", item.type)
        if old then assert.equal("N: a:b", item.text) else assert.equal("a:b", item.uri) end
      end
    end)

    it("is adapted in a full result too, which stays as it was", function()
      local item = mcp.audio("x")
      local given = { content = { item } }
      local result = called(returning(given), nil, "2024-11-05")
      assert.equal("text", result.content[1].type)
      assert.equal(item, given.content[1])
    end)
  end)

  describe("errors", function()
    it("error text becomes a result with isError, without file and line", function()
      local result, err = called(function() error "boom" end)
      assert.is_nil(err)
      assert.is_true(result.isError)
      assert.equal("boom", result.content[1].text)
    end)

    it("from a helper, with a level, raised again, or by Lua itself: no position", function()
      local function fail() error "deep" end
      local function blame() error("blame", 2) end
      local cases = {
        deep = function() fail() end, blame = function() blame() end,
        bare = function() error("bare", 0) end,
        again = function()
          local _, e = pcall(error, "again", 1)
          local _, e2 = pcall(function() error(e, 1) end)
          error(e2, 0)
        end,
        wrapped = function() coroutine.wrap(function() error "wrapped" end)() end,
      }
      for text, handler in pairs(cases) do
        local result = called(handler)
        assert.is_true(result.isError)
        assert.equal(text, result.content[1].text)
      end
      local result = called(function() return nil + 1 end)
      assert.matches("^attempt to perform arithmetic", result.content[1].text)
      result = called(function() return ("x"):rep(1, 2, 3):bad() end)
      assert.matches("^attempt to call", result.content[1].text)
      result = called(function() string.rep() end)
      assert.matches("^bad argument #1", result.content[1].text)
    end)

    it("in our own modules: no position, whether workers are in use or not", function()
      local loaded = package.loaded["mcp.worker"]
      local text = ("%s/mcp/async.lua:12: "):format("/usr/share/lua/5.4")
      package.loaded["mcp.worker"] = nil
      assert.equal("no", called(function() error(text .. "no", 0) end).content[1].text)
      package.loaded["mcp.worker"] = loaded
      require "mcp.worker"
      assert.equal("no", called(function() error(text .. "no", 0) end).content[1].text)
    end)

    it("nothing that only looks like a position is cut off", function()
      for _, text in ipairs { "config.lua:3: missing bracket", "a:1: b", "12:30: too late" } do
        assert.equal(text, called(function() error(text, 0) end).content[1].text)
        assert.equal(text, called(function() error(text) end).content[1].text)
      end
    end)

    it("no path and no traceback reaches the peer (E4)", function()
      local handlers = {
        function() error "x" end,
        function() mcp.all { function() error "x" end } end,
        function(_, ctx) coroutine.wrap(function() ctx:sleep(0) end)() end,
        function() coroutine.wrap(function() mcp.sleep(0) end)() end,
        function(_, ctx) ctx:log("loud", 1) end,
        function(_, ctx) ctx:progress() end,
        function() mcp.text(5) end,
        function(_, ctx) ctx.meta.x = 1 end,
      }
      for i, handler in ipairs(handlers) do
        local result, err = called(handler)
        local text = err and err.message or result.content[1].text
        assert.is_nil(text:find("%.lua"), i .. ": " .. text)
        assert.is_nil(text:find "traceback", i .. ": " .. text)
      end
    end)

    it("an error object speaks by its __tostring; another value only by its type", function()
      local object = setmetatable({}, { __tostring = function() return "I am an error" end })
      assert.equal("I am an error", called(function() error(object) end).content[1].text)
      assert.equal("(an error of type table)", called(function() error {} end).content[1].text)
      assert.equal("(an error of type nil)", called(function() error(nil) end).content[1].text)
    end)

    it("an error object whose __tostring fails does not take the answer with it", function()
      local object = setmetatable({}, { __tostring = function() error "again" end })
      local result, err = called(function() error(object) end)
      assert.is_true(err ~= nil or result.isError)
    end)

    it("the traceback goes to the log", function()
      local app = mcp.server "spec"
      app:tool "t" (function() error "boom" end)
      local peer = helper.open(app)
      local log = helper.logged(function() peer:call "t" end)
      assert.matches('tool "t"', log, 1, true)
      assert.matches("tool_spec%.lua:%d+: boom", log)
      assert.matches("stack traceback", log, 1, true)
      peer:close()
    end)

    it("mcp.error becomes that JSON-RPC error, data included", function()
      local result, err = called(function()
        error(mcp.error(-32055, "no quota", { left = 0, list = mcp.array {} }))
      end)
      assert.is_nil(result)
      assert.equal(-32055, err.code)
      assert.equal("no quota", err.message)
      assert.same({ left = 0, list = {} }, helper.plain(err.data))
    end)

    it("mcp.error without data has no data member", function()
      local _, err = called(function() error(mcp.error(-5, "x")) end)
      assert.same({ code = -5, message = "x" }, err)
    end)

    it("mcp.error through pcall and mcp.all stays what it is", function()
      local _, err = called(function()
        mcp.all { function() error(mcp.error(-7, "seven")) end }
      end)
      assert.equal(-7, err.code)
    end)
  end)

  describe("arguments", function()
    local INPUT = { input = { a = "number", unit = mcp.enum { "celsius", "kelvin" },
      n = mcp.integer { min = 1, max = 7, default = 3 }, deep = "string[]?" } }

    it("a bad one is an isError result that names field, expectation and what came", function()
      local result = called(returning "x", INPUT, nil, { a = "5", unit = "kelvin" })
      assert.is_true(result.isError)
      local text = result.content[1].text
      assert.matches('tool "t"', text, 1, true)
      assert.matches('"a"', text, 1, true)
      assert.matches("expected number", text, 1, true)
      assert.matches("string", text, 1, true)
    end)

    it("a missing one is named", function()
      local text = called(returning "x", INPUT, nil, { unit = "kelvin" }).content[1].text
      assert.matches('"a"', text, 1, true)
    end)

    it("an enum names the nearest allowed value", function()
      local text = called(returning "x", INPUT, nil, { a = 1, unit = "kelvn" }).content[1].text
      assert.matches("kelvin", text, 1, true)
      assert.matches("kelvn", text, 1, true)
    end)

    it("defaults are filled in, the client's table is not needed for it", function()
      local seen
      called(function(args) seen = args return "x" end, INPUT, nil, { a = 1, unit = "kelvin" })
      assert.equal(3, seen.n)
      assert.equal("integer", math.type(seen.n))
    end)

    it("without arguments the handler gets an empty table", function()
      local app = mcp.server "spec"
      local seen
      app:tool "t" (function(args) seen = args return "x" end)
      local peer = helper.open(app)
      peer:request("tools/call", { name = "t" })
      assert.same({}, seen)
      peer:close()
    end)

    it("arguments that are no object are invalid params", function()
      for _, odd in ipairs { 5, "x", true, mcp.array { 1 } } do
        local app = mcp.server "spec"
        app:tool "t" (returning "x")
        local peer = helper.open(app)
        local response = peer:request("tools/call", { name = "t", arguments = odd })
        assert.equal(-32602, response.error.code)
        assert.matches("arguments: expected an object", response.error.message, 1, true)
        peer:close()
      end
    end)

    it("the modern era knows no task and no execution of 2025-11-25 (T-60)", function()
      local app = mcp.server "spec"
      app:tool "t" (function(args) return tostring(args.task) end)
      local peer = helper.connect(app)
      local response = peer:modern("tools/call", { name = "t", arguments = {},
        task = { ttl = 1000 } })
      assert.equal("complete", response.result.resultType)
      assert.equal("nil", response.result.content[1].text)
      assert.is_nil(response.result.task)
      assert.is_nil(peer:modern("tools/list").result.tools[1].execution)
      peer:close()
    end)

    it("each call has its own arguments, not those of the call before", function()
      local app = mcp.server "spec"
      app:tool "t" { input = { list = "string[]?" } } (function(args)
        args.list = args.list or {}
        args.list[#args.list + 1] = "x"
        return tostring(#args.list)
      end)
      local peer = helper.open(app)
      assert.equal("1", peer:call("t").content[1].text)
      assert.equal("1", peer:call("t").content[1].text)
      peer:close()
    end)
  end)

  describe("output", function()
    local OUTPUT = { output = { n = "integer" } }

    it("a result that fits goes out structured, and as text", function()
      local result = called(returning { n = 1 }, OUTPUT)
      assert.same({ n = 1 }, result.structuredContent)
      assert.equal('{"n":1}', result.content[1].text)
    end)

    it("a result that does not fit is an error result that says where", function()
      local result = called(returning { n = "one" }, OUTPUT)
      assert.is_true(result.isError)
      assert.matches("does not fit its output schema", result.content[1].text, 1, true)
      assert.is_nil(result.structuredContent)
    end)

    it("a full result is held to the promise as well", function()
      assert.is_true(called(returning { content = {}, structuredContent = { n = "x" } }, OUTPUT)
        .isError)
      assert.is_nil(called(returning { content = {}, structuredContent = { n = 1 } }, OUTPUT)
        .isError)
    end)

    it("text, content, nothing, or a full result without structure break it (4.9: MUST)", function()
      for _, handler in ipairs { returning "text", returning(mcp.text "a"), returning(nil),
        returning { content = { mcp.text "a" } }, returning { mcp.text "a" } } do
        local result = called(handler, OUTPUT)
        assert.is_true(result.isError)
        assert.matches("output schema", result.content[1].text, 1, true)
      end
    end)

    it("an error result needs no structure", function()
      local result = called(returning { content = { mcp.text "sorry" }, isError = true }, OUTPUT)
      assert.equal("sorry", result.content[1].text)
    end)

    it("a string schema takes a string, wrapped where roots are objects", function()
      local options = { output_schema = { type = "string" } }
      assert.equal("x", called(returning "x", options, "2026-07-28").structuredContent)
      assert.same({ result = "x" }, called(returning "x", options, "2025-11-25").structuredContent)
      assert.is_nil(called(returning "x", options, "2025-03-26").structuredContent)
    end)

    it("a union of object and null is wrapped in step with its list entry", function()
      local options = { output_schema = { type = mcp.array { "object", "null" } } }
      assert.same({ result = helper.null },
        helper.plain(called(returning(nil), options, "2025-11-25").structuredContent))
      assert.same({ result = { a = 1 } },
        helper.plain(called(returning { a = 1 }, options, "2025-06-18").structuredContent))
    end)

    -- What is listed and what is returned must fit together, for whoever checks.
    it("any root: schema and value are in step in every revision (3.9, 4.9)", function()
      local LIST = mcp.array { 1, 2 }
      local cases = {
        { { output = { n = "integer" } }, { n = 1 }, true },
        { { output = mcp.object { { n = "integer" } } }, { n = 1 }, true },
        { { output = "string" }, "x" }, { { output = "integer" }, 5 },
        { { output = "boolean" }, false }, { { output = "integer[]" }, LIST },
        { { output = mcp.list { "integer" } }, LIST }, { { output = mcp.enum { "a", "b" } }, "a" },
        { { output = "any" }, { n = 1 } }, { { output = "null" }, mcp.null },
        { { output_schema = {} }, { n = 1 } },
        { { output_schema = { type = { "object", "null" } } }, { n = 1 } },
        { { output_schema = { ["$ref"] = "#/$defs/n", ["$defs"] = { n = { type = "integer" } } } },
          5 },
        { { output_schema = { type = "array", items = { ["$ref"] = "#" } } },
          mcp.array { mcp.array {} } },
      }
      for i, case in ipairs(cases) do
        for _, revision in ipairs(helper.revisions) do
          local app = mcp.server "spec"
          app:tool "t" (case[1]) (function() return case[2] end)
          local peer = helper.open(app, revision)
          local result = peer:call "t"
          local definition = (peer.era and peer.modern or peer.request)(peer, "tools/list")
            .result.tools[1]
          peer:close()
          local where = ("case %d, %s"):format(i, revision)
          assert.is_nil(result.isError, where)
          assert.equal(require("mcp.core").encode(case[2], true), result.content[1].text, where)
          if revision < "2025-06-18" then
            assert.is_nil(definition.outputSchema, where)
            assert.is_nil(result.structuredContent, where)
          else
            local check = assert(require("mcp.schema").compile(definition.outputSchema))
            assert.is_true(check(result.structuredContent), where)
            local wrapped = revision ~= "2026-07-28" and not case[3]
            local given = result.structuredContent
            if wrapped then
              assert.equal("object", definition.outputSchema.type, where)
              given = given.result
            end
            assert.same(helper.plain(case[2]), helper.plain(given), where)
          end
        end
      end
    end)

    it("validation happens before wrapping", function()
      local options = { output_schema = { type = "array", items = { type = "integer" } } }
      assert.is_nil(called(returning { 1, 2 }, options, "2025-11-25").isError)
      assert.is_true(called(returning { "x" }, options, "2025-11-25").isError)
    end)
  end)

  describe("tools/list", function()
    local function listed(revision, build)
      local app = mcp.server "spec"
      build(app)
      local peer = helper.open(app, revision)
      local response, line
      if peer.era then
        response, line = peer:modern "tools/list"
      else
        response, line = peer:request "tools/list"
      end
      peer:close()
      return response.result, line
    end

    local function full(app)
      app:tool "t" { title = "T", description = "D", input = { a = "string" },
        output = { n = "integer" }, annotations = { read_only = true },
        icons = { { src = "https://x/i.png" } }, meta = { ["my.org/x"] = 1 } } (function() end)
    end

    it("shows each revision what it knows (1.7)", function()
      local expected = {
        ["2024-11-05"] = "description inputSchema name",
        ["2025-03-26"] = "annotations description inputSchema name",
        ["2025-06-18"] = "_meta annotations description inputSchema name outputSchema title",
        ["2025-11-25"] = "_meta annotations description icons inputSchema name outputSchema title",
        ["2026-07-28"] = "_meta annotations description icons inputSchema name outputSchema title",
      }
      for revision, members in pairs(expected) do
        local tool = listed(revision, full).tools[1]
        local names = {}
        for name in pairs(tool) do names[#names + 1] = name end
        table.sort(names)
        assert.equal(members, table.concat(names, " "), revision)
      end
    end)

    it("a tool without input takes an empty object", function()
      local _, line = listed("2025-11-25", function(app) app:tool "t" (function() end) end)
      assert.matches('"inputSchema":{"additionalProperties":false,"type":"object"}', line, 1, true)
    end)

    it("a schema given whole goes out as it was, keys in a stable order", function()
      local schema = { type = "object", ["$defs"] = { a = {} }, properties = { x = { ["$ref"] =
        "#/$defs/a" } }, required = mcp.array {}, ["x-other"] = "no matter" }
      local _, line = listed("2026-07-28", function(app)
        app:tool "t" { input_schema = schema } (function() end)
      end)
      assert.matches('"inputSchema":{"$defs":{"a":{}},"properties":{"x":{"$ref":"#/$defs/a"}},'
        .. '"required":[],"type":"object","x-other":"no matter"}', line, 1, true)
    end)

    it("an output schema of another root is wrapped, its references with it (T-52)", function()
      local function build(app)
        app:tool "t" { output_schema = { type = "array", items = { ["$ref"] = "#/$defs/n" },
          ["$defs"] = { n = { type = "integer" }, all = { ["$ref"] = "#" } } } }
          (function() return { 1 } end)
      end
      local wrapped = listed("2025-11-25", build).tools[1].outputSchema
      assert.equal("object", wrapped.type)
      assert.same({ "result" }, helper.plain(wrapped.required))
      assert.equal("#/properties/result/$defs/n", wrapped.properties.result.items["$ref"])
      assert.equal("#/properties/result", wrapped.properties.result["$defs"].all["$ref"])
      assert.equal("#/$defs/n", listed("2026-07-28", build).tools[1].outputSchema.items["$ref"])
    end)

    it("keeps the order of registration, the same each time", function()
      local names = { "zeta", "alpha", "mid", "a.b-c_D" }
      local app = mcp.server "spec"
      for _, name in ipairs(names) do app:tool(name) (function() end) end
      local peer = helper.open(app)
      local first, first_line = peer:request("tools/list", nil, 7)
      for i, tool in ipairs(first.result.tools) do assert.equal(names[i], tool.name) end
      local _, second_line = peer:request("tools/list", nil, 7)
      assert.equal(first_line, second_line)
      peer:close()
    end)

    it("shows at once what is registered or removed later", function()
      local app = mcp.server "spec"
      app:tool "a" (function() end)
      local peer = helper.open(app)
      assert.equal(1, #peer:request("tools/list").result.tools)
      app:tool "b" (function() return "b" end)
      assert.equal(2, #peer:request("tools/list").result.tools)
      assert.is_true(app:remove("tool", "a"))
      assert.equal("b", peer:request("tools/list").result.tools[1].name)
      assert.equal("b", peer:call("b").content[1].text)
      peer:close()
    end)

    it("carries caching hints and the server's name in the modern era only (3.9)", function()
      local result = listed("2026-07-28", full)
      assert.equal(0, result.ttlMs)
      assert.equal("private", result.cacheScope)
      assert.equal("complete", result.resultType)
      assert.equal("spec", result._meta[helper.PREFIX .. "serverInfo"].name)
      result = listed("2025-11-25", full)
      for _, name in ipairs { "ttlMs", "cacheScope", "resultType", "_meta" } do
        assert.is_nil(result[name])
      end
    end)
  end)

  describe("names that are not there", function()
    local function unknown(params)
      local app = mcp.server "spec"
      app:tool "search_files" (function() end)
      app:tool "read_file" (function() end)
      local peer = helper.open(app)
      local response = peer:request("tools/call", params)
      peer:close()
      return response.error
    end

    it("an unknown tool is invalid params and names the nearest", function()
      local err = unknown { name = "serach_files" }
      assert.equal(-32602, err.code)
      assert.matches("search_files", err.message, 1, true)
      assert.equal("Unknown tool: zzz", unknown({ name = "zzz" }).message)
    end)

    it("a name that is none says what came", function()
      assert.matches("expected a string, got nothing", unknown({}).message, 1, true)
      assert.matches("expected a string, got integer", unknown({ name = 5 }).message, 1, true)
      assert.matches("expected a string, got nothing", unknown({ name = mcp.null }).message, 1,
        true)
      assert.matches("expected a string, got array",
        unknown({ name = mcp.array {} }).message, 1, true)
    end)
  end)

  describe("declarations that are wrong", function()
    local function declaring(options)
      local app = mcp.server "spec"
      local ok, err = pcall(function() app:tool "t" (options) (function() end) end)
      assert.is_false(ok)
      return err
    end

    it("are errors at the line of the declaration", function()
      assert.matches("tool_spec%.lua:%d+: tool \"t\": ", declaring { input = { a = "nubmer" } })
      assert.matches("number", declaring { input = { a = "nubmer" } }, 1, true)
      assert.matches('type must be "object"', declaring { input_schema = { type = "array" } },
        1, true)
      assert.matches("not both", declaring { input = {}, input_schema = { type = "object" } },
        1, true)
      assert.matches("not both", declaring { output = {}, output_schema = {} }, 1, true)
      assert.matches("tool_spec%.lua:%d+: tool \"t\": input: ",
        declaring { input_schema = { type = "object", properties = 5 } })
      -- Clients would get [] where an object has to be.
      local empty = { type = "object", properties = mcp.array {} }
      assert.matches('input: schema at #/properties: expected an object, got an empty array: leave '
        .. 'it out', declaring { input_schema = empty }, 1, true)
      assert.matches('output: schema at #/properties/a/properties: expected an object',
        declaring { output_schema = { type = "object", properties = { a = empty } } }, 1, true)
      assert.matches('"description": expected a string, got number', declaring { description = 5 },
        1, true)
    end)
  end)
end)
