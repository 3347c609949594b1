-- SPDX-License-Identifier: MIT
-- redact: takes secrets out of results and errors before they leave the server: what matches a
-- pattern, and members with certain names.
local content = require "mcp.content"
local failure = require "mcp.failure"
local json = require "mcp.json"
local options = require "mcp.options"

local KNOWN = { patterns = "table", keys = "table", with = "string" }

-- The member of a piece of content that is Base64: no pattern is meant for it, and what is left
-- would be no Base64. In data a member of that name is like any other.
local function binary_of(item)
  if item.type == "image" or item.type == "audio" then return "data" end
  return type(item.uri) == "string" and "blob" or nil
end

-- Members of a result in which the program decides what is called how.
local DATA = { structuredContent = true, _meta = true }

---Replaces secrets.
---@param given table patterns (Lua patterns), keys (names of members whose values are replaced, in
---any case, also in text that is JSON), with ("[redacted]")
---@return function
return function(given)
  options.check("mcp.middleware.redact", given, KNOWN, 2)
  for _, name in ipairs { "patterns", "keys" } do
    options.check_list("mcp.middleware.redact", given, name, 2)
  end
  local with = given.with or "[redacted]"
  local replacement = with:gsub("%%", "%%%%")
  local patterns, keys = given.patterns or {}, {}
  if #patterns == 0 and #(given.keys or {}) == 0 then
    error("mcp.middleware.redact: expected patterns or keys", 2)
  end
  for i, pattern in ipairs(patterns) do
    local ok, message = pcall(string.find, "", pattern)
    if not ok then
      error(("mcp.middleware.redact: patterns[%d]: %s"):format(i, message), 2)
    end
  end
  for _, key in ipairs(given.keys or {}) do keys[key:lower()] = true end

  -- Everything in the value of a member that is secret; its shape stays.
  local function hidden(value)
    if type(value) == "string" or type(value) == "number" or content.is_file(value) then
      return with
    end
    if type(value) ~= "table" then return value end
    local new = setmetatable({}, getmetatable(value))
    for key, member in pairs(value) do new[key] = hidden(member) end
    return new
  end

  local clean

  -- Text that is JSON, as results with data have beside it, has members, too.
  local function without_keys(text)
    if not text:find "^%s*[{%[]" then return text end
    local lower, some = text:lower(), false
    for key in pairs(keys) do some = some or lower:find(key, 1, true) end
    local value = some and json.decode(text)
    if type(value) ~= "table" then return text end
    local cleaned = clean(value, true)
    return cleaned ~= value and json.encode(cleaned) or text
  end

  local function clean_text(text)
    text = without_keys(text)
    for _, pattern in ipairs(patterns) do text = text:gsub(pattern, replacement) end
    return text
  end

  -- What is sent as it is read cannot be looked at before: a text is read whole, or not sent.
  local function clean_file(file)
    local size, text, message = file:size(), file:bytes()
    file:close()
    if text then return clean_text(text) end
    error(("mcp.middleware.redact: a file of %d bytes: %s"):format(size, message), 0)
  end

  -- The same value where there is nothing to replace; the handler's own tables are not touched.
  function clean(value, is_data)
    if type(value) == "string" then return clean_text(value) end
    if type(value) ~= "table" then return value end
    local binary, new = not is_data and binary_of(value), nil
    for key, member in pairs(value) do
      local name, cleaned = key
      if type(key) == "string" and keys[key:lower()] then
        cleaned = hidden(member)
      elseif key == "text" and content.is_file(member) then
        cleaned = clean_file(member)
      elseif key == binary and type(member) == "string" then
        cleaned = member
      else
        cleaned = clean(member, is_data or DATA[key])
      end
      if is_data and type(key) == "string" then name = clean_text(key) end
      if cleaned ~= member or name ~= key then
        if not new then
          new = setmetatable({}, getmetatable(value))
          for each, given_member in pairs(value) do new[each] = given_member end
        end
        new[key] = nil
        new[name] = cleaned
      end
    end
    return new or value
  end

  return function(request, next)
    local result, err = next(request)
    if err then
      err = failure.new(err.code, clean_text(err.message), clean(err.data, true), err.status)
    end
    return clean(result), err
  end
end
