-- SPDX-License-Identifier: MIT
-- Serving sockets that the process was started with, as systemd does.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"

local SCRIPT = [==[
local mcp = require "mcp"
local app = mcp.server "spec"
app:tool "echo" { input = { text = "string" } } (function(args) return args.text end)
app:tool "environment" (function()
  local pipe <close> = io.popen "env; ls -l /proc/self/fd"
  return pipe:read "a"
end)
]==]

-- Runs a script that ends in `run`, with the sockets; `answers` waits for the line of an address.
local function start(run, sockets, names, words)
  local path = os.tmpname() .. ".lua"
  local file <close> = assert(io.open(path, "w"))
  file:write(SCRIPT, run)
  file:close()
  local process = assert(core.process { command = "sh", args = { "-c",
    'LISTEN_PID=$$ exec "$0" "$@"', support.program(), "run", path, table.unpack(words or {}) },
    env = { LISTEN_FDS = ("%d"):format(#sockets), LISTEN_FDNAMES = names or false },
    sockets = sockets, stderr = "merge" })
  local server = { process = process, said = "" }
  function server.answers(pattern)
    while not server.said:find(pattern) do
      local piece = process:read()
      if not piece then error(("%q in %q"):format(pattern, server.said), 2) end
      server.said = server.said .. piece
    end
  end
  function server.ends()
    process:kill "TERM"
    local ended = assert(process:wait(helper.LIMIT))
    process:close()
    os.remove(path)
    return ended
  end
  return server
end

local function echo(url)
  local client <close> = assert(mcp.connect(url))
  return assert(client:call_tool("echo", { text = "x" })).content[1].text
end

describe("sockets that a process was started with", function()
  local tcp, unix, path

  before_each(function()
    tcp = assert(core.open_socket {})
    path = os.tmpname()
    os.remove(path)
    unix = assert(core.open_socket { unix = path })
  end)

  after_each(function()
    tcp:close()
    unix:close()
    helper.wait_until(function() return core.task_count() == 0 end)
    helper.leftovers()
  end)

  it("are served where the script names no address, and stay when it ends", function()
    local url = ("http://127.0.0.1:%d/mcp"):format(tcp:port())
    for _ = 1, 2 do
      -- What connects before it starts waits.
      local early, result = core.waiter(), nil
      early:spawn(function() result = echo(url) end)
      local server = start("app:run()", { tcp, unix })
      server.answers("answers at " .. url .. "\n")
      server.answers("answers at unix:" .. path .. "\n")
      assert(early:wait(helper.LIMIT))
      assert.equal("x", result)
      assert.equal("x", echo("unix:" .. path))
      assert.same({ code = 0 }, server.ends())
    end
    local file = io.open("/proc/net/unix"):read "a"
    assert.is_truthy(file:find(path, 1, true))
  end)

  it("take the place of the addresses that they are named for", function()
    local other <close> = assert(core.open_socket {})
    local server = start(
      "app:run { http = { port = 1, path = '/a' }, websocket = { port = 1, path = '/b' } }",
      { other, tcp }, "websocket:http")
    server.answers(("answers at http://127%%.0%%.0%%.1:%d/a\n"):format(tcp:port()))
    server.answers(("answers at ws://127%%.0%%.0%%.1:%d/b\n"):format(other:port()))
    assert.equal("x", echo(("http://127.0.0.1:%d/a"):format(tcp:port())))
    assert.equal("x", echo(("ws://127.0.0.1:%d/b"):format(other:port())))
    server.ends()
  end)

  it("are all served when several are for one option", function()
    local other <close> = assert(core.open_socket {})
    local server = start("return app", { tcp, other }, "http:http", { "--http", "8000" })
    for _, socket in ipairs { tcp, other } do
      server.answers(("answers at http://127%%.0%%.0%%.1:%d/mcp\n"):format(socket:port()))
      assert.equal("x", echo(("http://127.0.0.1:%d/mcp"):format(socket:port())))
    end
    server.ends()
  end)

  it("are passed on to workers", function()
    local server = start("return app", { tcp }, nil, { "--http", "8000", "--workers", "2" })
    server.answers("%(2 workers%)\n")
    assert.equal("x", echo(("http://127.0.0.1:%d/mcp"):format(tcp:port())))
    assert.same({ code = 0 }, server.ends())
  end)

  it("are not given to programs that the script starts", function()
    local server = start("app:run()", { tcp })
    server.answers "answers at"
    local client <close> = assert(mcp.connect(("http://127.0.0.1:%d/mcp"):format(tcp:port())))
    local text = client:call_tool("environment", {}).content[1].text
    assert.is_nil(text:find "LISTEN_")
    assert.is_nil(text:find "socket:")
    client:close()
    server.ends()
  end)

  it("are refused when they do not listen", function()
    local process <close>, channel = core.process { command = "sh", args = { "-c",
      'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" run "$1"', support.program(), "examples/hello.lua" },
      channel = true, stderr = "merge" }
    local ended = process:collect(1 << 16, helper.LIMIT)
    assert.same({ code = 1 }, ended)
    assert.matches("LISTEN_FDS: descriptor 3 is a connection, expected a socket that listens "
      .. "%(systemd: Accept=no%)", (process:take()))
    channel:close()
  end)
end)
