-- SPDX-License-Identifier: MIT
-- incoming: the notifications and requests that a server sends over HTTP. Each request is served in
-- a task of its own. Knows no connection: a function of the transport sends the responses.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local value = require "mcp.value"

local incoming = {}

---Requests of a server that are served at once; further ones are answered "Busy".
incoming.SERVING = 32
---"Busy" answers being sent at once; then nothing more is read until one has been sent.
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
  local text, reason = core.encode(message)
  if not text then
    core.log("error", "a response to the server cannot be encoded as JSON: " .. reason)
    text = core.encode { jsonrpc = "2.0", id = id, error = { code = errors.INTERNAL_ERROR,
      message = "Internal error: the result cannot be encoded as JSON" } }
  end
  self.answer(text)
end

-- A request that is being served. Its task may be closed at any wait.
local Serving = { __name = "mcp.serving" }
Serving.__close = function(request)
  request.of.serving[request.key], request.of.count = nil, request.of.count - 1
  request.of.share:release(request.charged)
end

-- A refusal that is being sent.
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

-- The task that reads from the server waits here while too many refusals are being sent, so that a
-- server which floods the client with requests is not read.
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

-- Runs in a task of its own.
local function serve(request, method, params, call)
  local self, id = request.of, request.id
  local open <close> = request
  local ok, result, err = xpcall(self.peer.serve, function(raised)
    if failure.is(raised) then return raised end
    core.log_lines("error", ("%s: %s"):format(method, debug.traceback(tostring(raised), 2)))
    return failure.new(errors.INTERNAL_ERROR, "Internal error")
  end, method, params, nil, call)
  if not ok then result, err = nil, result end
  if result == nil and not err then
    err = failure.new(errors.INTERNAL_ERROR, "Internal error")
  end
  -- A cancelled request gets no response (4.2).
  if not open.cancelled then reply(self, id, result, err) end
end

local function start(self, id, method, params, call)
  local key = core.id_key(id)
  if not key or self.serving[key] then
    return core.log("warning", ("ignored request %s of the server: %s")
      :format(method, key and "a request with its id is in progress" or "its id is not valid"))
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
  request.waiter:spawn(serve, request, method, params, call)
end

local function notice(self, method, params, call)
  if method == "notifications/cancelled" and params then
    local key = core.id_key(params.requestId)
    local request = key and self.serving[key]
    if request then
      request.cancelled = true
      request.waiter:cancel()
    end
  end
  local ok, traceback = xpcall(self.peer.notice, debug.traceback, method, params, call)
  if not ok then core.log_lines("error", ("%s: %s"):format(method, traceback)) end
end

---Takes one message. Returns it if it is a response; handles anything else.
---@param message any decoded JSON
---@param asked boolean|nil requests are allowed here
---@param call table|nil the call by whose stream it came
---@return table|nil response
function Incoming.__index:take(message, asked, call)
  local method, params = nil, nil
  if value.is_object(message) then
    method, params = message.method, message.params
    -- A malformed response counts too: the request that waits for it fails with the reason.
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
    notice(self, method, params, call)
  elseif asked then
    start(self, message.id, method, params, call)
  else
    core.log("warning", ("ignored request %s of the server: servers send none in this revision")
      :format(method))
  end
  return nil
end

---Cancels the requests being served; no responses are sent.
function Incoming.__index:close()
  for _, request in pairs(self.serving) do
    request.cancelled = true
    request.waiter:cancel()
  end
end

---The error text for an answer that cannot be used.
---@param reason string
---@return string
function incoming.unusable(reason) return "invalid response from the server: " .. reason end

---What is wrong with an answer whose id is a string although our request has that number.
---@param id integer
---@return string
function incoming.as_text(id)
  return ("id: expected the number %d, got the string %q"):format(id, tostring(id))
end

---Is this the response to a request?
---@param response table
---@param id integer|string of the request
---@return boolean answers
---@return string|nil bad what is wrong with it if so
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

---Is this text, which is not valid JSON, meant as the response to a request?
---@param text string
---@param id integer|string of the request
---@return boolean answers
function incoming.spoils(text, id)
  local key, is_response = core.find_id(text)
  return key ~= nil and is_response and key == core.id_key(id)
end

---A response as the caller gets it: { result = … } or { error = … }.
---@param message table
---@return table|nil reply, string|nil message, string|nil code
function incoming.reply(message)
  local err = message.error
  if err == nil then
    if message.result == nil then
      return nil, "the server's response has neither result nor error", "ERPC"
    end
    return { result = message.result }
  end
  if not value.is_object(err) or math.type(err.code) ~= "integer"
    or type(err.message) ~= "string" then
    return nil, "the error in the server's response is malformed", "ERPC"
  end
  return { error = { code = err.code, message = err.message, data = err.data } }
end

return incoming
