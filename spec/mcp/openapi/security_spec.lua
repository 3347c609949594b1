-- SPDX-License-Identifier: MIT
-- Credentials: which scheme an operation uses, where they go, and where they must not be seen.
local api = require "spec.mcp.openapi.api"
local mcp = require "mcp"

local array = mcp.array

local SCHEMES = {
  header = { type = "apiKey", ["in"] = "header", name = "X-Key" },
  query = { type = "apiKey", ["in"] = "query", name = "api key" },
  cookie = { type = "apiKey", ["in"] = "cookie", name = "sid" },
  bearer = { type = "http", scheme = "bearer" }, basic = { type = "http", scheme = "Basic" },
  oauth = { type = "oauth2", flows = {} }, digest = { type = "http", scheme = "Digest" },
}

local function requirement(...)
  local out = {}
  for _, name in ipairs { ... } do out[name] = array {} end
  return out
end

-- A client whose only operation requires these alternatives.
local function client_of(server, alternatives, auth, parameters)
  return api.client(api.document({ ["/x"] = { get = api.operation(parameters,
    { security = alternatives and array(alternatives) }) } },
    { components = { securitySchemes = SCHEMES } }), { base_url = server.at, auth = auth })
end

local function sent(alternatives, auth)
  local server = api.serve(function() return {} end)
  local client = client_of(server, alternatives, auth)
  local result = assert(client:call_tool("go", {}))
  return server.requests[1], result
end

describe("credentials", function()
  after_each(api.close)

  it("go where their scheme says", function()
    assert.equal("k", sent({ requirement "header" }, { header = "k" }).fields["x-key"])
    assert.equal("/x?api%20key=k%26", sent({ requirement "query" }, { query = "k&" }).target)
    assert.equal("sid=k%3B", sent({ requirement "cookie" }, { cookie = "k;" }).fields.cookie)
    local function authorization(...) return sent(...).fields.authorization end
    assert.equal("Bearer t", authorization({ requirement "bearer" }, { bearer = "t" }))
    assert.equal("Bearer t", authorization({ requirement "oauth" }, { oauth = "t" }))
    assert.equal("Digest t", authorization({ requirement "digest" }, { digest = "t" }))
    for _, given in ipairs { "u:p:q", { "u", "p:q" }, { user = "u", password = "p:q" } } do
      assert.equal("Basic dTpwOnE=", authorization({ requirement "basic" }, { basic = given }))
    end
    assert.equal("Bearer go bearer", authorization({ requirement "bearer" },
      { bearer = function(id, scheme) return id .. " " .. scheme end }))
  end)

  it("are those of the first alternative that can be met", function()
    local alternatives = { requirement("header", "bearer"), requirement "query" }
    local request = sent(alternatives, { header = "k", query = "q" })
    assert.is_nil(request.fields["x-key"])
    assert.equal("/x?api%20key=q", request.target)
    request = sent(alternatives, { header = "k", bearer = "b", query = "q" })
    assert.equal("k", request.fields["x-key"])
    assert.equal("Bearer b", request.fields.authorization)
    assert.equal("/x", request.target)
    -- None is needed: they are sent all the same, where there are some.
    assert.equal("k", sent({ {}, requirement "header" }, { header = "k" }).fields["x-key"])
    assert.is_nil(sent({ {} }, { header = "k" }).fields["x-key"])
    assert.is_nil(sent({}, { header = "k" }).fields["x-key"])
    -- A document that never says where: everywhere.
    assert.equal("k", sent(nil, { header = "k" }).fields["x-key"])
  end)

  it("that are missing are named", function()
    local server = api.serve(function() return 401, {}, "" end)
    local client, _, report = client_of(server, { requirement("bearer", "header") })
    assert.same({ "1 operations need credentials: bearer and header; set auth = { bearer = … }" },
      report.warnings)
    local text = api.text(assert(client:call_tool("go", {})))
    assert.is_truthy(text:find("requires credentials (bearer and header)", 1, true), text)
  end)

  it("that a function cannot get are an error, and no request", function()
    local request, result = sent({ requirement "bearer" }, { bearer = function()
      return nil, "the vault is closed"
    end })
    assert.is_nil(request)
    assert.is_truthy(api.text(result):find("bearer: the vault is closed", 1, true))
    request, result = sent({ requirement "bearer" }, { bearer = function() return 7 end })
    assert.is_nil(request)
    assert.is_truthy(api.text(result):find("expected a string or a function, got number", 1, true))
  end)

  it("hide the parameter that they set", function()
    local server = api.serve(function() return {} end)
    local client = client_of(server, { requirement "header" }, { header = "k" },
      { api.parameter("header", "x-key", nil, { required = true }), api.parameter("query", "q") })
    local schema = api.tool(client, "go").inputSchema
    assert.is_nil(schema.properties["x-key"])
    assert.is_nil(schema.required)
    assert.is_table(schema.properties.q)
  end)

  it("are not shown when an API repeats them", function()
    local server = api.serve(function() return 401, nil, { error = "bad token s3cr-et%" } end)
    local client = client_of(server, { requirement "bearer" }, { bearer = "s3cr-et%" })
    local text = api.text(assert(client:call_tool("go", {})))
    assert.is_nil(text:find("s3cr", 1, true))
    assert.is_truthy(text:find("bad token [hidden]", 1, true), text)
    assert.is_truthy(text:find("did not accept this server's credentials", 1, true), text)
  end)

  it("are shown when they are shorter than four bytes, as ordinary words may be", function()
    local server = api.serve(function() return 400, nil, { error = "a wrong four" } end)
    for secret, shown in pairs { four = "a wrong [hidden]", ["a"] = "a wrong four" } do
      local client = client_of(server, { requirement "bearer" }, { bearer = secret })
      local text = api.text(assert(client:call_tool("go", {})))
      assert.is_truthy(text:find(shown, 1, true), text)
    end
  end)

  it("with a wrong name or type are refused", function()
    local server = api.serve(function() return {} end)
    local function raises(words, auth)
      local ok, text = pcall(client_of, server, nil, auth)
      assert.is_false(ok)
      assert.is_truthy(text:find(words, 1, true), text)
    end
    raises('unknown security scheme "beerer", did you mean "bearer"?', { beerer = "x" })
    raises("bearer: expected a string or a function, got a table", { bearer = {} })
    raises("basic: expected { user", { basic = { "u" } })
    raises('basic: expected "user:password"', { basic = "u" })
    raises("bearer: expected a token, got an empty text", { bearer = "" })
    raises("header: expected a string or a function, got boolean", { header = true })
  end)
end)
