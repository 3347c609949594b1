-- SPDX-License-Identifier: MIT
-- cursor: lists in pages, for servers that set page_size. Nothing is remembered
-- for a client: a cursor is the number of a page and a tag over that number,
-- the list it belongs to and how often that list has changed. A cursor of
-- another list, or of a list that is no longer what it was, is therefore no
-- cursor, and neither is one that somebody made up.
--
-- The tag is 64 bits of SipHash-2-4 under a random key of each app. A
-- cursor carries no authority: what it leads to is a page of the list that its
-- reader may see from the beginning. So the tag is there to tell clients of
-- stale cursors and to keep them from counting pages by themselves, not to
-- guard anything, and its length and an ordinary comparison are enough.
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

---@param pager table
---@param list string the name of the list
---@param generation integer how often it has changed
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
  local pager, generation = app.pager, registry.generation
  local page, err = page_of(pager, list, generation, params.cursor)
  if not page then return nil, err end
  if not pager then return registry:list(facts, make, wrap) end
  return registry:pages(facts, pager.size, make, function(some, following)
    return wrap(some, following and cursor.issue(pager, list, generation, following))
  end)[page]
end

---The same for a list that is made for each request; `generation` is how
---often what makes it has changed. One that has shrunk ends earlier.
---@param app table
---@param list string
---@param generation integer
---@param params table
---@param gather fun(): table all entries
---@param wrap fun(list: table, next_cursor: string|nil): table
---@return table|nil result
---@return table|nil err
function cursor.slice(app, list, generation, params, gather, wrap)
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
