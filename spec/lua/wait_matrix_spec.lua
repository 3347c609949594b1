-- SPDX-License-Identifier: MIT
-- Every way to wait, in every place from which Lua is entered. Each cell ends in one of the
-- outcomes below; none crashes, hangs, or turns the loop inside itself.
local core = require "mcp.core"
local fetch = require "mcp.fetch"
local helper = require "spec.helper"
local jwks = require "mcp.auth.jwks"
local loopback = require "mcp.auth.client.loopback"
local mcp = require "mcp"
local single = require "mcp.mount.single"

-- --- what is waited for -----------------------------------------------------

-- An app to talk to, by memory and by HTTP; and a call that is under way, whose context can ask.
local env

local function make_far()
  local app = mcp.server { name = "far" }
  app:tool "echo" { input = { text = "string" } } (function(args)
    mcp.sleep(0.001)
    return args.text
  end)
  return app
end

local function park(app)
  app:tool "park" (function(_, ctx)
    env.parked = ctx
    env.until_end:wait()
  end)
end

local function set_up()
  env = { far = make_far(), until_end = core.waiter() }
  park(env.far)
  env.listening = env.far:listen { http = "127.0.0.1:0", quiet = true }
  env.port, env.url = env.listening.port, env.listening.urls[1]
  env.client = assert(mcp.connect(env.far, { era = "legacy",
    on_elicit = function() return { n = 1 } end }))
  env.worker = mcp.worker { function()
    return { echo = function(text) return text end }
  end }
  env.front = assert(single.open("far", function(options)
    return mcp.connect(env.far, options)
  end))
  env.relayed = assert(mcp.connect(env.front))
  mcp.spawn(env.client.call_tool, env.client, "park")
  helper.wait_until(function() return env.parked end, "the parked call")
end

local function tear_down()
  env.until_end:wake()
  env.worker:close()
  env.relayed:close()
  single.close(env.front)
  env.client:close()
  env.listening:close()
  helper.leftovers()
end

-- An event that comes while something waits for it.
local function soon(fn, ...)
  local arguments = table.pack(...)
  mcp.spawn(function()
    mcp.sleep(0.001)
    fn(table.unpack(arguments, 1, arguments.n))
  end)
end

local function is_true(result) return result == true end

