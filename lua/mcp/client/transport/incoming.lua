-- SPDX-License-Identifier: MIT
-- incoming: what a server sends besides answers, over HTTP: notices, and
-- requests, which are served in tasks of their own and answered by whoever
-- carries messages to the server. Knows no connection.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local value = require "mcp.value"

local incoming = {}

---Requests of a server that are served at once; what comes beyond is answered "Busy".
incoming.SERVING = 32
---Answers "Busy" under way; then nothing more is read until one has gone out.
incoming.REFUSING = 32

local Incoming = { __name = "mcp.incoming" }
Incoming.__index = {}

---@param peer table serve, notice
---@param answer fun(message: table): any sends a response; may wait
function incoming.new(peer, answer)
  return setmetatable({ peer = peer, answer = answer, serving = {}, count = 0, refusing = 0,
    share = core.share(), waiters = {} }, Incoming)
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
      code = errors.INTERNAL_ERROR, message = "Internal error: the result cannot be JSON" } }
  end
  self.answer(text)
end

-- A request that is served. Its task may be closed in the middle.
local Serving = { __name = "mcp.serving" }
Serving.__close = function(request)
  request.of.serving[request.key], request.of.count = nil, request.of.count - 1
  request.of.share:release(request.charged)
end

-- A refusal that is on its way.
local Refusing = { __name = "mcp.refusing" }
Refusing.__close = function(request)
  local self = request.of
  self.refusing = self.refusing - 1
  for _, waiter in ipairs(self.waiters) do waiter:wake() end
end

local function refuse(self, id)
  local open <close> = setmetatable({ of = self }, Refusing) -- luacheck: ignore
  reply(self, id, nil, failure.new(errors.BUSY, "Busy: too many requests at once"))
end

-- Whoever reads from the server waits here while too many refusals are on their way: a server that
-- asks and asks is not read from.
local function hold_back(self)
  while self.refusing >= incoming.REFUSING do
    local waiter = core.waiter()
    table.insert(self.waiters, waiter)
    local ok = waiter:wait()
    for i, other in ipairs(self.waiters) do
      if other == waiter then
        table.remove(self.waiters, i)
        break
      end
    end
    if not ok then return end
  end
end

-- In a task of its own.
local function serve(request, method, params)
  local self, id = request.of, request.id
  local open <close> = request
  local ok, result, err = xpcall(self.peer.serve, function(why)
    if failure.is(why) then return why end
    core.log("error", ("%s: %s"):format(method, debug.traceback(tostring(why), 2)))
    return failure.new(errors.INTERNAL_ERROR, "Internal error")
  end, method, params)
  if not ok then result, err = nil, result end
  if result == nil and not err then
    err = failure.new(errors.INTERNAL_ERROR, "Internal error")
  end
  -- The server has given up on it and wants no answer (4.2).
  if not open.cancelled then reply(self, id, result, err) end
end

local function start(self, id, method, params)
  local key = core.id_key(id)
  if not key or self.serving[key] then
    return core.log("warning", ("the server's request %s is dropped: its id is %s")
      :format(method, key and "that of another under way" or "none"))
  end
  local bytes = core.weight(params)
  if self.count >= incoming.SERVING or not self.share:charge(bytes) then
    self.refusing = self.refusing + 1
    core.spawn(refuse, self, id)
    hold_back(self)
    return nil
  end
  local request = setmetatable({ of = self, id = id, key = key, waiter = core.waiter(),
    cancelled = false, charged = bytes }, Serving)
  self.serving[key], self.count = request, self.count + 1
  request.waiter:spawn(serve, request, method, params)
end

local function notice(self, method, params)
  if method == "notifications/cancelled" and params then
    local key = core.id_key(params.requestId)
    local request = key and self.serving[key]
    if request then
      request.cancelled = true
      request.waiter:cancel()
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
  local method, params = nil, nil
  if value.is_object(message) then
    method, params = message.method, message.params
    -- One that is malformed is an answer all the same: whoever waits for it learns what is wrong.
    if method == nil and message.id ~= nil then return message end
  end
  if not value.is_object(message) or message.jsonrpc ~= "2.0" then
    core.log("warning", "the server sent something that is not a JSON-RPC 2.0 message")
    return nil
  end
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
  for _, request in pairs(self.serving) do
    request.cancelled = true
    request.waiter:cancel()
  end
end

---What is wrong with an answer, for whoever asked.
---@param why string
---@return string
function incoming.unusable(why) return "the server's answer cannot be used: " .. why end

---What is wrong with an answer whose id is that of a request of ours, but a string.
---@param id integer
---@return string
function incoming.as_text(id)
  return ("its id is the string %q, and the request had the number %d"):format(tostring(id), id)
end

---Looks whether a response answers a request.
---@param response table
---@param id integer|string of the request
---@return boolean answers
---@return string|nil bad what is wrong with it, if it does
function incoming.match(response, id)
  local key, wanted = core.id_key(response.id), core.id_key(id)
  if key == wanted then
    return true, response.jsonrpc ~= "2.0" and 'jsonrpc must be "2.0"' or nil
  end
  if key and math.type(id) == "integer" and key == '"' .. wanted then
    return true, incoming.as_text(id)
  end
  return false
end

---Looks whether a text that is not JSON was to answer a request.
---@param text string
---@param id integer|string of the request
---@return boolean answers
function incoming.spoils(text, id)
  local key, is_response = core.find_id(text)
  return key ~= nil and is_response and key == core.id_key(id)
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
