-- SPDX-License-Identifier: MIT
-- request: makes the requests of the client's methods, for all revisions: uses the cache, answers
-- questions (input_required), and repeats a request once if the server has forgotten the session.
local call = require "mcp.client.call"
local input_required = require "mcp.client.input_required"

local request = {}

local send, read = call.send, call.read

local NO_ROW = {}
-- What there is to say about most requests.
local PLAIN = { plain = true }

-- Sends a request, and once again in a new session if the server has forgotten the last.
local function once(client, method, params, options, about)
  local reply, text, code = send(client, method, params, options, about)
  if reply then return read(method, reply) end
  if code == "ESESSION" and not about.handshake then
    local ok, reason, name = client:reopen()
    if not ok then return nil, reason, name end
    reply, text, code = send(client, method, params, options, about)
    if reply then return read(method, reply) end
  end
  return nil, text, code
end

---Makes a request and returns its result, or nil, message, code and data. The code is an integer if
---the server returned an error, with its data; else a short name.
---@param client table
---@param method string
---@param params table|nil
---@param options table checked
---@param about table|nil see call.send; rounds = false: a result with questions is returned as such
---@return table|nil result
---@return string|nil message
---@return any code
---@return any data
function request.run(client, method, params, options, about)
  if client.state ~= "open" then
    local ready, text, code = client:ready()
    if not ready then return nil, text, code end
  end
  about = about or PLAIN
  if not client.facts.stamp then return once(client, method, params, options, about) end
  local row = call.row(client, method) or NO_ROW
  local member, cache = row.cache_key, client.cache
  local detail = member and params and params[member]
  local place = cache and member and client.place
  if place and not options.fresh and not options.meta then
    local kept = cache:get(place, method, detail)
    if kept then return kept, nil, nil, nil, true end
  end
  local generation = cache and cache.generation
  -- A caller that passes questions on gets them as they came.
  if about.rounds == false then return once(client, method, params or {}, options, about) end
  -- A method that is only passed on may ask, too.
  if not row.asks and not (row == NO_ROW and client.settings.on_question) then
    local result, reason, name, data = once(client, method, params, options, about)
    local kind = result and result.resultType
    local plain = kind == nil or kind == "complete"
    if not plain and not input_required.may_extend(client, kind) then
      return input_required.unknown_type(method, kind)
    end
    if result and plain and place then cache:put(place, method, detail, result, generation) end
    return result, reason, name, data
  end
  params = params or {}
  local result, reason, name, data = once(client, method, params, options, about)
  local kind, plain = result and result.resultType, true
  if result and kind ~= nil and kind ~= "complete" then
    result, reason, name, data, plain = input_required.run(client, method, params, options,
      function(with) return once(client, method, with, options, about) end, result)
  end
  if result and plain and place then cache:put(place, method, detail, result, generation) end
  return result, reason, name, data
end

return request
