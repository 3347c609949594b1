-- SPDX-License-Identifier: MIT
-- probe: which era and which transport an address of HTTP speaks, found out in
-- the order of the specification: server/discover; else initialize; else the GET
-- of HTTP+SSE. It judges answers; what is in the messages is the Client's
-- affair. That somebody wants authorization, fails or is not there says nothing
-- about an era.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local protocol = require "mcp.protocol"
local url = require "mcp.url"
local value = require "mcp.value"

local probe = {}

---How many addresses' verdicts are kept, the oldest goes first.
probe.VERDICTS = 256
---A verdict older than that is forgotten: servers learn new eras. In seconds.
probe.FRESH = 600
---So many revisions of a server are named in an error.
probe.SHOWN = 10

local ERAS = { auto = true, modern = true, legacy = true }

-- What is known of addresses: { era = "modern" | "legacy" | "sse", since = … }, and in what
-- order it was learned.
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

-- The newest revision of ours in a list of the server's: of the modern ones, and is there a
-- legacy one? nil if it is no list.
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

-- A list of the server's, as texts show it: it may name a million, or one of a megabyte.
local function list_of(list)
  local out, count = {}, #list
  for i = 1, math.min(count, probe.SHOWN) do
    out[i] = tostring(list[i]):sub(1, 20):gsub("[^ -~]", "?")
  end
  local more = count - probe.SHOWN
  if more > 0 then out[#out + 1] = ("and %d more"):format(more) end
  return out[1] and table.concat(out, ", ") or "none"
end

local function choose(list, again)
  local shared = common(list)
  if shared and shared.modern then return again and "again" or "modern", shared.modern end
  if not shared or shared.legacy then return "legacy" end
  return "fail", ("no revision is spoken by both: the server has %s, we have %s")
    :format(list_of(list), table.concat(protocol.names, ", ")), "EREVISION"
end

-- A status that says something about who is there: refusals of the request itself.
local function is_evidence(code)
  local status = math.tointeger(tonumber((tostring(code):match "^EHTTP(%d+)$")))
  if status then
    return status >= 400 and status < 500 and status ~= 401 and status ~= 403 and status ~= 407
      and status ~= 408 and status ~= 421 and status ~= 425 and status ~= 429
  end
  -- It answers, and with something else than this protocol.
  return code == "EHTTP" or code == "ERPC" or code == "EJSON"
end

---Judges the answer to server/discover (3.6).
---@param reply table|nil
---@param text string|nil
---@param code string|nil
---@return "modern"|"again"|"legacy"|"fail" verdict "again" with the revision that follows
---@return string|nil detail a revision, or what is wrong
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
  return "legacy"
end

-- Does what came for initialize mean that Streamable HTTP is not spoken here?
local function is_refusal(reply, code)
  if not reply then return code == "EHTTP400" or code == "EHTTP404" or code == "EHTTP405" end
  local err, status = reply.error, reply.status
  if not err or err.code == errors.HEADER_MISMATCH or err.code == errors.MISSING_CAPABILITY
    or err.code == errors.UNSUPPORTED_VERSION then
    return false
  end
  return status == 400 or status == 404 or status == 405
end

-- Was it the server behind that refused initialize, and not the transport? One that has seen the
-- probe may take it for the beginning of a session.
local function is_costly(reply, code)
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
  return "fail", ("the server names revision %s and refuses it"):format(tried), "EREVISION"
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

-- initialize, then HTTP+SSE. `doubtful`: "known", and a failure is looked at by the caller;
-- "probed", and initialize is tried again without the probe where that may have been the cause.
local function open_legacy(how, transport, key, doubtful)
  -- Who is told to look no further has not found out what else there is.
  local note = how.era == "legacy" and function() end or remember
  local reply, text, code = how.initialize(transport)
  if reply and reply.result ~= nil then
    note(key, "legacy")
    return { transport = transport, era = "legacy", reply = reply }
  end
  local refused = is_refusal(reply, code)
  if doubtful == "probed" and is_costly(reply, code) then
    -- A bridge may have opened a session for the probe: without it, on a connection of its own.
    local fresh = how.http()
    local ok, why, name = attach(how, fresh, transport)
    if not ok then return nil, why, name end
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
    return nil, ("neither Streamable HTTP nor HTTP+SSE: %s; %s"):format(text, sse_text), code
  end
  transport:close()
  return nil, text, code
end

---Finds out what an address speaks, and opens it.
---@param address string
---@param how table era ("auto", "modern", "legacy"); http() and sse() make transports, sse may be
---absent; anew: http() makes another each time; attach(transport) opens one;
---discover(transport, revision) and initialize(transport) send these and return what
---transport:request returns
---@return table|nil found transport, era, reply, and the revision of the stateless era
---@return string|nil message, string|nil code
function probe.run(address, how)
  local era = how.era or "auto"
  if not ERAS[era] then
    error(("era: \"auto\", \"modern\" or \"legacy\" expected, got %s"):format(tostring(era)), 2)
  end
  local parsed, why = url.parse(address)
  if not parsed then error(why, 2) end
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
    -- What was known does not fit any more: from the beginning (HM-76).
    if found or code ~= "EDOUBT" then return found, text, code end
  end
  local verdict, detail, name = discover(how, transport)
  if verdict == "modern" then
    remember(key, "modern")
    return detail
  elseif verdict == "fail" or era == "modern" then
    transport:close()
    return nil, detail or "the server does not speak the stateless era, and no other is wanted",
      name or "EREVISION"
  end
  return open_legacy(how, transport, key, how.anew and "probed")
end

return probe
