-- SPDX-License-Identifier: MIT
-- What a Redis server may say to a connection: a server in this file says what the spec wants.
local cases = require "spec.mcp.store.cases"
local core = require "mcp.core"
local helper = require "spec.helper"
local link = require "mcp.store.redis.link"
local raw = require "codecs.raw"
local store = require "mcp.store"

if not pcall(require, "mcp.hiredis") then
  describe("a connection to Redis", function()
    it("is tried where mcp.hiredis was built", function()
      pending "hiredis is not installed: scripts/deps"
    end)
  end)
  return
end

local in_task, logged, wait_for = cases.in_task, cases.logged, cases.wait_for

local OK = { AUTH = "+OK\r\n", PING = "+PONG\r\n", SELECT = "+OK\r\n",
  CLUSTER = "-ERR This instance has cluster support disabled\r\n",
  SCRIPT = "$40\r\n" .. ("a"):rep(40) .. "\r\n", EVALSHA = "*0\r\n", GET = "$1\r\nx\r\n",
  SET = "+OK\r\n" }

describe("a connection to Redis", function()
  local listener, tasks, made, seen, answers

  -- Words of the commands in some bytes, and what is left of the bytes.
  local function commands_in(bytes)
    local out = {}
    while true do
      local count, at = bytes:match "^%*(%d+)\r\n()"
      if not count then return out, bytes end
      local words = {}
      for i = 1, tonumber(count) do
        local length, from = bytes:match("^%$(%d+)\r\n()", at)
        if not length or #bytes < from + length + 1 then return out, bytes end
        words[i] = bytes:sub(from, from + length - 1)
        at = from + length + 2
      end
      out[#out + 1] = words
      bytes = bytes:sub(at)
    end
  end

  local function serve(socket)
    local buffer, open = "", true
    while open do
      local bytes, ended = socket:receive()
      local commands
      commands, buffer = commands_in(buffer .. bytes)
      for _, words in ipairs(commands) do
        seen[#seen + 1] = words[1]
        local answer = answers[words[1]]
        if answer == nil then answer = OK[words[1]] or "-ERR unknown command\r\n" end
        if type(answer) == "function" then answer = answer(words, socket) end
        if answer == false then
          socket:close()
          return
        end
        -- Byte by byte: the client must not depend on how they come.
        for i = 1, #answer do socket:send(answer:sub(i, i)) end
      end
      if ended or not core.sleep(0.001) then break end
    end
    socket:close()
  end

  before_each(function()
    listener, tasks, seen, answers = assert(raw.listen(0)), core.waiter(), {}, {}
    tasks:spawn(function()
      while true do
        local socket = listener:accept()
        if socket then tasks:spawn(serve, socket) end
        if not core.sleep(0.001) then return end
      end
    end)
    made = store.open(("redis://127.0.0.1:%d"):format(listener:port()), { timeout = 0.3 })
  end)

  after_each(function()
    made:close()
    tasks:cancel()
    helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
    listener:close()
  end)

  local function seen_of(word)
    local count = 0
    for _, name in ipairs(seen) do if name == word then count = count + 1 end end
    return count
  end

  it("refuses a cluster", in_task(function()
    answers.CLUSTER = "$32\r\ncluster_state:ok\r\ncluster_size:2\r\n"
    logged(function()
      local ok, text, code = made:connect()
      assert.is_nil(ok)
      assert.matches("the server is part of a cluster of 2, which is not supported; expected a "
        .. "single server, or a proxy of the cluster", text, 1, true)
      assert.equal("ECLUSTER", code)
    end)
  end))

  it("uses a cluster of one", in_task(function()
    answers.CLUSTER = "$32\r\ncluster_state:ok\r\ncluster_size:1\r\n"
    assert.is_true(made:connect())
  end))

  it("does not follow MOVED", in_task(function()
    answers.GET = "-MOVED 1234 10.0.0.1:6379\r\n"
    local value, text, code = made:get "k"
    assert.is_nil(value)
    assert.matches("which is not supported; expected a single server, or a proxy of the cluster: "
      .. "MOVED 1234 10.0.0.1:6379", text, 1, true)
    assert.equal("ECLUSTER", code)
  end))

  it("waits for a server that loads its data", in_task(function()
    answers.PING = "-LOADING Redis is loading the dataset in memory\r\n"
    logged(function()
      local ok, text, code = made:connect()
      assert.is_nil(ok)
      assert.matches("away: it is loading its data: LOADING Redis is loading", text, 1, true)
      assert.equal("EUNAVAILABLE", code)
      assert.is_false(made:is_ready())
      answers.PING = nil
      wait_for(function() return made:is_ready() end, "the connection")
    end)
    assert.equal("x", made:get "k")
  end))

  it("connects again where the server cannot be written to", in_task(function()
    answers.SET = "-READONLY You can't write against a read only replica.\r\n"
    assert.is_true(made:connect())
    logged(function()
      local ok, text, code = made:put("k", "x", 1)
      assert.is_nil(ok)
      assert.matches("it is a read-only replica: READONLY", text, 1, true)
      assert.equal("EUNAVAILABLE", code)
      answers.SET = nil
      wait_for(function() return seen_of "PING" == 2 and made:is_ready() end, "the connection")
    end)
    assert.is_true(made:put("k", "x", 1))
  end))

  it("sends again what may be sent twice, and nothing else", in_task(function()
    assert.is_true(made:connect())
    local first = true
    local function once(answer)
      return function()
        if not first then return answer end
        first = false
        return false
      end
    end
    logged(function()
      answers.GET = once(OK.GET)
      assert.equal("x", made:get "k")
      assert.equal(2, seen_of "GET")
      first, answers.SET = true, once(OK.SET)
      local ok, text, code = made:put("k", "x", 1)
      assert.is_nil(ok)
      assert.matches("the connection was lost before the answer (the server closed the connection)"
        .. "; it may have been carried out", text, 1, true)
      assert.equal("EUNAVAILABLE", code)
      wait_for(function() return made:is_ready() end, "the connection")
      assert.equal(1, seen_of "SET")
    end)
  end))

  it("keeps a server that is slow and answers", in_task(function()
    assert.is_true(made:connect())
    answers.GET = function(_, socket)
      for piece in ("$4\r\nslow\r\n"):gmatch "." do
        socket:send(piece)
        core.sleep(0.06)
      end
      return ""
    end
    local value, text = made:get "k"
    assert.is_nil(value)
    assert.matches("no answer within 0.3 s; it may have been carried out", text, 1, true)
    answers.GET = nil
    core.sleep(0.2)
    for _ = 1, 3 do made:put_later("k", "x", 1) end
    wait_for(function() return made:get "k" == "x" end, "the answer")
    assert.equal(1, seen_of "PING")
  end))

  it("ends with an answer that belongs to nothing", in_task(function()
    assert.is_true(made:connect())
    answers.GET = OK.GET .. "+more\r\n"
    local log = logged(function()
      assert.equal("x", made:get "k")
      wait_for(function() return seen_of "PING" == 2 end, "the next connection")
    end)
    assert.matches("away: an answer without a command", log)
  end))

  it("passes on an error that it does not know", in_task(function()
    answers.GET = "-ODD thing\r\n"
    local value, text, code = made:get "k"
    assert.is_nil(value)
    assert.matches("^redis 127%.0%.0%.1:%d+: ODD thing$", text)
    assert.equal("EREDIS", code)
  end))

  it("pauses longer and longer, up to 5 s, shortened at random", in_task(function()
    answers.PING = false
    local real, pauses = math.random, {}
    math.random = function() -- luacheck: ignore
      pauses[#pauses + 1] = core.now()
      return 0
    end
    local pause, most = link.PAUSE, link.PAUSE_MAX
    link.PAUSE, link.PAUSE_MAX = 0.01, 0.04
    logged(function()
      made:connect()
      wait_for(function() return #pauses == 7 end, "the attempts")
    end)
    math.random = real -- luacheck: ignore
    link.PAUSE, link.PAUSE_MAX = pause, most
    assert.same({ 0.05, 5 }, { pause, most })
    -- A half of 10, 20, 40, 40 … ms at least.
    for i, least in ipairs { 0.005, 0.01, 0.02, 0.02, 0.02 } do
      assert.is_true(pauses[i + 1] - pauses[i] >= least - 0.002, tostring(i))
    end
  end))

  it("gives up what is kept for too long", in_task(function()
    answers.PING = false
    local keep = link.KEEP
    link.KEEP = 0.05
    local log = logged(function()
      made:connect()
      made:put_later("k", "x", 1)
      core.sleep(0.1)
      answers.PING = nil
      wait_for(function() return made:is_ready() end, "the connection")
    end)
    link.KEEP = keep
    assert.equal(60, keep)
    assert.matches("what was to be kept is lost: redis .*: away for too long; nothing was sent",
      log)
    assert.equal(0, seen_of "SET")
  end))

  it("pauses longer where connections do not last", in_task(function()
    answers.GET = false
    local most = link.PAUSE_MAX
    link.PAUSE_MAX = 0.4
    logged(function()
      local begun = core.now()
      while core.now() - begun < 1 do
        made:get "k"
        core.sleep(0.005)
      end
    end)
    link.PAUSE_MAX = most
    -- At 0, 0.05, 0.15, 0.35, 0.75 s; each pause is shortened by up to a half.
    assert.is_true(seen_of "PING" <= 9, tostring(seen_of "PING"))
  end))

  it("says what it had to leave when it is closed", in_task(function()
    answers.PING = false
    local log = logged(function()
      made:connect()
      made:put_later("k", "x", 1)
      made:put_later("k", "x", 1)
      made:close()
    end)
    assert.matches("closed while it is away: changes that were not sent are lost: 2", log)
  end))

  it("ends calls in progress when it is closed", in_task(function()
    assert.is_true(made:connect())
    answers.GET = ""
    local got
    core.spawn(function() got = table.pack(made:get "k") end)
    made:close()
    wait_for(function() return got end, "the end of the call")
    assert.same({ nil, "the store is closed", "ECLOSED", n = 3 }, got)
  end))
end)
