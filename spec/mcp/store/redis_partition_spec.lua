-- SPDX-License-Identifier: MIT
-- A Redis that accepts connections and answers nothing for five seconds.
local cases = require "spec.mcp.store.cases"
local core = require "mcp.core"
local redis_server = require "spec.mcp.store.redis_server"

local in_task, logged, wait_for = cases.in_task, cases.logged, cases.wait_for

describe("a store in Redis that answers nothing", function()
  local node = redis_server.node
  local server

  after_each(redis_server.tidy)

  if redis_server.is_missing(_ENV, "a Redis") then return end

  before_each(function() server = redis_server.begin() end)

  it("bounds each wait while nothing is answered, and goes on after that", in_task(function()
    local a, b = node(), node()
    local got = {}
    b:subscribe("t", function(text) got[#got + 1] = text end)
    assert.is_true(a:put("k", "1", 60))
    assert.equal(1, a:count("n", 1, 60))
    logged(function()
      server:freeze()
      local begun = core.now()
      local count, text, code = a:count("n", 1, 60)
      assert.is_nil(count)
      assert.matches("no answer within 0%.3 s; it may have been carried out$", text)
      assert.equal("EUNAVAILABLE", code)
      local longest = 0
      while core.now() - begun < 5 do
        local before = core.now()
        local value = a:get "k"
        assert.is_nil(value)
        longest = math.max(longest, core.now() - before)
        core.sleep(0.05)
      end
      assert.is_true(longest < 1, tostring(longest))
      assert.is_false(a:is_ready())
      server:thaw()
      wait_for(function() return a:is_ready() and b:is_ready() end, "the return")
    end)
    assert.equal("1", a:get "k")
    -- Sent once: it may have counted, and not twice.
    local n = tonumber(a:get "n")
    assert.is_true(n == 1 or n == 2, tostring(n))
    assert.is_true(a:publish("t", "after"))
    wait_for(function() return got[#got] == "after" end, "the text")
  end))
end)
