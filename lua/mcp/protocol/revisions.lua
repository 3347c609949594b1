-- SPDX-License-Identifier: MIT
-- revisions: what differs between the revisions of the protocol, as data: one table of facts for
-- each, derived from its predecessor. Code elsewhere reads facts and never compares names. A fact
-- is made when it is first read, since a program speaks one of the revisions, or two.
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

-- The set of these names and of the members of `base`, if there is one.
local function with(base, names)
  local members = {}
  for name in pairs(base or members) do members[name] = true end
  for _, name in ipairs(names) do members[name] = true end
  return members
end

-- The names of all facts: those of the first revision.
local first

-- A revision: the facts of an earlier one, and what has changed since. A list of names is added to
-- the set that the earlier one has; of a function it is what that returns.
local function derive(base, changes)
  local function find(facts, name)
    local fact = changes[name]
    if type(fact) == "table" then
      fact = with(base[name], fact)
    elseif type(fact) == "function" then
      fact = fact()
    elseif fact == nil then
      fact = base[name]
    end
    facts[name] = fact
    return fact
  end
  return setmetatable({}, { __index = find, __pairs = function(facts)
    for name in pairs(changes) do assert(first[name] ~= nil, name) end
    for name in pairs(first) do find(facts, name) end
    return next, facts, nil
  end })
end

first = {
  name = "2024-11-05",
  era = "legacy",
  batch = false,
  resume = false,
  polling = false,
  tool = { "name", "description", "inputSchema" },
  resource = { "uri", "name", "description", "mimeType", "size", "annotations" },
  template = { "uriTemplate", "name", "description", "mimeType", "annotations" },
  prompt = { "name", "description", "arguments" },
  argument = { "name", "description", "required" },
  implementation = { "name", "version" },
  annotations = { "audience", "priority" },
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

local v2024_11_05 = derive({}, first)

local v2025_03_26 = derive(v2024_11_05, {
  name = "2025-03-26",
  batch = true,
  resume = true,
  tool = { "annotations" },
  completions = true,
  audio = true,
})

local v2025_06_18 = derive(v2025_03_26, {
  name = "2025-06-18",
  batch = false,
  tool = { "title", "outputSchema", "_meta" },
  resource = { "title", "_meta" },
  template = { "title", "_meta" },
  prompt = { "title", "_meta" },
  argument = { "title" },
  implementation = { "title" },
  annotations = { "lastModified" },
  completion_context = true,
  structured = "object",
  resource_link = true,
  elicitation = "plain",
})

local v2025_11_25 = derive(v2025_06_18, {
  name = "2025-11-25",
  polling = true,
  tool = { "icons", "execution" },
  resource = { "icons" },
  template = { "icons" },
  prompt = { "icons" },
  implementation = { "description", "websiteUrl", "icons" },
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
  tool = function() return with(v2025_06_18.tool, { "icons" }) end,
  structured = "any",
  not_found = errors.INVALID_PARAMS,
  stamp = true,
  elicitation_id = false,
  rounds = true,
  tasks = "extension",
})

---Newest first, as they are offered.
return { v2026_07_28, v2025_11_25, v2025_06_18, v2025_03_26, v2024_11_05 }
