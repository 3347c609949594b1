-- SPDX-License-Identifier: MIT
-- incoming: what a server sends besides answers, over HTTP: notices, and
-- requests, which are served in tasks of their own and answered by whoever
-- carries messages to the server. Knows no connection.
local core = require "mcp.core"
local failure = require "mcp.failure"
local protocol = require "mcp.protocol"
local value = require "mcp.value"

local incoming = {}

---Requests of a server that are served at once; what comes beyond is answered "Busy".
incoming.SERVING = 32

local Incoming = { __name = "mcp.incoming" }
Incoming.__index = {}

---@param peer table serve, notice
---@param answer fun(message: table): any sends a response; may wait
function incoming.new(peer, answer)
  return setmetatable({ peer = peer, answer = answer, serving = {}, count = 0 }, Incoming)
end

local function reply(self, id, result, err)
  local message = { jsonrpc = "2.0", id = id }
  if err then
    message.error = { code = err.code, message = err.message, data = err.data }
  else
    message.result = result
  end
  local text, why = core.encode(message)
  if not text then
    core.log("error", "an answer to the server cannot be JSON: " .. why)
    text = core.encode { jsonrpc = "2.0", id = id, error = {
      code = protocol.INTERNAL_ERROR, message = "Internal error: the result cannot be JSON" } }
  end
  self.answer(text)
end

-- A request that is served. Its task may be closed in the middle.
local Serving = { __name = "mcp.serving" }
Serving.__close = function(one)
  one.of.serving[one.id], one.of.count = nil, one.of.count - 1
end

-- In a task of its own.
local function serve(one, method, params)
  local self, id = one.of, one.id
  local open <close> = one
  local ok, result, err = xpcall(self.peer.serve, function(why)
    if failure.is(why) then return why end
    core.log("error", ("%s: %s"):format(method, debug.traceback(tostring(why), 2)))
    return failure.new(protocol.INTERNAL_ERROR, "Internal error")
  end, method, params)
  if not ok then result, err = nil, result end
  if result == nil and not err then
    err = failure.new(protocol.INTERNAL_ERROR, "Internal error")
  end
  -- The server has given up on it and wants no answer (4.2).
  if not open.cancelled then reply(self, id, result, err) end
end

local function start(self, id, method, params)
  if (type(id) ~= "string" and math.type(id) ~= "integer") or self.serving[id] then
    return core.log("warning", ("the server's request %s is dropped: its id is %s")
      :format(method, self.serving[id] and "that of another under way" or "none"))
  elseif self.count >= incoming.SERVING then
    core.spawn(reply, self, id, nil, failure.new(protocol.BUSY, "Busy: too many requests at once"))
    return nil
  end
  local one = setmetatable({ of = self, id = id, waiter = core.waiter(), cancelled = false },
    Serving)
  self.serving[id], self.count = one, self.count + 1
  one.waiter:spawn(serve, one, method, params)
end

local function notice(self, method, params)
  if method == "notifications/cancelled" and params then
    local id = params.requestId
    local one = id ~= nil and self.serving[id]
    if one then
      one.cancelled = true
      one.waiter:cancel()
    end
  end
  local ok, why = xpcall(self.peer.notice, debug.traceback, method, params)
  if not ok then core.log("error", ("%s: %s"):format(method, why)) end
end

---Takes one message. A response is given back; anything else is dealt with.
---@param message any decoded JSON
---@param asked boolean|nil requests are allowed here
---@return table|nil response
function Incoming.__index:take(message, asked)
  if not value.is_object(message) or message.jsonrpc ~= "2.0" then
    core.log("warning", "the server sent something that is no message of JSON-RPC 2.0")
    return nil
  end
  local method, params = message.method, message.params
  if method == nil then return message end
  if type(method) ~= "string" or (params ~= nil and not value.is_object(params)) then
    core.log("warning", "the server sent a malformed message")
  elseif message.id == nil then
    notice(self, method, params)
  elseif asked then
    start(self, message.id, method, params)
  else
    core.log("warning", ("the server's request %s is dropped: this revision has none")
      :format(method))
  end
  return nil
end

---Cancels what is being served; its answers go nowhere.
function Incoming.__index:close()
  for _, one in pairs(self.serving) do
    one.cancelled = true
    one.waiter:cancel()
  end
end

---A response as whoever asked gets it: { result = … } or { error = … }.
---@param message table
---@return table|nil reply, string|nil message, string|nil code
function incoming.reply(message)
  local err = message.error
  if err == nil then
    if message.result == nil then
      return nil, "the server answered with neither result nor error", "ERPC"
    end
    return { result = message.result }
  end
  if not value.is_object(err) or math.type(err.code) ~= "integer"
    or type(err.message) ~= "string" then
    return nil, "the server answered with a malformed error", "ERPC"
  end
  return { error = { code = err.code, message = err.message, data = err.data } }
end

return incoming
