-- SPDX-License-Identifier: MIT
local header = require "mcp.header"
local param_headers = require "mcp.message.param_headers"
local value = require "mcp.value"

local function schema(properties)
  return { type = "object", properties = properties }
end

local function marked(name, kind)
  return { type = kind or "string", ["x-mcp-header"] = name }
end

describe("a value in a field", function()
  -- What goes in, and what is sent.
  local CASES = {
    { "us-west1", "us-west1" },
    { "us west 1", "us west 1" },
    { "", "" }, -- HM-35
    { "!~", "!~" },
    { " padded ", "=?base64?IHBhZGRlZCA=?=" },
    { " us-west1", "=?base64?IHVzLXdlc3Qx?=" },
    { "us-west1 ", "=?base64?dXMtd2VzdDEg?=" },
    { "Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?=" },
    { "line1\nline2", "=?base64?bGluZTEKbGluZTI=?=" },
    { "line1\r\nline2", "=?base64?bGluZTENCmxpbmUy?=" },
    { "\tindented", "=?base64?CWluZGVudGVk?=" },
    { "in\tside", "=?base64?aW4Jc2lkZQ==?=" },
    { "\0", "=?base64?AA==?=" },
    { "\127", "=?base64?fw==?=" },
    -- What looks like an encoded value is encoded, or it would be read as one (HM-32).
    { "=?base64?eA==?=", "=?base64?PT9iYXNlNjQ/ZUE9PT89?=" },
    { "=?base64?", "=?base64?" },
    { "x?=", "x?=" },
  }

  it("is plain where it can be, else Base64 between marks (HM-30 to HM-32)", function()
    for _, case in ipairs(CASES) do
      assert.equal(case[2], header.encode(case[1]))
      assert.equal(case[1], header.decode(case[2]))
    end
  end)

  it("never holds what could end a field (HM-36)", function()
    for byte = 0, 255 do
      local text = "a" .. string.char(byte) .. "b"
      assert.is_nil(header.encode(text):find "[^ -~]", byte)
    end
  end)
end)

describe("the fields of a request", function()
  it("name the method, and what it is about (HM-23, HM-24)", function()
    local cases = {
      { "tools/list", {}, nil },
      { "tools/list", nil, nil },
      { "tools/call", { name = "add" }, "add" },
      { "prompts/get", { name = "p" }, "p" },
      { "resources/read", { uri = "file:///a%20b" }, "file:///a%20b" },
      { "tasks/get", { taskId = "t1" }, "t1" },
      { "tasks/update", { taskId = "t1" }, "t1" },
      { "tasks/cancel", { taskId = "t1" }, "t1" },
      { "completion/complete", { ref = { name = "x" }, name = "x" }, nil },
      { "tools/call", { name = "añadir" }, "=?base64?YcOxYWRpcg==?=" },
      { "tools/call", { name = 7 }, nil },
    }
    for _, case in ipairs(cases) do
      local expected = { { "Mcp-Method", case[1] } }
      expected[2] = case[3] and { "Mcp-Name", case[3] }
      assert.same(expected, param_headers.of_request(case[1], case[2]))
    end
  end)
end)

