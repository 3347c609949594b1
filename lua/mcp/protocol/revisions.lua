-- SPDX-License-Identifier: MIT
-- revisions.lua: what differs between the revisions of the protocol, as data.
-- One table a revision; code elsewhere asks for facts and never for names.
--
-- era               "legacy": initialize opens a session; "modern": every
--                   request carries its own envelope
-- batch             arrays of messages are received
-- tool, resource, template, prompt, argument, implementation
--                   members of a definition that this revision knows
-- structured        "none", "object" (anything else is wrapped) or "any"
-- audio, resource_link
--                   content types
-- not_found         error code of a resource that does not exist
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
  tool = set("name", "description", "inputSchema"),
  resource = set("uri", "name", "description", "mimeType", "size", "annotations"),
  template = set("uriTemplate", "name", "description", "mimeType", "annotations"),
  prompt = set("name", "description", "arguments"),
  argument = set("name", "description", "required"),
  implementation = set("name", "version"),
  structured = "none",
  audio = false,
  resource_link = false,
  not_found = -32002,
  stamp = false,
}

local v2025_03_26 = {
  name = "2025-03-26",
  era = "legacy",
  batch = true,
  tool = with(v2024_11_05.tool, "annotations"),
  resource = v2024_11_05.resource,
  template = v2024_11_05.template,
  prompt = v2024_11_05.prompt,
  argument = v2024_11_05.argument,
  implementation = v2024_11_05.implementation,
  structured = "none",
  audio = true,
  resource_link = false,
  not_found = -32002,
  stamp = false,
}

local v2025_06_18 = {
  name = "2025-06-18",
  era = "legacy",
  batch = false,
  tool = with(v2025_03_26.tool, "title", "outputSchema", "_meta"),
  resource = with(v2025_03_26.resource, "title", "_meta"),
  template = with(v2025_03_26.template, "title", "_meta"),
  prompt = with(v2025_03_26.prompt, "title", "_meta"),
  argument = with(v2025_03_26.argument, "title"),
  implementation = with(v2025_03_26.implementation, "title"),
  structured = "object",
  audio = true,
  resource_link = true,
  not_found = -32002,
  stamp = false,
}

local v2025_11_25 = {
  name = "2025-11-25",
  era = "legacy",
  batch = false,
  tool = with(v2025_06_18.tool, "icons", "execution"),
  resource = with(v2025_06_18.resource, "icons"),
  template = with(v2025_06_18.template, "icons"),
  prompt = with(v2025_06_18.prompt, "icons"),
  argument = v2025_06_18.argument,
  implementation = with(v2025_06_18.implementation, "description", "websiteUrl", "icons"),
  structured = "object",
  audio = true,
  resource_link = true,
  not_found = -32002,
  stamp = false,
}

local v2026_07_28 = {
  name = "2026-07-28",
  era = "modern",
  batch = false,
  tool = with(v2025_06_18.tool, "icons"),
  resource = v2025_11_25.resource,
  template = v2025_11_25.template,
  prompt = v2025_11_25.prompt,
  argument = v2025_11_25.argument,
  implementation = v2025_11_25.implementation,
  structured = "any",
  audio = true,
  resource_link = true,
  not_found = -32602,
  stamp = true,
}

---Newest first, as they are offered.
return { v2026_07_28, v2025_11_25, v2025_06_18, v2025_03_26, v2024_11_05 }