-- Each has `run(ctx)`, which waits, and `good(result, text, code)`, whether what it gave is what it
-- promises. Places that name a way have an outcome of their own for it.
local WAYS = {
  sleep = { run = function() return mcp.sleep(0.002) end, good = is_true },
  waiter = {
    run = function()
      local waiter = core.waiter()
      soon(waiter.wake, waiter)
      return waiter:wait(5)
    end,
    good = is_true,
  },
  call = {
    run = function() return env.client:call_tool("echo", { text = "x" }) end,
    good = function(result) return result.content[1].text == "x" end,
  },
  connect = {
    run = function()
      local client, text, code = mcp.connect(env.url)
      if not client then return nil, text, code end
      client:close()
      return client.server.name
    end,
    good = function(name) return name == "far" end,
  },
  fetch = {
    run = function()
      local answer, text, code = fetch.get(env.url .. "/nowhere")
      return answer and answer.status, text, code
    end,
    good = function(status) return status and status >= 400 end,
  },
  request = {
    run = function()
      local pool = core.http_pool()
      local response <close>, text, code = pool:request { host = "127.0.0.1", port = env.port }
      return response and response.status, text, code
    end,
    good = function(status) return status == 404 end,
  },
  socket = {
    run = function()
      local host <close>, text, code =
        core.connect_socket({ host = "127.0.0.1", port = env.port }, function() end)
      return host and true, text, code
    end,
    good = is_true,
  },
  websocket = {
    run = function()
      local host <close>, text, code = core.connect_websocket({ host = "127.0.0.1",
        port = env.port, target = "/mcp" }, function() end)
      return host and true, text, code
    end,
    good = is_true,
  },
  accept = {
    run = function()
      local wait <close> = assert(loopback.open("http://127.0.0.1/back", nil, {
        time = 5, show = function() end }))
      soon(fetch.get, wait.uri .. "?code=1", { timeout = 1 })
      return wait:come "https://as.example.com/"
    end,
    good = function(target) return target:find "code=1" end,
  },
  -- Where the others cannot wait it blocks the loop.
  folder = {
    run = function()
      local folder <close>, text, code = mcp.folder "examples"
      if not folder then return nil, text, code end
      return folder:read "hello.lua"
    end,
    good = function(text) return text:find "mcp.server" end,
  },
  command = {
    run = function()
      local result, text, code = mcp.process.run { "cat", stdin = "through" }
      return result and result.stdout, text, code
    end,
    good = function(text) return text == "through" end,
  },
  process = {
    run = function()
      local process <close>, text, code = mcp.process.start { "cat", stdin = "line" }
      if not process then return nil, text, code end
      return process:line()
    end,
    good = function(text) return text == "line" end,
  },
  worker = {
    run = function() return env.worker:echo "x" end,
    good = function(text) return text == "x" end,
  },
  stream = {
    run = function()
      local answer <close>, text, code = fetch.get(env.url .. "/nowhere", { stream = true })
      if not answer then return nil, text, code end
      local body
      body, text, code = answer:text()
      return body and answer.status, text, code
    end,
    good = function(status) return status and status >= 400 end,
  },
  relayed = {
    run = function() return env.relayed:call_tool("echo", { text = "x" }) end,
    good = function(result) return result.content[1].text == "x" end,
  },
  drain = {
    -- Four times what an exchange holds: it cannot go out without waiting.
    run = function(ctx)
      local ok, text, code
      for _ = 1, 16 do
        ok, text, code = ctx.exchange:send("notifications/message",
          { level = "debug", data = ("x"):rep(1 << 18) })
        if not ok then break end
      end
      return ok, text, code
    end,
    good = is_true,
  },
  join = {
    run = function()
      local results, text, code = mcp.all { function() return mcp.sleep(0.002) end }
      return results and results[1], text, code
    end,
    good = is_true,
  },
  run = { run = function() return mcp.run(function() return mcp.sleep(0.002) end) end,
    good = is_true },
  lock = {
    -- The second of two that want the same keys waits for the first.
    run = function()
      local set = jwks.new { url = "https://as.example.com/keys", fetch = function()
        mcp.sleep(0.002)
        return { status = 200, body = "none" }
      end }
      mcp.spawn(set.find, set, {})
      local list, text, code = set:find {}
      return list, text, code
    end,
    good = function(list, _, code) return list == nil and code == "EUNREACHABLE" end,
  },
  question = {
    run = function(ctx)
      local form, text, code = ctx:elicit("How many?", { n = "integer" })
      return form and form.n, text, code
    end,
    good = function(n) return n == 1 end,
  },
  step = { run = function() return mcp.step(0.001) end,
    good = function(open) return type(open) == "boolean" end },
  close = {
    -- Never an error and never a hang: where it cannot wait, its end goes on by itself.
    run = function()
      local client = env.spare()
      client:close()
      return client:is_open()
    end,
    good = function(open) return open == false end,
  },
}

-- --- where it is waited -------------------------------------------------------

-- Runs a handler, whose client is an ordinary one, with whatever it needs.
local function handle(handler, options)
  local app = mcp.server { name = "near" }
  app:tool "t" (options or {}) (handler)
  local with = { era = "legacy", on_elicit = function() return { n = 1 } end }
  local client <close> = assert(mcp.connect(app, with))
  client:call_tool("t", {}, { timeout = 5 })
end

-- Starts a handler and cancels it once it waits.
local function handle_and_cancel(handler)
  local app, waits = mcp.server { name = "near" }, false
  app:tool "t" (function(args, ctx)
    waits = true
    return handler(args, ctx)
  end)
  local client <close> = assert(mcp.connect(app, { era = "legacy",
    on_elicit = function() return { n = 1 } end }))
  local caller = core.waiter()
  caller:spawn(client.call_tool, client, "t")
  helper.wait_until(function() return waits end, "the handler")
  caller:cancel()
  caller:wait()
  -- Only then is the server told.
  for _ = 1, 20 do core.step(0.001) end
end

local function closing(fn) return setmetatable({}, { __close = fn }) end

-- Makes garbage whose finalizer is `fn`, and collects it.
local function finalize(fn)
  do local _ = setmetatable({}, { __gc = fn }) end
  collectgarbage()
  collectgarbage()
end

local WAITS = "waits"
local CANCELED = "canceled"
local ENDED = "ended"
local CANNOT = "cannot wait here"
local COROUTINE = "coroutine of your own"
local IN_HANDLER = "from inside a handler"

