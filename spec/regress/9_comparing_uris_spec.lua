-- SPDX-License-Identifier: MIT
-- Clients send the normal form of an address, or what they were given. Both are one resource
-- (RFC 3986 6.2.2, 6.2.3), wherever addresses are compared; shown is what was written.
local helper = require "spec.helper"
local mcp = require "mcp"

-- As registered, and what else means it.
local SAME = {
  ["Config://App"] = { "config://app", "config://App", "CONFIG://APP", "config://app/" },
  ["http://EXAMPLE.com:80"] = { "http://example.com/", "http://example.com", "HTTP://example.com:/",
    "http://Example.com:80/" },
  ["https://example.com:443/a"] = { "https://example.com/a", "https://EXAMPLE.com/%61" },
  ["note:///a/./b/../c%7e"] = { "note:///a/c~", "NOTE:///a/c%7E", "note:///a/x/../c~" },
  ["docs://h/caf%c3%a9?q=%c3%a9"] = { "docs://h/caf%C3%A9?q=%C3%A9" },
}
local OTHER = { "config://app/x", "config://ap", "http://example.com:81/", "https://example.com/A",
  "note:///a/b/c~", "docs://h/caf%C3%A9?Q=%C3%A9", "docs://h/caf%25C3%A9?q=%C3%A9" }

