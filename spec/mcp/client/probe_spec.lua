-- SPDX-License-Identifier: MIT
local core = require "mcp.core"
local probe = require "mcp.client.probe"
local protocol = require "mcp.protocol"
local value = require "mcp.value"

local MODERN, LEGACY = protocol.modern_names[1], nil
for _, name in ipairs(protocol.names) do
  if not LEGACY and protocol.revision(name).era == "legacy" then LEGACY = name end
end

local function supported(...) return value.array { ... } end
local function result(...) return { result = { supportedVersions = supported(...) } } end
local function err(code, data, status, unasked)
  return { error = { code = code, message = "no", data = data }, status = status,
    unasked = unasked }
end
local function http(status) return { nil, "refused", "EHTTP" .. status } end

describe("the answer to server/discover", function()
  local function judge(answer)
    if answer[2] then return probe.judge(nil, answer[2], answer[3]) end
    return probe.judge(answer)
  end

  it("says modern with a revision that both have (3.6)", function()
    assert.same({ "modern", MODERN }, { judge(result(MODERN)) })
    assert.same({ "modern", MODERN }, { judge(result("2099-01-01", LEGACY, MODERN)) })
  end)

  it("says legacy where a list has none but those", function()
    assert.equal("legacy", judge(result(LEGACY)))
    assert.equal("legacy", judge(result("2099-01-01", LEGACY)))
    -- No list: no answer to this question.
    assert.equal("legacy", judge { result = {} })
    assert.equal("legacy", judge { result = { supportedVersions = {} } })
    assert.equal("legacy", judge { result = "yes" })
  end)

  it("fails where nothing is common", function()
    local verdict, text, code = judge(result("2099-01-01"))
    assert.equal("fail", verdict)
    assert.matches("2099-01-01", text, 1, true)
    assert.matches(MODERN, text, 1, true)
    assert.equal("EREVISION", code)
    assert.equal("fail", (judge(err(-32022, { supported = supported "2099-01-01" }))))
  end)

  it("made to be long is cut, and leads to no more than a failure (SEC-29)", function()
    local list = value.array {}
    for i = 1, 100000 do list[i] = ("\27%d"):format(i) end
    local verdict, text, code = judge(err(-32022, { supported = list }, 400))
    assert.same({ "fail", "EREVISION" }, { verdict, code })
    assert.is_true(#text < 400, #text .. " bytes")
    assert.matches("?10, and 99990 more, the client " .. MODERN, text, 1, true)
    verdict, text = judge(result(("x"):rep(1 << 20)))
    assert.equal("fail", verdict)
    assert.is_true(#text < 400, #text .. " bytes")
    assert.equal("fail", (judge(err(-32022, { supported = supported "1999-01-01" }, 400))))
  end)

  it("is asked for once more after -32022", function()
    assert.same({ "again", MODERN }, { judge(err(-32022, { supported = supported(MODERN) }, 400)) })
    assert.equal("legacy", judge(err(-32022, { supported = supported(LEGACY) }, 400)))
    assert.equal("legacy", judge(err(-32022, nil, 400)))
    assert.equal("legacy", judge(err(-32022, { supported = "x" }, 400)))
  end)

  it("says whose fault it is where a modern server refuses the request", function()
    for _, code in ipairs { -32020, -32021 } do
      local verdict, text = judge(err(code, nil, 400))
      assert.equal("fail", verdict)
      assert.matches("error " .. code, text, 1, true)
      -- Of another request it says nothing.
      assert.equal("legacy", (judge(err(code, nil, 400, true))))
    end
  end)

  it("says legacy by any other refusal", function()
    for _, code in ipairs { -32600, -32601, -32602, -32000, -32001, -32700 } do
      for _, status in ipairs { 200, 400, 404 } do
        assert.equal("legacy", judge(err(code, nil, status)))
      end
    end
    for _, status in ipairs { 400, 402, 404, 405, 406, 410, 415, 422 } do
      assert.equal("legacy", judge(http(status)), status)
    end
    assert.equal("legacy", judge { nil, "text/html", "EHTTP" })
  end)

  it("says nothing of an era by 401, 403, 3xx, 429, 5xx and lost connections (T-04)", function()
    for _, status in ipairs { 301, 302, 307, 401, 403, 407, 408, 429, 500, 502, 503, 504 } do
      assert.same({ "fail", "refused", "EHTTP" .. status }, { judge(http(status)) })
    end
    for _, code in ipairs { "ECONNREFUSED", "ETIMEDOUT", "EGONE", "ECANCELED", "ETOOBIG" } do
      assert.same({ "fail", "why", code }, { judge { nil, "why", code } })
    end
  end)
end)

describe("probing an address", function()
  local URL = "http://127.0.0.1:1/probe"

  -- Plays the answers, in order: { "discover", answer }, …; notes what was done.
  local function play(script, options)
    local log, at = {}, 0
    local function step(name, transport, more)
      at = at + 1
      local expected = script[at]
      assert.is_truthy(expected, name .. " was not expected")
      assert.equal(expected[1], name)
      log[#log + 1] = name .. (more and " " .. more or "")
      assert.is_false(transport.closed, name .. " on a closed transport")
      local answer = expected[2]
      if answer[2] then return nil, answer[2], answer[3] end
      return answer
    end
    local function maker(name)
      return function()
        return { name = name, closed = false, close = function(self)
          self.closed = true
          log[#log + 1] = "close " .. name
        end }
      end
    end
    local how = {
      http = maker "http", sse = maker "sse",
      attach = function(transport)
        log[#log + 1] = "open " .. transport.name
        local answer = transport.name == "sse" and script.sse
        if answer then return nil, answer[2], answer[3] end
        return true
      end,
      discover = function(transport, revision) return step("discover", transport, revision) end,
      initialize = function(transport) return step("initialize", transport) end,
    }
    for key, member in pairs(options or {}) do how[key] = member or nil end
    local found, text, code = probe.run(URL, how)
    assert.equal(#script, at, "not all was done")
    return found, text, code, table.concat(log, ", ")
  end

  before_each(function() probe.forget() end)
  after_each(function() probe.forget() end)

  local SESSION = { result = { protocolVersion = LEGACY } }

  it("ends with the first answer that fits", function()
    local found, _, _, log = play { { "discover", result(MODERN) } }
    assert.equal("open http, discover", log)
    assert.same({ "modern", MODERN }, { found.era, found.revision })
    assert.equal("modern", probe.verdict(URL))
  end)

  it("repeats discover with what the server names, once", function()
    local refusal = err(-32022, { supported = supported(MODERN) }, 400)
    local found, _, _, log = play { { "discover", refusal }, { "discover", result(MODERN) } }
    assert.equal("open http, discover, discover " .. MODERN, log)
    assert.equal("modern", found.era)
    probe.forget()
    local text, code
    found, text, code, log = play { { "discover", refusal }, { "discover", refusal } }
    assert.is_nil(found)
    assert.matches("lists revision " .. MODERN .. " but refuses it", text, 1, true)
    assert.equal("EREVISION", code)
    assert.matches("close http", log, 1, true)
  end)

  it("goes on with initialize, then with HTTP+SSE", function()
    local found, _, _, log = play { { "discover", http(404) }, { "initialize", SESSION } }
    assert.equal("open http, discover, initialize", log)
    assert.equal("legacy", found.era)
    assert.equal(SESSION, found.reply)
    assert.equal("legacy", probe.verdict(URL))
    probe.forget()
    for _, status in ipairs { 400, 404, 405 } do
      found, _, _, log = play { { "discover", http(status) }, { "initialize", http(status) },
        { "initialize", SESSION } }
      assert.equal("open http, discover, initialize, close http, open sse, initialize", log)
      assert.equal("sse", found.transport.name)
      assert.equal("sse", probe.verdict(URL))
      probe.forget()
    end
  end)

  it("says what is wrong with both when neither is there", function()
    local found, text, code, log = play { sse = { nil, "no stream", "EHTTP405" },
      { "discover", http(405) }, { "initialize", http(405) } }
    assert.is_nil(found)
    assert.equal("neither Streamable HTTP nor HTTP+SSE: refused; no stream", text)
    assert.equal("EHTTP405", code)
    assert.equal("open http, discover, initialize, close http, open sse, close sse", log)
    assert.is_nil(probe.verdict(URL))
  end)

  it("does not go on where the failure is no evidence", function()
    for _, answer in ipairs { http(401), http(403), http(500), http(503), http(429),
      { nil, "gone", "ECONNREFUSED" } } do
      local found, text, _, log = play { { "discover", answer } }
      assert.is_nil(found)
      assert.equal(answer[2], text)
      assert.equal("open http, discover, close http", log)
      -- Neither is it between initialize and HTTP+SSE.
      found, _, _, log = play { { "discover", http(404) }, { "initialize", answer } }
      assert.is_nil(found)
      assert.equal("open http, discover, initialize, close http", log)
    end
    for _, code in ipairs { -32020, -32021, -32022 } do
      local _, _, _, log = play { { "discover", http(404) }, { "initialize", err(code, nil, 400) } }
      assert.equal("open http, discover, initialize, close http", log)
    end
  end)

  it("keeps to the era that is wanted", function()
    local found, text, code = play({ { "discover", http(404) } }, { era = "modern" })
    local log, _
    assert.is_nil(found)
    assert.matches("does not support the stateless revision", text, 1, true)
    assert.equal("EREVISION", code)
    found, _, _, log = play({ { "initialize", SESSION } }, { era = "legacy" })
    assert.equal("legacy", found.era)
    assert.equal("open http, initialize", log)
    -- That it speaks no newer one was not asked.
    assert.is_nil(probe.verdict(URL))
    found, text, code, log = play({ { "initialize", http(405) } }, { era = "legacy", sse = false })
    assert.is_nil(found)
    assert.same({ "refused", "EHTTP405" }, { text, code })
    assert.equal("open http, initialize, close http", log)
    assert.has_error(function() play({}, { era = "old" }) end)
  end)

  describe("that is known", function()
    it("to be legacy does not ask for discovery", function()
      play { { "discover", http(404) }, { "initialize", SESSION } }
      local found, _, _, log = play { { "initialize", SESSION } }
      assert.equal("legacy", found.era)
      assert.equal("open http, initialize", log)
    end)

    it("to be HTTP+SSE opens that at once", function()
      play { { "discover", http(404) }, { "initialize", http(404) }, { "initialize", SESSION } }
      local found, _, _, log = play { { "initialize", SESSION } }
      assert.equal("sse", found.transport.name)
      assert.equal("open sse, initialize", log)
    end)

    it("begins anew when it does not fit any more (HM-76)", function()
      play { { "discover", http(404) }, { "initialize", SESSION } }
      local found, _, _, log = play { { "initialize", err(-32601, nil, 404) },
        { "discover", result(MODERN) } }
      assert.equal("modern", found.era)
      assert.equal("open http, initialize, discover", log)
      assert.equal("modern", probe.verdict(URL))
      -- A server that is down has not changed.
      probe.forget()
      play { { "discover", http(404) }, { "initialize", SESSION } }
      found = play { { "initialize", { nil, "gone", "ECONNREFUSED" } } }
      assert.is_nil(found)
      assert.equal("legacy", probe.verdict(URL))
      -- An old stream that is gone.
      probe.forget()
      play { { "discover", http(404) }, { "initialize", http(404) }, { "initialize", SESSION } }
      found, _, _, log = play { sse = { nil, "no stream", "EHTTP405" },
        { "discover", result(MODERN) } }
      assert.equal("modern", found.era)
      assert.equal("open sse, close sse, open http, discover", log)
    end)

    it("is forgotten in time", function()
      -- A clock that stands, so that a busy machine makes no difference.
      local real, now = core.now, core.now()
      core.now = function() return now end
      play { { "discover", http(404) }, { "initialize", SESSION } }
      -- A second to either side: a sum of times is not exact.
      now = now + probe.FRESH - 1
      local early = probe.verdict(URL)
      now = now + 2
      local late = probe.verdict(URL)
      core.now = real
      assert.equal("legacy", early)
      assert.is_nil(late)
      assert.equal("legacy", probe.verdict(URL))
      probe.forget(URL)
      assert.is_nil(probe.verdict(URL))
    end)

    it("is one of so many", function()
      local function learn(i)
        local transport = { close = function() end }
        probe.run(("http://127.0.0.1:1/%d"):format(i), {
          http = function() return transport end, attach = function() return true end,
          discover = function() return result(MODERN) end })
      end
      for i = 1, probe.VERDICTS + 1 do learn(i) end
      assert.is_nil(probe.verdict "http://127.0.0.1:1/1")
      assert.equal("modern", probe.verdict "http://127.0.0.1:1/2")
      assert.equal("modern", probe.verdict(("http://127.0.0.1:1/%d"):format(probe.VERDICTS + 1)))
    end)
  end)
end)
