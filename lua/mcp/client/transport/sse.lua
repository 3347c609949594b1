-- SPDX-License-Identifier: MIT
-- sse: the client's side of HTTP+SSE, the transport of 2024-11-05. One GET opens an event stream
-- that carries all messages of the server; its first event names the address for POST. The stream
-- is the session: when it ends, the session ends, and the next request opens another.
local core = require "mcp.core"
local endpoint = require "mcp.client.transport.endpoint"
local incoming = require "mcp.client.transport.incoming"
local usage = require "mcp.client.usage"
local url = require "mcp.url"
local wait_for_answer = require("mcp.client.call").wait

local sse = {}

---Length of a message from the server, in bytes.
sse.MESSAGE = 4 << 20
---Time until the stream is open and its first event has come, in seconds.
sse.OPEN_TIME = 10
---Time for a POST, in seconds; its answer comes on the stream.
sse.POST_TIME = 30

local OPTIONS = { headers = "table", auth = "table", tls = "table|userdata", limits = "table",
  timeout = "number", proxy = "string|boolean" }

local LIMITS = { message = sse.MESSAGE, connections = endpoint.CONNECTIONS }

local EVENTS = { "Accept", "text/event-stream" }
local JSON = { "Content-Type", "application/json" }

---@class mcp.client.Sse
local Sse = { __name = "mcp.sse_client" }
Sse.__index = {}

function Sse.__tostring(self) return ("mcp.sse_client (%s)"):format(self.endpoint.text) end

---A transport, not opened yet. Raises on an error in the options.
---@param address string of the stream
---@param options table|nil headers, auth, tls, proxy, limits, timeout (in seconds, to
---the first event)
---@return mcp.client.Sse
function sse.new(address, options)
  local what = "sse_client"
  options = usage.check(what, options, OPTIONS)
  local limits = endpoint.limits(what, options.limits, LIMITS)
  local to = endpoint.new(what, address, { headers = options.headers, auth = options.auth,
    tls = options.tls, proxy = options.proxy, connections = limits.connections })
  return setmetatable({
    name = "sse", duplex = false, timed = true, only_era = "legacy", endpoint = to, limits = limits,
    timeout = options.timeout or sse.OPEN_TIME,
    pending = {}, -- requests that wait for an answer, by id
    running = {}, -- the same, by their `call`
    stream = nil, -- the open stream: response, place (the address for POST), tasks
    closed = false,
  }, Sse)
end

-- Fails the requests that wait for an answer on the stream.
local function fail_all(self, text, code)
  local id, run = next(self.pending)
  while id do
    self.pending[id] = nil
    run.text, run.code = text, code
    run.waiter:wake()
    id, run = next(self.pending)
  end
end

-- The task that reads a stream closes it, however that ends, and fails the waiting requests.
local Stream = { __close = function(stream)
  local self = stream.transport
  stream.response:close()
  if self.stream ~= stream then return end
  self.stream = nil
  self.incoming:close()
  -- The client starts a new session with its next request (HS-08).
  if not self.closed and self.peer.forgotten then self.peer.forgotten() end
  fail_all(self, stream.text or "internal error in the client; see the log",
    stream.code or "EFAILED")
end }

-- The address for POST that the first event names (HS-02, HS-05).
local function place_of(self, data)
  local address, reason = url.resolve(self.endpoint.url, data)
  local parsed
  if address then parsed, reason = url.parse(address) end
  if not parsed then return nil, ("the endpoint event: %s"):format(reason), "ESSE" end
  if not self.endpoint:is_ours(parsed) then
    return nil, ("the endpoint event names another origin, %s: refusing to send messages there")
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
  local function refuse(reason, name)
    response:close()
    return nil, ("%s: %s"):format(self.endpoint.text, reason), name
  end
  if response.status ~= 200 then
    return refuse(endpoint.refusal(response.status, response), "EHTTP" .. response.status)
  end
  if endpoint.media_type(response) ~= "text/event-stream" then
    return refuse("expected an event stream", "EHTTP")
  end
  while true do
    local event, reason, name = response:event(math.max(deadline - core.now(), 0.001))
    if not event then
      return refuse(reason or "the stream ended before its endpoint event",
        name or "EGONE")
    end
    if event.event == "endpoint" then
      local place
      place, reason, name = place_of(self, event.data or "")
      if not place then return refuse(reason, name) end
      return setmetatable({ response = response, place = place, tasks = core.waiter(),
        transport = self, text = false, code = false }, Stream)
    elseif reason ~= nil or (event.data and event.data ~= "") then
      return refuse("the stream does not begin with an endpoint event", "ESSE")
    end
  end
