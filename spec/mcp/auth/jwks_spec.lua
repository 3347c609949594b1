-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local helper = require "spec.helper"
local jwks = require "mcp.auth.jwks"

local URL = "https://as.example/jwks"

local function key(kid) return { kty = "OKP", crv = "Ed25519", x = "x" .. kid, kid = kid } end

local function document(...)
  local keys = {}
  for i, kid in ipairs { ... } do keys[i] = key(kid) end
  return core.encode { keys = keys }
end

-- A place where keys are; `set.body` and `set.status` are what it answers with.
local function place(body)
  local set = { body = body, status = 200, count = 0 }
  function set.fetch(url, options)
    assert.equal(URL, url)
    assert.equal(0, options.redirects)
    assert.equal(jwks.LENGTH, options.limit)
    assert.equal(jwks.TIME, options.timeout)
    set.count = set.count + 1
    if set.wait then set.wait:wait() end
    if not set.body then return nil, "connection refused", "ECONNREFUSED" end
    return { status = set.status, headers = {}, body = set.body }
  end
  return set
end

local function has(set, kid)
  for _, one in ipairs(assert(set:find { kid = kid })) do
    if one.kid == kid then return true end
  end
  return false
end

describe("mcp.auth.jwks", function()
  local now, real

  before_each(function()
    now, real = 1000, core.now
    core.now = function() return now end
  end)

  after_each(function()
    core.now = real
    helper.leftovers()
    helper.remove_files()
  end)

  it("takes a table: a set, a list, one key", function()
    for _, given in ipairs { { keys = { key "a" } }, { key "a" }, key "a" } do
      assert.is_true(has(jwks.new(given), "a"))
      assert.is_false(has(jwks.new(given), "b"))
    end
  end)

  it("fetches once and keeps what it got", function()
    local there = place(document("a", "b"))
    local set = jwks.new { url = URL, fetch = there.fetch }
    assert.equal(0, there.count)
    for _ = 1, 5 do
      assert.is_true(has(set, "a"))
      assert.is_true(has(set, "b"))
    end
    assert.equal(1, there.count)
  end)

  it("asks again for a key id it does not know, once in a while only (SEC-70)", function()
    local there = place(document "a")
    local set = jwks.new { url = URL, fetch = there.fetch }
    assert.is_true(has(set, "a"))
    there.body = document("a", "new")
    -- The first look was just now.
    for i = 1, 100 do assert.is_false(has(set, "made up " .. i)) end
    assert.equal(1, there.count)
    now = now + jwks.REFRESH
    assert.is_true(has(set, "new"))
    assert.equal(2, there.count)
    for i = 1, 100 do assert.is_false(has(set, "made up " .. i)) end
    assert.equal(2, there.count)
    now = now + jwks.REFRESH - 0.1
    assert.is_false(has(set, "made up"))
    assert.equal(2, there.count)
    now = now + 0.1
    assert.is_false(has(set, "made up"))
    assert.equal(3, there.count)
  end)

  it("fetches keys again after ten minutes, without an option", function()
    local there = place(document "a")
    local set = jwks.new { url = URL, fetch = there.fetch }
    assert.is_true(has(set, "a"))
    now = now + 600
    assert.is_true(has(set, "a"))
    assert.equal(1, there.count)
    now = now + 0.1
    assert.is_true(has(set, "a"))
    assert.equal(2, there.count)
    -- The age counts from the second answer.
    now = now + 600
    assert.is_true(has(set, "a"))
    assert.equal(2, there.count)
  end)

  it("has the interval as an option", function()
    local there = place(document "a")
    local set = jwks.new { url = URL, fetch = there.fetch, refresh = 5 }
    assert.is_true(has(set, "a"))
    now = now + 5
    assert.is_false(has(set, "b"))
    assert.equal(2, there.count)
  end)

  it("sends one to ask, however many wait, and whoever of them is cancelled", function()
    local there = place(document "a")
    there.wait = core.waiter()
    local set = jwks.new { url = URL, fetch = there.fetch }
    local found, leader = {}, core.waiter()
    local ended
    leader:spawn(function()
      local _, _, code = set:find { kid = "a" }
      ended = code
    end)
    for i = 1, 10 do
      core.spawn(function() found[i] = has(set, "a") end)
    end
    helper.settle()
    assert.equal(1, there.count)
    leader:cancel()
    helper.settle()
    assert.equal("ECANCELED", ended)
    assert.equal(0, #found)
    there.wait:wake()
    helper.settle()
    assert.equal(10, #found)
    for i = 1, 10 do assert.is_true(found[i]) end
    assert.equal(1, there.count)
  end)

  it("goes on with old keys while new ones are fetched, and when they cannot be", function()
    local there = place(document "old")
    local set = jwks.new { url = URL, fetch = there.fetch, ttl = 100 }
    assert.is_true(has(set, "old"))
    now = now + 101
    there.wait, there.body = core.waiter(), document "new"
    assert.is_true(has(set, "old")) -- nobody waits
    assert.equal(2, there.count)
    there.wait:wake()
    helper.settle()
    assert.is_true(has(set, "new"))
    assert.equal(2, there.count)
    -- Their place is gone.
    there.wait, there.body = nil, nil
    now = now + 101
    local log = helper.logged(function() assert.is_true(has(set, "new")) end)
    assert.matches("cannot load keys: connection refused", log)
    assert.equal(3, there.count)
    for _ = 1, 10 do assert.is_true(has(set, "new")) end
    assert.equal(3, there.count)
    helper.logged(function()
      now = now + jwks.RETRY
      assert.is_true(has(set, "new"))
      assert.equal(4, there.count)
    end)
    -- For ever is too long.
    now = now + jwks.STALE
    helper.logged(function()
      local list, why, code = set:find { kid = "new" }
      assert.is_nil(list)
      assert.equal("the keys could not be loaded", why)
      assert.equal("EUNREACHABLE", code)
    end)
  end)

  it("says that there are no keys where none can be had, and does not ask all the time", function()
    local there = place(nil)
    local set = jwks.new { url = URL, fetch = there.fetch }
    helper.logged(function()
      for _ = 1, 10 do
        local list, _, code = set:find { kid = "a" }
        assert.is_nil(list)
        assert.equal("EUNREACHABLE", code)
      end
      assert.equal(1, there.count)
      there.body = document "a"
      now = now + jwks.RETRY
      assert.is_true(has(set, "a"))
      assert.equal(2, there.count)
    end)
  end)

  it("takes nothing for a set that is none, and keeps what it had", function()
    local there = place(document "a")
    local set = jwks.new { url = URL, fetch = there.fetch, refresh = 1 }
    assert.is_true(has(set, "a"))
    for _, body in ipairs { "", "x", "null", "7", "[7]", '{"keys":7}', '{"keys":[{}]}',
      '{"keys":[{"kty":7}]}', '{"keys":[],"keys":[]}' } do
      there.body = body
      now = now + jwks.RETRY
      local log = helper.logged(function() assert.is_false(has(set, "b")) end)
      assert.matches("cannot load keys", log)
      assert.is_true(has(set, "a"))
    end
    there.body, there.status = document "b", 500
    now = now + jwks.RETRY
    local log = helper.logged(function() assert.is_false(has(set, "b")) end)
    assert.matches("status 500", log)
    -- An empty set is one: all keys have been withdrawn.
    there.body, there.status = '{"keys":[]}', 200
    now = now + jwks.RETRY
    assert.is_false(has(set, "b"))
    assert.is_false(has(set, "a"))
  end)

  it("survives a fetch that raises", function()
    local set = jwks.new { url = URL, fetch = function() error "oops" end }
    local log = helper.logged(function() assert.is_nil((set:find {})) end)
    assert.matches("oops", log)
  end)

  it("leaves out kinds of keys that it does not know, and looks at so many only", function()
    local keys = { { kty = "oct", k = "c2VjcmV0", kid = "shared" }, { kty = "new", kid = "n" } }
    for i = 1, jwks.KEYS + 10 do keys[#keys + 1] = key("k" .. i) end
    local set = jwks.new { url = URL, fetch = place(core.encode { keys = keys }).fetch }
    assert.is_false(has(set, "shared"))
    assert.equal(jwks.KEYS, #set:find {})
  end)

  it("reads a file, and reads it again for an unknown key id", function()
    local path = helper.file(document "a")
    local set = jwks.new(path)
    assert.is_true(has(set, "a"))
    local file = assert(io.open(path, "w"))
    file:write(document "b")
    file:close()
    assert.is_false(has(set, "b"))
    now = now + jwks.REFRESH
    assert.is_true(has(set, "b"))
    local gone = jwks.new(path .. ".not")
    helper.logged(function() assert.is_nil((gone:find {})) end)
  end)

  it("takes keys from https only, or from this machine", function()
    for _, url in ipairs { "http://as.example/jwks", "http://127.0.0.1.example/x",
      "https://user@as.example/x", "http://localhost.example/" } do
      assert.has_error(function() jwks.new(url) end)
      assert.has_error(function() jwks.new { url = url } end)
    end
    for _, url in ipairs { "https://as.example/jwks", "http://127.0.0.1:8080/x",
      "http://localhost/x", "http://[::1]:7/" } do
      assert.is_table(jwks.new(url))
    end
    assert.has_error(function() jwks.new { url = "ftp://as.example" } end)
  end)

  it("refuses what it cannot be made of", function()
    assert.error_matches(function() jwks.new(7) end, "an address, a path or a table")
    assert.error_matches(function() jwks.new {} end, "one of url, file and keys")
    assert.error_matches(function() jwks.new { url = URL, file = "x" } end, "one of url, file")
    assert.error_matches(function() jwks.new { url = URL, refesh = 1 } end, "refresh")
    assert.error_matches(function() jwks.new { url = URL, ttl = "x" } end,
      '"ttl": expected a number')
    assert.error_matches(function() jwks.new { keys = {} } end, "no key of a supported type")
    local private = key "a"
    private.d = "secret"
    assert.error_matches(function() jwks.new(private) end, "is a private key")
  end)
end)
