-- SPDX-License-Identifier: MIT
-- address: the address of a Redis server, read. It connects to nothing.
--
--   redis://[[user]:password@]host[:port][/db][?prefix=…]
--   rediss://…[&ca=FILE&cert=FILE&key=FILE&verify=no]           the same over TLS
--   redis+unix://[[user]:password@]/path/of/socket[?db=…&prefix=…]
--
-- %XX stands for a byte in the user, the password, the path and the values of the query.
local url = require "mcp.url"

local address = {}

---What keys and topics begin with.
address.PREFIX = "luamcp:"
---The longest prefix, in bytes: keys of the store have 1024 more.
address.PREFIX_LENGTH = 128

---@class mcp.store.redis.Address
---@field name string for messages: "redis 127.0.0.1:6379"
---@field host string?
---@field port integer?
---@field unix string? the path of a socket
---@field user string?
---@field password string?
---@field db integer
---@field prefix string
---@field tls table? options of mcp.tls.client

-- The port, unless the address names another.
local PORT = 6379
local QUERY = { prefix = true, db = true, ca = true, cert = true, key = true, verify = true }
local TLS = { "ca", "cert", "key" }

-- Raises (level 0) what is wrong with an address, without what may be a password.
local function fail(text, reason, ...)
  error(("store: %s: %s"):format((text:gsub("//[^/]*@", "//(hidden)@"):gsub("?.*", "")),
    reason:format(...)), 0)
end

local function decode(text, part)
  if part:find "%%%X" or part:find "%%%x%X" or part:find "%%%x?$" then
    fail(text, "a %% without two digits after it")
  end
  return (part:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function read_db(text, given)
  local db = given:find "^%d+$" and math.tointeger(tonumber(given))
  if not db or db > 1 << 30 then fail(text, "the database: expected a number, got %q", given) end
  return db
end

local function read_query(text, query)
  local out = {}
  for pair in (query or ""):gmatch "[^&]+" do
    local name, value = pair:match "^([^=]+)=(.*)$"
    if not name or not QUERY[name] then
      fail(text, "%s", require("mcp.nearest").unknown("parameter", name or pair,
        require("mcp.nearest").keys(QUERY)))
    end
    if out[name] then fail(text, "the parameter %q is given twice", name) end
    out[name] = decode(text, value)
  end
  return out
end

local function read_login(text, out, login)
  if not login then return end
  local user, password = login:match "^([^:]*):(.*)$"
  if not password then
    fail(text, "a user without a password: expected redis://user:password@… or redis://:password@…")
  end
  out.user = user ~= "" and decode(text, user) or nil
  out.password = decode(text, password)
  if out.password == "" then fail(text, "the password is empty") end
end

local function read_host(text, out, place)
  local parsed, reason = url.parse("http://" .. place .. "/")
  if place == "" then fail(text, "no host") end
  if not parsed then fail(text, "%s", reason:gsub("^.- address: ", "")) end
  out.host = parsed.host
  out.port = place:find ":%d+$" and not place:find "^%[[^%]]*$" and parsed.port or PORT
  out.name = ("redis %s:%d"):format(parsed.host:find(":", 1, true) and "[" .. parsed.host .. "]"
    or parsed.host, out.port)
end

local function read_tls(text, out, query, secure)
  for _, name in ipairs { "ca", "cert", "key", "verify" } do
    if query[name] and not secure then fail(text, "%q is for rediss://", name) end
  end
  if not secure then return end
  out.tls = {}
  for _, name in ipairs(TLS) do out.tls[name] = query[name] end
  if query.verify == "no" then
    out.tls.verify = false
  elseif query.verify and query.verify ~= "yes" then
    fail(text, 'verify: expected yes or no, got %q', query.verify)
  end
end

---Reads an address. Raises (level 0) what is wrong with it.
---@param text string
---@return mcp.store.redis.Address
function address.read(text)
  local scheme, rest = text:match "^([%w+]+)://(.*)$"
  if not scheme then fail(text, "expected redis://host:port or redis+unix:///path") end
  scheme = scheme:lower()
  if rest:find("#", 1, true) then fail(text, "a # in it; write %%23") end
  local before, query_text = rest:match "^([^?]*)%??(.*)$"
  local login, place = before:match "^(.*)@([^@]*)$"
  place = place or before
  local query = read_query(text, query_text)
  local out = { prefix = query.prefix or address.PREFIX, db = 0 }
  if #out.prefix > address.PREFIX_LENGTH or out.prefix == "" then
    fail(text, "prefix: expected 1 to %d bytes, got %d", address.PREFIX_LENGTH, #out.prefix)
  end
  read_login(text, out, login)
  if scheme == "redis+unix" then
    out.unix = decode(text, place)
    if out.unix:sub(1, 1) ~= "/" then fail(text, "the path of a socket begins with /") end
    if out.unix:find "%c" then fail(text, "a control character in the path of a socket") end
    out.name = "redis " .. out.unix
  else
    local host, db = place:match "^([^/]*)/?(.*)$"
    read_host(text, out, host)
    if db ~= "" then out.db = read_db(text, db) end
    if db ~= "" and query.db then fail(text, "two databases: /%s and db=%s", db, query.db) end
  end
  if query.db then out.db = read_db(text, query.db) end
  read_tls(text, out, query, scheme == "rediss")
  return out
end

return address
