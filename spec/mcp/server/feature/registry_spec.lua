-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local registry = require "mcp.server.feature.registry"

describe("registry", function()
  local function texts(raw) return core.encode(raw) end

  it("keeps names in order of registration", function()
    local r = registry.new()
    for _, name in ipairs { "c", "a", "b" } do assert.is_true(r:add(name, { name = name })) end
    assert.same({ "c", "a", "b" }, r:names())
    assert.equal("mcp.registry (3)", tostring(r))
  end)

  it("takes no name twice, and does not call that a change", function()
    local changes = 0
    local r = registry.new(function() changes = changes + 1 end)
    r:add("a", { name = "a" })
    assert.is_false(r:add("a", {}))
    assert.equal(1, changes)
  end)

  it("removes, keeping the others' order", function()
    local changes = 0
    local r = registry.new(function() changes = changes + 1 end)
    for _, name in ipairs { "a", "b", "c" } do r:add(name, { name = name }) end
    assert.equal("b", r:remove("b").name)
    assert.is_nil(r:remove "b")
    assert.same({ "a", "c" }, r:names())
    assert.equal(4, changes)
    assert.is_true(r:add("b", { name = "b" }))
    assert.same({ "a", "c", "b" }, r:names())
  end)

  it("makes a list once per key until something changes", function()
    local r = registry.new()
    r:add("a", { name = "a" })
    local made = 0
    local function list(key)
      return r:list(key, function(entry) made = made + 1 return { n = entry.name } end,
        function(all) return { all = all } end)
    end
    local first = list(1)
    assert.equal(first, list(1))
    assert.equal(1, made)
    assert.equal('{"all":[{"n":"a"}]}', texts(first))
    list(2)
    assert.equal(2, made)
    r:add("b", { name = "b" })
    assert.equal('{"all":[{"n":"a"},{"n":"b"}]}', texts(list(1)))
    r:remove "a"
    r:remove "b"
    assert.equal('{"all":[]}', texts(list(1)))
  end)

  it("leaves out what make gives nil for", function()
    local r = registry.new()
    r:add("a", { name = "a" })
    r:add("b", { name = "b" })
    assert.equal('["b"]', texts(r:list(1, function(e) return e.name == "b" and "b" or nil end,
      function(all) return all end)))
  end)

  it("makes pages once per key until something changes", function()
    local r = registry.new()
    local function pages(key)
      local out = {}
      local kept = r:pages(key, 2, function(entry) return entry.name end,
        function(some, following) return { some, following } end)
      for i, raw in ipairs(kept) do out[i] = texts(raw) end
      return out, kept
    end
    assert.same({ "[[]]" }, pages(1))
    for _, name in ipairs { "a", "b", "c", "d", "e" } do r:add(name, { name = name }) end
    local shown, kept = pages(1)
    assert.same({ '[["a","b"],2]', '[["c","d"],3]', '[["e"]]' }, shown)
    assert.equal(kept, select(2, pages(1)))
    r:remove "e"
    assert.same({ '[["a","b"],2]', '[["c","d"]]' }, pages(1))
  end)

  it("counts its changes", function()
    local r = registry.new()
    assert.equal(0, r.generation)
    r:add("a", { name = "a" })
    r:add("a", { name = "a" })
    assert.equal(1, r.generation)
    r:remove "a"
    r:remove "a"
    assert.equal(2, r.generation)
  end)

  it("views a definition without touching it", function()
    local definition = { name = "a", title = "T", _meta = {} }
    assert.same({ name = "a" }, registry.view(definition, { name = true, icons = true }))
    assert.equal("T", definition.title)
  end)
end)
