-- SPDX-License-Identifier: MIT
-- What is accepted as a store, and what its methods refuse.
local helper = require "spec.helper"
local methods = require "mcp.store.methods"
local store = require "mcp.store"

-- The error of a call.
local function refused(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

describe("mcp.store", function()
  it("makes a store of an address, a memory and a store", function()
    local single = store.open "memory:"
    assert.is_true(methods.is_store(single))
    assert.equal(single, store.open(single))
    local bank = store.memory()
    local left, right = store.open(bank), store.open(bank)
    left:put("k", "x", 10)
    assert.equal("x", right:get "k")
    assert.is_nil(single:get "k")
  end)

  it("accepts an object that has the methods, and says what is missing", function()
    local own = { node = "me" }
    for _, name in ipairs(methods.NAMES) do own[name] = function() end end
    assert.equal(own, store.open(own))
    own.node = nil
    assert.equal("store: expected a store, but its node is no string", refused(store.open, own))
    own.take = nil
    assert.equal('store: expected a store, but it has no function "take"', refused(store.open, own))
    assert.equal("store: expected an address or a store, got number", refused(store.open, 7))
  end)

  it("refuses an address of another kind, and shows no password", function()
    assert.equal("store: expected an address such as redis://127.0.0.1:6379, rediss://…, "
      .. 'redis+unix:///path or memory:, got "http://(hidden)@host"',
      refused(store.open, "http://me:secret@host"))
    assert.matches('got "localhost"', refused(store.open, "localhost"), 1, true)
  end)

  it("says what Redis needs", function()
    local out = helper.shell(([[%s -e '
      package.preload["mcp.hiredis"] = function() error("no such file", 0) end
      print(pcall(require("mcp.store").open, "redis://localhost"))' 2>&1]]):format(
      os.getenv "LUA" or "lua5.4"))
    assert.equal("luamcp: error: mcp.hiredis cannot be loaded: no such file\n"
      .. "false\tstore: Redis needs the module mcp.hiredis, which is built where hiredis (Debian: "
      .. "libhiredis-dev) is installed\n", out)
  end)

  it("refuses wrong arguments at the caller's line", function()
    local single = store.memory():node()
    local long = ("x"):rep(1025)
    for text, call in pairs {
      ["store:get: key: expected a string, got nil"] = function() single:get() end,
      ["store:get: key: expected 1 to 1024 bytes, got 0"] = function() single:get "" end,
      ["store:take: key: expected 1 to 1024 bytes, got 1025"] = function() single:take(long) end,
      ["store:release: value: expected a string, got nil"] = function() single:release "k" end,
      ["store:release_later: value: expected a string, got nil"] =
        function() single:release_later "k" end,
      ["store:put: value: expected a string, got number"] = function() single:put("k", 1, 1) end,
      ["store:put: ttl: expected a number, got nil"] = function() single:put("k", "x") end,
      ["store:add: ttl: expected 0.001 to 1000000000, got 0"] =
        function() single:add("k", "x", 0) end,
      ["store:touch: ttl: expected 0.001 to 1000000000, got -nan"] =
        function() single:touch("k", 0 / 0) end,
      ["store:count: n: expected an integer, got 1.5"] = function() single:count("k", 1.5, 1) end,
      ["store:append: limits: expected a table with ttl, got nil"] =
        function() single:append("l", "e", "x") end,
      ['store:append: limit "spare": expected a boolean, got number'] =
        function() single:append("l", "e", "x", { ttl = 1, spare = 1 }) end,
      ["store:append: limits: ttl: expected a number, got nil"] =
        function() single:append("l", "e", "x", {}) end,
      ['store:append: unknown limit "event", did you mean "events"?'] =
        function() single:append("l", "e", "x", { ttl = 1, event = 1 }) end,
      ["store:append_later: limits: bytes: expected an integer, 1 or more, got 0"] =
        function() single:append_later("l", "e", "x", { ttl = 1, bytes = 0 }) end,
      ["store:range: after: expected a string, got number"] = function() single:range("l", 1) end,
      ["store:bucket: cost: expected 0 to 2, got 3"] = function() single:bucket("k", 1, 2, 3) end,
      ["store:publish: text: expected a string, got table"] =
        function() single:publish("t", {}) end,
      ["store:subscribe: expected a function, got nil"] = function() single:subscribe "t" end,
      ["store:on_back: expected a function, got nil"] = function() single:on_back() end,
      ["store:get is called with a colon, not with a dot"] = function() single.get "k" end,
    } do
      local message = refused(call):gsub("got %-?nan", "got -nan")
      assert.matches("^spec/mcp/store/init_spec%.lua:%d+: ", message)
      assert.equal(text, (message:gsub("^[^:]*:%d+: ", "")))
    end
  end)
end)
