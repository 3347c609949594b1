-- SPDX-License-Identifier: MIT
-- With authorization, the function that mends a result which cannot be JSON was lost on the way, so
-- the client got an error that named neither the prompt nor the place.
local fetch = require "mcp.fetch"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("a result that cannot be JSON, of a server with authorization", function()
  it("becomes an error that names the prompt", function()
    local app = mcp.server { name = "spec", auth = {
      authorization_servers = { "https://a.example" },
      verify = function() return { subject = "anna", client = "c", scopes = {} } end } }
    app:prompt "wrong" (function() return "\xff" end)
    local listening <close> = app:listen { http = "127.0.0.1:0", quiet = true }
    local answer
    helper.logged(function()
      answer = assert(fetch.post(listening.urls[1], { headers = { Authorization = "Bearer t",
        Accept = "application/json, text/event-stream", ["MCP-Protocol-Version"] = "2026-07-28",
        ["Mcp-Method"] = "prompts/get", ["Mcp-Name"] = "wrong" }, json = { jsonrpc = "2.0", id = 1,
        method = "prompts/get", params = { name = "wrong", _meta = helper.envelope() } } }))
    end)
    assert.matches('prompt "wrong"', assert(answer:json()).error.message)
  end)
end)
