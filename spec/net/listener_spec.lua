-- SPDX-License-Identifier: MIT
-- listener_spec.lua: src/net/listener.c through the program: accepted connections, and ports.
local core = require "mcp.core"
local support = require "spec.support"

local system = support.system
local call, client_of = support.call, support.client

describe("the limit of connections", function()
  after_each(support.stop_all)

  it("lets the one above it wait, and serves it later", function()
    local server = support.http "limits = { connections = 2 }"
    local one <close> = client_of(server)
    local two <close> = client_of(server)
    local three <close> = client_of(server)
    one:call(1, "echo", { text = "x" })
    two:call(1, "echo", { text = "x" })
    three:send(call(3, "echo", { text = "third" }))
    assert.same({ nil, "timeout" }, { three.socket:receive(0.1) })
    assert.equal("x", one:call(2, "echo", { text = "x" }))
    two:close()
    assert.equal("third", three:answer().json.result.content[1].text)
    assert.equal("x", one:call(3, "echo", { text = "x" }))
  end)

  it("is never more than the descriptors allow, so that accept cannot fail", function()
    local server = support.http("", { descriptors = 100 })
    local clients = {}
    for i = 1, 120 do clients[i] = client_of(server) end
    assert.equal("x", clients[1]:call(1, "echo", { text = "x" }))
    assert.is_true(server:fd_count() < 100)
    for i = 1, 90 do clients[i]:close() end
    assert.equal("x", clients[120]:call(1, "echo", { text = "x" }))
    for i = 91, 120 do clients[i]:close() end
  end)

  it("leaves the reserve to the process, whatever the number of listeners", function()
    local path = os.tmpname()
    os.remove(path)
    local server = support.start(
      ("{ http = { port = 0 }, sse = { port = 0 }, websocket = { port = 0 }, unix = %q }")
        :format(path), { descriptors = 128, script = [==[
          local mcp = require "mcp"
          local options = load("return " .. os.getenv "SPEC_OPTIONS")()
          local app = mcp.server "spec"
          app:tool "echo" { input = { text = "string" } } (function(a) return a.text end)
          -- What needs descriptors of its own.
          app:tool "work" (function()
            local files <close> = setmetatable({}, { __close = function(list)
              for _, file in ipairs(list) do file:close() end
            end })
            for i = 1, 12 do files[i] = assert(io.open("/dev/null")) end
            local pipe <close> = assert(io.popen "echo from a child")
            return pipe:read "l"
          end)
          app:run(options)
        ]==] })
    local ports = {}
    server:wait_said("answers at unix:")
    for port in server.said:gmatch "answers at %a+://[^%s]-:(%d+)/" do
      ports[#ports + 1] = math.tointeger(port)
    end
    finally(function() os.remove(path) end)
    local first <close> = support.client { port = ports[1] }
    assert.equal("x", first:call(1, "echo", { text = "x" }))
    local held = {}
    for _, port in ipairs(ports) do
      for _ = 1, 60 do held[#held + 1] = support.client { port = port } end
    end
    assert.equal("x", first:call(2, "echo", { text = "x" }))
    -- A quarter of 128 is reserved; each listener holds one connection that waits, and one more.
    assert.is_true(server:fd_count() <= 96 + 2 * 4, server:fd_count())
    assert.equal("from a child", first:call(3, "work", {}))
    -- All listeners are served again, though the first one's clients keep coming.
    for i = #held, 61, -1 do held[i]:close() end
    for _, port in ipairs(ports) do
      local client <close> = support.client { port = port }
      client:send(support.request("GET", {}, nil, "/none"))
      assert.equal(404, client:answer().status)
    end
    for i = 1, 60 do held[i]:close() end
  end)

  it("serves several at a low limit of descriptors", function()
    for _, limit in ipairs { 40, 64, 100 } do
      local server = support.http("", { descriptors = limit })
      local clients = {}
      for i = 1, limit do clients[i] = client_of(server) end
      -- All but the reserve and what the process needs for itself.
      local count = limit - limit // 4 - 20
      for i = 1, count do
        assert.equal("x", clients[i]:call(1, "echo", { text = "x" }), limit)
      end
      assert.is_true(server:fd_count() < limit - 4)
      for i = 1, limit do clients[i]:close() end
      assert.is_true(support.alive(server))
    end
  end)
end)

describe("a port", function()
  after_each(support.stop_all)

  it("in use is a clear message, and the way out", function()
    local server = support.http()
    local second = support.start(("{ http = %d }"):format(server.port))
    assert.same({ "exit", 1 }, { second:wait_end() })
    local told = second:told()
    local clear = ("cannot listen on 127.0.0.1 port %d: "):format(server.port)
    assert.is_truthy(told:find(clear, 1, true))
    assert.is_truthy(told:find("address already in use", 1, true))
    assert.is_truthy(told:find("--http PORT", 1, true))
    assert.is_true(support.alive(server))
  end)

  it("of a host that does not exist is a clear message", function()
    local server = support.start [[{ http = { host = "192.0.2.1", port = 0 } }]]
    assert.same({ "exit", 1 }, { server:wait_end() })
    assert.is_truthy(server:told():find("cannot listen on 192.0.2.1 port 0", 1, true))
  end)

  it("can be taken again at once", function()
    local server = support.http()
    local client <close> = client_of(server)
    client:call(1, "echo", { text = "x" })
    server.process:kill()
    assert.same({ "exit", 0 }, { server:wait_end() })
    local again = support.start(("{ http = %d }"):format(server.port))
    again:wait_said "answers at"
    again.port = server.port
    assert.is_true(support.alive(again))
  end)
end)

local function turn(test, what)
  local deadline = system.now() + support.LIMIT
  while not test() do
    assert(system.now() < deadline, "not within the limit: " .. what)
    core.step(0.05)
  end
end

local function answer(_, _, _, _, method) return { heard = method } end

local function listen(path, more)
  local options = { unix = path }
  for name, value in pairs(more or {}) do options[name] = value end
  return core.listen_http(options, answer)
end

-- The answer of the listener at `path`.
local function ask(path, fields)
  local body = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
  local socket <close> = assert(system.connect(path))
  socket:send(support.request("POST", fields, body))
  local got = ""
  turn(function()
    local piece = socket:receive(0)
    got = got .. (piece or "")
    return got:find("\r\n\r\n.+")
  end, "an answer")
  return got
end

local function exists(path)
  return os.execute(("test -e %s"):format(path)) == true
end

local function mode_of(path)
  local pipe <close> = assert(io.popen("stat -c %a " .. path))
  return pipe:read "l"
end

describe("a socket file", function()
  local path
  before_each(function()
    path = os.tmpname()
    os.remove(path)
  end)
  after_each(function()
    os.remove(path)
    os.remove(path .. ".old")
    support.stop_all()
  end)

  local function finish(host)
    host:close()
    turn(function() return host:is_gone() end, "its end")
  end

  it("is listened on, and removed at the end", function()
    local host = assert(listen(path))
    assert.is_truthy(ask(path):find('"result":{"heard":"ping"}', 1, true))
    assert.is_true(host:is_loopback())
    assert.equal(0, host:port())
    finish(host)
    assert.is_false(exists(path))
  end)

  it("belongs to its owner alone by default", function()
    local host = assert(listen(path))
    assert.equal("600", mode_of(path))
    finish(host)
    host = assert(listen(path, { mode = 0x1b6 }))
    assert.equal("666", mode_of(path))
    finish(host)
    -- Not more than permissions.
    host = assert(listen(path, { mode = 0xfff }))
    assert.equal("777", mode_of(path))
    finish(host)
  end)

  it("that no process answers is replaced", function()
    system.listen(path, 1):close()
    assert.is_true(exists(path))
    local host = assert(listen(path))
    assert.is_truthy(ask(path):find '"heard"')
    finish(host)
    assert.is_false(exists(path))
  end)

  it("that another process listens on is not, even if it is busy", function()
    local other <close> = assert(system.listen(path, 0))
    assert.same({ nil, "address already in use", "EADDRINUSE" }, { listen(path) })
    local waiting = {}
    for i = 1, 8 do
      waiting[i] = system.connect(path)
      if not waiting[i] then break end
    end
    assert.equal("EADDRINUSE", select(3, listen(path)))
    assert.is_true(exists(path))
    for _, one in ipairs(waiting) do one:close() end
    other:close()
  end)

  it("is not made where there is something else", function()
    local file <close> = assert(io.open(path, "w"))
    file:write "mine"
    file:close()
    assert.equal("EADDRINUSE", select(3, listen(path)))
    local again <close> = assert(io.open(path))
    assert.equal("mine", again:read "a")
    os.remove(path)
    assert(os.execute(("ln -s /nowhere %s"):format(path)))
    assert.equal("EADDRINUSE", select(3, listen(path)))
    assert.equal("ENOENT", select(3, listen "/no/such/folder/socket"))
    assert.equal("EINVAL", select(3, listen ""))
    assert.equal("ENAMETOOLONG", select(3, listen("/tmp/" .. ("x"):rep(120))))
  end)

  it("that is another's by now is left alone", function()
    local host = assert(listen(path))
    assert(os.rename(path, path .. ".old"))
    local other = assert(listen(path))
    finish(host)
    assert.is_true(exists(path))
    assert.is_truthy(ask(path):find '"heard"')
    finish(other)
    assert.is_false(exists(path))
  end)

  it("is taken by one of many that find it dead at once", function()
    system.listen(path, 1):close()
    local all = {}
    for i = 1, 6 do
      all[i] = support.start("{}", { script = ([[
        local core = require "mcp.core"
        local host, text = core.listen_http({ unix = %q }, function() return {} end)
        io.stderr:write(host and "won\n" or "lost: " .. text .. "\n")
        while host do core.step(1) end
      ]]):format(path) })
    end
    local won = 0
    for _, one in ipairs(all) do
      local how = one:wait_said "(%a+)[:\n]"
      if how == "won" then won = won + 1 end
    end
    assert.equal(1, won)
    system.connect(path):close()
  end)

  it("needs no Host that is local, for no web page reaches it", function()
    local host = assert(listen(path))
    assert.is_truthy(ask(path, { Host = "anything.example" }):find '"heard"')
    finish(host)
    host = assert(listen(path, { hosts = { "right.example" } }))
    assert.is_truthy(ask(path, { Host = "wrong.example" }):find "^HTTP/1.1 4")
    assert.is_truthy(ask(path, { Host = "right.example" }):find '"heard"')
    finish(host)
  end)

  it("has its limit of connections", function()
    local host = assert(listen(path, { connections = 1 }))
    local one <close> = assert(system.connect(path))
    turn(function() return host:connections() == 1 end, "the first")
    local two <close> = assert(system.connect(path))
    for _ = 1, 5 do core.step(0.01) end
    assert.equal(1, host:connections())
    one:close()
    two:send(support.request("POST", nil, '{"jsonrpc":"2.0","id":1,"method":"ping"}'))
    local got
    turn(function()
      got = got or two:receive(0)
      return got
    end, "an answer for the second")
    finish(host)
  end)
end)
