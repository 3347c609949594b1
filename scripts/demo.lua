-- SPDX-License-Identifier: MIT
-- demo.lua: talks to examples/files.lua the way clients do, over stdio and over HTTP, in both eras
-- of the protocol, and prints who says what. Every answer is checked: a wrong one ends it with
-- status 1. Needs lua5.4, a POSIX shell and curl. Run by `make demo`, from the root of the tree.
package.path = "./scripts/?.lua;" .. package.path
local background = require "background"

local quote = background.quote

local BUILD = os.getenv "MCP_BUILD" or "build"
local PROGRAM = os.getenv "PROGRAM" or BUILD .. "/luamcp"
local SERVER = { "run", "examples/files.lua", "examples/library" }
local OUT = BUILD .. "/demo"
local WIDTH = 80

-- What is printed ------------------------------------------------------------------------------

local function say(...) io.write(string.format(...), "\n") end

local function heading(text)
  say("\n%s\n%s", text, ("-"):rep(utf8.len(text)))
end

-- `count` characters of `text` from character `first` on.
local function characters(text, first, count)
  local from = utf8.offset(text, first)
  local behind = utf8.offset(text, first + count)
  return text:sub(from or #text + 1, behind and behind - 1 or #text)
end

-- A line that fits into `width`: its beginning, and what is around `keep`.
local function shorten(line, width, keep)
  if utf8.len(line) <= width then return line end
  local at = keep and line:find(keep, 1, true)
  at = at and utf8.len(line, 1, at) or 1
  if at + utf8.len(keep or "") < width - 1 then return characters(line, 1, width - 1) .. "…" end
  local head = characters(line, 1, 24) .. " … "
  local room = width - utf8.len(head)
  at = math.min(at, utf8.len(line) - room + 1)
  local rest = characters(line, at, room)
  if at + room <= utf8.len(line) then rest = characters(line, at, room - 1) .. "…" end
  return head .. rest
end

local MARGIN = (" "):rep(10)

-- What the client says, whole: broken behind commas.
local function show_client(line)
  local prefix = "  client  "
  repeat
    local part = line
    if utf8.len(line) > WIDTH - #MARGIN then
      local room = characters(line, 1, WIDTH - #MARGIN)
      part = room:match "^.*," or room
    end
    say("%s%s", prefix, part)
    prefix, line = MARGIN, line:sub(#part + 1):gsub("^ ", "")
  until line == ""
end

-- What the server says, shortened to what is around `keep`.
local function show_server(line, keep)
  say("  server  %s", shorten(line, WIDTH - #MARGIN, keep))
end

-- Below what was said: what it means to a reader.
local function explain(text)
  for line in text:gmatch "[^\n]+" do say("%s%s", MARGIN, shorten(line, WIDTH - #MARGIN)) end
end

local function fail(format, ...)
  io.stdout:flush()
  error({ text = format:format(...) })
end

-- What is said -----------------------------------------------------------------------------------

local CLIENT = '{"name":"demo","version":"1.0.0"}'

-- The envelope of a stateless request.
local ENVELOPE = '{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
  .. '"io.modelcontextprotocol/clientInfo":' .. CLIENT .. ","
  .. '"io.modelcontextprotocol/clientCapabilities":{}}'

-- A JSON string as it is meant, as far as this library needs it.
local function plain(text)
  return (text:gsub("\\n", "\n"):gsub('\\"', '"'))
end

-- The first lines of the first text in an answer.
local function first_lines(answer, count)
  local lines = {}
  for line in plain(answer:match '"text":"(.-[^\\])"'):gmatch "[^\n]+" do
    lines[#lines + 1] = "| " .. line
  end
  return table.concat(lines, "\n", 1, math.min(count, #lines))
end

local function tell_resources(answer)
  local found = {}
  for uri in answer:gmatch '"uri":"([^"]*)"' do found[#found + 1] = uri end
  if #found ~= 5 then fail("5 resources expected, got %d:\n%s", #found, answer) end
  table.sort(found)
  return table.concat(found, "\n")
end

local function tell_matches(answer)
  local matches = answer:match '"structuredContent":{"matches":%[(.-})%]'
  local lines = {}
  for match in (matches or ""):gmatch "{.-}" do
    lines[#lines + 1] = ("%s:%s: %s"):format(match:match '"path":"([^"]*)"',
      match:match '"line":(%d+)', plain(match:match '"text":"(.-[^\\])"'))
  end
  if #lines ~= 2 then fail("2 matches expected, got %d:\n%s", #lines, answer) end
  return table.concat(lines, "\n")
end

-- The same errands for every era and transport. `expect` is what the answer must hold; the first
-- of them is what a shortened line shows. `tell` says what it means, the first time.
local ERRANDS = {
  {
    why = "What can you do?", method = "tools/list", params = "",
    expect = { '"name":"search"', '"inputSchema":{' },
  },
  {
    why = "What is there to read?", method = "resources/list", params = "",
    expect = { '"uri":"folder:///rain.txt"', '"uri":"folder:///garden/spring.md"' },
    tell = tell_resources,
  },
  {
    why = "Which prompts do you offer?", method = "prompts/list", params = "",
    expect = { '"name":"summarise"' },
  },
  {
    why = "Call a tool: where is rain mentioned?", method = "tools/call", name = "search",
    params = '"name":"search","arguments":{"query":"rain","limit":2}',
    expect = { '"structuredContent":', '"path":"rain.txt"', '"line":1', '"content":[' },
    refuse = { '"isError":true' },
    tell = tell_matches,
  },
  {
    why = "A call that is wrong, so that the model can mend it:", method = "tools/call",
    name = "search", params = '"name":"search","arguments":{"qery":"rain"}',
    expect = { '"text":"tool', "query", '"isError":true' },
    tell = function(answer) return first_lines(answer, 3) end,
  },
  {
    why = "Read a resource:", method = "resources/read", name = "folder:///rain.txt",
    params = '"uri":"folder:///rain.txt"',
    expect = { '"text":"Rain, at the Desk', '"mimeType":"text/plain"' },
    tell = function(answer) return first_lines(answer, 4) end,
  },
  {
    why = "One that does not exist:", method = "resources/read", name = "folder:///../etc/passwd",
    params = '"uri":"folder:///../etc/passwd"',
    expect = { '"message":"Resource not found', '"error":{', '"code":-32' },
    refuse = { '"result"', "root:" },
    http_status = { ["2025-11-25"] = "200", ["2026-07-28"] = "200" },
  },
  {
    why = "Get a prompt, filled in:", method = "prompts/get", name = "summarise",
    params = '"name":"summarise","arguments":{"path":"tea.md"}',
    expect = { '"text":"Summarise this file', '"uri":"folder:///tea.md"', '"role":"user"' },
  },
}

local function holds(answer, text)
  return answer:find(text, 1, true) ~= nil
end

-- Checks an answer, or fails with all of it.
local function check(errand, id, answer, modern)
  local expect = { '"jsonrpc":"2.0"', ('"id":%d'):format(id), table.unpack(errand.expect) }
  if modern and not holds(answer, '"error":{') then
    expect[#expect + 1] = '"resultType":"complete"'
  end
  for _, text in ipairs(expect) do
    if not holds(answer, text) then
      fail("%s: the answer should have %s, and is\n%s", errand.method, text, answer)
    end
  end
  for _, text in ipairs(errand.refuse or {}) do
    if holds(answer, text) then
      fail("%s: the answer should not have %s, and is\n%s", errand.method, text, answer)
    end
  end
end

local function request(id, method, params, modern)
  if modern then params = params .. (params == "" and "" or ",") .. '"_meta":' .. ENVELOPE end
  return ('{"jsonrpc":"2.0","id":%d,"method":"%s"%s}'):format(id, method,
    params == "" and "" or ',"params":{' .. params .. "}")
end

-- A request as it is printed: the envelope is the same each time.
local function without_envelope(line)
  local from, to = line:find(ENVELOPE, 1, true)
  return from and line:sub(1, from - 1) .. "{…}" .. line:sub(to + 1) or line
end

-- Asks by `ask(line, errand, method)`, which gives the answer; prints and checks both.
local function exchange(errand, id, modern, ask)
  say("\n  %s", errand.why)
  local line = request(id, errand.method, errand.params, modern)
  show_client(without_envelope(line))
  local answer = ask(line, errand)
  show_server(answer, errand.expect[1])
  check(errand, id, answer, modern)
  if errand.tell then
    local text = errand.tell(answer)
    if not errand.told then explain(text) end
    errand.told = true
  end
  return answer
end

local INITIALIZE = {
  why = "Open a session:", method = "initialize",
  params = '"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":' .. CLIENT,
  expect = { '"protocolVersion":"2025-11-25"', '"name":"files"', '"tools":{', '"resources":{',
    '"prompts":{' },
}

local INITIALIZED = '{"jsonrpc":"2.0","method":"notifications/initialized"}'

local DISCOVER = {
  why = "Who are you? (nobody has to ask)", method = "server/discover", params = "",
  expect = { '"supportedVersions":["2026-07-28"', '"name":"files"', '"tools":{' },
}

local function tell_envelope()
  say("  Every request carries this envelope, shown as {…} below:")
  say("    %s", (ENVELOPE:gsub(',"io', ',\n     "io')))
end

-- stdio ------------------------------------------------------------------------------------------

-- A server on a named pipe; the answers come through `answers`.
local function open_stdio()
  local fifo, log = OUT .. "/client", OUT .. "/stdio.log"
  assert(os.execute(("rm -f %s && mkfifo %s"):format(quote(fifo), quote(fifo))))
  local words = { quote(PROGRAM) }
  for _, word in ipairs(SERVER) do words[#words + 1] = quote(word) end
  local answers = assert(io.popen(("%s <%s 2>%s; echo $?")
    :format(table.concat(words, " "), quote(fifo), quote(log)), "r"))
  local requests = assert(io.open(fifo, "w"))
  requests:setvbuf "line"
  say("  $ luamcp %s", table.concat(SERVER, " "))
  local function ask(line)
    requests:write(line, "\n")
    return answers:read "l" or fail("the server ended; see %s", log)
  end
  local function close()
    say("\n  The client closes the pipe, and the server ends.")
    requests:close()
    local status = answers:read "l"
    answers:close()
    if status ~= "0" then fail("the server ended with %q; see %s", tostring(status), log) end
  end
  return ask, close, requests
end

local function stdio_session()
  heading "1. stdio, with a session: revision 2025-11-25"
  local ask, close, requests = open_stdio()
  exchange(INITIALIZE, 1, false, ask)
  show_client(INITIALIZED)
  requests:write(INITIALIZED, "\n")
  for i, errand in ipairs(ERRANDS) do exchange(errand, i + 1, false, ask) end
  close()
end

local function stdio_stateless()
  heading "2. stdio, stateless: revision 2026-07-28"
  local ask, close = open_stdio()
  tell_envelope()
  exchange(DISCOVER, 1, true, ask)
  for i, errand in ipairs(ERRANDS) do exchange(errand, i + 1, true, ask) end
  close()
end

-- HTTP -------------------------------------------------------------------------------------------

local function read_file(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a" or ""
end

-- Sends one HTTP request with curl. `headers` is a list of lines. Returns the status, the header
-- fields as text, and the body.
local function curl(verb, url, headers, body)
  local words = { "curl --silent --show-error --noproxy '*' --max-time 10 --request", verb,
    "--dump-header", quote(OUT .. "/headers"), "--output", quote(OUT .. "/body") }
  for _, line in ipairs(headers) do words[#words + 1] = "--header " .. quote(line) end
  if body then words[#words + 1] = "--data-binary " .. quote(body) end
  words[#words + 1] = quote(url)
  os.remove(OUT .. "/body")
  if not os.execute(table.concat(words, " ")) then fail("curl failed: %s %s", verb, url) end
  local head = read_file(OUT .. "/headers"):gsub("\r", "")
  return head:match "^HTTP/1%.1 (%d+)" or fail("no status in %q", head), head,
    read_file(OUT .. "/body")
end

local POST = { "Content-Type: application/json", "Accept: application/json, text/event-stream" }

local function with(list, ...)
  local out = table.move(list, 1, #list, 1, {})
  for _, line in ipairs { ... } do out[#out + 1] = line end
  return out
end

local function show_head(verb, headers)
  show_client(("%s /mcp   %s"):format(verb, table.concat(headers, ", ", #POST + 1)))
end

local function expect_status(wanted, status, what)
  if status ~= wanted then fail("%s: HTTP status %s expected, got %s", what, wanted, status) end
end

-- Posts a request for exchange(); an answer must be plain JSON with the right status.
local function post(url, headers, revision)
  return function(line, errand)
    local status, head, body = curl("POST", url, headers(errand), line)
    local wanted = errand.http_status and errand.http_status[revision] or "200"
    if not head:lower():find("\ncontent-type: application/json\n", 1, true) then
      fail("%s: an answer in JSON expected, got\n%s", errand.method, head)
    end
    expect_status(wanted, status, errand.method)
    return body, head
  end
end

local function http_session(url)
  heading "3. HTTP, with a session: revision 2025-11-25"
  local head
  exchange(INITIALIZE, 1, false, function(line, errand)
    local body
    body, head = post(url, function() return POST end, "2025-11-25")(line, errand)
    return body
  end)
  local session = head:match "\n[Mm]cp%-[Ss]ession%-[Ii]d: ([!-~]+)\n"
  if not session then fail("initialize: no Mcp-Session-Id in\n%s", head) end
  explain("Mcp-Session-Id: " .. session)

  local headers = with(POST, "Mcp-Session-Id: " .. session, "MCP-Protocol-Version: 2025-11-25")
  say("\n  From now on each request names the session:")
  show_head("POST", headers)
  show_client(INITIALIZED)
  local status, _, body = curl("POST", url, headers, INITIALIZED)
  show_server("HTTP " .. status)
  expect_status("202", status, "notifications/initialized")
  if body ~= "" then fail("notifications/initialized: no body expected, got %s", body) end

  for i, errand in ipairs(ERRANDS) do
    exchange(errand, i + 1, false, post(url, function() return headers end, "2025-11-25"))
  end

  say("\n  Close the session, and try to use it once more:")
  show_head("DELETE", headers)
  status = curl("DELETE", url, headers)
  show_server("HTTP " .. status)
  expect_status("200", status, "DELETE")
  local line = request(99, "tools/list", "")
  show_client(line)
  status, _, body = curl("POST", url, headers, line)
  show_server(("HTTP %s  %s"):format(status, body))
  expect_status("404", status, "a request of a closed session")
end

local function http_stateless(url)
  heading "4. HTTP, stateless: revision 2026-07-28"
  say("  The envelope {…} is that of part 2.")
  local function headers(errand)
    local list = with(POST, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: " .. errand.method)
    if errand.name then list[#list + 1] = "Mcp-Name: " .. errand.name end
    return list
  end
  say("\n  No session: headers say what the body says, so that proxies can route by them.")
  show_head("POST", headers(ERRANDS[4]))
  local ask = post(url, headers, "2026-07-28")
  exchange(DISCOVER, 1, true, ask)
  for i, errand in ipairs(ERRANDS) do exchange(errand, i + 1, true, ask) end

  say("\n  A page on the web that tries to reach this server through a browser:")
  show_client "POST /mcp   Origin: http://evil.example"
  local status = curl("POST", url, with(headers(DISCOVER), "Origin: http://evil.example"),
    request(99, "server/discover", "", true))
  show_server("HTTP " .. status)
  expect_status("403", status, "a foreign Origin")
end

local function main()
  local file = io.open(PROGRAM, "rb") or fail("there is no %s: run make first", PROGRAM)
  file:close()
  assert(os.execute("mkdir -p " .. quote(OUT)))
  say("examples/files.lua serves the folder examples/library: each text file is a\n"
    .. "resource, \"search\" is a tool, \"summarise\" a prompt. Lines are shortened.")
  stdio_session()
  stdio_stateless()
  do
    local words = { PROGRAM, table.unpack(SERVER) }
    table.insert(words, 3, "--http")
    table.insert(words, 4, "127.0.0.1:0")
    local server <close> = background.start(words, OUT .. "/http.log")
    heading "One server for the rest"
    say("  $ luamcp run --http 127.0.0.1:0 examples/files.lua examples/library")
    say("  files 1.0.0 answers at %s", server.url)
    http_session(server.url)
    http_stateless(server.url)
    local status = server:stop()
    if status ~= 0 then fail("the server ended with status %s; see %s", status, server.log) end
  end
  say("\nAll answers were as they should be.")
end

local ok, problem = xpcall(main, function(raised)
  return type(raised) == "table" and raised.text or debug.traceback(raised, 2)
end)
if not ok then
  io.stdout:flush()
  io.stderr:write("\ndemo FAILED: ", problem, "\n")
end
os.exit(ok, true)
