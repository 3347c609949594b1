-- SPDX-License-Identifier: MIT
-- What every store does, whatever keeps its values: the same cases for each kind.
local assert = require "luassert"
local core = require "mcp.core"
local helper = require "spec.helper"

local cases = {}

-- Runs a test in a task, as programs use a store. An assertion that fails keeps its text.
local function in_task(fn)
  return function() require("mcp.async").run(fn) end
end

-- Waits until it is so; for use inside a task.
local function wait_for(condition, what)
  local deadline = core.now() + helper.LIMIT
  while not condition() do
    if core.now() > deadline then error("waited in vain for " .. what, 2) end
    core.sleep(0.005)
  end
end

-- What a function has logged that waits in a task.
local function logged(fn)
  local log = {}
  local real = core.log
  core.log = function(level, text) log[#log + 1] = level .. ": " .. text end
  local ok, err = pcall(fn)
  core.log = real
  if not ok then error(err, 0) end
  return table.concat(log, "\n")
end

cases.in_task, cases.logged, cases.wait_for = in_task, logged, wait_for

-- Ids and values of entries as one text.
local function shown(entries)
  if not entries then return entries end
  local out = {}
  for i, entry in ipairs(entries) do out[i] = entry[1] .. "=" .. entry[2] end
  return table.concat(out, " ")
end

---Declares the cases for one kind of store.
---@param env table `_ENV` of the spec: it has busted's functions
---@param name string
---@param node fun(): mcp.Store one more node of the same store; called in a task
---@param close fun()|nil after each test, after its nodes were closed
function cases.declare(env, name, node, close)
  local describe, it, after_each = env.describe, env.it, env.after_each
  describe("a store (" .. name .. ")", function()
    local a, b

    local function it_does(what, fn)
      it(what, function()
        in_task(function()
          a, b = node(), node()
          fn()
        end)()
      end)
    end

    after_each(function()
      if a then a:close() end
      if b then b:close() end
      a, b = nil, nil
      if close then close() end
      helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
      helper.leftovers()
    end)

    it_does("has an id for each node", function()
      assert.is_string(a.node)
      assert.is_true(#a.node >= 16)
      assert.is_not_equal(a.node, b.node)
    end)

    it_does("keeps values of any bytes for all nodes", function()
      local bytes = {}
      for i = 0, 255 do bytes[i + 1] = string.char(i) end
      local value = table.concat(bytes) .. "\r\n\0"
      assert.same({ true, n = 1 }, table.pack(a:put("k\0\r\n", value, 10)))
      assert.equal(value, b:get "k\0\r\n")
      assert.same({ true, n = 1 }, table.pack(b:put("k\0\r\n", "", 10)))
      assert.equal("", a:get "k\0\r\n")
      assert.same({ nil, n = 1 }, table.pack(a:get "other"))
    end)

    it_does("keeps a large value", function()
      local value = ("x"):rep(3 << 20)
      assert.is_true(a:put("large", value, 10))
      assert.is_true(value == b:get "large")
      assert.is_true(a:delete "large")
    end)

    it_does("refuses a value over 16 MB", function()
      local value = ("x"):rep((16 << 20) + 1)
      local ok, text, code = a:put("large", value, 10)
      assert.same({ nil, "value: expected at most 16777216 bytes, got 16777217", "ETOOBIG" },
        { ok, text, code })
      assert.equal("ETOOBIG", (select(3, a:add("large", value, 10))))
      assert.equal("ETOOBIG", (select(3, a:append("large", "1", value, { ttl = 1 }))))
      assert.equal("ETOOBIG", (select(3, a:publish("large", value))))
      assert.is_nil(b:get "large")
    end)

    it_does("adds only where there is nothing", function()
      assert.is_true(a:add("k", "1", 10))
      assert.is_false(b:add("k", "2", 10))
      assert.equal("1", b:get "k")
    end)

    it_does("deletes, once", function()
      a:put("k", "1", 10)
      assert.is_true(b:delete "k")
      assert.is_false(a:delete "k")
      assert.same({ nil, n = 1 }, table.pack(a:get "k"))
    end)

    it_does("gives a value to one of those that take it", function()
      a:put("k", "1", 10)
      local got = require("mcp.async").all {
        a = function() return a:take "k" end, b = function() return b:take "k" end,
      }
      assert.equal("1", got.a or got.b)
      assert.is_nil(got.a and got.b)
      assert.same({ nil, n = 1 }, table.pack(a:take "k"))
    end)

    it_does("releases the value that is given, and no other", function()
      assert.is_true(a:add("k", "mine\r\n\0", 10))
      assert.same({ false, n = 1 }, table.pack(b:release("k", "other")))
      assert.equal("mine\r\n\0", b:get "k")
      assert.same({ true, n = 1 }, table.pack(b:release("k", "mine\r\n\0")))
      assert.same({ false, n = 1 }, table.pack(a:release("k", "mine\r\n\0")))
      assert.is_true(b:add("k", "", 10))
      a:release_later("k", "mine")
      assert.equal("", a:get "k")
      a:release_later("k", "")
      assert.same({ nil, n = 1 }, table.pack(a:get "k"))
    end)

    it_does("forgets after the time, which touch starts again", function()
      a:put("short", "1", 0.05)
      a:put("long", "1", 0.05)
      a:append("list", "1", "x", { ttl = 0.05 })
      a:count("count", 1, 0.05)
      assert.is_true(b:touch("long", 10))
      assert.is_false(b:touch("none", 10))
      wait_for(function() return a:get "short" == nil end, "the end of its time")
      wait_for(function() return a:range "list" == nil end, "the end of the list")
      wait_for(function() return a:get "count" == nil end, "the end of the count")
      assert.is_false(a:touch("short", 10))
      assert.is_true(a:add("short", "2", 10))
      assert.equal("1", a:get "long")
    end)

    it_does("starts the time of a value again with put, and of a list with append", function()
      a:put("k", "1", 0.03)
      a:put("k", "2", 10)
      a:append("list", "1", "x", { ttl = 0.03 })
      a:append("list", "2", "y", { ttl = 10 })
      core.sleep(0.05)
      assert.equal("2", b:get "k")
      assert.equal("1=x 2=y", shown(b:range "list"))
    end)

    it_does("counts", function()
      assert.equal(1, a:count("n", 1, 10))
      assert.equal(3, b:count("n", 2, 10))
      assert.equal(-1, a:count("n", -4, 10))
      assert.equal("integer", math.type(a:count("n", 0, 10)))
      a:put("text", "many", 10)
      local ok, text, code = a:count("text", 1, 10)
      assert.same({ nil, 'key "text": expected a count, found a value that is no integer',
        "EKIND" }, { ok, text, code })
      assert.equal(math.maxinteger, a:count("most", math.maxinteger, 10))
      ok, text, code = a:count("most", 1, 10)
      assert.same({ nil, 'key "most": the count does not fit into 64 bits', "ERANGE" },
        { ok, text, code })
    end)

    it_does("counts each call once when several count at a time", function()
      local calls = {}
      for i = 1, 40 do
        local chosen = i % 2 == 0 and a or b
        calls[i] = function() chosen:count("n", 1, 10) end
      end
      require("mcp.async").all(calls)
      assert.equal("40", a:get "n")
    end)

    it_does("sets the time of a count with the first call only", function()
      a:count("n", 1, 0.05)
      a:count("n", 1, 10)
      wait_for(function() return a:get "n" == nil end, "the end of its time")
      assert.equal(1, b:count("n", 1, 10))
    end)

    it_does("keeps lists in order, from where one wants", function()
      local limits = { ttl = 10 }
      assert.same({ true, n = 1 }, table.pack(a:append("l", "e1", "one", limits)))
      a:append("l", "e2", "two\r\n\0", limits)
      b:append("l", "e3", "", limits)
      assert.equal("e1=one e2=two\r\n\0 e3=", shown(b:range "l"))
      assert.equal("e2=two\r\n\0 e3=", shown(a:range("l", "e1")))
      assert.equal("", shown(a:range("l", "e3")))
      assert.same({ nil, n = 1 }, table.pack(a:range("l", "e4")))
      assert.same({ nil, n = 1 }, table.pack(a:range "none"))
      assert.same({ nil, n = 1 }, table.pack(a:range("none", "e1")))
      assert.is_true(a:delete "l")
      assert.is_nil(b:range "l")
    end)

    it_does("adds an id to a list once", function()
      a:append("l", "e1", "one", { ttl = 10 })
      assert.is_true(b:append("l", "e1", "again", { ttl = 10 }))
      a:append("l", "e2", "two", { ttl = 10 })
      assert.equal("e1=one e2=two", shown(a:range "l"))
    end)

    it_does("keeps so many entries, the oldest go first", function()
      local limits = { ttl = 10, events = 3 }
      for i = 1, 7 do a:append("l", "e" .. i, "v" .. i, limits) end
      assert.equal("e5=v5 e6=v6 e7=v7", shown(b:range "l"))
      assert.equal("e6=v6 e7=v7", shown(b:range("l", "e5")))
      assert.is_nil(b:range("l", "e4"))
      -- An id that has gone may come again.
      a:append("l", "e1", "new", limits)
      assert.equal("e6=v6 e7=v7 e1=new", shown(b:range "l"))
      for i = 1, 300 do a:append("many", "e" .. i, "v", { ttl = 10 }) end
      assert.equal(256, #b:range "many")
    end)

    it_does("keeps so many bytes, the oldest go first", function()
      local limits = { ttl = 10, bytes = 30 }
      for i = 1, 4 do a:append("l", "e" .. i, "12345678", limits) end
      assert.equal("e2=12345678 e3=12345678 e4=12345678", shown(b:range "l"))
      a:append("l", "e5", "1234567", limits)
      assert.equal("e3=12345678 e4=12345678 e5=1234567", shown(b:range "l"))
      -- One that is larger alone leaves nothing: what comes after an older one is not known.
      a:append("l", "e6", ("x"):rep(40), limits)
      assert.equal("", shown(b:range "l"))
      assert.is_nil(b:range("l", "e5"))
      a:append("l", "e7", "x", limits)
      assert.equal("e7=x", shown(b:range "l"))
    end)

    it_does("keeps a list that it may spare while there is room", function()
      a:append("l", "e1", "one", { ttl = 10 })
      assert.is_true(b:append("l", "e2", "two", { ttl = 10, spare = true }))
      assert.equal("e1=one e2=two", shown(a:range "l"))
      a:append_later("l", "e3", "three", { ttl = 0.05, spare = true })
      assert.equal("e2=two e3=three", shown(a:range("l", "e1")))
      wait_for(function() return b:range "l" == nil end, "the end of its time")
    end)

    it_does("returns a list of thousands", function()
      local limits = { ttl = 10, events = 5000, bytes = 1 << 20 }
      for i = 1, 4999 do a:append_later("l", "e" .. i, "v" .. i, limits) end
      a:append("l", "e5000", "v5000", limits)
      local entries = b:range "l"
      assert.equal(5000, #entries)
      assert.same({ { "e1", "v1" }, { "e5000", "v5000" } }, { entries[1], entries[5000] })
      assert.equal(1000, #b:range("l", "e4000"))
    end)

    it_does("takes tokens from a bucket", function()
      for i = 1, 3 do
        assert.same({ true, 0, n = 2 }, table.pack((i == 2 and b or a):bucket("k", 2, 3)))
      end
      local allowed, seconds = a:bucket("k", 2, 3)
      assert.is_false(allowed)
      assert.is_true(seconds > 0.1 and seconds <= 0.5, tostring(seconds))
      assert.is_true((a:bucket("other", 2, 3, 3)))
      allowed, seconds = b:bucket("other", 2, 3, 2)
      assert.is_false(allowed)
      assert.is_true(seconds > 0.6 and seconds <= 1, tostring(seconds))
      assert.is_true((a:bucket("other", 2, 3, 0)))
    end)

    it_does("fills a bucket again", function()
      assert.is_true((a:bucket("k", 50, 1)))
      assert.is_false((a:bucket("k", 50, 1)))
      local allowed, seconds = b:bucket("k", 50, 1)
      assert.is_false(allowed)
      core.sleep(seconds + 0.002)
      assert.is_true((b:bucket("k", 50, 1)))
    end)

    it_does("refuses one kind of key where another is", function()
      a:put("value", "x", 10)
      a:append("list", "e", "x", { ttl = 10 })
      a:bucket("bucket", 1, 1)
      for _, call in ipairs {
        function() return a:get "list" end, function() return a:take "list" end,
        function() return a:release("list", "x") end,
        function() return a:count("list", 1, 10) end, function() return a:range "value" end,
        function() return a:append("value", "e", "x", { ttl = 10 }) end,
        function() return a:bucket("value", 1, 1) end, function() return a:get "bucket" end,
        function() return a:bucket("list", 1, 1) end, function() return a:range "bucket" end,
        function() return a:append("bucket", "e", "x", { ttl = 10 }) end,
      } do
        local ok, text, code = call()
        assert.is_nil(ok)
        assert.matches('^key "%a+": expected a %a+, found ', text)
        assert.equal("EKIND", code)
      end
      -- These do not mind.
      assert.is_false(a:add("list", "x", 10))
      assert.is_true(a:touch("bucket", 10))
      assert.is_true(a:put("list", "x", 10))
      assert.equal("x", b:get "list")
    end)

    it_does("does without waiting what can be done later, in order", function()
      a:put_later("k", "1", 10)
      a:put_later("k", "2", 10)
      a:append_later("l", "e1", "one", { ttl = 10 })
      a:append_later("l", "e2", "two", { ttl = 10 })
      assert.equal("2", a:get "k")
      assert.equal("e1=one e2=two", shown(a:range "l"))
      a:touch_later("k", 0.05)
      a:delete_later "l"
      assert.is_nil(a:range "l")
      wait_for(function() return b:get "k" == nil end, "the end of its time")
    end)

    it_does("sends texts to the subscribers of other nodes, in order", function()
      local got, own = {}, {}
      local subscription = b:subscribe("t", function(text, from)
        got[#got + 1] = text
        got.from = from
      end)
      local second = a:subscribe("t", function(text) own[#own + 1] = text end)
      for i = 1, 20 do assert.same({ true, n = 1 }, table.pack(a:publish("t", "m" .. i))) end
      assert.is_true(a:publish("other", "no"))
      wait_for(function() return #got == 20 end, "the texts")
      for i = 1, 20 do assert.equal("m" .. i, got[i]) end
      assert.equal(a.node, got.from)
      b:publish("t", "to a\r\n\0")
      wait_for(function() return #own == 1 end, "the text")
      assert.same({ "to a\r\n\0" }, own)
      assert.equal(20, #got)
      subscription:close()
      subscription:close()
      a:publish("t", "late")
      b:publish("t", "end")
      wait_for(function() return #own == 2 end, "the text")
      assert.equal(20, #got)
      second:close()
    end)

    it_does("calls a subscriber for one text at a time, several of them side by side", function()
      local log, running, most = {}, 0, 0
      b:subscribe("t", function(text)
        running = running + 1
        most = math.max(most, running)
        core.sleep(0.005)
        running = running - 1
        log[#log + 1] = text
      end)
      local others = {}
      b:subscribe("t", function(text) others[#others + 1] = text end)
      a:publish("t", "1")
      a:publish("t", "2")
      a:publish("t", "3")
      wait_for(function() return #log == 3 end, "the texts")
      assert.same({ "1", "2", "3" }, log)
      assert.same({ "1", "2", "3" }, others)
      assert.equal(1, most)
    end)

    it_does("goes on after an error of a subscriber, which is logged", function()
      local got = {}
      local log = {}
      local real = core.log_lines
      core.log_lines = function(level, text) log[#log + 1] = level .. ": " .. text end
      b:subscribe("t", function(text)
        if text == "bad" then error "oops" end
        got[#got + 1] = text
      end)
      a:publish("t", "bad")
      a:publish("t", "good")
      wait_for(function() return got[1] end, "the text")
      core.log_lines = real
      assert.same({ "good" }, got)
      assert.equal(1, #log)
      assert.matches('^error: .*: topic "t": .*cases%.lua:%d+: oops', log[1])
    end)

    it_does("knows the nodes that are alive", function()
      local nodes = a:nodes()
      assert.is_true(nodes[a.node])
      wait_for(function() return a:nodes()[b.node] end, "the other node")
      local gone = b.node
      b:close()
      wait_for(function() return not a:nodes()[gone] end, "its end")
      assert.is_true(a:nodes()[a.node])
    end)

    it_does("is ready until it is closed", function()
      assert.same({ true, n = 1 }, table.pack(a:connect()))
      assert.is_true(a:is_ready())
      assert.matches("^mcp%.store %(", tostring(a))
      local subscription = a:subscribe("t", function() end)
      a:close()
      a:close()
      assert.is_false(a:is_ready())
      assert.same({ nil, "the store is closed", "ECLOSED" }, { a:get "k" })
      assert.same({ nil, "the store is closed", "ECLOSED" }, { a:publish("t", "x") })
      assert.same({ nil, "the store is closed", "ECLOSED" }, { a:subscribe("t", function() end) })
      a:put_later("k", "x", 1)
      subscription:close()
      assert.is_nil(b:get "k")
    end)

    it_does("closes after what was to be done later", function()
      for i = 1, 50 do a:put_later("k" .. i, "x", 10) end
      a:close()
      wait_for(function() return b:get "k50" == "x" end, "the last value")
    end)
  end)
end

return cases
