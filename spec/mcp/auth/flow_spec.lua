-- SPDX-License-Identifier: MIT
-- The whole way of authorization, with real processes: a server and a client (the examples), each
-- with every byte in its log, an issuer and a browser here.
local async = require "mcp.async"
local core = require "mcp.core"
local fetch = require "mcp.fetch"
local http_issuer = require "spec.mcp.auth.http_issuer"
local support = require "spec.support"

local function script(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- Reads what all of them say, until `test()`.
local function pump(list, test)
  local deadline = core.now() + 10
  repeat
    core.step(0.005)
    for _, process in ipairs(list) do
      process:told()
      local piece, why = process.process:read(0)
      if piece then process.out = process.out .. piece end
      if why == "closed" then process.over = true end
    end
    if core.now() > deadline then error("it hangs: " .. list[#list].said:sub(-2000)) end
  until test()
end

-- What a browser does with the address that is printed.
local function browse(address)
  local answer = assert(fetch.get(address, { redirects = 0 }))
  assert.equal(302, answer.status)
  assert.equal(200, assert(fetch.get(answer.headers.location)).status)
end

describe("a client, a server and an issuer", function()
  local issuer, server
  local store

  before_each(function()
    issuer = http_issuer.start()
    server = support.start("nil", { script = script "examples/auth_server.lua", env = {
      "MCP_LOG=wire", "PORT=0", "ISSUER=" .. issuer.url, "JWKS=" .. issuer.url .. "/jwks" } })
    server.url = server:wait_said "answers at (http://%S+)"
    store = os.tmpname()
    os.remove(store)
  end)

  after_each(function()
    support.stop_all()
    issuer.server:close()
    os.remove(store)
  end)

  -- Runs the example, as its user; what it printed.
  local function run(word)
    local client = support.start("nil", { script = script "examples/client_oauth.lua", env = {
      "MCP_LOG=wire", "STORE=" .. store }, [4] = server.url, [5] = word })
    local seen, failure = 0, nil
    pump({ server, client }, function()
      local from = select(2, client.said:find("open this address in a browser:\n\n  ", seen, true))
      local address, after = client.said:match("^(%S+)\n()", (from or 0) + 1)
      if from and address then
        seen = after
        async.spawn(function()
          local fine, why = pcall(browse, address)
          failure = not fine and why or failure
        end)
      end
      return client.over
    end)
    assert.is_nil(failure)
    assert.equal(0, select(2, client:wait_end()), client.said:sub(-2000))
    return client.out, client
  end

  it("go the whole way, and no token is in anybody's log (SEC-70, SEC-77, SEC-80)", function()
    local out, client = run "tea"
    assert.equal("Your notes:\n\nNoted for ada\n", out)
    -- Asked for what every request needs, then for what writing takes; refreshed in between.
    assert.equal(2, #issuer.authorized)
    assert.equal("notes", issuer.authorized[1].scope)
    assert.equal("notes notes:write", issuer.authorized[2].scope)
    assert.equal(server.url, issuer.authorized[1].resource)
    assert.equal("refresh_token", issuer.asked[2].grant_type)
    assert.equal(2, issuer.registered)

    local again, second = run "milk"
    assert.equal("Your notes:\ntea\nNoted for ada\n", again)
    assert.equal(2, #issuer.authorized)

    -- Both have logged every byte of it.
    assert.matches("wire: > POST /token", client.said, 1, true)
    assert.matches("Authorization:[hidden]", client.said, 1, true)
    assert.matches("Authorization:[hidden]", server.said, 1, true)
    assert.matches("code_verifier=[hidden]", client.said, 1, true)
    local found = 0
    local kept = script(store)
    for _, secret in ipairs(issuer.secrets) do
      -- A line may be cut anywhere; this much of it is told from all else.
      local part = secret:sub(-16)
      for name, text in pairs { client = client.said, second = second.said, server = server.said,
        out = out .. again } do
        assert.is_nil(text:find(part, 1, true), ("%s: %s"):format(name, secret))
      end
      if kept:find(part, 1, true) then found = found + 1 end
    end
    assert.equal(14, #issuer.secrets)
    -- What is looked for is what was given: the store has the last of it.
    assert.is_true(found >= 3)
  end)
end)
