-- SPDX-License-Identifier: MIT
-- sse: HTTP+SSE, the transport of 2024-11-05, from the client's side. One GET
-- opens an event stream that brings everything; its first event says where to
-- POST. The stream is the session: when it ends, so does that, and the next
-- request opens another.
local core = require "mcp.core"
local endpoint = require "mcp.client.transport.endpoint"
local incoming = require "mcp.client.transport.incoming"
local usage = require "mcp.client.usage"
local url = require "mcp.url"
local wait_for_answer = require("mcp.client.call").wait

local sse = {}

---A message of the server, in bytes.
sse.MESSAGE = 4 << 20
---How long the stream and its first event may take, in seconds.
sse.OPEN_TIME = 10
---How long a POST may take; its answer comes by the stream.
sse.POST_TIME = 30

local OPTIONS = { headers = "table", auth = "table", tls = "table|userdata", limits = "table",
  timeout = "number" }

local LIMITS = { message = sse.MESSAGE, connections = endpoint.CONNECTIONS }

local EVENTS = { "Accept", "text/event-stream" }
local JSON = { "Content-Type", "application/json" }

---@class mcp.client.Sse
local Sse = { __name = "mcp.sse_client" }
Sse.__index = {}

function Sse.__tostring(self) return ("mcp.sse_client (%s)"):format(self.endpoint.text) end

---A transport, not opened yet. Raises what is wrong with the options.
---@param address string of the stream
---@param options table|nil headers, auth, tls, limits, timeout (to the first event, in seconds)
---@return mcp.client.Sse
function sse.new(address, options)
  local what = "sse_client"
  options = usage.check(what, options, OPTIONS)
  local limits = endpoint.limits(what, options.limits, LIMITS)
  local to = endpoint.new(what, address, { headers = options.headers, auth = options.auth,
    tls = options.tls, connections = limits.connections })
  return setmetatable({
    name = "sse", duplex = false, timed = true, only_era = "legacy", endpoint = to, limits = limits,
    timeout = options.timeout or sse.OPEN_TIME,
    pending = {}, -- requests that wait for their answers, by id
    running = {}, -- the same, by their `call`
    stream = nil, -- the one that is open: response, post_at, tasks
    closed = false,
  }, Sse)
end

-- Ends the requests that waited for the answers of a stream.
local function fail_all(self, text, code)
  local id, run = next(self.pending)
  while id do
    self.pending[id] = nil
    run.text, run.code = text, code
    run.waiter:wake()
    id, run = next(self.pending)
  end
end

-- A stream is closed by the task that reads it, however that ends: whoever waits for an answer is
-- told.
local Stream = { __close = function(stream)
  local self = stream.transport
  stream.response:close()
  if self.stream ~= stream then return end
  self.stream = nil
  self.incoming:close()
  -- The Client begins anew with its next request (HS-08).
  if not self.closed and self.peer.forgotten then self.peer.forgotten() end
  fail_all(self, stream.text or "reading the stream has failed; the log says why",
    stream.code or "EFAILED")
end }

-- Where the first event says that messages go to (HS-02, HS-05).
local function place_of(self, data)
  local address, why = url.resolve(self.endpoint.url, data)
  local parsed
  if address then parsed, why = url.parse(address) end
  if not parsed then return nil, ("the endpoint event: %s"):format(why), "ESSE" end
  if not self.endpoint:is_ours(parsed) then
    return nil, ("the endpoint event leads to another origin, %s; nothing is sent there")
      :format(parsed.origin), "ESSE"
  end
  return parsed
end

-- Opens the stream and waits for its first event.
local function connect(self)
  local deadline = core.now() + self.timeout
  local response, text, code = self.endpoint:send { method = "GET", fields = { EVENTS },
    idempotent = true, timeout = self.timeout, event_limit = self.limits.message }
  if not response then return nil, text, code end
  local function refuse(why, name)
    response:close()
    return nil, ("%s: %s"):format(self.endpoint.text, why), name
  end
  if response.status ~= 200 then
    return refuse(endpoint.refusal(response.status, response), "EHTTP" .. response.status)
  end
  if endpoint.media_type(response) ~= "text/event-stream" then
    return refuse("expected an event stream", "EHTTP")
  end
  while true do
    local event, why, name = response:event(math.max(deadline - core.now(), 0.001))
    if not event then
      return refuse(why or "the stream ended before it said where to send messages",
        name or "EGONE")
    end
    if event.event == "endpoint" then
      local place
      place, why, name = place_of(self, event.data or "")
      if not place then return refuse(why, name) end
      return setmetatable({ response = response, place = place, tasks = core.waiter(),
        transport = self, text = false, code = false }, Stream)
    elseif why ~= nil or (event.data and event.data ~= "") then
      return refuse("the stream does not begin with an endpoint event", "ESSE")
    end
  end
end

-- The request that a response answers, or a text that is no JSON was to answer.
local function find(self, response, text)
  for id, run in pairs(self.pending) do
    if not response and incoming.spoils(text, id) then return run end
    local answers, bad = nil, nil
    if response then answers, bad = incoming.match(response, id) end
    if answers then return run, bad end
  end
  return nil
end

-- A request has its answer, or will never have one: nil and what is wrong.
local function settle(self, run, answer, bad)
  self.pending[run.id] = nil
  run.answer = answer or false
  if bad then run.text, run.code = incoming.unusable(bad), "ERPC" end
  run.waiter:wake()
end

