-- SPDX-License-Identifier: MIT
-- cache_spec.lua: lua/mcp/client/cache.lua, and what a client keeps in it (4.8).
local cache = require "mcp.client.cache"
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local scripted = require "spec.scripted"
local value = require "mcp.value"

describe("a cache of results", function()
  local now, real
  before_each(function()
    real, now = core.now, 1000
    core.now = function() return now end
  end)
  after_each(function() core.now = real end)

  local A, B = { server = "s", principal = "a" }, { server = "s", principal = "b" }

  local function put(kept, place, detail, more)
    local result = { ttlMs = 1000, cacheScope = "private", x = 1 }
    for key, member in pairs(more or {}) do result[key] = member end
    kept:put(place, "m", detail, result, kept.generation)
  end

  it("keeps them as long as they say, a day at most", function()
    local kept = cache.new()
    put(kept, A)
    now = 1000.999
    assert.equal(1, kept:get(A, "m").x)
    now = 1001
    assert.is_nil(kept:get(A, "m"))
    put(kept, A, nil, { ttlMs = 10 ^ 15 // 1 | 0 })
    now = now + cache.MAX_TTL - 1
    assert.is_table(kept:get(A, "m"))
    now = now + 1
    assert.is_nil(kept:get(A, "m"))
    assert.equal(0, kept.count)
  end)

  it("keeps none whose time is none", function()
    for _, ttl in ipairs { 0, -1, 1.5, "1000", value.null, false, 1 / 0 } do
      local kept = cache.new()
      put(kept, A, nil, { ttlMs = ttl })
      assert.equal(0, kept.count)
    end
  end)

  it("keeps apart what is private, methods, and details; shares what is public (T-61)", function()
    local kept = cache.new()
    put(kept, A, "one")
    assert.is_table(kept:get(A, "m", "one"))
    assert.is_nil(kept:get(B, "m", "one"))
    assert.is_nil(kept:get(A, "n", "one"))
    assert.is_nil(kept:get(A, "m", "two"))
    assert.is_nil(kept:get(A, "m"))
    assert.is_nil(kept:get({ server = "t", principal = "a" }, "m", "one"))
    put(kept, A, "one", { cacheScope = "public" })
    assert.is_table(kept:get(B, "m", "one"))
    assert.equal(1, kept.count)
    -- Whatever is not public is private (T-61).
    for _, scope in ipairs { value.null, "PUBLIC", 5 } do
      put(kept, A, "two", { cacheScope = scope })
      assert.is_nil(kept:get(B, "m", "two"))
      assert.is_table(kept:get(A, "m", "two"))
    end
  end)

  it("gives copies, so that nobody changes what is kept", function()
    local kept = cache.new()
    local list = value.array { 1, 2 }
    put(kept, A, nil, { list = list })
    list[1] = 5
    local got = kept:get(A, "m")
    assert.equal(1, got.list[1])
    assert.is_true(value.is_array(got.list))
    got.list[1] = 6
    assert.equal(1, kept:get(A, "m").list[1])
  end)

  it("has room for so many; the oldest goes", function()
    local kept = cache.new(3)
    for i = 1, 5 do put(kept, A, "d" .. i) end
    assert.equal(3, kept.count)
    assert.is_nil(kept:get(A, "m", "d2"))
    assert.is_table(kept:get(A, "m", "d3"))
    -- One that is renewed again and again takes no more room than one.
    for _ = 1, 1000 do put(kept, A, "d5") end
    assert.equal(3, kept.count)
    assert.is_true(kept.last - kept.from <= 8)
    for i = 6, 8 do put(kept, A, "d" .. i) end
    assert.equal(3, kept.count)
    assert.is_table(kept:get(A, "m", "d8"))
    assert.equal("mcp.client_cache (3 results)", tostring(kept))
  end)

  it("forgets, also what is under way", function()
    local kept = cache.new()
    put(kept, A, "one")
    put(kept, A, "two")
    put(kept, B, "one")
    local generation = kept.generation
    kept:drop(A, "m", "one")
    assert.equal(1, kept.count)
    kept:put(A, "m", "one", { ttlMs = 1000 }, generation)
    assert.is_nil(kept:get(A, "m", "one"))
    put(kept, A, "one")
    kept:drop(A, "n")
    assert.equal(2, kept.count)
    kept:drop(A)
    assert.equal(0, kept.count)
  end)
end)

describe("a client", function()
  after_each(scripted.leftovers)

  local function listing(ttl, scope)
    local count = 0
    return function(far, message)
      if not message.id then return end
      count = count + 1
      far:result(message.id, { resultType = "complete", ttlMs = ttl, cacheScope = scope,
        tools = value.array { { name = "n" .. count } }, contents = value.array {} })
    end
  end

  it("asks once for what it may keep, and again when it must", function()
    local client, far = scripted.connect(scripted.modern(listing(60000, "private")))
    assert.equal("n1", client:list_tools()[1].name)
    assert.equal("n1", client:list_tools()[1].name)
    assert.equal("n2", client:list_tools({ fresh = true })[1].name)
    assert.equal("n2", client:list_tools()[1].name)
    assert.equal(2, #far:all "tools/list")
    for _ = 1, 2 do
      assert(client:read_resource "a")
      assert(client:read_resource "b")
    end
    assert.equal(2, #far:all "resources/read")
    -- What is no list and no resource is never kept.
    for _ = 1, 2 do assert(client:request "other/list") end
    assert.equal(2, #far:all "other/list")
  end)

  it("asks each time where it may not keep, or must not", function()
    local client, far = scripted.connect(scripted.modern(listing(0, "private")))
    for _ = 1, 2 do assert(client:list_tools()) end
    assert.equal(2, #far:all "tools/list")
    client:close()
    client, far = scripted.connect(scripted.modern(listing(60000, "private")), { cache = false })
    for _ = 1, 2 do assert(client:list_tools()) end
    assert.equal(2, #far:all "tools/list")
    client:close()
    -- In a session these words mean nothing (3.9).
    client, far = scripted.connect(scripted.legacy(listing(60000, "private")))
    for _ = 1, 2 do assert(client:list_tools()) end
    assert.equal(2, #far:all "tools/list")
  end)

  it("never keeps what came of questions (4.8)", function()
    local count = 0
    local client, far = scripted.connect(scripted.modern(function(end_, message)
      count = count + 1
      end_:result(message.id, count % 2 == 1
        and { resultType = "input_required", requestState = "s" }
        or { resultType = "complete", ttlMs = 60000, contents = value.array {} })
    end))
    for _ = 1, 2 do assert(client:read_resource "a") end
    assert.equal(4, #far:all "resources/read")
  end)

  it("may share with others of one server: what is public, or of one principal", function()
    local shared = mcp.client_cache()
    local app = mcp.server { name = "own", cache = { ttl = 60, scope = "private" } }
    local read = 0
    app:resource "t://x" (function()
      read = read + 1
      return "x"
    end)
    -- Two of one principal, one of another, and two that do not say.
    for _, principal in ipairs { "a", "a", "b", false, false } do
      local client <close> = assert(mcp.connect(app,
        { cache = shared, principal = principal or nil }))
      client.place.server = "own"
      assert(client:read_resource "t://x")
      -- Its own end forgets nothing of the others'.
    end
    assert.equal(4, read)
  end)

  it("starts again where a page that it has kept leads nowhere", function()
    local broken = false
    local client, far = scripted.connect(scripted.modern(function(end_, message)
      local cursor = message.params.cursor
      if not cursor then
        end_:result(message.id, { ttlMs = 60000, tools = value.array { { name = "a" } },
          nextCursor = broken and "new" or "old" })
      elseif cursor == "old" and broken then
        end_:error(message.id, -32602, "bad cursor")
      else
        end_:result(message.id, { ttlMs = 0, tools = value.array { { name = cursor } } })
      end
    end))
    assert.equal("old", client:list_tools()[2].name)
    broken = true
    local list = assert(client:list_tools())
    assert.equal(2, #list)
    assert.equal("new", list[2].name)
    assert.equal(5, #far:all "tools/list")
  end)

  it("forgets what it is told of", function()
    local client, far = scripted.connect(scripted.legacy())
    -- In a session nothing is kept; what is known of tools is.
    client.tools_known = {}
    far:notify "notifications/tools/list_changed"
    helper.wait_until(function() return not client.tools_known end)
  end)
end)
