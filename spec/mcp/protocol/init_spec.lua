-- SPDX-License-Identifier: MIT
-- Which era a message belongs to: the table of vectors, row by row, and the rules behind it.
local errors = require "mcp.protocol.errors"
local protocol = require "mcp.protocol"
local value = require "mcp.value"

local VERSION, CAPABILITIES = protocol.KEY_VERSION, protocol.KEY_CAPABILITIES

-- What the runtime shows of a member of _meta: strings and integers as they are, true for an
-- object, false for anything else.
local function watched(member)
  if type(member) == "table" then return not value.is_array(member) end
  if type(member) == "string" or math.type(member) == "integer" or member == nil then
    return member
  end
  return false
end

-- "status/code" of a refusal, or the verdict.
local function classify(kind, method, meta, version)
  local claim, capabilities
  if meta then claim, capabilities = watched(meta[VERSION]), watched(meta[CAPABILITIES]) end
  local verdict, detail = protocol.classify(kind, method, claim, capabilities, version)
  if verdict == "reject" then
    assert.is_string(detail.message)
    return ("%d/%d"):format(detail.status, detail.code), detail
  end
  return verdict, detail
end

local NEW = "2026-07-28"
local E = { [VERSION] = NEW, [CAPABILITIES] = {} }
local function envelope(version) return { [VERSION] = version, [CAPABILITIES] = {} } end

