-- SPDX-License-Identifier: MIT
-- handshake: finds out which revision a server speaks. It sends server/discover and falls back to
-- initialize where the specification says so (protocol, 3.7). Over HTTP, where the status counts
-- too, mcp.client.probe decides.
local call = require "mcp.client.call"
local capabilities = require "mcp.client.capabilities"
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local protocol = require "mcp.protocol"
local value = require "mcp.value"

local handshake = {}

---Time to answer server/discover before the server counts as an older one, in seconds.
handshake.PROBE = 5
---The same for a child: npx and similar programs start slowly.
handshake.PROBE_CHILD = 10

local NO_OPTIONS = {}

-- --- the messages -------------------------------------------------------------------

---Sends server/discover in the form of a stateless revision.
---@param client table
---@param transport table
---@param revision string|nil our newest one if not given
---@param time number|nil seconds
---@return table|nil reply, string|nil message, string|nil code
function handshake.discover(client, transport, revision, time)
  local facts = protocol.revision(revision or client.settings.modern)
  client.declared = core.raw(capabilities.of(client.settings, facts))
  return call.send(client, "server/discover", nil, NO_OPTIONS, { transport = transport,
    era = "modern", revision = facts.name, time = time, silent = true })
end

---Sends initialize.
---@param client table
---@param transport table
---@return table|nil reply, string|nil message, string|nil code
function handshake.initialize(client, transport)
  local facts = protocol.revision(client.settings.legacy)
  return call.send(client, "initialize", {
    protocolVersion = facts.name,
    capabilities = capabilities.of(client.settings, facts),
    clientInfo = client.info,
  }, NO_OPTIONS, { transport = transport, era = "legacy", revision = facts.name,
    handshake = true })
end

-- --- their results --------------------------------------------------------------------

local function settle(client, facts)
  client.facts, client.revision, client.era = facts, facts.name, facts.era
  client.transport:settle(facts.era, facts.name)
end

local object = value.object

-- The newest revision of an era in a server's list that we speak, or nil.
local function newest(list, era, only)
  local theirs = {}
  for _, name in ipairs(list) do theirs[name] = true end
  for _, name in ipairs(protocol.names) do
    if theirs[name] and protocol.revision(name).era == era and (not only or name == only) then
      return name
    end
  end
  return nil
end


---Takes over the description of a stateless server.
---@param client table
---@param revision string
---@param result table of server/discover
function handshake.adopt_modern(client, revision, result)
  local facts = protocol.revision(revision)
  client.declared = core.raw(capabilities.of(client.settings, facts))
  client.capabilities = object(result.capabilities)
  client.server = object(object(result._meta)[protocol.KEY_SERVER])
  client.instructions = type(result.instructions) == "string" and result.instructions or nil
  client.supported = result.supportedVersions
  settle(client, facts)
end

---Takes over the answer to initialize and sends `notifications/initialized`.
---@param client table
---@param reply table
---@return true|nil adopted, string|nil message, any code, any data
function handshake.adopt_legacy(client, reply)
  local result, text, code, data = call.read("initialize", reply)
  if not result then return nil, text, code, data end
  local facts = type(result.protocolVersion) == "string"
    and protocol.revision(result.protocolVersion)
  local only = client.settings.revision
  if not facts or facts.era ~= "legacy" or (only and facts.name ~= only) then
    return nil, ("no common revision: the client requested %s, the server answered %s"):format(
      client.settings.legacy, tostring(result.protocolVersion)), "EREVISION"
  end
  client.declared = nil
  client.capabilities = object(result.capabilities)
  client.server = object(result.serverInfo)
  client.instructions = type(result.instructions) == "string" and result.instructions or nil
  client.supported = value.array { facts.name }
  settle(client, facts)
  return client.transport:notify("notifications/initialized", nil,
    { era = "legacy", revision = facts.name })
end

-- --- a duplex connection -----------------------------------------------------------------

