-- SPDX-License-Identifier: MIT
-- examples/with_luv.lua and examples/with_cqueues.lua: other libraries through a waiter, used by a
-- real client.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local raw = require "codecs.raw"

-- Both programs.
local COMMANDS = { { helper.program(), "run" }, { os.getenv "LUA" or "lua5.4" } }

local function connect(command, file)
  local args = { table.unpack(command, 2) }
  args[#args + 1] = file
  -- Under a sanitizer the interpreter needs its library before our module.
  local env = { LUA_PATH = os.getenv "LUA_PATH", LUA_CPATH = os.getenv "LUA_CPATH",
    LD_PRELOAD = os.getenv "LD_PRELOAD", ASAN_OPTIONS = os.getenv "ASAN_OPTIONS",
    UBSAN_OPTIONS = os.getenv "UBSAN_OPTIONS" }
  return assert(mcp.connect({ command = command[1], args = args, env = env }, { timeout = 10 }))
end

local function text_of(result) return result.content[1].text end

describe("examples/with_luv.lua", function()
  local test = pcall(require, "luv") and it or function(name)
    pending(name .. ": SKIPPED, luv is not installed (Debian: lua-luv)")
  end
  after_each(helper.leftovers)

  for _, command in ipairs(COMMANDS) do
    local with = " (" .. command[1]:match "[^/]*$" .. ")"

    test("waits for timers, files and names of luv" .. with, function()
      local client <close> = connect(command, "examples/with_luv.lua")
      local stat = assert(client:call_tool("stat", { path = "LICENSE" })).structuredContent
      local file <close> = assert(io.open "LICENSE")
      assert.equal("file", stat.kind)
      assert.equal(file:seek "end", stat.size)
      local missing = client:call_tool("stat", { path = "/nowhere" })
      assert.is_true(missing.isError)
      assert.matches("^ENOENT", text_of(missing))
      local found = client:call_tool("resolve", { host = "127.0.0.1" }).structuredContent
      assert.equal("127.0.0.1", (found.result or found)[1])
      assert.is_true(tonumber(text_of(client:call_tool("timer", { milliseconds = 20 }))) >= 20)
      local ticks = tonumber(text_of(client:call_tool "ticks"))
      assert.is_true(tonumber(text_of(client:call_tool "ticks")) > ticks)
    end)

    test("answers others while a call waits for luv, and a cancelled one ends" .. with, function()
      local client <close> = connect(command, "examples/with_luv.lua")
      local stop, code = mcp.canceller(), nil
      mcp.spawn(function()
        code = select(3, client:call_tool("timer", { milliseconds = 60000 }, { cancel = stop }))
      end)
      for _ = 1, 20 do assert(client:call_tool("stat", { path = "." })) end
      assert.is_nil(code)
      stop:cancel "enough"
      helper.wait_until(function() return code end)
      assert.equal("ECANCELED", code)
      assert(client:call_tool("stat", { path = "." }))
    end)
  end
end)

describe("examples/with_cqueues.lua", function()
  local test = pcall(require, "luv") and pcall(require, "cqueues") and it or function(name)
    pending(name .. ": SKIPPED, cqueues or luv is not installed (Debian: lua-cqueues, lua-luv)")
  end
  after_each(helper.leftovers)

  for _, command in ipairs(COMMANDS) do
    local with = " (" .. command[1]:match "[^/]*$" .. ")"

    test("waits for coroutines, sockets and conditions of cqueues" .. with, function()
      local client <close> = connect(command, "examples/with_cqueues.lua")
      mcp.run(function()
        local results = mcp.all {
          slow = function() return text_of(client:call_tool("sleep", { seconds = 0.2 })) end,
          fast = function() return text_of(client:call_tool("sleep", { seconds = 0.01 })) end,
          one = function() return text_of(client:call_tool "meet") end,
          two = function() return text_of(client:call_tool "meet") end,
        }
        assert.equal("slept 0.2 s", results.slow)
        assert.equal("slept 0.01 s", results.fast)
        local met = { results.one, results.two }
        table.sort(met)
        assert.same({ "met as number 1", "met as number 2" }, met)
      end)
    end)

    test("reads a line that comes late" .. with, function()
      local client <close> = connect(command, "examples/with_cqueues.lua")
      local listener, result = assert(raw.listen(0)), nil
      mcp.spawn(function() result = client:call_tool("first_line", { port = listener:port() }) end)
      local deadline = core.now() + helper.LIMIT
      local socket
      repeat
        core.step(0.001)
        socket = listener:accept()
      until socket or core.now() > deadline
      -- Others are answered meanwhile.
      assert(client:call_tool("sleep", { seconds = 0.01 }))
      assert.is_nil(result)
      socket:send "hello\n"
      helper.wait_until(function() return result end)
      assert.equal("hello", text_of(result))
      socket:close()
      listener:close()
      assert.is_true(client:call_tool("first_line", { port = 1 }).isError)
    end)
  end
end)