describe("annotated arguments", function()
  local MIRRORS = assert(param_headers.read(schema {
    region = marked "Region", count = marked("Count", "integer"), dry = marked("Dry", "boolean"),
    deep = schema { inner = marked "Inner" }, plain = { type = "string" },
  }))

  local function sent(arguments)
    local out = {}
    for _, field in ipairs(assert(param_headers.of_arguments(MIRRORS, arguments))) do
      out[field[1]] = field[2]
    end
    return out
  end

  it("are repeated, typed as they are (HM-34, HM-44)", function()
    assert.same({ ["Mcp-Param-Region"] = "eu", ["Mcp-Param-Count"] = "42",
      ["Mcp-Param-Dry"] = "false", ["Mcp-Param-Inner"] = "x" },
      sent { region = "eu", count = 42, dry = false, deep = { inner = "x" }, plain = "no" })
    assert.same({ ["Mcp-Param-Count"] = "-7" }, sent { count = -7.0 })
    assert.same({ ["Mcp-Param-Region"] = "" }, sent { region = "" })
  end)

  it("are not there for null and for nothing (HM-44)", function()
    assert.same({}, sent { region = value.null, deep = value.null })
    assert.same({}, sent {})
    assert.same({}, sent(nil))
    assert.same({}, sent { deep = "no object" })
    assert.same({}, sent { deep = value.array { "x" } })
  end)

  it("are left to the server's judgement where no field can carry them", function()
    assert.same({}, sent { region = {}, count = 1.5, dry = value.array {} })
    assert.same({}, sent { count = 2 ^ 53, region = "\xff" })
    assert.same({ ["Mcp-Param-Count"] = "9007199254740991" }, sent { count = 2 ^ 53 - 1 })
  end)

  it("agree with what a server of ours checks (HM-45)", function()
    local arguments = { region = " ünder\n", count = 3, dry = true, deep = { inner = "" } }
    local fields = {}
    for _, field in ipairs(param_headers.of_arguments(MIRRORS, arguments)) do
      fields[field[1]:lower()] = field[2]
    end
    assert.is_nil(param_headers.check(MIRRORS, arguments,
      { header = function(_, name) return fields[name] end }))
  end)

  it("are bounded together (HM-49)", function()
    local function fields_of(bytes)
      return param_headers.of_arguments(MIRRORS, { region = ("x"):rep(bytes) })
    end
    assert.is_table(fields_of(param_headers.LENGTH - 16))
    local fields, text, code = fields_of(param_headers.LENGTH - 15)
    assert.is_nil(fields)
    assert.matches("16385 bytes, at most 16384 are sent", text, 1, true)
    assert.equal("ETOOBIG", code)
  end)
end)

describe("a list of tools", function()
  local function tool(name, properties) return { name = name, inputSchema = schema(properties) } end

  it("loses those that cannot be followed, and says why (HM-41, HM-42, SEC-65)", function()
    local bad = {
      empty = { a = marked "" }, object = { a = marked("A", "object") },
      array = { a = marked("A", "array") }, null = { a = marked("A", "null") },
      number = { a = marked("A", "number") }, union = { a = marked("A", { "string", "null" }) },
      none = { a = { ["x-mcp-header"] = "A" } }, same = { a = marked "R", b = marked "R" },
      fold = { a = marked "MyField", b = marked "myfield" }, space = { a = marked "My Region" },
      colon = { a = marked "Region:Primary" }, beyond = { a = marked "Région" },
      tab = { a = marked "My\tRegion" }, no_string = { a = marked(7) },
      items = { a = { type = "array", items = marked "A" } },
      either = { a = { anyOf = { marked "A" } } },
    }
    local tools, names = value.array { tool("valid", { region = marked "Region" }) }, {}
    for name, properties in pairs(bad) do
      tools[#tools + 1] = tool(name, properties)
      names[#names + 1] = name
    end
    tools[#tools + 1] = tool("last", { plain = { type = "string" } })
    local log = {}
    local kept, mirrors = param_headers.sift(tools, function(text) log[#log + 1] = text end)
    assert.equal(2, #kept)
    assert.equal("valid", kept[1].name)
    assert.equal("last", kept[2].name)
    assert.equal("Region", mirrors.valid[1].name)
    assert.is_nil(mirrors.last)
    assert.equal(#names, #log)
    local all = table.concat(log, "\n")
    for _, name in ipairs(names) do
      assert.matches(('ignoring tool "%s"'):format(name), all, 1, true)
    end
    local _, why = param_headers.read(schema { a = { anyOf = { marked "A" } } })
    assert.matches("reachable through properties alone", why, 1, true)
  end)

  it("may hold anything else", function()
    local tools = value.array { { name = "no schema" }, { name = "odd", inputSchema = true },
      { name = "list", inputSchema = value.array {} }, "no tool",
      tool("plain", { a = { type = "string", default = { ["x-mcp-header"] = 1 } } }) }
    local kept, mirrors = param_headers.sift(tools, error)
    assert.equal(5, #kept)
    assert.is_nil(next(mirrors))
  end)
end)
