-- SPDX-License-Identifier: MIT
-- names: what the entries of a mounted server are called in the app, and back: `gh` and
-- `create_issue` make `gh_create_issue`, `repo://x` becomes `gh+repo://x`. The scheme `ui` stays,
-- since hosts look for it: `ui://x` becomes `ui://gh+x`. Knows no server and no transport.
local copy = require("mcp.copy").flat

local names = {}

local Names = { __name = "mcp.mount.names" }
Names.__index = {}

---@param prefix string|false in front of names; false: nothing is changed
---@param separator string between the prefix and a name
---@return table
function names.new(prefix, separator)
  local scheme = prefix and prefix:lower():gsub("_", "-") .. "+"
  return setmetatable({ prefix = prefix, front = prefix and prefix .. separator or "",
    scheme = scheme or "" }, Names)
end

---The scheme's prefix is one only in this form (RFC 3986, 3.1).
---@param prefix string
---@return boolean
function names.is_prefix(prefix) return prefix:find "^%a[%w_.-]*$" ~= nil end

---The app's name of a tool or prompt.
---@param name string of the other server
---@return string
function Names.__index:name(name) return self.front .. name end

---Could this be the app's name of an entry of the other server?
---@param name any
---@return boolean
function Names.__index:has_name(name)
  return type(name) == "string" and #name > #self.front
    and name:sub(1, #self.front) == self.front
end

---The app's URI, or template, of a resource.
---@param uri string of the other server
---@return string
function Names.__index:uri(uri)
  if not self.prefix then return uri end
  if uri:find "^[uU][iI]://" then return "ui://" .. self.scheme .. uri:sub(6) end
  return self.scheme .. uri
end

---The other server's URI of one of the app's, or nil if it is of another.
---@param uri any
---@return string|nil
function Names.__index:inner_uri(uri)
  if type(uri) ~= "string" then return nil end
  if not self.prefix then return uri end
  local scheme = self.scheme
  if uri:sub(1, #scheme):lower() == scheme then return uri:sub(#scheme + 1) end
  if uri:find "^[uU][iI]://" and uri:sub(6, #scheme + 5):lower() == scheme then
    return "ui://" .. uri:sub(#scheme + 6)
  end
  return nil
end

-- --- in what the other server sends ---------------------------------------------------------

-- A copy of a table, with its metatable.
---A definition's `_meta` with the addresses of its page.
---@param meta any
---@return any
function Names.__index:meta(meta)
  if not self.prefix or type(meta) ~= "table" then return meta end
  local ui, flat = meta.ui, meta["ui/resourceUri"]
  local nested = type(ui) == "table" and type(ui.resourceUri) == "string"
  if not nested and type(flat) ~= "string" then return meta end
  meta = copy(meta)
  if nested then
    meta.ui = copy(ui)
    meta.ui.resourceUri = self:uri(ui.resourceUri)
  end
  if type(flat) == "string" then meta["ui/resourceUri"] = self:uri(flat) end
  return meta
end

---One content: a link or an embedded resource gets the app's URI. The given table stays as it is.
---@param item any
---@return any
function Names.__index:content(item)
  if not self.prefix or type(item) ~= "table" then return item end
  if item.type == "resource_link" and type(item.uri) == "string" then
    item = copy(item)
    item.uri = self:uri(item.uri)
  elseif item.type == "resource" and type(item.resource) == "table"
    and type(item.resource.uri) == "string" then
    item = copy(item)
    item.resource = copy(item.resource)
    item.resource.uri = self:uri(item.resource.uri)
  end
  return item
end

---A list of contents, changed in place.
---@param list any
---@return any list
function Names.__index:contents(list)
  if self.prefix and type(list) == "table" then
    for i, item in ipairs(list) do list[i] = self:content(item) end
  end
  return list
end

---The messages of a prompt, changed in place.
---@param list any
---@return any list
function Names.__index:messages(list)
  if self.prefix and type(list) == "table" then
    for _, message in ipairs(list) do
      local body = type(message) == "table" and message.content
      if type(body) == "table" then
        message.content = body[1] ~= nil and self:contents(body) or self:content(body)
      end
    end
  end
  return list
end

---The contents of a resource that was read, changed in place.
---@param list any
---@return any list
function Names.__index:read(list)
  if self.prefix and type(list) == "table" then
    for _, item in ipairs(list) do
      if type(item) == "table" and type(item.uri) == "string" then item.uri = self:uri(item.uri) end
    end
  end
  return list
end

return names
