-- SPDX-License-Identifier: MIT
-- Works for the walk that are no conversation: what a program calls itself.
local core = require "mcp.core"
local mcp = require "mcp"
local talk = require "spec.torture.talk"

local function settled()
  if talk.settle(function() return core.task_count() == 0 end) then return nil end
  return ("%d tasks are left"):format(core.task_count())
end

local new_app = require "spec.torture.app"

local DOCUMENT = '{"list":[' .. ("1,2.5,\"a\\u00e9\","):rep(30) .. 'null],"o":{"k":"v"}}'

return {
  { name = "app", run = function() new_app() end, mend = settled },
  {
    name = "codec",
    run = function()
      local value = assert(core.decode(DOCUMENT))
      assert(core.encode(value))
      assert(core.encode(value, true))
      core.raw(value)
      core.raw(DOCUMENT, true)
      core.base64(("x"):rep(600))
      core.unbase64(("QUJD"):rep(100))
      core.random_id()
    end,
    mend = function()
      if core.encode(core.decode(DOCUMENT), true) ~= core.encode(core.decode(DOCUMENT), true) then
        return "encoding changed"
      end
    end,
  },
  {
    name = "tasks",
    run = function()
      mcp.run(function()
        mcp.all { function() mcp.sleep(0) end, function() return 1 end, a = function()
          mcp.sleep(0)
        end }
        local waiter = core.waiter()
        mcp.spawn(function() waiter:wake(1) end)
        waiter:wait(0.001)
      end)
      mcp.sleep(0)
      local waiter = core.waiter()
      waiter:wait(0)
    end,
    mend = settled,
  },
  {
    name = "folder and regex",
    run = function()
      local folder <close> = assert(mcp.folder "examples/library")
      for _, entry in ipairs(assert(folder:list())) do
        if entry.kind == "file" then assert(folder:read(entry.name)) end
      end
      local regex = assert(core.regex.compile "^(a|b)+[0-9]{2,3}$")
      assert(regex:matches "abab12")
      regex:close()
    end,
    mend = settled,
  },
  {
    name = "listen",
    run = function(state)
      -- What is assigned last must have its place before.
      state.app, state.listening = false, false
      state.app = new_app()
      state.listening = state.app:listen { http = { port = 0 },
        security = { allowed_hosts = { "a.example", "b.example" } }, limits = { body = 1000 } }
    end,
    mend = function(state)
      if state.listening then state.listening:close() end
      -- A listener that app:listen opened before it failed is the collector's.
      state.app, state.listening = nil, nil
      collectgarbage()
      if not talk.settle(function() return not core.step(0) end) then return "something is open" end
      return settled()
    end,
  },
}
