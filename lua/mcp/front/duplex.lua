-- SPDX-License-Identifier: MIT
-- duplex: the front of connections that carry messages both ways: stdio, and
-- whatever frames them alike. The first message that means an era settles it
-- for the connection (section 3.5); looking (server/discover) does not.
local failure = require "mcp.failure"
local legacy = require "mcp.front.legacy"
local modern = require "mcp.front.modern"
local protocol = require "mcp.protocol"

local duplex = {}

local function claims(params)
  local meta = type(params) == "table" and params._meta
  return type(meta) == "table" and meta[protocol.KEY_VERSION] ~= nil and meta or nil
end

local function invalid(text)
  return nil, failure.new(protocol.INVALID_REQUEST, text)
end

local MISSING = "params._meta needs " .. protocol.KEY_VERSION .. " and " .. protocol.KEY_CAPABILITIES

local function unsupported(version)
  return nil, failure.new(protocol.UNSUPPORTED_VERSION, protocol.unsupported_text(version),
    protocol.unsupported_data(version))
end

-- A request with an envelope.
local function serve_modern(app, x, link, id, method, params)
  local version = params._meta[protocol.KEY_VERSION]
  if type(version) ~= "string" then
    return nil, failure.new(protocol.INVALID_PARAMS,
      ("_meta[%q]: string expected, got %s"):format(protocol.KEY_VERSION, type(version)))
  end
  local running = link.running
  if running[id] then return invalid("A request with this id is under way") end
  if method ~= "server/discover" and protocol.revision(version)
    and protocol.revision(version).era == "modern" then
    link.era = "modern"
  end
  running[id] = x
  local result, err = modern.serve(app, x, method, params, nil, nil, nil, false)
  if running[id] == x then running[id] = nil end
  return result, err
end

local function request(app, x, link, id, method, params)
  local meta = claims(params)
  if link.era == "legacy" then
    if meta then
      return invalid("This connection was opened by initialize; it cannot change its era")
    end
    if method == "initialize" then
      return invalid("This session has been initialized already")
    end
    return legacy.request(app, x, link.session, id, method, params)
  end
  if meta then
    -- An initialize with a whole envelope is a modern request for a method that
    -- is gone; with less it is a handshake.
    local facts = method == "initialize" and protocol.revision(meta[protocol.KEY_VERSION])
    if method ~= "initialize" or (facts and facts.era == "modern"
      and type(meta[protocol.KEY_CAPABILITIES]) == "table") then
      return serve_modern(app, x, link, id, method, params)
    end
  end
  if method == "initialize" then
    if link.era == "modern" then
      local wanted = type(params) == "table" and params.protocolVersion
      return unsupported(type(wanted) == "string" and wanted or "(none)")
    end
    local one, result = legacy.initialize(app, params)
    if not one then return nil, result end
    link.era, link.session = "legacy", one
    link.running = one.running
    return result
  end
  if method == "ping" and not link.era then return {} end
  return nil, failure.new(protocol.INVALID_PARAMS, link.era and MISSING
    or MISSING .. "; older clients begin with initialize")
end

local function notification(link, method, params)
  if link.era == "legacy" then
    legacy.notification(link.session, method, params)
  elseif method == "notifications/cancelled" then
    local key = type(params) == "table" and legacy.id_key(params.requestId)
    legacy.cancel(link.running, key)
  end
end

---Makes the function that gets every message of a connection; `link` is the
---connection's own table.
---@param app table
---@return function receive
function duplex.receiver(app)
  return function(x, link, kind, id, method, params)
    link.running = link.running or {}
    if kind == "request" then
      return request(app, x, link, id, method, params)
    elseif kind == "notification" then
      notification(link, method, params)
    elseif kind == "batch" then
      if not link.session then return invalid("Batches are not part of this revision") end
      return legacy.batch(app, x, link.session, params)
    end
    return nil
  end
end

return duplex
