-- SPDX-License-Identifier: MIT
-- Where operations are called: what the settings say, what a document may say.
local api = require "spec.mcp.openapi.api"
local document = require "mcp.openapi.document"
local helper = require "spec.helper"
local mcp = require "mcp"
local servers = require "mcp.openapi.servers"

local array = mcp.array

local function find(server, variables, url)
  local doc = assert(document.open { openapi = "3.0.0", paths = {} })
  doc.url = url
  return servers.find(doc, server and { server }, variables or {})
end

describe("the address of an API", function()
  after_each(api.close)

  it("comes from the document, variables filled in", function()
    local base, only = find { url = "https://api.example/v1/" }
    assert.equal("https://api.example/v1", base)
    assert.equal("public", only)
    local server = { url = "https://{region}.example/{v}", variables = {
      region = { default = "eu", enum = array { "eu", "us" } }, v = { default = "2" } } }
    assert.equal("https://eu.example/2", (find(server)))
    assert.equal("https://us.example/3", (find(server, { region = "us", v = "3" })))
    local nothing, text = find(server, { region = "xx" })
    assert.is_nil(nothing)
    assert.equal('server_variables: region: expected one of the document\'s values, got "xx"', text)
    nothing, text = find { url = "https://{region}.example" }
    assert.is_nil(nothing)
    assert.equal('server_variables: "region" has no value', text)
  end)

  it("may be relative to where the document came from", function()
    assert.equal("http://127.0.0.1:8/v2", (find({ url = "/v2" }, nil, "http://127.0.0.1:8/x.json")))
    assert.equal("https://a.example", (find(nil, nil, "https://a.example/docs/x.json")))
    local nothing, text = find { url = "/v2" }
    assert.is_nil(nothing)
    assert.equal('the document says "/v2" only: give base_url', text)
  end)

  it("is not this machine because a document says so", function()
    for _, url in ipairs { "http://localhost:80", "http://127.0.0.1/x", "http://[::1]",
      "http://x.localhost" } do
      local nothing, text = find { url = url }
      assert.is_nil(nothing)
      assert.is_truthy(text:find("this machine: give base_url", 1, true), text)
    end
    local nothing, text = find { url = "unix:/run/x.sock:/" }
    assert.is_nil(nothing)
    assert.is_truthy(text:find("give base_url", 1, true), text)
    nothing, text = find { url = "file:///etc/passwd" }
    assert.is_nil(nothing)
    assert.is_string(text)
    -- Names and other private addresses are judged when they are connected to.
    local client = api.client(api.document({ ["/x"] = { get = api.operation() } },
      { servers = array { { url = "http://169.254.169.254/latest" } } }))
    text = api.text(assert(client:call_tool("go", {})))
    assert.is_truthy(text:find("set base_url to allow it", 1, true), text)
  end)

  it("is what the settings say for all operations", function()
    local server = api.serve(function() return {} end)
    local paths = { ["/x"] = { get = api.operation(nil, { servers = array {
      { url = "https://uploads.example" } } }) } }
    local client = api.client(api.document(paths), { base_url = server.at .. "/v3/" })
    assert(client:call_tool("go", {}))
    assert.equal("/v3/x", server.requests[1].target)
    client = api.client(api.document(paths), { base_url = function(op)
      return server.at .. "/" .. op.method
    end })
    assert(client:call_tool("go", {}))
    assert.equal("/GET/x", server.requests[2].target)
  end)

  it("may be a socket file", function()
    local path = os.tmpname()
    os.remove(path)
    local listening = mcp.server("other"):listen { unix = path, quiet = true }
    local client = api.client(api.document({ ["/x"] = { get = api.operation() } }),
      { base_url = "unix:" .. path })
    local text = api.text(assert(client:call_tool("go", {})))
    assert.is_truthy(text:find("GET /x: status 404", 1, true), text)
    listening:close()
    os.remove(path)
  end)

  it("of a redirect must be public, and gets nothing", function()
    local proxy = api.serve(function(request)
      if request.target == "http://api.example/far" then
        return 302, { Location = "http://other.example/y" }, ""
      elseif request.target == "http://api.example/near" then
        return 302, { Location = "http://127.0.0.1:1/y" }, ""
      end
      return { target = request.target }
    end)
    local client = api.client(api.document { ["/far"] = { get = api.operation() },
      ["/near"] = { get = api.operation(nil, { operationId = "near" }) } },
      { base_url = "http://api.example", proxy = proxy.at, headers = { ["X-Key"] = "k" } })
    local result = assert(client:call_tool("go", {}))
    assert.equal("http://other.example/y", result.structuredContent.target)
    assert.equal("k", proxy.requests[1].fields["x-key"])
    assert.is_nil(proxy.requests[2].fields["x-key"])
    local text = api.text(assert(client:call_tool("near", {})))
    assert.is_truthy(text:find("not public", 1, true), text)
    assert.equal(3, #proxy.requests)
  end)

  it("that is missing is a warning, and an error of the call", function()
    local path = helper.file('{"openapi":"3.0.0","paths":{"/x":{"get":{"operationId":"go"}}}}',
      ".json")
    local client, _, report = api.client(path)
    assert.same({ 'the document says "/" only: give base_url' }, report.warnings)
    local text = api.text(assert(client:call_tool("go", {})))
    assert.is_truthy(text:find("give base_url", 1, true), text)
    helper.remove_files()
  end)

  it("of a document that was read over the network is its own", function()
    local server = api.serve(function(request)
      if request.target == "/openapi.json" then
        return api.document({ ["/x"] = { get = api.operation() } })
      end
      return { at = request.target }
    end)
    local client = api.client(server.at .. "/openapi.json")
    assert.equal("/x", assert(client:call_tool("go", {})).structuredContent.at)
  end)
end)
