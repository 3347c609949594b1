-- SPDX-License-Identifier: MIT
-- Many clients write null for every optional field that they do not use. It means absent.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local NULL = mcp.null
local P = helper.PREFIX

describe("null for what is optional", function()
  local app, seen

  before_each(function()
    seen = {}
    app = mcp.server { name = "spec", page_size = 10 }
    app:tool "plain" (function(args, ctx)
      seen[#seen + 1] = { args = args, progress = ctx:progress(1) }
      return "ok"
    end)
    app:tool "checked" { input = { n = mcp.integer { default = 5 } } } (function(args)
      return tostring(args.n)
    end)
    app:tool "later" { task = "optional" } (function() return "ok" end)
    app:tool "asks" (function(_, ctx)
      local content, why = ctx:elicit("Name?", { name = "string?", size = "integer?" })
      if not content then return why end
      return ("%s %s"):format(type(content.name), type(content.size))
    end)
    app:prompt "greet" {
      arguments = { name = "string?" }, complete = { name = { "ada", "bob" } },
    } (function(args) return "hello " .. tostring(args.name) end)
    app:resource "test://{id}" { complete = { id = { "a", "b" } } } (function(vars)
      return vars.id
    end)
  end)
  after_each(helper.leftovers)

  for _, revision in ipairs { "2025-03-26", "2025-11-25", "2026-07-28" } do
    describe("with a client of " .. revision, function()
      local peer

      local function ask(method, params, more)
        local response = peer.era == "modern" and peer:modern(method, params, more)
          or peer:request(method, params)
        if response.error then error(core.encode(response.error), 2) end
        return response.result
      end

      before_each(function() peer = helper.open(app, revision) end)

      it("arguments of a tool", function()
        local result = ask("tools/call", { name = "plain", arguments = NULL })
        assert.equal("ok", result.content[1].text)
        assert.same({}, seen[1].args)
        assert.equal("5", ask("tools/call", { name = "checked", arguments = NULL })
          .content[1].text)
        assert.equal("ok", ask("tools/call", { name = "plain", arguments = NULL, task = NULL,
          inputResponses = NULL, requestState = NULL }).content[1].text)
        assert.equal("ok", ask("tools/call", { name = "later", task = NULL }).content[1].text)
      end)

      it("arguments of a prompt, and one of them", function()
        for _, arguments in ipairs { NULL, { name = NULL } } do
          local result = ask("prompts/get", { name = "greet", arguments = arguments })
          assert.equal("hello nil", result.messages[1].content.text)
        end
      end)

      it("members of a completion", function()
        local argument = { name = "name", value = "a" }
        for _, context in ipairs { NULL, { arguments = NULL },
          { arguments = { other = NULL } } } do
          local result = ask("completion/complete", { context = context, argument = argument,
            ref = { type = "ref/prompt", name = "greet", title = NULL, uri = NULL } })
          assert.same({ "ada" }, helper.plain(result.completion.values))
        end
      end)

      it("params, cursor", function()
        assert.is_table(ask("tools/list", { cursor = NULL }).tools)
        if not peer.era then assert.same({}, helper.plain(ask("ping", NULL))) end
      end)
    end)
  end

  it("_meta of a session's request, and what is in it", function()
    local peer = helper.open(app)
    for _, meta in ipairs { NULL, { progressToken = NULL } } do
      assert.equal("ok", peer:request("tools/call",
        { name = "plain", _meta = meta }).result.content[1].text)
      assert.is_false(seen[#seen].progress)
    end
    assert.same({}, peer.notices)
  end)

  it("members of an envelope that may be missing", function()
    local peer = helper.open(app, "2026-07-28")
    for _, name in ipairs { "progressToken", P .. "logLevel", P .. "clientInfo" } do
      local response = peer:modern("tools/call", { name = "plain" }, { [name] = NULL })
      assert.equal("ok", response.result.content[1].text, name)
      assert.is_false(seen[#seen].progress)
    end
    -- What it needs must be there.
    assert.equal(-32602, peer:modern("tools/list", nil,
      { [P .. "clientCapabilities"] = NULL }).error.code)
  end)

  it("members of initialize, at any depth", function()
    local peer = helper.connect(app)
    local result = peer:request("initialize", { protocolVersion = "2025-11-25",
      capabilities = { elicitation = { form = {}, url = NULL }, roots = NULL },
      clientInfo = { name = "c", version = "1", title = NULL } })
    assert.is_table(result.result)
    peer:notify("notifications/initialized", NULL)
    peer:send { jsonrpc = "2.0", id = 7, method = "tools/call", params = { name = "asks" } }
    local question = peer:receive()
    assert.equal("elicitation/create", question.method)
    -- A form's fields that were left empty, and the rest of the answer.
    peer:send { jsonrpc = "2.0", id = question.id, result = { action = "accept",
      content = { name = NULL, size = NULL }, _meta = NULL } }
    assert.equal("nil nil", peer:response(7).result.content[1].text)
  end)

  it("capabilities of an envelope, at any depth", function()
    local peer = helper.open(app, "2026-07-28")
    local result = peer:modern("tools/call", { name = "asks" }, { [P .. "clientCapabilities"] = {
      elicitation = { url = NULL }, sampling = NULL } }).result
    assert.equal("input_required", result.resultType)
  end)

  it("is itself in an argument that may be anything", function()
    local got
    app:tool "data" { input = { any = "any" } } (function(args)
      got = args.any
      return "ok"
    end)
    local peer = helper.open(app)
    peer:request("tools/call", { name = "data", arguments = { any = { a = NULL } } })
    assert.same({ a = NULL }, got)
  end)

  it("members of a listen's filter", function()
    local peer = helper.open(app, "2026-07-28")
    peer:send { jsonrpc = "2.0", id = 3, method = "subscriptions/listen", params = {
      notifications = { toolsListChanged = true, promptsListChanged = NULL,
        resourceSubscriptions = NULL, taskIds = NULL }, _meta = helper.envelope() } }
    local said = peer:receive()
    assert.equal("notifications/subscriptions/acknowledged", said.method)
    assert.same({ toolsListChanged = true }, said.params.notifications)
  end)
end)