-- `enter(cell)` has `cell(ctx)` called in that place. `all` is the outcome of each way, others by
-- name: WAITS (it gave what it promises), CANCELED (nil, text, "ECANCELED", at once), ENDED (the
-- coroutine was closed there), or the text that an error has. An exchange that is not the
-- handler's own is never waited for: "EBUSY".
local PLACES = {
  ["the main thread"] = { all = WAITS, drain = "EBUSY", enter = function(cell) cell() end },
  ["a coroutine on the main thread"] = { all = WAITS, drain = "EBUSY",
    enter = function(cell) coroutine.wrap(cell)() end },
  ["a handler"] = { all = WAITS, step = IN_HANDLER,
    enter = function(cell) handle(function(_, ctx) cell(ctx) end) end },
  ["a spawned task"] = { all = WAITS, drain = "EBUSY", step = IN_HANDLER,
    enter = function(cell) mcp.spawn(cell) end },
  ["a timer's task"] = { all = WAITS, drain = "EBUSY", step = IN_HANDLER,
    enter = function(cell) soon(cell) end },
  ["a coroutine inside a handler"] = { all = COROUTINE, drain = "EBUSY", step = IN_HANDLER,
    close = WAITS, folder = WAITS,
    enter = function(cell)
      handle(function(_, ctx) coroutine.wrap(function() cell(ctx) end)() end)
    end },
  ["pcall inside a handler"] = { all = WAITS, step = IN_HANDLER,
    enter = function(cell) handle(function(_, ctx) pcall(cell, ctx) end) end },
  ["a metamethod inside a handler"] = { all = WAITS, step = IN_HANDLER,
    enter = function(cell)
      handle(function(_, ctx)
        return setmetatable({}, { __index = function() return cell(ctx) or 1 end }).x
      end)
    end },
  ["table.sort inside a handler"] = { all = CANNOT, drain = "EBUSY", step = IN_HANDLER,
    close = WAITS, folder = WAITS,
    enter = function(cell)
      handle(function(_, ctx)
        local once = cell
        table.sort({ 1, 2 }, function(a, b)
          if once then
            once = nil
            cell(ctx)
          end
          return a < b
        end)
      end)
    end },
  ["the message handler of xpcall"] = { all = CANNOT, drain = "EBUSY", step = IN_HANDLER,
    close = WAITS, folder = WAITS,
    enter = function(cell)
      handle(function(_, ctx) xpcall(error, function() cell(ctx) end) end)
    end },
  ["require inside a handler"] = { all = CANNOT, drain = "EBUSY", step = IN_HANDLER,
    close = WAITS, folder = WAITS,
    enter = function(cell)
      handle(function(_, ctx)
        package.preload["spec.waits"] = function() cell(ctx) end
        require "spec.waits"
      end)
      package.loaded["spec.waits"] = nil
    end },
  ["require on the main thread"] = { all = WAITS, drain = "EBUSY",
    enter = function(cell)
      package.preload["spec.waits"] = function() cell() end
      require "spec.waits"
      package.loaded["spec.waits"] = nil
    end },
  ["<close> at a handler's return"] = { all = WAITS, step = IN_HANDLER,
    enter = function(cell)
      handle(function(_, ctx)
        local _ <close> = closing(function() cell(ctx) end)
      end)
    end },
  ["<close> at a handler's error"] = { all = WAITS, step = IN_HANDLER,
    enter = function(cell)
      handle(function(_, ctx)
        local _ <close> = closing(function() cell(ctx) end)
        error "this line in the log is part of the test"
      end)
    end },
  ["<close> at a spawned task's error"] = { all = WAITS, drain = "EBUSY", step = IN_HANDLER,
    enter = function(cell)
      mcp.spawn(function()
        local _ <close> = closing(function() cell() end)
        error "this line in the log is part of the test"
      end)
    end },
  ["<close> on the main thread"] = { all = WAITS, drain = "EBUSY",
    enter = function(cell) local _ <close> = closing(function() cell() end) end },
  -- The first wait of a cancelled handler returns "ECANCELED", the second closes the coroutine.
  ["a cancelled handler that waits again"] = { all = ENDED, drain = CANCELED, step = IN_HANDLER,
    question = CANCELED, close = WAITS,
    enter = function(cell)
      handle_and_cancel(function(_, ctx)
        ctx:sleep(60)
        cell(ctx)
      end)
    end },
  -- Its own exchange is let go before.
  ["<close> of a cancelled handler"] = { all = CANCELED, drain = "ECLOSED", question = "ECLOSED",
    step = IN_HANDLER, close = WAITS, folder = WAITS,
    enter = function(cell)
      handle_and_cancel(function(_, ctx)
        local _ <close> = closing(function() cell(ctx) end)
        ctx:sleep(60)
        ctx:sleep(60)
      end)
    end },
  ["a coroutine in <close> of a cancelled handler"] = { all = CANCELED, drain = "ECLOSED",
    question = "ECLOSED", step = IN_HANDLER, close = WAITS, folder = WAITS,
    enter = function(cell)
      handle_and_cancel(function(_, ctx)
        local _ <close> = closing(function() coroutine.wrap(cell)(ctx) end)
        ctx:sleep(60)
        ctx:sleep(60)
      end)
    end },
  ["<close> of a task that another cancels"] = { all = CANCELED, drain = "EBUSY",
    step = IN_HANDLER, close = WAITS, folder = WAITS,
    enter = function(cell)
      local waiter = core.waiter()
      waiter:spawn(function()
        local _ <close> = closing(function() cell() end)
        mcp.sleep(60)
        mcp.sleep(60)
      end)
      mcp.run(function() waiter:cancel() mcp.sleep(0) end)
    end },
  ["__gc on the main thread"] = { all = CANNOT, drain = "EBUSY", close = WAITS, folder = WAITS,
    enter = function(cell) finalize(function() cell() end) end },
  ["__gc inside a handler"] = { all = CANNOT, drain = "EBUSY", step = IN_HANDLER,
    close = WAITS, folder = WAITS,
    enter = function(cell)
      handle(function(_, ctx) finalize(function() cell(ctx) end) end)
    end },
  ["on_elicit of a client"] = { all = WAITS, drain = "EBUSY", step = IN_HANDLER,
    enter = function(cell)
      local app = mcp.server { name = "near" }
      app:tool "t" (function(_, ctx) return ctx:elicit("?", { n = "integer" }) and "x" end)
      local client <close> = assert(mcp.connect(app, { era = "legacy", on_elicit = function()
        cell()
        return { n = 1 }
      end }))
      client:call_tool("t", {})
    end },
  ["on_progress of a client"] = { all = WAITS, drain = "EBUSY", step = IN_HANDLER,
    enter = function(cell)
      local app = mcp.server { name = "near" }
      app:tool "t" (function(_, ctx) ctx:progress(1) end)
      local client <close> = assert(mcp.connect(app))
      client:call_tool("t", {}, { on_progress = function() cell() end })
      helper.settle()
    end },
  ["on_change of a client"] = { all = WAITS, drain = "EBUSY", step = IN_HANDLER,
    enter = function(cell)
      local app, came = mcp.server { name = "near" }, false
      app:tool "t" (function() end)
      local client <close> = assert(mcp.connect(app, { on_change = function() -- luacheck: ignore
        if came then return end
        came = true
        cell()
      end }))
      app:tool "new" (function() end)
      helper.wait_until(function() return came end, "the notice")
      for _ = 1, 20 do core.step(0.001) end
    end },
  ["middleware"] = { all = WAITS, step = IN_HANDLER,
    enter = function(cell)
      local app = mcp.server { name = "near" }
      app:tool "t" (function() end)
      app:use(function(request, next)
        if request.kind == "tool" then cell(request.ctx) end
        return next(request)
      end)
      local client <close> = assert(mcp.connect(app, { era = "legacy",
        on_elicit = function() return { n = 1 } end }))
      client:call_tool("t", {})
    end },
  ["visible of a tool"] = { all = WAITS, step = IN_HANDLER,
    enter = function(cell)
      local once = cell
      handle(function() end, { visible = function(ctx)
        local now = once
        once = nil
        if now then now(ctx) end
        return true
      end })
    end },
  ["completion"] = { all = WAITS, question = "cannot ask", step = IN_HANDLER,
    enter = function(cell)
      local app = mcp.server { name = "near" }
      app:prompt "p" { arguments = { a = "string" }, complete = { a = function(_, ctx)
        cell(ctx)
        return {}
      end } } (function() return "x" end)
      local client <close> = assert(mcp.connect(app, { era = "legacy",
        on_elicit = function() return { n = 1 } end }))
      client:complete({ prompt = "p" }, "a", "x")
    end },
  ["verify of a token"] = { all = WAITS, drain = "EBUSY", step = IN_HANDLER,
    enter = function(cell)
      local app = mcp.server { name = "near", auth = {
        authorization_servers = { "https://as.example.com" },
        verify = function() cell() end } }
      app:tool "t" (function() end)
      local listening <close> = app:listen { http = "127.0.0.1:0", quiet = true }
      fetch.post(listening.urls[1], { json = { jsonrpc = "2.0", id = 1, method = "ping" },
        headers = { Authorization = "Bearer abc",
          Accept = "application/json, text/event-stream" } })
    end },
}

