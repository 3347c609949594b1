-- SPDX-License-Identifier: MIT
-- A second read of the same response set its smaller limit for the first, which was still waiting.
local core = require "mcp.core"
local raw_server = require "spec.raw_server"

describe("reading a response", function()
  it("raises while another read of it is in progress", function()
    local server <close> = raw_server.start(function(_, c)
      c:send "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    end)
    local pool <close> = core.http_pool()
    local response <close> = assert(pool:request { host = "127.0.0.1", port = server.port })
    local waiter = core.waiter()
    waiter:spawn(function() response:read(100000, 0.05) end)
    -- The second had a smaller limit, and set it for the first.
    assert.is_false((pcall(response.read, response, 10)))
    waiter:wait()
    local _, _, code = response:read(100000, 0.01)
    assert.equal("ETIMEDOUT", code)
  end)
end)
