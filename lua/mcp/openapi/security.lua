-- SPDX-License-Identifier: MIT
-- security.lua: the credentials of an API, from the settings of the program. They never come from
-- the client that calls a tool.
local core = require "mcp.core"
local escape = require("mcp.uri_tools").escape
local nearest = require "mcp.nearest"
local value = require "mcp.value"

local security = {}

local is_object, is_array = value.is_object, value.is_array

---@class mcp.openapi.Security
---@field schemes table<string, table> by name, of the document
---@field given table<string, any> by name, of the settings
---@field everywhere boolean no operation says what it needs, so each gets what is given
local Security = { __name = "mcp.openapi.security" }
Security.__index = Security

local function sorted(map)
  local names = {}
  for name in next, map do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- The schemes of a document.
local function read_schemes(doc, warn)
  local schemes, components = {}, doc.root.components
  if not is_object(components) or not is_object(components.securitySchemes) then return schemes end
  for name, node in next, components.securitySchemes do
    local found, text = doc:object(node, doc.main)
    if found then
      schemes[name] = found
    else
      warn(("the security scheme %q is ignored: %s"):format(name, text))
    end
  end
  return schemes
end

-- What is wrong with a credential, or nil.
local function wrong_value(name, scheme, given)
  local kind = type(given)
  if kind == "function" then return nil end
  local basic = scheme.type == "http" and tostring(scheme.scheme):lower() == "basic"
  if kind == "table" then
    if not basic then
      return ("auth: %s: expected a string or a function, got a table: only basic authentication "
        .. "has a user and a password"):format(name)
    end
    if type(given.user or given[1]) ~= "string" or type(given.password or given[2]) ~= "string" then
      return ("auth: %s: expected { user = …, password = … }"):format(name)
    end
    return nil
  end
  if kind ~= "string" then
    return ("auth: %s: expected a string or a function, got %s"):format(name, kind)
  end
  if basic and not given:find(":", 1, true) then
    return ("auth: %s: expected \"user:password\" or { user = …, password = … }"):format(name)
  end
  if given == "" then return ("auth: %s: expected a token, got an empty text"):format(name) end
  return nil
end

---@param doc mcp.openapi.Document
---@param ops mcp.openapi.Operation[]
---@param given table<string, any>|nil
---@param warn fun(text: string)
---@return mcp.openapi.Security? security
---@return string? message
function security.new(doc, ops, given, warn)
  local self = setmetatable({ schemes = read_schemes(doc, warn), given = given or {},
    everywhere = true }, Security)
  for _, name in ipairs(sorted(self.given)) do
    local scheme = self.schemes[name]
    if not scheme then
      local known = sorted(self.schemes)
      return nil, "auth: " .. (known[1] and nearest.unknown("security scheme", name, known)
        or ("the document has no security scheme, so %q has no meaning: use headers"):format(name))
    end
    local wrong = wrong_value(name, scheme, self.given[name])
    if wrong then return nil, wrong end
  end
  for _, op in ipairs(ops) do
    if op.security then self.everywhere = false end
  end
  return self
end

---The schemes that an operation uses: the first of its alternatives for which all credentials are
---there.
---@param op mcp.openapi.Operation
---@return string[] names
---@return string[]? lacking the names of the first alternative, if no alternative can be met
function Security:names(op)
  if not op.security then return self.everywhere and sorted(self.given) or {} end
  local optional, lacking = #op.security == 0, nil
  for _, requirement in ipairs(op.security) do
    local names = is_object(requirement) and sorted(requirement) or {}
    local met = names[1] ~= nil
    for _, name in ipairs(names) do met = met and self.given[name] ~= nil end
    if met then return names end
    optional = optional or names[1] == nil
    lacking = lacking or names
  end
  return {}, not optional and lacking or nil
end

---Whether a parameter is set by a credential of an operation.
---@param op mcp.openapi.Operation
---@param parameter mcp.openapi.Parameter
---@return boolean
function Security:sets(op, parameter)
  for _, name in ipairs(self:names(op)) do
    local scheme = self.schemes[name]
    if scheme.type == "apiKey" and scheme["in"] == parameter.location then
      local header = parameter.location == "header"
      local key, name_of = tostring(scheme.name), parameter.name
      if key == name_of or header and key:lower() == name_of:lower() then return true end
    end
  end
  return false
end

-- The text that identifies, for schemes of HTTP.
local function authorization(scheme, given)
  local kind = scheme.type == "http" and tostring(scheme.scheme) or "bearer"
  if kind:lower() == "basic" then
    if type(given) == "table" then
      given = (given.user or given[1]) .. ":" .. (given.password or given[2])
    end
    return "Basic " .. core.base64(given)
  end
  if kind:lower() == "bearer" then kind = "Bearer" end
  return kind .. " " .. given
end

---Adds the credentials of an operation to a request.
---@param op mcp.openapi.Operation
---@param request table headers (a list of pairs), query and cookies (lists of "name=value"), and
---secrets, the texts that no message may show
---@return true? done
---@return string? message
function Security:apply(op, request)
  for _, name in ipairs(self:names(op)) do
    local scheme, given = self.schemes[name], self.given[name]
    if type(given) == "function" then
      local text
      given, text = given(op.id or op.method .. " " .. op.path, name)
      local wrong = given == nil and (text or "no credential") or wrong_value(name, scheme, given)
      if wrong then return nil, ("%s: %s"):format(name, tostring(wrong)) end
    end
    local secret = given
    if scheme.type == "apiKey" then
      local key = tostring(scheme.name)
      if scheme["in"] == "header" then
        request.headers[#request.headers + 1] = { key, given }
      else
        local into = scheme["in"] == "cookie" and request.cookies or request.query
        secret = escape(given)
        into[#into + 1] = escape(key) .. "=" .. secret
        request.secrets[#request.secrets + 1] = given
      end
    elseif scheme.type ~= "mutualTLS" then
      secret = authorization(scheme, given)
      request.headers[#request.headers + 1] = { "Authorization", secret }
      secret = secret:match "^%S+ (.*)$"
    end
    if type(secret) == "string" then request.secrets[#request.secrets + 1] = secret end
  end
  return true
end

---The names of the schemes that would allow an operation, for messages.
---@param op mcp.openapi.Operation
---@return string? text nil if it needs none
function Security.wanted(_, op)
  local out = {}
  for _, requirement in ipairs(is_array(op.security) and op.security or {}) do
    local names = is_object(requirement) and sorted(requirement) or {}
    if names[1] then out[#out + 1] = table.concat(names, " and ") end
  end
  return out[1] and table.concat(out, " or ") or nil
end

return security
