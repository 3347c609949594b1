-- SPDX-License-Identifier: MIT
-- scope_spec.lua: lua/mcp/server/feature/scope.lua: which entry a request is about, and which
-- scopes its caller lacks. What a refusal is over HTTP is in spec/transport/http_auth_spec.lua.
local helper = require "spec.helper"
local mcp = require "mcp"
local principal = require "mcp.auth.server.principal"
local scope = require "mcp.server.feature.scope"

describe("scopes of an entry", function()
  local app, x, asked

  before_each(function()
    app, asked = mcp.server "spec", {}
    local needs = { scopes = { "read", "write" } }
    app:tool "open" (function() end)
    app:prompt "open" (function() return "" end)
    app:resource "r://open" (function() return "" end)
    -- Entries with scopes need authorization: a stand-in, whose refusal says what was lacking.
    app.auth = { of = {}, scopes = { "mcp", "read" }, insufficient = function(_, all, found)
      asked[#asked + 1] = { all, found }
      return { status = 403, message = "lacks " .. table.concat(all, " ") }
    end }
    app:tool "t" (needs)(function() end)
    app:prompt "p" (needs)(function() return "" end)
    app:resource "r://a" (needs)(function() return "" end)
    app:resource "r://a/{id}" (needs)(function() return "" end)
    app:tool "hidden" { scopes = needs.scopes, visible = function() return false end }
      (function() end)
    app.scoped = 5
    x = { transport = function() return "http" end }
  end)

  -- The message of the refusal, or nil, for a caller with these scopes.
  local function refused(method, params, scopes)
    local ctx = {}
    app.auth.of[x] = scopes and principal.new { subject = "ada", scopes = scopes } or nil
    local err
    local log = helper.logged(function() err = scope.admit(app, ctx, x, method, params) end)
    assert.equal(app.auth.of[x], ctx.auth)
    assert.equal(err and ("info: http: request refused with 403: %s: %s (the option scopes of the "
      .. "entry decides)"):format(method, err.message) or "", log)
    return err and err.message
  end

  local ABOUT = {
    { "tools/call", { name = "t" } }, { "prompts/get", { name = "p" } },
    { "resources/read", { uri = "r://a" } }, { "resources/read", { uri = "r://a/5" } },
    { "resources/subscribe", { uri = "r://a" } },
    { "completion/complete", { ref = { type = "ref/prompt", name = "p" } } },
    { "completion/complete", { ref = { type = "ref/resource", uri = "r://a/{id}" } } },
    { "completion/complete", { ref = { type = "ref/resource", uri = "r://a" } } },
  }

  it("are all needed, and the refusal names those of the server first, each once", function()
    for _, about in ipairs(ABOUT) do
      local method, params = about[1], about[2]
      for _, scopes in ipairs { {}, { "read" }, { "write" }, { "mcp" } } do
        assert.equal("lacks mcp read write", refused(method, params, scopes), method)
      end
      assert.equal(app.auth.of[x], asked[#asked][2])
      assert.is_nil(refused(method, params, { "write", "read" }))
    end
    assert.equal(4 * #ABOUT, #asked)
  end)

  it("are not needed for what has none, is hidden, or does not exist", function()
    for _, about in ipairs {
      { "tools/call", { name = "open" } }, { "tools/call", { name = "hidden" } },
      { "tools/call", { name = "no" } }, { "tools/call", {} }, { "tools/list", {} },
      { "prompts/get", { name = "open" } }, { "prompts/get", { name = "t" } },
      { "resources/read", { uri = "r://open" } }, { "resources/read", { uri = 5 } },
      { "resources/read", {} }, { "no/method", { name = "t" } }, { "ping", {} },
      { "completion/complete", {} }, { "completion/complete", { ref = "p" } },
      { "completion/complete", { ref = { type = "ref/prompt", name = "open" } } },
      { "completion/complete", { ref = { type = "ref/resource", uri = 5 } } },
      { "completion/complete", { ref = { type = "ref/resource", uri = "r://no" } } },
    } do
      assert.is_nil(refused(about[1], about[2], {}), about[1])
    end
    assert.same({}, asked)
  end)

  it("are looked at only where an entry has some, and a caller is known", function()
    assert.is_nil(refused("tools/call", { name = "t" }, nil))
    app.scoped = 0
    assert.is_nil(refused("tools/call", { name = "t" }, {}))
    assert.same({}, asked)
  end)
end)
