-- SPDX-License-Identifier: MIT
-- handshake_spec.lua: lua/mcp/client/handshake.lua: which era a server speaks, and what is said to
-- one that answers strangely (protocol 3.7, 3.8).
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local scripted = require "spec.scripted"
local value = require "mcp.value"

local MODERN, LEGACY = "2026-07-28", "2025-11-25"

-- A client of a script, and what came of its handshake.
local function try(script, options)
  local transport = scripted.transport(script)
  local client = scripted.keep(mcp.session(transport, options))
  local ok, text, code, data = client:initialize()
  return { client = client, ok = ok, text = text, code = code, data = data,
    transport = transport, far = transport.far }
end

local function methods_of(far)
  local out = {}
  for i, message in ipairs(far.got) do out[i] = message.method end
  return table.concat(out, " ")
end

-- Answers by method: a function, or what is sent in place of the answer.
local function by_method(answers)
  return function(far, message)
    local answer = answers[message.method]
    if answer then answer(far, message) end
  end
end

local function refuse(code, data)
  return function(far, message) far:error(message.id, code, "no", data) end
end

local function initialized(revision)
  return function(far, message) far:result(message.id, scripted.initialization(revision)) end
end

describe("the handshake of a duplex client", function()
  after_each(scripted.leftovers)

  it("looks first, in full envelope, and needs nothing else (IO-66)", function()
    local got = try(scripted.modern(nil, { instructions = "Be kind." }),
      { client = { name = "spec", version = "9" } })
    assert.is_truthy(got.ok)
    assert.equal("server/discover", methods_of(got.far))
    assert.same({ [helper.PREFIX .. "protocolVersion"] = MODERN,
      [helper.PREFIX .. "clientCapabilities"] = {},
      [helper.PREFIX .. "clientInfo"] = { name = "spec", version = "9" } },
      helper.plain(got.far.got[1].params._meta))
    local client = got.client
    assert.equal("modern", client.era)
    assert.equal(MODERN, client.revision)
    assert.equal("scripted", client.server.name)
    assert.equal("Be kind.", client.instructions)
    assert.same({ MODERN }, helper.plain(client.supported))
    assert.equal("mcp.client (scripted, 2026-07-28)", tostring(client))
  end)

  it("falls back to initialize on the same connection after any other error (IO-67)", function()
    for _, code in ipairs { -32601, -32600, -32602, -32603, -32700, -32000, -32001, -32020, -32021,
      1 } do
      local got = try(by_method { ["server/discover"] = refuse(code),
        initialize = initialized(LEGACY) })
      assert.is_truthy(got.ok, code)
      helper.wait_until(function() return #got.far.got == 3 end)
      assert.equal("server/discover initialize notifications/initialized", methods_of(got.far))
      assert.equal("legacy", got.client.era)
      assert.equal(1, #got.transport.fars)
    end
  end)

  it("falls back where what comes is no discovery", function()
    for _, result in ipairs { {}, { supportedVersions = "all" }, { supportedVersions = {} },
      { ok = true } } do
      local got = try(by_method { initialize = initialized(LEGACY),
        ["server/discover"] = function(far, message) far:result(message.id, result) end })
      assert.equal("legacy", got.client.era)
    end
  end)

  it("chooses what both have, and says what each has where there is none (3.7)", function()
    local function listing(...)
      local list = value.array { ... }
      return by_method { initialize = initialized(LEGACY),
        ["server/discover"] = function(far, message)
          far:result(message.id, scripted.discovery { supportedVersions = list })
        end }
    end
    assert.equal(MODERN, try(listing("2099-01-01", LEGACY, MODERN)).client.revision)
    assert.equal(LEGACY, try(listing("2099-01-01", LEGACY)).client.revision)
    local got = try(listing("2099-01-01", 5))
    assert.is_nil(got.ok)
    assert.equal("EREVISION", got.code)
    assert.matches("the server supports 2099-01-01, 5, the client 2026-07-28", got.text, 1, true)
  end)

  it("takes -32022 for what it says: another revision, or an older server", function()
    local function refusing(data)
      return by_method { ["server/discover"] = refuse(-32022, data),
        initialize = initialized(LEGACY) }
    end
    assert.equal("legacy", try(refusing { supported = value.array { LEGACY } }).client.era)
    assert.equal("legacy", try(refusing(nil)).client.era)
    assert.equal("legacy", try(refusing { supported = "x" }).client.era)
    -- It names the one we asked with: asking again would go round in circles.
    assert.equal("legacy", try(refusing { supported = value.array { MODERN } }).client.era)
    assert.equal("EREVISION", try(refusing { supported = value.array { "2099-01-01" } }).code)
  end)

  it("does not go round with a server that names what it refuses, nor grows with it (SEC-29)",
    function()
      local asked = 0
      local function try_with(...)
        local list = value.array { ... }
        return try(by_method { initialize = refuse(-32022, { supported = list }),
          ["server/discover"] = function(far, message)
            asked = asked + 1
            far:error(message.id, -32022, "no", { supported = list, requested = "x" })
          end })
      end
      assert.is_nil(try_with(MODERN).ok)
      assert.is_true(asked <= 4, asked .. " times")
      assert.equal("EREVISION", try_with("1999-01-01").code)
      local many = {}
      for i = 1, 20000 do many[i] = ("1999-%d"):format(i) end
      local got = try(by_method { ["server/discover"] = refuse(-32022,
        { supported = value.array(many) }) })
      assert.equal("EREVISION", got.code)
      assert.is_true(#got.text < 400, #got.text .. " bytes")
      assert.matches("and 19990 more", got.text, 1, true)
    end)

  it("says nothing between initialize and its answer, then that it is ready (IO-40)", function()
    local client, before, refused
    local transport = scripted.transport(function(far, message)
      if message.method ~= "initialize" then return end
      core.spawn(function()
        -- Somebody else wants something meanwhile.
        core.spawn(function() refused = not pcall(client.call_tool, client, "t") end)
        core.sleep(0.02)
        before = methods_of(far)
        far:result(message.id, scripted.initialization(LEGACY))
      end)
    end)
    client = scripted.keep(mcp.session(transport, { revision = LEGACY }))
    assert(client:initialize())
    assert.equal("initialize", before)
    assert.is_true(refused)
    helper.wait_until(function() return #transport.far.got >= 2 end)
    assert.equal("notifications/initialized", transport.far.got[2].method)
  end)

  it("gives a silent server its time, then initializes; the late answer is dropped", function()
    local got = try(function(far, message)
      if message.method == "server/discover" then
        core.spawn(function()
          core.sleep(0.06)
          far:result(message.id, scripted.discovery())
        end)
      elseif message.method == "initialize" then
        core.spawn(function()
          core.sleep(0.08)
          far:result(message.id, scripted.initialization(LEGACY))
        end)
      end
    end, { probe_timeout = 0.03 })
    assert.equal("legacy", got.client.era)
    -- It may be one that cannot bear to hear of what it does not know.
    helper.wait_until(function() return #got.far.got == 3 end)
    assert.equal("server/discover initialize notifications/initialized", methods_of(got.far))
  end)

  it("looks once more where initialize is answered -32022: slow, not old", function()
    local asked = 0
    local got = try(by_method {
      initialize = refuse(-32022, { supported = value.array { MODERN } }),
      ["server/discover"] = function(far, message)
        asked = asked + 1
        if asked == 2 then far:result(message.id, scripted.discovery()) end
      end,
    }, { probe_timeout = 0.03 })
    assert.is_truthy(got.ok)
    assert.equal("modern", got.client.era)
  end)

  it("starts a server once more that has ended over the question", function()
    local got = try(function(far, message)
      if message.method == "server/discover" then return far:close() end
      if message.method == "initialize" then
        far:result(message.id, scripted.initialization(LEGACY))
      end
    end)
    assert.is_truthy(got.ok)
    assert.equal(2, #got.transport.fars)
    helper.wait_until(function() return #got.transport.far.got == 2 end)
    assert.equal("initialize notifications/initialized", methods_of(got.transport.far))
    -- But not for ever.
    local dead = try(function(far) far:close() end)
    assert.equal("EGONE", dead.code)
    assert.equal(2, #dead.transport.fars)
  end)

  it("adopts a counter-offer of a revision that we know, and no other (3.8)", function()
    for _, revision in ipairs { "2024-11-05", "2025-03-26", "2025-06-18", LEGACY } do
      local got = try(by_method { ["server/discover"] = refuse(-32601),
        initialize = initialized(revision) })
      assert.equal(revision, got.client.revision)
      assert.equal(LEGACY, got.far:all("initialize")[1].params.protocolVersion)
    end
    for _, revision in ipairs { "2026-07-28", "2020-01-01", "x", 5, value.null } do
      local got = try(by_method { ["server/discover"] = refuse(-32601),
        initialize = function(far, message)
          local result = scripted.initialization()
          result.protocolVersion = revision
          far:result(message.id, result)
        end })
      assert.is_nil(got.ok)
      assert.equal("EREVISION", got.code)
      assert.matches("the server answered " .. tostring(revision), got.text, 1, true)
      assert.equal(0, #got.far:all "notifications/initialized")
    end
  end)

  it("says what the server has said against initialize", function()
    local got = try(by_method { ["server/discover"] = refuse(-32601),
      initialize = refuse(-32602, { because = "of that" }) })
    assert.same({ nil, "no", -32602, "of that" },
      { got.ok, got.text, got.code, got.data and got.data.because })
    for _, result in ipairs { value.array { 1 }, value.null } do
      got = try(by_method { ["server/discover"] = refuse(-32601),
        initialize = function(far, message) far:result(message.id, result) end })
      assert.equal("ERPC", got.code)
    end
  end)

  it("takes what a server says of itself for what it is", function()
    local got = try(by_method { ["server/discover"] = refuse(-32601),
      initialize = function(far, message)
        far:result(message.id, { protocolVersion = LEGACY, capabilities = 5, serverInfo = "me",
          instructions = {} })
      end })
    assert.is_truthy(got.ok)
    assert.same({}, helper.plain(got.client.capabilities))
    assert.same({}, helper.plain(got.client.server))
    assert.is_nil(got.client.instructions)
  end)

  describe("when a revision is forced", function()
    for _, revision in ipairs(helper.revisions) do
      it(revision .. " against our own server", function()
        local app = mcp.server "own"
        app:tool "t" (function() return "x" end)
        local client <close> = assert(mcp.connect(app, { revision = revision }))
        assert.equal(revision, client.revision)
        assert.equal(revision == MODERN and "modern" or "legacy", client.era)
        assert.equal("x", assert(client:call_tool "t").content[1].text)
      end)
    end

    it("does not look where that has no sense, and takes nothing else", function()
      local got = try(scripted.legacy(nil, "2025-06-18"), { revision = "2025-06-18" })
      assert.equal("2025-06-18", got.client.revision)
      assert.equal("initialize", got.far.got[1].method)
      got = try(scripted.legacy(nil, "2025-03-26"), { revision = "2025-06-18" })
      assert.equal("EREVISION", got.code)
      got = try(scripted.legacy(), { revision = MODERN })
      assert.equal("EREVISION", got.code)
      assert.equal("server/discover", methods_of(got.far))
      got = try(scripted.legacy(), { era = "modern" })
      assert.equal("EREVISION", got.code)
      got = try(scripted.modern(), { era = "legacy", timeout = 0.05 })
      assert.equal("ETIMEDOUT", got.code)
      assert.equal("initialize", methods_of(got.far))
    end)
  end)

  it("declares what there are callbacks for, as the revision writes it (1.5)", function()
    local function nothing() end
    local all = { on_elicit = nothing, on_elicit_url = nothing, on_sample = nothing,
      sampling = { tools = true }, roots = { "/tmp" }, capabilities = { extensions = { x = {} } } }
    local got = try(scripted.legacy(), all)
    assert.same({ elicitation = { form = {}, url = {} }, sampling = { tools = {} },
      roots = { listChanged = true }, extensions = { x = {} } },
      helper.plain(got.far:all("initialize")[1].params.capabilities))
    all.revision = "2025-06-18"
    got = try(scripted.legacy(nil, "2025-06-18"), all)
    assert.same({ elicitation = {}, sampling = {}, roots = { listChanged = true },
      extensions = { x = {} } }, helper.plain(got.far:all("initialize")[1].params.capabilities))
    all.revision = "2024-11-05"
    got = try(scripted.legacy(nil, "2024-11-05"), all)
    assert.is_nil(got.far:all("initialize")[1].params.capabilities.elicitation)
    all.revision = nil
    got = try(scripted.modern(), all)
    assert.same({ elicitation = { form = {}, url = {} }, sampling = { tools = {} }, roots = {},
      extensions = { x = {} } },
      helper.plain(got.far.got[1].params._meta[helper.PREFIX .. "clientCapabilities"]))
    got = try(scripted.modern(), { on_elicit_url = nothing })
    assert.same({ elicitation = { url = {} } },
      helper.plain(got.far.got[1].params._meta[helper.PREFIX .. "clientCapabilities"]))
  end)

  it("remembers which apps and children are old, and asks anew when that fails (HM-76)", function()
    local app = mcp.server "own"
    for _ = 1, 2 do
      local client <close> = assert(mcp.connect(app))
      assert.equal("modern", client.era)
    end
    -- A verdict against it costs nothing but the newer era.
    local transport = scripted.transport(scripted.legacy())
    local client = scripted.keep(mcp.session(transport))
    client.verdict = {}
    assert(client:initialize())
    assert.equal("legacy", client.verdict.era)
    transport = scripted.transport(scripted.legacy())
    local again = scripted.keep(mcp.session(transport))
    again.verdict = client.verdict
    assert(again:initialize())
    assert.equal("initialize", transport.far.got[1].method)
    -- It has learned the newer era meanwhile.
    transport = scripted.transport(scripted.modern(refuse(-32022)))
    local third = scripted.keep(mcp.session(transport))
    third.verdict = client.verdict
    assert(third:initialize())
    assert.equal("modern", third.era)
  end)
end)
