-- SPDX-License-Identifier: MIT
-- modern: the checks a request of the stateless era passes before it is
-- dispatched, in one fixed order: the first failure wins.
local context = require "mcp.server.context"
local dispatch = require "mcp.server.dispatch"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local gate = require "mcp.server.feature.gate"
local header = require "mcp.header"
local methods = require "mcp.protocol.methods"
local protocol = require "mcp.protocol"

local modern = {}

local KEY_CAPABILITIES = protocol.KEY_CAPABILITIES
local KEY_CLIENT, KEY_LOG_LEVEL = protocol.KEY_CLIENT, protocol.KEY_LOG_LEVEL

-- What every encoded field begins with: "=".
local ENCODED = 61

local function refuse(code, message, data)
  return nil, failure.new(code, message, data, 400)
end

---The plain text of a mirrored header field.
modern.decode_header = header.decode

local JSON_NAME = { [true] = "object", [false] = "something else", ["nil"] = "nothing" }

local function described(watched)
  if watched == nil then return "nothing" end
  return JSON_NAME[watched] or type(watched)
end

-- Beside the version: what else the envelope must and may hold.
local function check_envelope(capabilities, client, level, token)
  if capabilities ~= true then
    return refuse(errors.INVALID_PARAMS, ("_meta[%q]: object expected, got %s")
      :format(KEY_CAPABILITIES, described(capabilities)))
  end
  if client ~= nil and client ~= true then
    return refuse(errors.INVALID_PARAMS,
      ("_meta[%q]: an object with name and version expected"):format(KEY_CLIENT))
  end
  if level ~= nil and not protocol.LOG_RANK[level] then
    return refuse(errors.INVALID_PARAMS, ("_meta[%q]: unknown level %s")
      :format(KEY_LOG_LEVEL, tostring(level)))
  end
  if token == false or token == true then
    return refuse(errors.INVALID_PARAMS, "_meta.progressToken: string or integer expected")
  end
  return true
end

-- Mcp-Method and Mcp-Name mirror the body, so that whatever stands in front of
-- us may route by them; they must not lie (HM-23 to HM-27).
local function check_headers(method, params, target, mcp_method, mcp_name)
  if mcp_method ~= method then
    return refuse(errors.HEADER_MISMATCH, mcp_method
      and ("Mcp-Method is %s, but the body says %s"):format(mcp_method, method)
      or ("Mcp-Method must be sent once and say %s"):format(method))
  end
  if not target then return true end
  local name = params[target]
  if type(name) ~= "string" then return true end -- the handler will say so
  if not mcp_name then
    if name == "" and mcp_name == nil then return true end
    return refuse(errors.HEADER_MISMATCH, ("Mcp-Name must be sent once and equal params.%s")
      :format(target))
  end
  -- A name that looks like an encoding stands for what it decodes to, and not for itself.
  if modern.decode_header(mcp_name) ~= name then
    return refuse(errors.HEADER_MISMATCH, ("Mcp-Name does not match params.%s"):format(target))
  end
  return true
end

-- Arguments that header fields repeat, for the tools that have such (HM-45).
local function check_mirrors(app, ctx, x, params)
  local entry, arguments = app.tools.by_name[params.name], params.arguments
  if not entry or not entry.mirrors or not gate.sees(entry, ctx) then return true end
  if arguments ~= nil and type(arguments) ~= "table" then return true end -- the handler will say so
  -- Loaded by servers that have such tools.
  local wrong = require("mcp.message.param_headers").check(entry.mirrors, arguments or {}, x)
  if wrong then return refuse(errors.HEADER_MISMATCH, wrong) end
  return true
end

---Serves one request that claims a revision in its envelope. The watched
---members of _meta are what protocol.WATCHED names; the header fields are there
---over HTTP only.
---@param app table
---@param x userdata the exchange
---@param method string
---@param params table
---@param meta string the text of _meta
---@param claim string its version
---@param capabilities any
---@param client any
---@param level any
---@param token any
---@param http boolean
---@param version string|nil
---@param mcp_method string|false|nil
---@param mcp_name string|false|nil
---@return table|userdata|nil result, table|nil err
function modern.serve(app, x, method, params, meta, claim, capabilities, client, level, token,
  http, version, mcp_method, mcp_name)
  if http and version ~= claim then
    return refuse(errors.HEADER_MISMATCH,
      "MCP-Protocol-Version must be sent and equal the envelope's " .. claim)
  end
  local facts = protocol.revision(claim)
  if not facts or facts.era ~= "modern" then
    return refuse(errors.UNSUPPORTED_VERSION, protocol.unsupported_text(claim),
      protocol.unsupported_data(claim))
  end
  if capabilities ~= true or client ~= true or level ~= nil or token ~= nil then
    local ok, err = check_envelope(capabilities, client, level, token)
    if not ok then return nil, err end
  end
  if http then
    local row = methods[method]
    local target = row and row.target
    if mcp_method ~= method or mcp_name ~= (target and params[target])
      or mcp_name and mcp_name:byte() == ENCODED then
      local ok, err = check_headers(method, params, target, mcp_method, mcp_name)
      if not ok then return nil, err end
    end
  end
  local handler = (app.handlers.modern or dispatch.handlers(app, "modern"))[method]
  if not handler then return nil, dispatch.unknown("modern", method) end
  local ctx = context.new(x, facts, false, method, meta, level, token)
  ctx.app = app
  if app.auth then
    -- Loaded by servers that have authorization.
    local err = require("mcp.server.feature.scope").admit(app, ctx, x, method, params)
    if err then return nil, err end
  end
  if http and method == "tools/call" then
    local ok, err = check_mirrors(app, ctx, x, params)
    if not ok then return nil, err end
  end
  return dispatch.request(app, ctx, handler, params)
end

return modern
