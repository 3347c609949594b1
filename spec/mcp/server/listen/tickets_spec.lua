-- SPDX-License-Identifier: MIT
-- tickets_spec.lua: lua/mcp/server/listen/tickets.lua. That workers resume each other's sessions is
-- in spec/mcp/server/workers/supervisor_spec.lua.
local core = require "mcp.core"
local helper = require "spec.helper"
local memory = require "mcp.store.memory"
local tickets = require "mcp.server.listen.tickets"

-- A context that notes what it is given.
local function context()
  local given = {}
  return { given = given, tickets = function(_, secret) given[#given + 1] = secret end }
end

local time = os.time

describe("keys of session tickets", function()
  local now, jobs, again

  before_each(function()
    now, jobs, again = 7200, {}, tickets.AGAIN
    os.time = function() return now end -- luacheck: ignore
  end)

  after_each(function()
    os.time, tickets.AGAIN = time, again -- luacheck: ignore
    for _, job in ipairs(jobs) do job:cancel() end
    helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
  end)

  local function share(store)
    local one = context()
    jobs[#jobs + 1] = tickets.share(one, store)
    helper.wait_until(function() return one.given[1] end, "a key")
    return one.given[1]
  end

  it("are the same for all processes of a store, and others in the next period", function()
    local all = memory.new()
    local first = share(all:node())
    assert.equal(32, #first)
    assert.equal(first, share(all:node()))
    assert.is_not_equal(first, share(memory.new():node()))
    now = now + tickets.PERIOD - 1
    assert.equal(first, share(all:node()))
    now = now + 1
    local second = share(all:node())
    assert.is_not_equal(first, second)
    assert.equal(second, share(all:node()))
  end)

  it("follow the clock", function()
    local one = context()
    now = 7200 + tickets.PERIOD - 1
    jobs[1] = tickets.share(one, memory.new():node())
    helper.wait_until(function() return one.given[1] end, "a key")
    now = now + 1
    helper.wait_until(function() return one.given[2] end, "the next key")
    assert.is_not_equal(one.given[1], one.given[2])
  end)

  it("are asked for again where the store is away", function()
    local away, one = true, context()
    tickets.AGAIN = 0.01
    local node = memory.new():node()
    local store = { add = function(_, ...)
      if away then return nil, "is away", "EUNAVAILABLE" end
      return node:add(...)
    end, get = function(_, ...) return node:get(...) end }
    jobs[1] = tickets.share(one, store)
    core.sleep(0.03)
    assert.same({}, one.given)
    away = false
    helper.wait_until(function() return one.given[1] end, "a key")
  end)
end)
