-- SPDX-License-Identifier: MIT
-- cursor: lists in pages, for servers that set page_size. No state is kept for a client: a cursor
-- is the number of a page and a tag over that number, its list and the list's change counter. So a
-- cursor of another list, of an earlier state of the list, or made up by a client is invalid.
--
-- The tag is 64 bits of SipHash-2-4 under a random key of each app. A cursor grants nothing: it
-- leads to a page of a list that the client may read anyway. The tag only detects stale cursors and
-- keeps clients from computing them, so 64 bits and an ordinary comparison are enough.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local value = require "mcp.value"

local cursor = {}

---What an app needs for its cursors.
---@param size integer entries a page
---@return table pager
function cursor.new(size)
  -- 128 random bits, out of their base64url.
  local text = core.random_id():gsub("-", "+"):gsub("_", "/")
  return { size = size, key = core.unbase64(text .. "==") }
end

-- The names of a registry as a number, computed once after each change.
local function names_of(registry, key)
  local known = registry.edition
  if not known or known[1] ~= registry.generation or known[3] ~= key then
    local tag = require("mcp.server.siphash").tag(key, table.concat(registry:names(), "\0"))
    known = { registry.generation, tag, key }
    registry.edition = known
  end
  return known[2]
end

---What changes when a list does: how often it has changed or, where several processes issue
---cursors, what is in it, since the same entries may have been registered in more steps.
---@param app table
---@param registry table
---@param other table|nil a second registry whose entries are in the list
---@return integer
function cursor.generation(app, registry, other)
  if not (app.shared and app.pager) then
    return other and registry.generation + other.generation or registry.generation
  end
  local key = app.pager.key
  return names_of(registry, key) ~ (other and 31 * names_of(other, key) or 0)
end

---@param pager table
---@param list string the name of the list
---@param generation integer what cursor.generation gives
---@param page integer
---@return string
function cursor.issue(pager, list, generation, page)
  -- Loaded by servers that have pages, when a list has a second one.
  local tag = require("mcp.server.siphash").tag(pager.key, ("<i8i8"):pack(generation, page) .. list)
  return ("%x-%016x"):format(page, tag)
end

local function invalid()
  return nil, failure.new(errors.INVALID_PARAMS,
    "Invalid cursor: begin again without one, the list may have changed")
end

-- The number of the page that is asked for: the first if there is no cursor.
local function page_of(pager, list, generation, given)
  if given == nil or given == value.null then return 1 end
  if type(given) ~= "string" then
    return nil, failure.new(errors.INVALID_PARAMS,
      "Invalid cursor: expected a string, got " .. value.kind(given))
  end
  local digits = pager and #given <= 32 and given:match "^(%x+)%-%x+$"
  local page = digits and tonumber(digits, 16)
  -- The one spelling that is issued is the only one that counts.
  if not page or cursor.issue(pager, list, generation, page) ~= given then return invalid() end
  return page
end

-- The key of cursors is that of all processes.
local function need_key(app)
  local shared = app.pager and app.shared
  if shared and not shared.number then return shared:need() end
  return true
end

---What a list answers: all of it, or the page that `params.cursor` names. Kept
---as bytes until the registry changes.
---@param app table
---@param list string the name of the list
---@param registry table
---@param facts table of the revision
---@param params table
---@param make fun(entry: table): table|nil
---@param wrap fun(list: table, next_cursor: string|nil): table
---@return userdata|nil raw
---@return table|nil err
function cursor.list(app, list, registry, facts, params, make, wrap)
  local joined, away = need_key(app)
  if not joined then return nil, away end
  local pager, generation = app.pager, cursor.generation(app, registry)
  local page, err = page_of(pager, list, generation, params.cursor)
  if not page then return nil, err end
  if not pager then return registry:list(facts, make, wrap) end
  return registry:pages(facts, pager.size, make, function(some, following)
    return wrap(some, following and cursor.issue(pager, list, generation, following))
  end)[page]
end

---The same for a list that is made for each request; `generation` is that of what makes it. One
---that has shrunk ends earlier.
---@param app table
---@param list string
---@param generation integer
---@param params table
---@param gather fun(): table all entries
---@param wrap fun(list: table, next_cursor: string|nil): table
---@return table|nil result
---@return table|nil err
function cursor.slice(app, list, generation, params, gather, wrap)
  local joined, away = need_key(app)
  if not joined then return nil, away end
  local pager = app.pager
  local page, err = page_of(pager, list, generation, params.cursor)
  if not page then return nil, err end
  local all = gather()
  if not pager then return wrap(all) end
  local stop = page * pager.size
  local some = value.array(table.move(all, stop - pager.size + 1, math.min(stop, #all), 1, {}))
  return wrap(some, #all > stop and cursor.issue(pager, list, generation, page + 1) or nil)
end

return cursor
