-- SPDX-License-Identifier: MIT
-- clients: servers to measure, and the requests of their clients: sessions, streams and
-- subscriptions of both eras, over the connections of crowd.c.
local crowd = require "crowd"
local drive = require "drive"
local machine = require "bench.machine"
local messages = require "bench.messages"

local clients = {}

local META, INITIALIZE, INITIALIZED = messages.META, messages.INITIALIZE, messages.INITIALIZED
local TEXT = ('"%s"'):format(messages.TEXT)

---Open connections while requests are sent.
clients.WINDOW = 16

local function request(verb, body, ...)
  local head = { verb .. " /mcp HTTP/1.1", "Host: 127.0.0.1", ... }
  head[#head + 1] = "Accept: application/json, text/event-stream"
  if body then
    head[#head + 1] = "Content-Type: application/json"
    -- The mark of the id is replaced by seven digits.
    local _, marks = body:gsub("__ID__", "")
    head[#head + 1] = "Content-Length: " .. #body + marks
  end
  return table.concat(head, "\r\n") .. "\r\n\r\n" .. (body or "")
end

local function of_session(id)
  return "MCP-Protocol-Version: 2025-11-25", "Mcp-Session-Id: " .. id
end

local function body_of(method, params, modern)
  return ([[{"jsonrpc":"2.0","id":__ID__,"method":"%s","params":{%s%s}}]]):format(method, params,
    modern and [[,"_meta":]] .. META or "")
end

-- A request of either era: `session` is an id, or false for none.
local function ask(session, method, params, name)
  local body = body_of(method, params, not session)
  if session then return request("POST", body, of_session(session)) end
  return request("POST", body, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: " .. method,
    name and "Mcp-Name: " .. name)
end

---The text of a tools/call.
---@param session string|false the id of a session, false for a request without one
---@param tool string|nil "echo" unless given
---@param argument string|nil JSON of its argument
---@param key string|nil the argument's name, "text" unless given
---@return string
function clients.call(session, tool, argument, key)
  tool = tool or "echo"
  return ask(session, "tools/call", ([["name":"%s","arguments":{"%s":%s}]]):format(tool,
    key or "text", argument or TEXT), tool)
end

---The text of a resources/read, without a session.
---@param uri string
---@return string
function clients.read(uri)
  return ask(false, "resources/read", ([["uri":"%s"]]):format(uri), uri)
end

local function check(answers, what)
  for _, raw in ipairs(answers) do
    if not raw:find "^HTTP/1.1 2%d%d" or raw:find('"error":', 1, true)
      or raw:find('"isError":true', 1, true) then
      error(("%s was answered with: %s"):format(what, raw:sub(1, 400)), 0)
    end
  end
  return answers
end

---Starts a server that listens.
---@param options table|nil core (to run on), env, words (more of the command line), command
---@return table { child, port }
function clients.start(options)
  options = options or {}
  local port = drive.free_port()
  local words = { os.getenv "PROGRAM" or "build/luamcp", "run", "bench/growth/server.lua",
    "--http", tostring(port), "--memory-limit", "4G" }
  table.move(options.words or {}, 1, #(options.words or {}), #words + 1, words)
  local child = drive.spawn(words, { core = options.core, env = options.env,
    log = clients.log })
  return machine.await({ child = child, port = port }, words, clients.log, 20)
end

---Opens sessions; returns their ids.
---@param group userdata the connections to use
---@param count integer
---@return string[]
function clients.sessions(group, count)
  local first, ids, second = request("POST", INITIALIZE), {}, {}
  local texts = {}
  for i = 1, count do texts[i] = first end
  for i, raw in ipairs(check(group:ask(texts, clients.WINDOW), "initialize")) do
    local id = raw:match "[Mm][Cc][Pp]%-[Ss]ession%-[Ii][Dd]: *([^\r\n]+)"
    ids[i] = id or error("initialize was answered without a session: " .. raw, 0)
    second[i] = request("POST", INITIALIZED, of_session(id))
  end
  check(group:ask(second, clients.WINDOW), "notifications/initialized")
  return ids
end

---Opens a stream for each session, on a connection of its own.
---@param group userdata as many idle connections
---@param ids string[]
function clients.streams(group, ids)
  local texts = {}
  for i, id in ipairs(ids) do texts[i] = request("GET", nil, of_session(id)) end
  check(group:ask(texts, clients.WINDOW, 1), "GET")
end

---Subscribes each session to notes.
---@param group userdata
---@param ids string[]
---@param notes_of fun(i: integer): integer, integer the first and last note of a client
function clients.subscribe(group, ids, notes_of)
  local texts = {}
  for i, id in ipairs(ids) do
    local first, last = notes_of(i)
    for note = first, last do
      texts[#texts + 1] = ask(id, "resources/subscribe", ([["uri":"note:///%d"]]):format(note))
    end
  end
  check(group:ask(texts, clients.WINDOW), "resources/subscribe")
end

---Opens requests that listen, on a connection each: to notes, or without `notes_of` to the list of
---tools.
---@param group userdata
---@param count integer
---@param notes_of (fun(i: integer): integer, integer)|nil
function clients.listen(group, count, notes_of)
  local texts = {}
  for i = 1, count do
    local filter = [["toolsListChanged":true]]
    if notes_of then
      local uris, first, last = {}, notes_of(i)
      for note = first, last do uris[#uris + 1] = ([["note:///%d"]]):format(note) end
      filter = ([=["resourceSubscriptions":[%s]]=]):format(table.concat(uris, ","))
    end
    texts[i] = ask(false, "subscriptions/listen", ([["notifications":{%s}]]):format(filter))
  end
  check(group:ask(texts, clients.WINDOW, 2), "subscriptions/listen")
end

---Connections to a server, or to several in turn.
---@param server table|integer[] a server, or ports
---@param count integer
---@param from integer|nil
---@return userdata
function clients.connect(server, count, from)
  return crowd.open(server.port and { server.port } or server, count, from)
end

return clients
