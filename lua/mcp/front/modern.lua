-- SPDX-License-Identifier: MIT
-- modern: the checks a request of the stateless era passes before it is
-- dispatched, in the order of the protocol (section 3.3): first failure wins.
local context = require "mcp.context"
local core = require "mcp.core"
local dispatch = require "mcp.dispatch"
local failure = require "mcp.failure"
local protocol = require "mcp.protocol"

local modern = {}

local KEY_VERSION, KEY_CAPABILITIES = protocol.KEY_VERSION, protocol.KEY_CAPABILITIES
local KEY_CLIENT, KEY_LOG_LEVEL = protocol.KEY_CLIENT, protocol.KEY_LOG_LEVEL

-- Which member of params the Mcp-Name header mirrors (HM-24).
local NAMED = { ["tools/call"] = "name", ["prompts/get"] = "name", ["resources/read"] = "uri" }

local function refuse(code, message, data)
  return nil, failure.new(code, message, data, 400)
end

---The plain text of a mirrored header: `=?base64?…?=` stands for what a header
---cannot carry as it is (HM-30 to HM-33). nil if it is malformed.
---@param header string
---@return string|nil
function modern.decode_header(header)
  local body = header:match "^=%?base64%?(.*)%?=$"
  if not body then return header end
  local bytes = core.unbase64(body)
  if not bytes or not utf8.len(bytes) then return nil end
  return bytes
end

local function check_envelope(meta)
  local capabilities = meta[KEY_CAPABILITIES]
  if type(capabilities) ~= "table" then
    return refuse(protocol.INVALID_PARAMS, ("_meta[%q]: object expected, got %s")
      :format(KEY_CAPABILITIES, capabilities == nil and "nothing" or type(capabilities)))
  end
  local client = meta[KEY_CLIENT]
  if client ~= nil and (type(client) ~= "table" or type(client.name) ~= "string"
    or type(client.version) ~= "string") then
    return refuse(protocol.INVALID_PARAMS,
      ("_meta[%q]: an object with name and version expected"):format(KEY_CLIENT))
  end
  local level = meta[KEY_LOG_LEVEL]
  if level ~= nil and not protocol.LOG_RANK[level] then
    return refuse(protocol.INVALID_PARAMS, ("_meta[%q]: unknown level %s")
      :format(KEY_LOG_LEVEL, tostring(level)))
  end
  local token = meta.progressToken
  if token ~= nil and type(token) ~= "string" and math.type(token) ~= "integer" then
    return refuse(protocol.INVALID_PARAMS, "_meta.progressToken: string or integer expected")
  end
  return true
end

-- Mcp-Method and Mcp-Name mirror the body, so that whatever stands in front of
-- us may route by them; they must not lie (HM-23 to HM-27).
local function check_headers(method, params, mcp_method, mcp_name)
  if mcp_method ~= method then
    return refuse(protocol.HEADER_MISMATCH, mcp_method
      and ("Mcp-Method is %s, but the body says %s"):format(mcp_method, method)
      or ("Mcp-Method must be sent once and say %s"):format(method))
  end
  local member = NAMED[method]
  if not member then return true end
  local name = params[member]
  if type(name) ~= "string" then return true end -- the handler will say so
  if not mcp_name then
    if name == "" and mcp_name == nil then return true end
    return refuse(protocol.HEADER_MISMATCH, ("Mcp-Name must be sent once and equal params.%s")
      :format(member))
  end
  if mcp_name ~= name and modern.decode_header(mcp_name) ~= name then
    return refuse(protocol.HEADER_MISMATCH, ("Mcp-Name does not match params.%s"):format(member))
  end
  return true
end

---Serves one request that claims a revision in its envelope.
---@param app table
---@param x userdata the exchange
---@param method string
---@param params table
---@param meta table its _meta
---@param version string|nil header fields; `http` tells whether there are any
---@param mcp_method string|false|nil
---@param mcp_name string|false|nil
---@param http boolean
---@return table|userdata|nil result, table|nil err
function modern.serve(app, x, method, params, meta, version, mcp_method, mcp_name, http)
  local claim = meta[KEY_VERSION]
  if http and version ~= claim then
    return refuse(protocol.HEADER_MISMATCH,
      "MCP-Protocol-Version must be sent and equal the envelope's " .. claim)
  end
  local facts = protocol.revision(claim)
  if not facts or facts.era ~= "modern" then
    return refuse(protocol.UNSUPPORTED_VERSION, protocol.unsupported_text(claim),
      protocol.unsupported_data(claim))
  end
  local ok, err = check_envelope(meta)
  if not ok then return nil, err end
  if http then
    ok, err = check_headers(method, params, mcp_method, mcp_name)
    if not ok then return nil, err end
  end
  local handler = dispatch.handlers(app, "modern")[method]
  if not handler then return nil, dispatch.unknown("modern", method) end
  return dispatch.request(app, context.new(x, facts, nil, method, meta), handler, params)
end

return modern
