-- SPDX-License-Identifier: MIT
-- servers.lua: the address that an operation is called at. What the settings say counts for all
-- operations; what the document says is trusted less: it must not lead to this machine.
local url = require "mcp.url"
local value = require "mcp.value"

local servers = {}

-- The address of a server object, its variables filled in; or nil and a text.
local function fill(server, variables)
  local text = server.url
  if type(text) ~= "string" then return nil, "a server without url" end
  local known = value.object(server.variables)
  local wrong
  text = text:gsub("{([^{}]+)}", function(name)
    local variable = value.object(known[name])
    local given = variables[name]
    if given == nil then given = variable.default end
    if type(given) == "number" then given = tostring(given) end
    if type(given) ~= "string" then
      wrong = ("server_variables: %q has no value"):format(name)
      return nil
    end
    if value.is_array(variable.enum) then
      local fits = false
      for _, each in ipairs(variable.enum) do fits = fits or tostring(each) == given end
      if not fits then
        wrong = ("server_variables: %s: expected one of the document's values, got %q"):format(name,
          given)
      end
    end
    return given
  end)
  if wrong then return nil, wrong end
  return text
end

-- Parses a base address: no query, no fragment, no slash at its end; or nil and a text.
local function parse(text)
  local at, reason = url.parse(text)
  if not at then return nil, reason end
  if at.scheme ~= "http" and at.scheme ~= "https" and at.scheme ~= "unix" then
    return nil, ("%s: expected http, https or unix"):format(text)
  end
  if at.query or at.fragment then return nil, text .. ": a query or fragment" end
  if at.unix and not at.target then return at.text .. ":", at end
  return (at.text:gsub("/+$", "")), at
end

---The address that the settings give; raises (level 0) if it is wrong.
---@param text string
---@return string base
function servers.explicit(text)
  local base, reason = parse(text)
  if not base then error("base_url: " .. reason, 0) end
  return base
end

---The address of an operation, from the document.
---@param doc mcp.openapi.Document
---@param list table|nil the servers that apply to it
---@param variables table<string, string>
---@return string? base
---@return "public"|nil|string only what `mcp.fetch` may connect to; or a message
function servers.find(doc, list, variables)
  local server = list and list[1] or { url = "/" }
  if not value.is_object(server) then return nil, "a server that is no object" end
  local text, reason = fill(server, variables)
  if not text then return nil, reason end
  local resolved = doc:resolve_url(text)
  if not resolved then
    return nil, ("the document says %q only: give base_url"):format(text)
  end
  local base, at = parse(resolved)
  if not base then return nil, at end
  if at.unix then return nil, "a document must not name a socket file: give base_url" end
  -- The settings name the document's address, and so its origin.
  local own = doc.url and url.parse(doc.url)
  if own and own.origin == at.origin then return base, nil end
  if url.is_loopback(at) then
    return nil, ("the document names %s, this machine: give base_url if that is meant"):format(base)
  end
  return base, "public"
end

return servers
