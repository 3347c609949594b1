-- SPDX-License-Identifier: MIT
-- Works for the walk that are no conversation: what a program calls itself.
local core = require "mcp.core"
local fetch = require "mcp.fetch"
local mcp = require "mcp"
local raw = require "codecs.raw"
local talk = require "spec.torture.talk"

local function settled()
  if talk.settle(function() return core.task_count() == 0 end) then return nil end
  return ("%d tasks are left"):format(core.task_count())
end

-- For what has talked to a listener of ours.
local function mend_sockets(state)
  if state.socket then state.socket:close() end
  if state.listener then state.listener:close() end
  collectgarbage()
  return settled()
end

local new_app = require "spec.torture.app"

local DOCUMENT = '{"list":[' .. ("1,2.5,\"a\\u00e9\","):rep(30) .. 'null],"o":{"k":"v"}}'

-- What the client below asks: one server, for as long as the hunt lasts.
local serving
local CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%s","arguments":%s,'
  .. '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
  .. '"io.modelcontextprotocol/clientCapabilities":{},"progressToken":1}}}'

-- Answers to a fetch: "{}" in gzip, and as it is.
local PACKED = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 22\r\n\r\n"
  .. "\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0"
local PLAIN = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

-- A worker, whose state is made while memory fails, too; where it is a process only our side is.
local ECHO = function() return { echo = function(...) return ... end, fail = error } end

local function worker_work(name, process)
  return {
    name = name,
    run = function(state)
      local made = mcp.worker { ECHO, threads = 2, process = process }
      state.worker = made
      made:echo({ 1, "two", mcp.null, mcp.array {} }, ("x"):rep(1000))
      pcall(made.fail, made, "as told")
      mcp.run(function()
        mcp.all { function() return made:echo(1) end, function() return made:echo(2) end }
      end)
    end,
    mend = function(state)
      local made = state.worker
      if made then
        made:close()
        local ended = talk.settle(function()
          return require "mcp.worker".counts(made).slots == 0
        end)
        if not ended then return "a thread or a process is left" end
      end
      return settled()
    end,
  }
end

-- Our side of a command; the command itself has memory.
local process_work = {
  name = "process",
  run = function(state)
    -- What is assigned last must have its place before.
    state.process = false
    local made = mcp.process.start { "cat" }
    state.process = made
    -- What it was not sent it does not send back.
    if not made or not made:write(("x"):rep(100) .. "\n") then return end
    made:line()
    made:kill "CONT"
    made:write "rest"
    made:close_stdin()
    made:read(1000)
    made:wait(5)
    mcp.run(function()
      mcp.process.run { "sh", "-c", "cat; echo e >&2; exit 3", stdin = ("y"):rep(1000),
        env = { A = "b" }, cwd = "/", timeout = 5 }
    end)
  end,
  mend = function(state)
    if state.process then state.process:close() end
    state.process = nil
    collectgarbage()
    if not talk.settle(function() return not core.step(0) end) then return "a process is left" end
    return settled()
  end,
}

