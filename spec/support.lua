-- SPDX-License-Identifier: MIT
-- support.lua: what the specs with real processes and sockets share: a server script with tools
-- to order, clients of HTTP that send bytes as they are told, and waits that end.
local core = require "mcp.core"
local pace = require "spec.pace"
local system = require "codecs.system"

local support = { system = system }

---The limit of every single wait, in seconds.
support.LIMIT = pace.limit(5)

---By how many bytes a server may grow that must not. A sanitizer keeps what is freed.
support.ROOM = (os.getenv "LD_PRELOAD" or ""):find("asan", 1, true) and math.huge or 4 << 20

support.MODERN = "2026-07-28"
local PREFIX = "io.modelcontextprotocol/"

-- The server. SPEC_OPTIONS is what app:run gets, and `app` in it what mcp.server gets.
local SCRIPT = [==[
local mcp = require "mcp"
local options = load("return " .. os.getenv "SPEC_OPTIONS")()
local about = options.app or {}
options.app, about.name = nil, "spec"
local app = mcp.server(about)
local function note(...) io.stderr:write(string.format(...), "\n") end
local function guard(name)
  return setmetatable({}, { __close = function() note("closed %s", name) end })
end

app:tool "echo" { input = { text = "string" } } (function(a) return a.text end)

app:tool "sleep" { input = { seconds = "number", name = "string?" } } (function(a, ctx)
  local name = a.name or "sleep"
  local g <close> = guard(name)
  note("began %s", name)
  local ok, _, code = ctx:sleep(a.seconds)
  note("woke %s %s cancelled=%s", name, ok and "whole" or code, ctx:cancelled())
  return "slept " .. name
end)

app:tool "stubborn" {} (function(_, ctx)
  local g <close> = guard "stubborn"
  note "began stubborn"
  while true do ctx:sleep(60) end
end)

app:tool "steps" { input = { count = "integer", size = "integer?", delay = "number?" } } (
  function(a, ctx)
    local g <close> = guard "steps"
    local text = a.size and ("x"):rep(a.size)
    for i = 1, a.count do
      local ok, _, code = ctx:progress(i, a.count, text)
      if not ok then
        note("steps ended at %d: %s", i, code)
        return "stopped"
      end
      if i == 1 then note "began steps" end
      if a.delay then ctx:sleep(a.delay) end
    end
    return "done"
  end)

app:tool "noise" {} (function()
  print "from print"
  io.write "from io.write\n"
  io.stdout:write "from io.stdout\n"
  os.execute "echo from a child"
  return "quiet"
end)

app:tool "steal" {} (function()
  local pipe <close> = io.popen "cat"
  return ("child read %d bytes"):format(#pipe:read "a")
end)

app:tool "headers" {} (function(_, ctx) return ctx.headers["x-spec"] or "none" end)

app:tool "fail" {} (function() error "as told" end)

app:tool "memory" {} (function()
  collectgarbage()
  collectgarbage()
  return ("%d"):format(require "mcp.core".bytes_held())
end)

app:run(options)
]==]

local started, scripts = {}, {}

local function write_script(text)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
  scripts[#scripts + 1] = path
  return path
end

---The program that was built.
function support.program()
  return assert(os.getenv "MCP_BUILD", "MCP_BUILD: run the specs by make test") .. "/luamcp"
end

-- --- processes ------------------------------------------------------------

local Server = {}
Server.__index = Server

---Starts a script; the server above if `script` is nil.
---@param options string Lua source of the table that app:run gets
---@param more table|nil script; path (of one that is there), words (of the command line before it);
---wall, the most address space in KiB; and what system.spawn takes
function support.start(options, more)
  local command = { support.program(), "run", table.unpack(more and more.words or {}) }
  command[#command + 1] = more and more.path or write_script(more and more.script or SCRIPT)
  if more and more.wall then
    command = { "sh", "-c", ('ulimit -v %d; exec "$0" "$@"'):format(more.wall),
      table.unpack(command) }
  end
  for key, value in pairs(more or {}) do
    if key ~= "script" and key ~= "wall" and key ~= "path" and key ~= "words" then
      command[key] = value
    end
  end
  command.env = { "SPEC_OPTIONS=" .. options, table.unpack(more and more.env or {}) }
  local self = setmetatable({ process = system.spawn(command), said = "", out = "" }, Server)
  started[#started + 1] = self
  return self
end

---A server of HTTP on a free port.
function support.http(options, more)
  local self = support.start(("{ http = { port = 0 }, %s }"):format(options or ""), more)
  self.port = math.tointeger(self:wait_said "at http://[^%s]-:(%d+)/")
  return self
end

---A server of standard input and output.
function support.stdio(more) return support.start("{ stdio = true }", more) end

---Ends all that was started, each by its own number.
function support.stop_all()
  for _, self in ipairs(started) do self.process:close() end
  for _, path in ipairs(scripts) do os.remove(path) end
  started, scripts = {}, {}
end

-- Reads until `test()` gives something, or fails after the limit with what is there.
local function until_found(read, test, tell, limit)
  local deadline = system.now() + (limit or support.LIMIT)
  while true do
    local found = table.pack(test())
    if found[1] then return table.unpack(found, 1, found.n) end
    local left = deadline - system.now()
    if left <= 0 then error(("not within the limit: %s"):format(tell()), 3) end
    local ok, why = read(left)
    if not ok and why ~= "timeout" then
      found = table.pack(test())
      if found[1] then return table.unpack(found, 1, found.n) end
      error(("%s before it came: %s"):format(why, tell()), 3)
    end
  end
end

---Waits until standard error has said `pattern` (from `from` on); returns its captures.
function Server:wait_said(pattern, from, limit)
  return until_found(function(left)
    local piece, why = self.process:read_error(left)
    if piece then self.said = self.said .. piece end
    return piece, why
  end, function() return self.said:match(pattern, from) end,
  function() return ("%q in what was said: %s"):format(pattern, self.said) end, limit)
end

---All that it has said until now.
function Server:told()
  while true do
    local piece = self.process:read_error(0)
    if not piece then return self.said end
    self.said = self.said .. piece
  end
end

---One message over standard input.
function Server:write(text) return self.process:write(text) end

---The next line of standard output, decoded; false at its end.
function Server:read_line(limit)
  local from = 1
  local line = until_found(function(left)
    local piece, why = self.process:read(left)
    from = #self.out + 1
    if piece then self.out = self.out .. piece end
    if why == "closed" then self.ended = true end
    return piece or self.ended, why
  end, function()
    local at = self.out:find("\n", from, true)
    if at then
      local line = self.out:sub(1, at - 1)
      self.out = self.out:sub(at + 1)
      return line
    end
    return self.ended and "" or nil
  end, function() return "a line; there is " .. self.out:sub(1, 200) end, limit)
  if line == "" then return false end
  return assert(core.decode(line))
end

---Waits for its end; returns "exit" or "signal", and the number.
function Server:wait_end(limit) return self.process:wait(limit or support.LIMIT) end

function Server:fd_count() return system.fd_count(self.process:pid()) end

function Server:rss() return system.rss(self.process:pid()) end

---Waits until it has no more than `count` descriptors.
function Server:wait_fd_count(count)
  local have
  until_found(function(left) return self.process:read_error(math.min(left, 0.01)) or true end,
    function()
      have = self:fd_count()
      return have <= count
    end, function() return ("%d descriptors, there are %d"):format(count, have) end)
  return have
end

-- --- messages -------------------------------------------------------------

---A request of the stateless era.
function support.modern_body(id, method, params, meta)
  params = params or {}
  params._meta = { [PREFIX .. "protocolVersion"] = support.MODERN,
    [PREFIX .. "clientCapabilities"] = {} }
  for key, value in pairs(meta or {}) do params._meta[key] = value end
  return assert(core.encode({ jsonrpc = "2.0", id = id, method = method, params = params }, true))
end

---A call of a tool in the stateless era, progress asked for.
function support.call_body(id, tool, arguments)
  return support.modern_body(id, "tools/call", { name = tool, arguments = arguments or {} },
    { progressToken = id })
end

---A call of a tool as a line.
function support.call_line(id, tool, arguments)
  return support.call_body(id, tool, arguments) .. "\n"
end

---A call of echo as a line.
function support.echo_line(id, text) return support.call_line(id, "echo", { text = text }) end

---The text of a tool's result.
function support.text_of(message)
  assert(message and message.result, core.encode(message))
  return message.result.content[1].text
end

---All messages of a text of lines.
function support.messages_of(text)
  local out = {}
  for line in text:gmatch "([^\n]*)\n" do out[#out + 1] = assert(core.decode(line)) end
  return out
end

---A request of the session era.
function support.legacy_body(id, method, params)
  return assert(core.encode({ jsonrpc = "2.0", id = id, method = method, params = params }, true))
end

---initialize of the session era.
function support.initialize_body(id, version)
  return support.legacy_body(id or 0, "initialize", { protocolVersion = version or "2025-11-25",
    capabilities = {}, clientInfo = { name = "spec", version = "1" } })
end

---An HTTP request as text. `fields` are added, or replace ours; false takes one away.
function support.request(method, fields, body, target)
  local all = { Host = "localhost", Accept = "application/json, text/event-stream" }
  if body then
    all["Content-Type"] = "application/json"
    all["Content-Length"] = tostring(#body)
  end
  for name, value in pairs(fields or {}) do all[name] = value or nil end
  local names, lines = {}, { ("%s %s HTTP/1.1\r\n"):format(method, target or "/mcp") }
  for name in pairs(all) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    lines[#lines + 1] = ("%s: %s\r\n"):format(name, all[name])
  end
  return table.concat(lines) .. "\r\n" .. (body or "")
end

---A POST of a tool call in the stateless era.
function support.call(id, tool, arguments, fields)
  local all = { ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "tools/call",
    ["Mcp-Name"] = tool }
  for name, value in pairs(fields or {}) do all[name] = value end
  return support.request("POST", all, support.call_body(id, tool, arguments))
end

---A POST of the session era.
function support.legacy(sid, body, fields)
  local all = { ["Mcp-Session-Id"] = sid, ["MCP-Protocol-Version"] = "2025-11-25" }
  for name, value in pairs(fields or {}) do all[name] = value end
  return support.request("POST", all, body)
end

-- --- HTTP clients -----------------------------------------------------------

local Client = {}
Client.__index = Client
Client.__close = function(self) self.socket:close() end

---A connection to a server. `receive_buffer` in bytes, for a reader that is slow.
function support.client(server, receive_buffer, source)
  local socket = assert(system.connect(server.host or "127.0.0.1", server.port, receive_buffer,
    source))
  return setmetatable({ socket = socket, buffer = "", server = server }, Client)
end

function Client:send(text) return self.socket:send(text) end

function Client:close() self.socket:close() end

-- More bytes into the buffer, or nil and why not.
function Client:more(left)
  local piece, why = self.socket:receive(left)
  if not piece then return nil, why end
  self.buffer = self.buffer .. piece
  return true
end

-- Takes what `pattern` captures from the front of the buffer.
function Client:take(pattern)
  return until_found(function(left) return self:more(left) end, function()
    local from, to, a, b = self.buffer:find(pattern)
    if not from then return nil end
    self.buffer = self.buffer:sub(to + 1)
    return a or true, b
  end, function() return ("%q; there is %s"):format(pattern, self.buffer:sub(1, 300)) end)
end

-- Takes `count` bytes.
function Client:take_bytes(count)
  local parts, have = { self.buffer }, #self.buffer
  until_found(function(left)
    local piece, why = self.socket:receive(left)
    if piece then
      parts[#parts + 1] = piece
      have = have + #piece
    end
    return piece, why
  end, function() return have >= count end, function()
    return ("%d bytes; there are %d"):format(count, have)
  end)
  local all = table.concat(parts)
  self.buffer = all:sub(count + 1)
  return all:sub(1, count)
end

---Status and fields (lower-case names) of the next answer; `fields.date` is checked here.
function Client:head()
  local version, status = self:take "^HTTP/(1%.[01]) (%d%d%d) [^\r\n]*\r\n"
  assert(version == "1.1", "the answer's version")
  local head = { status = math.tointeger(tonumber(status)), fields = {} }
  local lines = self:take "^(.-\r\n)\r\n"
  for name, value in lines:gmatch "([^:\r\n]+): ([^\r\n]*)\r\n" do
    name = name:lower()
    assert(not head.fields[name], name .. " came twice")
    head.fields[name] = value
  end
  assert(head.fields.date:match "^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$")
  -- Whoever lists no origins shares nothing; nobody ever shares with all.
  local shared = head.fields["access-control-allow-origin"]
  assert(not shared or self.public or self.server.shares and shared ~= "*",
    "CORS was never asked for")
  assert(not head.fields["access-control-allow-credentials"])
  return head
end

---The next chunk; "" is the last one.
function Client:chunk()
  local size = tonumber(self:take "^(%x+)\r\n", 16)
  local data = self:take_bytes(size + 2)
  assert(data:sub(-2) == "\r\n", "a chunk ends with CRLF")
  return data:sub(1, -3)
end

---The next event of a stream: a table of its fields, "comment" and its text, or nil at its end.
---A chunk of ours holds whole events. `last_id` is the id of the last one that had one; those
---without data, which are there for their id, are passed over.
function Client:event()
  if not self.events or self.events == "" then
    self.events = self:chunk()
    if self.events == "" then return nil end
  end
  local event
  event, self.events = self.events:match "^(.-\n)\n(.*)$"
  assert(event, "an event ends with an empty line")
  if event:sub(1, 1) == ":" then return "comment", event end
  local out = {}
  for line in event:gmatch "([^\n]*)\n" do
    local name, value = line:match "^(%a+): (.*)$"
    assert(name and not out[name], "a field of an event: " .. line)
    out[name] = value
  end
  self.last_id, self.retry = out.id or self.last_id, out.retry or self.retry
  if out.data == "" then
    assert(not out.event, "it is no message")
    return self:event()
  end
  assert(out.event == "message", "the name of an event")
  return assert(core.decode(out.data))
end

---The next whole answer. Of a stream all events in `events`; JSON decoded in `json`.
function Client:answer(no_body)
  local head = self:head()
  local kind = head.fields["content-type"]
  if no_body or head.status == 204 or head.status == 100 then return head end
  if head.fields["transfer-encoding"] == "chunked" then
    head.events = {}
    for event in function() return (self:event()) end do table.insert(head.events, event) end
    return head
  end
  head.body = self:take_bytes(assert(tonumber(head.fields["content-length"]), "no length"))
  if kind == "application/json" then head.json = assert(core.decode(head.body)) end
  return head
end

---Sends, and returns the answer.
function Client:ask(text)
  self:send(text)
  return self:answer()
end

---The text of the tool's answer.
function Client:call(id, tool, arguments)
  local answer = self:ask(support.call(id, tool, arguments))
  assert(answer.json and answer.json.result, answer.body)
  return answer.json.result.content[1].text
end

---Waits for the end of the connection; returns what came before it.
---@param limit number|nil seconds
function Client:rest(limit)
  local why
  until_found(function(left)
    local ok
    ok, why = self:more(left)
    return ok, why
  end, function() return why and why ~= "timeout" end,
  function() return "the end; there is " .. self.buffer:sub(1, 300) end, limit)
  return self.buffer, why
end

---Opens a session; returns its id.
function Client:initialize(version)
  local answer = self:ask(support.request("POST", nil, support.initialize_body(0, version)))
  assert(answer.status == 200, answer.body)
  local sid = answer.fields["mcp-session-id"]
  local told = self:ask(support.legacy(sid,
    '{"jsonrpc":"2.0","method":"notifications/initialized"}'))
  assert(told.status == 202)
  return sid
end

---A call on a connection of its own: does the server live?
function support.alive(server)
  local client <close> = support.client(server)
  return client:call("alive", "echo", { text = "yes" }) == "yes"
end

return support
