-- SPDX-License-Identifier: MIT
-- duplex: the client's side of a connection that carries messages both ways (memory, a child's
-- pipes, WebSocket). Requests get ids, and a reply is matched to its request by the id. This file
-- knows neither how a connection is opened nor what messages mean.
local core = require "mcp.core"
local failure = require "mcp.failure"
local incoming = require "mcp.client.transport.incoming"
local protocol = require "mcp.protocol"
local value = require "mcp.value"

local id_key, renew = core.id_key, core.waiter_renew
local huge = math.huge

local duplex = {}

---The pause before sending is tried again while the peer does not read, in seconds.
duplex.RETRY = 0.01

---How long a failed handshake waits for what the child wrote last, in seconds.
duplex.LAST_WORDS = 0.1

-- Sends, as soon as the peer reads again.
local function send(link, method, params, id, call)
  while true do
    if link.lost then return nil, link.lost, link.code end
    local ok, text, code = link.sender:send(method, params, id)
    if ok then return true end
    -- `on_closed` is called a moment later; this sender knows already.
    if code == "ENOMEM" or code == "EENCODE" then return nil, text, code end
    if code ~= "EBUSY" then
      link.lose(text, code)
      return nil, link.lost, link.code
    end
    if call and call:left() <= 0 then return nil, "the server does not read", "ETIMEDOUT" end
    ok, text, code = core.sleep(duplex.RETRY)
    if not ok then return nil, text, code end
  end
end

-- A request in progress, as long as it is among those of its link. When the wait for it ends
-- without an answer, for whatever reason, the server gets a `notifications/cancelled`.
local Slot = { __name = "mcp.client.slot" }
Slot.__close = function(slot)
  local link = slot.link
  if link.pending[slot.key] ~= slot then return end
  link.pending[slot.key] = nil
  if slot.call.slot == slot then slot.call.slot = false end
  if not slot.sent or slot.call.silent or link.lost then return end
  local params = { requestId = slot.id, reason = slot.reason or nil }
  local _, _, code = link.sender:send("notifications/cancelled", params)
  if code == "EBUSY" then core.spawn(send, link, "notifications/cancelled", params) end
end

-- A slot for a request. One whose request was answered serves again: nothing else knows it then.
local function take_slot(link, id, call)
  local slot = link.spare
  if slot then
    link.spare = false
    renew(slot.waiter)
    slot.sent, slot.reason = false, false
  else
    slot = setmetatable({ link = link, waiter = core.waiter(), sent = false, reason = false,
      id = id, key = false, call = call }, Slot)
  end
  local key = id_key(id)
  slot.id, slot.key, slot.call, call.slot = id, key, call, slot
  link.pending[key] = slot
  return slot
end

-- Ends a request: it is no longer among those in progress.
local function settle(link, slot, with)
  link.pending[slot.key] = nil
  slot.waiter:wake(with)
end

-- Hands a reply to the request that waits for it. Any other reply is dropped: it came too late, it
-- came twice, or its id is unknown.
local function answer(self, link, kind, key, payload)
  local pending = link.pending
  local slot, bad = pending[key], nil
  if slot and kind == "result" then return settle(link, slot, { result = payload }) end
  if kind == "bad response" then bad = payload.message end
  if not slot and key then
    slot = pending[key:match '^"(%d+)$']
    bad = slot and incoming.as_text(slot.id) or bad
  end
  if not slot and key == nil and kind == "error" then
    -- The server could not read the message, and there was only one.
    local first, only = next(pending)
    if first and next(pending, first) == nil then slot = only end
  end
  if not slot then
    core.log(key == nil and "warning" or "debug", ("%s: unexpected answer (id %s)%s")
      :format(self.name, key or "null", kind == "error" and type(payload.message) == "string"
        and ": " .. payload.message or ""))
    return
  end
  settle(link, slot, bad and { bad = bad } or kind == "error" and { error = payload }
    or { result = payload })
end

-- C hands over `_meta` apart from params: puts it back for requests and notifications.
local function whole(params, meta)
  if not meta then return params end
  params = params or {}
  params._meta = core.decode(meta)
  return params
end

local function notice(self, link, x, method, params, meta)
  if method == "notifications/cancelled" then
    if self.era ~= "modern" then return x:cancel_other(params and params.requestId) end
    -- Without sessions it ends one of our subscriptions (protocol, 4.2); ids keep their types.
    local key = params and core.id_key(params.requestId)
    local slot = key and link.pending[key]
    if slot then settle(link, slot, { ended = true }) end
    return
  end
  self.peer.notice(method, whole(params, meta))
end

