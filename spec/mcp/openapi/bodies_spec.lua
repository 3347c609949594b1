-- SPDX-License-Identifier: MIT
-- Bodies: JSON, forms, multipart and bytes, as an API receives them.
local api = require "spec.mcp.openapi.api"
local mcp = require "mcp"

local array = mcp.array

-- The request for one operation with this body, and the client and result.
local function sent(content, args, more)
  local server = api.serve(function() return {} end)
  local body = { content = content }
  for name, member in pairs(more or {}) do body[name] = member end
  local client = api.client(api.document({ ["/x"] = { post = api.operation(nil,
    { requestBody = body }) } }, { components = { schemas = {
      Base = { type = "object", required = array { "id" }, properties = {
        id = { type = "integer" } } },
      Named = { allOf = array { { ["$ref"] = "#/components/schemas/Base" }, { type = "object",
        properties = { name = { type = "string" } } } } } } } }), { base_url = server.at })
  local result = assert(client:call_tool("go", args))
  return server.requests[1], client, result
end

local function schema_of(client) return api.tool(client, "go").inputSchema end

local function object(properties)
  return { schema = { type = "object", properties = properties } }
end

describe("bodies", function()
  after_each(api.close)

  it("of JSON are made of arguments, allOf included", function()
    local request, client = sent({ ["application/json"] = { schema = {
      ["$ref"] = "#/components/schemas/Named" } } }, { id = 1, name = "n" }, { required = true })
    assert.equal('{"id":1,"name":"n"}', request.body)
    assert.equal("application/json", request.fields["content-type"])
    assert.same({ "id" }, schema_of(client).required)
    assert.is_false(schema_of(client).additionalProperties)
  end)

  it("that are no plain object are one argument", function()
    for _, schema in ipairs { { type = "array", items = { type = "integer" } },
      { oneOf = array { { type = "object" }, { type = "array", items = {} } } },
      { type = "object", additionalProperties = { type = "integer" } }, {} } do
      local request, client = sent({ ["application/json"] = { schema = schema } },
        { body = array { 1, 2 } })
      assert.is_table(schema_of(client).properties.body)
      if schema.type ~= "object" then assert.equal("[1,2]", request.body) end
    end
    local request = sent({ ["application/json"] = { schema = { type = "object",
      additionalProperties = { type = "integer" } } } }, { body = { a = 1 } })
    assert.equal('{"a":1}', request.body)
  end)

  it("that are one argument are described by the document", function()
    for described, schema in pairs { ["the body"] = { type = "array", items = {} },
      ["its own"] = { type = "string", description = "its own" } } do
      local _, client = sent({ ["application/json"] = { schema = schema } }, { body = array {} },
        { description = "the body" })
      assert.equal(described, schema_of(client).properties.body.description)
    end
  end)

  it("take other members where the document allows them", function()
    local request = sent({ ["application/json"] = { schema = { type = "object",
      properties = { a = { type = "string" } }, additionalProperties = { type = "integer" } } } },
      { a = "x", more = 3 })
    assert.equal('{"a":"x","more":3}', request.body)
    local _, _, result = sent({ ["application/json"] = object { a = { type = "string" } } },
      { more = 3 })
    assert.is_true(result.isError)
  end)

  it("are left out without arguments, unless they are required", function()
    local content = { ["application/json"] = object { a = { type = "string" } } }
    assert.equal("", sent(content, {}).body)
    assert.equal("{}", sent(content, {}, { required = true }).body)
  end)

  it("prefer JSON", function()
    local request = sent({ ["text/plain"] = {}, ["application/xml"] = {},
      ["application/vnd.api+json"] = object { a = {} } }, { a = true })
    assert.equal('{"a":true}', request.body)
    assert.equal("application/vnd.api+json", request.fields["content-type"])
  end)

  it("of a form have the styles of their encoding", function()
    local request = sent({ ["application/x-www-form-urlencoded"] = { schema = { type = "object",
      properties = { a = { type = "string" }, list = { type = "array", items = {} },
        deep = { type = "object" }, json = { type = "object" }, csv = { type = "array",
          items = {} } } },
      encoding = { deep = { style = "deepObject", explode = true }, csv = { explode = false } } } },
      { a = "x y&z", list = array { 1, 2 }, deep = { b = { c = 1 } }, json = { d = 2 },
        csv = array { "a", "b,c" } })
    assert.equal("application/x-www-form-urlencoded", request.fields["content-type"])
    assert.equal("a=x%20y%26z&csv=a,b%2Cc&deep%5Bb%5D%5Bc%5D=1&json=%7B%22d%22%3A2%7D"
      .. "&list=1&list=2", request.body)
  end)

  it("of multipart carry files with names and types", function()
    local request, client = sent({ ["multipart/form-data"] = { schema = { type = "object",
      properties = {
        file = { type = "string", format = "binary", description = "The picture." },
        more = { type = "array", items = { type = "string", format = "binary" } },
        note = { type = "string" }, meta = { type = "object" } } },
      encoding = { file = { contentType = "image/png, image/jpeg" } } } },
      { file = { base64 = "iVBORw==", name = 'a"b\r\n.png', type = "image/png" },
        more = array { "text", { text = "x", name = "x.txt", type = "text/plain" } },
        note = "hi", meta = { k = 1 } })
    local boundary = request.fields["content-type"]:match "^multipart/form%-data; boundary=(%S+)$"
    local expected = {
      'Content-Disposition: form-data; name="file"; filename="a%22b%0D%0A.png"\r\n'
        .. "Content-Type: image/png\r\n\r\n\137PNG",
      'Content-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n'
        .. '{"k":1}',
      'Content-Disposition: form-data; name="more"; filename="more"\r\n'
        .. "Content-Type: application/octet-stream\r\n\r\ntext",
      'Content-Disposition: form-data; name="more"; filename="x.txt"\r\n'
        .. "Content-Type: text/plain\r\n\r\nx",
      'Content-Disposition: form-data; name="note"\r\n\r\nhi',
    }
    local lines = {}
    for i, part in ipairs(expected) do lines[i] = "--" .. boundary .. "\r\n" .. part .. "\r\n" end
    assert.equal(table.concat(lines) .. "--" .. boundary .. "--\r\n", request.body)
    assert.is_truthy(schema_of(client).properties.file.description:find("The picture. A file", 1,
      true))
  end)

  it("of multipart know the files of 3.1", function()
    local server = api.serve(function() return {} end)
    local document = api.document({ ["/x"] = { post = api.operation(nil, { requestBody = {
      content = { ["multipart/form-data"] = object {
        file = { contentMediaType = "application/octet-stream" } } } } }) } })
    document.openapi = "3.1.0"
    local client = api.client(document, { base_url = server.at })
    assert(client:call_tool("go", { file = { text = "x", name = "f", type = "a/b\r\nX: y" } }))
    assert.is_truthy(server.requests[1].body:find(
      'filename="f"\r\nContent-Type: application/octet-stream\r\n\r\nx', 1, true))
  end)

  it("of bytes are text or Base64", function()
    local content = { ["application/octet-stream"] = { schema = { type = "string",
      format = "binary" } } }
    local request = sent(content, { body = { base64 = "AP8=" } })
    assert.equal("\0\255", request.body)
    assert.equal("application/octet-stream", request.fields["content-type"])
    local _, _, result = sent(content, { body = { base64 = "?" } })
    assert.is_truthy(api.text(result):find("not valid Base64", 1, true))
    request = sent({ ["text/csv"] = { schema = { type = "string" } } }, { body = "a,b" })
    assert.equal("a,b", request.body)
    assert.equal("text/csv", request.fields["content-type"])
  end)
end)
