-- SPDX-License-Identifier: MIT
-- docs/names.md: every name of the document that this project was ordered from is in it, every name
-- of ours in it exists, and its options are taken.
local mcp = require "mcp"
local helper = require "spec.helper"

-- What the ordered document has, name by name.
local ORDERED = { "stdio_client", "stdio_server", "StdioServerParameters", "command", "args", "env",
  "cwd", "websocket_client", "websocket_server", "sse_client", "sse_server", "SseServerParameters",
  "streamablehttp_client", "StreamableHttpParameters", "url", "headers", "method", "host", "port",
  "TransportSecuritySettings", "dns_rebinding_protection", "allowed_origins", "ClientSession",
  "initialize", "list_tools", "list_resources", "list_prompts", "call_tool", "ClientAuth",
  "get_headers", "FastMCP", "@app.tool", "@app.resource", "@app.prompt", "run_stdio", "run_sse",
  "run_websocket", "asyncio.gather", "sys.argv" }

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- The two columns of all tables.
local function columns()
  local left, right = {}, {}
  for line in read "docs/names.md":gmatch "[^\n]+" do
    local there, here = line:match "^| (.-) | (.-) |$"
    if there and there ~= "there" then
      left[#left + 1], right[#right + 1] = there, here
    end
  end
  return table.concat(left, "\n"), table.concat(right, "\n"), #left
end

describe("docs/names.md", function()
  after_each(helper.leftovers)

  it("has every name of the ordered document on the left", function()
    local left, _, count = columns()
    for _, name in ipairs(ORDERED) do
      assert.is_truthy(left:find("%f[%w@]" .. name:gsub("%p", "%%%0") .. "%f[^%w_]"), name)
    end
    assert.is_true(count >= 20, count .. " rows were found")
  end)

  it("has names on the right that exist", function()
    local _, right = columns()
    local app, count = mcp.server "names", 0
    local client <close> = mcp.session(mcp.stdio_client { "none" })
    local objects = { app = app, client = client, session = client }
    for path in right:gmatch "%f[%w]mcp(%.[%w_.]+)" do
      local found = mcp
      for name in path:gmatch "%.([%w_]+)" do found = found[name] end
      assert.equal("function", type(found), "mcp" .. path)
      count = count + 1
    end
    for what, name in right:gmatch "%f[%w](%a+):([%w_]+)" do
      assert.equal("function", type(objects[what][name]), what .. ":" .. name)
      count = count + 1
    end
    for option in right:gmatch "`(%-%-%a+)`" do
      assert.is_truthy(read "lua/mcp/cli/run_words.lua":find(option, 1, true), option)
      count = count + 1
    end
    assert.is_true(count >= 25, count .. " names were found")
  end)

  it("has options that are taken: clients", function()
    local headers = mcp.auth.bearer("token"):headers()
    assert.same({ { "Authorization", "Bearer token" } }, headers)
    for _, transport in ipairs {
      mcp.stdio_client { command = "a", args = { "b" }, env = { DEBUG = "1" }, cwd = "/" },
      mcp.stdio_client { command = { "a", "b" } },
      mcp.websocket_client("ws://localhost:8000/mcp", { headers = headers }),
      mcp.websocket_client("wss://localhost:8000/mcp"),
      mcp.sse_client("http://localhost:8080/mcp", { headers = { Authorization = "Bearer token" } }),
      mcp.sse_client("https://api.example.com/mcp", { headers = headers }),
      mcp.streamable_http_client("https://api.example.com/mcp/stream", { headers = {
        ["Content-Type"] = "application/json", ["User-Agent"] = "MCP-Client/1.0",
        ["X-API-Key"] = "secret_key" }, method = "POST", terminate_on_close = false }),
    } do
      local session = mcp.session(transport, { timeout = 10 })
      assert.is_false(session:is_open())
      session:close()
    end
  end)

  it("has options that are taken: servers", function()
    local app = mcp.server "names"
    local security = { dns_rebinding_protection = true, allowed_origins = { "http://a.test" },
      allowed_hosts = { "a.test" } }
    for _, options in ipairs {
      { sse = 0, websocket = 0, http = 0, security = security, quiet = true },
      { http = { host = "127.0.0.1", port = 0, path = "/x" }, quiet = true },
    } do
      local listening <close> = app:listen(options)
      assert.is_true(listening:is_open())
    end
    local opened
    local listen = require "mcp.server.listen"
    local open, serve = listen.open, listen.serve
    finally(function() listen.open, listen.serve = open, serve end)
    listen.open = function(_, given)
      opened = given
      return {}
    end
    listen.serve = function() end
    app:run_sse { host = "localhost", port = 8080 }
    assert.same({ sse = { host = "localhost", port = 8080 } }, opened)
    app:run_websocket { host = "0.0.0.0", port = 8000, security = security }
    assert.same({ websocket = { host = "0.0.0.0", port = 8000 }, security = security }, opened)
    app:run_http { host = "localhost", port = 8000, path = "/mcp" }
    assert.same({ http = { host = "localhost", port = 8000, path = "/mcp" } }, opened)
    app:run_stdio()
    assert.same({ stdio = true }, opened)
  end)
end)
