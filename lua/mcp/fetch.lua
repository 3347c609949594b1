-- SPDX-License-Identifier: MIT
-- fetch.lua: one exchange over HTTP, redirects included: `mcp.fetch`, and what the runtime itself
-- gets metadata, keys and tokens with. Knows nothing of messages. The addresses that a name may
-- resolve to (`only`) are checked where the socket is opened, for each hop, so that the name cannot
-- resolve differently in between.
local core = require "mcp.core"
local check_options = require("mcp.options").check
local texts = require "mcp.text"
local url = require "mcp.url"

local fetch = {}

-- Servers that never answer, or trickle: for all of it, redirects included. In seconds.
fetch.TIMEOUT = 10
-- Answers without end. In bytes.
fetch.LIMIT = 1 << 20
-- Servers that redirect without end.
fetch.REDIRECTS = 5
-- How much of a URL an error shows, in bytes.
fetch.SHOWN = 200

local OPTIONS = { method = "string", headers = "table", body = "string", form = "table",
  file = "string", json = "any", timeout = "number", limit = "number", only = "string",
  tls = "table|userdata",
  redirects = "number", on_data = "function", stream = "boolean", proxy = "string|boolean",
  pool = "internal userdata", check = "internal function" }

local BODIES = { "body", "file", "form", "json" }

local FOLLOWED = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }
-- What may go with a redirect to another origin: the rest may be secret (reliability: 1f).
local HARMLESS = { accept = true, ["accept-language"] = true, ["user-agent"] = true }

---@class mcp.FetchOptions
---@field method? string "GET", or "POST" with a body
---@field headers? table<string, string>|string[][] by name, or a list of { name, value }
---@field body? string
---@field file? string path of a file whose content is the body; read piece by piece
---@field form? table<string, any> a body of form fields
---@field json? any a body of JSON
---@field timeout? number for the whole exchange with its redirects, in seconds (10)
---@field limit? integer most bytes of the response body, after decoding (1 MiB)
---@field redirects? integer most redirects to follow (5); 0 returns the redirect itself
---@field only? "public"|"loopback" addresses that may be connected to; checked for each redirect
---@field tls? userdata|table a context, or the options of `mcp.tls.client`
---@field proxy? string|false URL of a proxy (http), which may contain credentials; false: none. By
---default the environment says which: http_proxy, https_proxy, all_proxy, no_proxy
---@field on_data? fun(chunk: string) receives the body of the response; may wait
---@field stream? boolean returns once the head has arrived; read the body with `response:chunks()`
---@field check? fun(address: string): boolean?, string? called with each address before the request
---@field pool? mcp.core.HttpPool connections to keep; by default they are closed

---------------------------------------------------------------------------------------------
-- Responses

-- The key of what a response reads from, while it is streamed.
local SOURCE = {}

-- Fields by lower-case name; looked up in any case.
local FIELDS = { __index = function(fields, name)
  return type(name) == "string" and rawget(fields, name:lower()) or nil
end }

---@class mcp.FetchResponse
---@field status integer
---@field headers table<string, string> looked up in any case; `pairs` gives lower-case names;
---repeated fields are joined with ", "
---@field url string where the response came from, after redirects
---@field body string? nil with `stream` or `on_data`
local Response = { __name = "mcp.fetch_response" }
Response.__index = {}

function Response.__tostring(self)
  return ("mcp.fetch_response (%d from %s)"):format(self.status, self.url)
end

-- What a body over the limit fails with: the option is named, because the caller can raise it.
local function too_big(limit)
  return ("larger than its limit (response body: limit = %d bytes)"):format(limit)
end

-- Where a response reads from; nil if it is not streamed. Raises at a method called with a dot.
local function source_of(self, method)
  if type(self) ~= "table" or getmetatable(self) ~= Response then
    error(("response:%s is called with a colon, not with a dot"):format(method), 3)
  end
  return self[SOURCE]
end

-- The next piece of a body; nil at its end; or nil, text, code, then and later.
local function next_chunk(source)
  if source.done then return nil, source.text, source.code end
  local chunk, text, code = source.response:chunk(math.max(source.deadline - core.now(), 0))
  if chunk then
    source.left = source.left - #chunk
    if source.left >= 0 then return chunk end
    text, code = too_big(source.limit), "ETOOBIG"
  end
  source.done = true
  source:close()
  if code then source.text, source.code = ("%s: %s"):format(source.shown, text), code end
  return nil, source.text, source.code
end

