-- SPDX-License-Identifier: MIT
-- Functions from entry to entry: for an app's own, and for what is mounted.
local helper = require "spec.helper"
local mcp = require "mcp"
local transform = require "mcp.server.transform"

describe("transforms", function()
  local behind

  local function new()
    behind = mcp.server "behind"
    behind:tool "list_a" { description = "A" } (function() return "a" end)
    behind:tool "list_b" (function() return "b" end)
    behind:tool "send" { input = { to = "string", text = "string",
      count = mcp.integer { default = 2 } } } (function(args)
      return ("%s %s %d"):format(args.to, args.text, args.count)
    end)
    behind:prompt "p" { arguments = { a = "string", b = "string?" } } (function(args)
      return args.a .. tostring(args.b)
    end)
    behind:resource "n://a" (function(_, ctx) return ctx.uri end)
    behind:resource "n://{x}/y" (function(vars) return vars.x end)
    return behind
  end

  before_each(new)

  -- Calls `check` with a client of an app that has these transforms: around what it has itself, and
  -- around what it has mounted, with and without a connection.
  local function each(list, check)
    local own = behind
    for _, fn in ipairs(list) do own:transform(fn) end
    do
      local client <close> = assert(mcp.connect(own))
      check(client, "", "")
    end
    for _, era in ipairs { "app", "legacy", "modern" } do
      local front = mcp.server "front"
      front:mount("gh", new(), { transform = list, era = era ~= "app" and era or nil })
      local client <close> = assert(mcp.connect(front))
      check(client, "gh_", "gh+")
      front:unmount "gh"
    end
  end

  local function names_of(client)
    local out = {}
    for i, tool in ipairs(client:list_tools()) do out[i] = tool.name end
    return table.concat(out, " ")
  end

  local function text_of(result) return result.content[1].text end

  it("leave entries out, by name, beginning and tag", function()
    each({ transform.tag { send = "write" }, transform.hide { "list_b", tags = { "write" } } },
      function(client, gh)
        assert.equal(gh .. "list_a", names_of(client))
        assert.matches("Unknown tool", (select(2, client:call_tool(gh .. "send", {}))))
        assert.equal(1, #client:list_prompts())
      end)
  end)

  it("leave all others out", function()
    each({ transform.only { "list_*" } }, function(client, gh)
      assert.equal(("%slist_a %slist_b"):format(gh, gh), names_of(client))
      assert.is_nil((client:read_resource("n://a")))
    end)
  end)

  it("rename, and describe", function()
    each({ transform.rename { list_a = "ls", p = "q", ["n://a"] = "n://b" },
      transform.describe { ls = "Lists", q = "Asks" } }, function(client, gh, scheme)
      if gh == "" or client:call_tool(gh .. "ls") then
        assert.equal("a", text_of(client:call_tool(gh .. "ls")))
      end
      assert.equal("Lists", client:list_tools()[1].description)
      assert.equal("x" .. "nil", client:get_prompt(gh .. "q", { a = "x" }).messages[1].content.text)
      local read = client:read_resource(scheme .. "n://b")
      assert.same({ scheme .. "n://b", "n://a" }, { read.contents[1].uri, read.contents[1].text })
    end)
  end)

  it("give arguments a value that callers neither see nor change", function()
    each({ transform.fix { send = { to = "ann" }, p = { b = "!" } } }, function(client, gh)
      local tool = client:list_tools()[3]
      assert.is_nil(tool.inputSchema.properties.to)
      assert.equal("string", tool.inputSchema.properties.text.type)
      assert.equal("ann hi 2", text_of(client:call_tool(gh .. "send", { text = "hi" })))
      assert.equal("x!", client:get_prompt(gh .. "p", { a = "x" }).messages[1].content.text)
      assert.equal(1, #client:list_prompts()[1].arguments)
    end)
  end)

  it("give a handler integers where the schema says so, as callers do", function()
    local app, got = mcp.server "kinds", nil
    app:tool "take" { input = { n = "integer", list = "integer[]", x = "number" } } (function(args)
      got = args
      return ""
    end)
    app:transform(transform.fix { take = { n = 7.0, list = { 1.0, 2 }, x = 3.0 } })
    local client <close> = assert(mcp.connect(app))
    assert(client:call_tool "take")
    assert.same({ "integer", "integer", "float" },
      { math.type(got.n), math.type(got.list[1]), math.type(got.x) })
  end)

  it("tag", function()
    each({ transform.tag { list_a = { "read", "fast" } } }, function(client)
      assert.same({ "read", "fast" }, client:list_tools()[1]._meta.tags)
    end)
  end)

  it("are any functions of a description", function()
    local seen = {}
    each({ function(entry)
      seen[#seen + 1] = ("%s %s %s"):format(entry.kind, entry.name, entry.server)
      if entry.kind == "tool" then entry.title = "T " .. entry.name end
      return entry
    end }, function(client)
      assert.equal("T list_a", client:list_tools()[1].title)
    end)
    assert.equal("tool list_a nil", seen[1])
    assert.is_truthy(table.concat(seen, "\n"):find("template n://{x}/y gh", 1, true))
  end)

  it("hold for what is registered, or mounted, later", function()
    local front = mcp.server "front"
    front:transform(transform.hide { "*_b", "gh_list_b", "own_b" })
    front:tool "own_a" (function() return "x" end)
    front:tool "own_b" (function() return "x" end)
    front:mount("gh", behind)
    local client <close> = assert(mcp.connect(front))
    assert.equal("own_a gh_list_a gh_send", names_of(client))
    behind:tool "list_c" (function() return "x" end)
    front:transform(transform.rename { gh_list_c = "c" })
    assert.equal("own_a gh_list_a gh_send c", names_of(client))
    front:unmount "gh"
    assert.equal("own_a", names_of(client))
  end)

  it("say what is wrong with them", function()
    for text, fn in pairs {
      ["mcp.transform.only: expected a list of names, got string"] = function()
        transform.only "x"
      end,
      ["mcp.transform.hide: expected a list of names, and tags = { … }, got x"] = function()
        transform.hide { x = 1 }
      end,
      ['mcp.transform.rename: entry "a": expected a string, got number'] = function()
        transform.rename { a = 1 }
      end,
      ["app:transform: expected a function, got string"] = function() behind:transform "x" end,
      ["app:transform: transform: expected the entry, or nothing, got boolean"] = function()
        behind:transform(function() return true end)
      end,
      ['app:transform: two entries become "list_a"'] = function()
        behind:transform(transform.rename { list_b = "list_a" })
      end,
      ['app:transform: rename: "n://{x}/y": a template keeps its URI'] = function()
        behind:transform(transform.rename { ["n://{x}/y"] = "m://{x}" })
      end,
      ['app:transform: rename: tool "send" to "sch\195\182n": name: expected A-Z'] = function()
        behind:transform(transform.rename { send = "sch\195\182n" })
      end,
      ['app:transform: rename: resource "n://a" to "n": uri: expected an absolute'] = function()
        behind:transform(transform.rename { ["n://a"] = "n" })
      end,
      ['app:transform: fix: tool "send": unknown argument "too", did you mean "to"?'] = function()
        behind:transform(transform.fix { send = { too = "ann" } })
      end,
      ['app:transform: fix: tool "send": '] = function()
        behind:transform(transform.fix { send = { to = 7 } })
      end,
      ["app:transform: fix: a resource has no arguments"] = function()
        behind:transform(transform.fix { ["n://a"] = { x = 1 } })
      end,
    } do
      local ok, message = pcall(fn)
      assert.is_false(ok)
      assert.matches(text, message, 1, true)
      assert.matches("^spec/mcp/server/transform_spec.lua:", message)
    end
  end)

  after_each(function()
    mcp.sleep(0.01)
    helper.leftovers()
  end)
end)
