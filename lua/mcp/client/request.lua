-- SPDX-License-Identifier: MIT
-- fetch: requests as the verbs make them: in whatever era, by the cache where there is one, through
-- the rounds of questions, and once more when the server has forgotten the session.
local call = require "mcp.client.call"
local methods = require "mcp.protocol.methods"
local rounds = require "mcp.client.input_required"

local fetch = {}

local NO_ROW = {}

-- Once, and again if the session was forgotten in between.
local function once(client, method, params, options, about)
  local reply, text, code = call.send(client, method, params, options, about)
  if code == "ESESSION" and not about.handshake then
    local ok, why, name = client:reopen()
    if not ok then return nil, why, name end
    reply, text, code = call.send(client, method, params, options, about)
  end
  if not reply then return nil, text, code end
  return call.read(method, reply)
end

---Makes a request and gives its result, or nil, message, code and data: an integer code with what
---the server's error says, a short word for anything else.
---@param client table
---@param method string
---@param params table|nil
---@param options table checked
---@param about table|nil see call.send
---@return table|nil result
---@return string|nil message
---@return any code
---@return any data
function fetch.run(client, method, params, options, about)
  local ready, text, code = client:ready()
  if not ready then return nil, text, code end
  about = about or {}
  local function send(with) return once(client, method, with, options, about) end
  if not client.facts.stamp then return send(params) end
  local row = methods[method] or NO_ROW
  local member, cache = row.cache_key, client.cache
  local detail = member and params and params[member]
  local place = cache and member and client.place
  if place and not options.fresh and not options.meta then
    local kept = cache:get(place, method, detail)
    if kept then return kept, nil, nil, nil, true end
  end
  local generation = cache and cache.generation
  if not row.asks then
    local result, why, name, data = send(params)
    local kind = result and result.resultType
    local plain = kind == nil or kind == "complete"
    if not plain and not rounds.may_extend(client) then
      return nil, ("%s: the server's answer is malformed: resultType %q is not known")
        :format(method, tostring(kind)), "ERPC"
    end
    if result and plain and place then cache:put(place, method, detail, result, generation) end
    return result, why, name, data
  end
  local result, why, name, data, plain = rounds.run(client, method, params or {}, options, send)
  if result and plain and place then cache:put(place, method, detail, result, generation) end
  return result, why, name, data
end

return fetch
