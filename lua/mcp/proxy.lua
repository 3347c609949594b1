-- SPDX-License-Identifier: MIT
-- proxy.lua: which proxy a request goes through: the one that an option names, or the one of the
-- environment, as curl reads it. Knows nothing of connections.
--
--   http_proxy              for http and ws; HTTP_PROXY too, but not under CGI, where that variable
--                           holds a header field of the request
--   https_proxy HTTPS_PROXY for https and wss
--   all_proxy ALL_PROXY     for both, if the one above is not set
--   no_proxy NO_PROXY       hosts that are reached directly: "*", names with all names below them,
--                           addresses, CIDR blocks, each with a port if it is for that one only
--
-- The lower-case name counts if both are set; set to nothing, it means "no proxy".
local url = require "mcp.url"

local proxy = {}

---@class mcp.Proxy what the pool and the WebSocket client of the core take
---@field host string
---@field port integer
---@field authorization string? of credentials
---@field text string its URL without credentials, for messages
---@field explicit boolean an option named it, not the environment

local function base64(text)
  local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local out = {}
  for at = 1, #text, 3 do
    local a, b, c = text:byte(at, at + 2)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    for i = 0, 3 do
      local digit = n >> (18 - 6 * i) & 63
      local there = i < 2 or i == 2 and b or i == 3 and c
      out[#out + 1] = there and letters:sub(digit + 1, digit + 1) or "="
    end
  end
  return table.concat(out)
end

-- A URL without credentials, and these; or nil, text.
local function read(text)
  local address = text:find "^%a[%w+.-]*://" and text or "http://" .. text
  local scheme, authority, rest = address:match "^(%a[%w+.-]*)://([^/?#]*)(.*)$"
  if scheme:lower() ~= "http" then
    return nil, ("expected a proxy of http, such as http://host:3128, got %s"):format(scheme)
  end
  local credentials, host = authority:match "^(.*)@([^@]*)$"
  local parsed, reason = url.parse(("%s://%s%s"):format(scheme, host or authority, rest))
  if parsed and parsed.target ~= "/" then
    reason = ("%s: expected no path after the port"):format(parsed.origin)
  end
  if reason then return nil, reason end
  if not credentials then return parsed end
  credentials = credentials:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end)
  if not credentials:find(":", 1, true) then credentials = credentials .. ":" end
  if credentials:find "%c" then return nil, "a control character in the credentials" end
  return parsed, credentials
end

local function made(text, explicit)
  local parsed, credentials = read(text)
  if not parsed then return nil, credentials end
  return { host = parsed.host, port = parsed.port, text = parsed.origin, explicit = explicit,
    authorization = credentials and "Basic " .. base64(credentials) or nil }
end

-- Does a literal address lie in a block such as 10.0.0.0/8?
local function is_within(address, block, bits)
  local bytes, other = url.address_bytes(address), url.address_bytes(block)
  if not bytes or not other or #bytes ~= #other or bits > #bytes * 8 then return false end
  local whole, rest = bits // 8, bits % 8
  if bytes:sub(1, whole) ~= other:sub(1, whole) then return false end
  local a, b = bytes:byte(whole + 1), other:byte(whole + 1)
  return rest == 0 or (a ~ b) >> (8 - rest) == 0
end

local function matches(at, entry)
  if entry == "*" then return true end
  local block, bits = entry:match "^%[?([%x.:]+)%]?/(%d+)$"
  if block then return is_within(at.host, block, tonumber(bits)) end
  local host, port = entry:match "^%[(.*)%]:?(%d*)$"
  if not host then host, port = entry:match "^([^:]*):?(%d*)$" end
  -- An IPv6 address without brackets.
  if not host then host, port = entry, "" end
  if port ~= "" and tonumber(port) ~= at.port then return false end
  if url.is_address(at) then
    local bytes = url.address_bytes(host)
    return bytes ~= nil and bytes == url.address_bytes(at.host)
  end
  host = host:lower():gsub("^%*?%.", ""):gsub("%.$", "")
  local name = at.host:gsub("%.$", "")
  return host ~= "" and (name == host or name:sub(-#host - 1) == "." .. host)
end

local function is_exempt(at, list)
  for entry in list:gmatch "[^%s,]+" do
    if matches(at, entry) then return true end
  end
  return false
end

-- The first of these variables that is set; its name is the second result.
local function variable(get, ...)
  for _, name in ipairs { ... } do
    local text = get(name)
    if text then return text, name end
  end
end

-- What the environment says of an address; or nil, text.
local function of_environment(at, get)
  local text, name
  if at.secure then
    text, name = variable(get, "https_proxy", "HTTPS_PROXY")
  elseif get "REQUEST_METHOD" then
    text, name = variable(get, "http_proxy")
  else
    text, name = variable(get, "http_proxy", "HTTP_PROXY")
  end
  if not text then text, name = variable(get, "all_proxy", "ALL_PROXY") end
  if not text or text:find "^%s*$" then return nil end
  if is_exempt(at, (variable(get, "no_proxy", "NO_PROXY")) or "") then return nil end
  local found, reason = made(text:match "^%s*(.-)%s*$", false)
  if not found then return nil, ("%s: %s"):format(name, reason) end
  return found
end

---What is wrong with the option `proxy`; nil if nothing is.
---@param given any
---@return string|nil message such as `proxy: expected a URL or false, got true`
function proxy.error_in(given)
  if given == nil or given == false then return nil end
  if type(given) ~= "string" then
    return ("proxy: expected a URL or false, got %s"):format(tostring(given))
  end
  local found, reason = made(given, true)
  return not found and "proxy: " .. reason or nil
end

---The proxy for an address. This machine is reached directly unless an option names a proxy.
---@param at mcp.Url
---@param option string|false|nil a URL, which `error_in` has accepted; false: none; nil: what the
---environment says
---@param get? fun(name: string): string? reads a variable, `os.getenv` if not given
---@return mcp.Proxy|nil found
---@return string|nil message what is wrong with the variable
---@return string|nil code
function proxy.find(at, option, get)
  if option == false or at.unix then return nil end
  if option then return made(option, true) end
  if url.is_loopback(at) then return nil end
  local found, reason = of_environment(at, get or os.getenv)
  if reason then return nil, reason, "EINVAL" end
  return found
end

---What the core is given: requests of plain http go to the proxy, all others through it.
---@param found mcp.Proxy
---@param at mcp.Url
---@return table proxy
function proxy.fields(found, at)
  return { host = found.host, port = found.port, authorization = found.authorization,
    tunnel = at.scheme ~= "http" }
end

return proxy
