-- SPDX-License-Identifier: MIT
-- busy_spec.lua: handlers that do real work do not stop the others, and cancelling ends what they
-- do. The short form of spec/hunts/busy.lua, which measures.
local busy = require "spec.busy"
local pace = require "spec.pace"
local support = require "spec.support"

describe("handlers at work", function()
  after_each(support.stop_all)

  it("others are answered meanwhile", function()
    local server = busy.server()
    local session <close> = busy.session(server)
    session:ping(50)
    local kinds = session:kinds()
    assert.is_true(#kinds >= 3)
    local idle, taken = session:latency(200)
    -- One that holds the loop holds it for good; other programs hold a processor for a moment.
    assert.is_true(taken <= math.max(3 * idle, pace.limit(0.2)),
      ("p99 of ping: %.2f ms, idle %.2f ms"):format(taken * 1e3, idle * 1e3))
  end)

  it("cancelling ends each, and leaves no thread, process or descriptor", function()
    local server = busy.server()
    local session <close> = busy.session(server)
    for _, kind in ipairs(session:kinds()) do
      session:begin_and_cancel(kind)
      busy.wait_back(server.pid, { processes = 0 }, pace.limit(2))
      local before = busy.has(server.pid)
      for _ = 1, 8 do session:begin_and_cancel(kind) end
      local back, left = busy.wait_back(server.pid, before, pace.limit(2))
      assert.is_true(back, kind .. ": " .. tostring(left))
    end
  end)
end)
