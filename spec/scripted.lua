-- SPDX-License-Identifier: MIT
-- scripted.lua: a server that does as it is told, at the other end of a client's connection: for
-- what no server of ours would ever do. It reads whole lines and sends bytes.
local core = require "mcp.core"
local duplex = require "mcp.client.transport.duplex"
local helper = require "spec.helper"
local value = require "mcp.value"

local scripted = {}

local PREFIX = helper.PREFIX

-- Transports and clients that a test has opened; closed when it is over, however that went.
local opened = {}

local Far = {}
Far.__index = Far

---Sends a message, or a text as it is, with the end of its line.
function Far:send(message)
  local text = type(message) == "table" and assert(core.encode(message)) or message
  return self.wire:send(text .. "\n")
end

function Far:result(id, result) return self:send { jsonrpc = "2.0", id = id, result = result } end

function Far:error(id, code, message, data)
  return self:send { jsonrpc = "2.0", id = id,
    error = { code = code, message = message or "no", data = data } }
end

function Far:request(id, method, params)
  return self:send { jsonrpc = "2.0", id = id, method = method, params = params }
end

function Far:notify(method, params)
  return self:send { jsonrpc = "2.0", method = method, params = params }
end

function Far:close() self.wire:close() end

---Messages of a method that have come.
function Far:all(method)
  local out = {}
  for _, message in ipairs(self.got) do
    if message.method == method then out[#out + 1] = message end
  end
  return out
end

-- Reads what comes and gives each message to the script, until the connection ends.
local function pump(far, script)
  local rest = ""
  while true do
    rest = rest .. far.wire:take()
    while true do
      local line, more = rest:match "^([^\n]*)\n(.*)$"
      if not line then break end
      rest = more
      far.raw[#far.raw + 1] = line
      local message = assert(core.decode(line))
      far.got[#far.got + 1] = message
      script(far, message)
    end
    if not far.wire:is_open() then
      far.ended = true
      return
    end
    if not core.sleep(0.001) then return end
  end
end

---A transport that ends at a script: script(far, message) for each message. What has come lies in
---`transport.far.got`; each opening begins a new `far`, in `transport.fars`.
---@param script fun(far: table, message: table)
---@param options table|nil of duplex.new
---@return table transport
function scripted.transport(script, options)
  local self
  self = duplex.new("scripted", function(receive)
    local host, wire = core.memory_pair(receive)
    local far = setmetatable({ wire = wire, got = {}, raw = {} }, Far)
    self.far = far
    self.fars[#self.fars + 1] = far
    core.spawn(pump, far, script)
    return host
  end, options)
  self.fars = {}
  -- Weakly: who drops one closes it.
  opened[#opened + 1] = setmetatable({ self }, { __mode = "v" })
  return self
end

---Closes what is not closed later: a client.
function scripted.keep(client)
  opened[#opened + 1] = { client }
  return client
end

---After each test: closes all that is open, and makes sure that no task is left.
function scripted.leftovers()
  local list = opened
  opened = {}
  for i = #list, 1, -1 do
    local one = list[i][1]
    if one then one:close() end
    for _, far in ipairs(one and one.fars or {}) do
      far.wire:pause(false)
      far.wire:close()
    end
  end
  helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
  helper.leftovers()
end

---What a server of the stateless era says of itself.
function scripted.discovery(more)
  local out = { resultType = "complete", supportedVersions = value.array { "2026-07-28" },
    capabilities = { tools = {} }, ttlMs = 0, cacheScope = "private",
    _meta = { [PREFIX .. "serverInfo"] = { name = "scripted", version = "1" } } }
  for key, member in pairs(more or {}) do out[key] = member end
  return out
end

---The answer to initialize.
function scripted.initialization(revision, more)
  local out = { protocolVersion = revision or "2025-11-25", capabilities = { tools = {} },
    serverInfo = { name = "scripted", version = "1" } }
  for key, member in pairs(more or {}) do out[key] = member end
  return out
end

---A script whose server speaks the stateless era: what is no discovery goes on to `script`.
function scripted.modern(script, more)
  return function(far, message)
    if message.method == "server/discover" then
      far:result(message.id, scripted.discovery(more))
    elseif script then
      script(far, message)
    end
  end
end

---A script whose server has sessions.
function scripted.legacy(script, revision, more)
  return function(far, message)
    if message.method == "initialize" then
      far:result(message.id, scripted.initialization(revision, more))
    elseif message.method == "server/discover" then
      far:error(message.id, -32601)
    elseif message.method ~= "notifications/initialized" and script then
      script(far, message)
    end
  end
end

---A client of a script, after its handshake.
---@param script fun(far: table, message: table)
---@param options table|nil
---@return mcp.Client client
---@return table far
function scripted.connect(script, options)
  local transport = scripted.transport(script)
  local client = scripted.keep(require("mcp").session(transport, options))
  local ok, text = client:initialize()
  if not ok then
    client:close()
    error(text, 2)
  end
  return client, transport.far
end

return scripted
