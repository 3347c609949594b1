-- SPDX-License-Identifier: MIT
-- fetch.lua: one whole exchange over HTTP, for what is small and wanted at once: metadata, keys,
-- tokens. Knows nothing of messages. The caller decides which URLs are allowed
-- (`check`), for each hop of a redirect too; the addresses that a name may resolve to (`only`) are
-- checked where the socket is opened, so that the name cannot resolve differently in between.
local core = require "mcp.core"
local check_options = require("mcp.options").check
local url = require "mcp.url"

local fetch = {}

-- Servers that never answer, or trickle: for all of it, redirects included. In seconds.
fetch.TIMEOUT = 10
-- Answers without end. In bytes.
fetch.LIMIT = 1 << 20

local OPTIONS = { method = "string", headers = "table", body = "string", form = "table",
  json = "any", timeout = "number", limit = "number", only = "string", tls = "any",
  redirects = "number", pool = "internal userdata", check = "function" }

local REDIRECTS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }
-- What may go with a redirect to another origin: the rest may be secret (reliability: 1f).
local HARMLESS = { accept = true, ["accept-language"] = true, ["user-agent"] = true }

---@class mcp.FetchOptions
---@field method? string "GET", or "POST" where there is a body
---@field headers? table<string, string>|string[][] by name, or a list of { name, value }
---@field body? string
---@field form? table<string, any> a body of form fields
---@field json? any a body of JSON
---@field timeout? number for all of it, in seconds, 10 if not given
---@field limit? integer of the body of the answer, in bytes, 1 MiB if not given
---@field only? "public"|"loopback" addresses that may be connected to
---@field tls? userdata|table a context, or what `mcp.tls.client` takes
---@field redirects? integer how many are followed, none if not given
---@field check? fun(address: string): boolean?, string? asked about each address before it is
---@field pool? mcp.core.HttpPool connections that are kept; one of its own if not given

---@class mcp.Fetched
---@field status integer
---@field headers table<string, string> by lower-case name
---@field body string
---@field url string where the answer came from
local Fetched = { __name = "mcp.fetched" }
Fetched.__index = {}

---The body, decoded by the strict reader.
---@return any value
---@return string? message
---@return string? code
function Fetched.__index:json() return core.decode(self.body) end

-- Raises at the caller's line if an option is wrong.
local function check(options, level)
  check_options("fetch", options, OPTIONS, level)
  local bodies = 0
  for _, name in ipairs { "body", "form", "json" } do
    if options[name] ~= nil then bodies = bodies + 1 end
  end
  if bodies > 1 then error("fetch: only one of body, form and json", level) end
  for _, name in ipairs { "redirects", "limit" } do
    local value = options[name]
    if value and (math.type(value) ~= "integer" or value < 0) then
      error(("fetch: %s: an integer, 0 or more, expected, got %s"):format(name, value), level)
    end
  end
  if options.timeout and not (options.timeout > 0 and options.timeout < 1e9) then
    error(("fetch: timeout: seconds, more than 0, expected, got %s"):format(options.timeout), level)
  end
  if options.only and options.only ~= "public" and options.only ~= "loopback" then
    error(('fetch: only: "public" or "loopback" expected, got "%s"'):format(options.only), level)
  end
end

