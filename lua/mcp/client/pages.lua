-- SPDX-License-Identifier: MIT
-- pages: lists that a server gives in pages: whole, or one entry after the other. A chain of pages
-- has a bound, and a cursor that comes twice ends it.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local fetch = require "mcp.client.request"
local value = require "mcp.value"

local pages = {}

---Pages of one list. A server whose list has no end would keep us for ever.
pages.MOST = 1000

---The lists, and which member of a result has the entries.
pages.LISTS = {
  ["tools/list"] = "tools", ["resources/list"] = "resources",
  ["resources/templates/list"] = "resourceTemplates", ["prompts/list"] = "prompts",
}

local function malformed(method, text, ...)
  return nil, ("%s: the server's answer is malformed: %s"):format(method, text:format(...)), "ERPC"
end

-- A chain of pages, at its beginning.
local function chain(client, method, options)
  return { client = client, method = method, options = options, count = 0, seen = {}, kept = false }
end

-- The next page's entries; nil at the end, nil, text, code, data where it fails.
local function next_page(self)
  local client, method = self.client, self.method
  if self.done then return nil end
  if self.count >= client.settings.limits.pages then
    return nil, ("%s: more than %d pages"):format(method, self.count), "ETOOBIG"
  end
  local cursor = self.cursor
  local result, text, code, data, kept = fetch.run(client, method,
    cursor ~= nil and { cursor = cursor } or nil, self.options)
  self.kept = self.kept or kept
  if not result then return nil, text, code, data end
  self.count = self.count + 1
  local member = pages.LISTS[method]
  local entries = result[member]
  if not value.is_array(entries) then
    return malformed(method, "%s: array expected, got %s", member, value.kind(entries))
  end
  for i, entry in ipairs(entries) do
    if not value.is_object(entry) then
      return malformed(method, "%s[%d]: object expected, got %s", member, i - 1, value.kind(entry))
    end
  end
  local following = result.nextCursor
  if following == value.null then following = nil end
  -- An empty cursor is one in the stateless era only; older servers mean the end by it.
  if following == "" and not client.facts.stamp then following = nil end
  if following == nil then
    self.done = true
  elseif type(following) ~= "string" then
    return malformed(method, "nextCursor: string expected, got %s", value.kind(following))
  elseif self.seen[following] then
    return malformed(method, "the same cursor came twice")
  else
    self.seen[following], self.cursor = true, following
  end
  return entries
end

-- Tools whose annotations cannot be followed do not exist over HTTP (HM-42); elsewhere they are
-- nobody's affair.
local function sift(client, method, entries)
  if method ~= "tools/list" or client.transport.duplex or not client.facts.stamp then
    return entries
  end
  local kept, mirrors = require("mcp.message.param_headers").sift(entries, function(text)
    core.log("warning", text)
  end)
  for name, one in pairs(mirrors) do client.mirrors[name] = one end
  return kept
end

---The whole list.
---@param client table
---@param method string
---@param options table
---@return table[]|nil entries, marked as an array
---@return string|nil message
---@return any code
---@return any data
function pages.all(client, method, options)
  local out, here = value.array {}, chain(client, method, options)
  local share <close> = core.share()
  while true do
    local entries, text, code, data = next_page(here)
    if entries and not share:charge(core.weight(entries)) then
      return nil, ("%s: the list is larger than the memory limit allows"):format(method), "ETOOBIG"
    elseif entries then
      for _, entry in ipairs(sift(client, method, entries)) do out[#out + 1] = entry end
    elseif not text then
      return out
    elseif here.kept and code == errors.INVALID_PARAMS then
      -- A cursor out of a page that we have kept is not good any more: all from the beginning.
      client.cache:drop(client.place, method)
      out, here = value.array {}, chain(client, method, options)
    else
      return nil, text, code, data
    end
  end
end

---An iterator over the entries, which fetches a page when it comes to it. What fails raises.
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
