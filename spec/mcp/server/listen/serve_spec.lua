-- SPDX-License-Identifier: MIT
-- A process that serves, and the signals it gets. How calls under way end is in
-- spec/transport/http_server_spec.lua.
local certificate = require "codecs.certificate"
local support = require "spec.support"

describe("a process that serves", function()
  local cert, key
  before_each(function() cert, key = os.tmpname(), os.tmpname() end)
  after_each(function()
    support.stop_all()
    os.remove(cert)
    os.remove(key)
  end)

  local function write(path, text)
    local file <close> = assert(io.open(path, "w"))
    file:write(text)
  end

  -- The serial number of the certificate that is shown.
  local function serial(port)
    local pipe <close> = io.popen(("openssl s_client -connect 127.0.0.1:%d </dev/null 2>/dev/null"
      .. " | openssl x509 -noout -serial"):format(port))
    return tonumber(pipe:read "a":match "serial=(%x+)", 16)
  end

  it("reads certificates again at SIGHUP, and goes on with the old ones if they are none",
    function()
      local function make(number)
        local made = certificate.make { names = "DNS:localhost,IP:127.0.0.1", serial = number }
        write(cert, made.cert)
        write(key, made.key)
      end
      make(0x51)
      local server = support.start(
        ("{ http = { port = 0 }, tls = { cert = %q, key = %q } }"):format(cert, key),
        { env = { "MCP_LOG=info" } })
      local port = math.tointeger(server:wait_said "answers at https://[^%s]-:(%d+)/mcp")
      assert.equal(0x51, serial(port))
      make(0x52)
      server.process:kill "HUP"
      server:wait_said "TLS certificates reloaded"
      assert.equal(0x52, serial(port))
      write(cert, "no certificate at all")
      server.process:kill "HUP"
      server:wait_said "TLS certificates not reloaded: "
      assert.equal(0x52, serial(port))
      server.process:kill "TERM"
      assert.same({ "exit", 0 }, { server:wait_end() })
    end)

  it("ends at SIGHUP where there is nothing to read again: in a program of another Lua", function()
    local process <close> = support.system.spawn { os.getenv "LUA" or "lua5.4", "-e",
      ("package.path, package.cpath = %q, %q"):format(package.path, package.cpath)
      .. [[ require("mcp").server "plain":run { http = { port = 0 } }]] }
    local text = ""
    while not text:find "answers at" do
      text = text .. assert(process:read_error(support.LIMIT))
    end
    process:kill "HUP"
    assert.same({ "exit", 0 }, { process:wait(support.LIMIT) })
  end)
end)
