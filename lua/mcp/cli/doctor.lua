-- SPDX-License-Identifier: MIT
-- doctor: `luamcp doctor TARGET`: connects step by step, and says which step fails and what to
-- change. Each step is a function of the findings so far; the first failure ends the examination,
-- because what follows would fail for the same reason.
local exit = require "mcp.cli.exit"
local foreign = require "mcp.foreign"
local protocol = require "mcp.protocol"
local show = require "mcp.cli.show"
local target = require "mcp.cli.target"
local terminal = require "mcp.cli.terminal"

local doctor = { example = { "luamcp doctor https://mcp.example/mcp",
  "luamcp doctor -- npx -y some-server" } }

---Seconds for each step over the network.
doctor.TIME = 10

function doctor.define(parser, command)
  target.define(parser, command)
end

-- A step returns true and what it found; or nil, what is wrong, and what to do about it.

local function parse(state)
  local url = require "mcp.url"
  local parsed, text = url.parse((state.address:gsub("^ws", "http")))
  if not parsed then return nil, text, "write an address such as https://host/mcp" end
  state.parsed = parsed
  state.http = state.address:gsub("^ws", "http")
  return true, state.address
end

-- The handshake that every server with sessions knows; others refuse it, which is an answer, too.
local BODY = { jsonrpc = "2.0", id = 1, method = "initialize", params = {
  protocolVersion = protocol.negotiate("").name, capabilities = {},
  clientInfo = { name = "luamcp doctor", version = "1" } } }

local CONNECTING = {
  ECONNREFUSED = "no program listens there: is the server running, and is the port right?",
  EHOSTUNREACH = "the host cannot be reached: check the address, the network and firewalls",
  ENETUNREACH = "the network cannot be reached",
  ETIMEDOUT = "no answer: check the address and firewalls",
  EHTTP = "this is not a server of HTTP/1.1: check the port, and http or https",
  EGONE = "the server closed the connection: perhaps it expects TLS; try https://",
  EPROXY = "check http_proxy, https_proxy and no_proxy in the environment",
}

local function advice_for(code)
  code = tostring(code)
  if code:find "^EAI" then return "the name does not exist: check its spelling" end
  if code:find "^ETLS" then
    return "check the certificate, or the port if it is not one of https"
  end
  return CONNECTING[code] or "see the text"
end

local function connect_http(state)
  local core = require "mcp.core"
  local response, text, code = require("mcp.fetch").request(state.http, {
    method = "POST", timeout = doctor.TIME, redirects = 0, json = core.raw(BODY),
    headers = state.headers,
  })
  if not response then
    -- A long answer, or a stream that stays open, still is an answer.
    if code == "ETOOBIG" then return true, "it answers" end
    return nil, text, advice_for(code)
  end
  state.response = response
  return true, ("it answers, status %d"):format(response.status)
end

local ADVICE = {
  [421] = "the server does not accept this Host: add it to the server's allowed hosts "
    .. "(luamcp: security.allowed_hosts)",
  [404] = "the path is wrong: usually it is /mcp",
  [405] = "the path does not accept POST: usually the path is /mcp",
  [403] = "the server forbids it: check its allowed origins and the rights of the token",
}

local function judge_status(state)
  local response = state.response
  if not response then return true, "no status was read" end
  local status = response.status
  if status == 401 then return true, "401: authorization is required" end
  if status >= 300 and status < 400 then
    return nil, ("%d to %s"):format(status, response.headers["location"] or "nowhere"),
      "use the address that it redirects to"
  end
  if ADVICE[status] then
    local said = (response.body or ""):sub(1, 200):gsub("%s+$", "")
    return nil, ("status %d%s"):format(status, said ~= "" and ": " .. said or ""), ADVICE[status]
  end
  if status >= 500 then
    return nil, ("status %d"):format(status), "the server, or a proxy before it, has failed: see "
      .. "its log"
  end
  return true, ("status %d"):format(status)
end

