-- SPDX-License-Identifier: MIT
local auth = require "mcp.auth"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("mcp.auth.bearer", function()
  it("gives the field of a token, also without a request", function()
    local provider = mcp.auth.bearer "abc.DEF-1_2~3+/=="
    assert.same({ { "Authorization", "Bearer abc.DEF-1_2~3+/==" } }, provider:headers())
    assert.same({ { "Authorization", "Bearer abc.DEF-1_2~3+/==" } },
      provider:headers { url = "https://a.example/mcp", method = "POST" })
    -- They are headers of a transport as well.
    local transport <close> = mcp.streamable_http_client("http://127.0.0.1:1/mcp", -- luacheck: ignore
      { headers = provider:headers() })
  end)

  it("takes nothing that could end a field, and shows no token", function()
    for _, wrong in ipairs { "", "a\r\nEvil: 1", "a\n", "é", " secret", "secret ", "a\tb", "a\0",
      "\x7f", 7, {},
      ("x"):rep(8193) } do
      local ok, why = pcall(auth.bearer, wrong)
      assert.is_false(ok)
      assert.matches("mcp.auth.bearer: ", why, 1, true)
      if type(wrong) == "string" and #wrong > 1 then
        assert.is_nil(why:find(wrong, 1, true))
      end
    end
    assert.is_table(auth.bearer(("x"):rep(8192)))
    assert.equal("mcp.auth.bearer", tostring(auth.bearer "secret"))
  end)

  it("sends what the issuer gave, whatever RFC 6750 makes of it (RFC 6749 A.12)", function()
    for _, token in ipairs { "5|abc", "a b", "=a", "a=b", "{x}", '"q"', "a,b;c" } do
      assert.equal("Bearer " .. token, auth.bearer(token):headers()[1][2])
    end
  end)

  it("may be a function, which is asked each time", function()
    local count = 0
    local provider = auth.bearer(function()
      count = count + 1
      return "t" .. count
    end)
    assert.equal("Bearer t1", provider:headers()[1][2])
    assert.equal("Bearer t2", provider:headers()[1][2])
    assert.same({ nil, "no more", "ENONE" }, { auth.bearer(function()
      return nil, "no more", "ENONE"
    end):headers() })
    assert.equal("EAUTH", (select(3, auth.bearer(function() end):headers())))
    local none, why, code = auth.bearer(function() return "a\nb" end):headers()
    assert.is_nil(none)
    assert.matches("a character of the token is in no token: 0x0a at position 2", why, 1, true)
    assert.equal("EAUTH", code)
  end)

  it("shows 200 bytes of what the server says about it", function()
    local function refusal(description)
      return (select(2, auth.bearer "x":challenged { status = 401, url = "https://a.example/mcp",
        header = function(name)
          assert.equal("www-authenticate", name)
          return ('Bearer error="invalid_token", error_description="%s"'):format(description)
        end }))
    end
    local start = "https://a.example/mcp: the server refused the token (status 401): "
    assert.equal(start .. "it has expired", refusal "it has expired")
    assert.equal(start .. ("x"):rep(200), (refusal(("x"):rep(200))))
    assert.equal(start .. ("x"):rep(200) .. "...", (refusal(("x"):rep(201))))
  end)

  it("sends a refused token again only where there may be another", function()
    local facts = { status = 401, url = "https://a.example/mcp" }
    local again, why, code = auth.bearer "x":challenged(facts)
    assert.is_nil(again)
    assert.equal("https://a.example/mcp: the server refused the token (status 401)", why)
    assert.equal("EHTTP401", code)
    local provider = auth.bearer(function() return "x" end)
    facts.memory = {}
    assert.is_true(provider:challenged(facts))
    -- Once for each request.
    assert.is_nil(provider:challenged(facts))
    facts.memory = {}
    assert.is_true(provider:challenged(facts))
    facts.status = 403
    assert.equal("EHTTP403", (select(3, auth.bearer(function() return "x" end):challenged(facts))))
  end)

  it("says once where others can read it on the way", function()
    for url, warns in pairs { ["http://a.example/mcp"] = true, ["https://a.example/mcp"] = false,
      ["http://127.0.0.1:8000/mcp"] = false, ["http://localhost/mcp"] = false,
      ["http://[::1]/mcp"] = false, ["unix:/run/x.sock"] = false, ["http://10.0.0.1/"] = true } do
      local provider = auth.bearer "secret"
      local log = helper.logged(function()
        provider:headers { url = url }
        provider:headers { url = url }
      end)
      assert.equal(warns, log ~= "", url)
      assert.is_nil(log:find("secret", 1, true))
      local _, count = log:gsub("use https", "")
      assert.equal(warns and 1 or 0, count)
    end
  end)
end)

describe("mcp.auth", function()
  it("loads what fetches tokens when it is asked for", function()
    for _, name in ipairs { "oauth", "client_credentials", "enterprise", "workload", "jwt" } do
      assert.is_function(mcp.auth[name], name)
    end
    assert.is_nil(mcp.auth.nothing)
  end)
end)
