-- SPDX-License-Identifier: MIT
-- Tasks as clients see them: the extension of the stateless era and the experimental tasks of
-- 2025-11-25, two views of one store (protocol 4.16). The store is
-- spec/mcp/server/task_store_spec.lua's.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local TASKS = helper.PREFIX .. "tasks"
local RELATED = helper.PREFIX .. "related-task"
local MODERN = "2026-07-28"

describe("tasks", function()
  local app, seen, real, ahead

  before_each(function()
    seen = { closed = 0 }
    app = mcp.server { name = "spec",
      tasks = { ttl = 100, max_ttl = 1000, max = 20, max_running = 8 } }
    app:tool "sync" { input = { name = "string" } } (function(args) return "sync " .. args.name end)
    app:tool "quick" { task = "optional", input = { name = "string" } } (function(args, ctx)
      seen.ctx, seen.was_task = ctx, ctx.task ~= nil
      return "quick " .. args.name
    end)
    app:tool "slow" { task = "optional" } (function(_, ctx)
      local _ <close> = setmetatable({}, { __close = function() seen.closed = seen.closed + 1 end })
      seen.code = select(3, ctx:sleep(60))
      seen.cancelled = ctx:cancelled()
      while true do ctx:sleep(60) end
    end)
    app:tool "gated" { task = "optional" } (function()
      local ok = seen.gate:wait()
      return ok and "through" or "not through"
    end)
    app:tool "fails" { task = "required" } (function() error "no luck" end)
    app:tool "errs" { task = "optional" } (function()
      error(mcp.error(-32050, "odd", { x = 1 }))
    end)
    app:tool "asks" { task = "optional" } (function(_, ctx)
      local answer, why = ctx:elicit("Sure?", { ok = "boolean" })
      return answer and ("ok " .. tostring(answer.ok)) or "no: " .. why
    end)
    app:tool "asks_later" { task = "optional" } (function(_, ctx)
      seen.gate:wait()
      local first = ctx:elicit("One?", { n = "integer" })
      local second = ctx:elicit("Two?", { n = "integer" })
      return first.n + second.n
    end)
    app:tool "asks_two" { task = "optional" } (function(_, ctx)
      local answers = ctx:ask {
        a = mcp.elicit("A?", { x = "integer" }), b = mcp.elicit("B?", { x = "integer" }),
      }
      return answers.a.content.x + answers.b.content.x
    end)
    app:tool "tells" { task = "optional" } (function(_, ctx)
      seen.told = { ctx:progress(1, 2, "half"), ctx:log("error", "unheard") }
      seen.gate:wait()
      seen.told_later = ctx:progress(2, 2, "whole")
      return "told"
    end)
    seen.gate = core.waiter()
    real, ahead = core.now, 0
  end)

  after_each(function()
    core.now = real
    if app.task_store then app.task_store:clear() end
    app.bus:close()
    helper.leftovers()
  end)

  -- Lets time pass for the store.
  local function later(seconds)
    ahead = ahead + seconds
    core.now = function() return real() + ahead end
  end

  describe("of the extension (" .. MODERN .. ")", function()
    local peer
    local DECLARED = { [helper.PREFIX .. "clientCapabilities"] = {
      extensions = { [TASKS] = {} }, elicitation = { form = {} } } }
    before_each(function() peer = helper.open(app, MODERN) end)

    local function ask(method, params, meta)
      return peer:modern(method, params, meta or DECLARED)
    end

    local function call(name, arguments, meta)
      return ask("tools/call", { name = name, arguments = arguments or {} }, meta)
    end

    local function get(id) return assert(ask("tasks/get", { taskId = id }).result) end

    local function until_status(id, status)
      local last
      helper.wait_until(function()
        last = get(id)
        return last.status == status
      end, status)
      return last
    end

    it("are declared under extensions, if there is a tool for them", function()
      local capabilities = ask("server/discover").result.capabilities
      assert.same({ [TASKS] = {} }, helper.plain(capabilities.extensions))
      assert.is_nil(capabilities.tasks)
      local none = mcp.server "none"
      none:tool "t" (function() end)
      local other = helper.open(none, MODERN)
      local response = other:modern("server/discover")
      assert.is_nil(response.result.capabilities.extensions)
      response = other:modern("tasks/get", { taskId = "x" }, DECLARED)
      assert.equal(-32601, response.error.code)
    end)

    it("are made by the server: flat, working, with the times and nothing else", function()
      local result = call("quick", { name = "a" }).result
      assert.equal("task", result.resultType)
      assert.equal("working", result.status)
      assert.equal(100000, result.ttlMs)
      assert.equal(1000, result.pollIntervalMs)
      assert.matches("^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", result.createdAt)
      assert.equal("integer", math.type(result.ttlMs))
      for _, name in ipairs { "task", "result", "error", "inputRequests", "requestState", "ttl",
        "pollInterval", "content" } do assert.is_nil(result[name], name) end
    end)

    it("can be read at once, and end with the result of the call in them", function()
      local id = call("quick", { name = "a" }).result.taskId
      local view = until_status(id, "completed")
      assert.equal("complete", view.resultType)
      assert.equal("quick a", view.result.content[1].text)
      assert.equal("complete", view.result.resultType)
      assert.is_nil((view.result._meta or {})[RELATED])
      assert.is_true(seen.was_task)
    end)

    it("are for those who declare them in this very request; others are served at once", function()
      local response = call("quick", { name = "a" }, {})
      assert.equal("quick a", response.result.content[1].text)
      assert.is_false(seen.was_task)
      for _, odd in ipairs { {}, { extensions = {} }, { extensions = { [TASKS] = true } },
        { extensions = mcp.array { 1 } } } do
        response = call("quick", { name = "a" }, { [helper.PREFIX .. "clientCapabilities"] = odd })
        assert.equal("complete", response.result.resultType)
      end
    end)

    it("are demanded by some tools: -32021, and what is lacking", function()
      local err = call("fails", {}, {}).error
      assert.equal(-32021, err.code)
      assert.same({ requiredCapabilities = { extensions = { [TASKS] = {} } } },
        helper.plain(err.data))
    end)

    it("cannot be asked about without the extension: -32021", function()
      local id = call("quick", { name = "a" }).result.taskId
      for _, method in ipairs { "tasks/get", "tasks/update", "tasks/cancel" } do
        local err = ask(method, { taskId = id, inputResponses = {} }, {}).error
        assert.equal(-32021, err.code)
        assert.is_table(err.data.requiredCapabilities.extensions[TASKS])
      end
    end)

    it("know neither tasks/result nor tasks/list, nor the member `task`", function()
      for _, method in ipairs { "tasks/result", "tasks/list" } do
        assert.equal(-32601, ask(method, { taskId = "x" }).error.code)
      end
      local response = ask("tools/call",
        { name = "sync", arguments = { name = "a" }, task = { ttl = 5 } })
      assert.equal("sync a", response.result.content[1].text)
    end)

    it("complete with isError when the tool fails, and fail with an error of the protocol",
      function()
        helper.logged(function()
          local view = until_status(call("fails").result.taskId, "completed")
          assert.is_true(view.result.isError)
          assert.equal("no luck", view.result.content[1].text)
          view = until_status(call("errs").result.taskId, "failed")
          assert.same({ code = -32050, message = "odd", data = { x = 1 } },
            helper.plain(view.error))
          assert.is_nil(view.result)
        end)
      end)

    it("are not made of arguments that do not fit", function()
      local result = call("quick", { name = 5 }).result
      assert.equal("complete", result.resultType)
      assert.is_true(result.isError)
      assert.equal(-32602, ask("tools/call", { name = "quick", arguments = "x" }).error.code)
    end)

    it("end with an error result that names the place when the result cannot be JSON", function()
      app:tool "odd" { task = "optional" } (function()
        return { content = { { type = "text", text = print } } }
      end)
      helper.logged(function()
        local view = until_status(call("odd").result.taskId, "completed")
        assert.is_true(view.result.isError)
        assert.equal('tool "odd": content[1].text: function', view.result.content[1].text)
      end)
    end)

    it("fail with the error when its data cannot be JSON", function()
      app:tool "odd" { task = "optional" } (function()
        error(mcp.error(7, "no such thing", { print }))
      end)
      helper.logged(function()
        local view = until_status(call("odd").result.taskId, "failed")
        assert.same({ code = 7, message = "no such thing" }, view.error)
      end)
    end)

    it("that are unknown, malformed or somebody else's are refused alike (SEC-55)", function()
      local id = call("quick", { name = "a" }).result.taskId
      app.task_store.by_id[id].owner = "somebody"
      local texts = {}
      for _, method in ipairs { "tasks/get", "tasks/update", "tasks/cancel" } do
        for _, given in ipairs { id, "nosuch" } do
          local err = ask(method, { taskId = given, inputResponses = {} }).error
          assert.equal(-32602, err.code)
          texts[err.message] = true
        end
        assert.equal(-32602, ask(method, { taskId = 5 }).error.code)
        assert.equal(-32602, ask(method, {}).error.code)
      end
      local count = 0
      for _ in pairs(texts) do count = count + 1 end
      assert.equal(3, count) -- one for each method
    end)

    it("belong to who has been authorized", function()
      app:use(function(request, next)
        request.ctx.auth = seen.auth
        return next(request)
      end)
      seen.auth = { issuer = "i", subject = "one" }
      local id = call("quick", { name = "a" }).result.taskId
      assert.is_string(get(id).status)
      assert.equal("one", app.task_store.by_id[id] and seen.auth.subject)
      for _, other in ipairs { { issuer = "i", subject = "two" }, { issuer = "j", subject = "one" },
        false } do
        seen.auth = other or nil
        assert.equal(-32602, ask("tasks/get", { taskId = id }).error.code)
      end
    end)

    it("are cancelled: acknowledged with nothing, again and again; the handler ends", function()
      local id = call("slow").result.taskId
      helper.settle()
      for _ = 1, 2 do
        local result = ask("tasks/cancel", { taskId = id }).result
        result._meta = nil
        assert.same({ resultType = "complete" }, helper.plain(result))
      end
      local view = get(id)
      assert.equal("cancelled", view.status)
      assert.is_nil(view.result)
      helper.settle()
      assert.equal("ECANCELED", seen.code)
      assert.is_true(seen.cancelled)
      assert.equal(1, seen.closed)
      id = call("quick", { name = "a" }).result.taskId
      until_status(id, "completed")
      assert.equal("complete", ask("tasks/cancel", { taskId = id }).result.resultType)
      assert.equal("completed", get(id).status)
    end)

    it("go on when the connection that asked for them is gone", function()
      local id = call("gated").result.taskId
      helper.settle()
      peer:close()
      peer = helper.open(app, MODERN)
      assert.equal("working", get(id).status)
      seen.gate:wake()
      assert.equal("through", until_status(id, "completed").result.content[1].text)
    end)

    it("are gone after their ttl", function()
      local id = call("quick", { name = "a" }).result.taskId
      until_status(id, "completed")
      later(99)
      assert.equal("completed", get(id).status)
      later(2)
      assert.equal(-32602, ask("tasks/get", { taskId = id }).error.code)
    end)

    it("are bounded, and a server that is full says so", function()
      for _ = 1, 8 do assert.equal("task", call("slow").result.resultType) end
      local err = call("slow").error
      assert.equal(-32603, err.code)
      assert.matches("^Busy", err.message)
      assert.equal("sync a", call("sync", { name = "a" }).result.content[1].text)
    end)

    it("ask by lying there: input_required, until tasks/update answers", function()
      local id = call("asks").result.taskId
      local view = until_status(id, "input_required")
      local key, request = next(view.inputRequests)
      assert.equal("elicitation/create", request.method)
      assert.equal("Sure?", request.params.message)
      assert.is_nil(request.params._meta)
      assert.is_nil(view.requestState)
      local result = ask("tasks/update", { taskId = id,
        inputResponses = { [key] = { action = "accept", content = { ok = true } } } }).result
      result._meta = nil
      assert.same({ resultType = "complete" }, helper.plain(result))
      view = until_status(id, "completed")
      assert.equal("ok true", view.result.content[1].text)
      assert.is_nil(view.inputRequests)
      assert.is_table(ask("tasks/update", { taskId = id,
        inputResponses = { [key] = { action = "cancel" } } }).result)
    end)

    it("are answered in parts; what is unknown, answered or malformed changes nothing (SEC-55)",
      function()
        local id = call("asks_two").result.taskId
        until_status(id, "input_required")
        local function answer(given)
          assert.is_table(ask("tasks/update", { taskId = id, inputResponses = given }).result)
          return get(id)
        end
        local good = { action = "accept", content = { x = 3 } }
        local view = answer { nosuch = good, __index = good }
        assert.is_table(view.inputRequests.a)
        assert.is_table(view.inputRequests.b)
        view = answer { a = { action = "accept", content = { x = "three" } }, b = 5 }
        assert.is_table(view.inputRequests.a)
        view = answer { a = good }
        assert.equal("input_required", view.status)
        assert.is_nil(view.inputRequests.a)
        assert.is_table(view.inputRequests.b)
        view = answer { a = { action = "accept", content = { x = 100 } } }
        assert.is_table(view.inputRequests.b)
        answer { b = { action = "accept", content = { x = 4 } } }
        assert.equal("7", until_status(id, "completed").result.content[1].text)
        for _, odd in ipairs { "x", 5, mcp.array { 1 } } do
          assert.equal(-32602,
            ask("tasks/update", { taskId = id, inputResponses = odd }).error.code)
        end
        assert.is_truthy(ask("tasks/update", { taskId = id, inputResponses = 5 })
          .error.message:find("got integer", 1, true))
        assert.is_truthy(ask("tasks/update", { taskId = id })
          .error.message:find("got nothing", 1, true))
      end)

    it("that wait for an answer can be cancelled", function()
      local id = call("asks").result.taskId
      until_status(id, "input_required")
      ask("tasks/cancel", { taskId = id })
      local view = get(id)
      assert.equal("cancelled", view.status)
      assert.is_nil(view.inputRequests)
      helper.settle()
      assert.equal(0, app.task_store.running)
    end)

    it("stop waiting when nobody answers in time", function()
      app:tool "hurried" { task = "optional" } (function(_, ctx)
        local _, _, code = ctx:elicit("Quick?", { ok = "boolean" }, { timeout = 0.01 })
        return "over: " .. tostring(code)
      end)
      local view = until_status(call("hurried").result.taskId, "completed")
      assert.equal("over: ETIMEDOUT", view.result.content[1].text)
    end)

    it("cannot ask what the call did not offer: -32021 in the task", function()
      local only = { [helper.PREFIX .. "clientCapabilities"] = { extensions = { [TASKS] = {} } } }
      local view = until_status(call("asks", {}, only).result.taskId, "failed")
      assert.equal(-32021, view.error.code)
    end)

    it("are made after what `prepare` asks: rounds first, the task last (MRTR)", function()
      app:tool "prepared" {
        task = "optional",
        prepare = function(_, ctx)
          return ctx:elicit("Name?", { name = "string" }, { key = "n" })
        end,
      } (function(_, ctx, form)
        ctx:sleep(0)
        return "Hello, " .. form.name
      end)
      local first = call("prepared").result
      assert.equal("input_required", first.resultType)
      assert.is_nil(first.taskId)
      assert.is_nil(app.task_store)
      local second = ask("tools/call", { name = "prepared", arguments = {},
        requestState = first.requestState,
        inputResponses = { n = { action = "accept", content = { name = "Alice" } } } }).result
      assert.equal("task", second.resultType)
      assert.is_nil(second.requestState)
      local view = until_status(second.taskId, "completed")
      assert.equal("Hello, Alice", view.result.content[1].text)
    end)

    it("are not made when `prepare` finds a reason", function()
      app:tool "choosy" { task = "required", prepare = function() return nil, "not today" end } (
        function() return "never" end)
      local result = call("choosy").result
      assert.is_true(result.isError)
      assert.equal("not today", result.content[1].text)
    end)

    it("tell of their progress in the status, and of nothing on any stream", function()
      local id = ask("tools/call", { name = "tells", arguments = {},
        }, { [helper.PREFIX .. "clientCapabilities"] = { extensions = { [TASKS] = {} } },
        progressToken = "t", [helper.PREFIX .. "logLevel"] = "debug" }).result.taskId
      helper.wait_until(function() return seen.told end)
      assert.equal("half", get(id).statusMessage)
      seen.gate:wake()
      until_status(id, "completed")
      assert.same({ false, false }, seen.told)
      assert.same({}, peer.notices)
      peer:silent()
    end)

    it("are named by the header Mcp-Name over HTTP (HM-24)", function()
      local receive, name = require("mcp.server.front.http").receiver(app), nil
      local http <close> = helper.peer(function(x, _, kind, id, method, params, meta, claim, ...)
        return receive(x, nil, kind, id, method, params, meta, claim, ..., nil, nil, nil, MODERN,
          method, name)
      end)
      local id = call("quick", { name = "a" }).result.taskId
      for _, method in ipairs { "tasks/get", "tasks/update", "tasks/cancel" } do
        local params = { taskId = id, inputResponses = {} }
        name = id
        assert.is_table(http:modern(method, params, DECLARED).result)
        for _, wrong in ipairs { "other", false, "" } do
          name = wrong
          assert.equal(-32020, http:modern(method, params, DECLARED).error.code)
        end
      end
    end)

    describe("on a listen stream", function()
      local TAG = helper.PREFIX .. "subscriptionId"

      local function listen(ids, meta, id)
        peer:send { jsonrpc = "2.0", id = id or "l", method = "subscriptions/listen", params = {
          notifications = { taskIds = ids }, _meta = helper.envelope(meta or DECLARED) } }
        return peer:receive()
      end

      it("are told of, whole and tagged, as they change", function()
        local id = call("gated").result.taskId
        local ack = listen(mcp.array { id, "nosuch", id })
        assert.equal("notifications/subscriptions/acknowledged", ack.method)
        assert.same({ id }, helper.plain(ack.params.notifications.taskIds))
        local now = peer:receive()
        assert.equal("notifications/tasks", now.method)
        assert.equal("working", now.params.status)
        seen.gate:wake()
        local message = peer:receive()
        assert.equal("notifications/tasks", message.method)
        assert.equal(id, message.params.taskId)
        assert.equal("completed", message.params.status)
        assert.equal("through", message.params.result.content[1].text)
        assert.equal("l", message.params._meta[TAG])
        peer:silent()
      end)

      it("tell what they ask", function()
        local id = call("asks").result.taskId
        listen(mcp.array { id })
        helper.wait_until(function()
          local message = peer:receive()
          return message.params.status == "input_required" and message.params.inputRequests.input_1
        end)
      end)

      it("are left out when they are somebody else's, and need the extension (SEC-56)", function()
        local id = call("gated").result.taskId
        app.task_store.by_id[id].owner = "somebody"
        local ack = listen(mcp.array { id })
        assert.is_nil(ack.params.notifications.taskIds)
        seen.gate:wake()
        peer:silent()
        assert.equal(-32021, listen(mcp.array { id }, {}, "m").error.code)
        assert.equal(-32602, listen("x", nil, "m").error.code)
        assert.equal(-32602, listen(mcp.array { 5 }, nil, "m").error.code)
      end)

      it("live as long as somebody listens", function()
        local id = call("gated").result.taskId
        listen(mcp.array { id })
        later(500)
        app.task_store:sweep()
        assert.equal("working", get(id).status)
        peer:close()
        later(500)
        app.task_store:sweep()
        assert.equal(0, app.task_store.count)
      end)
    end)
  end)

  describe("of a session (2025-11-25)", function()
    local peer
    before_each(function()
      peer = helper.connect(app)
      seen.initialized = peer:initialize("2025-11-25", { elicitation = {} })
    end)

    local function call(name, arguments, wish, meta)
      return peer:request("tools/call", { name = name, arguments = arguments or {},
        task = wish or {}, _meta = meta })
    end

    local function make(...) return assert(call(...).result).task end

    -- The next message that is no notice of a status.
    local function receive()
      local message
      repeat message = peer:receive() until message.method ~= "notifications/tasks/status"
      return message
    end

    local function until_status(id, status)
      local last
      helper.wait_until(function()
        last = peer:request("tasks/get", { taskId = id }).result
        return last.status == status
      end, status)
      return last
    end

    it("are declared, and by each tool, in this revision only", function()
      assert.same({ list = {}, cancel = {}, requests = { tools = { call = {} } } },
        helper.plain(seen.initialized.capabilities.tasks))
      assert.is_nil(seen.initialized.capabilities.extensions)
      for _, revision in ipairs(helper.revisions) do
        local other = helper.open(app, revision)
        local list = (other.era and other:modern "tools/list" or other:request "tools/list").result
        local support = {}
        for _, one in ipairs(list.tools) do
          support[one.name] = one.execution and one.execution.taskSupport or "-"
        end
        local here = revision == "2025-11-25"
        assert.equal(here and "optional" or "-", support.quick)
        assert.equal("-", support.sync)
        -- What can only be called as a task is no tool for those who cannot.
        assert.equal(here and "required" or revision == MODERN and "-" or nil, support.fails)
        other:close()
      end
    end)

    it("are unknown to older ones", function()
      for _, revision in ipairs { "2024-11-05", "2025-03-26", "2025-06-18" } do
        local old = helper.connect(app)
        assert.is_nil(old:initialize(revision).capabilities.tasks)
        for _, name in ipairs { "get", "result", "list", "cancel" } do
          assert.equal(-32601, old:request("tasks/" .. name, { taskId = "x" }).error.code)
        end
        local response = old:request("tools/call",
          { name = "quick", arguments = { name = "a" }, task = {} })
        assert.equal("quick a", response.result.content[1].text)
        assert.equal(-32601, old:request("tools/call", { name = "fails" }).error.code)
        old:close()
      end
    end)

    it("are made at the client's wish", function()
      local task = make("quick", { name = "a" }, { ttl = 5000 })
      assert.equal("working", task.status)
      assert.equal(5000, task.ttl)
      assert.equal(1000, task.pollInterval)
      assert.is_string(task.taskId)
      assert.matches("Z$", task.createdAt)
      assert.matches("Z$", task.lastUpdatedAt)
      assert.equal(1000000, make("quick", { name = "a" }, { ttl = 1 << 40 }).ttl)
      assert.equal(1000000, make("quick", { name = "a" }, { ttl = mcp.null }).ttl)
      assert.equal(100000, make("quick", { name = "a" }).ttl)
      local response = peer:request("tools/call", { name = "quick", arguments = { name = "b" } })
      assert.equal("quick b", response.result.content[1].text)
    end)

    it("are refused where they are forbidden, demanded where they are required: -32601 (7.6)",
      function()
        assert.equal(-32601, call("sync", { name = "a" }).error.code)
        assert.equal(-32601, peer:request("tools/call", { name = "fails" }).error.code)
        for _, odd in ipairs { 5, "x", mcp.array { 1 }, { ttl = "x" }, { ttl = -1 } } do
          assert.equal(-32602, call("quick", { name = "a" }, odd).error.code)
        end
      end)

    it("are not declared without a tool for them, and then the wish means nothing", function()
      local none = mcp.server "none"
      none:tool "t" (function() return "t" end)
      local other = helper.connect(none)
      assert.is_nil(other:initialize().capabilities.tasks)
      local response = other:request("tools/call", { name = "t", task = {} })
      assert.equal("t", response.result.content[1].text)
      assert.equal(-32601, other:request("tasks/list").error.code)
    end)

    it("have a result that waits for their end, marked as theirs", function()
      local id = make("gated").taskId
      peer:send { jsonrpc = "2.0", id = "r", method = "tasks/result", params = { taskId = id } }
      peer:silent()
      assert.equal("working", peer:request("tasks/get", { taskId = id }).result.status)
      seen.gate:wake()
      local result = peer:response("r").result
      assert.equal("through", result.content[1].text)
      assert.same({ taskId = id }, helper.plain(result._meta[RELATED]))
      assert.equal("through",
        peer:request("tasks/result", { taskId = id }).result.content[1].text)
      assert.equal("completed", peer:request("tasks/get", { taskId = id }).result.status)
    end)

    it("fail with isError, and give the call's own answer as their result", function()
      helper.logged(function()
        local id = make("fails").taskId
        local result = peer:request("tasks/result", { taskId = id }).result
        assert.is_true(result.isError)
        assert.equal("no luck", result.content[1].text)
        assert.equal("failed", until_status(id, "failed").status)
        id = make("errs").taskId
        local err = peer:request("tasks/result", { taskId = id }).error
        assert.same({ code = -32050, message = "odd", data = { x = 1 } }, helper.plain(err))
        id = make("quick", { name = 5 }).taskId
        assert.is_true(peer:request("tasks/result", { taskId = id }).result.isError)
      end)
    end)

    it("are cancelled once: the task as it is then, and -32602 after its end", function()
      local id = make("slow").taskId
      helper.settle()
      peer:send { jsonrpc = "2.0", id = "r", method = "tasks/result", params = { taskId = id } }
      local task = peer:request("tasks/cancel", { taskId = id }).result
      assert.equal(id, task.taskId)
      assert.equal("cancelled", task.status)
      peer:rest_of_messages() -- the waiting tasks/result is answered, with an error
      assert.equal(-32600, peer:request("tasks/result", { taskId = id }).error.code)
      assert.equal(1, seen.closed)
      assert.equal(-32602, peer:request("tasks/cancel", { taskId = id }).error.code)
      id = make("quick", { name = "a" }).taskId
      until_status(id, "completed")
      assert.equal(-32602, peer:request("tasks/cancel", { taskId = id }).error.code)
      for _, method in ipairs { "tasks/get", "tasks/result", "tasks/cancel" } do
        assert.equal(-32602, peer:request(method, { taskId = "nosuch" }).error.code)
        assert.equal(-32602, peer:request(method).error.code)
      end
      assert.equal(-32601, peer:request("tasks/update", { taskId = id }).error.code)
    end)

    it("belong to their session (isolation)", function()
      local id = make("gated").taskId
      local other = helper.open(app, "2025-11-25")
      for _, method in ipairs { "tasks/get", "tasks/result", "tasks/cancel" } do
        local err = other:request(method, { taskId = id }).error
        assert.equal(-32602, err.code)
        assert.equal(err.message, other:request(method, { taskId = "nosuch" }).error.message)
      end
      assert.same({}, helper.plain(other:request("tasks/list").result.tasks))
      local modern = helper.open(app, MODERN)
      local response = modern:modern("tasks/get", { taskId = id },
        { [helper.PREFIX .. "clientCapabilities"] = { extensions = { [TASKS] = {} } } })
      assert.equal(-32602, response.error.code)
      assert.equal("working", peer:request("tasks/get", { taskId = id }).result.status)
    end)

    it("are listed, oldest first, and in pages where there are pages", function()
      local ids = {}
      for i = 1, 5 do ids[i] = make("quick", { name = "a" }).taskId end
      local result = peer:request("tasks/list").result
      assert.equal(5, #result.tasks)
      for i, task in ipairs(result.tasks) do assert.equal(ids[i], task.taskId) end
      assert.is_nil(result.nextCursor)
      assert.equal(-32602, peer:request("tasks/list", { cursor = "x" }).error.code)
      app.pager = require("mcp.server.feature.cursor").new(2)
      local cursor, got = nil, {}
      repeat
        result = peer:request("tasks/list", { cursor = cursor }).result
        for _, task in ipairs(result.tasks) do got[#got + 1] = task.taskId end
        cursor = result.nextCursor
      until not cursor
      assert.same(ids, got)
    end)

    it("ask on the stream of whoever waits for the result, marked as theirs", function()
      local id = make("asks").taskId
      assert.equal("input_required", until_status(id, "input_required").status)
      peer:silent()
      peer:send { jsonrpc = "2.0", id = "r", method = "tasks/result", params = { taskId = id } }
      local request = peer:receive()
      assert.equal("elicitation/create", request.method)
      assert.same({ taskId = id }, helper.plain(request.params._meta[RELATED]))
      peer:send { jsonrpc = "2.0", id = request.id,
        result = { action = "accept", content = { ok = true } } }
      local result = peer:response("r").result
      assert.equal("ok true", result.content[1].text)
      peer:silent()
    end)

    it("say when their status has changed, and only then (4.16, notifications/tasks/status)",
      function()
        local id = make("asks").taskId
        peer:send { jsonrpc = "2.0", id = "r", method = "tasks/result", params = { taskId = id } }
        local statuses = {}
        repeat
          local message = peer:receive()
          if message.method == "elicitation/create" then
            peer:send { jsonrpc = "2.0", id = message.id,
              result = { action = "accept", content = { ok = true } } }
          elseif message.method then
            assert.equal("notifications/tasks/status", message.method)
            local params = message.params
            assert.equal(id, params.taskId)
            assert.is_string(params.createdAt)
            assert.equal("integer", math.type(params.ttl))
            statuses[#statuses + 1] = params.status
          end
        until message.id == "r"
        assert.same({ "input_required", "working", "completed" }, statuses)
      end)

    it("say nothing of it to a client that is not ready (IO-41)", function()
      local early = helper.connect(app)
      early:request("initialize", { protocolVersion = "2025-11-25", capabilities = {} })
      local id = early:request("tools/call", { name = "quick", arguments = { name = "x" },
        task = {} }).result.task.taskId
      helper.wait_until(function()
        return early:request("tasks/get", { taskId = id }).result.status == "completed"
      end)
      assert.same({}, early.notices)
      early:notify "notifications/initialized"
      early:silent()
    end)

    it("end with their connection, which nobody else could ask about them", function()
      make "gated"
      assert.equal(1, app.task_store.running)
      peer:close()
      helper.wait_until(function() return app.task_store.running == 0 end, "the task to end")
      assert.equal(0, app.task_store.count)
      assert.is_nil(next(app.bus.links))
    end)

    it("send a question that is asked while somebody waits", function()
      local id = make("asks_later").taskId
      peer:send { jsonrpc = "2.0", id = "r", method = "tasks/result", params = { taskId = id } }
      peer:silent()
      seen.gate:wake()
      for i = 1, 2 do
        local request = receive()
        assert.equal("elicitation/create", request.method)
        peer:send { jsonrpc = "2.0", id = request.id,
          result = { action = "accept", content = { n = i } } }
      end
      assert.equal("3", peer:response("r").result.content[1].text)
    end)

    it("take a question back that nobody has got, without a word", function()
      local id = make("asks").taskId
      until_status(id, "input_required")
      peer:request("tasks/cancel", { taskId = id })
      peer:silent()
      assert.equal(0, app.task_store.running)
    end)

    it("take a question back that has gone out, with a word", function()
      local id = make("asks").taskId
      peer:send { jsonrpc = "2.0", id = "r", method = "tasks/result", params = { taskId = id } }
      local request = receive()
      peer.notices = {}
      peer:request("tasks/cancel", { taskId = id })
      local found
      for _, message in ipairs(peer.notices) do
        if message.method == "notifications/cancelled" then
          found = message.params.requestId == request.id
        end
      end
      for _, message in ipairs(peer:rest_of_messages()) do
        if message.method == "notifications/cancelled" then
          found = message.params.requestId == request.id
        end
      end
      assert.is_true(found)
    end)

    it("tell of progress with the token of their call, to whoever waits (1.4)", function()
      local id = make("tells", {}, {}, { progressToken = "p" }).taskId
      helper.wait_until(function() return seen.told end)
      assert.same({ false, false }, seen.told)
      assert.equal("half", peer:request("tasks/get", { taskId = id }).result.statusMessage)
      peer:send { jsonrpc = "2.0", id = "r", method = "tasks/result", params = { taskId = id } }
      helper.settle()
      seen.gate:wake()
      local message = peer:receive()
      assert.equal("notifications/progress", message.method)
      assert.equal("p", message.params.progressToken)
      assert.equal(2, message.params.progress)
      assert.same({ taskId = id }, helper.plain(message.params._meta[RELATED]))
      assert.equal("told", peer:response("r").result.content[1].text)
    end)

    it("let the oldest of many waiting requests go", function()
      local id = make("gated").taskId
      local most = require("mcp.server.feature.task").WAITING
      for i = 1, most + 1 do
        peer:send { jsonrpc = "2.0", id = i + 1000, method = "tasks/result",
          params = { taskId = id } }
      end
      local first = peer:receive()
      assert.equal(1001, first.id)
      assert.equal(-32000, first.error.code)
      seen.gate:wake()
      local answers = 0
      for _, message in ipairs(peer:rest_of_messages()) do
        answers = answers + (message.result and 1 or 0)
      end
      assert.equal(most, answers)
    end)

    it("know of the call what its handler would have known", function()
      make("quick", { name = "a" }, {}, { ["my.org/x"] = 1 })
      helper.wait_until(function() return seen.ctx end)
      assert.equal("spec", seen.ctx.client.name)
      assert.equal(1, seen.ctx.meta["my.org/x"])
      assert.equal("memory", seen.ctx.transport)
      assert.same({}, seen.ctx.headers)
      assert.equal("2025-11-25", seen.ctx.revision.name)
      assert.is_false(seen.ctx:cancelled())
    end)
  end)

  it("are options of a tool that are checked where they are written", function()
    assert.error_matches(function() app:tool "x" { task = "maybe" } (print) end,
      'task: expected "optional", "required" or "forbidden"')
    assert.error_matches(function() app:tool "x" { prepare = print } (print) end,
      "prepare: only a tool that can be a task")
    assert.error_matches(function() mcp.server { name = "x", tasks = { tll = 1 } } end, "ttl")
    assert.error_matches(function() mcp.server { name = "x", tasks = { max = 0 } } end,
      "more than 0")
    app:tool "y" { task = "forbidden" } (print)
    assert.is_nil(app.tools.by_name.y.task)
  end)

  it("end with the app: their <close> variables run", function()
    local listening = app:listen { http = { port = 0 }, quiet = true }
    local peer = helper.open(app, "2025-11-25")
    peer:request("tools/call", { name = "slow", task = {} })
    helper.settle()
    listening:close()
    helper.settle()
    assert.equal(1, seen.closed)
    assert.equal(0, app.task_store.count)
    helper.wait_until(function() return listening:is_gone() end)
  end)
end)
