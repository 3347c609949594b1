-- SPDX-License-Identifier: MIT
-- When a change of files counts as one of the script. The whole way is in reload_spec.lua.
local core = require "mcp.core"
local helper = require "spec.helper"
local watch = require "mcp.cli.watch"

describe("luamcp run --watch", function()
  local folder, watching, changes, real
  before_each(function()
    folder, changes, real = os.tmpname(), 0, core.watch_path
    os.remove(folder)
    helper.shell("mkdir " .. helper.quote(folder))
  end)
  after_each(function()
    core.watch_path = real
    if watching then watching:close() end
    watching = nil
    helper.shell("rm -rf " .. helper.quote(folder))
    helper.wait_until(function() return core.task_count() == 0 end)
    helper.leftovers()
  end)

  local function write(name, text)
    local file <close> = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text or "")
  end

  local function start(changed)
    write("server.lua", "1")
    local script = { path = folder .. "/server.lua", folder = folder }
    watching = watch.start(script, changed or function() changes = changes + 1 end)
  end

  local function pause(seconds) core.sleep(seconds) end

  it("counts the script, other Lua files of its folder and the links of orchestrators", function()
    start()
    for i, name in ipairs { "server.lua", "other.lua", "..data" } do
      write(name, name)
      helper.wait_until(function() return changes == i end, name)
    end
    write "notes.txt"
    write "server.lua.swp"
    pause(3 * watch.PAUSE)
    assert.equal(3, changes)
  end)

  it("gathers changes, and misses none that comes meanwhile", function()
    local go = core.waiter()
    start(function()
      changes = changes + 1
      if changes == 1 then go:wait() end
    end)
    for i = 1, 10 do write("server.lua", tostring(i)) end
    helper.wait_until(function() return changes == 1 end)
    write("server.lua", "while it is loaded")
    pause(2 * watch.PAUSE)
    assert.equal(1, changes)
    go:wake()
    helper.wait_until(function() return changes == 2 end)
  end)

  it("does not wait for the end of changes for ever", function()
    local most = watch.MOST
    watch.MOST = 0.2
    start()
    for i = 1, 100 do
      write("server.lua", tostring(i))
      core.sleep(watch.PAUSE / 4)
      if changes > 0 then break end
    end
    assert.is_true(changes > 0)
    watch.MOST = most
  end)

  it("looks at the files where the system has no watches left, and says so once", function()
    function core.watch_path(path, seconds, fn)
      if not seconds then return nil, "no space left on device", "ENOSPC" end
      return real(path, 0.02, fn)
    end
    local log = helper.logged(function() start() end)
    assert.matches("^warning: %-%-watch: .-: no space left on device %(ENOSPC%): its files are ",
      log)
    for i = 1, 200 do
      write("server.lua", ("x"):rep(i))
      core.sleep(0.02)
      if changes > 0 then break end
    end
    assert.is_true(changes > 0)
  end)
end)
