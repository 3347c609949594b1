-- SPDX-License-Identifier: MIT
-- pages.lua: lists that an API returns in pages: which page is next, and several of them as one.
local call = require "mcp.openapi.call"
local results = require "mcp.openapi.results"
local styles = require "mcp.openapi.styles"
local escape = require("mcp.uri_tools").escape
local reference = require "mcp.schema.reference"
local unescape = require("mcp.uri_tools").unescape
local url = require "mcp.url"
local value = require "mcp.value"

local pages = {}

-- A list without end; a setting of each import.
pages.MAX = 100

local OPTIONS = { max = "number", items = "string", next = "string|function", parameter = "string" }

---Raises (level 0) what is wrong with the settings.
---@param given table|nil
---@return table|nil
function pages.check(given)
  if given == nil then return nil end
  require("mcp.options").check("pages", given, OPTIONS, 0)
  local max = given.max or 10
  if math.type(max) ~= "integer" or max < 1 or max > pages.MAX then
    error(("pages: max: expected an integer from 1 to %d, got %s"):format(pages.MAX, max), 0)
  end
  return { max = max, items = given.items, next = given.next, parameter = given.parameter }
end

-- The URI of rel="next" in a Link field (RFC 8288).
local function linked(response)
  for target, rest in (response.headers.link or ""):gmatch "<([^<>]*)>([^<]*)" do
    local relation = rest:match ';%s*[rR][eE][lL]%s*=%s*"([^"]*)"'
      or rest:match ";%s*[rR][eE][lL]%s*=%s*([^%s;,]+)"
    if relation then
      for word in relation:gmatch "%S+" do
        if word:lower() == "next" then return target end
      end
    end
  end
end

-- What stands at a JSON pointer, the table that holds it and the key there.
local function at(v, pointer)
  local holder, key = nil, nil
  for _, step in ipairs(reference.steps(pointer)) do
    if type(v) ~= "table" then return nil end
    key = step
    if value.is_array(v) then key = (math.tointeger(tonumber(step)) or -1) + 1 end
    holder, v = v, v[key]
  end
  return v, holder, key
end

-- An address with another value of a parameter.
local function with_parameter(address, name, v)
  local base, query = address:match "^([^?]*)%??(.*)$"
  local out = {}
  for pair in query:gmatch "[^&]+" do
    if unescape((pair:match "^[^=]*")) ~= name then out[#out + 1] = pair end
  end
  out[#out + 1] = escape(name) .. "=" .. escape(styles.text(v))
  return base .. "?" .. table.concat(out, "&")
end

-- The address of the next page; nil if there is none.
local function next_of(settings, response, decoded, address)
  local rule = settings and settings.next
  local found
  if type(rule) == "function" then
    found = rule(decoded, response)
    if type(found) == "table" then
      for name, v in pairs(found) do address = with_parameter(address, tostring(name), v) end
      return next(found) ~= nil and address or nil
    end
  elseif rule then
    found = at(decoded, rule)
    if found == value.null or found == "" or found == false then found = nil end
    if found ~= nil and type(found) ~= "table" and settings.parameter then
      return with_parameter(address, settings.parameter, found)
    end
  else
    found = linked(response)
  end
  return type(found) == "string" and url.resolve(address, found) or nil
end

-- The list in a page, and where it stands; nil if it is not clear which one is meant.
local function list_in(settings, decoded)
  if settings.items then
    local list, holder, key = at(decoded, settings.items)
    if value.is_array(list) then return list, holder, key end
    return nil
  end
  if value.is_array(decoded) then return decoded end
  local found, name = nil, nil
  if value.is_object(decoded) then
    for key, member in next, decoded do
      if value.is_array(member) then
        if found then return nil end
        found, name = member, key
      end
    end
  end
  return found, decoded, name
end

-- The parameters by which the next page differs, for a model.
local function describe(address, following, secrets)
  local now, out = {}, {}
  for pair in (address:match "%?(.*)$" or ""):gmatch "[^&]+" do now[pair] = true end
  for pair in (following:match "%?([^#]*)" or ""):gmatch "[^&]+" do
    if not now[pair] then out[#out + 1] = unescape(pair) or pair end
  end
  if not out[1] then return "There are more results." end
  return results.hide(("There are more results: the next page has %s."):format(
    table.concat(out, ", ")), secrets)
end

---Reads the pages that follow, as far as the settings allow, and adds what they contain to the
---first one.
---@param api table
---@param settings table|nil of `check`
---@param request table as call.send left it
---@param response mcp.FetchResponse the first page
---@param decoded any its JSON; changed in place
---@return string? note for the model, if there is more
function pages.follow(api, settings, request, response, decoded)
  local address = request.address
  local following = next_of(settings, response, decoded, address)
  if not following then return nil end
  local list = settings and list_in(settings, decoded)
  local size, count = #response.body, 1
  while list and count < settings.max do
    local page, text = call.again(api, request, following)
    if not page then return ("The next page could not be read: %s."):format(text) end
    local more = page.status == 200 and results.decode(page)
    local others = more and list_in(settings, more)
    if not others then
      return ("The next page could not be read: status %d."):format(page.status)
    end
    size = size + #page.body
    if size > api.limit then break end
    for _, each in ipairs(others) do list[#list + 1] = each end
    count, address = count + 1, following
    following = next_of(settings, page, more, address)
    if not following then return nil end
  end
  return describe(address, following, request.secrets)
end

return pages