describe("comparing URIs", function()
  local app
  before_each(function()
    app = mcp.server "spec"
    for address in pairs(SAME) do
      app:resource(address) (function(_, ctx) return ctx.uri end)
    end
  end)
  after_each(helper.leftovers)

  for _, revision in ipairs { "2024-11-05", "2025-11-25", "2026-07-28" } do
    describe("with a client of " .. revision, function()
      local peer
      local function ask(method, params)
        return (peer.era and peer.modern or peer.request)(peer, method, params)
      end
      before_each(function() peer = helper.open(app, revision) end)

      it("read: any spelling, and the answer names the one that was sent", function()
        for address, others in pairs(SAME) do
          for _, spelling in ipairs { address, table.unpack(others) } do
            local response = ask("resources/read", { uri = spelling })
            assert.is_table(response.result, spelling)
            assert.equal(spelling, response.result.contents[1].uri)
            assert.equal(spelling, response.result.contents[1].text)
          end
        end
        for _, address in ipairs(OTHER) do
          assert.is_table(ask("resources/read", { uri = address }).error, address)
        end
      end)

      it("lists show what was written", function()
        for _, one in ipairs(ask("resources/list").result.resources) do
          assert.is_table(SAME[one.uri], one.uri)
        end
      end)

      it("templates: literals in any spelling, values as they were sent", function()
        app:resource "KBInfo://{p}" (function(vars) return vars.p end)
        app:resource "API://Example.COM:8080/v%31/{id}{?q}" (function(vars)
          return vars.id .. tostring(vars.q)
        end)
        app:resource "http://{sub}.Example.com:80/{+path}" (function(vars)
          return vars.sub .. " " .. vars.path
        end)
        for address, wanted in pairs {
          ["KBInfo://Doc1"] = "Doc1", ["kbinfo://Doc1"] = "Doc1", ["kbinfo://doc1"] = "doc1",
          ["kbinfo://Doc1/"] = "Doc1", ["KBINFO://a%2fB"] = "a/B",
          ["api://example.com:8080/v1/Ab?q=C"] = "AbC",
          ["API://EXAMPLE.com:8080/%76%31/x"] = "xnil",
          ["http://www.example.com/A/b"] = "www A/b", ["HTTP://WWW.EXAMPLE.COM:80/A"] = "www A",
          ["http://Www.example.com/x/../Y"] = "Www Y",
        } do
          local response = ask("resources/read", { uri = address })
          assert.is_table(response.result, address)
          assert.equal(wanted, response.result.contents[1].text, address)
        end
        for _, address in ipairs { "kbinfo://a/b", "api://example.com/v1/x", "kbinfos://a",
          "api://example.com:8080/V1/x" } do
          assert.is_table(ask("resources/read", { uri = address }).error, address)
        end
      end)

      it("completion: a template, whichever way its reference is spelt", function()
        app:resource "KBInfo://{p}/Parts" { complete = { p = { "one" } } } (function() end)
        for _, address in ipairs { "KBInfo://{p}/Parts", "kbinfo://{p}/Parts",
          "kbinfo://%7Bp%7D/Parts", "KBINFO://%7bp%7d/%50arts" } do
          local response = ask("completion/complete", { ref = { type = "ref/resource",
            uri = address }, argument = { name = "p", value = "o" } })
          assert.is_table(response.result, address)
          assert.same({ "one" }, helper.plain(response.result.completion.values))
        end
        assert.is_table(ask("completion/complete", { ref = { type = "ref/resource",
          uri = "kbinfo://{P}/Parts" }, argument = { name = "p", value = "o" } }).error)
        -- A resource without variables has nothing to complete, but is there.
        assert.matches("unknown argument", ask("completion/complete", { ref = {
          type = "ref/resource", uri = "config://app/" }, argument = { name = "p", value = "" } })
          .error.message, 1, true)
      end)
    end)
  end

  it("subscriptions: told in the spelling that the client chose, ended by any", function()
    local peer = helper.open(app)
    for _, spelling in ipairs { "config://app", "CONFIG://App/" } do
      assert.is_table(peer:request("resources/subscribe", { uri = spelling }).result)
      for _, changed in ipairs { "Config://App", "config://APP", "config://app/" } do
        app:resource_updated(changed)
        assert.equal(spelling, peer:receive().params.uri)
        peer:silent()
      end
      -- In one turn it is one change.
      app:resource_updated "Config://App"
      app:resource_updated "config://app"
      assert.equal(spelling, peer:receive().params.uri)
      peer:silent()
    end
    peer:request("resources/unsubscribe", { uri = "config://aPP" })
    app:resource_updated "config://app"
    peer:silent()
  end)

  it("one spelling more is not one subscription more", function()
    app = mcp.server { name = "spec", subscriptions = { max_uris = 1 } }
    app:resource "Config://App" (function() return "x" end)
    app:resource "config://other" (function() return "x" end)
    local peer = helper.open(app)
    for _, spelling in ipairs { "config://app", "Config://App", "config://app/" } do
      assert.is_table(peer:request("resources/subscribe", { uri = spelling }).result)
    end
    assert.is_table(peer:request("resources/subscribe", { uri = "config://other" }).error)
  end)

  it("listens: the same", function()
    local peer = helper.open(app, "2026-07-28")
    peer:send { jsonrpc = "2.0", id = 1, method = "subscriptions/listen", params = {
      notifications = { resourceSubscriptions = { "CONFIG://app", "http://example.com" } },
      _meta = helper.envelope() } }
    assert.same({ "CONFIG://app", "http://example.com" },
      helper.plain(peer:receive().params.notifications.resourceSubscriptions))
    app:resource_updated "http://example.com:80/"
    assert.equal("http://example.com", peer:receive().params.uri)
    app:resource_updated "config://app"
    assert.equal("CONFIG://app", peer:receive().params.uri)
    peer:silent()
  end)

  it("registered twice is refused whichever way it is spelt, and removed by any", function()
    for address, others in pairs(SAME) do
      for _, spelling in ipairs { address, table.unpack(others) } do
        local ok, err = pcall(function() app:resource(spelling) (function() end) end)
        assert.is_false(ok, spelling)
        assert.matches("is registered already, at spec/regress/9_comparing_uris_spec.lua:", err, 1,
          true)
        if spelling ~= address then assert.matches(("as %q"):format(address), err, 1, true) end
      end
    end
    app:resource "KBInfo://{p}" (function() end)
    assert.is_false(pcall(function() app:resource "kbinfo://{p}" (function() end) end))
    assert.is_true(app:remove("resource", "kbinfo://{p}/"))
    assert.is_true(app:remove("resource", "config://app"))
    assert.is_false(app:remove("resource", "Config://App"))
    assert.is_false(app:remove("resource", "config://nosuch"))
  end)

  it("a question is answered by whoever repeats the call in another spelling", function()
    app:resource "ask://Me" (function(_, ctx)
      local content = ctx:elicit("x", { name = "string?" })
      return content and "done" or "no"
    end)
    local peer = helper.open(app, "2026-07-28")
    local meta = { [helper.PREFIX .. "clientCapabilities"] = { elicitation = {} } }
    local first = peer:modern("resources/read", { uri = "ask://Me" }, meta).result
    local response = peer:modern("resources/read", { uri = "ask://me/",
      requestState = first.requestState,
      inputResponses = { input_1 = { action = "accept", content = {} } } }, meta)
    assert.equal("done", response.result.contents[1].text)
  end)

  it("in our client: functions of a resource, what is acknowledged, what is cached", function()
    for _, era in ipairs { "legacy", "modern" } do
      local client <close> = assert(mcp.connect(app, { era = era }))
      local told = {}
      assert(client:subscribe("config://app", function(address) told[#told + 1] = address end))
      app:resource_updated "Config://App"
      helper.wait_until(function() return told[1] end, "the notice")
      assert.same({ "config://app" }, told)
    end
    local cache = require("mcp.client.cache").new()
    local place = { server = "s", principal = "p" }
    cache:put(place, "resources/read", "Config://App", { ttlMs = 5000.0 }, cache.generation)
    assert.is_table(cache:get(place, "resources/read", "Config://App"))
    cache:drop(place, "resources/read", "config://app/")
    assert.is_nil(cache:get(place, "resources/read", "Config://App"))
  end)
end)
