-- SPDX-License-Identifier: MIT
-- small.lua: our client with the servers of interop/small*, made with other people's libraries,
-- which all offer the same. What one of them cannot do is left out where its capabilities say so.
--
--   luamcp run scripts/interop/ours/small.lua ERA URL | COMMAND [ARGUMENT…]
package.path = "./scripts/interop/ours/?.lua;" .. package.path
local mcp = require "mcp"
local check = require "check"
local same, has, text, soon = check.same, check.has, check.text, check.soon

local LEVEL = "note://level"

local answers = {}

local options = {
  on_elicit = function(question)
    has(question, "Who is there?")
    if answers.name then return { name = answers.name } end
    return nil, "decline"
  end,
  on_sample = function(params)
    return { content = params.messages[1].content.text:upper(), model = "none" }
  end,
}

local function cancelling(client)
  local counted = function()
    return math.tointeger(tonumber(text(assert(client:call_tool "cancelled"))))
  end
  local before = counted()
  local stop = mcp.canceller()
  mcp.spawn(function()
    mcp.sleep(0.2)
    stop:cancel "no longer needed"
  end)
  same(select(3, client:call_tool("slow", {}, { cancel = stop })), "ECANCELED")
  soon("a cancelled call ends", function() return counted() == before + 1 end)
  same(select(3, client:call_tool("slow", {}, { timeout = 0.2 })), "ETIMEDOUT")
  soon("a call that is out of time ends", function() return counted() == before + 2 end)
end

local function watching(client)
  local updates = 0
  assert(client:subscribe(LEVEL, function(uri)
    same(uri, LEVEL)
    updates = updates + 1
  end))
  local level = text(assert(client:call_tool "fill"))
  soon("an update arrives", function() return updates == 1 end)
  same(assert(client:read_resource(LEVEL, { fresh = true })).contents[1].text, level)
  assert(client:unsubscribe(LEVEL))
end

-- A session is ended, not left to time out. Where they live in one process that can be asked.
local function leaving(client)
  local sessions = function()
    return math.tointeger(tonumber(text(assert(client:call_tool "sessions"))))
  end
  local before = sessions()
  local other = check.open {}
  same(sessions(), other.era == "legacy" and before + 1 or before)
  other:close()
  soon("the session is ended", function() return sessions() == before end)
end

check.errand(options, function(client)
  same(client.server.name, "small")
  same(client.revision, client.era == "modern" and "2026-07-28" or "2025-11-25")
  same(client.instructions, "Be brief.")

  local names = check.set(assert(client:list_tools()))
  for _, name in ipairs { "add", "count", "fail", "ask", "sample", "slow", "big" } do
    same(names[name], true)
  end
  local call = function(...) return assert(client:call_tool(...)) end
  same(call("add", { a = 19, b = 23 }).structuredContent, { result = 42 })
  local failed = call "fail"
  same(failed.isError, true)
  has(failed.content[1].text, "no such luck")
  local none, reason = client:call_tool "no-such-tool"
  has(none and none.isError and none.content[1].text or reason, "no-such-tool")

  local seen = {}
  same(text(call("count", { to = 3 }, {
    on_progress = function(done, total, message)
      seen[#seen + 1] = ("%d/%d %s"):format(done, total, message)
    end,
  })), "counted")
  same(seen, { "1/3 step 1", "2/3 step 2", "3/3 step 3" })

  answers.name = "Ada"
  same(text(call "ask"), "Hello, Ada!")
  answers.name = nil
  same(text(call "ask"), "Nobody.")
  same(text(call("sample", { prompt = "a word" })), "The model: A WORD")

  local jobs = {}
  for i = 1, 20 do jobs[i] = function() return client:call_tool("add", { a = i, b = i }) end end
  for i, result in ipairs(mcp.all(jobs)) do same(result.structuredContent.result, 2 * i) end
  same(#text(call("big", { size = 3 << 20 })), 3 << 20)

  same(check.set(assert(client:list_resources()), "uri"), { [LEVEL] = true })
  same(check.set(assert(client:list_resource_templates()), "uriTemplate"),
    { ["note://about/{who}"] = true })
  same(assert(client:read_resource "note://about/tea").contents[1].text, "About tea")
  same(math.type(select(3, client:read_resource "note://nowhere/at/all")), "integer")

  same(check.set(assert(client:list_prompts())), { greet = true })
  local messages = assert(client:get_prompt("greet", { name = "Ada" })).messages
  same({ messages[1].role, messages[1].content.text }, { "user", "Greet Ada." })
  if client.capabilities.completions then
    same(assert(client:complete({ prompt = "greet" }, "name", "A")).values, { "Ada", "Alan" })
  else
    check.leave "completion"
  end

  if client.capabilities.resources.subscribe then
    watching(client)
  else
    check.leave "subscriptions"
  end
  cancelling(client)
  if names.sessions and arg[2]:find "^http:" then leaving(client) end
end)