-- The documents from which a client learns how to log in (RFC 9728, RFC 8414).
local function authorization(state)
  local response = state.response
  if not response or response.status ~= 401 then
    return true, state.token and "the token is accepted" or "none required"
  end
  if state.token then
    return nil, "401: the token is refused", "check the token, or leave --auth out to log in"
  end
  local challenge = response.headers["www-authenticate"]
  if not challenge then
    return nil, "401 without WWW-Authenticate", "the server must say how to authenticate (RFC 9728)"
  end
  local fetch = require("mcp.fetch").request
  local address = challenge:match 'resource_metadata="([^"]+)"'
    or state.parsed.origin .. "/.well-known/oauth-protected-resource"
  local document, text, code = fetch(address, { timeout = doctor.TIME })
  if not document then return nil, ("%s: %s"):format(address, text), advice_for(code) end
  local metadata = document.status == 200 and document:json()
  if type(metadata) ~= "table" then
    return nil, ("%s: status %d"):format(address, document.status),
      "the server must publish its protected resource metadata there"
  end
  local issuers = metadata.authorization_servers
  local issuer = foreign.strings(issuers)[1]
  if not issuer then
    return nil, address .. ": no authorization_servers", "the document must name one"
  end
  for _, path in ipairs { "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration" } do
    local origin, rest = issuer:match "^(%a+://[^/]+)(.*)$"
    local found = origin and fetch(origin .. path .. rest:gsub("/$", ""), { timeout = doctor.TIME })
    if found and found.status == 200 and type(found:json()) == "table" then
      return true, "by " .. issuer
    end
  end
  return nil, ("the metadata of %s cannot be read"):format(issuer),
    "the authorization server must publish it (RFC 8414)"
end

local function handshake(state)
  local client, text, code = target.try(state.options, { timeout = doctor.TIME })
  if not client then
    if code == "EUSAGE" then return nil, text, "luamcp doctor --help shows the usage" end
    if exit.status_of(code) == exit.NEEDS_AUTH then
      return nil, text, "log in: run the command with --auth oauth on a terminal, or --auth TOKEN"
    end
    return nil, text, state.address and "is this an MCP server?"
      or "start the command by hand: what does it print?"
  end
  state.client = client
  local server = client.server or {}
  return true, ("%s %s, revision %s"):format(foreign.first(server.name, "(unnamed)"),
    foreign.string(server.version) or "", client.revision)
end

local function lists(state)
  local offers = require "mcp.cli.offers"
  local found, text = offers.read(state.client)
  if not found then return nil, text, "the server fails to list what it offers: see its log" end
  local words = {}
  for _, each in ipairs(offers.LISTS) do
    if found[each.key] then
      local count, noun = #found[each.key], each.heading:lower()
      words[#words + 1] = ("%d %s"):format(count, count == 1 and noun:gsub("s$", "") or noun)
    end
  end
  return true, #words > 0 and table.concat(words, ", ") or "nothing is offered"
end

local function program(state)
  local options = state.options
  if not options.command and not (options.target or ""):find "%.lua$" then
    return true, options.target
  end
  local path = options.command and options.command[1] or options.target
  if not path then return nil, "no command after --", "write it: luamcp doctor -- PROGRAM ARG…" end
  if path:find "/" or path:find "%.lua$" then
    local file, text = io.open(path, "rb")
    if not file then return nil, text, "check the path" end
    file:close()
  end
  return true, path
end

local OVER_HTTP = { { "address", parse }, { "connection", connect_http },
  { "status", judge_status }, { "authorization", authorization }, { "handshake", handshake },
  { "lists", lists } }
local OVER_PIPE = { { "program", program }, { "handshake", handshake }, { "lists", lists } }

local function print_step(name, ok, text)
  io.stdout:write(("%s  %-14s %s\n"):format(ok and terminal.paint(1, "green", "ok  ")
    or terminal.paint(1, "red", "FAIL"), name, terminal.line(text or "")))
end

function doctor.run(options)
  local address = target.url(options)
  local over_http = address and address:find "^http" or address and address:find "^ws"
  local state = { options = options, address = address, headers = target.headers(options) }
  if over_http and options.auth and options.auth ~= "oauth" and options.auth ~= "none" then
    state.token = options.auth
    state.headers = state.headers or {}
    state.headers.Authorization = "Bearer " .. options.auth
  end
  local report, failed = {}, nil
  for _, step in ipairs(over_http and OVER_HTTP or OVER_PIPE) do
    local ok, text, advice = step[2](state)
    report[#report + 1] = { step = step[1], ok = ok == true, text = text, advice = advice }
    if not options.json then print_step(step[1], ok, text) end
    if not ok then
      failed = report[#report]
      if not options.json then io.stdout:write("      ", terminal.clean(advice), "\n") end
      break
    end
  end
  if state.client then state.client:close() end
  if options.json then show.json { steps = report } end
  return failed and exit.UNREACHABLE or exit.OK
end

return doctor
