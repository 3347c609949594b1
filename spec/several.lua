-- SPDX-License-Identifier: MIT
-- several.lua: apps made by one function over nodes of one memory store, each with a listener of
-- its own: what several processes are to their clients. A spec says for each request which one gets
-- it, so nothing is left to chance.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local memory = require "mcp.store.memory"

local several = {}

---Seconds that every answer of the store, and every text of its bus, takes; nil: none.
several.delay = tonumber(os.getenv "MCP_STORE_DELAY")

---The address of a store to use in place of memory. Each group of processes has its own prefix.
several.address = os.getenv "MCP_STORE"

several.LATEST = "2025-11-25"
several.STATELESS = "2026-07-28"

local Several = {}
Several.__index = Several

---Opens `count` apps.
---@param count integer
---@param make fun(app: mcp.App, i: integer) registers what they offer
---@param options? table of mcp.server
---@return table
function several.open(count, make, options)
  local self = setmetatable({ apps = {}, nodes = {}, memory = memory.new(),
    prefix = core.random_id(), ports = {},
    listening = {}, streams = {}, pool = core.http_pool { connections = 64 }, last = 0 }, Several)
  for i = 1, count do self:add(i, make, options) end
  return self
end

-- What a store does whose other side is some way away: it is at once, but is known later.
local WAITS = { "get", "put", "add", "touch", "delete", "take", "release", "count", "append",
  "range", "bucket", "nodes" }
local function slow(node, delay)
  local driver = node.driver
  for _, name in ipairs(WAITS) do
    local method = driver[name]
    driver[name] = function(...)
      local result = table.pack(method(...))
      if core.in_task() and not driver.at_once then core.sleep(delay) end
      return table.unpack(result, 1, result.n)
    end
  end
  local later, publish = driver.later, driver.publish
  function driver:later(...)
    self.at_once = true
    local result = table.pack(later(self, ...))
    self.at_once = false
    return table.unpack(result, 1, result.n)
  end
  function driver:publish(topic, text)
    core.spawn(function()
      core.sleep(delay)
      publish(self, topic, text)
    end)
    return true
  end
end

---Opens one more app, or one in the place of another.
function Several:add(i, make, options)
  local given = { name = "spec", store = several.address
    and require("mcp.store").open(several.address .. "?prefix=" .. self.prefix)
    or self.memory:node() }
  for key, member in pairs(options or {}) do given[key] = member end
  if several.delay then slow(given.store, several.delay) end
  local app = mcp.server(given)
  make(app, i)
  self.apps[i], self.nodes[i] = app, given.store
  self.listening[i] = app:listen { http = { port = 0 }, quiet = true }
  self.ports[i] = self.listening[i].port
end

