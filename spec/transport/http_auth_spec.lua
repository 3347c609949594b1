-- SPDX-License-Identifier: MIT
-- Authorization over HTTP, against a real process: what stands in heads and bodies, and who gets at
-- whose things.
local core = require "mcp.core"
local helper = require "spec.helper"
local jwt = require "mcp.auth.jwt"
local openssl = require "mcp.openssl"
local support = require "spec.support"
local value = require "mcp.value"

local ISSUER = "https://as.example"
local RESOURCE = "https://mcp.example/api/mcp"
local METADATA = "https://mcp.example/.well-known/oauth-protected-resource/api/mcp"

local SCRIPT = [==[
local mcp = require "mcp"
local options = load("return " .. os.getenv "SPEC_OPTIONS")()
local app = mcp.server { name = "spec", state_keys = { ("k"):rep(32) }, auth = {
  verify = mcp.auth.jwt { issuer = "https://as.example", jwks = os.getenv "SPEC_JWKS",
    refresh = tonumber(os.getenv "SPEC_REFRESH") },
  resource = "https://mcp.example/api/mcp", scopes = { "mcp" },
  scopes_supported = { "mcp", "files:read" },
  includes = { files = { "files:read", "files:write" } },
  resource_name = "Spec", authorization_server_metadata = { issuer = "https://as.example" },
} }
local function note(...) io.stderr:write(string.format(...), "\n") end
app:tool "who" (function(_, ctx)
  local a = ctx.auth
  return { subject = a.subject, client = a.client, issuer = a.issuer, key = a.key,
    scopes = table.concat(a.scopes, " "), expires = a.expires, colour = a.claims.colour,
    header = tostring(ctx.headers.authorization), other = ctx.headers["x-spec"] }
end)
app:tool "read" { scopes = { "files:read" } } (function() return "read" end)
app:tool "hidden" { scopes = { "files:read" }, visible = function() return false end } (
  function() return "hidden" end)
app:tool "both" { scopes = { "files:read", "files:write" } } (function() return "both" end)
app:tool "steps" { scopes = { "files:read" } } (function(_, ctx)
  ctx:progress(1, 2)
  return "done"
end)
app:tool "fail" (function(_, ctx) error("failed") end)
app:tool "ask" (function(_, ctx)
  local form = ctx:elicit("Who?", { name = "string" })
  return "Hello, " .. (form and form.name or "nobody")
end)
app:tool "task" { task = "required" } (function() return "done" end)
app:tool "wait" (function(_, ctx)
  note "began wait"
  ctx:progress(1, 2)
  ctx:sleep(60)
end)
app:resource "secret://one" { scopes = { "files:read" } } (function() return "one" end)
app:resource "secret://{name}" { scopes = { "files:read" }, complete = { name = { "one" } } } (
  function(v) return v.name end)
app:resource "open://one" (function() return "one" end)
app:prompt "greet" { scopes = { "files:read" } } (function() return "hello" end)
app:run(options)
]==]

local PEM, JWK = openssl.generate_key "ES256"
JWK.kid = "one"

local function write_keys(path, ...)
  local file = assert(io.open(path, "w"))
  file:write(core.encode { keys = value.array { ... } })
  file:close()
end

-- A token; changes of false take a claim away.
local function token(changes, header, pem)
  local claims = { iss = ISSUER, sub = "ada", client_id = "spec", aud = RESOURCE, scope = "mcp",
    iat = os.time() - 1, exp = os.time() + 300, jti = core.random_id() }
  for name, member in pairs(changes or {}) do claims[name] = member or nil end
  local head = { alg = "ES256", kid = "one", typ = "at+jwt" }
  for name, member in pairs(header or {}) do head[name] = member or nil end
  return assert(jwt.sign(head, claims, pem or PEM))
end

local function bearer(given, more)
  local fields = { Authorization = "Bearer " .. (given or token()) }
  for name, member in pairs(more or {}) do fields[name] = member end
  return fields
end

