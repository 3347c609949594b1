-- SPDX-License-Identifier: MIT
-- app:openapi as a whole: what becomes of operations, how they are called, what comes back.
local api = require "spec.mcp.openapi.api"
local helper = require "spec.helper"
local mcp = require "mcp"

local parameter = api.parameter

-- The first request that the API got, for one operation and these arguments.
local function sent(method, path, operation, args, options)
  local server = api.serve(function() return { ok = true } end)
  options = options or {}
  options.base_url = server.at
  local client = api.client(api.document({ [path] = { [method] = operation } },
    options.document), { base_url = server.at, auth = options.auth, headers = options.headers })
  local result = assert(client:call_tool("go", args or {}))
  return server.requests[1], result
end

describe("app:openapi", function()
  after_each(api.close)

  it("puts arguments in path, query, header and cookie", function()
    local operation = api.operation {
      parameter("path", "id", { type = "integer" }), parameter("query", "q"),
      parameter("header", "X-Trace"), parameter("cookie", "session"),
    }
    local request, result = sent("get", "/things/{id}/x", operation,
      { id = 7, q = "a b&c", ["X-Trace"] = "t 1", session = "a b;c" })
    assert.equal("GET", request.method)
    assert.equal("/things/7/x?q=a%20b%26c", request.target)
    assert.equal("t 1", request.fields["x-trace"])
    assert.equal("session=a%20b%3Bc", request.fields.cookie)
    assert.is_true(result.structuredContent.ok)
    assert.equal('{"ok":true}', api.text(result))
  end)

  it("makes one TLS context of the option tls, and says at once what is wrong with it", function()
    local tls = require "mcp.tls"
    local document = api.document { ["/x"] = { get = api.operation() } }
    local function import(given)
      api.client(document, { base_url = "https://127.0.0.1:1", tls = given })
    end
    local ok, text = pcall(import, { ca = "/nonexistent" })
    assert.is_false(ok)
    assert.matches("app:openapi: tls: [^\n]*/nonexistent", text)
    local made, client = 0, tls.client
    tls.client = function(...)
      made = made + 1
      return client(...)
    end
    local _ <close> = setmetatable({}, { __close = function() tls.client = client end })
    import {}
    assert.equal(1, made)
    -- A context is used as it is.
    import(client())
    assert.equal(1, made)
  end)

  it("leaves out what is absent, or null where no null is meant", function()
    local operation = api.operation({ parameter("query", "a"), parameter("query", "b") }, {
      requestBody = { content = { ["application/json"] = { schema = { type = "object",
        properties = { c = { type = "string" }, d = { type = "string", nullable = true } } } } } },
    })
    local request = sent("post", "/x", operation,
      { a = mcp.null, c = mcp.null, d = mcp.null })
    assert.equal("/x", request.target)
    assert.equal('{"d":null}', request.body)
  end)

  it("refuses a path that would be another one", function()
    local operation = api.operation { parameter("path", "id") }
    for id, words in pairs { [".."] = '".."', ["../admin"] = '".."', ["a/../b"] = '".."',
      ["."] = '"."', [""] = "not empty", ["..\\x"] = '".."' } do
      local request, result = sent("delete", "/things/{id}", operation, { id = id })
      assert.is_nil(request, id)
      assert.is_true(result.isError)
      assert.is_truthy(api.text(result):find(words, 1, true), api.text(result))
    end
    local request = sent("get", "/things/{id}", operation, { id = "a/b?c#d%2e" })
    assert.equal("/things/a%2Fb%3Fc%23d%252e", request.target)
  end)

  it("refuses a header field that would be two", function()
    local operation = api.operation { parameter("header", "X-A") }
    local request, result = sent("get", "/x", operation, { ["X-A"] = "a\r\nX-B: c" })
    assert.is_nil(request)
    assert.is_truthy(api.text(result):find("control characters", 1, true))
  end)

  it("gives arguments names that models accept, and keeps same names apart", function()
    local operation = api.operation({ parameter("path", "id"), parameter("query", "filter[name]"),
      parameter("query", "$top"), parameter("query", "id") }, {
      requestBody = { required = true, content = { ["application/json"] = { schema = {
        type = "object", required = mcp.array { "id" }, properties = {
          id = { type = "integer" } } } } } } })
    local client = api.client(api.document { ["/x/{id}"] = { put = operation } })
    local schema = api.tool(client, "go").inputSchema
    assert.same({ "id", "id__path" }, schema.required)
    local names = {}
    for name in pairs(schema.properties) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "filter_name", "id", "id__path", "id__query", "top" }, names)
    local request = sent("put", "/x/{id}", operation,
      { id = 1, id__path = "p", id__query = "q", filter_name = "n", top = "t" })
    assert.equal("/x/p?filter%5Bname%5D=n&%24top=t&id=q", request.target)
    assert.equal('{"id":1}', request.body)
  end)

  it("describes what it does not know as the document does", function()
    local client = api.client(api.document({
      ["/a"] = { get = api.operation({ parameter("query", "q", { type = "string" },
        { description = "what to find", deprecated = true, required = true }) },
        { summary = "Find", description = "Finds things.", tags = mcp.array { "x" } }),
        put = api.operation(nil, { operationId = mcp.null, summary = "Replace" }),
        post = api.operation(nil, { operationId = mcp.null, deprecated = true }),
        delete = api.operation(nil, { operationId = mcp.null }) } }))
    local tool = api.tool(client, "go")
    assert.equal("Find", tool.title)
    assert.equal("Finds things.", tool.description)
    assert.same({ readOnlyHint = true, openWorldHint = true }, tool.annotations)
    assert.same({ type = "string", description = "what to find", deprecated = true },
      tool.inputSchema.properties.q)
    assert.same({ "q" }, tool.inputSchema.required)
    assert.same({ idempotentHint = true, openWorldHint = true },
      api.tool(client, "put_a").annotations)
    assert.equal("Deprecated. POST /a", api.tool(client, "post_a").description)
    assert.same({ destructiveHint = true, idempotentHint = true, openWorldHint = true },
      api.tool(client, "delete_a").annotations)
  end)

  it("says what went wrong and what can be done", function()
    local status, fields, body = 404, {}, "gone"
    local server = api.serve(function() return status, fields, body end)
    local client = api.client(api.document({ ["/things/{id}"] = { get = api.operation(
      { parameter("path", "id") }) } }), { base_url = server.at })
    local function failed()
      local result = assert(client:call_tool("go", { id = "1" }))
      assert.is_true(result.isError)
      return api.text(result)
    end
    fields = { ["Content-Type"] = "text/plain" }
    assert.equal("GET /things/{id}: status 404 Not Found: gone\n(check the arguments that name a "
      .. "thing: there is none at this path)", failed())
    status, fields, body = 422, nil, { detail = { { loc = { "id" }, msg = "too\nshort" } } }
    assert.equal('GET /things/{id}: status 422 Unprocessable Content: '
      .. '{"detail":[{"loc":["id"],"msg":"too\\nshort"}]}\n'
      .. "(correct the arguments as the answer says)", failed())
    status, fields, body = 429, { ["Retry-After"] = "30" }, ""
    assert.equal("GET /things/{id}: status 429 Too Many Requests\n(try again in 30 s)", failed())
    status, fields, body = 500, { ["Content-Type"] = "text/html" },
      "<html><script>x</script><h1>Oh  no</h1>" .. ("<p>word</p>"):rep(1000)
    assert.is_truthy(failed():find("Internal Server Error: Oh no word word", 1, true))
    assert.is_true(#failed() < 1200)
    status, fields, body = 401, {}, ""
    assert.is_truthy(failed():find("requires credentials", 1, true))
    status, fields, body = 403, {}, ""
    assert.is_truthy(failed():find("do not allow it", 1, true))
    server:close()
    assert.is_truthy(failed():find("connection refused", 1, true))
  end)

  it("gives text, pictures and bytes as what they are", function()
    local fields, body = {}, ""
    local server = api.serve(function() return 200, fields, body end)
    local client = api.client(api.document({ ["/x"] = { get = api.operation() } }),
      { base_url = server.at })
    local function got() return assert(client:call_tool("go", {})).content[1] end
    fields, body = { ["Content-Type"] = "text/csv; charset=utf-8" }, "a,b"
    assert.equal("a,b", got().text)
    fields, body = { ["Content-Type"] = "image/png" }, "\137PNG"
    assert.equal("image", got().type)
    assert.equal("image/png", got().mimeType)
    fields, body = { ["Content-Type"] = "application/pdf" }, "%PDF\255"
    assert.equal("application/pdf", got().resource.mimeType)
    assert.is_string(got().resource.blob)
    fields, body = {}, ""
    assert.equal("done: status 200 without content", got().text)
    fields, body = { ["Content-Type"] = "application/json" }, "{not json"
    assert.equal("{not json", got().text)
  end)

  it("has output schemas, and answers that keep to them", function()
    local answer = mcp.array { { id = 1 } }
    local server = api.serve(function() return answer end)
    local pet = { type = "object", required = mcp.array { "id" }, properties = {
      id = { type = "integer" }, tag = { type = "string", nullable = true },
      secret = { type = "string", writeOnly = true } }, additionalProperties = false }
    local list = { type = "array", items = { ["$ref"] = "#/components/schemas/Pet" } }
    local function document(schema)
      return api.document({ ["/x"] = { get = api.operation(nil, { responses = { ["200"] = {
        description = "ok", content = { ["application/json"] = { schema = schema } } } } }) } },
        { components = { schemas = { Pet = pet } } })
    end
    local client = api.client(document(list), { base_url = server.at })
    local schema = api.tool(client, "go").outputSchema
    assert.equal("array", schema.type)
    assert.is_nil(schema["$defs"].Pet.properties.secret)
    assert.same({ "string", "null" }, schema["$defs"].Pet.properties.tag.type)
    assert.equal(1, assert(client:call_tool("go", {})).structuredContent[1].id)
    -- What is added later is no mistake.
    answer = mcp.array { { id = 1, born = "x" } }
    assert.is_nil(assert(client:call_tool("go", {})).isError)
    answer = mcp.array { { id = "x" } }
    local result = assert(client:call_tool("go", {}))
    assert.is_true(result.isError)
    assert.is_truthy(api.text(result):find("was successful (status 200)", 1, true))
    assert.is_truthy(api.text(result):find('[{"id":"x"}]', 1, true))
    -- Without the check nothing is promised.
    client = api.client(document(list), { base_url = server.at, validate_output = false })
    assert.is_nil(api.tool(client, "go").outputSchema)
    assert.equal("x", assert(client:call_tool("go", {})).structuredContent[1].id)
    -- JSON that is called text is taken as what was promised.
    client = api.client(document { type = "object" }, { base_url = api.serve(function()
      return 200, { ["Content-Type"] = "text/html" }, '{"a":1}'
    end).at })
    assert.equal(1, assert(client:call_tool("go", {})).structuredContent.a)
    -- An object at the root has its type there.
    answer = { id = 3 }
    client = api.client(document { ["$ref"] = "#/components/schemas/Pet" },
      { base_url = server.at })
    assert.equal("object", api.tool(client, "go").outputSchema.type)
    assert.equal(3, assert(client:call_tool("go", {})).structuredContent.id)
  end)

  it("wraps answers that are no objects for revisions that have only these", function()
    local server = api.serve(function() return mcp.array { 1, 2 } end)
    local document = api.document({ ["/x"] = { get = api.operation(nil, { responses = {
      ["200"] = { description = "ok", content = { ["application/json"] = { schema = {
        type = "array", items = { type = "integer" } } } } } } }) } })
    local app = mcp.server "test"
    app:openapi(document, { base_url = server.at })
    local client = assert(mcp.connect(app, { revision = "2025-06-18" }))
    local schema = assert(client:list_tools())[1].outputSchema
    assert.equal("object", schema.type)
    assert.equal("array", schema.properties.result.type)
    assert.equal(2, assert(client:call_tool("go", {})).structuredContent.result[2])
    client:close()
  end)

  it("gives what looks like a result of MCP as the value that it is", function()
    local server = api.serve(function() return { content = { { text = "x" } }, isError = true } end)
    local client = api.client(api.document({ ["/x"] = { get = api.operation() } }),
      { base_url = server.at })
    local result = assert(client:call_tool("go", {}))
    assert.is_nil(result.isError)
    assert.equal("x", result.structuredContent.content[1].text)
  end)

  it("makes resources of what a rule says", function()
    local server = api.serve(function(request)
      if request.target:find "none" then return 404, {}, "" end
      if request.target:find "bad" then return 500, {}, "" end
      return { target = request.target }
    end)
    local client, _, report = api.client(api.document({
      ["/pets"] = { get = api.operation { parameter("query", "limit", { type = "integer" }) } },
      ["/pets/{pet-id}"] = { get = api.operation({ parameter("path", "pet-id") },
        { operationId = "one" }), delete = api.operation({ parameter("path", "pet-id") },
        { operationId = "drop" }) },
    }), { base_url = server.at, rules = { { methods = "GET", path = "^/pets", as = "resource" } } })
    assert.same({ { method = "GET", path = "/pets", id = "go", as = "resource",
      name = "api:///pets{?limit}" }, { method = "GET", path = "/pets/{pet-id}", id = "one",
      as = "resource", name = "api:///pets/{pet_id}" }, { method = "DELETE",
      path = "/pets/{pet-id}", id = "drop", as = "tool", name = "drop" } }, report.operations)
    assert.equal(2, #assert(client:list_resource_templates()))
    local read = assert(client:read_resource "api:///pets/7")
    assert.equal('{"target":"/pets/7"}', read.contents[1].text)
    assert.equal("application/json", read.contents[1].mimeType)
    read = assert(client:read_resource "api:///pets?limit=3")
    assert.equal('{"target":"/pets?limit=3"}', read.contents[1].text)
    local nothing, text = client:read_resource "api:///pets/none"
    assert.is_nil(nothing)
    assert.is_truthy(text:find("not found", 1, true))
    nothing, text = client:read_resource "api:///pets/bad"
    assert.is_nil(nothing)
    assert.is_truthy(text:find("status 500", 1, true), text)
  end)

  it("takes settings from rules, names and a prefix", function()
    local seen
    local client = api.client(api.document({
      ["/a"] = { get = api.operation({ parameter("query", "version") }),
        head = api.operation(nil, { operationId = "head" }),
        post = api.operation(nil, { operationId = "add" }) },
      ["/b"] = { get = api.operation(nil, { operationId = "hidden" }) } }),
      { prefix = "api_", names = { go = "look" }, rules = function(op)
        if op.path == "/b" then return "exclude" end
        if op.id == "add" then seen = op.method end
        return { title = "T " .. op.method, fixed = { version = "2" } }
      end })
    local tools = assert(client:list_tools())
    local names = {}
    for i, tool in ipairs(tools) do names[i] = tool.name end
    assert.same({ "api_look", "api_add" }, names)
    assert.equal("POST", seen)
    assert.equal("T GET", tools[1].title)
    assert.is_nil(next(tools[1].inputSchema.properties))
  end)

  it("says which rules have no effect, for one that excludes may be misspelt", function()
    local document = api.document { ["/pets"] = { get = api.operation(),
      delete = api.operation({}, { operationId = "remove" }) } }
    local app, report = mcp.server "rules", nil
    local log = helper.logged(function()
      report = app:openapi(document, { base_url = "http://127.0.0.1:1", rules = {
        { id = "^remoev", as = "exclude" }, { methods = "DELETE", as = "tool" },
        { id = "^remove", as = "exclude" } } })
    end)
    local text = "rules[%d] decides about no operation: it fits none, or an earlier rule fits first"
    assert.same({ text:format(1), text:format(3) }, report.warnings)
    assert.truthy(log:find("warning: openapi: " .. text:format(1), 1, true), log)
  end)

  it("sends what a rule fixes, in parameters and bodies", function()
    local server = api.serve(function() return {} end)
    local client = api.client(api.document({ ["/a"] = { post = api.operation(
      { parameter("query", "v") }, { requestBody = { content = { ["application/json"] = {
        schema = { type = "object", properties = { kind = { type = "string" },
          name = { type = "string" } } } } } } }) } }),
      { base_url = server.at, rules = { { fixed = { v = 2, kind = "x" } } } })
    assert(client:call_tool("go", { name = "n" }))
    assert.equal("/a?v=2", server.requests[1].target)
    assert.equal('{"kind":"x","name":"n"}', server.requests[1].body)
    local result = assert(client:call_tool("go", { kind = "y" }))
    assert.is_true(result.isError)
  end)

  it("sends nothing of the caller, and credentials to one origin only", function()
    local other = api.serve(function() return { far = true } end)
    local server = api.serve(function(request)
      if request.target == "/x" then return 302, { Location = other.at .. "/y" }, "" end
      return {}
    end)
    local app = mcp.server "test"
    app:openapi(api.document({ ["/x"] = { get = api.operation(),
      post = api.operation(nil, { operationId = "add" }) } }, { security = mcp.array {
      { key = mcp.array {} } }, components = { securitySchemes = { key = { type = "apiKey",
      name = "X-Key", ["in"] = "header" } } } }), { base_url = server.at, auth = { key = "s3cret" },
      headers = { ["X-Static"] = "1" } })
    local listening = app:listen { http = "127.0.0.1:0", quiet = true }
    local client = assert(mcp.connect(listening.urls[1], { headers = {
      Authorization = "Bearer mine", ["X-Mine"] = "1" } }))
    assert.is_true(assert(client:call_tool("go", {})).structuredContent.far)
    local first, second = server.requests[1].fields, other.requests[1].fields
    assert.equal("s3cret", first["x-key"])
    assert.equal("1", first["x-static"])
    for _, fields in ipairs { first, second } do
      assert.is_nil(fields.authorization)
      assert.is_nil(fields["x-mine"])
      assert.is_nil(fields["mcp-session-id"])
    end
    local text = api.text(assert(client:call_tool("add", {})))
    assert.is_truthy(text:find("redirects to another server", 1, true), text)
    assert.equal(1, #other.requests)
    assert.is_nil(second["x-key"])
    assert.is_nil(second["x-static"])
    client:close()
    listening:close()
  end)

  it("keeps connections for requests that may be sent again", function()
    local server = api.serve(function() return {} end)
    local client = api.client(api.document({ ["/x"] = { get = api.operation(),
      post = api.operation(nil, { operationId = "add" }) } }), { base_url = server.at })
    for _ = 1, 3 do assert(client:call_tool("go", {})) end
    assert.equal(1, server.accepted)
    for _ = 1, 2 do assert(client:call_tool("add", {})) end
    assert.equal(3, server.accepted)
  end)

  it("is limited in size and time", function()
    local server = api.serve(function(request)
      if request.target == "/slow" then mcp.sleep(60) end
      return { text = ("x"):rep(2000) }
    end)
    local client = api.client(api.document({ ["/slow"] = { get = api.operation() },
      ["/big"] = { get = api.operation(nil, { operationId = "big" }) } }),
      { base_url = server.at, timeout = 0.05, limit = 1000 })
    local text = api.text(assert(client:call_tool("go", {})))
    assert.is_truthy(text:find("not known whether", 1, true), text)
    text = api.text(assert(client:call_tool("big", {})))
    assert.is_truthy(text:find("larger than 1000 bytes", 1, true), text)
    assert.equal(30, require("mcp.openapi").TIMEOUT)
    assert.equal(1 << 20, require("mcp.openapi").LIMIT)
  end)

  it("keeps lists short for models", function()
    local long = { type = "object", properties = {} }
    for i = 1, 500 do
      long.properties["a_member_with_a_name_" .. i] = { type = "string", description = "words" }
    end
    local client = api.client(api.document({ ["/x"] = { get = api.operation({
      parameter("query", ("n"):rep(80), nil, { description = ("d"):rep(2000) }) }, {
      description = ("d"):rep(5000), responses = { ["200"] = { description = "", content = {
        ["application/json"] = { schema = long } } } } }) } }))
    local tool = api.tool(client, "go")
    assert.equal(4096 + #"…", #tool.description)
    assert.is_nil(tool.outputSchema)
    local name, schema = next(tool.inputSchema.properties)
    assert.equal(64, #name)
    assert.equal(1024 + #"…", #schema.description)
    assert.equal(16384, require("mcp.openapi.outputs").LIMIT)
  end)

  it("reports so many defects and no more", function()
    local parameters = {}
    for i = 1, 300 do parameters[i] = { name = "p" .. i, ["in"] = "nowhere" } end
    local _, _, report = api.client(api.document({ ["/x"] = { get = api.operation(parameters) } }),
      { base_url = "http://127.0.0.1:9" })
    assert.equal(200, #report.warnings)
    assert.equal(200, require("mcp.openapi").WARNINGS)
  end)

  it("refuses what it does not know, at the line of the call", function()
    local app = mcp.server "test"
    local function raises(words, source, options)
      local ok, text = pcall(function() app:openapi(source, options) end)
      assert.is_false(ok)
      assert.is_truthy(text:find(words, 1, true), text)
      assert.is_truthy(text:find("init_spec.lua:%d+: app:openapi: "), text)
    end
    local document = api.document({ ["/x"] = { get = api.operation() } })
    raises("did you mean \"timeout\"?", document, { timeuot = 1 })
    raises("expected a path, an address or a document, got number", 1)
    raises("No such file", "/nonexistent/openapi.json")
    raises("Swagger 2.0 is not supported", { swagger = "2.0" })
    raises("no member \"openapi\"", {})
    raises("got a file of mcpServers", { mcpServers = {} })
    raises("OpenAPI 4.0.0", { openapi = "4.0.0" })
    raises("timeout: expected seconds", document, { timeout = 0 })
    raises("limit: expected an integer", document, { limit = 1.5 })
    raises("base_url: ", document, { base_url = "ftp://x" })
    raises("rules[1]: unknown member \"pathh\"", document, { rules = { { pathh = "x" } } })
    raises("rules[1]: as: expected", document, { rules = { { as = "toool" } } })
    raises("rules[1]: path: \"%\" is no pattern", document, { rules = { { path = "%" } } })
    raises("names: unknown operationId \"goo\", did you mean \"go\"?", document,
      { names = { goo = "x" } })
    raises("no security scheme", document, { auth = { key = "x" } })
    raises("cannot be a resource: only GET", api.document({ ["/x"] = {
      post = api.operation() } }), { rules = { { as = "resource" } } })
    raises("prefix: ", document, { prefix = "a b" })
    raises("pages: max: expected an integer", document, { pages = { max = 0 } })
  end)

  it("keeps a tool whose schema cannot be compiled", function()
    local deep = { type = "string" }
    for _ = 1, 80 do deep = { type = "array", items = deep } end
    local request = sent("get", "/x", api.operation { parameter("query", "a", deep),
      parameter("query", "b") }, { b = "1" })
    assert.equal("/x?b=1", request.target)
  end)
end)
