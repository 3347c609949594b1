-- SPDX-License-Identifier: MIT
-- connect_spec.lua: src/net/connect.c and src/lua/lconnect.c: which addresses of a name are tried
-- and when, socket files, and the errors when no address answers.
local connect = require "codecs.connect"
local core = require "mcp.core"
local support = require "spec.support"
local system = support.system

local function listen(host, port)
  local socket, its = system.listen(host, port or 0, 16)
  return assert(socket), its
end

-- A listener at `host` and `port` that does not answer: its queue is full.
local function silent(host, port)
  local all = {}
  local socket, its = system.listen(host, port or 0, 0)
  all[1] = assert(socket)
  local deadline = system.now() + support.LIMIT
  repeat
    assert(system.now() < deadline, "the queue is never full")
    -- One more than it takes: what lies in the queue stays there.
    all[#all + 1] = assert(system.begin(host, its))
  until not all[#all]:is_connected(0.05)
  return setmetatable(all, { __close = function()
    for _, one in ipairs(all) do one:close() end
  end }), its
end

describe("a name with addresses", function()
  it("is connected to, never before the call has returned", function()
    local socket <close>, port = listen "127.0.0.1"
    local peer, _, early = connect.dial("127.0.0.1,::1", port, 1000)
    assert.same({ "127.0.0.1", false }, { peer, early })
    assert.is_truthy(socket:accept())
  end)

  it("is tried one after the other, those that refuse at once passed over", function()
    local socket <close>, port = listen "127.0.0.1"
    local peer, _, early, ms = connect.dial("::1,127.0.0.2,127.0.0.1", port, 1000)
    assert.same({ "127.0.0.1", false }, { peer, early })
    assert.is_true(ms < 240, ms)
    socket:close()
  end)

  it("takes IPv6 and IPv4 in turn, beginning with the first (RFC 8305 4)", function()
    local four <close>, port = listen "127.0.0.1"
    local six <close> = listen("::1", port)
    assert.equal("::1", (connect.dial("::1,127.0.0.1", port, 1000)))
    assert.equal("127.0.0.1", (connect.dial("127.0.0.1,::1", port, 1000)))
    -- The second of one family comes after the first of the other.
    six:close()
    assert.equal("127.0.0.1", (connect.dial("::1,::1,::1,127.0.0.1", port, 1000)))
    four:close()
  end)

  it("is not held up by one that is silent (RFC 8305 5)", function()
    local _ <close>, port = silent "127.0.0.2"
    local socket <close> = listen("127.0.0.1", port) -- luacheck: ignore
    local peer, _, _, ms = connect.dial("127.0.0.2,127.0.0.1", port, 5000)
    assert.equal("127.0.0.1", peer)
    assert.is_true(ms >= 240 and ms < 1000, ms)
  end)

  it("is given up after its time", function()
    local _ <close>, port = silent "127.0.0.2"
    local peer, code, _, ms = connect.dial("127.0.0.2", port, 200)
    assert.is_nil(peer)
    assert.equal("ETIMEDOUT", code)
    assert.is_true(ms >= 195 and ms < 1000, ms)
  end)

  it("is tried at sixteen addresses, no more", function()
    local socket <close>, port = listen "127.0.0.1"
    local sixteen = ("127.0.0.2,"):rep(15) .. "127.0.0.1"
    assert.equal("127.0.0.1", (connect.dial(sixteen, port, 2000)))
    assert.equal("ECONNREFUSED", select(2, connect.dial("127.0.0.2," .. sixteen, port, 2000)))
    socket:close()
  end)

  it("says what an address answered rather than that there is no way to another", function()
    local socket, port = listen "127.0.0.1"
    socket:close()
    -- No connection leads to a group of hosts (an address of the link does, with newer libuv).
    for _, name in ipairs { "224.0.0.1,127.0.0.1", "127.0.0.1,224.0.0.1", "ff0e::1,127.0.0.1",
      "127.0.0.1,ff0e::1" } do
      assert.equal("ECONNREFUSED", select(2, connect.dial(name, port, 1000)), name)
    end
    assert.equal("ENETUNREACH", select(2, connect.dial("224.0.0.1", port, 1000)))
    assert.equal("ECONNREFUSED", select(2, connect.dial("::1,127.0.0.1", port, 1000)))
  end)

  it("or without any, and what is no name or port", function()
    assert.equal("EAI_NONAME", select(2, connect.dial("nowhere", 80, 1000)))
    for _, port in ipairs { 0, -1, 65536 } do
      assert.equal("EINVAL", select(2, connect.dial("127.0.0.1", port, 1000)))
    end
    assert.equal("EINVAL", select(2, connect.dial("", 80, 1000)))
    assert.equal("EINVAL", select(2, connect.dial(("a"):rep(254), 80, 1000)))
    assert.equal("EAI_NONAME", select(2, connect.dial(("a"):rep(253), 80, 1000)))
  end)

  it("can be given up at any time", function()
    local _ <close>, port = silent "127.0.0.2"
    local socket <close> = listen("127.0.0.1", port) -- luacheck: ignore
    -- At once, while the name is looked up; while one is silent; beside a second attempt.
    for _, ms in ipairs { 0, 5, 100, 280 } do
      local _, code = connect.dial("127.0.0.2,127.0.0.2", port, 5000, "any", ms)
      assert.equal("ECANCELED", code)
    end
    assert.equal("ECANCELED", select(2, connect.dial("127.0.0.1", port, 5000, "any", 0)))
  end)
end)

describe("what may be connected to", function()
  it("is judged by the address that is connected to (SEC-75)", function()
    local socket <close>, port = listen "127.0.0.1"
    for _, name in ipairs { "127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254",
      "fd00::1", "10.0.0.1,127.0.0.1", "192.168.1.1,::1,100.64.0.1" } do
      assert.equal("ENOTPUBLIC", select(2, connect.dial(name, port, 1000, "public")), name)
    end
    for _, name in ipairs { "10.0.0.1", "8.8.8.8", "::2", "2001:4860:4860::8888,10.0.0.1" } do
      assert.equal("ENOTLOCAL", select(2, connect.dial(name, port, 1000, "loopback")), name)
    end
    -- Of a name that leads to both only what is allowed counts.
    assert.equal("127.0.0.1", (connect.dial("8.8.8.8,10.0.0.1,127.0.0.1", port, 1000, "loopback")))
    assert.equal("127.0.0.1", (connect.dial("127.0.0.1", port, 1000, "loopback")))
    assert.equal("127.0.0.1", (connect.dial("::ffff:127.0.0.1,127.0.0.1", port, 1000, "loopback")
      :gsub("^::ffff:", "")))
    socket:close()
  end)
end)

-- --- as Lua sees it ------------------------------------------------------------

local function gone(host)
  local deadline = system.now() + support.LIMIT
  while not host:is_gone() do
    assert(system.now() < deadline, "it does not end")
    core.step(1)
  end
end

local function path_of_nothing()
  local path = os.tmpname()
  os.remove(path)
  return path
end

describe("core.connect_socket", function()
  local descriptors
  setup(function()
    -- What a first use opens for good is there.
    local socket <close>, port = listen "127.0.0.1"
    local host = assert(core.connect_socket({ host = "127.0.0.1", port = port }, print))
    host:close()
    gone(host)
    socket:close()
  end)
  before_each(function()
    collectgarbage()
    core.step(0)
    descriptors = system.fd_count "self"
  end)
  after_each(function()
    collectgarbage()
    for _ = 1, 3 do core.step(0) end
    assert.equal(descriptors, system.fd_count "self")
    assert.equal(0, core.task_count())
  end)

  it("carries lines over TCP and over a socket file", function()
    local path = path_of_nothing()
    local tcp <close>, port = listen "127.0.0.1"
    local file <close> = assert(system.listen(path, 4))
    local cases = { { tcp, { host = "127.0.0.1", port = port } }, { file, { unix = path } } }
    for _, case in ipairs(cases) do
      local heard
      local host <close> = assert(core.connect_socket(case[2], function(_, link, _, _, method)
        heard = method
        link.sender:send("back", { n = 1 })
      end))
      local peer <close> = assert(case[1]:accept())
      peer:send '{"jsonrpc":"2.0","method":"hello"}\n'
      local deadline = system.now() + support.LIMIT
      while not heard and system.now() < deadline do core.step(0.1) end
      assert.equal("hello", heard)
      assert.equal('{"jsonrpc":"2.0","method":"back","params":{"n":1}}\n', peer:receive())
      host:close()
      gone(host)
    end
    os.remove(path)
  end)

  it("waits in a task, where it can be cancelled", function()
    local _ <close>, port = silent "127.0.0.2"
    local result
    local waiter = core.waiter()
    waiter:spawn(function()
      result = table.pack(core.connect_socket({ host = "127.0.0.2", port = port }, print))
    end)
    core.step(0.05)
    assert.is_nil(result)
    waiter:cancel()
    assert.is_true(waiter:wait(1))
    assert.same({ nil, "cancelled", "ECANCELED", n = 3 }, result)
  end)

  it("tells what is wrong with a socket file", function()
    local path = path_of_nothing()
    local function code_of(options) return select(3, core.connect_socket(options, print)) end
    assert.equal("ENOENT", code_of { unix = path })
    system.listen(path, 1):close()
    assert.equal("ECONNREFUSED", code_of { unix = path })
    os.remove(path)
    assert.equal("ENAMETOOLONG", code_of { unix = "/tmp/" .. ("x"):rep(120) })
    assert.equal("EINVAL", code_of { unix = "" })
    -- As long as the system can name it.
    assert.equal("ENOENT", code_of { unix = "/tmp/" .. ("x"):rep(102) })
  end)

  it("waits for a socket file whose queue is full", function()
    local path = path_of_nothing()
    local file <close> = assert(system.listen(path, 0))
    local filling = {}
    for _ = 1, 8 do
      filling[#filling + 1] = system.connect(path)
      if not filling[#filling] then break end
    end
    local host, text, code = core.connect_socket({ unix = path, timeout = 0.1 }, print)
    if not host then
      assert.same({ "timed out", "ETIMEDOUT" }, { text, code })
      -- Room is made while it waits.
      core.spawn(function()
        core.sleep(0.05)
        while file:accept(0) do end
      end)
      host = assert(core.connect_socket({ unix = path, timeout = 5 }, print))
    end
    host:close()
    gone(host)
    for _, one in ipairs(filling) do one:close() end
    os.remove(path)
  end)

  it("refuses what is no option", function()
    local function refused(options, pattern)
      local ok, text = pcall(core.connect_socket, options, print)
      assert.is_false(ok)
      assert.is_truthy(text:find(pattern, 1, true), text)
    end
    refused({}, "expected host or unix")
    refused({ host = "a", unix = "b", port = 1 }, "expected host or unix")
    refused({ host = "a\0b", port = 1 }, "zero byte")
    refused({ host = "a" }, "number expected")
    refused({ host = "a", port = 1, only = "publik" }, "publik")
    refused({ host = "a", port = 1, timeout = -1 }, "expected seconds")
    assert.equal("EINVAL", select(3, core.connect_socket({ host = "127.0.0.1", port = 1 << 40 },
      print)))
  end)

  it("is given up when the Lua state ends", function()
    local _ <close>, port = silent "127.0.0.2"
    local server = support.start("{}", { script = ([[
      local core = require "mcp.core"
      core.spawn(core.connect_socket, { host = "127.0.0.2", port = %d }, print)
      core.spawn(core.connect_socket, { host = "name.invalid", port = %d }, print)
      core.step(0.05)
    ]]):format(port, port) })
    assert.same({ "exit", 0 }, { server:wait_end() })
    support.stop_all()
  end)
end)
