-- SPDX-License-Identifier: MIT
-- everything.lua: our client with the npm package server-everything, which has a bit of all there
-- is with sessions: over stdio, Streamable HTTP and HTTP+SSE.
--
--   luamcp run scripts/interop/ours/everything.lua ERA URL | COMMAND [ARGUMENT…]
package.path = "./scripts/interop/ours/?.lua;" .. package.path
local mcp = require "mcp"
local check = require "check"
local same, has, text, soon = check.same, check.has, check.text, check.soon

local TEXTS = "demo://resource/dynamic/text/"

local changes, logged, asked = {}, {}, {}

local options = {
  on_change = function(what) changes[what] = (changes[what] or 0) + 1 end,
  on_log = function(level, data) logged[#logged + 1] = { level = level, data = data } end,
  on_elicit = function(question, schema)
    asked[#asked + 1] = question
    if schema.properties.name then
      return { name = "Ada", check = true, integer = 7, untitledMultipleSelectEnum = { "Bass" } }
    end
    return nil, "decline"
  end,
  on_elicit_url = function(_, url)
    asked[#asked + 1] = url
    return true
  end,
  on_sample = function(params)
    asked[#asked + 1] = params.messages[1].content.text
    return { content = "A sample", model = "none" }
  end,
  roots = { { uri = "file:///tmp/interop", name = "Interop" } },
}

local function tools(client)
  -- Those that need us are registered when the server knows us.
  local names = soon("all tools are there", function()
    local set = check.set(assert(client:list_tools()))
    return set["trigger-sampling-request"] and set["trigger-url-elicitation"]
      and set["get-roots-list"] and set
  end)
  same(names.echo, true)

  local call = function(...) return assert(client:call_tool(...)) end
  same(text(call("echo", { message = "Grüße \u{1F642}" })), "Echo: Grüße \u{1F642}")
  has(text(call("get-sum", { a = 19, b = 23.5 })), "42.5")
  same(call("get-structured-content", { location = "Chicago" }).structuredContent,
    { temperature = 36, conditions = "Light rain / drizzle", humidity = 82 })
  local image = call("get-tiny-image").content[2]
  same({ image.type, image.mimeType, image.data:sub(1, 8) }, { "image", "image/png", "iVBORw0K" })
  local said = call("get-annotated-message", { messageType = "error", includeImage = true })
  same(said.content[1].annotations, { priority = 1, audience = { "user", "assistant" } })
  local links = call("get-resource-links", { count = 4 }).content
  same({ #links, links[3].type, links[3].uri }, { 5, "resource_link", TEXTS .. 2 })
  same(call("get-resource-reference", { resourceType = "Text", resourceId = 3 })
    .content[2].resource.uri, TEXTS .. 3)

  -- A wrong argument is a result for the model, or an error: both are this server's right.
  local wrong, text_of_error = client:call_tool("get-sum", { a = "one", b = 2 })
  has(wrong and wrong.isError and wrong.content[1].text or text_of_error, "Invalid arguments")
  local none, reason = client:call_tool "no-such-tool"
  has(none and none.isError and none.content[1].text or reason, "no-such-tool")

  local all = {}
  for i = 1, 20 do
    all[i] = function() return client:call_tool("echo", { message = tostring(i) }) end
  end
  for i, result in ipairs(mcp.all(all)) do same(text(result), "Echo: " .. i) end

  local big = ("x"):rep(1 << 20)
  same(#text(call("echo", { message = big })), #big + #"Echo: ")
end

local function progress(client)
  local seen = {}
  local result = assert(client:call_tool("trigger-long-running-operation",
    { duration = 0.3, steps = 3 },
    { on_progress = function(done, total) seen[#seen + 1] = ("%d/%d"):format(done, total) end }))
  has(text(result), "Steps: 3")
  same(seen, { "1/3", "2/3", "3/3" })

  local stop = mcp.canceller()
  mcp.spawn(function()
    mcp.sleep(0.1)
    stop:cancel "no longer needed"
  end)
  local gone, _, code = client:call_tool("trigger-long-running-operation",
    { duration = 1, steps = 10 }, { cancel = stop })
  same({ gone, code }, { nil, "ECANCELED" })
  gone, _, code = client:call_tool("trigger-long-running-operation",
    { duration = 1, steps = 1 }, { timeout = 0.1 })
  same({ gone, code }, { nil, "ETIMEDOUT" })
  same(text(assert(client:call_tool("echo", { message = "still here" }))), "Echo: still here")
end

local function questions(client)
  local answer = assert(client:call_tool "trigger-elicitation-request")
  same(asked[#asked], "Please provide inputs for the following fields:")
  has(text(answer), "User provided the requested information")
  has(answer.content[2].text, "Ada")

  local sampled = assert(client:call_tool("trigger-sampling-request", { prompt = "a word" }))
  has(asked[#asked], "a word")
  has(text(sampled), "A sample")

  local url = "https://example.org/go"
  local went = assert(client:call_tool("trigger-url-elicitation", { url = url }))
  same(asked[#asked], url)
  has(text(went), "User completed the URL elicitation")
  -- The other way to ask that: an error which says where to go first.
  local result, reason, code, data = client:call_tool("trigger-url-elicitation",
    { url = url, errorPath = true })
  same({ result, code }, { nil, -32042 })
  has(reason, "browser-based authorization")
  same(data.elicitations[1].mode, "url")

  has(text(assert(client:call_tool "get-roots-list")), "file:///tmp/interop")
end

local function resources(client)
  local list = assert(client:list_resources())
  assert(#list > 3)
  for _, resource in ipairs(list) do
    local contents = assert(client:read_resource(resource.uri)).contents
    same({ #contents, contents[1].uri }, { 1, resource.uri })
    assert(#contents[1].text > 0)
  end
  local templates = check.set(assert(client:list_resource_templates()), "uriTemplate")
  same(templates[TEXTS .. "{resourceId}"], true)
  has(assert(client:read_resource(TEXTS .. "7")).contents[1].text, "Resource 7:")
  assert(assert(client:read_resource "demo://resource/dynamic/blob/8").contents[1].blob)
  local none, reason, code = client:read_resource "demo://nowhere"
  same({ none, math.type(code) }, { nil, "integer" })
  has(reason, "demo://nowhere")

  local packed = "demo://resource/session/interop.gz"
  assert(client:call_tool("gzip-file-as-resource",
    { name = "interop.gz", data = "data:text/plain,packed", outputType = "resourceLink" }))
  soon("list_changed arrives", function() return changes.resources end)
  same(check.set(assert(client:list_resources()), "uri")[packed], true)
  same(assert(client:read_resource(packed)).contents[1].blob:sub(1, 4), "H4sI")

  local updates = {}
  for i = 1, 2 do
    assert(client:subscribe(TEXTS .. i, function(uri) updates[uri] = (updates[uri] or 0) + 1 end))
  end
  assert(client:unsubscribe(TEXTS .. "2"))
  has(text(assert(client:call_tool "toggle-subscriber-updates")), "Started")
  soon("an update arrives", function() return updates[TEXTS .. "1"] end)
  same(updates[TEXTS .. "2"], nil)
  has(text(assert(client:call_tool "toggle-subscriber-updates")), "Stopped")
  assert(client:unsubscribe(TEXTS .. "1"))
end

local function prompts(client)
  local names = check.set(assert(client:list_prompts()))
  same({ names["simple-prompt"], names["completable-prompt"] }, { true, true })
  same(assert(client:get_prompt "simple-prompt").messages,
    { { role = "user",
      content = { type = "text", text = "This is a simple prompt without arguments." } } })
  local weather = assert(client:get_prompt("args-prompt", { city = "Bonn", state = "NRW" }))
  same(weather.messages[1].content.text, "What's weather in Bonn, NRW?")
  local embedded = assert(client:get_prompt("resource-prompt",
    { resourceType = "Text", resourceId = "1" }))
  same(embedded.messages[2].content.resource.uri, TEXTS .. 1)
  same(select(3, client:get_prompt("args-prompt", {})), -32602)

  local prompt = { prompt = "completable-prompt" }
  same(assert(client:complete(prompt, "department", "S")).values, { "Sales", "Support" })
  same(assert(client:complete(prompt, "name", "", { department = "Sales" })).values,
    { "David", "Eve", "Frank" })
  same(assert(client:complete({ resource = TEXTS .. "{resourceId}" }, "resourceId", "5")).values,
    { "5" })
end

local function log(client)
  assert(client:set_log_level "debug")
  local before = #logged
  assert(client:call_tool "toggle-simulated-logging")
  soon("something is logged", function() return #logged > before end)
  assert(client:call_tool "toggle-simulated-logging")
end

check.errand(options, function(client)
  same(client.server.name, "mcp-servers/everything")
  same(client.era, "legacy")
  assert(#client.instructions > 0)
  assert(client:ping())
  tools(client)
  progress(client)
  questions(client)
  resources(client)
  prompts(client)
  log(client)
end)
