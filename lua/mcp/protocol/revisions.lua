-- SPDX-License-Identifier: MIT
-- revisions: what differs between the revisions of the protocol, as data: one table of facts for
-- each, derived from its predecessor. Code elsewhere reads facts and never compares names.
--
-- era               "legacy": initialize opens a session; "modern": every request carries its own
--                   envelope
-- batch             an array of messages is accepted
-- resume            the events of a stream have ids, and a client may resume the stream
-- polling           a stream begins with an id, and the server may end it before the response
-- tool, resource, template, prompt, argument, implementation
--                   the members of a definition in this revision
-- annotations       the members of a resource's annotations
-- completions       the capability "completions" exists (every revision has completion/complete)
-- completion_context  completion/complete carries the arguments chosen so far
-- structured        structuredContent: "none", "object" (other values are wrapped) or "any"
-- audio, resource_link
--                   content types
-- not_found         the error code of a resource that does not exist
-- elicitation       false, "plain" (forms of single values) or "full"
-- elicitation_id    a URL elicitation has an id
-- sampling_tools    sampling accepts tools, and several contents in a message
-- tasks             how a call becomes a task: false, "params" (the request asks for it) or
--                   "extension" (the server decides, if the client has declared the extension)
-- rounds            the server asks the client by ending the call; the client repeats the call
-- stamp             results carry resultType, serverInfo and caching hints
local errors = require "mcp.protocol.errors"

local function set(...)
  local members = {}
  for _, name in ipairs { ... } do members[name] = true end
  return members
end

local function with(base, ...)
  local members = set(...)
  for name in pairs(base) do members[name] = true end
  return members
end

-- A revision: the facts of an earlier one, and what has changed since.
local function derive(base, changes)
  local facts = {}
  for name, fact in pairs(base) do facts[name] = fact end
  for name, fact in pairs(changes) do
    assert(facts[name] ~= nil, name)
    facts[name] = fact
  end
  return facts
end

-- The first revision names every fact.
local v2024_11_05 = {
  name = "2024-11-05",
  era = "legacy",
  batch = false,
  resume = false,
  polling = false,
  tool = set("name", "description", "inputSchema"),
  resource = set("uri", "name", "description", "mimeType", "size", "annotations"),
  template = set("uriTemplate", "name", "description", "mimeType", "annotations"),
  prompt = set("name", "description", "arguments"),
  argument = set("name", "description", "required"),
  implementation = set("name", "version"),
  annotations = set("audience", "priority"),
  completions = false,
  completion_context = false,
  structured = "none",
  audio = false,
  resource_link = false,
  not_found = errors.RESOURCE_NOT_FOUND,
  stamp = false,
  elicitation = false,
  elicitation_id = false,
  sampling_tools = false,
  rounds = false,
  tasks = false,
}

local v2025_03_26 = derive(v2024_11_05, {
  name = "2025-03-26",
  batch = true,
  resume = true,
  tool = with(v2024_11_05.tool, "annotations"),
  completions = true,
  audio = true,
})

local v2025_06_18 = derive(v2025_03_26, {
  name = "2025-06-18",
  batch = false,
  tool = with(v2025_03_26.tool, "title", "outputSchema", "_meta"),
  resource = with(v2025_03_26.resource, "title", "_meta"),
  template = with(v2025_03_26.template, "title", "_meta"),
  prompt = with(v2025_03_26.prompt, "title", "_meta"),
  argument = with(v2025_03_26.argument, "title"),
  implementation = with(v2025_03_26.implementation, "title"),
  annotations = with(v2025_03_26.annotations, "lastModified"),
  completion_context = true,
  structured = "object",
  resource_link = true,
  elicitation = "plain",
})

local v2025_11_25 = derive(v2025_06_18, {
  name = "2025-11-25",
  polling = true,
  tool = with(v2025_06_18.tool, "icons", "execution"),
  resource = with(v2025_06_18.resource, "icons"),
  template = with(v2025_06_18.template, "icons"),
  prompt = with(v2025_06_18.prompt, "icons"),
  implementation = with(v2025_06_18.implementation, "description", "websiteUrl", "icons"),
  elicitation = "full",
  elicitation_id = true,
  sampling_tools = true,
  tasks = "params",
})

local v2026_07_28 = derive(v2025_11_25, {
  name = "2026-07-28",
  era = "modern",
  resume = false,
  polling = false,
  tool = with(v2025_06_18.tool, "icons"),
  structured = "any",
  not_found = errors.INVALID_PARAMS,
  stamp = true,
  elicitation_id = false,
  rounds = true,
  tasks = "extension",
})

---Newest first, as they are offered.
return { v2026_07_28, v2025_11_25, v2025_06_18, v2025_03_26, v2024_11_05 }