-- A batch (2025-03-26): its requests one after the other; the answers come as one array.
local function batch(self, link, x, messages)
  if self.era == "modern" or not (self.facts and self.facts.batch) then
    core.log("warning", self.name .. ": ignored a batch: this revision has none")
    return x:cancel()
  end
  local answers = value.array {}
  for _, message in ipairs(messages) do
    local kind, id, method, params, meta = table.unpack(message, 1, 5)
    if kind == "result" or kind == "error" then
      answer(self, link, kind, id, params)
    elseif kind == "invalid" and id and method == nil then
      answer(self, link, "bad response", id, { message = message.reason })
    elseif kind == "notification" then
      notice(self, link, x, method, params, meta)
    elseif kind == "request" then
      local result, err = self.peer.serve(method, whole(params, meta), x)
      answers[#answers + 1] = { jsonrpc = "2.0", id = message.raw_id, result = result,
        error = err and { code = err.code, message = err.message, data = err.data } or nil }
    end
  end
  if answers[1] == nil then return x:cancel() end
  return answers
end

local function request(self, x, method, params, meta)
  if self.era == "modern" then
    -- It must not be answered either (IO-60, IO-61).
    core.log("warning", ("%s: ignored request %s: servers send none in this revision")
      :format(self.name, method))
    return x:cancel()
  end
  return self.peer.serve(method, whole(params, meta), x)
end

-- The function that C calls with every message of one connection.
local function receiver(self, link)
  -- The connection must not keep the client alive: a client that is collected closes it.
  local held = setmetatable({ self }, { __mode = "v" })
  return function(x, _, kind, id, method, params, meta)
    local me = held[1]
    if not me or me.link ~= link then return x:cancel() end
    if kind == "result" or kind == "error" or kind == "bad response" then
      return answer(me, link, kind, id, params)
    end
    if kind == "notification" then return notice(me, link, x, method, params, meta) end
    if kind == "request" then return request(me, x, method, params, meta) end
    if kind == "batch" then return batch(me, link, x, params) end
    if kind == "bad request" and me.era == "legacy" then
      return nil, failure.new(params.code, params.message)
    end
    return x:cancel()
  end
end

-- What waiting requests are woken with.
local LOST = { lost = true }

-- The connection is gone: wakes the waiting requests, then calls the client. Allocates nothing, so
-- it works when memory is short.
local function lose(self, link, text, code)
  if link.lost then return end
  link.lost, link.code = text, code
  for _, slot in pairs(link.pending) do slot.waiter:wake(LOST) end
  link.gone:wake()
  if self and self.link == link and not self.closed then self.peer.lost(text, code) end
end

-- What is known about the end of the connection: the child's, where there is one that has ended.
local function reason_of(self, reason)
  local status, signal = nil, nil
  if self and self.is_child and self.host then status, signal = self.host:exit() end
  if status then return ("the process ended with status %d"):format(status) end
  return signal and ("the process was ended by signal %d"):format(signal) or reason
end

---@class mcp.client.Duplex
---@field name string
local Duplex = { __name = "mcp.transport" }
Duplex.__index = {}

function Duplex.__tostring(self)
  local link = self.link
  return ("mcp.transport (%s, %s)"):format(self.name,
    not link and "not opened" or (link.lost or self.closed) and "closed" or "open")
end

---Opens the connection. May be called again after it was lost.
---@param peer table the client's callbacks: serve, notice, lost
---@return true|nil opened, string|nil message, string|nil code
function Duplex.__index:open(peer)
  if self.closed then return nil, self.name .. ": closed", "ECLOSED" end
  local link = { pending = {}, spare = false, gone = core.waiter(), lost = false, code = false,
    closed_text = self.name .. ": the client was closed" }
  self.peer, self.link, self.era, self.facts = peer, link, nil, nil
  local host, text, code = self.connect(receiver(self, link))
  if not host then
    self.link = nil
    return nil, text, code
  end
  if self.closed or host:is_gone() then
    host:close()
    return nil, ("%s: the server closed the connection at once"):format(self.name), "EGONE"
  end
  host:as_client(self.message_limit)
  local held = setmetatable({ self }, { __mode = "v" })
  local name = self.name
  function link.lose(reason, short, noise)
    if short == "ECLOSED" then reason, short = "closed by the server", "EGONE" end
    link.noise = noise
    lose(held[1], link, ("%s: connection lost: %s"):format(name, reason_of(held[1], reason)), short)
  end
  host:on_closed(link.lose)
  self.host, link.sender = host, host:sender()
  return true
end

