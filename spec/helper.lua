-- SPDX-License-Identifier: MIT
-- An app and somebody who talks to it through memory: what nearly every spec of lua/mcp needs.
-- Nothing here sleeps: waiting turns the loop until there is something, for five seconds at most.
local core = require "mcp.core"
local duplex = require "mcp.server.front.duplex"
local pace = require "spec.pace"
local timeout = require "mcp.server.timeout"
local value = require "mcp.value"

local helper = {}

--- No wait of a spec is longer than this. In seconds.
helper.LIMIT = pace.limit(5)

local PREFIX = "io.modelcontextprotocol/"

-- Turns the loop once, for so long at most. What is due now is done without waiting.
local function turn(seconds) core.step(core.timeout() == 0 and 0 or seconds) end

--- Turns the loop until `condition()` gives something true, and returns that.
---@param condition fun(): any
---@param what? string  what was waited for, for the message
---@param limit? number  seconds
function helper.wait_until(condition, what, limit)
  local deadline = core.now() + (limit or helper.LIMIT)
  while true do
    local found = condition()
    if found then return found end
    local left = deadline - core.now()
    if left <= 0 then error("waited in vain for " .. (what or "a condition"), 2) end
    turn(left)
  end
end

--- Turns the loop while there is something to do at once.
function helper.settle()
  for _ = 1, 20 do core.step(0) end
end

-- Every peer that is open, so that leftovers() can close what a failed test left.
local open_peers = {}

local Peer = {}
Peer.__index = Peer
Peer.__close = function(peer) peer:close() end

--- Sends one line: text as it is, a table as JSON.
---@param message string|table
function Peer:send(message)
  local text = message
  if type(message) == "table" then text = assert(core.encode(message)) end
  assert(self.wire:send(text .. "\n"))
end

