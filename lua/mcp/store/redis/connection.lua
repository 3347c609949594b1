-- SPDX-License-Identifier: MIT
-- connection: one connection to a Redis server, from the first attempt to its end: log-in, answers,
-- and what errors mean for it. It does not come back: link.lua makes the next one.
local core = require "mcp.core"

local connection = {}

local hiredis

-- Errors of a server that may be another one in a moment; another connection is tried.
connection.AWAY = { LOADING = "it is loading its data", MASTERDOWN = "its primary is away",
  READONLY = "it is a read-only replica" }
-- Errors of a server that cannot serve at the moment.
local BUSY = { BUSY = true, TRYAGAIN = true, CLUSTERDOWN = true, MISCONF = true,
  NOREPLICAS = true }
local REFUSED = { WRONGPASS = true, NOAUTH = true, NOPERM = true, DENIED = true }
-- Certificates that have to be corrected, here or there.
local CORRECTED = { ETLSEXPIRED = true, ETLSEARLY = true, ETLSHOST = true, ETLSISSUER = true,
  ETLSCERT = true, ETLSMISSING = true, ETLSVERSION = true }
local CLUSTER = { MOVED = true, ASK = true, CROSSSLOT = true }

---What an error of Redis means.
---@param message string as it came: "WRONGTYPE Operation against …"
---@return string text, string code
function connection.explain(message)
  local word = message:match "^%u+" or ""
  if connection.AWAY[word] then return connection.AWAY[word] .. ": " .. message, "EUNAVAILABLE" end
  if BUSY[word] or message:find "max number of clients" then return message, "EUNAVAILABLE" end
  if word == "NOAUTH" then
    return "the server wants a password: redis://:password@host or redis://user:password@host",
      "EAUTH"
  end
  if word == "WRONGPASS" or message:find "^ERR invalid password" then
    return "the user or the password is wrong: " .. message, "EAUTH"
  end
  if message:find "^ERR AUTH .*without any password" then
    return "the address has a password, and the server has none: " .. message, "EAUTH"
  end
  if REFUSED[word] then return message, "EAUTH" end
  if CLUSTER[word] then
    return "the server is part of a cluster and refers to another one, which is not supported; "
      .. "expected a single server, or a proxy of the cluster: " .. message, "ECLUSTER"
  end
  if word == "OOM" then return "the store is full: " .. message, "EBUDGET" end
  return message, "EREDIS"
end

-- --- bytes ------------------------------------------------------------------------------------

---@class mcp.store.redis.Connection
---@field digests table<string, string> of the scripts, by name
---@field heard number when something came last, by core.now
local Connection = {}
Connection.__index = Connection

---Sends bytes. Does not wait.
---@param bytes string
---@return true|nil sent, string|nil text, string|nil code "EBUSY": the server does not read
function Connection:send(bytes) return self.stream:send(bytes) end

---Calls `fn(kind, value)` with each answer that comes, until it returns something.
---@param fn fun(kind: "value"|"error", value: any): any
---@return any result what `fn` has returned; nil if the connection has ended
---@return string|nil reason, string|nil code
function Connection:read(fn)
  local reader, stream = self.reader, self.stream
  while true do
    while true do
      local kind, value = reader:next()
      if not kind then
        if value then return nil, "the answer is not that of a Redis server: " .. value end
        break
      end
      local done = fn(kind, value)
      if done then return done end
    end
    local bytes, text, code = stream:receive()
    if not bytes then
      return nil, self.reason or text or "the server closed the connection", code
    end
    self.heard = core.now()
    reader:feed(bytes)
  end
end

---Ends it: `read` returns nil and the reason.
---@param reason string|nil
function Connection:close(reason)
  self.reason = self.reason or reason
  self.stream:close()
end

-- --- log-in -----------------------------------------------------------------------------------

