-- SPDX-License-Identifier: MIT
-- tcp_spec.lua: src/net/tcp.c through the program: who is accepted when, and ports.
local support = require "spec.support"

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