describe("protocol", function()
  describe("classification (appendix C)", function()
    local vectors = {
      { "server/discover, E | same version", "request", "server/discover", E, NEW, "modern" },
      { "server/discover without _meta", "request", "server/discover", nil, NEW, "400/-32602" },
      { "_meta without protocolVersion", "request", "server/discover", { [CAPABILITIES] = {} }, NEW,
        "400/-32602" },
      { "protocolVersion v999.0.0, header the same: left to the ladder", "request", "tools/list",
        envelope "v999.0.0", "v999.0.0", "modern" },
      { "protocolVersion v999.0.0, header 2026-07-28", "request", "tools/list",
        envelope "v999.0.0", NEW, "400/-32020" },
      { "protocolVersion 7 (number)", "request", "tools/list", envelope(7), NEW, "400/-32602" },
      { "protocolVersion null", "request", "tools/list", envelope(value.null), NEW, "400/-32602" },
      { "protocolVersion an object", "request", "tools/list", envelope {}, NEW, "400/-32602" },
      { "2025-11-25 in an envelope", "request", "tools/list", envelope "2025-11-25", "2025-11-25",
        "400/-32022" },
      { "2025-11-25 in an envelope, no header", "request", "tools/list", envelope "2025-11-25", nil,
        "400/-32022" },
      { "initialize, E", "request", "initialize", E, NEW, "modern" },
      { "ping, E", "request", "ping", E, NEW, "modern" },
      { "initialize, no envelope, no header", "request", "initialize", nil, nil, "legacy" },
      { "initialize, no envelope, header 2025-11-25", "request", "initialize", nil, "2025-11-25",
        "legacy" },
      { "initialize, no envelope, header 2026-07-28", "request", "initialize", nil, NEW,
        "400/-32020" },
      { "tools/list, E, header 2025-11-25", "request", "tools/list", E, "2025-11-25",
        "400/-32020" },
      { "tools/list, no envelope, header 2025-06-18", "request", "tools/list", nil, "2025-06-18",
        "legacy" },
      { "a result, no header", "result", nil, nil, nil, "legacy" },
      { "an error, header 2025-11-25", "error", nil, nil, "2025-11-25", "legacy" },
      { "a result, header 2026-07-28", "result", nil, nil, NEW, "400/-32600" },
      { "an error, header 2026-07-28", "error", nil, nil, NEW, "400/-32600" },
    }
    for _, v in ipairs(vectors) do
      it(v[1], function() assert.equal(v[6], (classify(v[2], v[3], v[4], v[5]))) end)
    end

    it("tools/list, E, no header: left to the ladder, which refuses it (HM-21)", function()
      assert.equal("modern", (classify("request", "tools/list", E, nil)))
    end)
  end)

  describe("classification (3.2)", function()
    it("a header that came twice is refused whatever else is there (HM-27)", function()
      for _, kind in ipairs { "request", "notification", "result", "error" } do
        assert.equal("400/-32020", (classify(kind, "x", nil, false)))
        assert.equal("400/-32020", (classify(kind, "x", E, false)))
      end
    end)

    it("notifications of the modern era are dropped (HM-07)", function()
      assert.equal("drop", (classify("notification", "notifications/cancelled", E, NEW)))
      assert.equal("drop", (classify("notification", "notifications/cancelled", nil, NEW)))
      assert.equal("drop", (classify("notification", "notifications/cancelled", E, nil)))
      assert.equal("400/-32020", (classify("notification", "x", E, "2025-11-25")))
      assert.equal("legacy", (classify("notification", "notifications/initialized", nil, nil)))
    end)

    it("an initialize with less than a whole modern envelope is a handshake", function()
      for _, meta in ipairs { { [VERSION] = NEW }, { [VERSION] = NEW, [CAPABILITIES] = 5 },
        envelope "2025-11-25", envelope "v999", envelope(7), { [CAPABILITIES] = {} } } do
        assert.equal("legacy", (classify("request", "initialize", meta, nil)))
        assert.equal("400/-32020", (classify("request", "initialize", meta, NEW)))
      end
    end)

    it("dates of the future are modern, garbage and dates between are not (T-67)", function()
      local function header(version) return (classify("request", "tools/list", nil, version)) end
      for _, version in ipairs { "2026-07-28", "2026-07-29", "2027-01-01", "9999-99-99" } do
        assert.equal("400/-32602", header(version), version)
      end
      for _, version in ipairs { "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25",
        "2026-07-27", "2025-12-01", "v999.0.0", "zzz", "", "2026-07-28 ", "2026-07-28x",
        "x2026-07-28", "2026-7-28" } do
        assert.equal("legacy", header(version), version)
      end
    end)

    it("-32022 names what is spoken, in text and data (HM-22, T-07)", function()
      local _, detail = classify("request", "tools/list", envelope "2025-06-18", nil)
      assert.equal("2025-06-18", detail.data.requested)
      assert.equal(NEW, detail.data.supported[1])
      for _, name in ipairs(detail.data.supported) do
        assert.is_table(protocol.revision(name))
        assert.matches(name, detail.message, 1, true)
      end
      assert.matches("2025-06-18", detail.message, 1, true)
    end)
  end)

  describe("negotiation (3.8)", function()
    it("gives what was asked for, if it has a handshake", function()
      for _, name in ipairs { "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25" } do
        assert.equal(name, protocol.negotiate(name).name)
      end
    end)

    it("offers the newest legacy revision for anything else, the modern one too (T-06)", function()
      for _, name in ipairs { NEW, "2099-01-01", "1.0", "", "2025-11-26" } do
        assert.equal("2025-11-25", protocol.negotiate(name).name)
      end
    end)
  end)

  it("names are newest first, and only they are revisions", function()
    assert.same({ NEW, "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05" }, protocol.names)
    assert.same({ NEW }, protocol.modern_names)
    for _, name in ipairs(protocol.names) do
      assert.equal(name, protocol.revision(name).name)
    end
    assert.is_nil(protocol.revision "2025-01-01")
    assert.is_nil(protocol.revision(nil))
    assert.equal("2025-03-26", protocol.assumed.name) -- HL-61
  end)

  it("the codes and keys are the protocol's (1.6, 1.10)", function()
    assert.same({ -32700, -32600, -32601, -32602, -32603, -32020, -32021, -32022 },
      { errors.PARSE_ERROR, errors.INVALID_REQUEST, errors.METHOD_NOT_FOUND,
        errors.INVALID_PARAMS, errors.INTERNAL_ERROR, errors.HEADER_MISMATCH,
        errors.MISSING_CAPABILITY, errors.UNSUPPORTED_VERSION })
    assert.equal("io.modelcontextprotocol/protocolVersion", protocol.KEY_VERSION)
    assert.equal("io.modelcontextprotocol/clientCapabilities", protocol.KEY_CAPABILITIES)
    assert.equal("io.modelcontextprotocol/clientInfo", protocol.KEY_CLIENT)
    assert.equal("io.modelcontextprotocol/logLevel", protocol.KEY_LOG_LEVEL)
    assert.equal("io.modelcontextprotocol/serverInfo", protocol.KEY_SERVER)
  end)

  it("log levels rank as in RFC 5424", function()
    local order = { "debug", "info", "notice", "warning", "error", "critical", "alert",
      "emergency" }
    for i, level in ipairs(order) do assert.equal(i, protocol.LOG_RANK[level]) end
  end)
end)
