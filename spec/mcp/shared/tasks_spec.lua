-- SPDX-License-Identifier: MIT
-- Tasks that any of several processes can be asked about.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local several = require "spec.several"
local tasks = require "mcp.server.shared.tasks"

local TASKS = "io.modelcontextprotocol/tasks"
local DIED = "The process that ran the task has ended"

describe("a task at one of several processes", function()
  local all, gate, ended, look

  local function make(app)
    app:tool "work" { input = { fail = "boolean?", large = "boolean?" }, task = "optional" } (
      function(args, ctx)
        local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
        ctx:progress(1, 2, "half")
        while not gate.open and ctx:sleep(0.01) do end
        if ctx:cancelled() then return "too late" end
        if args.fail then error(mcp.error(-32050, "no luck", { why = core.decode "[]" })) end
        return args.large and ("x"):rep(2 << 20) or "done"
      end)
    app:tool "ask" { task = "optional" } (function(_, ctx)
      local content, reason = ctx:elicit("Which?", { name = "string" },
        { key = "name", timeout = 5 })
      return content and content.name or "no: " .. tostring(reason)
    end)
    app:tool "both" { task = "optional" } (function(_, ctx)
      local answers = ctx:ask { a = mcp.elicit("A?", { name = "string" }),
        b = mcp.elicit("B?", { name = "string" }) }
      return answers.a.content.name .. answers.b.content.name
    end)
  end

  before_each(function()
    gate, ended, look = { open = false }, 0, tasks.LOOK
    all = several.open(3, make, { tasks = { poll_interval = 0.05 } })
  end)
  after_each(function()
    tasks.LOOK = look
    gate.open = true
    all:close()
    -- A task that is followed is looked at once more.
    helper.wait_until(function() return core.task_count() == 0 end, "the end of the last look")
    helper.leftovers()
  end)

  -- A request of the stateless revision, by a client with tasks.
  local function ask(i, method, params)
    local capabilities = { elicitation = { form = {} }, extensions = { [TASKS] = {} } }
    local all_params = { _meta = helper.envelope {
      ["io.modelcontextprotocol/clientCapabilities"] = capabilities } }
    for key, member in pairs(params or {}) do all_params[key] = member end
    return all:request(i, method, all_params, nil, {
      ["MCP-Protocol-Version"] = several.STATELESS, ["Mcp-Method"] = method,
      ["Mcp-Name"] = params and (params.name or params.taskId) })
  end

  local function begin(i, name, arguments)
    local result, err = ask(i, "tools/call", { name = name, arguments = arguments or {} })
    assert(result, err and err.message)
    assert.equal("task", result.resultType)
    return result.taskId
  end

  local function reaches(i, id, status)
    local view
    several.eventually(function()
      view = assert(ask(i, "tasks/get", { taskId = id }))
      return view.status == status
    end, status)
    return view
  end

  describe("without a session", function()
    it("is known to each of them, with its result", function()
      several.run(function()
        local id = begin(1, "work")
        for i = 1, 3 do
          local view = ask(i, "tasks/get", { taskId = id })
          assert.equal("working", view.status)
          assert.equal(50, view.pollIntervalMs)
        end
        several.eventually(function()
          return ask(3, "tasks/get", { taskId = id }).statusMessage == "half"
        end)
        gate.open = true
        for i = 1, 3 do
          assert.equal("done", reaches(i, id, "completed").result.content[1].text)
        end
      end)
    end)

    it("is known with its error", function()
      several.run(function()
        local id = begin(1, "work", { fail = true })
        gate.open = true
        local first, second = reaches(1, id, "failed"), reaches(2, id, "failed")
        assert.same(first.error, second.error)
        assert.same({ -32050, "no luck" }, { second.error.code, second.error.message })
        assert.equal("[]", core.encode(second.error.data.why))
      end)
    end)

    it("is unknown to all if it never was, or is no task", function()
      several.run(function()
        for _, id in ipairs { core.random_id(), "x", ("y"):rep(2000), "a/../b" } do
          local _, err = ask(2, "tasks/get", { taskId = id })
          assert.equal(-32602, err.code)
        end
      end)
    end)

    it("is cancelled by any of them", function()
      several.run(function()
        local id = begin(1, "work")
        assert.is_table(ask(2, "tasks/cancel", { taskId = id }))
        several.eventually(function() return ended == 1 end)
        for i = 1, 3 do reaches(i, id, "cancelled") end
        assert.is_table(ask(3, "tasks/cancel", { taskId = id }))
      end)
    end)

    it("asks, and is answered, by any of them", function()
      several.run(function()
        local id = begin(1, "ask")
        local view = reaches(2, id, "input_required")
        assert.equal("elicitation/create", view.inputRequests.name.method)
        assert.equal("Which?", view.inputRequests.name.params.message)
        assert.is_table(ask(3, "tasks/update", { taskId = id, inputResponses = {
          name = { action = "accept", content = { name = "rose" } } } }))
        assert.equal("rose", reaches(2, id, "completed").result.content[1].text)
      end)
    end)

    it("no longer asks what one of them was told, the rest it does", function()
      several.run(function()
        local function answer(i, id, key)
          assert.is_table(ask(i, "tasks/update", { taskId = id, inputResponses = {
            [key] = { action = "accept", content = { name = key } } } }))
        end
        -- Told by another process, and by its own.
        for first = 1, 2 do
          local id = begin(1, "both")
          reaches(2, id, "input_required")
          answer(first, id, "a")
          for i = 1, 3 do
            local view
            -- The process of the task saves what is left after it has taken the answer.
            several.eventually(function()
              view = assert(ask(i, "tasks/get", { taskId = id }))
              return view.inputRequests.a == nil
            end)
            assert.is_table(view.inputRequests.b)
          end
          answer(3, id, "b")
          assert.equal("ab", reaches(2, id, "completed").result.content[1].text)
        end
      end)
    end)

    it("has failed when its process has died", function()
      several.run(function()
        local id = begin(1, "work")
        all:kill(1)
        for i = 2, 3 do
          local view = reaches(i, id, "failed")
          assert.same({ -32603, DIED }, { view.error.code, view.error.message })
        end
      end)
    end)

    it("has failed when its process has stopped, and what was over is kept", function()
      several.run(function()
        local over = begin(1, "ask")
        ask(1, "tasks/cancel", { taskId = over })
        local id = begin(1, "work")
        all.listening[1]:close()
        assert.equal(DIED, reaches(2, id, "failed").error.message)
        reaches(2, over, "cancelled")
        several.eventually(function() return ended == 1 end)
      end)
    end)

    it("is heard of by listen requests at others", function()
      several.run(function()
        local id = begin(1, "work")
        local stream = all:listen(2, { taskIds = core.decode(core.encode { id }) },
          { elicitation = {}, extensions = { [TASKS] = {} } })
        assert.equal("notifications/subscriptions/acknowledged", stream:next().method)
        assert.equal("working", stream:next().params.status)
        gate.open = true
        local last
        repeat last = stream:next().params until last.status ~= "working"
        assert.equal("completed", last.status)
        assert.equal("done", last.result.content[1].text)
      end)
    end)

    it("has its large result everywhere", function()
      several.run(function()
        local id = begin(1, "work", { large = true })
        gate.open = true
        assert.equal(2 << 20, #reaches(2, id, "completed").result.content[1].text)
      end)
    end)

    it("goes on where it runs while the store is away; others refuse", function()
      helper.logged(function()
        several.run(function()
          local id = begin(1, "work")
          all:away(1, true)
          all:away(2, true)
          assert.equal("working", ask(1, "tasks/get", { taskId = id }).status)
          local _, err, status, response = ask(2, "tasks/get", { taskId = id })
          assert.same({ 503, -32000, "2" }, { status, err.code, response:header "retry-after" })
          all:away(1, false)
          all:away(2, false)
          gate.open = true
          reaches(2, id, "completed")
        end)
      end)
    end)
  end)

  describe("of a session", function()
    local function start(i, sid, name, arguments)
      local result = assert(all:request(i, "tools/call", { name = name, arguments = arguments or {},
        task = { ttl = 60000 } }, sid))
      return result.task.taskId
    end

    it("is known to each of them, and to its session alone", function()
      several.run(function()
        local sid, other = all:session(1, 1), all:session(2, 2)
        local id = start(1, sid, "work")
        for i = 1, 3 do
          local view = all:request(i, "tasks/get", { taskId = id }, sid)
          assert.same({ id, "working", 60000 }, { view.taskId, view.status, view.ttl })
          local _, err = all:request(i, "tasks/get", { taskId = id }, other)
          assert.equal(-32602, err.code)
        end
      end)
    end)

    it("is listed with those of other processes, oldest first", function()
      several.run(function()
        local sid = all:session(1, 1)
        local ids = {}
        for i = 1, 3 do ids[i] = start(i, sid, "work") end
        for i = 1, 3 do
          local list = all:request(i, "tasks/list", {}, sid).tasks
          assert.same(ids, { list[1].taskId, list[2].taskId, list[3].taskId })
        end
      end)
    end)

    it("gives its result to a request that waits at another", function()
      several.run(function()
        local sid = all:session(1, 1)
        local id = start(1, sid, "work")
        local waiter, results = core.waiter(), {}
        for i = 1, 3 do
          waiter:spawn(function()
            results[i] = all:request(i, "tasks/result", { taskId = id }, sid)
          end)
        end
        core.sleep(0.1)
        assert.same({}, results)
        gate.open = true
        waiter:wait(helper.LIMIT)
        for i = 1, 3 do assert.equal("done", results[i].content[1].text) end
      end)
    end)

    it("asks on the stream of a request that waits at another", function()
      several.run(function()
        local sid = all:session(1, 1, { elicitation = {} })
        local id = start(1, sid, "ask")
        local stream = all:open_request(2, sid, "tasks/result", { taskId = id })
        local question = stream:next()
        assert.equal("elicitation/create", question.method)
        assert.equal(id, question.params._meta["io.modelcontextprotocol/related-task"].taskId)
        assert.equal(202, all:answer(3, sid, question.id,
          { action = "accept", content = { name = "rose" } }))
        assert.equal("rose", stream:next().result.content[1].text)
      end)
    end)

    it("is cancelled by any of them, once", function()
      several.run(function()
        local sid = all:session(1, 1)
        local id = start(1, sid, "work")
        assert.equal("cancelled", all:request(2, "tasks/cancel", { taskId = id }, sid).status)
        for i = 1, 3 do
          local _, err = all:request(i, "tasks/cancel", { taskId = id }, sid)
          assert.matches("the task has ended: cancelled", err.message)
        end
        local _, err = all:request(3, "tasks/result", { taskId = id }, sid)
        assert.matches("The task was cancelled", err.message)
      end)
    end)

    it("has failed when its process has died, also for a request that waits", function()
      tasks.LOOK = 0.05
      several.run(function()
        local sid = all:session(1, 2)
        local id = start(1, sid, "work")
        local waiter, failed = core.waiter(), nil
        waiter:spawn(function()
          failed = select(2, all:request(2, "tasks/result", { taskId = id }, sid))
        end)
        core.sleep(0.1)
        all:kill(1)
        waiter:wait(helper.LIMIT)
        assert.equal(DIED, failed.message)
        assert.equal("failed", all:request(3, "tasks/get", { taskId = id }, sid).status)
      end)
    end)

    it("ends with its session, wherever that is ended", function()
      several.run(function()
        local sid = all:session(1, 1)
        start(1, sid, "work")
        assert.equal(200, all:delete(2, sid))
        several.eventually(function() return ended == 1 end)
        assert.equal(0, all.apps[1].task_store.count)
      end)
    end)

    it("goes on when its process forgets the session", function()
      several.run(function()
        local sid = all:session(1, 1)
        local id = start(1, sid, "work")
        all.apps[1].sessions:remove(sid)
        assert.equal("working", all:request(1, "tasks/get", { taskId = id }, sid).status)
        gate.open = true
        assert.equal("done", all:request(1, "tasks/result", { taskId = id }, sid).content[1].text)
      end)
    end)

    it("notifies the stream of its session, wherever it is", function()
      several.run(function()
        local sid = all:session(1, 1)
        local stream = all:get(3, sid)
        local id = start(1, sid, "work")
        gate.open = true
        local message = stream:next()
        assert.equal("notifications/tasks/status", message.method)
        assert.same({ id, "completed" }, { message.params.taskId, message.params.status })
      end)
    end)
  end)

  it("of a session without an id is written nowhere: its connection is at one process", function()
    local written = 0
    local function write() written = written + 1 end
    local stub = { store = { put = write, put_later = write, append_later = write },
      key = function(_, ...) return table.concat({ ... }, "/") end, interval = 1, number = 1 }
    local task = { id = "x", status = "working", ttl = 1, streams = {}, owner = { id = "s" },
      store = { poll_interval = 1, max = 1, max_ttl = 1 } }
    tasks.save(stub, task, true)
    assert.equal(2, written)
    task.owner = {}
    tasks.save(stub, task, true)
    tasks.save(stub, task)
    assert.equal(2, written)
  end)
end)
