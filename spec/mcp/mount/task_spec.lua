-- SPDX-License-Identifier: MIT
-- Tasks of a mounted stateless server: each is a task of the app, for the caller that began it.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local TASKS = helper.PREFIX .. "tasks"
local MODERN = "2026-07-28"
local DECLARED = { [helper.PREFIX .. "clientCapabilities"] = {
  extensions = { [TASKS] = {} }, elicitation = { form = {} } } }

describe("a task of a mounted server", function()
  local upstream, between, front, peer, open, ended

  before_each(function()
    open, ended = false, 0
    upstream = mcp.server { name = "upstream", tasks = { poll_interval = 0.01, ttl = 77 } }
    upstream:tool "plain" (function() return "plain" end)
    upstream:tool "gated" { task = "optional" } (function(_, ctx)
      local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
      ctx:progress(1, 2, "half")
      while not open do ctx:sleep(0.002) end
      return { mcp.text "through", mcp.resource_link "notes://today" }
    end)
    upstream:tool "must" { task = "required" } (function() error "no luck" end)
    upstream:tool "errs" { task = "optional" } (function()
      error(mcp.error(-32050, "odd", { x = 1 }))
    end)
    upstream:tool "asks" {
      task = "optional",
      prepare = function(_, ctx)
        return ctx:elicit("Name?", { name = "string" }, { key = "name" })
      end,
    } (function(_, ctx, given)
      local answers = ctx:ask {
        a = mcp.elicit("A?", { x = "integer" }), b = mcp.elicit("B?", { x = "integer" }),
      }
      return ("%s %d"):format(given.name, answers.a.content.x + answers.b.content.x)
    end)
    between, front = mcp.server "between", mcp.server "front"
  end)
  after_each(function()
    if front.task_store then front.task_store:clear() end
    if upstream.task_store then upstream.task_store:clear() end
    for _, app in ipairs { front, between } do
      for _, each in ipairs(app:mounted()) do app:unmount(each.name) end
    end
    front.bus:close()
    if peer then peer:close() end
    peer = nil
    mcp.sleep(0.02)
    helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
    helper.leftovers()
  end)

  local function ask(method, params, meta) return peer:modern(method, params, meta or DECLARED) end

  local function call(name, more)
    local params = { name = name, arguments = {} }
    for key, member in pairs(more or {}) do params[key] = member end
    return ask("tools/call", params)
  end

  -- The front has the server itself, or an app that has it.
  for _, way in ipairs { "a server", "an app that has it" } do
    describe(("(%s)"):format(way), function()
      before_each(function()
        if way == "a server" then
          front:mount("gh", upstream, { era = "modern" })
        else
          between:mount("x", upstream, { era = "modern", prefix = false })
          front:mount("gh", between)
        end
        peer = helper.open(front, MODERN)
        local found = ask("server/discover", {}).result
        assert.same({}, found.capabilities.extensions[TASKS])
      end)

      local function view_of(id) return ask("tasks/get", { taskId = id }).result end

      local function await(id, status)
        local view
        helper.wait_until(function()
          view = view_of(id)
          return view.status == status
        end, status)
        return view
      end

      it("is one of the app's, and comes to the same", function()
        local made = call("gh_gated").result
        assert.same({ "task", "working", 77000, 10 },
          { made.resultType, made.status, made.ttlMs, made.pollIntervalMs })
        helper.wait_until(function() return view_of(made.taskId).statusMessage == "half" end,
          "the status")
        open = true
        local view = await(made.taskId, "completed")
        assert.equal("complete", view.resultType)
        assert.equal("through", view.result.content[1].text)
        assert.equal("gh+notes://today", view.result.content[2].uri)
        -- It is kept here.
        upstream.task_store:clear()
        assert.equal("completed", view_of(made.taskId).status)
        assert.equal("plain", call("gh_plain").result.content[1].text)
      end)

      it("fails as it does there", function()
        local view = await(call("gh_errs").result.taskId, "failed")
        assert.same({ code = -32050, message = "odd", data = { x = 1 } }, view.error)
        helper.logged(function()
          view = await(call("gh_must").result.taskId, "completed")
        end)
        assert.is_true(view.result.isError)
      end)

      it("is not begun for a client without tasks", function()
        peer:close()
        peer = helper.open(front, MODERN)
        local none = { [helper.PREFIX .. "clientCapabilities"] = {} }
        local refused = ask("tools/call", { name = "gh_must", arguments = {} }, none).error
        assert.equal(-32021, refused.code)
        assert.is_truthy(refused.data.requiredCapabilities.extensions[TASKS])
        open = true
        local result = ask("tools/call", { name = "gh_gated", arguments = {} }, none).result
        assert.equal("through", result.content[1].text)
        assert.equal(-32021, ask("tasks/get", { taskId = "x" }, none).error.code)
      end)

      it("asks before it is one, and while it is one", function()
        local asked = call("gh_asks").result
        assert.equal("Name?", asked.inputRequests.name.params.message)
        local made = call("gh_asks", { requestState = asked.requestState,
          inputResponses = { name = { action = "accept", content = { name = "Ann" } } } }).result
        assert.equal("task", made.resultType)
        local view = await(made.taskId, "input_required")
        assert.same({ "A?", "B?" },
          { view.inputRequests.a.params.message, view.inputRequests.b.params.message })
        local function answer(key, x)
          assert(ask("tasks/update", { taskId = made.taskId,
            inputResponses = { [key] = { action = "accept", content = { x = x } } } }).result)
        end
        answer("a", 1)
        helper.wait_until(function() return not view_of(made.taskId).inputRequests.a end, "a")
        answer("b", 2)
        view = await(made.taskId, "completed")
        assert.equal("Ann 3", view.result.content[1].text)
      end)

      it("is cancelled there", function()
        local made = call("gh_gated").result
        assert(ask("tasks/cancel", { taskId = made.taskId }).result)
        await(made.taskId, "cancelled")
        helper.wait_until(function() return ended == 1 end, "the end of the handler")
      end)

      it("tells those that listen how it is", function()
        local made = call("gh_gated").result
        peer.last_id = peer.last_id + 1
        local id = peer.last_id
        peer:send { jsonrpc = "2.0", id = id, method = "subscriptions/listen",
          params = { notifications = { taskIds = { made.taskId } },
            _meta = helper.envelope(DECLARED) } }
        open = true
        local view
        helper.wait_until(function()
          local message = peer:receive(1)
          if message.method == "notifications/tasks" then view = message.params end
          return view and view.status == "completed"
        end, "the end of the task")
        assert.equal(made.taskId, view.taskId)
        assert.equal("through", view.result.content[1].text)
      end)

      it("is unknown under another id, and when the server has forgotten it", function()
        local made = call("gh_gated").result
        assert.equal(-32602, ask("tasks/get", { taskId = "other" }).error.code)
        upstream.task_store:clear()
        -- What the server says of it.
        assert.equal(-32602, ask("tasks/get", { taskId = made.taskId }).error.code)
      end)
    end)
  end

  it("is cancelled if there is no room for it", function()
    front = mcp.server { name = "front", tasks = { max = 1 } }
    front:mount("gh", upstream, { era = "modern" })
    peer = helper.open(front, MODERN)
    local first = call("gh_gated").result
    assert.equal("task", first.resultType)
    assert.matches("Busy", call("gh_gated").error.message)
    helper.wait_until(function() return ended == 1 end, "the end of the second")
    open = true
  end)
end)
