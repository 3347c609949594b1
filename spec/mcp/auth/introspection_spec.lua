-- SPDX-License-Identifier: MIT
-- introspection_spec.lua: lua/mcp/auth/server/introspection.lua: tokens that the authorization
-- server is asked about (RFC 7662).
local core = require "mcp.core"
local helper = require "spec.helper"
local introspection = require "mcp.auth.server.introspection"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"
local url = require "mcp.url"
local value = require "mcp.value"

local RESOURCE = "https://mcp.example/mcp"
local REQUEST = { resource = RESOURCE, scheme = "bearer" }

local function active(more)
  local claims = { active = true, sub = "ada", client_id = "c", scope = "a b", aud = RESOURCE,
    iss = "https://as.example", exp = os.time() + 100, token_type = "Bearer" }
  for name, member in pairs(more or {}) do claims[name] = member or nil end
  return claims
end

-- A verifier whose endpoint is a function: of a form it gives status and body.
local function with(answer, options)
  local asked = {}
  local all = { url = "https://as.example/introspect", client_id = "rs:1", client_secret = "p w",
    fetch = function(address, request)
      asked[#asked + 1] = { address = address, request = request }
      local status, body, code = answer(request.form, #asked)
      if not status then return nil, body, code end
      return { status = status, body = type(body) == "table" and core.encode(body) or body }
    end }
  for name, given in pairs(options or {}) do all[name] = given end
  if all.token then all.client_id, all.client_secret = nil, nil end
  return mcp.auth.introspection(all), asked
end

local function run(fn)
  local done, result = false, nil
  core.spawn(function() result = table.pack(fn()) done = true end)
  helper.wait_until(function() return done end)
  return table.unpack(result, 1, result.n)
end

local function ask(check, token, request)
  local found, why, code
  helper.logged(function()
    found, why, code = run(function() return check(token or "t", request or REQUEST) end)
  end)
  return found, why, code
end

describe("mcp.auth.introspection", function()
  after_each(helper.leftovers)

  it("asks as RFC 7662 2.1 has it, and reads who it is", function()
    local check, asked = with(function() return 200, active { colour = "red" } end)
    local found = ask(check, "5|abc")
    assert.equal("ada", found.subject)
    assert.equal("c", found.client)
    assert.equal("https://as.example", found.issuer)
    assert.equal("a b", found.scopes)
    assert.equal("red", found.claims.colour)
    local request = asked[1].request
    assert.equal("https://as.example/introspect", asked[1].address)
    assert.same({ token = "5|abc", token_type_hint = "access_token" }, request.form)
    -- Form-encoded before Base64 (RFC 6749 2.3.1).
    assert.equal("Basic " .. core.base64 "rs%3A1:p%20w", request.headers[2][2])
    assert.equal(0, request.redirects)
    assert.equal("mcp.auth.introspection (https://as.example/introspect)", tostring(check))
  end)

  it("says who we are by the form, or by a token of ours", function()
    local check, asked = with(function() return 200, active() end,
      { method = "client_secret_post" })
    assert(ask(check))
    assert.equal("rs:1", asked[1].request.form.client_id)
    assert.equal("p w", asked[1].request.form.client_secret)
    check, asked = with(function() return 200, active() end, { token = "mine" })
    assert(ask(check))
    assert.equal("Bearer mine", asked[1].request.headers[2][2])
    check, asked = with(function() return 200, active() end,
      { token = function() return "made" end })
    assert(ask(check))
    assert.equal("Bearer made", asked[1].request.headers[2][2])
    check = with(function() return 200, active() end,
      { token = function() return nil, "none left" end })
    assert.equal("EUNREACHABLE", (select(3, ask(check))))
  end)

  it("takes nothing but active = true", function()
    for i, body in ipairs { { active = false }, { active = false, sub = "ada" } } do
      local found, why, code = ask((with(function() return 200, body end)))
      assert.is_nil(found, i)
      assert.equal("the token is not active", why)
      assert.is_nil(code)
    end
    -- What is no answer tells nothing: to come back later is all that can be said.
    for i, body in ipairs { "", "{", "[]", "5", "{}", '{"active":"true"}', '{"active":1}',
      '{"active":null}', '[{"active":true}]', "<html>" } do
      local found, _, code = ask((with(function() return 200, body end)))
      assert.is_nil(found, i)
      assert.equal("EUNREACHABLE", code, i)
    end
  end)

  it("fails closed where the endpoint does", function()
    for _, answer in ipairs { { 500, "{}" }, { 401, active() }, { 404, active() },
      { 302, active() },
      { 204, "" }, { nil, "timed out", "ETIMEDOUT" } } do
      local found, _, code = ask((with(function() return table.unpack(answer, 1, 3) end)))
      assert.is_nil(found)
      assert.equal("EUNREACHABLE", code)
    end
    local found, _, code = ask((with(function() error "broken" end)))
    assert.is_nil(found)
    assert.equal("EUNREACHABLE", code)
  end)

  it("looks at times, audience and issuer", function()
    for name, more in pairs {
      expired = { exp = os.time() - 60 }, early = { nbf = os.time() + 90 },
      ["of the future"] = { iat = os.time() + 90 }, ["no time"] = { exp = "soon" },
      ["another audience"] = { aud = "https://other.example" }, ["no audience"] = { aud = false },
      ["an audience that is none"] = { aud = 7 }, ["a list of others"] = {
        aud = value.array { "a", "b" } },
      ["another issuer"] = { iss = "https://evil.example" },
      ["nobody"] = { sub = false, client_id = false },
      ["a malformed scope"] = { scope = "a\tb" }, ["a malformed sub"] = { sub = 7 },
      ["a key"] = { cnf = { jkt = "x" } }, ["another key"] = { cnf = { ["x5t#S256"] = "x" } },
    } do
      local check = with(function() return 200, active(more) end,
        { issuer = "https://as.example" })
      local found, why, code = ask(check)
      assert.is_nil(found, name)
      assert.is_string(why)
      assert.is_nil(code)
    end
    -- What may be.
    for _, more in ipairs { { exp = false }, { iss = false }, { scope = false },
      { aud = value.array { "x", RESOURCE } } } do
      local check = with(function() return 200, active(more) end,
        { issuer = "https://as.example" })
      assert.equal("https://as.example", ask(check).issuer)
    end
    assert(ask((with(function() return 200, active { aud = false } end, { audience = false }))))
    assert(ask((with(function() return 200, active { aud = "me" } end,
      { audience = { "me", "too" } }))))
    -- A key is proved by DPoP.
    local check = with(function() return 200, active { cnf = { jkt = "x" } } end)
    assert.equal("x", ask(check, "t", { resource = RESOURCE, scheme = "dpop" }).bound_to)
  end)

  it("keeps answers for a while: ttl, and no longer than the token lives", function()
    local check, asked = with(function(form)
      return 200, form.token == "bad" and { active = false } or active()
    end, { ttl = 0.2 })
    for _ = 1, 5 do
      assert(ask(check))
      assert.is_nil((ask(check, "bad")))
    end
    assert.equal(2, #asked)
    run(function() return core.sleep(0.25) end)
    assert(ask(check))
    assert.equal(3, #asked)
    check, asked = with(function() return 200, active() end, { ttl = 0 })
    assert(ask(check))
    assert(ask(check))
    assert.equal(2, #asked)
    -- One whose token ends now is not kept.
    check, asked = with(function() return 200, active { exp = os.time() } end)
    ask(check)
    ask(check)
    assert.equal(2, #asked)
  end)

  it("keeps no more bytes than it may, and nothing that it could not know", function()
    local check = with(function() return 200, active { pad = ("x"):rep(1000) } end,
      { cache = 20000 })
    for i = 1, 50 do
      assert(ask(check, "t" .. i))
      assert.is_true(check.held <= 20000)
    end
    local sum = 0
    for _, kept in pairs(check.kept) do sum = sum + kept.size end
    assert.equal(check.held, sum)
    local asked
    check, asked = with(function(_, nth)
      if nth == 1 then return 503, "" end
      return 200, active()
    end)
    assert.equal("EUNREACHABLE", (select(3, ask(check))))
    assert.equal("ada", ask(check).subject)
    assert.equal(2, #asked)
  end)

  it("counts an answer that replaces an older one in its place", function()
    local check = with(function() return 200, active { pad = ("x"):rep(1000) } end, { ttl = 0.01 })
    assert(ask(check, "same"))
    local held = check.held
    for _ = 1, 5 do
      core.sleep(0.02)
      assert(ask(check, "same"))
      assert.equal(held, check.held)
    end
  end)

  it("asks once for those that come at once, and not about too many", function()
    local waiters = {}
    local check, asked = with(function()
      local waiter = core.waiter()
      waiters[#waiters + 1] = waiter
      waiter:wait()
      return 200, active()
    end)
    local got = {}
    for i = 1, 5 do
      core.spawn(function() got[i] = check("same", REQUEST) end)
    end
    helper.settle()
    assert.equal(1, #asked)
    for i = 2, introspection.ASKING do core.spawn(function() check("other" .. i, REQUEST) end) end
    helper.settle()
    local none, text, code = run(function() return check("one more", REQUEST) end)
    assert.is_nil(none)
    assert.is_truthy(text:find("too many", 1, true), text)
    assert.equal("EUNREACHABLE", code)
    assert.equal(introspection.ASKING, #waiters)
    for _, waiter in ipairs(waiters) do waiter:wake() end
    helper.wait_until(function() return core.task_count() == 0 end)
    for i = 1, 5 do assert.equal("ada", got[i].subject) end
    assert.equal(0, check.asking)
    assert.is_nil(next(check.flights))
  end)

  it("goes over HTTP, and guards a server", function()
    local server <close> = raw_server.start(function(request, c)
      local form = url.parse_form(request.body)
      c:json(200, form.token == "good" and active() or { active = false })
    end)
    local guard = mcp.server { name = "spec", auth = { resource = RESOURCE,
      verify = mcp.auth.introspection { url = server.url, issuer = "https://as.example",
        client_id = "rs", client_secret = "s" } } }.auth
    local function status(text)
      local x = { set = {} }
      function x:header(name) -- luacheck: ignore
        if name == "authorization" then return "Bearer " .. text end
        return nil
      end
      local found, err
      helper.logged(function()
        found, err = run(function() return guard:check(x, "request") end)
      end)
      return found and found.subject or err.status
    end
    assert.equal("ada", status "good")
    assert.equal(401, status "bad")
    assert.equal("application/x-www-form-urlencoded", server.requests[1].fields["content-type"])
    assert.same({ "https://as.example" }, guard.own.authorization_servers)
    server:close()
    assert.equal("ada", status "good")
    assert.equal(503, status "new")
  end)

  it("has options that are checked", function()
    local good = { url = "https://a.example/i", client_id = "a", client_secret = "b" }
    for text, changes in pairs {
      ["url is missing"] = { url = false }, ["https expected"] = { url = "http://a.example/i" },
      ["both or none"] = { client_secret = false }, ["the endpoint asks for one"] = { token = "t" },
      ["client_secret_post"] = { method = "none" }, ["ttl: expected a number"] = { ttl = -1 },
      ["a string, a list or false"] = { audience = true }, ["url"] = { ulr = "x" },
      ["timeout: expected a number"] = { timeout = 0 },
      ['"cache": expected a number'] = { cache = "x" },
    } do
      local options = {}
      for name, given in pairs(good) do options[name] = given end
      for name, given in pairs(changes) do options[name] = given or nil end
      assert.error_matches(function() mcp.auth.introspection(options) end, text)
    end
    assert.error_matches(function() mcp.auth.introspection() end, "a table of options")
    -- A server that cannot say who issues its tokens says so.
    assert.error_matches(function()
      mcp.server { name = "x", auth = { verify = mcp.auth.introspection(good) } }
    end, "authorization_servers")
  end)
end)
