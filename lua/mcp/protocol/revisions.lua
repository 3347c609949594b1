-- SPDX-License-Identifier: MIT
-- revisions.lua: what differs between the revisions of the protocol, as data.
-- One table a revision; code elsewhere asks for facts and never for names.
--
-- era               "legacy": initialize opens a session; "modern": every
--                   request carries its own envelope
-- batch             arrays of messages are received
-- resume            events of a stream have ids, and a client may come back for the rest
-- polling           a stream begins with an id, and the server may end it before the answer
-- tool, resource, template, prompt, argument, implementation
--                   members of a definition that this revision knows
-- annotations       members of a resource's annotations
-- completions       there is a capability of that name (completion/complete itself is in all)
-- completion_context  completion/complete tells what has been chosen already
-- structured        "none", "object" (anything else is wrapped) or "any"
-- audio, resource_link
--                   content types
-- not_found         error code of a resource that does not exist
-- elicitation       how the user can be asked: false, "plain" (forms of single values) or "full"
-- elicitation_id    a page that the user is sent to has an id
-- sampling_tools    a model can be given tools, and several contents in one message
-- tasks             how a call goes on after its answer: false, "params" (if the request asks for
--                   it) or "extension" (if client and server like)
-- rounds            the client is asked by ending the call, which it then repeats
-- stamp             results carry resultType, serverInfo and caching hints

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
  not_found = -32002,
  stamp = false,
  elicitation = false,
  elicitation_id = false,
  sampling_tools = false,
  rounds = false,
  tasks = false,
}

local v2025_03_26 = {
  name = "2025-03-26",
  era = "legacy",
  batch = true,
  resume = true,
  polling = false,
  tool = with(v2024_11_05.tool, "annotations"),
  resource = v2024_11_05.resource,
  template = v2024_11_05.template,
  prompt = v2024_11_05.prompt,
  argument = v2024_11_05.argument,
  implementation = v2024_11_05.implementation,
  annotations = v2024_11_05.annotations,
  completions = true,
  completion_context = false,
  structured = "none",
  audio = true,
  resource_link = false,
  not_found = -32002,
  stamp = false,
  elicitation = false,
  elicitation_id = false,
  sampling_tools = false,
  rounds = false,
  tasks = false,
}

local v2025_06_18 = {
  name = "2025-06-18",
  era = "legacy",
  batch = false,
  resume = true,
  polling = false,
  tool = with(v2025_03_26.tool, "title", "outputSchema", "_meta"),
  resource = with(v2025_03_26.resource, "title", "_meta"),
  template = with(v2025_03_26.template, "title", "_meta"),
  prompt = with(v2025_03_26.prompt, "title", "_meta"),
  argument = with(v2025_03_26.argument, "title"),
  implementation = with(v2025_03_26.implementation, "title"),
  annotations = with(v2025_03_26.annotations, "lastModified"),
  completions = true,
  completion_context = true,
  structured = "object",
  audio = true,
  resource_link = true,
  not_found = -32002,
  stamp = false,
  elicitation = "plain",
  elicitation_id = false,
  sampling_tools = false,
  rounds = false,
  tasks = false,
}

local v2025_11_25 = {
  name = "2025-11-25",
  era = "legacy",
  batch = false,
  resume = true,
  polling = true,
  tool = with(v2025_06_18.tool, "icons", "execution"),
  resource = with(v2025_06_18.resource, "icons"),
  template = with(v2025_06_18.template, "icons"),
  prompt = with(v2025_06_18.prompt, "icons"),
  argument = v2025_06_18.argument,
  implementation = with(v2025_06_18.implementation, "description", "websiteUrl", "icons"),
  annotations = v2025_06_18.annotations,
  completions = true,
  completion_context = true,
  structured = "object",
  audio = true,
  resource_link = true,
  not_found = -32002,
  stamp = false,
  elicitation = "full",
  elicitation_id = true,
  sampling_tools = true,
  rounds = false,
  tasks = "params",
}

local v2026_07_28 = {
  name = "2026-07-28",
  era = "modern",
  batch = false,
  resume = false,
  polling = false,
  tool = with(v2025_06_18.tool, "icons"),
  resource = v2025_11_25.resource,
  template = v2025_11_25.template,
  prompt = v2025_11_25.prompt,
  argument = v2025_11_25.argument,
  implementation = v2025_11_25.implementation,
  annotations = v2025_06_18.annotations,
  completions = true,
  completion_context = true,
  structured = "any",
  audio = true,
  resource_link = true,
  not_found = -32602,
  stamp = true,
  elicitation = "full",
  elicitation_id = false,
  sampling_tools = true,
  rounds = true,
  tasks = "extension",
}

---Newest first, as they are offered.
return { v2026_07_28, v2025_11_25, v2025_06_18, v2025_03_26, v2024_11_05 }
