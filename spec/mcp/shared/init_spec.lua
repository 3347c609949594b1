-- SPDX-License-Identifier: MIT
-- What the processes of a server say to each other.
local core = require "mcp.core"
local helper = require "spec.helper"
local several = require "spec.several"
local shared = require "mcp.server.shared"

describe("a process among several", function()
  local all, timeout, asking

  before_each(function()
    timeout, asking = shared.TIMEOUT, shared.ASKING
    all = several.open(2, function(app)
      for name in ("abc"):gmatch "." do app:tool(name)(function() return name end) end
    end, { page_size = 2 })
  end)
  after_each(function()
    shared.TIMEOUT, shared.ASKING = timeout, asking
    all:close()
    helper.leftovers()
  end)

  local function joined() return all.apps[1].shared.number and all.apps[2].shared.number end

  it("closes a store that it has opened itself when it stops, and no other", function()
    local meta = getmetatable(all.apps[1].shared)
    for _, address in ipairs { false, "a file" } do
      local closed, cancelled = 0, 0
      local own = setmetatable({ address = address, number = false, waiting = {}, joins = {},
        job = { cancel = function() cancelled = cancelled + 1 end },
        fail_tasks = function() end,
        store = { close = function() closed = closed + 1 end } }, meta)
      own:stop()
      own:stop()
      assert.same({ address and 1 or 0, 1 }, { closed, cancelled })
    end
  end)

  it("has a number of its own, and knows which are alive", function()
    several.run(function()
      several.eventually(joined)
      local first, second = all.apps[1].shared, all.apps[2].shared
      assert.not_equal(first.number, second.number)
      assert.same({ true, true, false },
        { first:is_alive(first.number), first:is_alive(second.number), first:is_alive(999) })
      all:kill(2)
      assert.is_false(first:is_alive(second.number))
    end)
  end)

  it("asks another process, which answers, fails or is gone", function()
    several.run(function()
      several.eventually(joined)
      local first, second = all.apps[1].shared, all.apps[2].shared
      second.asked.double = function(_, message) return message.n * 2 end
      assert.equal(14, first:ask(second.number, { verb = "double", n = 7 }))
      shared.TIMEOUT = 0.05
      assert.equal("ETIMEDOUT", select(3, first:ask(second.number, { verb = "unknown" })))
      assert.equal("ETIMEDOUT", select(3, first:ask(999, { verb = "double", n = 1 })))
    end)
  end)

  it("has a limit of questions that wait", function()
    several.run(function()
      several.eventually(joined)
      local first = all.apps[1].shared
      shared.ASKING, shared.TIMEOUT = 2, 0.1
      local codes, waiter = {}, core.waiter()
      for _ = 1, 3 do
        waiter:spawn(function()
          local _, _, code = first:ask(999, { verb = "x" })
          codes[#codes + 1] = code
        end)
      end
      waiter:wait(helper.LIMIT)
      table.sort(codes)
      assert.same({ "EBUSY", "ETIMEDOUT", "ETIMEDOUT" }, codes)
      assert.equal(0, first.asking)
    end)
  end)

  it("takes another number if a store that was emptied has given away its own", function()
    several.run(function()
      several.eventually(joined)
      local first, second = all.apps[1].shared, all.apps[2].shared
      local old = first.number
      helper.logged(function()
        all:away(1, true)
        all.nodes[2]:put(first:key("node", old), "another", 60)
        all:away(1, false)
      end)
      several.eventually(function() return first.number ~= old end)
      first.asked.here = function() return "here" end
      assert.equal("here", second:ask(first.number, { verb = "here" }))
    end)
  end)

  it("has the cursors and the request state of the others", function()
    several.run(function()
      several.eventually(joined)
      local sid = all:session(1, 1)
      local page = all:request(1, "tools/list", {}, sid)
      assert.equal("a", page.tools[1].name)
      local following = all:request(2, "tools/list", { cursor = page.nextCursor }, sid)
      assert.equal("c", following.tools[1].name)
      local text = all.apps[1].ring:seal("x", { a = 1 })
      assert.equal(1, all.apps[2].ring:open("x", text).a)
    end)
  end)

  it("goes on with a call that ended with a question at another", function()
    several.run(function()
      for i = 1, 2 do
        all.apps[i]:tool "ask" (function(_, ctx)
          local content = ctx:elicit("Which?", { name = "string" }, { key = "name" })
          return content.name .. i
        end)
      end
      local params = { name = "ask", arguments = {}, _meta = helper.envelope {
        ["io.modelcontextprotocol/clientCapabilities"] = { elicitation = { form = {} } } } }
      local fields = { ["MCP-Protocol-Version"] = several.STATELESS,
        ["Mcp-Method"] = "tools/call", ["Mcp-Name"] = "ask" }
      local result = all:request(1, "tools/call", params, nil, fields)
      assert.equal("input_required", result.resultType)
      params.requestState = result.requestState
      params.inputResponses = { name = { action = "accept", content = { name = "rose" } } }
      local err
      result, err = all:request(2, "tools/call", params, nil, fields)
      assert(result, err and err.message)
      assert.equal("rose2", result.content[1].text)
    end)
  end)

  it("puts no secret into the store where it has been given one", function()
    local function secret()
      local process, found = all.apps[1].shared, nil
      several.run(function()
        several.eventually(function() return process.number end)
        found = all.nodes[1]:get(process:key("secret", "state"))
      end)
      return found
    end
    assert.is_string(secret())
    all:close()
    all = several.open(1, function() end, { state_keys = { ("k"):rep(32) } })
    assert.is_nil(secret())
  end)

  it("has cursors that do not depend on how often it has registered", function()
    several.run(function()
      several.eventually(joined)
      local sid = all:session(1, 1)
      all.apps[2]:tool "d" (function() return "d" end)
      all.apps[2]:remove("tool", "d")
      local page = all:request(1, "tools/list", {}, sid)
      local following = all:request(2, "tools/list", { cursor = page.nextCursor }, sid)
      assert.equal("c", following and following.tools[1].name)
      all.apps[2]:tool "e" (function() return "e" end)
      local _, err = all:request(2, "tools/list", { cursor = page.nextCursor }, sid)
      assert.equal(-32602, err.code)
    end)
  end)
end)