-- The fields as a list, with those that the body and we bring, unless they are given.
local function fields_of(options, kind, level)
  local list, given = {}, {}
  local function add(name, value)
    if type(name) ~= "string" or type(value) ~= "string" then
      error("fetch: headers: names and values are strings", level + 1)
    end
    given[name:lower()] = true
    list[#list + 1] = { name, value }
  end
  for key, value in pairs(options.headers or {}) do
    if math.type(key) == "integer" and type(value) == "table" then
      add(value[1], value[2])
    else
      add(key, value)
    end
  end
  if not given.accept then add("Accept", "application/json") end
  if kind and not given["content-type"] then add("Content-Type", kind) end
  return list
end

-- The body and its kind; or nil, nil and why there is none.
local function body_of(options, level)
  if options.form then
    return url.form(options.form), "application/x-www-form-urlencoded"
  elseif options.json ~= nil then
    local text, reason = core.encode(options.json)
    if not text then error("fetch: json: " .. reason, level) end
    return text, "application/json"
  end
  return options.body, nil
end

-- The TLS context for one hop; nil without TLS. Or false, text, code.
local function tls_of(state, at)
  if not at.secure then return nil end
  if not state.context then
    local given = state.options.tls
    if type(given) == "userdata" then
      state.context = given
    else
      local context, text, code = require("mcp.tls").client(given or {})
      if not context then return false, text, code end
      state.context = context
    end
  end
  return state.context
end

-- One request and its whole answer; or nil, text, code.
local function ask(state, pool, at)
  local options = state.options
  local left = state.deadline - core.now()
  if left <= 0 then return nil, at.authority .. ": timed out", "ETIMEDOUT" end
  if at.unix and options.only == "public" then
    return nil, at.origin .. ": a socket file is not a public address", "ENOTPUBLIC"
  end
  local context, text, code = tls_of(state, at)
  if context == false then return nil, text, code end
  local response
  response, text, code = pool:request {
    host = at.host, port = at.port, unix = at.unix, tls = context, method = state.method,
    target = at.target or "/", headers = state.fields, body = state.body, timeout = left,
    only = not at.unix and options.only or nil,
  }
  if not response then return nil, text, code end
  local body
  body, text, code = response:read(options.limit or fetch.LIMIT,
    math.max(state.deadline - core.now(), 0))
  if not body then
    response:close()
    return nil, ("%s: %s"):format(at.authority, text), code
  end
  local answer = setmetatable({ status = response.status, headers = response:headers(),
    body = body, url = at.text }, Fetched)
  response:close()
  return answer
end

-- Parses an address that may be fetched; or nil, text, code.
local function judge(state, text, from)
  local at, reason = url.parse(text)
  if not at then return nil, reason, "EINVAL" end
  if not at.unix and at.scheme ~= "http" and at.scheme ~= "https" then
    return nil, ("%s: http or https expected"):format(at.text), "EINVAL"
  end
  if from and from.unix ~= at.unix then
    return nil, ("%s redirects from or to a socket file"):format(from.origin), "EREDIRECT"
  end
  if from and from.secure and not at.secure then
    return nil, ("%s redirects to %s, which is not secure"):format(from.origin, at.origin),
      "EREDIRECT"
  end
  if state.options.check then
    local fine
    fine, reason = state.options.check(text)
    if not fine then return nil, reason or at.origin .. " is refused", "EREDIRECT" end
  end
  return at
end

-- Prepares the next hop; where it leads, or nil, text, code.
local function follow(state, at, answer)
  local location = answer.headers.location
  if not location then
    return nil, ("%s: status %d without Location"):format(at.authority, answer.status), "EREDIRECT"
  end
  if state.method ~= "GET" and state.method ~= "HEAD" then
    -- A body is not sent to another URL (RFC 9110 15.4.4: 303 continues with GET).
    if answer.status ~= 303 then
      return nil, ("%s redirects a %s, which is not sent on"):format(at.authority, state.method),
        "EREDIRECT"
    end
    state.method, state.body = "GET", nil
  end
  local text, reason = url.resolve(at, location)
  if not text then return nil, ("%s: Location: %s"):format(at.authority, reason), "EREDIRECT" end
  local to, code
  to, reason, code = judge(state, text, at)
  if not to then return nil, reason, code end
  local fields = {}
  for _, field in ipairs(state.fields) do
    local name = field[1]:lower()
    local mine = to.origin == at.origin and (state.body or name ~= "content-type")
    if mine or HARMLESS[name] then fields[#fields + 1] = field end
  end
  state.fields = fields
  return to
end

local function exchange(state, pool, address)
  local at, text, code = judge(state, address)
  if not at then return nil, text, code end
  for hop = 0, state.options.redirects or 0 do
    local answer
    answer, text, code = ask(state, pool, at)
    if not answer then return nil, text, code end
    if not REDIRECTS[answer.status] or not state.options.redirects
      or state.options.redirects == 0 then
      return answer
    end
    if hop == state.options.redirects then
      return nil, ("%s redirects once more: %d are followed"):format(at.authority, hop), "EREDIRECT"
    end
    at, text, code = follow(state, at, answer)
    if not at then return nil, text, code end
  end
end

local function run(address, options, method, level)
  if type(address) ~= "string" then
    error(("fetch: an address expected, got %s"):format(type(address)), level)
  end
  options = options or {}
  if type(options) ~= "table" then
    error(("fetch: options: table expected, got %s"):format(type(options)), level)
  end
  check(options, level + 1)
  local body, kind = body_of(options, level + 1)
  local state = {
    options = options, body = body, fields = fields_of(options, kind, level + 1),
    method = options.method or method or (body and "POST" or "GET"),
    deadline = core.now() + (options.timeout or fetch.TIMEOUT),
  }
  if options.pool then return exchange(state, options.pool, address) end
  local pool <close> = core.http_pool {}
  return exchange(state, pool, address)
end

---Sends a request and waits for the whole answer, whatever its status.
---@param address string http, https or unix
---@param options? mcp.FetchOptions
---@return mcp.Fetched? answer
---@return string? message
---@return string? code "ETIMEDOUT", "ETOOBIG", "ENOTPUBLIC", "EREDIRECT", "ECONNREFUSED", …
function fetch.request(address, options) return run(address, options, nil, 2) end

---The same with GET.
---@param address string
---@param options? mcp.FetchOptions
---@return mcp.Fetched? answer
---@return string? message
---@return string? code
function fetch.get(address, options) return run(address, options, "GET", 2) end

---The same with POST.
---@param address string
---@param options? mcp.FetchOptions
---@return mcp.Fetched? answer
---@return string? message
---@return string? code
function fetch.post(address, options) return run(address, options, "POST", 2) end

return fetch