return {
  process_work,
  worker_work("worker", false),
  worker_work("worker process", true),
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
    name = "folder, written",
    run = function(state)
      state.folder = false
      state.folder = assert(mcp.folder(os.getenv "MCP_BUILD" .. "/torture.folder",
        { create = true }))
      local folder = state.folder
      local function work()
        assert(folder:write("a", ("x"):rep(3000), { sync = true }))
        assert(folder:append("a", "y"))
        assert(folder:make_folder("d/e", { parents = true }))
        assert(folder:rename("a", "d/e/a"))
        assert(#assert(folder:list "d") == 1 and assert(folder:exists "d/e/a"))
        assert(folder:remove "d/e/a")
      end
      work()
      mcp.run(function() mcp.all { work_apart = work } end)
      -- Where no wait is possible.
      coroutine.wrap(work)()
    end,
    mend = function(state)
      local left = settled()
      if left or not state.folder then return left end
      for _, path in ipairs { "a", "d/e/a", "d/e", "d" } do state.folder:remove(path) end
      for _, entry in ipairs(assert(state.folder:list())) do
        if entry.name:find "^%.mcp" then return "a temporary file is left" end
      end
      state.folder:close()
    end,
  },
  {
    name = "json, URIs and time",
    run = function()
      local value = assert(mcp.json.decode(DOCUMENT))
      assert(mcp.json.encode(value, { sorted = true, indent = 2, limit = 1 << 20 }))
      local _, _, code = mcp.json.decode(DOCUMENT .. "x")
      if code ~= "ENOMEM" then assert(code == "EJSON") end
      local uri = mcp.uri.expand("a:///{+path}{?q*}", { path = "b c", q = { x = 1 } })
      assert(mcp.uri.match("a:///{+path}{?x}", uri).path == "b c")
      assert(mcp.uri.unescape(mcp.uri.escape(uri)) == uri and mcp.uri.parse(uri).path)
      assert(#mcp.timestamp(mcp.time(), 3) == 24)
    end,
    mend = function()
      if mcp.json.encode(mcp.json.decode(DOCUMENT)):sub(1, 9) ~= '{"list":[' then
        return "encoding changed"
      end
    end,
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
  {
    name = "child and connection",
    run = function(state)
      state.child, state.near, state.far, state.said = false, false, false, 0
      local path = os.getenv "MCP_BUILD" .. "/torture.socket"
      state.far = assert(core.listen_http({ unix = path }, function() end))
      local nothing = function() end
      state.child = assert(core.connect_child({ command = "sh", env = { LANG = "C", TERM = false },
        args = { "-c", "echo one >&2; echo two >&2; cat >/dev/null" },
        stderr = function() state.said = state.said + 1 end }, nothing))
      state.near = assert(core.connect_socket({ unix = path, timeout = 1 }, nothing))
      mcp.run(function()
        state.near:close()
        state.near = assert(core.connect_socket({ unix = path, timeout = 1 }, nothing))
      end)
      talk.settle(function() return state.said == 2 end)
    end,
    mend = function(state)
      -- What was made and not kept is the collector's.
      for _, name in ipairs { "child", "near", "far" } do
        if state[name] then state[name]:close(0) end
        state[name] = nil
      end
      collectgarbage()
      if not talk.settle(function() return not core.step(0) end) then return "something is open" end
      return settled()
    end,
  },
  {
    name = "http client",
    run = function(state)
      -- One app for all: what it costs is looked at elsewhere.
      state.pool, state.kept = false, {}
      serving = serving or new_app():listen { http = { port = 0 }, quiet = true }
      state.pool = core.http_pool { connections = 2 }
      local function ask(tool, arguments)
        local response = assert(state.pool:request { host = "127.0.0.1", port = serving.port,
          method = "POST", target = "/mcp", timeout = 0.5, headers = {
            { "Content-Type", "application/json" }, { "MCP-Protocol-Version", "2026-07-28" },
            { "Accept", "application/json, text/event-stream" }, { "Mcp-Method", "tools/call" },
            { "Mcp-Name", tool } }, body = CALL:format(tool, arguments) })
        response:headers()
        return response
      end
      local waiter = core.waiter()
      for _ = 1, 3 do
        waiter:spawn(function() assert(ask("add", '{"a":1}'):json()) end)
      end
      waiter:spawn(function()
        local response <close> = ask("tells", "{}")
        for event in function() return response:event(0.5) end do assert(event) end
      end)
      waiter:wait(1)
      assert(ask("big", "{}"):read())
      local answer = assert(fetch.get("http://127.0.0.1:" .. serving.port .. "/none"))
      assert(answer.status)
    end,
    mend = function(state)
      if state.pool then state.pool:close() end
      state.pool = nil
      -- Answers that were dropped on the way hold connections until they are collected.
      collectgarbage()
      if not talk.settle(function() return core.task_count() == 0 end) then return settled() end
      for _ = 1, 4 do core.step(0) end
    end,
  },
  {
    name = "fetch",
    run = function(state)
      state.socket, state.listener = false, false
      state.listener = assert(raw.listen(0))
      local address = ("http://127.0.0.1:%d/"):format(state.listener:port())
      -- The answer is there as soon as somebody connects, for nothing here may need memory.
      local function exchange(where, options, answer)
        local waiter, done = core.waiter(), false
        options.timeout = 0.1
        waiter:spawn(function()
          local over <close> = setmetatable({}, { -- luacheck: ignore
            __close = function() done = true end })
          local response = assert(mcp.fetch(where, options))
          if options.stream then for _ in response:chunks() do end end -- luacheck: ignore
          response:text()
        end)
        while not done do
          core.step(0.001)
          if not state.socket then
            state.socket = state.listener:accept() or false
            if state.socket then state.socket:send(answer) end
            -- What would follow on a tunnel is not there.
            if state.socket and where:find "^https" then state.socket:close() end
          end
        end
        if state.socket then state.socket:close() end
        state.socket = false
      end
      exchange(address, {}, PACKED)
      exchange(address, { stream = true, headers = { A = "b" } }, PACKED)
      exchange(address, { file = "Makefile" }, PLAIN)
      exchange("http://server.example/", { proxy = address }, PLAIN)
      exchange("https://server.example/", { proxy = address }, "HTTP/1.1 200 OK\r\n\r\n")
    end,
    mend = mend_sockets,
  },
  {
    name = "stream",
    run = function(state)
      state.socket, state.listener = false, false
      state.listener = assert(raw.listen(0))
      local got
      core.spawn(function()
        local stream <close> = assert(core.connect_stream { host = "127.0.0.1",
          port = state.listener:port(), timeout = 0.1 })
        stream:send(("x"):rep(100000))
        got = stream:receive()
        stream:receive()
      end)
      for _ = 1, 200 do
        core.step(0.001)
        if not state.socket then
          state.socket = state.listener:accept() or false
          if state.socket then state.socket:send "answer" end
        elseif got or core.task_count() == 0 then
          break
        end
      end
      if state.socket then state.socket:close() end
      state.socket = false
    end,
    mend = mend_sockets,
  },
  {
    name = "store",
    run = function(state)
      if not pcall(require, "mcp.hiredis") then return end
      state.listener, state.socket = false, false
      state.listener = assert(raw.listen(0))
      local store = require("mcp.store").open(("redis://127.0.0.1:%d"):format(
        state.listener:port()), { timeout = 0.05 })
      state.store = store
      local done
      core.spawn(function()
        local over <close> = setmetatable({}, { -- luacheck: ignore
          __close = function() done = true end })
        store:put_later("k", "x", 1)
        store:get "k"
      end)
      local deadline = os.time() + 2
      while not done and os.time() < deadline do
        core.step(0.001)
        if not state.socket then
          state.socket = state.listener:accept() or false
          -- The answers to the greeting, and one to a command.
          if state.socket then
            state.socket:send("+PONG\r\n-ERR no cluster\r\n"
              .. ("$1\r\nd\r\n"):rep(5) .. "+OK\r\n$1\r\nx\r\n")
          end
        end
      end
      store:close()
    end,
    mend = function(state)
      if state.store then state.store:close() end
      state.store = nil
      return mend_sockets(state)
    end,
  },
}
