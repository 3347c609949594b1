-- SPDX-License-Identifier: MIT
-- Watching a folder, and looking at a file where the system cannot tell of changes.
local core = require "mcp.core"
local helper = require "spec.helper"

describe("core.watch_path", function()
  local folder, watch, names
  before_each(function()
    folder, names = os.tmpname(), {}
    os.remove(folder)
    helper.shell("mkdir " .. helper.quote(folder))
  end)
  after_each(function()
    if watch then watch:close() end
    watch = nil
    helper.shell("rm -rf " .. helper.quote(folder))
    helper.settle()
    helper.leftovers()
  end)

  local function write(name, text)
    local file <close> = assert(io.open(folder .. "/" .. name, "w"))
    file:write(text)
  end

  local function note(name) names[name or "?"] = true end

  it("tells of files that are written, made, renamed and removed in a folder", function()
    write("there", "1")
    watch = assert(core.watch_path(folder, nil, note))
    for _, case in ipairs {
      { "there", function() write("there", "2") end },
      { "new", function() write("new", "") end },
      { "renamed", function() os.rename(folder .. "/new", folder .. "/renamed") end },
      { "there", function() os.remove(folder .. "/there") end },
    } do
      names = {}
      case[2]()
      helper.wait_until(function() return names[case[1]] end, case[1])
    end
  end)

  it("looks at a file every so often, also at one that was replaced", function()
    write("file", "1")
    watch = assert(core.watch_path(folder .. "/file", 0.02, note))
    helper.wait_until(function()
      write("file.new", tostring(math.random()))
      os.rename(folder .. "/file.new", folder .. "/file")
      return names["?"]
    end, "a change")
  end)

  it("calls nothing once it is closed, which may be done twice, or by its own function", function()
    local calls = 0
    watch = assert(core.watch_path(folder, nil, function()
      calls = calls + 1
      watch:close()
    end))
    write("first", "")
    write("second", "")
    helper.wait_until(function() return calls > 0 end)
    watch:close()
    write("third", "")
    for _ = 1, 5 do core.step(0.01) end
    assert.equal(1, calls)
  end)

  it("goes on after an error of its function, and is kept without a reference", function()
    local calls = 0
    local log = {}
    watch = assert(core.watch_path(folder, nil, function()
      calls = calls + 1
      if calls == 1 then error "this line in the log is part of the test" end
    end))
    local kept = watch
    watch = nil
    collectgarbage()
    write("first", "")
    helper.wait_until(function()
      write("second", tostring(calls))
      return calls > 2
    end)
    kept:close()
    assert.same({}, log)
  end)

  it("names what is wrong", function()
    local made, text, code = core.watch_path(folder .. "/nothing", nil, note)
    assert.is_nil(made)
    assert.equal("ENOENT", code)
    assert.is_string(text)
    assert.error_matches(function() core.watch_path(folder, 0, note) end, "more than 0")
    assert.error_matches(function() core.watch_path(folder, nil, 7) end, "function expected")
    watch = assert(core.watch_path(folder, nil, note))
    assert.error_matches(function() watch.close() end, "colon")
  end)
end)
