-- SPDX-License-Identifier: MIT
-- call_spec.lua: lua/mcp/client/call.lua: a request's envelope, its time, its progress, its end.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local pace = require "spec.pace"
local scripted = require "spec.scripted"
local value = require "mcp.value"

local function call(far, n) return far:all("tools/call")[n or 1] end

describe("a request of a client", function()
  after_each(scripted.leftovers)

  it("has ids that are integers and never come twice", function()
    local client, far = scripted.connect(scripted.modern(function(end_, message)
      end_:result(message.id, {})
    end))
    for _ = 1, 5 do assert(client:request("x/y", { a = 1 })) end
    local seen = {}
    for _, message in ipairs(far.got) do
      assert.equal("integer", math.type(message.id))
      assert.is_nil(seen[message.id])
      seen[message.id] = true
    end
  end)

  it("carries the envelope without sessions, and nothing of it in one (4.1, T-09)", function()
    local client, far = scripted.connect(scripted.modern(function(end_, message)
      end_:result(message.id, {})
    end), { log_level = "info" })
    assert(client:request("x", { a = 1 }, { meta = { traceparent = "00-x" } }))
    local meta = far.got[2].params._meta
    assert.equal("2026-07-28", meta[helper.PREFIX .. "protocolVersion"])
    assert.same({}, helper.plain(meta[helper.PREFIX .. "clientCapabilities"]))
    assert.equal("luamcp", meta[helper.PREFIX .. "clientInfo"].name)
    assert.equal("info", meta[helper.PREFIX .. "logLevel"])
    assert.equal("00-x", meta.traceparent)
    assert.equal(1, far.got[2].params.a)
    client, far = scripted.connect(scripted.legacy(function(end_, message)
      if message.id then end_:result(message.id, {}) end
    end))
    assert(client:request "x")
    assert(client:request("x", { a = 1 }, { meta = { k = "v" } }))
    local got = far:all "x"
    assert.is_nil(got[1].params)
    assert.same({ a = 1, _meta = { k = "v" } }, helper.plain(got[2].params))
  end)

  it("takes the table of one that had its answer, and of no other", function()
    local client, far = scripted.connect(scripted.modern(function(end_, message)
      local params = message.params
      if message.method ~= "tools/call" or params.name == "silent" then return end
      end_:notify("notifications/progress", { progressToken = message.id, progress = 7 })
      end_:result(message.id, { content = value.array {},
        structuredContent = { name = params.name } })
    end), { validate = false })
    local function name_of(result) return result and result.structuredContent.name end
    assert.equal("a", name_of(client:call_tool("a", {})))
    local first = client.spare
    assert.is_table(first)
    -- What it was about is not kept.
    assert.is_false(first.params)
    assert.equal("b", name_of(client:call_tool "b"))
    assert.equal(first, client.spare)
    -- Two at once have one each.
    local names = {}
    local both = core.waiter()
    for _, name in ipairs { "c", "d" } do
      both:spawn(function() names[name] = name_of(client:call_tool(name)) end)
    end
    assert(both:wait(helper.LIMIT))
    assert.same({ c = "c", d = "d" }, names)
    -- One without an answer may be referred to still, by an answer that comes late.
    client.settings.timeout = 0.05
    client.spare = first
    assert.equal("ETIMEDOUT", select(3, client:call_tool "silent"))
    assert.is_false(client.spare)
    -- Nor one with options of its own.
    client.settings.timeout = helper.LIMIT
    assert.equal("e", name_of(client:call_tool("e", {}, { on_progress = function() end })))
    assert.is_false(client.spare)
    assert.equal("f", name_of(client:call_tool "f"))
    assert.is_table(client.spare)
    assert.same({}, client.calls)
    local ids = {}
    for _, message in ipairs(far:all "tools/call") do
      assert.is_nil(ids[message.id])
      ids[message.id] = true
    end
  end)

  it("leaves the tables it is given as they are", function()
    local client = scripted.connect(scripted.modern(function(far, message)
      far:result(message.id, {})
    end))
    local params, meta = { a = 1 }, { k = 1 }
    assert(client:request("x", params, { meta = meta, on_progress = function() end }))
    assert.same({ a = 1 }, params)
    assert.same({ k = 1 }, meta)
  end)

  it("gives the server's error: message, code, data", function()
    local client = scripted.connect(scripted.modern(function(far, message)
      far:error(message.id, -32042, "go there", { elicitations = { { url = "https://x" } } })
    end))
    local result, text, code, data = client:call_tool "x"
    assert.same({ nil, "go there", -32042 }, { result, text, code })
    assert.equal("https://x", data.elicitations[1].url)
  end)

  it("knows an answer that is none (ERPC)", function()
    local answers = { value.array { 1 }, "yes", 5, value.null, true }
    for _, era in ipairs { "modern", "legacy" } do
      local client = scripted.connect(scripted[era](function(far, message)
        if message.method == "r" then far:result(message.id, answers[message.params.i]) end
        if message.method == "e" then
          far:send(('{"jsonrpc":"2.0","id":%d,"error":%s}'):format(message.id, message.params.e))
        end
      end))
      for i = 1, #answers do
        local result, text, code = client:request("r", { i = i })
        assert.same({ nil, "ERPC" }, { result, code })
        assert.matches("r: malformed result from the server: expected an object, got ", text, 1,
          true)
      end
      for _, err in ipairs { "{}", '{"code":"x","message":"m"}', '{"code":1}',
        '{"code":1.5,"message":"m"}', '{"message":"m"}', '{"code":1,"message":null}' } do
        assert.equal("ERPC", select(3, client:request("e", { e = err })), err)
      end
      client:close()
    end
  end)

  describe("that takes long", function()
    it("ends in time, and the server is told", function()
      local client, far = scripted.connect(scripted.modern())
      local began = core.now()
      local result, text, code = client:call_tool("slow", {}, { timeout = 0.03 })
      assert.same({ nil, "ETIMEDOUT" }, { result, code })
      assert.matches("^tools/call: no answer within 0%.%d", text)
      assert.is_true(core.now() - began < 2)
      helper.wait_until(function() return far:all("notifications/cancelled")[1] end)
      assert.equal(call(far).id, far:all("notifications/cancelled")[1].params.requestId)
      assert.equal(0, client.in_flight)
    end)

    it("is put off by progress, but not for ever (IO-44)", function()
      local client = scripted.connect(scripted.modern(function(far, message)
        if message.method ~= "tools/call" then return end
        local token = message.params._meta.progressToken
        core.spawn(function()
          for i = 1, message.params.name == "ends" and 8 or 100 do
            if not core.sleep(pace.limit(0.01)) or far.ended then return end
            far:notify("notifications/progress", { progressToken = token, progress = i, total = 8,
              message = "at " .. i })
          end
          far:result(message.id, { content = value.array {} })
        end)
      end))
      local seen = {}
      local function note(done, total, text) seen[#seen + 1] = { done, total, text } end
      assert(client:call_tool("ends", {}, { timeout = pace.limit(0.05), on_progress = note }))
      assert.equal(8, #seen)
      assert.same({ 8, 8, "at 8" }, seen[8])
      local code = select(3, client:call_tool("endless", {},
        { timeout = pace.limit(0.05), max_timeout = pace.limit(0.15), on_progress = note }))
      assert.equal("ETIMEDOUT", code)
      assert.is_true(#seen > 12 and #seen < 60)
    end)

    it("is not put off by progress that does not go on, or is somebody else's", function()
      local client, far = scripted.connect(scripted.modern(function(end_, message)
        if message.method ~= "tools/call" then return end
        local token = message.params._meta.progressToken
        core.spawn(function()
          for _, progress in ipairs { 2, 2, 1, "x", value.null } do
            end_:notify("notifications/progress", { progressToken = token, progress = progress })
          end
          for _ = 1, 10 do
            if not core.sleep(pace.limit(0.01)) or end_.ended then return end
            for _, other in ipairs { tostring(token), token + 1, "", true } do
              end_:notify("notifications/progress", { progressToken = other, progress = 5 })
            end
            end_:notify("notifications/progress", { progressToken = token, progress = 2 })
            end_:notify("notifications/progress")
          end
        end)
      end))
      local seen = {}
      local code = select(3, client:call_tool("x", {}, { timeout = pace.limit(0.05),
        on_progress = function(done) seen[#seen + 1] = done end }))
      assert.equal("ETIMEDOUT", code)
      assert.same({ 2 }, seen)
      assert.is_not_nil(call(far))
    end)

    it("without a limit has none", function()
      local client = scripted.connect(scripted.modern(function(far, message)
        core.sleep(0.05)
        if message.id then far:result(message.id, {}) end
      end), { timeout = 0.01, probe_timeout = 1 })
      assert.equal("ETIMEDOUT", select(3, client:request "x"))
      assert.is_table(client:request("x", nil, { timeout = 0 }))
    end)

    it("an error in on_progress is the program's own", function()
      local log = helper.logged(function()
        local client = scripted.connect(scripted.modern(function(far, message)
          far:notify("notifications/progress", { progress = 1,
            progressToken = message.params._meta.progressToken })
          far:result(message.id, {})
        end))
        assert(client:request("x", nil, { on_progress = function() error "mine" end }))
      end)
      assert.equal("", log)
    end)
  end)

  describe("that is given up", function()
    it("ends at once, and the server hears why", function()
      local client, far = scripted.connect(scripted.modern())
      local stop = mcp.canceller()
      assert.equal("mcp.canceller (waiting)", tostring(stop))
      mcp.spawn(function()
        mcp.sleep(0.01)
        stop:cancel "not needed"
        stop:cancel "twice"
      end)
      local got = mcp.all {
        function() return { client:call_tool("a", {}, { cancel = stop }) } end,
        function() return { client:call_tool("b", {}, { cancel = stop }) } end,
      }
      for i = 1, 2 do
        assert.same({ nil, "tools/call: not needed", "ECANCELED" }, { table.unpack(got[i], 1, 3) })
      end
      helper.wait_until(function() return #far:all("notifications/cancelled") == 2 end)
      assert.equal("not needed", far:all("notifications/cancelled")[1].params.reason)
      -- What is given it now ends before it begins.
      assert.equal("ECANCELED", select(3, client:call_tool("c", {}, { cancel = stop })))
      assert.equal(2, #far:all "tools/call")
      assert.is_true(stop.cancelled)
      assert.equal("mcp.canceller (cancelled)", tostring(stop))
      assert.same({}, stop.ends)
    end)

    it("leaves nothing behind in the canceller of a request that ended", function()
      local client = scripted.connect(scripted.modern(function(far, message)
        far:result(message.id, {})
      end))
      local stop = mcp.canceller()
      assert(client:request("x", nil, { cancel = stop }))
      assert.same({}, stop.ends)
    end)

    it("by the end of the task that makes it, too", function()
      local client, far = scripted.connect(scripted.modern())
      local tasks = core.waiter()
      tasks:spawn(function() client:call_tool "x" end)
      helper.wait_until(function() return call(far) end)
      tasks:cancel()
      helper.wait_until(function() return far:all("notifications/cancelled")[1] end)
      assert.equal(0, client.in_flight)
      assert.same({}, client.calls)
    end)
  end)

  it("is refused while 256 others are in progress", function()
    local client = scripted.connect(scripted.modern())
    local codes = {}
    for _ = 1, 258 do
      core.spawn(function()
        local _, _, code = client:request("x/y")
        codes[#codes + 1] = code
      end)
    end
    helper.settle()
    assert.same({ "EBUSY", "EBUSY" }, codes)
    client:close()
  end)

  it("is one of so many at once", function()
    local client, far = scripted.connect(scripted.modern(), { limits = { pending = 3 } })
    local tasks = core.waiter()
    -- Longer than the lines below take, also under a slow tool.
    local time = pace.limit(0.5)
    for _ = 1, 3 do tasks:spawn(function() client:request("x", nil, { timeout = time }) end) end
    assert.same({ nil, "x: 3 requests are in progress, which is the limit", "EBUSY" },
      { client:request "x" })
    tasks:wait()
    assert.equal(3, #far:all "x")
    assert.equal("ETIMEDOUT", select(3, client:request("x", nil, { timeout = 0.01 })))
  end)

  it("is refused where it was written, if it cannot be JSON", function()
    local client = scripted.connect(scripted.modern(function(far, message)
      far:result(message.id, { content = value.array {} })
    end))
    local ok, text = pcall(function() return client:call_tool("x", { fn = print }) end)
    assert.is_false(ok)
    assert.matches("^spec/mcp/client/call_spec.lua:%d+: tools/call: params cannot be JSON: ", text)
    assert.matches("function", text, 1, true)
    assert(client:call_tool("x", { a = 1 }))
    assert.equal(0, client.in_flight)
  end)

  it("goes through transports that know no time", function()
    local app = mcp.server "own"
    app:tool "sleep" (function(_, ctx)
      ctx:sleep(5)
      return "slept"
    end)
    local memory = require("mcp.client.transport.memory").new(app)
    memory.timed = nil
    local client = scripted.keep(mcp.session(memory))
    assert(client:initialize())
    -- As seen by a transport of HTTP: without a clock of its own.
    local request = memory.request
    memory.request = function(self, id, method, params, one)
      local inner = setmetatable({ left = function() return 60 end }, { __index = one })
      local cancel = memory.cancel
      self.cancel = function(_, _, reason) cancel(self, inner, reason) end
      return request(self, id, method, params, inner)
    end
    assert.equal("ETIMEDOUT", select(3, client:call_tool("sleep", {}, { timeout = 0.03 })))
    assert(client:ping())
  end)
end)
