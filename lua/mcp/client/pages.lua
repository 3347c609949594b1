-- SPDX-License-Identifier: MIT
-- pages: reads lists that a server sends in pages, whole or entry by entry. The number of pages is
-- limited, and a repeated cursor is an error.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local request = require "mcp.client.request"
local malformed = require("mcp.client.call").malformed
local value = require "mcp.value"

local pages = {}

---Pages of one list, against endless lists.
pages.MAX = 1000

---The list methods, and the member of their results that has the entries.
pages.LISTS = {
  ["tools/list"] = "tools", ["resources/list"] = "resources",
  ["resources/templates/list"] = "resourceTemplates", ["prompts/list"] = "prompts",
  ["skills/list"] = "skills", ["resources/directory/read"] = "resources",
}


-- The state of reading a list, before its first page.
local function chain(client, method, options, most, params)
  local limit = client.settings.limits.pages
  return { client = client, method = method, options = options, count = 0, seen = {}, kept = false,
    params = params,
    most = most and math.min(most, limit) or limit }
end

-- The entries of the next page; nil at the end; nil, text, code, data on failure.
local function next_page(self)
  local client, method = self.client, self.method
  if self.done then return nil end
  if self.count >= self.most then
    return nil, ("%s: more than %d pages%s"):format(method, self.count,
      self.most < client.settings.limits.pages and ""
      or ": raise limits.pages if the list is that long"), "ETOOBIG"
  end
  local cursor = self.cursor
  local params = self.params
  if cursor ~= nil then
    params = { cursor = cursor }
    for name, given in pairs(self.params or {}) do params[name] = given end
  end
  local result, text, code, data, kept = request.run(client, method, params, self.options)
  self.kept = self.kept or kept
  if not result then return nil, text, code, data end
  self.count = self.count + 1
  -- How long the list holds: as long as the page that holds the shortest.
  local ttl = math.type(result.ttlMs) and result.ttlMs >= 0 and result.ttlMs / 1000
  if ttl and ttl < (self.ttl or math.huge) then self.ttl = ttl end
  local member = pages.LISTS[method]
  local entries = result[member]
  if not value.is_array(entries) then
    return malformed(method, "%s: expected an array, got %s", member, value.kind(entries))
  end
  for i, entry in ipairs(entries) do
    if not value.is_object(entry) then
      return malformed(method, "%s[%d]: expected an object, got %s", member, i - 1,
        value.kind(entry))
    end
  end
  local following = result.nextCursor
  if following == value.null then following = nil end
  -- Older servers end a list with an empty cursor; in the stateless revision it is a cursor.
  if following == "" and not client.facts.stamp then following = nil end
  if following == nil then
    self.done = true
  elseif type(following) ~= "string" then
    return malformed(method, "nextCursor: expected a string, got %s", value.kind(following))
  elseif self.seen[following] then
    return malformed(method, "nextCursor: the same cursor came twice")
  else
    self.seen[following], self.cursor = true, following
  end
  return entries
end

-- Removes entries of skills that are not valid: no program may load them. Those above the limits
-- stay, to be refused with the reason.
local function sift_skills(entries)
  local problem_of, kept = require("mcp.message.skill").entry_problem, value.array {}
  for _, entry in ipairs(entries) do
    local problem, code = problem_of(entry)
    if not problem or code == "ETOOBIG" then
      kept[#kept + 1] = entry
    else
      core.log("warning", "ignoring a skill: " .. problem)
    end
  end
  return kept
end

-- Removes what is not pinned, skills that are not valid and, over HTTP, tools whose header
-- annotations are not valid (HM-42). Other transports ignore these annotations.
local function sift(client, method, entries)
  if client.pins then entries = client.pins:sift(method, entries) end
  if method == "skills/list" then return sift_skills(entries) end
  if method ~= "tools/list" or client.transport.duplex or not client.facts.stamp then
    return entries
  end
  local kept, mirrors = require("mcp.message.param_headers").sift(entries, function(text)
    core.log("warning", text)
  end)
  for name, headers in pairs(mirrors) do client.mirrors[name] = headers end
  return kept
end

---The whole list.
---@param client table
---@param method string
---@param options table
---@param most integer|nil pages, if fewer than the client's limit
---@param params table|nil of each request, besides the cursor
---@param about table|nil gets `ttl`: how long the list holds, in seconds, if the server says so
---@return table[]|nil entries, marked as an array
---@return string|nil message
---@return any code
---@return any data
function pages.all(client, method, options, most, params, about)
  local out, here = value.array {}, chain(client, method, options, most, params)
  local share <close> = core.share()
  while true do
    local entries, text, code, data = next_page(here)
    if entries and not share:charge(core.weight(entries)) then
      return nil, ("%s: the list is larger than the memory limit allows"):format(method), "ETOOBIG"
    elseif entries then
      for _, entry in ipairs(sift(client, method, entries)) do out[#out + 1] = entry end
    elseif not text then
      if about then about.ttl = here.ttl end
      return out
    elseif here.kept and code == errors.INVALID_PARAMS then
      -- The cursor of a cached page is no longer valid: starts again without the cache.
      client.cache:drop(client.place, method)
      out, here = value.array {}, chain(client, method, options, most, params)
    else
      return nil, text, code, data
    end
  end
end

---An iterator over the entries, which fetches each page when it is needed. Raises on failure.
---@param client table
---@param method string
---@param options table
---@return fun(): table|nil
function pages.each(client, method, options)
  local here, entries, at = chain(client, method, options), {}, 0
  return function()
    while true do
      at = at + 1
      if entries[at] ~= nil then return entries[at] end
      local text
      entries, text = next_page(here)
      if not entries then
        if text then error(text, 0) end
        return nil
      end
      entries, at = sift(client, method, entries), 0
    end
  end
end

return pages