-- What is sent first: a name for what is sent, and its words.
local function greeting(place, scripts)
  local out = {}
  if place.password then
    out[#out + 1] = { "AUTH", "AUTH", place.user or place.password,
      place.user and place.password or nil }
  end
  out[#out + 1] = { "PING", "PING" }
  if place.db ~= 0 then out[#out + 1] = { "SELECT", "SELECT", place.db } end
  if not scripts then return out end
  out[#out + 1] = { "CLUSTER", "CLUSTER", "INFO" }
  for name, source in pairs(scripts) do
    out[#out + 1] = { "SCRIPT", "SCRIPT", "LOAD", source, name = name }
  end
  return out
end

-- What an answer to the greeting means: nil, or a text and a code.
local function refusal(self, step, kind, value)
  if step[1] == "CLUSTER" then
    local size = kind == "value" and tonumber(value:match "cluster_size:(%d+)")
    if size and size > 1 then
      return ("the server is part of a cluster of %d, which is not supported; expected a single "
        .. "server, or a proxy of the cluster"):format(size), "ECLUSTER"
    end
  elseif kind == "error" then
    local text, code = connection.explain(value)
    if step[1] == "SELECT" and code == "EREDIS" then
      text = ("database %d: %s"):format(self.place.db, text)
    end
    return text, code
  elseif step.name then
    self.digests[step.name] = value
  end
end

---Logs in.
---@param scripts table<string, string>|nil what the server is to know, by name
---@param timeout number seconds
---@return true|nil ready, string|nil text
---@return string|nil code nil if it may work the next time
function Connection:greet(scripts, timeout)
  local steps, at, bytes = greeting(self.place, scripts), 1, {}
  for i, step in ipairs(steps) do bytes[i] = hiredis.command(table.unpack(step, 2)) end
  local sent, text, code = self.stream:send(table.concat(bytes))
  if not sent then return nil, text, CORRECTED[code] and code or nil end
  local guard <close> = setmetatable({ waiter = core.waiter() }, { __close = function(guard)
    guard.waiter:wake()
  end })
  core.spawn(function()
    if not guard.waiter:wait(timeout) then self:close(("no answer within %g s"):format(timeout)) end
  end)
  local refused, done, lost
  done, text, lost = self:read(function(kind, value)
    refused, code = refusal(self, steps[at], kind, value)
    at = at + 1
    return refused and "refused" or at > #steps and "ready"
  end)
  if done == "ready" then return true end
  if done then return nil, refused, code end
  -- A server that expects TLS ends the connection at once; one that does not waits for more.
  if at == 1 and not text:find "^the answer" then
    if not self.place.tls and not self.reason then
      text = text .. " (does it expect TLS: rediss://?)"
    elseif self.place.tls and self.reason then
      text = text .. " (does it speak TLS? Else the address is redis://)"
    end
  end
  return nil, text, CORRECTED[lost] and lost or nil
end

---Connects; `greet` comes next.
---@param place mcp.store.redis.Address
---@param timeout number seconds
---@return mcp.store.redis.Connection|nil connection, string|nil text
---@return string|nil code nil if it may work the next time
function connection.open(place, timeout)
  local context, stream, text, code
  if place.tls then
    context, text, code = require("mcp.tls").client(place.tls)
    if not context then return nil, text, code end
  end
  stream, text, code = core.connect_stream { host = place.host, port = place.port,
    unix = place.unix, tls = context, timeout = timeout }
  if not stream then
    return nil, ("cannot be reached: %s (%s)"):format(text, code),
      CORRECTED[code] and code or nil
  end
  return setmetatable({ place = place, stream = stream, reader = hiredis.reader(), digests = {},
    heard = core.now() }, Connection)
end

---Loads mcp.hiredis.
---@return table|nil hiredis, string|nil text why it cannot be loaded
function connection.library()
  if not hiredis then
    local found, module = pcall(require, "mcp.hiredis")
    if not found then
      -- The paths that were searched go to the log only.
      core.log("error", "mcp.hiredis cannot be loaded: " .. tostring(module))
      return nil, "Redis needs the module mcp.hiredis, which is built where hiredis (Debian: "
        .. "libhiredis-dev) is installed"
    end
    hiredis = module
  end
  return hiredis
end

return connection