-- Reads to the end of the stream.
local function read(self, given)
  local stream <close> = given
  while true do
    local event, message, why = stream.response:event()
    if not event then
      stream.text = ("%s: %s"):format(self.endpoint.text, message or "the stream ended")
      stream.code = message and why or "EGONE"
      return
    end
    if message ~= nil then
      local answer = self.incoming:take(message, true)
      local run, bad
      if answer then run, bad = find(self, answer) end
      if run then
        settle(self, run, not bad and answer, bad)
      elseif answer then
        core.log("debug", "an answer came to a request that is over")
      end
    elseif not event.event and event.data and event.data ~= "" then
      local run = find(self, nil, event.data)
      if run then
        settle(self, run, nil, tostring(why))
      else
        core.log("warning", "the server sent an event that is not JSON: " .. tostring(why))
      end
    end
  end
end

local function start(self)
  local stream, text, code = connect(self)
  if not stream then return nil, text, code end
  if self.closed then
    stream.response:close()
    return nil, "the client is closed", "ECLOSED"
  end
  self.stream = stream
  stream.tasks:spawn(read, self, stream)
  return true
end

local function post(self, text)
  local stream = self.stream
  if not stream then
    return nil, self.endpoint.text .. ": the stream has ended, and the session with it", "ESESSION"
  end
  local list = { JSON, self.revision and { "MCP-Protocol-Version", self.revision } }
  local response, why, code = self.endpoint:send { method = "POST", at = stream.place,
    fields = list, body = text, timeout = sse.POST_TIME, idempotent = false, aside = true }
  if not response then return nil, why, code end
  local open <close> = response
  local status = open.status
  if status >= 200 and status <= 299 then
    endpoint.drop(open)
    return true
  end
  return nil, ("%s: %s"):format(self.endpoint.text, endpoint.refusal(status, open)),
    "EHTTP" .. status
end

---Opens the stream and waits until it says where messages go.
---@param peer table what the Client wants to be told
---@return true|nil opened, string|nil message, string|nil code
function Sse.__index:open(peer)
  self.peer = peer
  self.incoming = incoming.new(peer, function(text)
    local ok, why = post(self, text)
    if not ok and not self.closed then
      core.log("warning", "an answer to the server did not arrive: " .. why)
    end
  end)
  return start(self)
end

-- The caller gave up: tells the server.
local function abandon(self, call, run, reason)
  self.running[call] = nil
  if self.pending[run.id] == run then self.pending[run.id] = nil end
  run.sending:cancel()
  if run.method == "initialize" or call.handshake or self.closed or not self.stream then return end
  core.spawn(function()
    self:notify("notifications/cancelled", { requestId = run.id, reason = reason })
  end)
end

-- A request under way. Where its wait ends with an error, nobody would end the rest of it. Its
-- members are there from the beginning: what ends it must not need memory.
local Run = { __close = function(run)
  local self = run.transport
  if self.running[run.call] ~= run then return end
  self.running[run.call] = nil
  if self.pending[run.id] == run then self.pending[run.id] = nil end
  run.sending:cancel()
end }

---Sends a request and waits for its answer.
---@param id integer|string
---@param method string
---@param params table|nil
---@param call table|nil
---@return table|nil reply, string|nil message, string|nil code
function Sse.__index:request(id, method, params, call)
  call = call or {}
  if self.closed then return nil, "the client is closed", "ECLOSED" end
  local body, why = core.encode { jsonrpc = "2.0", id = id, method = method, params = params }
  if not body then return nil, ("%s: %s"):format(method, why), "EENCODE" end
  if method == "initialize" then
    self.revision = nil
    if not self.stream then
      local ok, text, code = start(self)
      if not ok then return nil, text, code end
    end
  end
  -- The answer may overtake the end of the POST.
  local run <close> = setmetatable({ id = id, method = method, waiter = core.waiter(),
    sending = core.waiter(), answer = false, text = false, code = false, transport = self,
    call = call }, Run)
  self.pending[id], self.running[call] = run, run
  run.sending:spawn(function()
    local sent, text, code = post(self, body)
    if not sent and self.pending[id] == run then
      self.pending[id] = nil
      run.text, run.code = text, code
      run.waiter:wake()
    end
  end)
  local ok, text, code, reason = wait_for_answer(run.waiter, call)
  if not ok then
    abandon(self, call, run, reason)
    return nil, text, code
  end
  self.running[call] = nil
  if run.answer then return incoming.reply(run.answer) end
  return nil, run.text, run.code
end

---Sends a notification.
---@param method string
---@param params table|nil
---@return true|nil sent, string|nil message, string|nil code
function Sse.__index:notify(method, params)
  if self.closed then return nil, "the client is closed", "ECLOSED" end
  local text, why = core.encode { jsonrpc = "2.0", method = method, params = params }
  if not text then return nil, ("%s: %s"):format(method, why), "EENCODE" end
  return post(self, text)
end

---Ends a request that is under way: it returns nil, text, "ECANCELED".
---@param call table the one that the request was given
---@param reason string|nil
function Sse.__index:cancel(call, reason)
  local run = self.running[call]
  if not run then return end
  run.text, run.code = reason or "cancelled", "ECANCELED"
  abandon(self, call, run, reason)
  run.waiter:wake()
end

---@param era string always "legacy"
---@param revision string
function Sse.__index:settle(era, revision)
  assert(era == "legacy", "HTTP+SSE carries sessions only")
  self.revision = revision
end

---Ends the stream, and with it the session. Nothing here minds being done again, where it was
---broken off.
function Sse.__index:close()
  self.closed = true
  local stream = self.stream
  if stream then stream.tasks:cancel() end
  self.stream = nil
  if self.incoming then self.incoming:close() end
  for call, run in pairs(self.running) do
    self.running[call] = nil
    run.text, run.code = "the client is closed", "ECLOSED"
    run.waiter:wake()
    run.sending:cancel()
  end
  self.endpoint:close()
end
Sse.__close = function(self) self:close() end

return sse
