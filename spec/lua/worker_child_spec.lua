-- SPDX-License-Identifier: MIT
-- src/lua/worker_child.c: the program as the process of a worker. What it does for a worker is in
-- spec/mcp/worker_spec.lua; here is what it does if what starts it is not luamcp.
local helper = require "spec.helper"
local system = require "codecs.system"

local function status_after(bytes)
  local child <close> = system.spawn { helper.program(), "--worker-process" }
  if bytes ~= "" then child:write(bytes) end
  child:close_stdin()
  local how, status = child:wait(helper.LIMIT)
  return ("%s %s"):format(how, status)
end

local function frame(kind, size) return string.pack("=I4", size) .. kind .. ("\0"):rep(size) end

it("a process for a worker fails without a setup in its first frame", function()
  assert.equal("exit 1", status_after "")
  assert.equal("exit 1", status_after(frame("S", 1)))
  assert.equal("exit 1", status_after(frame("S", 1000):sub(1, 500)))
  for _, kind in ipairs { "X", "C", "R" } do
    assert.equal("exit 1", status_after(frame(kind, 1000)), kind)
  end
end)
