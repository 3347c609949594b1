-- SPDX-License-Identifier: MIT
-- core.open_socket and core.inherited: sockets that another process accepts from.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local LUA = os.getenv "LUA" or "lua5.4"

-- Runs Lua code in a process that has `sockets`; what it prints.
local function inherit(sockets, env, code)
  local process <close> = assert(core.process { command = LUA, args = { "-e",
    'local core = require "mcp.core" ' .. code }, env = env, sockets = sockets, stderr = "merge" })
  assert(process:collect(1 << 16, helper.LIMIT))
  return (process:take())
end

local SHOW = [[
  local list, text = core.inherited(%s)
  if not list then return print(text) end
  for _, item in ipairs(list) do
    local socket = item.socket
    print(item.name, socket:is_listening(), socket:is_local(), socket:is_loopback(),
      socket:address(), socket:port())
  end
  print(os.getenv "LISTEN_FDS", os.getenv "LISTEN_PID", os.getenv "LISTEN_FDNAMES")
]]

describe("a socket that listens", function()
  it("is bound, and lets connections wait", function()
    local socket <close> = assert(core.open_socket { host = "127.0.0.1", port = 0 })
    assert.is_true(socket:port() > 0)
    assert.equal("127.0.0.1", socket:address())
    assert.same({ true, false, true }, { socket:is_listening(), socket:is_local(),
      socket:is_loopback() })
    local _, text, code = core.open_socket { host = "127.0.0.1", port = socket:port() }
    assert.same({ "address already in use", "EADDRINUSE" }, { text, code })
  end)

  it("removes its file, unless another process has replaced it", function()
    local path = os.tmpname()
    os.remove(path)
    local socket = assert(core.open_socket { unix = path })
    assert.equal(path, socket:address())
    assert.is_nil(socket:port())
    socket:close()
    assert.is_nil(io.open(path))
    assert.is_nil(socket:address())
    socket = assert(core.open_socket { unix = path })
    os.remove(path)
    io.open(path, "w"):close()
    socket:close()
    assert.is_true(os.remove(path))
  end)

  it("is closed when it is collected", function()
    local function port()
      local socket = assert(core.open_socket {})
      return socket:port()
    end
    local number = port()
    collectgarbage()
    local again <close> = assert(core.open_socket { port = number })
    assert.equal(number, again:port())
  end)

  it("is given to a listener, which takes it", function()
    local app = mcp.server "x"
    local socket = assert(core.open_socket {})
    local port = socket:port()
    local receive = require("mcp.server.front.http").receiver(app)
    local host <close> = assert(core.listen_http({ socket = socket, path = "/mcp" }, receive))
    assert.equal(port, host:port())
    assert.has_error(function() core.listen_http({ socket = socket }, receive) end,
      "the socket is closed")
    local client <close> = assert(mcp.connect(("http://127.0.0.1:%d/mcp"):format(port)))
    assert.equal("x", client.server.name)
  end)
end)

describe("inherited sockets", function()
  local tcp, file, path

  before_each(function()
    tcp = assert(core.open_socket {})
    path = os.tmpname()
    os.remove(path)
    file = assert(core.open_socket { unix = path })
  end)

  after_each(function()
    tcp:close()
    file:close()
  end)

  it("have names, and the variables are gone after that", function()
    assert.equal(("a\ttrue\tfalse\ttrue\t127.0.0.1\t%d\nb\ttrue\ttrue\ttrue\t%s\nnil\tnil\tnil\n")
      :format(tcp:port(), path),
      inherit({ tcp, file }, { LISTEN_FDS = "2", LISTEN_FDNAMES = "a:b", LISTEN_PID = false },
        SHOW:format "true"))
    assert.equal(("\ttrue\tfalse\ttrue\t127.0.0.1\t%d\nnil\tnil\tnil\n"):format(tcp:port()),
      inherit({ tcp }, { LISTEN_FDS = "1", LISTEN_FDNAMES = false, LISTEN_PID = false },
        SHOW:format "true"))
  end)

  it("are for the process of LISTEN_PID alone", function()
    for _, pid in ipairs { "1", "x", "" } do
      assert.equal("nil\n", inherit({ tcp }, { LISTEN_FDS = "1", LISTEN_PID = pid },
        SHOW:format "false"))
      assert.equal("nil\n", inherit({ tcp }, { LISTEN_FDS = "1", LISTEN_PID = pid },
        SHOW:format "true"))
    end
    assert.equal("nil\n", inherit({ tcp }, { LISTEN_FDS = "1", LISTEN_PID = false },
      SHOW:format "false"))
    assert.equal("nil\n", inherit({ tcp }, { LISTEN_FDS = false, LISTEN_PID = false },
      SHOW:format "true"))
  end)

  it("are refused when they are something else", function()
    for _, count in ipairs { "x", "65", "-1", "1x", "" } do
      assert.matches("^LISTEN_FDS: expected a number up to 64, got ",
        inherit({ tcp }, { LISTEN_FDS = count, LISTEN_PID = false }, SHOW:format "true"))
    end
    assert.matches("^descriptor 4 of LISTEN_FDS: expected a stream socket: ",
      inherit({ tcp }, { LISTEN_FDS = "2", LISTEN_PID = false }, SHOW:format "true"))
    -- A file in place of a socket.
    local process <close> = assert(core.process { command = "sh", args = { "-c",
      'exec 3</dev/null; exec "$0" -e "$1"', LUA,
      'print(select(2, require "mcp.core".inherited(true)))' },
      env = { LISTEN_FDS = "1", LISTEN_PID = false }, stderr = "merge" })
    assert(process:collect(1 << 16, helper.LIMIT))
    assert.matches("^descriptor 3 of LISTEN_FDS: expected a stream socket: .*non%-socket",
      (process:take()))
  end)

  it("are not passed on to children", function()
    assert.equal("0\n", inherit({ tcp }, { LISTEN_FDS = "1", LISTEN_PID = false }, [[
      core.inherited(true)
      io.stdout:write(io.popen "ls -l /proc/self/fd | grep -c socket || true":read "a") ]]))
  end)
end)
