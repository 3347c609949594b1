-- SPDX-License-Identifier: MIT
-- Notices of changes, for the clients of several processes.
local core = require "mcp.core"
local helper = require "spec.helper"
local several = require "spec.several"

describe("a change at one of several processes", function()
  local all, handles
  local EXTENSION = "io.example/notes"

  local function make(app, i)
    app:tool "one" (function() return "1" end)
    app:resource "note:a" (function() return "a" end)
    app:resource "note:b" (function() return "b" end)
    handles[i] = app:extension { id = EXTENSION, listen = { noteNames = function(_, wanted)
      return wanted
    end } }
  end

  before_each(function()
    handles = {}
    all = several.open(3, make)
  end)
  after_each(function()
    all:close()
    helper.leftovers()
  end)

  local LIST = "notifications/tools/list_changed"

  it("reaches the stream of a session, wherever it is, once", function()
    several.run(function()
      local sid = all:session(1, 2)
      local stream = all:get(3, sid)
      all.apps[1]:changed "tools"
      assert.equal(LIST, stream:next().method)
      all.apps[3]:changed "prompts" -- was not declared
      all.apps[2]:changed "tools"
      assert.equal(LIST, stream:next().method)
      assert.is_true(stream:is_quiet())
    end)
  end)

  it("reaches those who subscribe to a resource, anywhere, and no one else", function()
    several.run(function()
      local sid, other = all:session(1, 1), all:session(2, 2)
      all:request(2, "resources/subscribe", { uri = "note:a" }, sid)
      local stream, quiet = all:get(3, sid), all:get(1, other)
      all.apps[1]:resource_updated "note:b"
      all.apps[1]:resource_updated "note:a"
      assert.same({ uri = "note:a" }, stream:next().params)
      assert.is_true(stream:is_quiet())
      assert.is_true(quiet:is_quiet())
    end)
  end)

  it("is sent once in a turn of the loop, however often it is said", function()
    several.run(function()
      local sid = all:session(1, 1)
      local stream = all:get(2, sid)
      for _ = 1, 5 do all.apps[1]:changed "tools" end
      assert.equal(LIST, stream:next().method)
      assert.is_true(stream:is_quiet())
    end)
  end)

  it("is sent later to a session that has no stream, once, wherever one opens", function()
    several.run(function()
      local sid = all:session(1, 1)
      all:request(1, "resources/subscribe", { uri = "note:a" }, sid)
      all.apps[2]:changed "tools"
      all.apps[3]:resource_updated "note:a"
      all.apps[3]:resource_updated "note:a"
      local stream = all:get(2, sid)
      local got = {}
      for _ = 1, 2 do
        local message = stream:next()
        got[message.method] = (got[message.method] or 0) + 1
      end
      assert.same({ [LIST] = 1, ["notifications/resources/updated"] = 1 }, got)
      assert.is_true(stream:is_quiet())
      stream:close()
      -- What was sent is not sent again at another process.
      local second
      several.eventually(function()
        second = all:get(3, sid)
        return second.status == 200
      end)
      assert.is_true(second:is_quiet())
      second:close()
      all.apps[1]:changed "tools"
      local third
      several.eventually(function()
        third = all:get(1, sid)
        return third.status == 200
      end)
      assert.equal(LIST, third:next().method)
      assert.is_true(third:is_quiet())
    end)
  end)

  it("from before a session is not sent to it", function()
    several.run(function()
      for i = 1, 3 do
        several.eventually(function() return all.apps[i].shared.number end)
      end
      all.apps[1]:changed "tools"
      all.apps[2]:changed "tools"
      several.eventually(function() return all.apps[3].shared.changes_at == 2 end)
      local sid = all:session(3, 3)
      local stream = all:get(1, sid)
      assert.is_true(stream:is_quiet())
    end)
  end)

  it("is sent when the process with the stream has died", function()
    several.run(function()
      local sid = all:session(2, 2)
      all:get(1, sid)
      all:kill(1)
      all.apps[2]:changed "tools"
      local asked = all.apps[3].shared.last_question
      local stream = all:get(3, sid)
      assert.equal(LIST, stream:next().method)
      -- Nothing that could keep it waiting for an answer.
      assert.equal(asked, all.apps[3].shared.last_question)
      assert.is_true(stream:is_quiet())
    end)
  end)

  it("is one of 1024 that are kept, and of 1 MiB", function()
    several.run(function()
      local sid = all:session(1, 1)
      for name in ("ab"):gmatch "." do
        all:request(2, "resources/subscribe", { uri = "note:" .. name }, sid)
      end
      all.apps[1]:resource_updated "note:b"
      for i = 1, 1024 do all.apps[1]:resource_updated("other:" .. i) end
      several.eventually(function() return all.apps[2].shared.changes_at >= 1025 end)
      -- What has come is sent in the next turn of the loop.
      core.sleep(0.02)
      all.apps[2]:resource_updated "note:a"
      local stream = all:get(2, sid)
      assert.same({ uri = "note:a" }, stream:next().params)
      assert.is_true(stream:is_quiet())
      local long = ("x"):rep(1500)
      for i = 1, 900 do all.apps[1]:resource_updated(("other:%s%d"):format(long, i)) end
      several.eventually(function() return all.apps[3].shared.changes_at >= 1926 end)
      assert.is_true(all.memory.bytes < 2 << 20)
      local key = all.apps[1].shared:key("changes", "all")
      assert.is_true(#all.nodes[1]:range(key) < 1024)
    end)
  end)

  it("a second stream of a session is refused by every process", function()
    several.run(function()
      local sid = all:session(1, 1)
      all:get(1, sid)
      for i = 1, 3 do assert.equal(409, all:get(i, sid).status) end
    end)
  end)

  it("of an extension reaches the clients of all, once", function()
    several.run(function()
      local capabilities = { extensions = { [EXTENSION] = {} } }
      local sid = all:session(1, 1, capabilities)
      local plain = all:session(1, 1)
      local stream, quiet = all:get(3, sid), all:get(2, plain)
      local listening = all:listen(2, { noteNames = core.decode '["tea"]' }, capabilities)
      assert.equal("notifications/subscriptions/acknowledged", listening:next().method)
      local method = "notifications/notes/changed"
      local tea = { filter = "noteNames", value = "tea", sessions = true }
      handles[1]:notify(method, { name = "tea" }, tea)
      assert.equal("tea", stream:next().params.name)
      assert.equal("tea", listening:next().params.name)
      handles[1]:notify(method, { name = "jam" }, { filter = "noteNames", value = "jam" })
      handles[3]:notify(method, { name = "all" })
      assert.equal("all", stream:next().params.name)
      assert.equal("all", listening:next().params.name)
      -- A function stays in its process.
      handles[2]:notify(method, { name = "mine" }, { where = function() return true end })
      assert.equal("mine", listening:next().params.name)
      for _, each in ipairs { stream, quiet, listening } do assert.is_true(each:is_quiet()) end
    end)
  end)

  it("reaches subscriptions/listen at other processes", function()
    several.run(function()
      local stream = all:listen(2, { toolsListChanged = true })
      assert.equal("notifications/subscriptions/acknowledged", stream:next().method)
      all.apps[1]:changed "tools"
      assert.equal(LIST, stream:next().method)
    end)
  end)
end)