describe("a server with authorization", function()
  local server, path

  local function start(more)
    return support.http(nil, { script = SCRIPT, env = { "SPEC_JWKS=" .. path,
      table.unpack(more or {}) } })
  end

  setup(function()
    path = os.tmpname()
    write_keys(path, JWK)
    server = start { "SPEC_REFRESH=0.5" }
  end)

  teardown(function()
    support.stop_all()
    os.remove(path)
  end)

  local function ask(text, on)
    local client <close> = support.client(on or server)
    client.public = true
    return client:ask(text)
  end

  local function call(tool, fields, arguments)
    return ask(support.call(1, tool, arguments, fields))
  end

  local function who(given, more)
    local answer = call("who", bearer(given, more))
    assert.equal(200, answer.status, answer.body)
    return answer.json.result.structuredContent
  end

  -- The parameters of a challenge.
  local function challenge(answer)
    local field = answer.fields["www-authenticate"]
    local text = assert(field, "no challenge"):match "^Bearer (.+)$"
    local out = {}
    for name, quoted in (text .. ", "):gmatch '([%w_]+)="([^"]*)", ' do
      assert.is_nil(out[name])
      out[name] = quoted
    end
    return out, text
  end

  local INVALID = "The access token is expired, or was not issued for this server"

  local function unauthorized(answer)
    assert.equal(401, answer.status)
    assert.same({ error = "invalid_token", error_description = INVALID, scope = "mcp",
      resource_metadata = METADATA }, (challenge(answer)))
  end

  it("lets in who shows a good token, and tells the handler who it is (HM-03, HL-04)", function()
    local expires = os.time() + 1000
    local found = who(token { colour = "red", exp = expires, scope = "mcp other" },
      { ["X-Spec"] = "seen" })
    assert.same({ subject = "ada", client = "spec", issuer = ISSUER, scopes = "mcp other",
      expires = expires, colour = "red", header = "nil", other = "seen",
      key = '["https://as.example","spec","ada"]' }, found)
  end)

  it("takes the scheme in any case (RFC 9110 11.1)", function()
    for _, scheme in ipairs { "bearer", "BEARER", "bEaReR" } do
      assert.equal(200, call("who", { Authorization = scheme .. " " .. token() }).status)
    end
  end)

  it("asks who brings no token for one, and says where it is to be had", function()
    for _, fields in ipairs { {}, { Authorization = "Basic YWRhOng=" },
      { Authorization = "DPoP " .. token() }, { Cookie = "access_token=" .. token() } } do
      local answer = call("who", fields)
      assert.equal(401, answer.status)
      local found, text = challenge(answer)
      assert.same({ scope = "mcp", resource_metadata = METADATA }, found)
      assert.equal(('scope="mcp", resource_metadata="%s"'):format(METADATA), text)
    end
  end)

  it("asks on every way in: POST, GET, DELETE, with a session or without (HL-04)", function()
    for _, text in ipairs {
      support.request("POST", nil, support.initialize_body(1)),
      support.legacy("x", support.legacy_body(1, "tools/list")),
      support.legacy("x", '{"jsonrpc":"2.0","method":"notifications/initialized"}'),
      support.legacy("x", '{"jsonrpc":"2.0","id":1,"result":{}}'),
      support.legacy("x", '[{"jsonrpc":"2.0","id":1,"method":"ping"}]'),
      support.request("POST", nil, "no JSON"),
      support.request("GET"), support.request("GET", { ["Mcp-Session-Id"] = "x" }),
      support.request("DELETE", { ["Mcp-Session-Id"] = "x" }), support.request("PUT"),
      support.request("GET", { Accept = "text/html" }),
    } do
      assert.equal(401, ask(text).status, text)
    end
    local bad = bearer(token { exp = 1 })
    for _, text in ipairs {
      support.request("POST", bad, support.initialize_body(1)),
      support.legacy("x", support.legacy_body(1, "tools/list"), bad),
      support.legacy("x", '{"jsonrpc":"2.0","method":"notifications/initialized"}', bad),
      support.legacy("x", '{"jsonrpc":"2.0","id":1,"result":{}}', bad),
      support.legacy("x", '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', bad),
      support.request("GET", bad), support.request("DELETE", bad),
    } do
      unauthorized(ask(text))
    end
  end)

  it("looks at Host and Origin first, and asks before it reads the body (5.1)", function()
    assert.equal(421, call("who", { Host = "evil.example" }).status)
    assert.equal(403, call("who", { Origin = "https://evil.example" }).status)
    assert.equal(403, call("who", bearer(nil, { Origin = "https://evil.example" })).status)
    assert.equal(404, ask(support.request("GET", nil, nil, "/other")).status)
    -- The body has not come yet.
    local client <close> = support.client(server)
    client:send(support.request("POST", { ["Content-Length"] = "1000000",
      ["Content-Type"] = "application/json" }))
    assert.equal(401, client:answer().status)
  end)

  it("lets a preflight pass without a token", function()
    assert.equal(204, ask(support.request("OPTIONS")).status)
  end)

  it("lets pages that may share read why they were refused (5.1)", function()
    local shared = support.http('security = { allowed_origins = { "https://app.example" } }',
      { script = SCRIPT, env = { "SPEC_JWKS=" .. path } })
    for _, fields in ipairs { {}, bearer(token { exp = 1 }), bearer(token { scope = "x" }) } do
      fields.Origin = "https://app.example"
      local answer = ask(support.call(1, "who", nil, fields), shared)
      assert.is_true(answer.status == 401 or answer.status == 403)
      assert.equal("https://app.example", answer.fields["access-control-allow-origin"])
      assert.matches("WWW%-Authenticate", answer.fields["access-control-expose-headers"])
      assert.equal(METADATA, challenge(answer).resource_metadata)
    end
    local answer = ask(support.request("OPTIONS", { Origin = "https://app.example",
      ["Access-Control-Request-Method"] = "POST",
      ["Access-Control-Request-Headers"] = "authorization" }), shared)
    assert.equal(204, answer.status)
    assert.equal("authorization", answer.fields["access-control-allow-headers"])
  end)

  it("refuses a token for another audience, issuer or time, of no or another key (SEC-70)",
    function()
      local pem, public = openssl.generate_key "RS256"
      local stranger = openssl.generate_key "ES256"
      local signed = jwt.to_base64url '{"alg":"HS256","kid":"one"}' .. "."
        .. jwt.to_base64url(core.encode { iss = ISSUER, sub = "ada", aud = RESOURCE,
          exp = os.time() + 300, scope = "mcp" })
      local none = jwt.to_base64url '{"alg":"none"}' .. signed:match "%..*" .. "."
      for _, given in ipairs {
        token { aud = "https://other.example/mcp" }, token { aud = RESOURCE .. "/" },
        token { aud = false }, token { aud = ISSUER },
        token { iss = "https://evil.example" }, token { iss = ISSUER .. "/" },
        token { iss = false },
        token { exp = os.time() - 60 }, token { exp = false }, token { nbf = os.time() + 120 },
        token { sub = false, client_id = false },
        token { cnf = { jkt = "x" } }, -- bound to a key that nobody has shown
        -- Claims and header fields that are not what they must be.
        token { scope = 7 }, token { scope = "mcp\tx" }, token { scope = 'mcp "x"' },
        token { scope = "mcp \xc3\xa4" }, token { scope = { mcp = true } },
        token { scope = value.array { "mcp", 7 } }, token { scope = value.array { "mcp x" } },
        token { scope = false, scp = "mcp\n" }, token { scope = true },
        token { sub = 7 }, token { sub = value.array { "ada" } }, token { client_id = {} },
        token { azp = true }, token { jti = 7 }, token { aud = 7 },
        token { aud = { a = RESOURCE } },
        token { iss = 7 }, token { exp = "soon" }, token { exp = 1e300 }, token { nbf = "x" },
        token { iat = {} }, token { cnf = 7 }, token { cnf = value.array {} },
        token(nil, { typ = 7 }), token(nil, { kid = 7 }),
        token(nil, { crit = value.array { "b64" } }),
        token(nil, nil, stranger), token(nil, { alg = "RS256" }, pem),
        none, none .. "x", signed .. "." .. jwt.to_base64url(openssl.hmac_sha256(JWK.x, signed)),
        signed .. "." .. jwt.to_base64url(openssl.hmac_sha256(core.encode(public), signed)),
        "opaque", "a.b.c", token() .. "x",
      } do
        unauthorized(call("who", { Authorization = "Bearer " .. given }))
      end
      -- What cannot be a token at all (RFC 6750 2.1) is said so, with the character and its place.
      for given, told in pairs { ["a b"] = "0x20 at position 2", ["5|abc"] = "'|' at position 2",
        ['"x"'] = "0x22 at position 1", ["\xc3\xa4"] = "0xc3 at position 1",
        ["=x"] = "'x' at position 2", ["a==b"] = "'b' at position 4", ["=="] = "'=' at position 1",
        ["a\tb"] = "0x09 at position 2" } do
        local answer = call("who", { Authorization = "Bearer " .. given })
        assert.equal(401, answer.status)
        assert.equal("The access token has a character that no bearer token has (RFC 6750 2.1): "
          .. told, (challenge(answer)).error_description)
      end
    end)

  it("answers a malformed request for authorization with 400 (5.1)", function()
    local client <close> = support.client(server)
    local text = support.call(1, "who", nil, bearer()):gsub("\r\n\r\n",
      "\r\nAuthorization: Bearer x\r\n\r\n", 1)
    local answer = client:ask(text)
    assert.equal(400, answer.status)
    assert.equal("invalid_request", challenge(answer).error)
    answer = call("who", { Authorization = "Bearer" })
    assert.equal(400, answer.status)
    assert.equal("invalid_request", challenge(answer).error)
    assert.equal(METADATA, challenge(answer).resource_metadata)
  end)

  it("takes no token from the query (SEC-70)", function()
    local body = support.call_body(1, "who")
    local fields = { ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "tools/call",
      ["Mcp-Name"] = "who" }
    for _, query in ipairs { "access_token=" .. token(), "a=b&access_token=" .. token(),
      "token=" .. token(), "access_token" } do
      local answer = ask(support.request("POST", fields, body, "/mcp?" .. query))
      assert.equal(401, answer.status)
      assert.is_nil(challenge(answer).error)
    end
    -- Twice is once too often, whichever is the good one (RFC 6750 2).
    fields.Authorization = "Bearer " .. token()
    for _, query in ipairs { "access_token=x", "a&access_token=", "access_token", "access_token&a" }
    do
      local answer = ask(support.request("POST", fields, body, "/mcp?" .. query))
      assert.equal(400, answer.status)
      assert.equal("invalid_request", challenge(answer).error)
    end
    assert.equal(200, ask(support.request("POST", fields, body, "/mcp?x_access_token=1")).status)
  end)

  describe("publishes what RFC 9728 wants", function()
    local EXPECTED = { resource = RESOURCE, authorization_servers = { ISSUER },
      scopes_supported = { "mcp", "files:read" }, bearer_methods_supported = { "header" },
      resource_name = "Spec" }

    it("at the path of the resource, of the listener, and at the root", function()
      for _, at in ipairs { "/api/mcp", "/mcp", "" } do
        local answer = ask(support.request("GET", { Accept = "*/*" }, nil,
          "/.well-known/oauth-protected-resource" .. at))
        assert.equal(200, answer.status)
        assert.equal("application/json", answer.fields["content-type"])
        assert.equal("*", answer.fields["access-control-allow-origin"])
        assert.matches("max%-age=%d+", answer.fields["cache-control"])
        assert.same(EXPECTED, helper.plain(answer.json))
      end
    end)

    it("to pages of any origin, and to nobody who calls us by another name", function()
      local target = "/.well-known/oauth-protected-resource"
      local fields = { Origin = "https://app.example" }
      assert.equal(200, ask(support.request("GET", fields, nil, target)).status)
      fields["Access-Control-Request-Method"] = "GET"
      fields["Access-Control-Request-Headers"] = "mcp-protocol-version"
      local answer = ask(support.request("OPTIONS", fields, nil, target))
      assert.equal(204, answer.status)
      assert.equal("*", answer.fields["access-control-allow-origin"])
      assert.matches("MCP%-Protocol%-Version", answer.fields["access-control-allow-headers"])
      assert.equal(421, ask(support.request("GET", { Host = "evil.example" }, nil, target)).status)
    end)

    it("and nothing else there", function()
      local target = "/.well-known/oauth-protected-resource"
      assert.equal(405, ask(support.request("POST", nil, "{}", target)).status)
      assert.equal(404, ask(support.request("GET", nil, nil, target .. "/other")).status)
      local client <close> = support.client(server)
      client.public = true
      client:send(support.request("HEAD", nil, nil, target))
      assert.equal(200, client:answer(true).status)
      -- Its connection goes on.
      assert.equal(200, client:ask(support.request("GET", nil, nil, target)).status)
      client.public = nil
      assert.equal(200, client:ask(support.call(1, "who", nil, bearer())).status)
    end)

    it("with the authorization server's own, for clients of 2025-03-26", function()
      local answer = ask(support.request("GET", nil, nil,
        "/.well-known/oauth-authorization-server"))
      assert.same({ issuer = ISSUER }, answer.json)
    end)
  end)

  describe("and scopes", function()
    local function insufficient(answer, scopes)
      assert.equal(403, answer.status)
      assert.same({ error = "insufficient_scope", scope = scopes, resource_metadata = METADATA,
        error_description = "The access token does not allow this" }, (challenge(answer)))
    end

    it("refuses a token that lacks what every request needs (403)", function()
      insufficient(call("who", bearer(token { scope = "other" })), "mcp")
      insufficient(call("who", bearer(token { scope = false })), "mcp")
      insufficient(ask(support.request("POST", bearer(token { scope = "MCP" }),
        support.initialize_body(1))), "mcp")
    end)

    it("names all that an operation takes, in one go", function()
      insufficient(call("read", bearer()), "mcp files:read")
      insufficient(call("both", bearer(token { scope = "mcp files:read" })),
        "mcp files:read files:write")
      assert.equal(200, call("read", bearer(token { scope = "mcp files:read" })).status)
    end)

    it("knows which include others", function()
      assert.equal(200, call("both", bearer(token { scope = "files mcp" })).status)
    end)

    it("reads scp as it reads scope", function()
      for _, scp in ipairs { "mcp files:read", value.array { "mcp", "files:read" } } do
        assert.equal(200, call("read", bearer(token { scope = false, scp = scp })).status)
      end
    end)

    it("looks before a stream begins, where a status can still be told", function()
      local answer = call("steps", bearer())
      insufficient(answer, "mcp files:read")
      assert.equal("application/json", answer.fields["content-type"])
      assert.equal("text/event-stream",
        call("steps", bearer(token { scope = "mcp files" })).fields["content-type"])
    end)

    it("says nothing of what is hidden", function()
      local answer = call("hidden", bearer())
      assert.equal(200, answer.status)
      assert.matches("Unknown tool", answer.json.error.message)
    end)

    it("holds for resources, templates, prompts, and completing their arguments", function()
      local function modern(method, params, name, given)
        return ask(support.request("POST", bearer(given, {
          ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = method, ["Mcp-Name"] = name,
        }), support.modern_body(1, method, params)))
      end
      local good = token { scope = "mcp files" }
      for _, case in ipairs {
        { "resources/read", { uri = "secret://one" }, "secret://one" },
        { "resources/read", { uri = "secret://two" }, "secret://two" },
        { "prompts/get", { name = "greet" }, "greet" },
        { "completion/complete", { ref = { type = "ref/resource", uri = "secret://{name}" },
          argument = { name = "name", value = "o" } } },
        { "completion/complete", { ref = { type = "ref/prompt", name = "greet" },
          argument = { name = "name", value = "o" } } },
      } do
        insufficient(modern(case[1], case[2], case[3]), "mcp files:read")
        assert.equal(200, modern(case[1], case[2], case[3], good).status)
      end
      assert.equal(200, modern("resources/read", { uri = "open://one" }, "open://one").status)
      assert.equal(200, modern("tools/list", {}).status)
    end)

    it("leaves out of a listen what one may not read (SEC-56)", function()
      local function listen(given)
        local client <close> = support.client(server)
        client:send(support.request("POST", bearer(given, {
          ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "subscriptions/listen" }),
          support.modern_body(1, "subscriptions/listen", { notifications = {
            resourceSubscriptions = { "secret://one", "open://one" } } })))
        assert.equal(200, client:head().status)
        return helper.plain(client:event().params.notifications.resourceSubscriptions)
      end
      assert.same({ "open://one" }, listen())
      assert.same({ "secret://one", "open://one" }, listen(token { scope = "mcp files" }))
    end)

    it("holds in sessions, too, and in batches, where there is one status for all", function()
      local client <close> = support.client(server)
      local answer = client:ask(support.request("POST", bearer(),
        support.initialize_body(1, "2025-03-26")))
      local sid = answer.fields["mcp-session-id"]
      local fields = bearer(nil, { ["MCP-Protocol-Version"] = "2025-03-26" })
      client:ask(support.legacy(sid, '{"jsonrpc":"2.0","method":"notifications/initialized"}',
        fields))
      local read = support.legacy_body(2, "tools/call", { name = "read", arguments = {} })
      insufficient(client:ask(support.legacy(sid, read, fields)), "mcp files:read")
      insufficient(client:ask(support.legacy(sid, support.legacy_body(3, "resources/subscribe",
        { uri = "secret://one" }), fields)), "mcp files:read")
      answer = client:ask(support.legacy(sid, "[" .. read .. ","
        .. support.legacy_body(4, "tools/call", { name = "who", arguments = {} }) .. "]", fields))
      assert.equal(200, answer.status)
      assert.is_nil(answer.fields["www-authenticate"])
      assert.equal("The access token does not allow this: it lacks the scope files:read",
        answer.json[1].error.message)
      assert.is_table(answer.json[2].result)
    end)
  end)

  describe("binds what outlives a request to who made it", function()
    local ada, eve

    before_each(function() ada, eve = token(), token { sub = "eve" } end)

    local function session(given)
      local answer = ask(support.request("POST", bearer(given), support.initialize_body(1)))
      local sid = assert(answer.fields["mcp-session-id"])
      assert.equal(202, ask(support.legacy(sid,
        '{"jsonrpc":"2.0","method":"notifications/initialized"}', bearer(given))).status)
      return sid
    end

    it("a session: another's is as one that never was (HL-58, SEC-40)", function()
      local sid = session(ada)
      local list = support.legacy_body(2, "tools/list")
      assert.equal(200, ask(support.legacy(sid, list, bearer(ada))).status)
      -- Another token of the same principal is as good.
      assert.equal(200, ask(support.legacy(sid, list, bearer(token()))).status)
      local unknown = ask(support.legacy("not-" .. sid, list, bearer(eve)))
      assert.equal(404, unknown.status)
      for _, given in ipairs { eve, token { client_id = "other" } } do
        local answer = ask(support.legacy(sid, list, bearer(given)))
        assert.equal(404, answer.status)
        assert.equal(unknown.body, answer.body)
        assert.equal(404, ask(support.legacy(sid,
          '{"jsonrpc":"2.0","method":"notifications/initialized"}', bearer(given))).status)
        assert.equal(404, ask(support.request("GET",
          bearer(given, { ["Mcp-Session-Id"] = sid }))).status)
        assert.equal(404, ask(support.request("GET",
          bearer(given, { ["Mcp-Session-Id"] = sid, ["Last-Event-ID"] = "x_1" }))).status)
        assert.equal(404, ask(support.request("DELETE",
          bearer(given, { ["Mcp-Session-Id"] = sid }))).status)
        -- An initialize with it is one without: it tells nothing either.
        local fresh = ask(support.request("POST", bearer(given, { ["Mcp-Session-Id"] = sid }),
          support.initialize_body(1)))
        assert.equal(200, fresh.status)
        assert.is_not_equal(sid, fresh.fields["mcp-session-id"])
      end
      -- The id alone is nothing (HL-58), and the session is undisturbed.
      assert.equal(401, ask(support.legacy(sid, list)).status)
      assert.equal(200, ask(support.legacy(sid, list, bearer(ada))).status)
    end)

    it("the stream of a session: its events go to nobody else (HL-43, SEC-41)", function()
      local sid = session(ada)
      local client = support.client(server)
      client:send(support.legacy(sid, assert(core.encode { jsonrpc = "2.0", id = 5,
        method = "tools/call", params = { name = "wait", arguments = {},
          _meta = { progressToken = 1 } } }), bearer(ada)))
      assert.equal(200, client:head().status)
      assert.equal("notifications/progress", client:event().method)
      local last = assert(client.last_id)
      client:close()
      local fields = { ["Mcp-Session-Id"] = sid, ["Last-Event-ID"] = last }
      assert.equal(404, ask(support.request("GET", bearer(eve, fields))).status)
      local other = session(eve)
      assert.equal(400, ask(support.request("GET", bearer(eve, { ["Mcp-Session-Id"] = other,
        ["Last-Event-ID"] = last }))).status)
      local again <close> = support.client(server)
      again:send(support.request("GET", bearer(ada, fields)))
      assert.equal(200, again:head().status)
      -- A cancellation by somebody else reaches nothing (SEC-44).
      assert.equal(202, ask(support.legacy(other, '{"jsonrpc":"2.0",'
        .. '"method":"notifications/cancelled","params":{"requestId":5}}', bearer(eve))).status)
      assert.equal(202, ask(support.legacy(sid, '{"jsonrpc":"2.0",'
        .. '"method":"notifications/cancelled","params":{"requestId":5}}', bearer(ada))).status)
    end)

    it("a requestState: brought by another it is none (SEC-50)", function()
      local function modern(given, params, more)
        return ask(support.request("POST", bearer(given, {
          ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "tools/call",
          ["Mcp-Name"] = "ask" }), assert(core.encode { jsonrpc = "2.0", id = 1,
            method = "tools/call", params = { name = "ask", arguments = {},
            requestState = params and params.requestState,
            inputResponses = params and params.inputResponses,
            _meta = helper.envelope { [helper.PREFIX .. "clientCapabilities"] =
              { elicitation = { form = {} } } } } }, more))).json
      end
      local first = modern(ada).result
      assert.equal("input_required", first.resultType)
      local key = next(first.inputRequests)
      local params = { requestState = first.requestState,
        inputResponses = { [key] = { action = "accept", content = { name = "Ada" } } } }
      assert.equal("Invalid or expired requestState", modern(eve, params).error.message)
      assert.equal("Invalid or expired requestState",
        modern(token { client_id = "other" }, params).error.message)
      assert.equal("Hello, Ada", modern(ada, params).result.content[1].text)
    end)

    it("a task: nobody else finds it (SEC-55)", function()
      local TASKS = "io.modelcontextprotocol/tasks"
      local function modern(given, method, params, name)
        params._meta = helper.envelope { [helper.PREFIX .. "clientCapabilities"] =
          { extensions = { [TASKS] = {} } } }
        return ask(support.request("POST", bearer(given, {
          ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = method, ["Mcp-Name"] = name,
        }), assert(core.encode { jsonrpc = "2.0", id = 1, method = method, params = params }))).json
      end
      local made = modern(ada, "tools/call", { name = "task", arguments = {} }, "task").result
      local id = assert(made.taskId)
      for _, method in ipairs { "tasks/get", "tasks/cancel" } do
        local unknown = modern(eve, method, { taskId = "x" }, "x").error
        assert.same(unknown, modern(eve, method, { taskId = id }, id).error)
      end
      assert.equal(id, modern(ada, "tasks/get", { taskId = id }, id).result.taskId)
    end)
  end)

  describe("over HTTP+SSE", function()
    local OPEN = { Accept = "text/event-stream" }

    -- Opens the stream of somebody; its client and the address for messages.
    local function open(given)
      local client = support.client(server)
      client:send(support.request("GET", bearer(given, OPEN)))
      assert.equal(200, client:head().status)
      local address = client:chunk():match "event: endpoint\ndata: ([^\n]+)\n"
      return client, assert(address)
    end

    local function message_of(client)
      while true do
        local data = client:chunk():match "event: message\ndata: ([^\n]+)\n"
        if data then return assert(core.decode(data)) end
      end
    end

    it("asks for a token at the GET", function()
      assert.equal(401, ask(support.request("GET", OPEN)).status)
      unauthorized(ask(support.request("GET", bearer(token { exp = 1 }, OPEN))))
    end)

    it("asks at each POST, and finds sessions for those only whose they are (HS-07, SEC-45)",
      function()
        local client <close>, address = open()
        local body = support.initialize_body(1, "2024-11-05")
        local function post(fields, to)
          return ask(support.request("POST", fields, body, to or address))
        end
        assert.equal(401, post(nil).status)
        unauthorized(post(bearer(token { exp = 1 })))
        local unknown = post(bearer(), "/mcp/message?session_id=AAAAAAAAAAAAAAAAAAAAAA")
        assert.equal(404, unknown.status)
        local foreign = post(bearer(token { sub = "eve" }))
        assert.equal(404, foreign.status)
        assert.equal(unknown.body, foreign.body)
        assert.equal(202, post(bearer()).status)
        assert.equal(1, message_of(client).id)
        -- Another token of the same principal is as good, and its scopes count.
        ask(support.request("POST", bearer(),
          '{"jsonrpc":"2.0","method":"notifications/initialized"}', address))
        local read = support.legacy_body(2, "tools/call", { name = "read", arguments = {} })
        assert.equal(202, ask(support.request("POST", bearer(), read, address)).status)
        assert.equal("The access token does not allow this: it lacks the scope files:read",
          message_of(client).error.message)
        assert.equal(202, ask(support.request("POST", bearer(token { scope = "mcp files" }), read,
          address)).status)
        assert.equal("read", message_of(client).result.content[1].text)
      end)
  end)

  describe("over WebSocket", function()
    local frames = require "spec.ws_frames"

    local function open_request(fields)
      local all = { Upgrade = "websocket", Connection = "Upgrade", Accept = "*/*",
        ["Sec-WebSocket-Version"] = "13", ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==",
        ["Sec-WebSocket-Protocol"] = "mcp" }
      for name, text in pairs(fields or {}) do all[name] = text end
      return support.request("GET", all)
    end

    it("asks for a token before the connection is upgraded", function()
      local answer = ask(open_request())
      assert.equal(401, answer.status)
      assert.equal(METADATA, challenge(answer).resource_metadata)
      unauthorized(ask(open_request(bearer(token { exp = 1 }))))
      assert.equal(403, ask(open_request(bearer(token { scope = "other" }))).status)
    end)

    it("knows who it was for all that follows", function()
      local client <close> = support.client(server)
      client:send(open_request(bearer()))
      assert.equal(101, client:head().status)
      local function request(id, method, params)
        client:send(frames.text(support.legacy_body(id, method, params)))
        local deadline = support.system.now() + support.LIMIT
        while true do
          local frame, following = frames.read(client.buffer)
          if frame then
            client.buffer = client.buffer:sub(following)
            local message = frame.op == frames.TEXT and assert(core.decode(frame.payload))
            if message and message.id == id then return message end
          else
            assert(client:more(deadline - support.system.now()))
          end
        end
      end
      request(1, "initialize", { protocolVersion = "2025-11-25", capabilities = {},
        clientInfo = { name = "spec", version = "1" } })
      client:send(frames.text '{"jsonrpc":"2.0","method":"notifications/initialized"}')
      local found = request(2, "tools/call", { name = "who", arguments = {} })
        .result.structuredContent
      assert.equal("ada", found.subject)
      assert.equal("nil", found.header)
      assert.equal("The access token does not allow this: it lacks the scope files:read",
        request(3, "tools/call", { name = "read", arguments = {} }).error.message)
    end)
  end)

  it("fetches keys from where they are (jwks as an address)", function()
    local raw_server = require "spec.raw_server"
    local jwks = require "mcp.auth.jwks"
    local asked = 0
    local there <close> = raw_server.start(function(_, connection)
      asked = asked + 1
      connection:json(200, { keys = { JWK } })
    end)
    local set = jwks.new(("http://127.0.0.1:%d/jwks"):format(there.port))
    for _ = 1, 3 do assert.equal("one", assert(set:find { kid = "one" })[1].kid) end
    assert.equal(1, asked)
  end)

  it("finds a key that is new, and does not look for each that is made up (SEC-70)", function()
    local other, jwk = openssl.generate_key "EdDSA"
    jwk.kid = "two"
    local given = token(nil, { alg = "EdDSA", kid = "two" }, other)
    unauthorized(call("who", bearer(given)))
    write_keys(path, JWK, jwk)
    -- It is let in as soon as the interval is over; each try before is refused.
    local deadline = support.system.now() + support.LIMIT
    local status
    repeat
      status = call("who", bearer(given)).status
      assert.is_true(status == 200 or status == 401)
    until status == 200 or support.system.now() > deadline
    assert.equal(200, status)
    assert.equal(200, call("who", bearer()).status)
  end)

  it("cannot check tokens without keys, and says that it is not the token's fault", function()
    local lost = support.http(nil, { script = SCRIPT, env = { "SPEC_JWKS=" .. path .. ".not" } })
    local answer = ask(support.call(1, "who", nil, bearer()), lost)
    assert.equal(503, answer.status)
    assert.is_nil(answer.fields["www-authenticate"])
    assert.equal(401, ask(support.call(1, "who"), lost).status)
  end)

  it("tells a token to nobody: at no level of the log, in no answer, to no handler", function()
    for _, level in ipairs { "error", "warning", "info", "debug", "wire" } do
      local told = support.http(nil, { script = SCRIPT,
        env = { "SPEC_JWKS=" .. path, "MCP_LOG=" .. level } })
      local secrets, answers = {}, {}
      local function try(given, text, target)
        secrets[#secrets + 1] = given
        local client <close> = support.client(told)
        client:send(target and support.request("GET", text, nil, target)
          or support.call(1, text, nil, { Authorization = "Bearer " .. given }))
        answers[#answers + 1] = client:answer()
      end
      try(token { jti = level }, "who")
      try(token { jti = level }, "fail")
      try(token { jti = level }, "read")
      try(token { exp = 1 }, "who")
      try(token { iss = "https://evil.example" }, "who")
      try(token(nil, { kid = "unknown" }), "who")
      try(token(nil, nil, (openssl.generate_key "ES256")), "who")
      try("opaque-" .. core.random_id(), "who")
      local lost = token { jti = "query" }
      try(lost, nil, "/mcp?access_token=" .. lost)
      try(lost, { Authorization = "Bearer " .. lost }, "/mcp?a=b&access_token=" .. lost)
      -- It has answered, so it has said all; what it said lies in the pipe.
      local said = told:told()
      if level == "wire" then assert.matches("%[hidden%]", said) end
      for i, secret in ipairs(secrets) do
        local signature = secret:match "[^.]+$"
        assert.is_nil(said:find(signature, 1, true), level .. " " .. i)
        for _, answer in ipairs(answers) do
          assert.is_nil(core.encode(answer, true):find(signature, 1, true))
        end
      end
    end
  end)
end)
