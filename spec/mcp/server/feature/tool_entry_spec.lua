-- SPDX-License-Identifier: MIT
-- What a tool is until it is called, and what the first call makes of it.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local schema = require "mcp.schema"

describe("the entry of a tool", function()
  after_each(helper.leftovers)

  local FULL = { type = "object", properties = {
    path = { type = "string", description = "File path" },
    limit = { type = "integer", minimum = 1, maximum = 1000 },
    deep = { type = "boolean" } }, required = { "path" } }

  -- Kilobytes of Lua's memory that each of 1,000 tools keeps.
  local function kept(options, handler)
    local app = mcp.server "spec"
    local function register(from, to)
      for i = from, to do app:tool("tool_" .. i) (options(i)) (handler) end
    end
    register(1, 10)
    collectgarbage()
    collectgarbage()
    local before = collectgarbage "count"
    register(11, 1010)
    collectgarbage()
    collectgarbage()
    return (collectgarbage "count" - before) / 1000, app
  end

  local FORMS = {
    texts = function(i)
      return { description = "Does thing " .. i .. " to the given path, and says what has changed.",
        input = { path = "string", limit = "integer?", deep = "boolean?" } }
    end,
    constructors = function(i)
      return { description = "Does thing " .. i, title = "T", annotations = { read_only = true },
        input = { path = mcp.string { description = "File path", max = 100 },
          limit = mcp.integer { min = 1, default = 10 }, deep = mcp.boolean { optional = true } },
        output = { lines = "string[]" }, meta = { tags = { "a" } } }
    end,
    schemas = function(i) return { description = "Does thing " .. i, input_schema = FULL } end,
  }

  it("takes at most 3 KB, for a tool of three arguments", function()
    for name, options in pairs(FORMS) do
      local kb, app = kept(options, function() return "x" end)
      assert.is_true(kb <= 3, ("%s: %.2f KB a tool"):format(name, kb))
      -- It is not made larger by being listed or looked at.
      local peer = helper.open(app)
      assert.equal(1010, #peer:request("tools/list", {}).result.tools)
      peer:close()
      for _, entry in ipairs(app.tools.order) do assert.is_table(entry.definition.inputSchema) end
      assert.is_nil(rawget(app.tools.order[7], "definition"))
      assert.is_nil(rawget(app.tools.order[7], "check"))
    end
  end)

  it("refuses a wrong schema when it is registered", function()
    local app = mcp.server "spec"
    for _, case in ipairs {
      { { input_schema = { type = "object", properties = { a = { type = "strnig" } } } },
        'tool "t": input: schema at #/properties/a/type: unknown type "strnig", '
          .. 'did you mean "string"?' },
      { { input = { a = mcp.string { min = -1 } } },
        'tool "t": input: schema at #/properties/a/minLength: expected an integer, 0 or more' },
      { { output_schema = { ["$ref"] = "#/$defs/none" } }, 'tool "t": output: schema' },
      { { input = { a = "string" }, description = "\xff" },
        'tool "t": description: not valid UTF-8 at byte 1' },
      { { input = { a = "string" }, meta = { a = { 1, b = 2 } } }, 'tool "t": meta: ' },
    } do
      local ok, text = pcall(function() app:tool "t" (case[1]) (print) end)
      assert.is_false(ok)
      assert.matches("^[^\n]*tool_entry_spec.lua:%d+: ", text)
      assert.matches(case[2], text, 1, true)
    end
    assert.is_nil(app.tools.by_name.t)
  end)

  -- Runs `fn` with the schemas that are given to the compiler meanwhile.
  local function counting(fn)
    local compile, count = schema.compile, 0
    schema.compile = function(...)
      count = count + 1
      return compile(...)
    end
    local ok, text = pcall(fn, function() return count end)
    schema.compile = compile
    assert(ok, text)
  end

  it("compiles its schema at the first call, once for all that come meanwhile", function()
    counting(function(compiled)
      local app = mcp.server "spec"
      app:tool "t" { input_schema = FULL } (function(args)
        mcp.sleep(0.01)
        return { n = args.limit }
      end)
      local client <close> = assert(mcp.connect(app))
      client:list_tools()
      local at_first, results = compiled(), nil
      mcp.run(function()
        local calls = {}
        for i = 1, 8 do
          calls[i] = function() return client:call_tool("t", { path = "p", limit = i }) end
        end
        results = mcp.all(calls)
      end)
      for i = 1, 8 do assert.same({ n = i }, results[i].structuredContent) end
      assert.equal(1, compiled() - at_first)
      local result = client:call_tool("t", { path = "p", limit = 0 })
      assert.matches("limit", result.content[1].text, 1, true)
      assert.equal(1, compiled() - at_first)
    end)
  end)

  it("does not compile an object of scalars before it refuses a value", function()
    counting(function(compiled)
      local app = mcp.server "spec"
      app:tool "t" { input = { path = "string", limit = "integer?", deep = "boolean?" } }
        (function(args) return math.type(args.limit) or "none" end)
      local peer = helper.open(app)
      assert.equal("integer", peer:call("t", { path = "p", limit = 2 }).content[1].text)
      assert.equal(0, compiled())
      assert.equal("integer", peer:call("t", { path = "p", limit = 3.0 }).content[1].text)
      for _ = 1, 3 do
        local result = peer:call("t", { path = 5, limt = 1 })
        assert.is_true(result.isError)
        assert.matches('limt', result.content[1].text, 1, true)
        assert.matches('expected string, got number 5', result.content[1].text, 1, true)
      end
      assert.equal(1, compiled())
      peer:close()
    end)
  end)

  it("is what was registered, whatever becomes of the tables it was given", function()
    local app = mcp.server "spec"
    local input = { type = "object", properties = { a = { type = "string" } } }
    local meta = { note = "kept" }
    app:tool "t" { input_schema = input, meta = meta } (function() return "done" end)
    input.properties.a.type, meta.note = "number", print
    local peer = helper.open(app)
    local listed = peer:request("tools/list", {}).result.tools[1]
    assert.equal("string", listed.inputSchema.properties.a.type)
    assert.equal("kept", listed._meta.note)
    assert.equal("done", peer:call("t", { a = "text" }).content[1].text)
    assert.is_true(peer:call("t", { a = 5 }).isError)
    peer:close()
  end)

  it("has a definition to look at, which ends with the look", function()
    local app = mcp.server "spec"
    app:tool "t" { description = "d" } (print)
    local entry = app.tools.by_name.t
    assert.equal("d", entry.definition.description)
    local seen = setmetatable({ entry.definition }, { __mode = "v" })
    assert.equal(seen[1], entry.definition)
    collectgarbage()
    collectgarbage()
    assert.is_nil(seen[1])
    assert.equal("d", entry.definition.description)
  end)

  it("shows what a transform changes in place, and checks what was registered", function()
    for _, mounted in ipairs { false, true } do
      local app = mcp.server "spec"
      app:tool "t" { input = { a = "string" }, annotations = { read_only = true } }
        (function(args) return args.a end)
      local front = app
      if mounted then
        front = mcp.server "front"
        front:mount("m", app)
      end
      front:transform(function(entry)
        entry.annotations.readOnlyHint = false
        entry.input.properties.a.description = "changed"
        entry.input.properties.a.type = "number"
        return entry
      end)
      local client <close> = assert(mcp.connect(front))
      local listed = client:list_tools()[1]
      assert.is_false(listed.annotations.readOnlyHint)
      assert.equal("changed", listed.inputSchema.properties.a.description)
      assert.equal("text", client:call_tool(listed.name, { a = "text" }).content[1].text)
      assert.is_true(client:call_tool(listed.name, { a = 5 }).isError)
      if mounted then front:unmount "m" end
    end
  end)

  it("goes out as it is kept where a revision knows all of it", function()
    local app = mcp.server "spec"
    app:tool "t" { input = { title = "string" }, task = "optional", title = "T" } (print)
    app:tool "u" (print)
    for _, revision in ipairs(helper.revisions) do
      local peer = helper.open(app, revision)
      local list = (peer.era and peer.modern or peer.request)(peer, "tools/list", {}).result.tools
      assert.equal(revision == "2025-11-25" and "optional" or nil,
        (list[1].execution or {}).taskSupport)
      local knows_titles = revision ~= "2024-11-05" and revision ~= "2025-03-26"
      assert.equal(knows_titles and "T" or nil, list[1].title)
      assert.equal("string", list[1].inputSchema.properties.title.type)
      assert.equal(core.encode({ name = "u", inputSchema = { type = "object",
        additionalProperties = false } }, true), core.encode(list[2], true))
      peer:close()
    end
  end)
end)