end

-- The request that a response answers, or that a text which is not valid JSON was meant to answer.
local function find(self, response, text)
  for id, run in pairs(self.pending) do
    if not response and incoming.spoils(text, id) then return run end
    local answers, bad = nil, nil
    if response then answers, bad = incoming.match(response, id) end
    if answers then return run, bad end
  end
  return nil
end

-- Ends the wait of a request: with its answer, or with nil and what is wrong with it.
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
    local event, message, reason = stream.response:event()
    if not event then
      stream.text = ("%s: %s"):format(self.endpoint.text, message or "the stream ended")
      stream.code = message and reason or "EGONE"
      return
    end
    if message ~= nil then
      local answer = self.incoming:take(message, true)
      local run, bad
      if answer then run, bad = find(self, answer) end
      if run then
        settle(self, run, not bad and answer, bad)
      elseif answer then
        core.log("debug", "the server sent a response to a request that has ended")
      end
    elseif not event.event and event.data and event.data ~= "" then
      local run = find(self, nil, event.data)
      if run then
        settle(self, run, nil, tostring(reason))
      else
        core.log("warning", "the server sent an event that is not JSON: " .. tostring(reason))
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
    return nil, self.endpoint.text .. ": the session has ended with its stream", "ESESSION"
  end
  local list = { JSON, self.revision and { "MCP-Protocol-Version", self.revision } }
  local response, reason, code = self.endpoint:send { method = "POST", at = stream.place,
    fields = list, body = text, timeout = sse.POST_TIME, idempotent = false, aside = true }
  if not response then return nil, reason, code end
  local open <close> = response
  local status = open.status
  if status >= 200 and status <= 299 then
    endpoint.drop(open)
    return true
  end
  return nil, ("%s: %s"):format(self.endpoint.text, endpoint.refusal(status, open)),
    "EHTTP" .. status
end

---Opens the stream and waits for its endpoint event.
---@param peer table the client's callbacks: serve, notice, forgotten
---@return true|nil opened, string|nil message, string|nil code
function Sse.__index:open(peer)
  self.peer = peer
  self.incoming = incoming.new(peer, function(text)
    local ok, reason = post(self, text)
    if not ok and not self.closed then
      core.log("warning", "a response to the server was not delivered: " .. reason)
    end
  end)
  return start(self)
end

-- Ends a request whose caller gave up, and sends `notifications/cancelled`.
local function abandon(self, call, run, reason)
  self.running[call] = nil
  if self.pending[run.id] == run then self.pending[run.id] = nil end
  run.sending:cancel()
  if run.method == "initialize" or call.handshake or self.closed or not self.stream then return end
  core.spawn(function()
    self:notify("notifications/cancelled", { requestId = run.id, reason = reason })
  end)
end

-- A request in progress. Ends its POST when the wait raises an error. All fields are set from the
-- start, since closing must not allocate.
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
  local body, reason = core.encode { jsonrpc = "2.0", id = id, method = method, params = params }
  if not body then return nil, ("%s: %s"):format(method, reason), "EENCODE" end
  if method == "initialize" then
    self.revision = nil
    if not self.stream then
      local ok, text, code = start(self)
      if not ok then return nil, text, code end
    end
  end
  -- The answer may come before the POST ends.
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
  local ok, text, code, for_server = wait_for_answer(run.waiter, call)
  if not ok then
    abandon(self, call, run, for_server)
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
  local text, reason = core.encode { jsonrpc = "2.0", method = method, params = params }
  if not text then return nil, ("%s: %s"):format(method, reason), "EENCODE" end
  return post(self, text)
end

---Ends a request in progress: it returns nil, text, "ECANCELED".
---@param call table that was passed to `request`
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
  assert(era == "legacy", "HTTP+SSE always has a session")
  self.revision = revision
end

---Ends the stream and with it the session. May be called again if an error interrupted it.
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