-- Moves what has arrived into self.lines.
local function collect(self)
  self.rest = self.rest .. self.wire:take()
  while true do
    local line, rest = self.rest:match "^([^\n]*)\n(.*)$"
    if not line then return end
    self.lines[#self.lines + 1] = line
    self.rest = rest
  end
end

--- The next line as it came, or nil when the app has closed or said nothing for `limit` seconds.
---@param limit? number
---@return string|nil
function Peer:receive_line(limit)
  local deadline = core.now() + (limit or helper.LIMIT)
  while true do
    collect(self)
    if self.lines[1] then return table.remove(self.lines, 1) end
    local left = deadline - core.now()
    if left <= 0 or not self.wire:is_open() then return nil end
    turn(left)
  end
end

--- The next message as a table, and its line. Raises when there is none.
---@param limit? number
---@return table message, string line
function Peer:receive(limit)
  local line = self:receive_line(limit)
  if not line then error("no message came", 2) end
  return assert(core.decode(line)), line
end

--- Everything that comes without waiting for anything but the loop.
---@return table[] messages
function Peer:rest_of_messages()
  helper.settle()
  collect(self)
  local out = {}
  for i, line in ipairs(self.lines) do out[i] = assert(core.decode(line)) end
  self.lines = {}
  return out
end

--- Says that nothing more has come.
function Peer:silent()
  local rest = self:rest_of_messages()
  if rest[1] then error("not silent: " .. core.encode(rest[1]), 2) end
end

--- A request and its response; what comes before that is kept in `peer.notices`.
---@param method string
---@param params? table
---@param id? any
---@return table response, string line
function Peer:request(method, params, id)
  if id == nil then
    self.last_id = self.last_id + 1
    id = self.last_id
  end
  self:send { jsonrpc = "2.0", id = id, method = method, params = params }
  return self:response(id)
end

--- Waits for the response to `id`.
function Peer:response(id)
  while true do
    local line = self:receive_line()
    if not line then error("no response came", 2) end
    local message = assert(core.decode(line))
    if message.id == id and not message.method then return message, line end
    self.notices[#self.notices + 1] = message
  end
end

---@param method string
---@param params? table
function Peer:notify(method, params)
  self:send { jsonrpc = "2.0", method = method, params = params }
end

--- The handshake of a revision, 2025-11-25 if not given.
---@param revision? string
---@param capabilities? table
---@return table result
function Peer:initialize(revision, capabilities)
  local response = self:request("initialize", {
    protocolVersion = revision or "2025-11-25", capabilities = capabilities or {},
    clientInfo = { name = "spec", version = "1" },
  })
  if not response.result then error("initialize failed: " .. core.encode(response), 2) end
  self:notify "notifications/initialized"
  return response.result
end

--- The envelope of the stateless era.
---@param more? table  further members of _meta
---@return table
function helper.envelope(more)
  local meta = {
    [PREFIX .. "protocolVersion"] = "2026-07-28",
    [PREFIX .. "clientCapabilities"] = {},
  }
  for key, member in pairs(more or {}) do meta[key] = member end
  return meta
end

--- A request of the stateless era: the envelope is added.
---@param method string
---@param params? table
---@param more? table  further members of _meta
---@param id? any
---@return table response, string line
function Peer:modern(method, params, more, id)
  local with = {}
  for key, member in pairs(params or {}) do with[key] = member end
  with._meta = helper.envelope(more)
  return self:request(method, with, id)
end

--- tools/call in the era of this connection.
---@return table result_or_error  the result, or nil and the error
function Peer:call(name, arguments)
  local response = self.era == "modern"
    and self:modern("tools/call", { name = name, arguments = arguments or {} })
    or self:request("tools/call", { name = name, arguments = arguments or {} })
  return response.result, response.error
end

function Peer:close()
  if not open_peers[self] then return end
  open_peers[self] = nil
  self.wire:close()
  self.host:close()
  helper.settle()
end

--- A peer of whatever function gets the messages.
---@param receive function
---@return table peer
function helper.peer(receive)
  local host, wire = assert(core.memory_pair(receive))
  local peer = setmetatable({ host = host, wire = wire, rest = "", lines = {}, notices = {},
    last_id = 0 }, Peer)
  open_peers[peer] = true
  return peer
end

--- A peer of an app.
---@param app mcp.App
---@return table peer
function helper.connect(app)
  local peer = helper.peer(duplex.receiver(app))
  timeout.watch(app, peer.host)
  return peer
end

--- A peer that has gone through the handshake of a revision, or, for "2026-07-28", needs none.
---@param app mcp.App
---@param revision? string
---@return table peer
function helper.open(app, revision)
  local peer = helper.connect(app)
  if revision == "2026-07-28" then
    peer.era = "modern"
  else
    peer:initialize(revision)
  end
  return peer
end

--- After each test: closes what is open and makes sure that no task is left.
function helper.leftovers()
  local forgotten = 0
  for peer in pairs(open_peers) do
    forgotten = forgotten + 1
    peer:close()
  end
  helper.settle()
  local left = core.task_count()
  if left > 0 then error(left .. " tasks are left after the test", 2) end
  return forgotten
end

--- Sends the runtime's log lines (standard error, written by C) nowhere while `fn` runs, and
--- returns them. Needs no more than a file that is gone again.
---@param fn function
---@return string log
function helper.logged(fn)
  local log = {}
  local real, refusal, lines_of = core.log, core.log_refusal, core.log_lines
  core.log = function(level, text) log[#log + 1] = level .. ": " .. text end
  core.log_refusal = function(text) core.log("info", text) end
  core.log_lines = function(level, text)
    for line in text:gmatch "[^\n]+" do core.log(level, (line:gsub("\t", "  "))) end
  end
  local ok, err = pcall(fn)
  core.log, core.log_refusal, core.log_lines = real, refusal, lines_of
  if not ok then error(err, 0) end
  return table.concat(log, "\n")
end

--- Runs a program and gives what it wrote and its exit status.
---@param command string  for the shell
---@return string output, integer status
function helper.shell(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read "a"
  local _, _, status = pipe:close()
  return output, status
end

--- One word of a shell command.
function helper.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- The luamcp program under test.
function helper.program()
  return assert(os.getenv "MCP_BUILD", "MCP_BUILD is not set") .. "/luamcp"
end

--- Writes a file that is gone after `leftovers_of_files`.
---@param text string
---@param suffix? string
---@return string path
local made = {}
function helper.file(text, suffix)
  local path = os.tmpname()
  if suffix then
    os.remove(path)
    path = path .. suffix
  end
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  made[#made + 1] = path
  return path
end

function helper.remove_files()
  for _, path in ipairs(made) do os.remove(path) end
  made = {}
end

--- A copy without metatables, for `assert.same`.
function helper.plain(given)
  if type(given) ~= "table" then return given end
  local out = {}
  for key, member in pairs(given) do out[key] = helper.plain(member) end
  return out
end

helper.null = value.null
helper.PREFIX = PREFIX

--- Names of all revisions, oldest first.
helper.revisions = { "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28" }

return helper
