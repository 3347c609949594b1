-- SPDX-License-Identifier: MIT
-- raw_server.lua: a server of HTTP that says what a spec tells it to, right or wrong, on a port of
-- loopback in this process. It looks at its sockets between turns of the loop; nothing here waits
-- for anything but that.
--
--   local server <close> = raw_server.start(function(request, connection) … end)
--
-- The function is called in a task for each request that has come whole. It answers with the
-- methods of the connection, or returns status, fields, body.
local core = require "mcp.core"
local raw = require "codecs.raw"

local raw_server = {}

-- How often sockets are looked at, in seconds.
local TICK = 0.001

local Connection = {}
Connection.__index = Connection

--- Sends bytes, all of them.
function Connection:send(text)
  while #text > 0 do
    local n = self.socket:send(text)
    if not n then return nil end
    text = text:sub(n + 1)
    if #text > 0 and not core.sleep(TICK) then return nil end
  end
  return true
end

--- An answer. Without Content-Length among the fields there is one; `body` false: only the head.
function Connection:answer(status, fields, body)
  local lines = { ("HTTP/1.1 %d Whatever\r\n"):format(status) }
  local has_length = body == false
  for name, value in pairs(fields or {}) do
    lines[#lines + 1] = ("%s: %s\r\n"):format(name, value)
    has_length = has_length or name:lower() == "content-length"
  end
  if not has_length then lines[#lines + 1] = ("Content-Length: %d\r\n"):format(#(body or "")) end
  return self:send(table.concat(lines) .. "\r\n" .. (body or ""))
end

--- An answer of JSON: a table, or text.
function Connection:json(status, message, fields)
  local all = { ["Content-Type"] = "application/json" }
  for name, value in pairs(fields or {}) do all[name] = value end
  return self:answer(status, all,
    type(message) == "string" and message or assert(core.encode(message)))
end

--- The head of an event stream, which ends with the connection.
function Connection:stream(fields)
  local all = { ["Content-Type"] = "text/event-stream", Connection = "close" }
  for name, value in pairs(fields or {}) do all[name] = value end
  return self:answer(200, all, false)
end

--- One event: a message as a table, or the text of its fields.
function Connection:event(message, id)
  if type(message) == "string" then return self:send(message .. "\n\n") end
  return self:send(("%sdata: %s\n\n"):format(id and ("id: %s\n"):format(id) or "",
    assert(core.encode(message))))
end

--- Waits until the other side has closed.
function Connection:wait_end()
  while not self.ended do
    if not core.sleep(TICK) then return nil end
    self:look()
  end
  return true
end

function Connection:look()
  if self.gone then
    self.ended = true
    return
  end
  local bytes, ended = self.socket:receive()
  self.buffer, self.ended = self.buffer .. bytes, ended
end

function Connection:close()
  self.gone = true
  self.socket:close()
end

function Connection:reset()
  self.gone = true
  self.socket:reset()
end

-- The next whole request, or nil when there will be none.
function Connection:request()
  while true do
    local head, rest = self.buffer:match "^(.-\r\n)\r\n(.*)$"
    if head then
      local request = { fields = {}, head = head }
      request.method, request.target = head:match "^(%S+) (%S+) HTTP/1%.1\r\n"
      for name, value in head:gmatch "\r\n([^:\r\n]+): *([^\r\n]*)" do
        name = name:lower()
        assert(not request.fields[name], name .. " came twice")
        request.fields[name] = value
      end
      local length = tonumber(request.fields["content-length"] or "0")
      if #rest >= length then
        request.body = rest:sub(1, length)
        self.buffer = rest:sub(length + 1)
        request.message = length > 0 and core.decode(request.body) or nil
        return request
      end
    end
    if self.ended or not core.sleep(TICK) then return nil end
    self:look()
  end
end

local Server = {}
Server.__index = Server
Server.__close = function(self) self:close() end

local function serve(self, connection)
  -- Also when the handler fails: nobody must wait for its answer.
  local open <close> = setmetatable({}, { __close = function() -- luacheck: ignore
    self.connections[connection] = nil
    if not connection.gone then connection:close() end
  end })
  for request in function() return connection:request() end do
    self.requests[#self.requests + 1] = request
    local status, fields, body = self.handler(request, connection, #self.requests)
    if math.type(status) then connection:answer(status, fields, body) end
    if connection.gone then break end
  end
end

--- Waits in a handler, which cannot turn the loop.
---@param condition fun(): any
function raw_server.wait(condition)
  while not condition() do
    if not core.sleep(TICK) then return end
  end
end

---@param handler fun(request: table, connection: table, nth: integer)
---@param port integer|nil any free one if not given
function raw_server.start(handler, port)
  local self = setmetatable({ handler = handler, requests = {}, connections = {}, accepted = 0,
    tasks = core.waiter(), listener = assert(raw.listen(port or 0)) }, Server)
  self.port = self.listener:port()
  self.url = ("http://127.0.0.1:%d/mcp"):format(self.port)
  self.tasks:spawn(function()
    while self.listener do
      local socket = self.listener:accept()
      if socket then
        local connection = setmetatable({ socket = socket, buffer = "" }, Connection)
        self.accepted = self.accepted + 1
        self.connections[connection] = true
        self.tasks:spawn(serve, self, connection)
      elseif not core.sleep(TICK) then
        return
      end
    end
  end)
  return self
end

function Server:close()
  if not self.listener then return end
  self.listener:close()
  self.listener = nil
  for connection in pairs(self.connections) do
    if not connection.gone then connection:close() end
  end
  self.tasks:cancel()
  for _ = 1, 20 do core.step(0) end
end

--- The messages that were POSTed, in order.
function Server:messages()
  local out = {}
  for _, request in ipairs(self.requests) do
    if request.message then out[#out + 1] = request.message end
  end
  return out
end

return raw_server