-- Probes. "modern", or "legacy" where initialize is to be tried; else nil, text, code, data.
local function probe(client)
  local transport, name = client.transport, client.settings.modern
  local time = client.settings.probe_timeout
    or (transport.is_child and handshake.PROBE_CHILD or handshake.PROBE)
  for _ = 1, 2 do
    local reply, text, code = handshake.discover(client, transport, name, time)
    if not reply then
      -- A child that has not read the question did not end because of it. Our own program knows the
      -- question: its script has failed, and would again.
      local lost = client.state == "lost"
      local would_again = lost and (transport.is_script
        or transport.is_child and transport:died_unread())
      if code == "ETIMEDOUT" or lost and not would_again then return "legacy" end
      return nil, text, code
    end
    local result, _, number, data = call.read("server/discover", reply)
    local list
    if result then
      list = value.is_array(result.supportedVersions) and result.supportedVersions
      if not list then return "legacy" end
    elseif number == errors.UNSUPPORTED_VERSION then
      list = value.is_object(data) and value.is_array(data.supported) and data.supported
      -- It knows this era but does not list its revisions.
      if not list then return "legacy" end
    else
      -- Any error falls back: no code proves that the server is an older one (IO-67).
      return "legacy"
    end
    local chosen = newest(list, "modern", client.settings.revision)
    if chosen and result then
      handshake.adopt_modern(client, chosen, result)
      return "modern"
    elseif chosen and chosen ~= name then
      name = chosen
    elseif chosen or newest(list, "legacy") or list[1] == nil then
      return "legacy"
    else
      return nil, protocol.no_common_text(list), "EREVISION"
    end
  end
  return "legacy"
end

-- Starts a server again that ended instead of answering the probe.
local function again(client)
  client.state = "opening"
  return client:attach(client.transport)
end


local function shake_hands(client)
  local reply, text, code = handshake.initialize(client, client.transport)
  if not reply then return nil, text, code end
  return handshake.adopt_legacy(client, reply)
end

local function open_duplex(client, reconnect)
  local settings = client.settings
  local era = client.transport.only_era or settings.era
  local known = era == "auto" and client.verdict and client.verdict.era
  local probed = false
  if era ~= "legacy" and known ~= "legacy" then
    local found, text, code, data = probe(client)
    if found == "modern" then return true end
    if not found then return nil, text, code, data end
    probed = true
    if era == "modern" then
      return nil, protocol.NOT_STATELESS, "EREVISION"
    end
  end
  local ok, text, code, data
  if client.state == "lost" then
    ok, text, code = again(client)
    if not ok then return nil, text, code end
    -- This one has not seen the probe: if it ends as well, a third would.
    probed = false
  end
  ok, text, code, data = shake_hands(client)
  if not ok and code == errors.UNSUPPORTED_VERSION and era == "auto" then
    -- The server was slow to answer the probe, or has been replaced by another version.
    local found = probe(client)
    if found == "modern" then return true end
  end
  if not ok and probed and reconnect and code ~= errors.UNSUPPORTED_VERSION
    and (math.type(code) == "integer" or code == "EGONE" or code == "ERPC") then
    local reason, name
    ok, reason, name = reconnect()
    if not ok then return nil, reason, name end
    ok, text, code, data = shake_hands(client)
  end
  if ok and client.verdict then client.verdict.era = "legacy" end
  if not ok and client.verdict then client.verdict.era = nil end
  return ok, text, code, data
end

---Finds out what the server at the other end of a duplex connection speaks. The connection is open.
---@param client table
---@param reconnect (fun(): true|nil, string|nil, string|nil)|nil replaces the connection: for a
---server that takes the probe for the start of a session and then refuses initialize
---@return true|nil done, string|nil message, any code, any data
function handshake.duplex(client, reconnect)
  local ok, text, code, data = open_duplex(client, reconnect)
  local transport = client.transport
  if not ok and type(code) == "string" and transport.explain then text = transport:explain(text) end
  return ok, text, code, data
end

---Finds out what the server at an HTTP address speaks, and opens it.
---@param client table
---@param address string
---@param how table http(), and sse() or nil: they make transports; fresh: http() makes another one
---each time
---@return true|nil done, string|nil message, any code, any data
function handshake.http(client, address, how)
  local found, text, code = require("mcp.client.probe").run(address, {
    era = client.settings.era, http = how.http, sse = how.sse, fresh = how.fresh,
    attach = function(transport) return client:attach(transport) end,
    discover = function(transport, revision)
      return handshake.discover(client, transport, revision)
    end,
    initialize = function(transport) return handshake.initialize(client, transport) end,
  })
  if not found then return nil, text, code end
  client.transport = found.transport
  if found.era == "modern" then
    handshake.adopt_modern(client, found.revision, found.reply.result)
    return true
  end
  return handshake.adopt_legacy(client, found.reply)
end

return handshake
