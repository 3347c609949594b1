-- SPDX-License-Identifier: MIT
-- The examples of clients, each run by the program against an example of a server.
local core = require "mcp.core"
local helper = require "spec.helper"
local support = require "spec.support"

local function script(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- Starts an example as a server; its address.
local function serve(path, words, env)
  local more = { script = script(path), env = env }
  -- Behind the program, "run" and the script.
  table.move(words, 1, #words, 4, more)
  local server = support.start("nil", more)
  return server:wait_said "answers at (http://%S+)\n"
end

-- Runs an example; what it printed.
local function run(path, words, env)
  local list = { "timeout", "10", "env" }
  for _, one in ipairs(env or {}) do list[#list + 1] = helper.quote(one) end
  list[#list + 1] = helper.quote(helper.program())
  list[#list + 1] = "run"
  list[#list + 1] = path
  for _, word in ipairs(words) do list[#list + 1] = helper.quote(word) end
  local out, status = helper.shell(table.concat(list, " ") .. " 2>&1")
  return out, status
end

describe("the example", function()
  after_each(function()
    support.stop_all()
    helper.remove_files()
  end)

  it("client_http.lua calls hello.lua", function()
    local url = serve("examples/hello.lua", { "--http", "127.0.0.1:0" })
    local out, status = run("examples/client_http.lua", { url })
    assert.equal("hello, revision 2026-07-28\ngreet: Greet a person\nHello, number 1!\n"
      .. "Hello, number 2!\nHello, number 3!\n", out)
    assert.equal(0, status)
  end)

  it("client_notebook.lua uses the extension of notebook.lua, in both eras", function()
    local url = serve("examples/notebook.lua", { "--http", "127.0.0.1:0" })
    for _, words in ipairs { {}, { url, "modern" }, { url, "legacy" } } do
      local out, status = run("examples/client_notebook.lua", words)
      assert.equal("writable:\ttrue\ntea:\tSteep for three minutes.\nchanged:\tjam\n"
        .. "notes:\tjam tea\n-32602\tunknown note: salt\n", out)
      assert.equal(0, status)
    end
  end)

  it("client_sse.lua looks at files.lua", function()
    local url = serve("examples/files.lua",
      { "--sse", "127.0.0.1:0", "--", "examples/library" })
    local out, status = run("examples/client_sse.lua", { url })
    assert.matches("^prompt summarise: ", out)
    assert.matches("\nfolder:///tea.md\n", out, 1, true)
    assert.equal(0, status)
  end)

  it("client_auth.lua shows its token to auth_server.lua", function()
    local jwt = require "mcp.auth.jwt"
    local pem, jwk = require("mcp.openssl").generate_key "EdDSA"
    local url = serve("examples/auth_server.lua", {}, { "ISSUER=https://as.test", "PORT=0",
      "RESOURCE=https://notes.test/mcp", "JWKS=" .. helper.file(core.encode { keys = { jwk } }) })
    local function show(scope)
      return run("examples/client_auth.lua", { url, "milk" }, { "TOKEN=" .. assert(jwt.sign(
        { alg = "EdDSA" }, { iss = "https://as.test", aud = "https://notes.test/mcp", sub = "ada",
          exp = os.time() + 60, scope = scope }, pem)) })
    end
    assert.equal("Noted for ada\nmilk\n", (show "notes notes:write"))
    local out, status = show "notes"
    assert.matches("^refused: .*%(EHTTP403%)\nmilk\n$", out)
    assert.equal(0, status)
    out, status = show "other"
    assert.matches("status 403", out, 1, true)
    assert.equal(1, status)
    out, status = run("examples/client_auth.lua", { url }, { "TOKEN=no.such.token" })
    assert.matches("refused the token (status 401)", out, 1, true)
    assert.is_nil(out:find("no.such.token", 1, true))
    assert.equal(1, status)
  end)

  it("client_stdio.lua starts hello.lua", function()
    local out, status = run("examples/client_stdio.lua",
      { helper.program(), "run", "examples/hello.lua" })
    assert.equal("hello, revision 2026-07-28\ngreet: Greet a person\nHello, Ada!\n"
      .. '(failed) tool "greet": argument "name" is missing (expected string)\n'
      .. 'unknown argument "nam", did you mean "name"?\n', out)
    assert.equal(0, status)
  end)

  it("client_memory.lua fills its kettle", function()
    local out, status = run("examples/client_memory.lua", {})
    assert.matches("^asked: How many litres%?\n1 of 3\n2 of 3\n3 of 3\n", out)
    assert.matches("\nkettle://level has changed\n", out, 1, true)
    assert.matches("\nfilled, 3 litres\n", out, 1, true)
    assert.matches("\n3 litres\n$", out)
    assert.equal(0, status)
  end)

  it("of make demo ends well", function()
    local out, status = run("scripts/demo.lua", {})
    assert.matches("\nAll answers were as they should be.\n$", out)
    for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
      assert.matches("files 1.0.0, revision " .. revision, out, 1, true)
    end
    assert.equal(0, status)
  end)

  it("client_websocket.lua reads files.lua", function()
    local url = serve("examples/files.lua", { "--http", "127.0.0.1:0", "--", "examples/library" })
    local out, status = run("examples/client_websocket.lua", { (url:gsub("^http", "ws")) })
    assert.matches("\nfolder:///tea.md: %d+ bytes\n", out)
    assert.equal(0, status)
  end)
end)