---The next piece of a streamed body, as it arrives.
---@return string? chunk nil at the end of the body
---@return string? message
---@return string? code "ETOOBIG", "ETIMEDOUT", "EGONE", …: the body is not complete
function Response.__index:chunk()
  local source = source_of(self, "chunk")
  if not source then error("response:chunk: expected a response of stream = true", 2) end
  return next_chunk(source)
end

---Iterates over a streamed body. Raises if the body cannot be read to its end, so that half a body
---never looks like a whole one; leaving the loop closes the connection.
---@return fun(): string?
---@return any
---@return any
---@return any
function Response.__index:chunks()
  local source = source_of(self, "chunks")
  if not source then error("response:chunks: expected a response of stream = true", 2) end
  local function iterate()
    local chunk, text, code = next_chunk(source)
    if not chunk and code then error(text, 2) end
    return chunk
  end
  return iterate, nil, nil, self
end

---The whole body, the rest of it if it is streamed.
---@return string? text
---@return string? message
---@return string? code
function Response.__index:text()
  local source = source_of(self, "text")
  if self.body or not source then return self.body or "" end
  local parts = {}
  while true do
    local chunk, text, code = next_chunk(source)
    if not chunk then
      if code then return nil, text, code end
      self.body = table.concat(parts)
      return self.body
    end
    parts[#parts + 1] = chunk
  end
end

---The whole body, decoded as JSON.
---@return any value
---@return string? message
---@return string? code "EJSON" and its like, or as `text`
function Response.__index:json()
  source_of(self, "json")
  local text, message, code = self:text()
  if not text then return nil, message, code end
  return core.decode(text)
end

---Closes the connection of a streamed response; what has not been read is lost.
function Response.__index:close()
  local source = source_of(self, "close")
  if not source or source.done then return end
  source.done, source.text, source.code = true, source.shown .. ": closed", "ECLOSED"
  source:close()
end

Response.__close = Response.__index.close

local Source = {}
Source.__index = Source

function Source:close()
  self.response:close()
  if self.pool then self.pool:close() end
end

---------------------------------------------------------------------------------------------
-- Options

-- Raises at the caller's line if an option is wrong.
local function check(options, level)
  local function wrong(text, ...) error("mcp.fetch: " .. text:format(...), level + 1) end
  check_options("mcp.fetch", options, OPTIONS, level)
  local bodies = {}
  for _, name in ipairs(BODIES) do
    if options[name] ~= nil then bodies[#bodies + 1] = name end
  end
  if #bodies > 1 then
    wrong("expected only one of %s, got %s", table.concat(BODIES, ", "),
      table.concat(bodies, " and "))
  end
  for _, name in ipairs { "redirects", "limit" } do
    local value = options[name]
    if value and (math.type(value) ~= "integer" or value < 0) then
      wrong("%s: expected an integer, 0 or more, got %s", name, value)
    end
  end
  if options.timeout and not (options.timeout > 0 and options.timeout < 1e9) then
    wrong("timeout: expected seconds, more than 0, got %s", options.timeout)
  end
  if options.only and options.only ~= "public" and options.only ~= "loopback" then
    wrong('only: expected "public" or "loopback", got "%s"', options.only)
  end
  if options.on_data and options.stream then wrong "expected only one of on_data and stream" end
  local proxied = options.proxy ~= nil and require("mcp.proxy").error_in(options.proxy)
  if proxied then wrong("%s", proxied) end
  if options.proxy and options.only == "loopback" then
    wrong 'proxy: cannot be combined with only = "loopback"'
  end
  if options.tls then
    local ok, reason = pcall(require("mcp.tls").client, options.tls)
    if not ok then wrong("%s", (tostring(reason):gsub("^[^:]+:%d+: ", ""))) end
  end
end

-- The fields as a list, with those that the body and we bring, unless they are given.
local function fields_of(options, kind, level)
  local list, given = {}, {}
  local function add(name, value)
    if type(name) ~= "string" or type(value) ~= "string" then
      error(("mcp.fetch: headers: expected strings as names and values, got %s = %s"):format(
        type(name), type(value)), level + 1)
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
  if not given.accept then add("Accept", "*/*") end
  -- Of the request that a handler works for. Not its baggage, which may hold what is for the
  -- caller's own services.
  local trace = core.trace()
  if trace and not given.traceparent then
    add("traceparent", trace.traceparent)
    if trace.tracestate then add("tracestate", trace.tracestate) end
  end
  if kind and not given["content-type"] then add("Content-Type", kind) end
  return list
end

-- The body and its media type, or nil.
local function body_of(options, level)
  if options.form then
    return url.form(options.form), "application/x-www-form-urlencoded"
  elseif options.json ~= nil then
    local text, reason = core.encode(options.json)
    if not text then error("mcp.fetch: json: " .. reason, level) end
    return text, "application/json"
  elseif options.file then
    return nil, "application/octet-stream"
  end
  return options.body, nil
end

---------------------------------------------------------------------------------------------
-- Hops

-- A URL as errors show it: without its query, which may hold a key.
local function shown_of(at)
  if at.unix then return texts.cut(at.origin, fetch.SHOWN) end
  return texts.cut(at.origin .. at.path, fetch.SHOWN)
end

-- The context with the system's certificates, once it was needed: loading them holds the loop for
-- tens of milliseconds, too long to do it again for each request.
local trusted

-- The TLS context for one hop; nil without TLS. Or false, text, code.
local function tls_of(state, at)
  if not at.secure then return nil end
  if not state.context then
    local given = state.options.tls
    local context, text, code = given == nil and trusted or nil, nil, nil
    if not context then context, text, code = require("mcp.tls").client(given or {}) end
    if not context then return false, text, code end
    if given == nil then trusted = context end
    state.context = context
  end
  return state.context
end

-- The proxy for one hop, or nil; or false, text, code. A proxy resolves names itself, so nothing
-- here can tell which address it connects to.
local function proxy_of(state, at)
  local options = state.options
  local via, text, code = require("mcp.proxy").find(at, options.proxy)
  if code then return false, text, code end
  if not via or options.only ~= "public" then return via end
  if not via.explicit then
    return false, ('only = "public" cannot be checked through %s, the proxy of the environment: '
      .. "set the option proxy to its URL to leave the check to it, or to false"):format(via.text),
      "ENOTPUBLIC"
  end
  if url.is_loopback(at) or url.is_address(at) and not core.is_public_address(at.host) then
    return false, "the address is not public", "ENOTPUBLIC"
  end
  return via
end

-- nil, text, code of a request that was not answered: the URL, and what failed.
local function unanswered(at, via, text, code)
  -- The pool names host and port, which the URL does as well.
  local place = at.unix or (at.host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(at.host,
    at.port)
  if text:sub(1, #place + 2) == place .. ": " then text = text:sub(#place + 3) end
  if code:find "^EAI_" then
    text = "cannot resolve the name: " .. text:gsub(" %(cannot connect[^()]*%)$", "")
  end
  if via then text = ("%s, through the proxy %s"):format(text, via.text) end
  return nil, ("%s: %s"):format(shown_of(at), text), code
end

-- The body, in the way that the options ask for; or nil, text, code.
local function receive(state, answer, source)
  local options = state.options
  if options.stream then
    answer[SOURCE] = source
    source.response:own()
    return answer
  end
  if not options.on_data then
    local text, code
    answer.body, text, code = source.response:read(source.limit,
      math.max(state.deadline - core.now(), 0))
    if answer.body then return answer end
    if code == "ETOOBIG" then text = too_big(source.limit) end
    return nil, ("%s: %s"):format(source.shown, text), code
  end
  while true do
    local chunk, text, code = next_chunk(source)
    if not chunk then
      if code then return nil, text, code end
      return answer
    end
    options.on_data(chunk)
  end
end

-- One request, and the head of its response; or nil, text, code.
local function ask(state, at)
  local options = state.options
  local left = state.deadline - core.now()
  if left <= 0 then return nil, shown_of(at) .. ": timed out", "ETIMEDOUT" end
  if at.unix and options.only == "public" then
    return nil, shown_of(at) .. ": a socket file is not a public address", "ENOTPUBLIC"
  end
  local context, text, code = tls_of(state, at)
  if context == false then return nil, ("%s: %s"):format(shown_of(at), text), code end
  local via
  via, text, code = proxy_of(state, at)
  if via == false then return nil, ("%s: %s"):format(shown_of(at), text), code end
  local response
  response, text, code = state.pool:request {
    host = at.host, port = at.port, unix = at.unix, tls = context, method = state.method,
    target = at.target or "/", headers = state.fields, body = state.body, file = state.file,
    timeout = left,
    only = not at.unix and not via and options.only or nil,
    proxy = via and require("mcp.proxy").fields(via, at) or nil,
  }
  if not response then return unanswered(at, via, text, code) end
  return response
end

-- Parses an address that may be fetched; or nil, text, code.
local function judge(state, text, from)
  local at, reason = url.parse(text)
  -- A WebSocket is an address, but nothing to fetch.
  if not at then return nil, (reason:gsub(", ws, wss or unix", " or unix")), "EINVAL" end
  if not at.unix and at.scheme ~= "http" and at.scheme ~= "https" then
    return nil, ("%s: expected http, https or unix, got %s"):format(shown_of(at), at.scheme),
      "EINVAL"
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

-- The method and the body of the next hop (RFC 9110 15.4), or nil, text, code.
local function rewrite(state, from, to, status)
  local method = state.method
  if status == 303 and method ~= "HEAD"
    or (status == 301 or status == 302) and method == "POST" then
    state.method, state.body, state.file = "GET", nil, nil
  elseif (state.body or state.file) and to.origin ~= from.origin then
    -- A body may hold secrets as well as a header field may.
    return nil, ("%s redirects a %s to %s: a body is not sent to another origin"):format(
      shown_of(from), method, to.origin), "EREDIRECT"
  end
  return true
end

-- Prepares the next hop; where it leads, or nil, text, code.
local function follow(state, at, response)
  local status, location = response.status, response:header "location"
  if not location then
    return nil, ("%s: status %d without Location"):format(shown_of(at), status), "EREDIRECT"
  end
  local text, reason = url.resolve(at, location)
  if not text then return nil, ("%s: Location: %s"):format(shown_of(at), reason), "EREDIRECT" end
  local to, ok, code
  to, reason, code = judge(state, text, at)
  if not to then return nil, reason, code end
  ok, reason, code = rewrite(state, at, to, status)
  if not ok then return nil, reason, code end
  local fields = {}
  for _, field in ipairs(state.fields) do
    local name = field[1]:lower()
    local mine = to.origin == at.origin and (state.body or state.file or name ~= "content-type")
    if mine or HARMLESS[name] then fields[#fields + 1] = field end
  end
  state.fields = fields
  return to
end

local function too_many(state, at, to)
  local loop = state.seen[to.text] and "which was visited before" or "which is one more"
  return nil, ("%s redirects to %s, %s: expected at most %d redirects"):format(shown_of(at),
    shown_of(to), loop, state.redirects), "EREDIRECT"
end

local function exchange(state, address)
  local at, text, code = judge(state, address)
  if not at then return nil, text, code end
  local hop = 0
  while true do
    local response
    state.seen[at.text] = true
    response, text, code = ask(state, at)
    if not response then return nil, text, code end
    if not FOLLOWED[response.status] or state.redirects == 0 then
      local source = setmetatable({ response = response, shown = shown_of(at), done = false,
        limit = state.limit, left = state.limit, deadline = state.deadline }, Source)
      local answer = setmetatable({ status = response.status, url = at.text,
        headers = setmetatable(response:headers(), FIELDS) }, Response)
      return receive(state, answer, source)
    end
    local from = at
    at, text, code = follow(state, at, response)
    response:close()
    if not at then return nil, text, code end
    hop = hop + 1
    if hop > state.redirects then return too_many(state, from, at) end
  end
end

-- The pool of one exchange. A streamed response takes it along.
local Kept = { __close = function(kept) if kept.pool then kept.pool:close() end end }

local function run(address, options, method, level)
  if type(address) ~= "string" then
    error(("mcp.fetch: expected an address, got %s"):format(type(address)), level)
  end
  options = options or {}
  check(options, level + 1)
  local body, kind = body_of(options, level + 1)
  local state = {
    options = options, body = body, file = options.file,
    fields = fields_of(options, kind, level + 1),
    method = options.method or method or ((body or options.file) and "POST" or "GET"), seen = {},
    limit = options.limit or fetch.LIMIT, redirects = options.redirects or fetch.REDIRECTS,
    deadline = core.now() + (options.timeout or fetch.TIMEOUT),
  }
  local own <close> = setmetatable({ pool = not options.pool and core.http_pool {} }, Kept)
  state.pool = options.pool or own.pool
  local answer, text, code = exchange(state, address)
  if not answer then return nil, text, code end
  if answer[SOURCE] then answer[SOURCE].pool, own.pool = own.pool, nil end
  return answer
end

---Sends a request and waits for the response, whatever its status.
---@param address string http, https or unix
---@param options? mcp.FetchOptions
---@return mcp.FetchResponse? response
---@return string? message the URL without its query, and what failed
---@return string? code "ETIMEDOUT", "ETOOBIG", "ENOTPUBLIC", "EREDIRECT", "ECONNREFUSED", …
function fetch.request(address, options) return run(address, options, nil, 2) end

---The same with GET.
---@param address string
---@param options? mcp.FetchOptions
---@return mcp.FetchResponse? response
---@return string? message
---@return string? code
function fetch.get(address, options) return run(address, options, "GET", 2) end

---The same with POST.
---@param address string
---@param options? mcp.FetchOptions
---@return mcp.FetchResponse? response
---@return string? message
---@return string? code
function fetch.post(address, options) return run(address, options, "POST", 2) end

return fetch