---Sends a request and waits for its answer.
---@param id integer
---@param method string
---@param params table|nil
---@param call table left() returns the seconds it may still take; progress can extend them
---@return table|nil reply { result = … } or { error = { code, message, data } }
---@return string|nil message
---@return string|nil code
function Duplex.__index:request(id, method, params, call)
  local link = self.link
  if not link or self.closed then return nil, self.name .. ": closed", "ECLOSED" end
  if link.lost then return nil, link.lost, link.code end
  local slot <close> = take_slot(link, id, call)
  -- Its time has just begun, unless it had to wait before it was sent.
  local left = call.time
  if left == 0 then left = huge end
  local came, text, code
  if not link.sender:send(method, params, id) then
    came, text, code = send(link, method, params, id, call)
    if not came then return nil, text, code end
    left = nil
  end
  slot.sent = true
  local waiter = slot.waiter
  repeat
    left = left or call:left()
    if left <= 0 and not waiter:is_woken() then
      slot.reason = "The request timed out"
      return nil, "no answer in time", "ETIMEDOUT"
    end
    came, text, code = waiter:wait(left < huge and (left > 0 and left or 0) or nil)
    if not came and code ~= "ETIMEDOUT" then
      slot.reason = "The caller cancelled the request"
      return nil, text, code
    end
    left = nil
  until came
  if came.result ~= nil then
    -- The link must not keep the client alive.
    call.slot, slot.call, link.spare = false, false, slot
    return came
  end
  if came.lost then return nil, link.lost, link.code end
  if came.cancelled then return nil, came.cancelled, "ECANCELED" end
  if came.ended then return nil, "the server ended the subscription", "EGONE" end
  if came.bad then return nil, ("%s: %s"):format(self.name, incoming.unusable(came.bad)), "ERPC" end
  return came
end

-- Lines of a server as one line of an error, without control characters.
local function quoted(text)
  local out = {}
  for line in text:gmatch "[^\n]+" do
    if utf8.len(line) then out[#out + 1] = '"' .. line:gsub("%c", "?") .. '"' end
  end
  return table.concat(out, ", ")
end

---Did the child end without having read what it was sent?
---@return boolean
function Duplex.__index:died_unread()
  return self.is_child and self.host ~= nil and select(3, self.host:exit()) == true
end

---The text of a failed handshake with what the server printed: lines on standard output that are
---not messages, and the last ones on standard error if they go to a function or nowhere.
---@param text string
---@return string
function Duplex.__index:explain(text)
  local link, host = self.link, self.host
  if not link or not host then return text end
  local said = self.said
  if link.lost and said then
    -- What it wrote last may not have been read yet.
    local deadline = core.now() + duplex.LAST_WORDS
    while not host:is_gone() and core.now() < deadline do
      if not core.sleep(duplex.RETRY) then break end
    end
  end
  local noise = link.noise or not link.lost and host:noise()
  if noise then
    text = ("%s; not a message on its standard output: %s"):format(text, quoted(noise))
  end
  if said and said[1] then
    text = ("%s; its standard error ends with: %s"):format(text,
      quoted(table.concat(said, "\n")))
  end
  return text
end

---Sends a notification.
---@param method string
---@param params table|nil
---@return true|nil sent, string|nil message, string|nil code
function Duplex.__index:notify(method, params)
  local link = self.link
  if not link or self.closed then return nil, self.name .. ": closed", "ECLOSED" end
  return send(link, method, params)
end

---Ends a request in progress and sends `notifications/cancelled`.
---@param call table that was passed to `request`
---@param reason string|nil
function Duplex.__index.cancel(_, call, reason)
  local slot = call.slot
  if not slot or slot.waiter:is_woken() then return end
  slot.reason = reason
  slot.waiter:wake { cancelled = reason or "cancelled" }
end

---Sets what the handshake has agreed on.
---@param era "legacy"|"modern"
---@param revision string
function Duplex.__index:settle(era, revision)
  self.era, self.facts = era, protocol.revision(revision)
end

---Closes the connection; a child has `grace` seconds to end by itself.
---@param grace number|nil
function Duplex.__index:close(grace)
  if self.shut then return end
  self.closed = true
  local link, host = self.link, self.host
  if not link or not host then return end
  -- No `notifications/cancelled`: the end of the connection cancels the requests.
  lose(self, link, link.closed_text, "ECLOSED")
  self.shut = true
  host:close(grace)
  return host
end

---A transport, not opened yet.
---@param name string
---@param connect fun(receive: function): userdata|nil, string|nil, string|nil opens the connection
---@param options table|nil message_limit (bytes)
---@return mcp.client.Duplex
function duplex.new(name, connect, options)
  return setmetatable({ name = name, duplex = true, timed = true, connect = connect,
    closed = false, shut = false,
    message_limit = options and options.message_limit }, Duplex)
end

return duplex
