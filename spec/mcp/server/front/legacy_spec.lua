-- SPDX-License-Identifier: MIT
-- What the revisions with a handshake share: initialize, and the batches of one of them.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("the legacy front", function()
  local app

  before_each(function()
    app = mcp.server "spec"
    app:tool "echo" (function() return "ok" end)
    app:tool "slow" (function(_, ctx) ctx:sleep(0.001) return "slow" end)
    app:tool "fail" (function() error "boom" end)
    app:tool "error" (function() error(mcp.error(-5, "five", { x = 1 })) end)
  end)
  after_each(helper.leftovers)

  describe("initialize", function()
    it("answers in the revision asked for, or offers the newest (3.8)", function()
      for asked, got in pairs { ["2024-11-05"] = "2024-11-05", ["2025-03-26"] = "2025-03-26",
        ["2025-06-18"] = "2025-06-18", ["2025-11-25"] = "2025-11-25", ["2099-01-01"] = "2025-11-25",
        ["1.0"] = "2025-11-25", [""] = "2025-11-25", ["2026-07-28"] = "2025-11-25" } do
        local peer = helper.connect(app)
        assert.equal(got, peer:initialize(asked).protocolVersion)
        peer:close()
      end
    end)

    it("has exactly the members of the protocol", function()
      local peer = helper.connect(app)
      local result = peer:initialize()
      local names = {}
      for name in pairs(result) do names[#names + 1] = name end
      table.sort(names)
      assert.same({ "capabilities", "protocolVersion", "serverInfo" }, names)
    end)

    it("asks for no capabilities and no clientInfo, and survives odd ones", function()
      for _, params in ipairs { { protocolVersion = "2025-11-25" },
        { protocolVersion = "2025-11-25", capabilities = 5, clientInfo = "x" },
        { protocolVersion = "2025-11-25", capabilities = mcp.null, clientInfo = mcp.null } } do
        local peer = helper.connect(app)
        assert.is_table(peer:request("initialize", params).result)
        assert.equal("ok", peer:call("echo").content[1].text)
        peer:close()
      end
    end)

    it("requests are served before notifications/initialized has come", function()
      local peer = helper.connect(app)
      peer:request("initialize", { protocolVersion = "2025-11-25" })
      assert.equal("ok", peer:call("echo").content[1].text)
    end)
  end)

  describe("batches (IO-02)", function()
    local function call(id, name)
      return { jsonrpc = "2.0", id = id, method = "tools/call", params = { name = name } }
    end

    it("are answered by one array, in one line, in order", function()
      local peer = helper.open(app, "2025-03-26")
      helper.logged(function()
        peer:send(core.encode(mcp.array { call(1, "slow"), call("b", "echo"),
          { jsonrpc = "2.0", method = "notifications/initialized" }, call(3, "error"),
          call(4, "fail"), { jsonrpc = "2.0", id = 5, method = "tools/list" },
          { jsonrpc = "2.0", id = 6, method = "ping" } }))
        local answers = peer:receive()
        assert.equal(6, #answers)
        assert.equal("slow", answers[1].result.content[1].text)
        assert.equal("b", answers[2].id)
        assert.same({ code = -5, message = "five", data = { x = 1 } }, answers[3].error)
        assert.is_true(answers[4].result.isError)
        assert.equal("echo", answers[5].result.tools[1].name)
        assert.same({}, answers[6].result)
      end)
      peer:silent()
    end)

    it("keep ids byte for byte, too (T-64)", function()
      local peer = helper.open(app, "2025-03-26")
      peer:send('[{"jsonrpc":"2.0","id":"\\u0041","method":"ping"},'
        .. '{"jsonrpc":"2.0","id":12345678901234567890123,"method":"ping"}]')
      local line = peer:receive_line()
      assert.matches('"id":"\\u0041"', line, 1, true)
      assert.matches('"id":12345678901234567890123', line, 1, true)
    end)

    it("of notifications and responses get no answer", function()
      local peer = helper.open(app, "2025-03-26")
      peer:send('[{"jsonrpc":"2.0","method":"notifications/initialized"},'
        .. '{"jsonrpc":"2.0","id":1,"result":{}}]')
      peer:silent()
      assert.is_table(peer:request("ping").result)
    end)

    it("empty or of more than 32 are refused", function()
      local peer = helper.open(app, "2025-03-26")
      peer:send "[]"
      assert.equal(-32600, peer:receive().error.code)
      local many = mcp.array {}
      for i = 1, 32 do many[i] = { jsonrpc = "2.0", id = i, method = "ping" } end
      peer:send(core.encode(many))
      assert.equal(32, #peer:receive())
      many[33] = { jsonrpc = "2.0", id = 33, method = "ping" }
      peer:send(core.encode(many))
      assert.equal(-32600, peer:receive().error.code)
    end)

    it("answer what is no message within them", function()
      local peer = helper.open(app, "2025-03-26")
      peer:send('[1,null,{},{"jsonrpc":"2.0","id":9},[],'
        .. '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}]')
      local answers, got = peer:receive(), {}
      for i, answer in ipairs(answers) do
        got[i] = core.encode(answer.id) .. answer.error.code
      end
      assert.same({ "null-32600", "null-32600", "null-32600", "9-32600", "null-32600", "1-32600" },
        got)
    end)

    it("cannot hold initialize", function()
      local peer = helper.open(app, "2025-03-26")
      peer:send('[{"jsonrpc":"2.0","id":1,"method":"initialize",'
        .. '"params":{"protocolVersion":"2025-11-25"}}]')
      assert.equal(-32600, peer:receive()[1].error.code)
    end)

    it("are refused by every other revision", function()
      for _, revision in ipairs(helper.revisions) do
        if revision ~= "2025-03-26" then
          local peer = helper.open(app, revision)
          peer:send '[{"jsonrpc":"2.0","id":1,"method":"ping"}]'
          local message = peer:receive()
          assert.equal(-32600, message.error.code, revision)
          assert.equal(mcp.null, message.id)
          peer:close()
        end
      end
    end)

    it("let other requests go on meanwhile", function()
      local waiter = core.waiter()
      app:tool "hold" (function() waiter:wait() return "held" end)
      local peer = helper.open(app, "2025-03-26")
      peer:send(core.encode(mcp.array { call(1, "hold") }))
      assert.is_table(peer:request("ping", nil, "p").result)
      waiter:wake()
      assert.equal("held", peer:receive()[1].result.content[1].text)
    end)

    it("show progress of their requests", function()
      app:tool "progress" (function(_, ctx) ctx:progress(1) return "ok" end)
      local peer = helper.open(app, "2025-03-26")
      local message = call(1, "progress")
      message.params._meta = { progressToken = "tok" }
      peer:send(core.encode(mcp.array { message }))
      assert.equal("tok", peer:receive().params.progressToken)
      assert.equal(1, peer:receive()[1].id)
    end)

    it("do not lose the other answers when one result cannot be JSON", function()
      app:tool "bad" (function() return "\xff" end)
      local peer = helper.open(app, "2025-03-26")
      peer:send(core.encode(mcp.array { call(1, "bad"), call(2, "echo") }))
      local answers = peer:receive()
      assert.is_nil(answers.error, "the whole batch was answered by one error")
      assert.equal(2, #answers)
      assert.equal(2, answers[2].id)
      assert.equal("ok", answers[2].result.content[1].text)
    end)

    it("are one exchange: a cancellation does not name a part of it", function()
      local waiter = core.waiter()
      app:tool "hold" (function() waiter:wait() return "held" end)
      local peer = helper.open(app, "2025-03-26")
      peer:send(core.encode(mcp.array { call(1, "hold"), call(2, "echo") }))
      peer:notify("notifications/cancelled", { requestId = 1 })
      peer:silent()
      waiter:wake()
      assert.equal(2, #peer:receive())
    end)
  end)
end)
