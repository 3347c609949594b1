-- SPDX-License-Identifier: MIT
-- probe: finds out which era and transport an HTTP address speaks, in the order of the
-- specification: server/discover, then initialize, then the GET of HTTP+SSE. It judges the answers;
-- the client reads the messages. A request for authorization, a failure and an unreachable server
-- say nothing about the era.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local protocol = require "mcp.protocol"
local url = require "mcp.url"
local value = require "mcp.value"

local probe = {}

---Addresses whose verdict is kept; the oldest is dropped.
probe.VERDICTS = 256
---An older verdict is forgotten, since servers are upgraded. In seconds.
probe.FRESH = 600

local ERAS = { auto = true, modern = true, legacy = true }

-- The verdicts by address, { era = "modern" | "legacy" | "sse", since = … }, and their order.
local verdicts, order = {}, {}

local function key_of(parsed) return parsed.origin .. (parsed.path or "") end

local function recall(key)
  local known = verdicts[key]
  if known and core.now() - known.since < probe.FRESH then return known.era end
  return nil
end

local function remember(key, era)
  if not verdicts[key] then
    order[#order + 1] = key
    if #order > probe.VERDICTS then verdicts[table.remove(order, 1)] = nil end
  end
  verdicts[key] = { era = era, since = core.now() }
end

---Forgets all verdicts, or that of one address.
---@param address string|nil
function probe.forget(address)
  if not address then
    verdicts, order = {}, {}
    return
  end
  local parsed = url.parse(address)
  local known = parsed and verdicts[key_of(parsed)]
  if known then known.since = -math.huge end
end

---@param address string
---@return "modern"|"legacy"|"sse"|nil
function probe.verdict(address)
  local parsed = url.parse(address)
  return parsed and recall(key_of(parsed))
end

-- What the server's list has in common with ours: the newest modern revision, and whether there is
-- a legacy one. nil if it is not a list.
local function common(list)
  if type(list) ~= "table" or not value.is_array(list) then return nil end
  local theirs = {}
  for _, name in ipairs(list) do theirs[name] = true end
  local modern, legacy = nil, false
  for _, name in ipairs(protocol.names) do
    if theirs[name] and protocol.revision(name).era == "legacy" then
      legacy = true
    elseif theirs[name] then
      modern = modern or name
    end
  end
  return { modern = modern, legacy = legacy }
end


local function choose(list, again)
  local shared = common(list)
  if shared and shared.modern then return again and "again" or "modern", shared.modern end
  if not shared or shared.legacy then return "legacy" end
  return "fail", protocol.no_common_text(list), "EREVISION"
end

-- Is this a status that says something about the era: a refusal of the request itself?
local function is_evidence(code)
  local status = math.tointeger(tonumber((tostring(code):match "^EHTTP(%d+)$")))
  if status then
    return status >= 400 and status < 500 and status ~= 401 and status ~= 403 and status ~= 407
      and status ~= 408 and status ~= 421 and status ~= 425 and status ~= 429
  end
  -- The server answers, but not in this protocol.
  return code == "EHTTP" or code == "ERPC" or code == "EJSON"
end

---Judges the answer to server/discover (3.6).
---@param reply table|nil
---@param text string|nil
---@param code string|nil
---@return "modern"|"again"|"legacy"|"fail" verdict "again" with the revision that follows
---@return string|nil detail a revision, or what is wrong, also of "legacy"
---@return string|nil code
function probe.judge(reply, text, code)
  if not reply then
    if is_evidence(code) then return "legacy" end
    return "fail", text, code
  end
  if reply.result ~= nil then
    local versions = value.is_object(reply.result) and reply.result.supportedVersions
    return choose(versions)
  end
  local err = reply.error
  if err.code == errors.UNSUPPORTED_VERSION then
    return choose(value.is_object(err.data) and err.data.supported, true)
  end
  if (err.code == errors.HEADER_MISMATCH or err.code == errors.MISSING_CAPABILITY)
    and not reply.unasked then
    return "fail", ("server/discover: error %d: %s"):format(err.code, err.message), "ERPC"
  end
  if err.code == errors.INTERNAL_ERROR then
    return "legacy", ("%s: it says: %s"):format(protocol.NOT_STATELESS, err.message)
  end
  return "legacy"
end

-- Does this answer to initialize mean that the server does not speak Streamable HTTP?
local function is_refusal(reply, code)
  if not reply then return code == "EHTTP400" or code == "EHTTP404" or code == "EHTTP405" end
  local err, status = reply.error, reply.status
  if not err or err.code == errors.HEADER_MISMATCH or err.code == errors.MISSING_CAPABILITY
    or err.code == errors.UNSUPPORTED_VERSION then
    return false
  end
  return status == 400 or status == 404 or status == 405
end

-- Was initialize refused by the MCP server itself, not by its transport? A server that has seen the
-- probe may take it for the start of a session.
local function is_servers_refusal(reply, code)
  if not reply then return code == "EHTTP400" or code == "EHTTP409" end
  local err = reply.error
  return err and err.code ~= errors.UNSUPPORTED_VERSION and reply.status ~= 404
    and reply.status ~= 405 or false
end

local function explain(method, reply, text, code)
  if reply then
    return ("%s: error %d: %s"):format(method, reply.error.code, reply.error.message), "ERPC"
  end
  return text, code
end

-- server/discover, repeated once where the server names another revision.
local function discover(how, transport)
  local tried = nil
  for _ = 1, 2 do
    local reply, text, code = how.discover(transport, tried)
    local verdict, detail, name = probe.judge(reply, text, code)
    if verdict == "modern" then
      return "modern", { transport = transport, era = "modern", revision = detail, reply = reply }
    elseif verdict ~= "again" then
      return verdict, detail, name
    end
    tried = detail
  end
  return "fail", ("the server lists revision %s but refuses it"):format(tried), "EREVISION"
end

-- Another transport in place of `old`.
local function attach(how, transport, old)
  if old then old:close() end
  local ok, text, code = how.attach(transport)
  if ok then return true end
  transport:close()
  return nil, text, code
end

local function open_sse(how, old)
  local transport = how.sse()
  local ok, text, code = attach(how, transport, old)
  if not ok then return nil, text, code end
  local reply
  reply, text, code = how.initialize(transport)
  if not reply or reply.error then
    transport:close()
    return nil, explain("initialize", reply, text, code)
  end
  return { transport = transport, era = "legacy", reply = reply }
end

-- initialize, then HTTP+SSE. `doubtful` is "known" if the caller handles a failure, or "probed" if
-- initialize is to be repeated on a new connection where the probe may have caused the failure.
local function open_legacy(how, transport, key, doubtful)
  -- With era "legacy" nothing was probed, so there is nothing to remember.
  local note = how.era == "legacy" and function() end or remember
  local reply, text, code = how.initialize(transport)
  if reply and reply.result ~= nil then
    note(key, "legacy")
    return { transport = transport, era = "legacy", reply = reply }
  end
  local refused = is_refusal(reply, code)
  if doubtful == "probed" and is_servers_refusal(reply, code) then
    -- A bridge may have opened a session for the probe: tries again on a new connection.
    local fresh = how.http()
    local ok, reason, name = attach(how, fresh, transport)
    if not ok then return nil, reason, name end
    return open_legacy(how, fresh, key, false)
  end
  if doubtful == "known" and (reply or refused) then return nil, nil, "EDOUBT" end
  text, code = explain("initialize", reply, text, code)
  if refused and how.sse then
    local found, sse_text = open_sse(how, transport)
    if found then
      note(key, "sse")
      return found
    end
    local shown = sse_text == text and text or text .. "; " .. sse_text
    return nil, "neither Streamable HTTP nor HTTP+SSE: " .. shown, code
  end
  transport:close()
  return nil, text, code
end

---Finds out what the server at an address speaks, and opens it.
---@param address string
---@param how table era ("auto", "modern", "legacy"); http() and sse() make transports, sse may be
---absent; fresh: http() makes another one each time; attach(transport) opens one;
---discover(transport, revision) and initialize(transport) send these and return what
---transport:request returns
---@return table|nil found transport, era, reply, and the revision of the stateless era
---@return string|nil message, string|nil code
function probe.run(address, how)
  local era = how.era or "auto"
  if not ERAS[era] then
    error(("era: expected \"auto\", \"modern\" or \"legacy\", got %s"):format(tostring(era)), 2)
  end
  local parsed, reason = url.parse(address)
  if not parsed then error(reason, 2) end
  local key = key_of(parsed)
  local known = era == "auto" and recall(key) or nil
  if known == "sse" and how.sse then
    local found = open_sse(how)
    if found then return found end
    known = nil
  end
  local transport = how.http()
  local ok, text, code = attach(how, transport)
  if not ok then return nil, text, code end
  if era ~= "modern" and (known == "legacy" or era == "legacy") then
    local found
    found, text, code = open_legacy(how, transport, key, known ~= nil and "known")
    -- What was known no longer holds: probes again (HM-76).
    if found or code ~= "EDOUBT" then return found, text, code end
  end
  local verdict, detail, name = discover(how, transport)
  if verdict == "modern" then
    remember(key, "modern")
    return detail
  elseif verdict == "fail" or era == "modern" then
    transport:close()
    return nil, detail or protocol.NOT_STATELESS, name or "EREVISION"
  end
  return open_legacy(how, transport, key, how.fresh and "probed")
end

return probe
