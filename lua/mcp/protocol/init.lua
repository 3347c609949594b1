-- SPDX-License-Identifier: MIT
-- protocol: which revisions exist, how one is chosen, and what a message
-- claims about its era. Pure: no state, no I/O.
local errors = require "mcp.protocol.errors"
local revisions = require "mcp.protocol.revisions"

local protocol = {}

---Reserved keys of _meta.
protocol.PREFIX = "io.modelcontextprotocol/"
protocol.KEY_VERSION = protocol.PREFIX .. "protocolVersion"
protocol.KEY_CAPABILITIES = protocol.PREFIX .. "clientCapabilities"
protocol.KEY_CLIENT = protocol.PREFIX .. "clientInfo"
protocol.KEY_LOG_LEVEL = protocol.PREFIX .. "logLevel"
protocol.KEY_SERVER = protocol.PREFIX .. "serverInfo"
protocol.KEY_SUBSCRIPTION = protocol.PREFIX .. "subscriptionId"
protocol.KEY_TASK = protocol.PREFIX .. "related-task"

---The extension of tasks.
protocol.TASKS = protocol.PREFIX .. "tasks"
---The extension of pages (MCP Apps).
protocol.UI = protocol.PREFIX .. "ui"

---What every message is handed up with out of its _meta, in this order.
protocol.WATCHED = {
  protocol.KEY_VERSION, protocol.KEY_CAPABILITIES, protocol.KEY_CLIENT, protocol.KEY_LOG_LEVEL,
  "progressToken",
}

---The lists whose changes are announced.
protocol.LISTS = { tools = true, prompts = true, resources = true }

---The eight levels of logging, by rank (RFC 5424).
protocol.LOG_RANK = {
  debug = 1, info = 2, notice = 3, warning = 4,
  error = 5, critical = 6, alert = 7, emergency = 8,
}

---Their names by rank.
protocol.LOG_LEVELS = {}
for level, rank in pairs(protocol.LOG_RANK) do protocol.LOG_LEVELS[rank] = level end

---All revision names, newest first.
protocol.names = {}
local by_name, legacy = {}, {}
for i, facts in ipairs(revisions) do
  protocol.names[i] = facts.name
  by_name[facts.name] = facts
  if facts.era == "legacy" then legacy[#legacy + 1] = facts end
end

---Names of the modern revisions, newest first.
protocol.modern_names = {}
for _, facts in ipairs(revisions) do
  if facts.era == "modern" then
    protocol.modern_names[#protocol.modern_names + 1] = facts.name
  end
end
local oldest_modern = protocol.modern_names[#protocol.modern_names]

---What a client that never said it speaks: the first revision with Streamable
---HTTP (HL-61).
protocol.assumed = by_name["2025-03-26"]

---@param name any
---@return table|nil facts of the revision, nil if the name is unknown
function protocol.revision(name) return by_name[name] end

---The revision an `initialize` gets: the one it asked for, or our newest that
---has a handshake. Never an error: the client decides.
---@param requested string
---@return table facts
function protocol.negotiate(requested)
  local facts = by_name[requested]
  if facts and facts.era == "legacy" then return facts end
  return legacy[1]
end

---What a client reports of a server with only older revisions, if the program requires this one.
protocol.NOT_STATELESS = 'the server does not support the stateless revision, and era is "modern"'

---What a client reports of a server with which it has no revision in common.
---@param list any[] the revisions of the server; untrusted
---@return string
function protocol.no_common_text(list)
  return ("no common revision: the server supports %s, the client %s"):format(
    require("mcp.text").list(list), table.concat(protocol.names, ", "))
end

-- Does a version header speak of an era without handshake, known to us or not?
-- Membership comes before any comparison of dates.
local function is_modern_header(version)
  if not version then return false end
  local facts = by_name[version]
  if facts then return facts.era == "modern" end
  return version:find("^%d%d%d%d%-%d%d%-%d%d$") ~= nil and version >= oldest_modern
end

local function reject(code, message, data)
  return "reject", { code = code, message = message, data = data, status = 400 }
end

---Is that the envelope of a revision without a handshake, and a whole one?
---@param claim any
---@param capabilities any
---@return boolean
function protocol.is_envelope(claim, capabilities)
  local facts = by_name[claim]
  return facts ~= nil and facts.era == "modern" and capabilities == true
end

---Sorts one message that came over HTTP. The body decides;
---headers are checked against it.
---@param kind string "request", "notification", "result", "error"
---@param method string|nil
---@param claim any the envelope's protocolVersion; nil if it has none
---@param capabilities any true if the envelope declares any
---@param version string|false|nil the MCP-Protocol-Version header; false: twice
---@return "legacy"|"modern"|"drop"|"reject" verdict
---@return any detail the claimed version of a modern request, or the error
function protocol.classify(kind, method, claim, capabilities, version)
  if version == false then
    return reject(errors.HEADER_MISMATCH, "MCP-Protocol-Version was sent twice")
  end
  if kind ~= "request" and kind ~= "notification" then
    if is_modern_header(version) then
      return reject(errors.INVALID_REQUEST, "A client sends no responses in this revision")
    end
    return "legacy"
  end
  if method == "initialize" then
    if not protocol.is_envelope(claim, capabilities) then
      if is_modern_header(version) then
        return reject(errors.HEADER_MISMATCH, "MCP-Protocol-Version " .. version
          .. " does not belong to initialize, which opens an older session")
      end
      return "legacy"
    end
  end
  if claim ~= nil then
    if type(claim) ~= "string" then
      return reject(errors.INVALID_PARAMS,
        "_meta[\"" .. protocol.KEY_VERSION .. "\"]: expected a string, got " .. type(claim))
    end
    if version and version ~= claim then
      return reject(errors.HEADER_MISMATCH, ("MCP-Protocol-Version is %s, but the body says %s")
        :format(version, claim))
    end
    local facts = by_name[claim]
    if facts and facts.era == "legacy" then
      return reject(errors.UNSUPPORTED_VERSION, protocol.unsupported_text(claim),
        protocol.unsupported_data(claim))
    end
    if kind == "notification" then return "drop" end
    return "modern", claim
  end
  if is_modern_header(version) then
    if kind == "notification" then return "drop" end
    return reject(errors.INVALID_PARAMS,
      "params._meta needs " .. protocol.KEY_VERSION .. " and " .. protocol.KEY_CAPABILITIES)
  end
  return "legacy"
end

---The text and data of -32022. Old clients show only the text, so it names
---what is spoken.
---@param requested string
---@return string
function protocol.unsupported_text(requested)
  return ("Unsupported protocol version %s; this server speaks %s")
    :format(requested, table.concat(protocol.names, ", "))
end

---@param requested string
---@return table
function protocol.unsupported_data(requested)
  return { supported = protocol.names, requested = requested }
end

return protocol
