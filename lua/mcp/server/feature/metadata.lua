-- SPDX-License-Identifier: MIT
-- metadata: describes a tool, resource or prompt beyond its name: icons, annotations, _meta,
-- caching hints. Turns snake_case options into the members of the protocol. Errors are raised
-- without a position (level 0); the caller adds the user's line.
local check = require("mcp.options").check
local core = require "mcp.core"
local cut = require("mcp.text").cut
local value = require "mcp.value"

local metadata = {}

---Raises unless these texts are valid UTF-8: an invalid one would make a whole list invalid JSON.
---@param options table
---@param ... string names of options
function metadata.check_texts(options, ...)
  for _, name in ipairs { ... } do
    local text = options[name]
    if text ~= nil then
      local valid, at = utf8.len(text)
      if not valid then error(("%s: not valid UTF-8 at byte %d"):format(name, at), 0) end
    end
  end
end

---Raises unless JSON can carry the definition, which is sent as part of a list.
---@param definition table as it is sent
function metadata.check_encodable(definition)
  local text, reason = core.encode(definition)
  if not text then error(reason, 0) end
end

local ICON = { src = "string", mime = "string", sizes = "any", theme = "string" }
local THEMES = { light = true, dark = true }

local function icon(what, given)
  check(what, given, ICON, 0, "member")
  local src = given.src
  if not src then error(what .. ": src is missing", 0) end
  local scheme = (src:match "^(%a[%w+.-]*):" or ""):lower()
  if scheme ~= "data" and (scheme ~= "https" or not src:find "^%w+://[^/]") then
    error(("%s: src: expected an https: or data: URI, got %q"):format(what,
      cut(src, 60)), 0)
  end
  if given.theme and not THEMES[given.theme] then
    error(('%s: theme: expected "light" or "dark", got %q'):format(what, given.theme), 0)
  end
  local sizes = given.sizes
  if type(sizes) == "string" then sizes = { sizes } end
  if sizes ~= nil then
    if type(sizes) ~= "table" then error(what .. ": sizes: expected a list", 0) end
    for i, size in ipairs(sizes) do
      if type(size) ~= "string" or not (size == "any" or size:find "^%d+x%d+$") then
        error(('%s: sizes[%d]: expected a size like "48x48", or "any"'):format(what, i), 0)
      end
    end
    sizes = value.array(table.move(sizes, 1, #sizes, 1, {}))
  end
  return { src = src, mimeType = given.mime, sizes = sizes, theme = given.theme }
end

---@param given table|nil a list of { src, mime, sizes, theme }
---@return table|nil
function metadata.icons(given)
  if given == nil then return nil end
  local out = value.array {}
  if next(given) ~= nil and given[1] == nil then
    error("icons: expected a list of tables with src", 0)
  end
  for i, item in ipairs(given) do out[i] = icon(("icons[%d]"):format(i), item) end
  return out
end

local HINTS = {
  title = "title", read_only = "readOnlyHint", destructive = "destructiveHint",
  idempotent = "idempotentHint", open_world = "openWorldHint",
}
local HINT_TYPES = {
  title = "string", read_only = "boolean", destructive = "boolean", idempotent = "boolean",
  open_world = "boolean",
}

---@param given table|nil title, read_only, destructive, idempotent, open_world
---@return table|nil
function metadata.tool_annotations(given)
  if given == nil then return nil end
  check("annotations", given, HINT_TYPES, 0, "annotation")
  local out = {}
  for key, member in pairs(given) do out[HINTS[key]] = member end
  return out
end

local ANNOTATIONS = { audience = "any", priority = "number", last_modified = "any" }
local ROLES = { user = true, assistant = true }

local function audience_of(given)
  if type(given) == "string" then given = { given } end
  if type(given) ~= "table" then
    error(("annotations: \"audience\": expected a list, got %s"):format(type(given)), 0)
  end
  local out = value.array {}
  for i, role in ipairs(given) do
    if not ROLES[role] then
      error(('annotations: "audience": expected "user" or "assistant", got %s'):format(
        type(role) == "string" and ('"%s"'):format(role) or type(role)), 0)
    end
    out[i] = role
  end
  return out
end

-- A time as ISO 8601, from such a text or from seconds since 1970.
local function time_of(given)
  if type(given) == "number" then
    local ok, text = pcall(require("mcp.time").text, given)
    if ok then return text end
  elseif type(given) == "string" then
    local format = require "mcp.schema.format"
    if format["date-time"].check(given) or format.date.check(given) then return given end
  end
  error('annotations: "last_modified": expected a time like "2025-01-12T15:00:58Z", or seconds', 0)
end

---@param given table|nil audience, priority, last_modified
---@return table|nil
function metadata.annotations(given)
  if given == nil then return nil end
  check("annotations", given, ANNOTATIONS, 0, "annotation")
  local priority = given.priority
  if priority and not (priority >= 0 and priority <= 1) then
    error(("annotations: \"priority\": expected a number from 0 to 1, got %s"):format(priority), 0)
  end
  return {
    audience = given.audience ~= nil and audience_of(given.audience) or nil,
    priority = priority,
    lastModified = given.last_modified ~= nil and time_of(given.last_modified) or nil,
  }
end

---@param given table|nil
---@return table|nil
function metadata.meta(given)
  if given == nil then return nil end
  for key in pairs(given) do
    if type(key) ~= "string" then
      error(("meta: expected names as keys, got %s"):format(type(key)), 0)
    end
  end
  local text, reason = core.encode(given)
  if not text then error("meta: " .. reason, 0) end
  return given
end

---Caching hints: for how many seconds, and by which clients, results may be cached.
---@param given table|nil ttl, scope
---@return table|nil hints ttl_ms, scope
function metadata.cache(given)
  if given == nil then return nil end
  check("cache", given, { ttl = "number", scope = "string" }, 0, "member")
  local ttl, scope = given.ttl or 0, given.scope or "private"
  if not (ttl >= 0 and ttl < 1e9) then
    error("cache: ttl: expected seconds, 0 or more, got " .. tostring(ttl), 0)
  end
  if scope ~= "public" and scope ~= "private" then
    error(('cache: scope: expected "public" or "private", got %q'):format(scope), 0)
  end
  return { ttl_ms = math.floor(ttl * 1000), scope = scope }
end

return metadata
