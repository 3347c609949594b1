-- SPDX-License-Identifier: MIT
local config = require "mcp.client.config"
local helper = require "spec.helper"

describe("mcp.config", function()
  after_each(helper.remove_files)

  local function load(text) return config.load(helper.file(text)) end

  it("gives each entry as mcp.connect takes it", function()
    assert.same({
      child = { command = "npx", args = { "-y", "some" }, env = { PORT = "80" }, cwd = "/srv" },
      web = { url = "https://h/mcp", type = "http", headers = { A = "b" } },
      old = { url = "https://h/sse", type = "sse" },
      windsurf = { url = "https://w/mcp" },
    }, load [[{"mcpServers":{
      "child":{"type":"stdio","command":"npx","args":["-y","some"],"env":{"PORT":80},"cwd":"/srv"},
      "web":{"type":"streamable-http","url":"https://h/mcp","headers":{"A":"b"}},
      "old":{"type":"sse","url":"https://h/sse"},
      "windsurf":{"serverUrl":"https://w/mcp","disabled":false}}}]])
    assert.same({ a = { command = "x" } }, load '{"servers":{"a":{"command":"x"}},"inputs":[]}')
    assert.same({ a = { command = "x" } }, load '\u{FEFF}{"context_servers":{"a":{"command":"x"}}}')
  end)

  it("reads files with comments and trailing commas", function()
    assert.same({ a = { command = "x", args = { "//", "/*" } } },
      load '// mine\n{"servers": {\n  "a": {"command": "x", /* y */ "args": ["//", "/*",],},\n}, }')
  end)

  it("replaces variables of the environment, and names one that is not set", function()
    local home = os.getenv "HOME"
    assert.same({ a = { command = home .. "/x", args = { "d", "$HOME", "${1}", home } } },
      load '{"mcpServers":{"a":{"command":"${HOME}/x","args":["${NOT_SET_X:-d}","$HOME","${1}",\z
        "${env:HOME}"]}}}')
    local none, text, code = load '{"mcpServers":{"a":{"command":"x","env":{"T":"${NOT_SET_X}"}}}}'
    assert.is_nil(none)
    assert.matches("a: env.T: the variable NOT_SET_X is not set$", text)
    assert.equal("EINVAL", code)
  end)

  for _, case in ipairs {
    { "[1]", "expected a JSON object", "EJSON" },
    { "{", "expected a JSON object: ", "EJSON" },
    { '{"servers":[]}', 'expected an object "mcpServers"', "EJSON" },
    { '{"mcpServers":{"a":7}}', "a: expected an object", "EINVAL" },
    { '{"mcpServers":{"a":{}}}', 'a: expected "command" or "url"', "EINVAL" },
    { '{"mcpServers":{"a":{"command":7}}}', "a: command: expected a JSON string, got integer",
      "EINVAL" },
    { '{"mcpServers":{"a":{"command":"x","args":"y"}}}',
      "a: args: expected a JSON array, got string", "EINVAL" },
    { '{"mcpServers":{"a":{"url":"x","type":"carrier pigeon"}}}',
      'a: type: expected "stdio", "http", "sse" or "ws", got carrier pigeon', "EINVAL" },
  } do
    it("refuses " .. case[1], function()
      local none, text, code = load(case[1])
      assert.is_nil(none)
      assert.is_truthy(text:find(case[2], 1, true), text)
      assert.equal(case[3], code)
    end)
  end

  it("leaves out what is switched off, and what is wrong as long as others are left", function()
    assert.same({ b = { command = "x" } }, load [[{"mcpServers":{
      "a":{"command":"x","disabled":true}, "b":{"command":"x","disabled":false,"enabled":true},
      "c":{"command":"x","enabled":false}, "d":{}, "e":{"command":"${NOT_SET_X}"}}}]])
    assert.same({}, load '{"mcpServers":{"a":{"command":"x","disabled":true}}}')
    local none, text, code = load [[{"mcpServers":{"a":{},"b":{"command":"x","disabled":true}}}]]
    assert.same({ nil, "EINVAL" }, { none, code })
    assert.matches('a: expected "command" or "url"', text, 1, true)
  end)

  it("knows the order of a file", function()
    local function order(text) return config.order(assert(config.find(helper.file(text)))) end
    assert.same({ "z", "a b", "é\u{e9}", "c" }, order [[{ "inputs": { "q": 1 }, // mine
      "mcpServers": { "z": {}, "a b": { "c": {} }, "é\u00e9": 7, /* y */ "c": {}, } }]])
    assert.same({ "a", "b" }, order [[{ "mcp\u0053ervers": { "b": {}, "a": {} } }]])
    assert.same({}, order '{ "servers": {} }')
  end)

  it("a file that is too large", function()
    local path = helper.file((" "):rep(config.SIZE) .. '{"mcpServers":{}}')
    assert.same({ nil, path .. ": larger than 4194304 bytes", "ETOOBIG" }, { config.load(path) })
    assert.same({}, load((" "):rep(config.SIZE - 17) .. '{"mcpServers":{}}'))
  end)

  it("a path that is no string", function()
    for _, wrong in ipairs { 7, {}, true } do
      assert.has_error(function() config.load(wrong) end,
        "mcp.config: path: expected a string, got " .. type(wrong))
    end
  end)

  it("a file that does not exist", function()
    local none, text, code = config.load "/nonexistent/mcp.json"
    assert.same({ nil, "/nonexistent/mcp.json: No such file or directory", "ENOENT" },
      { none, text, code })
  end)
end)