-- --- the cells -----------------------------------------------------------------

local function sorted(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- What became of it, in the words of PLACES.
local function outcome(way, got)
  if got[1] == ENDED then return ENDED end
  if not got[1] then return "raised: " .. tostring(got[2]) end
  if got[2] == nil and got[4] == "ECANCELED" then return CANCELED end
  if got[2] == nil and (got[4] == "EBUSY" or got[4] == "ECLOSED") then return got[4] end
  local fine, good = pcall(way.good, got[2], got[3], got[4])
  if fine and good then return WAITS end
  return ("gave %s, %s, %s"):format(tostring(got[2]), tostring(got[3]), tostring(got[4]))
end

local function try(place, way)
  local got
  local function cell(ctx)
    local _ <close> = closing(function() got = got or { ENDED } end)
    local result = table.pack(pcall(way.run, ctx or env.parked))
    got = result
  end
  place.enter(cell)
  helper.wait_until(function() return got end, "the cell")
  helper.settle()
  return outcome(way, got)
end

-- Places that end a process, or need one of luv's: a script says what each way gave.
local SCRIPT = [[
  local core = require "mcp.core"
  local WAYS = {
    sleep = function() return mcp.sleep(1) end,
    waiter = function() return core.waiter():wait(1) end,
    join = function() return mcp.all { function() return mcp.sleep(1) end } end,
    socket = function() return core.connect_socket({ unix = "/nowhere" }, print) end,
    websocket = function() return core.connect_websocket({ unix = "/nowhere" }, print) end,
    request = function() return core.http_pool():request { unix = "/nowhere" } end,
    connect = function() return mcp.connect "http://127.0.0.1:1/mcp" end,
    step = function() return mcp.step(1) end,
  }
  function try_all()
    for name, way in pairs(WAYS) do
      local got = table.pack(pcall(way))
      io.stdout:write(name, ": ", tostring(got[2]), " ", tostring(got[4]), "\n")
    end
    io.stdout:flush()
  end
]]
local COUNT = 8

-- Runs it, and gives what it wrote and its exit status.
local function run_script(text, command)
  local path = helper.file(text, ".lua")
  local out, status = helper.shell(("timeout 20 %s %s 2>&1 </dev/null"):format(command,
    helper.quote(path)))
  return out, status
end

-- Each way has given one of the reasons, and there is nothing else in the output.
local function check_reasons(out, ...)
  local lines, clear = 0, 0
  for line in out:gmatch "[^\n]+" do
    lines = lines + 1
    for _, reason in ipairs { ... } do
      if line:find(reason, 1, true) then
        clear = clear + 1
        break
      end
    end
  end
  assert.equal(COUNT, clear, out)
  assert.equal(COUNT, lines, out)
end

local CLOSING = "the runtime is closing"

describe("waiting at the end of a process", function()
  after_each(helper.remove_files)
  local program = helper.quote(helper.program()) .. " run"

  it("in a handler's <close>, when the state is closed", function()
    local out, status = run_script("mcp = require 'mcp'" .. SCRIPT .. [[
      mcp.spawn(function()
        local _ <close> = setmetatable({}, { __close = try_all })
        mcp.sleep(60)
      end)]], program)
    assert.equal(0, status, out)
    check_reasons(out, "ECANCELED", CLOSING, IN_HANDLER)
  end)

  it("in a finalizer that runs before the runtime is closed, and in one that runs after", function()
    local make = "held = setmetatable({}, { __gc = function() try_all() end })\n"
    for order, text in pairs {
      before = "mcp = require 'mcp'" .. SCRIPT .. make,
      after = make .. "mcp = require 'mcp'" .. SCRIPT,
    } do
      local out, status = run_script(text, os.getenv "LUA" or "lua5.4")
      assert.equal(0, status, order .. out)
      check_reasons(out, "ECANCELED", CLOSING, CANNOT, "the runtime is closed")
      assert.equal(order == "after", out:find("the runtime is closed", 1, true) ~= nil, out)
    end
  end)

  it("nothing of the core is used once the runtime is closed", function()
    local out, status = run_script([[
      local core
      held = setmetatable({}, { __gc = function()
        for _, call in ipairs {
          function() return core.encode {} end, function() return core.raw {} end,
          core.fd, core.timeout, core.now, core.random_id,
          function() return core.catch_signals(print) end,
          function() return core.base64 "x" end, function() return core.unbase64 "eA==" end,
          function() return core.listen_http({ host = "127.0.0.1", port = 0 }, print) end,
          function() return core.serve_stdio(print) end,
          function() return core.memory_pair(print) end,
          function() return core.connect_child({ command = "true" }, print) end,
          function() return core.listen_redirect("127.0.0.1", 0, "/x", print) end,
          function() return core.http_pool() end, function() return core.spawn(print) end,
        } do io.stdout:write(tostring(select(2, pcall(call))), "\n") end
        waiter:wake(1)
        waiter:cancel()
        io.stdout:flush()
      end })
      core = require "mcp.core"
      waiter = core.waiter()]], os.getenv "LUA" or "lua5.4")
    assert.equal(0, status, out)
    assert.equal(16, select(2, out:gsub("the runtime is clos[a-z]+\n", "")), out)
  end)

  it("in a handler that ends the process and closes its state", function()
    local out, status = run_script("mcp = require 'mcp'" .. SCRIPT .. [[
      mcp.spawn(function()
        local _ <close> = setmetatable({}, { __close = try_all })
        mcp.sleep(60)
      end)
      mcp.spawn(function()
        mcp.sleep(0.001)
        os.exit(5, true)
      end)
      mcp.sleep(60)]], program)
    assert.equal(5, status, out)
    check_reasons(out, "ECANCELED", CLOSING, IN_HANDLER)
  end)

  it("in a variable of the main chunk, when a handler ends the process", function()
    local out, status = run_script("mcp = require 'mcp'" .. SCRIPT .. [[
      local _ <close> = setmetatable({}, { __close = try_all })
      mcp.spawn(function()
        mcp.sleep(0.001)
        os.exit(5, true)
      end)
      mcp.sleep(60)]], program)
    assert.equal(5, status, out)
    check_reasons(out, COROUTINE, IN_HANDLER)
  end)

  local luv = pcall(require, "luv")
  local test = luv and it or function(name)
    pending(name .. ": SKIPPED, luv is not installed (Debian: lua-luv)")
  end

  test("in a callback of luv's, also when uv.run runs inside uv.run", function()
    for _, before in ipairs { "", "uv.run 'nowait'" } do
      local out, status = run_script("uv = require 'luv' mcp = require 'mcp.on_luv'" .. SCRIPT
        .. ([[
        local timer = uv.new_timer()
        timer:start(1, 0, function()
          %s
          try_all()
          timer:close()
        end)
        uv.run()]]):format(before), os.getenv "LUA" or "lua5.4")
      assert.equal(0, status, out)
      check_reasons(out, "luv's loop is running")
    end
  end)

  test("in a callback of luv's, when ours turns luv's loop", function()
    local out, status = run_script("uv = require 'luv' mcp = require 'mcp.on_luv'" .. SCRIPT .. [[
      local timer = uv.new_timer()
      timer:start(1, 0, function()
        try_all()
        timer:close()
      end)
      mcp.sleep(0.1)]], os.getenv "LUA" or "lua5.4")
    assert.equal(0, status, out)
    check_reasons(out, "the event loop is running")
  end)
end)

describe("waiting", function()
  before_each(set_up)
  after_each(tear_down)

  for _, name in ipairs(sorted(PLACES)) do
    local place = PLACES[name]
    it("in " .. name, function()
      local wrong = {}
      for _, what in ipairs(sorted(WAYS)) do
        env.spare = nil
        if what == "close" then
          local spare = assert(mcp.connect(env.url, { era = "legacy" }))
          env.spare = function() return spare end
        end
        local wanted, ended = place[what] or place.all, try(place, WAYS[what])
        if ended ~= wanted and not (ended:find "^raised: " and ended:find(wanted, 1, true)) then
          wrong[#wrong + 1] = ("%s: expected %s, got %s"):format(what, wanted, ended)
        end
      end
      assert.equal("", table.concat(wrong, "\n"))
    end)
  end
end)
