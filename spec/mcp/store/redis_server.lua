-- SPDX-License-Identifier: MIT
-- A Redis server of a spec's own: on a socket file and a port, in a folder of its own, without
-- files that outlive it.
local core = require "mcp.core"
local helper = require "spec.helper"
local process = require "mcp.process"
local process_facts = require "spec.process_facts"

local redis_server = {}

---Is there one to try with?
---@return boolean
function redis_server.is_there()
  return os.execute "command -v redis-server >/dev/null 2>&1" == true
    and (pcall(require, "mcp.hiredis"))
end

---For a spec that has nothing to do without one: is there none? Then it has a test that says so.
---@param env table the spec's _ENV
---@param what string what the spec is about
---@return boolean
function redis_server.is_missing(env, what)
  if redis_server.is_there() then return false end
  env.describe(what, function()
    env.it("is tried with a redis-server", function()
      env.pending "redis-server or mcp.hiredis is not installed: scripts/deps"
    end)
  end)
  return true
end

local Server = {}
Server.__index = Server

-- A free port; the server could lose it to another process in between, which would fail the spec.
local function free_port()
  local host = assert(core.listen_http({ host = "127.0.0.1", port = 0 }, function() end))
  local port = host:port()
  host:close()
  return port
end

-- What the server says to a command on its socket; nil if it does not answer.
function Server:ask(...)
  local hiredis = require "mcp.hiredis"
  local stream = core.connect_stream { unix = self.socket, timeout = 1 }
  if not stream then return nil end
  local reader = hiredis.reader()
  stream:send(self.login and hiredis.command("AUTH", self.login) .. hiredis.command(...)
    or hiredis.command(...))
  local skip, kind, value = self.login and 1 or 0
  while true do
    kind, value = reader:next()
    if kind and skip == 0 then break end
    if kind then
      skip = skip - 1
    else
      local bytes = stream:receive()
      if not bytes then return nil end
      reader:feed(bytes)
    end
  end
  stream:close()
  return value, kind
end

---Starts it, with the same socket and port as before. Waits until it answers.
function Server:start()
  local words = { "redis-server", "--port", self.tls and 0 or self.port, "--bind", "127.0.0.1",
    "--unixsocket", self.socket, "--save", "", "--appendonly", "no", "--dir", self.folder,
    "--daemonize", "no" }
  for _, word in ipairs(self.more) do words[#words + 1] = word end
  words.stdout, words.stderr = "discard", "discard"
  self.process = assert(process.start(words))
  local deadline = core.now() + 10
  while not self:ask "PING" do
    if core.now() > deadline then error("redis-server does not answer", 0) end
    core.sleep(0.01)
  end
end

---Ends it at once.
function Server:kill()
  self.process:kill "KILL"
  self.process:wait(5)
end

---Stops it, as a lost network would: it accepts connections and answers nothing.
function Server:freeze()
  self.process:kill "STOP"
  while process_facts.state(self.process.pid) ~= "T" do core.sleep(0.005) end
end

function Server:thaw() self.process:kill "CONT" end

---Ends it and removes its folder.
function Server:close()
  self:thaw()
  self:kill()
  os.execute("rm -rf '" .. self.folder .. "'")
end

---A server. One that is started in a task ends with that.
---@param more string[]|nil further words of its command line
---@param options table|nil login (a password), tls (boolean: the port is for TLS)
---@return table
function redis_server.start(more, options)
  options = options or {}
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir -m 700 '" .. folder .. "'"))
  local self = setmetatable({ folder = folder, socket = folder .. "/redis.sock",
    port = free_port(), more = {}, login = options.login, tls = options.tls }, Server)
  for i, word in ipairs(more or {}) do
    self.more[i] = tostring(word):gsub("PORT", tostring(self.port)):gsub("FOLDER", folder)
  end
  self:start()
  self.url = ("redis://127.0.0.1:%d"):format(self.port)
  self.unix_url = "redis+unix://" .. self.socket
  return self
end

-- --- the server of a test ---------------------------------------------------------------------

local server, open = nil, {}

---Starts the server of a test. Outside of tasks: it would end with its task.
---@return table
function redis_server.begin(more, options)
  server = redis_server.start(more, options)
  return server
end

---A store in it that is closed after the test.
---@param address string|nil its socket file if not given
---@param options table|nil of mcp.store.open
function redis_server.node(address, options)
  local made = require("mcp.store").open(address or server.unix_url, options or { timeout = 0.3 })
  open[#open + 1] = made
  return made
end

---Ends all of it.
function redis_server.tidy()
  for _, made in ipairs(open) do made:close() end
  open = {}
  helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
  if server then server:close() end
  server = nil
  helper.leftovers()
end

return redis_server
