-- SPDX-License-Identifier: MIT
-- handshake: which era and revision a server speaks. It looks with server/discover, and falls back
-- to initialize exactly where the specification says so (protocol, 3.7); for HTTP, where statuses
-- say more, mcp.client.probe does the judging.
local call = require "mcp.client.call"
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local protocol = require "mcp.protocol"
local serve = require "mcp.client.serve"
local value = require "mcp.value"

local handshake = {}

---How long a server has to answer server/discover before it is taken for an older one, in seconds.
handshake.PROBE = 5
---The same for a child: npx and its like take their time to start.
handshake.PROBE_CHILD = 10
---So many revisions of a server are named in an error.
handshake.SHOWN = 10

local NO_OPTIONS = {}

-- --- the messages -------------------------------------------------------------------

---Sends server/discover as a revision without sessions has it.
---@param client table
---@param transport table
---@param revision string|nil our newest one if not given
---@param time number|nil seconds
---@return table|nil reply, string|nil message, string|nil code
function handshake.discover(client, transport, revision, time)
  local facts = protocol.revision(revision or client.settings.modern)
  client.declared = core.raw(serve.capabilities(client.settings, facts))
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
    capabilities = serve.capabilities(client.settings, facts),
    clientInfo = client.info,
  }, NO_OPTIONS, { transport = transport, era = "legacy", revision = facts.name,
    handshake = true })
end

-- --- what came of them ----------------------------------------------------------------

local function settle(client, facts)
  client.facts, client.revision, client.era = facts, facts.name, facts.era
  client.transport:settle(facts.era, facts.name)
end

local function object(given) return value.is_object(given) and given or {} end

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

-- A list of the server's, as texts show it: it may name a million, or one of a megabyte.
local function names_of(list)
  local out, count = {}, #list
  for i = 1, math.min(count, handshake.SHOWN) do
    out[i] = tostring(list[i]):sub(1, 20):gsub("[^ -~]", "?")
  end
  local more = count - handshake.SHOWN
  if more > 0 then out[#out + 1] = ("and %d more"):format(more) end
  return out[1] and table.concat(out, ", ") or "none"
end

---Takes over what a server without sessions has told of itself.
---@param client table
---@param revision string
---@param result table of server/discover
function handshake.adopt_modern(client, revision, result)
  local facts = protocol.revision(revision)
  client.declared = core.raw(serve.capabilities(client.settings, facts))
  client.capabilities = object(result.capabilities)
  client.server = object(object(result._meta)[protocol.KEY_SERVER])
  client.instructions = type(result.instructions) == "string" and result.instructions or nil
  client.supported = result.supportedVersions
  settle(client, facts)
end

---Takes over the answer to initialize, and says that we are ready.
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
    return nil, ("no revision is spoken by both: the server answers %s, we asked for %s"):format(
      tostring(result.protocolVersion), client.settings.legacy), "EREVISION"
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

-- --- a connection that carries both ways ------------------------------------------------

-- Looks. "modern", or "legacy" where initialize is to be tried; else nil, text, code, data.
local function look(client)
  local transport, name = client.transport, client.settings.modern
  local time = client.settings.probe_timeout
    or (transport.is_child and handshake.PROBE_CHILD or handshake.PROBE)
  for _ = 1, 2 do
    local reply, text, code = handshake.discover(client, transport, name, time)
    if not reply then
      if code == "ETIMEDOUT" or client.state == "lost" then return "legacy" end
      return nil, text, code
    end
    local result, _, number, data = call.read("server/discover", reply)
    local list
    if result then
      list = value.is_array(result.supportedVersions) and result.supportedVersions
      if not list then return "legacy" end
    elseif number == errors.UNSUPPORTED_VERSION then
      list = value.is_object(data) and value.is_array(data.supported) and data.supported
      -- It knows this era, and does not say what of it.
      if not list then return "legacy" end
    else
      -- No code of an error proves an older server, and none has to (IO-67).
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
      return nil, ("no revision is spoken by both: the server has %s, we have %s"):format(
        names_of(list), table.concat(protocol.names, ", ")), "EREVISION"
    end
  end
  return "legacy"
end

-- A server that ended instead of answering is started once more, and gets what it knows.
local function again_if_lost(client)
  if client.state ~= "lost" then return true end
  client.state = "opening"
  return client:attach(client.transport)
end

local function shake_hands(client)
  local reply, text, code = handshake.initialize(client, client.transport)
  if not reply then return nil, text, code end
  return handshake.adopt_legacy(client, reply)
end

---Finds out what the server at the other end of a duplex connection speaks. The connection is open.
---@param client table
---@param anew (fun(): true|nil, string|nil, string|nil)|nil opens another connection in its place:
---for a server that takes the probe for the beginning of a session, and then refuses initialize
---@return true|nil done, string|nil message, any code, any data
function handshake.duplex(client, anew)
  local settings = client.settings
  local era = client.transport.only_era or settings.era
  local known = era == "auto" and client.verdict and client.verdict.era
  local probed = false
  if era ~= "legacy" and known ~= "legacy" then
    local found, text, code, data = look(client)
    if found == "modern" then return true end
    if not found then return nil, text, code, data end
    probed = true
    if era == "modern" then
      return nil, "the server does not speak the revision without sessions, and no other is wanted",
        "EREVISION"
    end
  end
  local ok, text, code = again_if_lost(client)
  if not ok then return nil, text, code end
  local data
  ok, text, code, data = shake_hands(client)
  if not ok and code == errors.UNSUPPORTED_VERSION and era == "auto" then
    -- It was slow, not old; or is not what it was.
    local found = look(client)
    if found == "modern" then return true end
  end
  if not ok and probed and anew and code ~= errors.UNSUPPORTED_VERSION
    and (math.type(code) == "integer" or code == "EGONE" or code == "ERPC") then
    local why, name
    ok, why, name = anew()
    if not ok then return nil, why, name end
    ok, text, code, data = shake_hands(client)
  end
  if ok and client.verdict then client.verdict.era = "legacy" end
  if not ok and client.verdict then client.verdict.era = nil end
  return ok, text, code, data
end

---Finds out what an address of HTTP speaks, and opens it.
---@param client table
---@param address string
---@param how table http(), and sse() or nil: they make transports; anew: http() another each time
---@return true|nil done, string|nil message, any code, any data
function handshake.http(client, address, how)
  local found, text, code = require("mcp.client.probe").run(address, {
    era = client.settings.era, http = how.http, sse = how.sse, anew = how.anew,
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