-- What is to be done later waits for the store, as it does with Redis.
local function keep_later(driver, ...)
  driver.kept[#driver.kept + 1] = table.pack(...)
  return true
end

---Takes the store away from one, or gives it back.
function Several:away(i, away)
  local driver = self.nodes[i].driver
  if not driver.there then
    driver.there = {}
    for _, name in ipairs { "later", "publish", "connect", table.unpack(WAITS) } do
      driver.there[name] = driver[name]
    end
    local deliver = self.nodes[i].deliver
    rawset(self.nodes[i], "deliver", function(...)
      if not driver.is_away then deliver(...) end
    end)
  end
  driver.is_away = away
  for name, method in pairs(driver.there) do
    driver[name] = away and function() return nil, "it is away", "EUNAVAILABLE" end or method
  end
  local kept = driver.kept or {}
  driver.kept = {}
  if away then
    driver.later = keep_later
  else
    for _, call in ipairs(kept) do driver:later(table.unpack(call, 1, call.n)) end
    self.nodes[i]:came_back()
  end
end

---Closes one as a process that dies: the others get no message.
function Several:kill(i)
  local node = self.nodes[i]
  node:close()
  self.listening[i]:close()
end

function Several:close()
  for _, stream in ipairs(self.streams) do stream.response:close() end
  for _, listening in pairs(self.listening) do listening:close() end
  for _, node in pairs(self.nodes) do node:close() end
  self.pool:close()
  helper.settle()
  if several.delay or several.address then
    helper.wait_until(function() return core.task_count() == 0 end, "the end of what is on its way")
  end
end

local function http(self, i, method, body, fields)
  local headers = { { "Accept", "application/json, text/event-stream" } }
  if body then headers[2] = { "Content-Type", "application/json" } end
  for name, field in pairs(fields or {}) do headers[#headers + 1] = { name, field } end
  return assert(self.pool:request { host = "127.0.0.1", port = self.ports[i], method = method,
    target = "/mcp", headers = headers, body = body and assert(core.encode(body)),
    timeout = helper.LIMIT, idempotent = true })
end

---A message to process `i`: its status, the decoded answer (of an event stream the last message),
---and its header fields.
function Several:post(i, message, fields)
  message.jsonrpc = "2.0"
  local response = http(self, i, "POST", message, fields)
  local kind = response:header "content-type" or ""
  if not kind:find "event%-stream" then
    local body = response:read(1 << 22, helper.LIMIT) or ""
    return response.status, body ~= "" and core.decode(body) or nil, response
  end
  local last
  while true do
    local event, data = response:event(helper.LIMIT)
    if not event then break end
    last = data
  end
  return response.status, last, response
end

---A request in a session, or without one.
function Several:request(i, method, params, sid, fields)
  self.last = self.last + 1
  local all = { ["Mcp-Session-Id"] = sid }
  for name, field in pairs(fields or {}) do all[name] = field end
  local status, answer, response = self:post(i, { id = self.last, method = method,
    params = params }, all)
  return answer and answer.result, answer and answer.error or nil, status, response
end

---Calls a tool; the text of its result.
function Several:call(i, sid, name, arguments)
  local result, err, status = self:request(i, "tools/call",
    { name = name, arguments = arguments or {} }, sid)
  if not result then return nil, err, status end
  return result.content[1] and result.content[1].text, result
end

---Opens a session at process `i`; the client is ready at process `j`.
function Several:session(i, j, capabilities, revision, fields)
  local _, _, status, response = self:request(i, "initialize", {
    protocolVersion = revision or several.LATEST, capabilities = capabilities or {},
    clientInfo = { name = "spec", version = "1" } }, nil, fields)
  assert(status == 200, status)
  local sid = response:header "mcp-session-id"
  if j then self:notify(j, sid, "notifications/initialized", nil, fields) end
  return sid
end

---A notification; its status.
function Several:notify(i, sid, method, params, fields)
  local all = { ["Mcp-Session-Id"] = sid }
  for name, field in pairs(fields or {}) do all[name] = field end
  return (self:post(i, { method = method, params = params }, all))
end

---A response to a question of the server; its status.
function Several:answer(i, sid, id, result)
  return (self:post(i, { id = id, result = result }, { ["Mcp-Session-Id"] = sid }))
end

function Several:delete(i, sid)
  local response = http(self, i, "DELETE", nil, { ["Mcp-Session-Id"] = sid })
  response:read()
  return response.status
end

local Stream = {}
Stream.__index = Stream

---The next message of a stream, and the id of its event; nil at the end.
function Stream:next(limit)
  while true do
    local event, data, code = self.response:event(limit or helper.LIMIT)
    if not event then return nil, code or "end" end
    self.last = event.id or self.last
    if data ~= nil then return data, event.id end
  end
end

---Is there nothing to read?
function Stream:is_quiet(seconds)
  local message, code = self:next(seconds or 0.1)
  return message == nil and code == "ETIMEDOUT"
end

function Stream:close() self.response:close() end

local function stream(self, response)
  local made = setmetatable({ response = response, status = response.status }, Stream)
  self.streams[#self.streams + 1] = made
  return made
end

---GET: the stream of a session, or the rest of a stream.
function Several:get(i, sid, last)
  return stream(self, http(self, i, "GET", nil, { ["Mcp-Session-Id"] = sid,
    ["Last-Event-ID"] = last }))
end

---A request whose stream is read message by message.
function Several:open_call(i, sid, name, arguments, meta)
  self.last = self.last + 1
  local made = stream(self, http(self, i, "POST", { jsonrpc = "2.0", id = self.last,
    method = "tools/call", params = { name = name, arguments = arguments or {}, _meta = meta } },
    { ["Mcp-Session-Id"] = sid }))
  made.id = self.last
  return made
end

---Another request of a session whose stream is read message by message.
function Several:open_request(i, sid, method, params)
  self.last = self.last + 1
  local made = stream(self, http(self, i, "POST", { jsonrpc = "2.0", id = self.last,
    method = method, params = params }, { ["Mcp-Session-Id"] = sid }))
  made.id = self.last
  return made
end

---subscriptions/listen, without a session.
function Several:listen(i, filter, capabilities)
  self.last = self.last + 1
  local made = stream(self, http(self, i, "POST", { jsonrpc = "2.0", id = self.last,
    method = "subscriptions/listen",
    params = { notifications = filter, _meta = helper.envelope(capabilities
      and { ["io.modelcontextprotocol/clientCapabilities"] = capabilities }) } },
    { ["MCP-Protocol-Version"] = several.STATELESS, ["Mcp-Method"] = "subscriptions/listen" }))
  made.id = self.last
  return made
end

---Runs `fn` in a task, where it can wait, and raises what it raises.
function several.run(fn)
  local done, ok, err = false, nil, nil
  core.spawn(function()
    ok, err = xpcall(fn, function(e)
      return type(e) == "table" and e or debug.traceback(e, 2)
    end)
    done = true
  end)
  helper.wait_until(function() return done end, "the end of the test", helper.LIMIT * 4)
  if not ok then error(err, 0) end
end

---Waits, in a task, until `condition()` is true.
function several.eventually(condition, what)
  local deadline = core.now() + helper.LIMIT
  while not condition() do
    if core.now() > deadline then error("waited in vain for " .. (what or "a condition"), 2) end
    core.sleep(0.005)
  end
end

return several
