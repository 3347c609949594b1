-- SPDX-License-Identifier: MIT
-- mistakes_spec.lua: what each of the mistakes in docs/mistakes.md is answered with, word for word.
-- A row is the kind of the mistake, the code (server.lua), and the message.
local certificate = require "codecs.certificate"
local helper = require "spec.helper"
local mcp = require "mcp"
local probe = require "mcp.client.probe"

local quote = helper.quote

local COMMAND_SERVER = [[
local mcp = require "mcp"
local app = mcp.server "demo"
app:tool "add" { input = { a = "number", b = "number?" } } (function(args) return args.a end)
app:run()
]]

local ROWS = {
  -- Registration
  { "raises", 'app:tool "t" { descripton = "x" } (function() end)',
    'server.lua:1: tool "t": unknown option "descripton", did you mean "description"?' },
  { "raises", 'app:resource "notes://today" { mimeType = "text/plain" } (function() end)',
    'server.lua:1: resource "notes://today": unknown option "mimeType", did you mean "mime"?' },
  { "raises", 'app:prompt "p" { args = { code = "string" } } (function() end)',
    'server.lua:1: prompt "p": unknown option "args", did you mean "arguments"?' },
  { "raises", [[
app:tool "t" { description = "x" }
app:run { http = 0 }]],
    'server.lua:1: app:tool "t" never got its function' },
  { "raises", 'app:tool("t", function() end)',
    'server.lua:1: app:tool: expected one name; options and function follow: app:tool "t" { '
      .. '… } (function)' },
  { "raises", 'app:tool { name = "t" } (function() end)',
    "server.lua:1: app:tool: expected a name, got table" },
  { "raises", 'app:tool "my tool" (function() end)',
    'server.lua:1: tool "my tool": name: expected A-Z, a-z, 0-9, "_", "." and "-" alone, got '
      .. '" "' },
  { "raises", [[
app:tool "t" (function() end)
app:tool "t" (function() end)]],
    'server.lua:2: tool "t" is registered already, at server.lua:1' },
  { "raises", 'app:tol "t" (function() end)',
    'server.lua:1: app has no member "tol", did you mean "tool"?' },
  { "raises", 'mcp.txt "x"',
    'server.lua:1: mcp has no member "txt", did you mean "text"?' },
  { "raises", 'app.tool "t" (function() end)',
    "server.lua:1: app:tool is called with a colon, not with a dot" },
  { "raises", 'app:resource "notes" (function() end)',
    'server.lua:1: resource "notes": "notes" is no absolute URI (like "notes://today")' },
  { "raises", 'app:resource "notes://{id" (function() end)',
    'server.lua:1: resource "notes://{id": bad URI template at position 9: "{" without "}"' },
  { "raises", 'app:prompt "p" { arguments = { n = "number" } } (function() end)',
    [[server.lua:1: prompt "p": arguments: "n": a prompt's arguments are strings, not number]] },
  { "raises", "mcp.server {}",
    "server.lua:1: mcp.server: a name is needed" },
  { "raises", 'app:tool "t" { annotations = { readOnly = true } } (function() end)',
    'server.lua:1: tool "t": annotations: unknown annotation "readOnly", did you mean '
      .. '"read_only"?' },
  { "raises", 'app:tool "t" { timeout = "1s" } (function() end)',
    'server.lua:1: tool "t": option "timeout": expected a number, got string' },
  { "raises", [[
app:tool "t" { ui = "ui://t/page" } (function() end)
app:ui("ui://t/pages", { html = "<!doctype html><p>hi" })
app:run { http = 0 }]],
    'server.lua:1: tool "t": ui: no page "ui://t/page" is registered; did you mean '
      .. '"ui://t/pages"?' },
  { "raises", 'app:tool "t" { ui = { uri = "ui://t/page", visibility = "app" } } (function() end)',
    'server.lua:1: tool "t": ui: visibility: expected a list such as { "app" }, got "app"' },
  { "raises", 'app:tool "t" { ui = { uri = "ui://t/page", csp = {} } } (function() end)',
    'server.lua:1: tool "t": ui: "csp" belongs to the page, not to the tool: '
      .. 'app:ui("ui://t/page", { csp = … })' },
  { "raises", 'app:ui("ui://t/page", { html = "<p>hi" })',
    'server.lua:1: page "ui://t/page": html: expected a complete document that begins with '
      .. '<!doctype html>, got "<p>hi"' },
  { "raises", 'app:ui("ui://t/page", { html = "<!doctype html>x", csp = { connect = { '
    .. '"https://api.example/v1" } } })',
    'server.lua:1: page "ui://t/page": csp: connect[1]: expected an origin such as '
      .. '"https://api.example", got "https://api.example/v1": leave out what follows '
      .. '"https://api.example"' },
  -- Schemas
  { "raises", 'app:tool "t" { input = { a = "strin" } } (function() end)',
    'server.lua:1: tool "t": "a": unknown type "strin", expected one of any, array, boolean, '
      .. 'integer, null, number, object, string; did you mean "string"?' },
  { "raises", 'app:tool "t" { input = { a = mcp.string { minimum = 1 } } } (function() end)',
    'server.lua:1: string: unknown option "minimum", did you mean "min"?' },
  { "raises", 'app:tool "t" { input = { "a", "b" } } (function() end)',
    'server.lua:1: tool "t": expected names as keys, got a list (for a choice, use enum { '
      .. '... })' },
  { "raises", 'app:tool "t" { input = mcp.string {} } (function() end)',
    'server.lua:1: tool "t": input_schema: type must be "object"' },
  { "raises", 'app:tool "t" { input = { a = 5 } } (function() end)',
    'server.lua:1: tool "t": "a": expected a type, got number 5' },
  { "raises", 'app:tool "t" { input = { a = mcp.string { pattern = "(" } } } (function() end)',
    'server.lua:1: string: schema at #/pattern: bad pattern "(": missing closing parenthesis' },
  { "answers", [[
app:tool "t" { input = { a = "number" } } (function() end)
return client():call_tool("t", { a = "x" }).content[1].text]],
    'tool "t": argument "a": expected number, got string "x"' },
  -- Handlers
  { "logs", [[
app:tool "t" (function(_, ctx) ctx:progess(1) end)
client():call_tool "t"]],
    'error: tool "t": server.lua:1: ctx has no member "progess", did you mean "progress"?' },
  { "logs", [[
app:tool "t" (function(_, ctx) ctx.progress(1) end)
client():call_tool "t"]],
    'error: tool "t": server.lua:1: ctx:progress is called with a colon, not with a dot' },
  { "logs", [[
app:tool "t" (function() end)
client():call_tool "t"]],
    'warning: tool "t": its handler returned nothing, so the client gets an empty result '
      .. '(return "" if that is meant)' },
  { "answers", [[
app:tool "t" (function() return print end)
return client():call_tool("t").content[1].text]],
    'tool "t": expected a string, number, boolean, table or content as its result, got a '
      .. 'function' },
  { "answers", [[
app:tool "t" (function() return { a = { b = print } } end)
return client():call_tool("t").content[1].text]],
    'tool "t" returned what JSON cannot carry: a.b: function' },
  { "logs", [[
app:tool "t" (function() return "\xff" end)
client():call_tool "t"]],
    'error: tool "t": content[1].text: not valid UTF-8 at byte 1' },
  { "logs", [[
app:tool "t" { output = { n = "integer" } } (function() return { n = "x" } end)
client():call_tool "t"]],
    'error: tool "t": its result does not fit its output schema: member "n": expected '
      .. 'integer, got string "x"' },
  { "logs", [[
app:resource "notes://today" (function() return print end)
client():read_resource "notes://today"]],
    'error: resource "notes://today" returned a function' },
  { "logs", [[
app:resource "notes://today" { mime = "text/html" } (function() return "\xff" end)
client():read_resource "notes://today"]],
    'error: resource "notes://today": text/html is text, but it is not valid UTF-8 at byte 1: '
      .. 'convert it, or give the bytes with mcp.blob(bytes, "text/html")' },
  { "raises", 'app:skills "no/such/folder"',
    'server.lua:1: skills in "no/such/folder": "no/such/folder": no such file or directory' },
  { "raises", 'app:skills "examples/library"',
    'server.lua:1: skills in "examples/library": no folder in it has a SKILL.md: expected '
      .. 'FOLDER/NAME/SKILL.md' },
  { "logs", [[
app:prompt "p" (function() end)
client():get_prompt "p"]],
    'error: prompt "p": message 1: expected a string, content or { role, content }, got nil' },
  { "logs", [[
app:tool "t" (function(_, ctx) return ctx:sample "Hi" end)
client():call_tool "t"]],
    'error: tool "t": ctx:sample: expected a table of options, got string (in the function '
      .. 'at server.lua:1)' },
  { "logs", [[
app:use(function(request, next) next(request) end)
app:tool "t" (function() return "x" end)
client { revision = "2025-11-25" }:list_tools()]],
    "error: tools/list: server.lua:1: app:use: the function returned nothing for tools/list: "
      .. "return next(request) in it" },
  -- Running a server
  { "raises", "app:run { port = 8000 }",
    'server.lua:1: unknown option "port", expected http = 8000, or http = { host =, port =, '
      .. 'path = }' },
  { "raises", "app:run { http = { prot = 8000 } }",
    'server.lua:1: http: unknown option "prot", did you mean "port"?' },
  { "raises", "app:run(8000)",
    "server.lua:1: app:run: expected a table such as { http = 8000 }, got number" },
  { "raises", "app:run { http = 80000 }",
    "server.lua:1: http: port: expected at most 65535, got 80000" },
  { "raises", 'app:run { http = { port = 8000, path = "mcp" } }',
    'server.lua:1: http: path: expected a path that begins with /, got "mcp"' },
  { "busy", "app:run { http = PORT }",
    "server.lua:1: cannot listen on 127.0.0.1 port 8000: address already in use; choose "
      .. "another with http = PORT or --http PORT" },
  { "program", [[
local mcp = require "mcp"
local app = mcp.server "demo"]],
    "server.lua makes a server and never runs it: app:run() is missing" },
  -- HTTP, TLS, Host, Origin, CORS
  { "raises", "app:run { http = { port = 8000, cors = true } }",
    'server.lua:1: http: unknown option "cors", expected security = { allowed_origins = { '
      .. '… } }' },
  { "raises", 'app:run { http = 0, security = { allowed_origins = { "example.com" } } }',
    'server.lua:1: security: allowed_origins[1]: expected an origin such as '
      .. '"https://app.example" or "http://localhost:*", got "example.com"' },
  { "raises", 'app:run { http = 0, security = { allowed_hosts = { "https://example.com" } } }',
    'server.lua:1: security: allowed_hosts[1]: expected a host such as "mcp.example", got '
      .. '"https://example.com"' },
  { "raises", 'app:run { http = { port = 0, tls = { cert = "cert.pem" } } }',
    'server.lua:1: http: unknown option "tls", expected it beside http: app:run { http = '
      .. '…, tls = … }' },
  { "raises", 'app:run { http = 0, tls = { cert = "nosuch.pem" } }',
    "server.lua:1: tls: cert: nosuch.pem: No such file or directory" },
  { "raises", 'app:run { http = 0, tls = { key = "key.pem" } }',
    "server.lua:1: tls: cert: expected the path of a file, or its text" },
  { "served", 'return mcp.connect((url:gsub("/mcp", "/")))',
    [[neither Streamable HTTP nor HTTP+SSE: http://127.0.0.1:8000/: the server refused the ]]
      .. [[request (status 404): path: expected the MCP endpoint (usually /mcp), got "/" (the ]]
      .. [[server's option http.path decides)]] },
  { "served", 'return mcp.connect(url, { headers = { Origin = "http://example.com" } })',
    [[http://127.0.0.1:8000/mcp: the server denied access (status 403): Origin: expected this ]]
      .. [[server's own or an allowed origin, got "http://example.com" (the server's option ]]
      .. [[security.allowed_origins decides)]] },
  { "served", [[
return mcp.connect("http://mcp.example/mcp", { proxy = url:gsub("/mcp", "") .. "" })]],
    [[http://mcp.example/mcp: the server refused the request (status 421): Host: expected a ]]
      .. [[name of this server, got "mcp.example" (the server's option security.allowed_hosts ]]
      .. [[decides)]] },
  { "served", 'return mcp.connect((url:gsub("http:", "https:")))',
    "https://127.0.0.1:8000/mcp: 127.0.0.1:8000: the peer does not speak TLS (before the "
      .. "response head arrived); use http" },
  { "secure", 'return mcp.connect((url:gsub("https:", "http:")))',
    "http://127.0.0.1:8000/mcp: 127.0.0.1:8000: the connection was lost (before the response "
      .. "head arrived); if the server has TLS, use https" },
  { "secure", 'return mcp.connect((url:gsub("https:", "ws:")))',
    "ws://127.0.0.1:8000/mcp: the connection ended before its answer; if the server has TLS, "
      .. "use wss" },
  { "served", 'return mcp.connect((url:gsub("http:", "wss:")))',
    "wss://127.0.0.1:8000/mcp: the peer does not speak TLS; use ws" },
  -- Authorization
  { "raises", 'mcp.server { name = "x", auth = mcp.auth.bearer "secret" }',
    "server.lua:1: mcp.server: auth: expected { verify = … }, got a provider of tokens for "
      .. "clients" },
  { "raises", [[
local verify = mcp.auth.jwt { issuer = "https://as.example", jwks = "https://as.example/jwks" }
mcp.server { name = "x", auth = verify }]],
    "server.lua:2: mcp.server: auth: expected { verify = … }, got the verifier alone" },
  { "raises", 'mcp.auth.jwt { issuer = "https://as.example" }',
    "server.lua:1: mcp.auth.jwt: jwks is missing: an address, a file, or a table of keys" },
  { "raises", 'mcp.connect("https://example.com/mcp", { auth = "secret" })',
    "server.lua:1: mcp.connect: auth: expected a provider such as mcp.auth.bearer(token), "
      .. "got string" },
  { "guarded", "return mcp.connect(url)",
    "http://127.0.0.1:8000/mcp: the server requires authorization (status 401): "
      .. "Authorization: expected an access token, got none; WWW-Authenticate says where to get "
      .. "one" },
  { "guarded", 'return mcp.connect(url, { auth = mcp.auth.bearer "wrong" })',
    "http://127.0.0.1:8000/mcp: the server refused the token (status 401): The access token "
      .. "is expired, or was not issued for this server" },
  -- Clients
  { "raises", 'mcp.connect "127.0.0.1:8792"',
    'server.lua:1: mcp.connect: expected an address with its scheme, got "127.0.0.1:8792"; '
      .. 'did you mean "http://127.0.0.1:8792/mcp"?' },
  { "raises", 'mcp.connect "server.js"',
    'server.lua:1: mcp.connect: expected a target, got the path "server.js"; did you mean { '
      .. '"node", "server.js" }?' },
  { "answers", 'return select(2, mcp.connect "nosuch.lua")',
    "nosuch.lua: no such file" },
  { "answers", 'return select(2, mcp.connect { command = "node server.js" })',
    "cannot start node server.js: no such file or directory (put only the program in command "
      .. "and its arguments in args)" },
  { "answers", 'return select(2, mcp.connect { command = "/etc/passwd" })',
    "cannot start /etc/passwd: permission denied" },
  { "raises", 'mcp.connect { command = "node", arg = { "server.js" } }',
    'server.lua:1: mcp.connect: unknown option "arg", did you mean "args"?' },
  { "raises", 'mcp.connect({ "node", "server.js", timeout = 5 })',
    'server.lua:1: mcp.connect: "timeout" is not an option of the transport: pass it in the '
      .. 'second argument of mcp.session or mcp.connect' },
  { "answers", 'return select(2, mcp.connect "http://127.0.0.1:1/mcp")',
    "http://127.0.0.1:1/mcp: 127.0.0.1:1: connection refused (cannot connect)" },
  { "raises", 'client():call_tol "add"',
    'server.lua:1: client has no member "call_tol", did you mean "call_tool"?' },
  { "raises", 'client():call_tool("add", "1")',
    "server.lua:1: client:call_tool: arguments: expected a table with names, got string" },
  { "raises", 'client():call_tool("add", { f = print })',
    "server.lua:1: tools/call: params cannot be JSON: arguments.f: function" },
  { "answers", [[
app:tool "add" (function() end)
return select(2, client():call_tool "ad")]],
    "Unknown tool: ad (did you mean add?)" },
  -- Workers, processes, fetch, folders
  { "raises", 'mcp.worker "database.lua"',
    'server.lua:1: mcp.worker: expected a table such as { "database.lua" }, got string' },
  { "raises", 'mcp.worker { "nosuch.lua" }',
    'server.lua:1: mcp.worker: no file "nosuch.lua"' },
  { "raises", 'mcp.process.run "git log"',
    'server.lua:1: mcp.process.run: expected a table such as { "git", "log" }, got string' },
  { "answers", 'return select(2, mcp.process.run { "git log" })',
    'cannot start "git log": no such program in PATH; write the program and its arguments '
      .. 'apart: { "git", "log" }' },
  { "answers", 'return select(2, mcp.fetch "example.com")',
    '"example.com" is not a supported address: no scheme such as https' },
  { "raises", 'mcp.fetch("https://example.com", { body = { a = 1 } })',
    'server.lua:1: mcp.fetch: option "body": expected a string, got table' },
  { "answers", 'return select(2, mcp.folder("/"):read "../etc/passwd")',
    '"../etc/passwd": leads outside the folder' },
  { "raises", [[
local folder = mcp.folder "/"
folder.read "etc/passwd"]],
    "server.lua:2: folder.read: expected a folder, got string; call it as folder:read(…)" },
  { "raises", "mcp.sleep(-1)",
    "server.lua:1: mcp.sleep: expected seconds, 0 or more, got -1" },
  { "raises", "mcp.spawn()",
    "server.lua:1: mcp.spawn: expected a function, got nil" },
  { "raises", 'mcp.run { "ls" }',
    "server.lua:1: mcp.run: expected a function, got table" },
  { "raises", [[
local url = "http://127.0.0.1:80/mcp"
mcp.connect(url:gsub("80", "8000"))]],
    "server.lua:2: mcp.connect: expected a table of options, got number" },
  -- Tests of a server
  { "raises", 'require("mcp.testing").load "nosuch.lua"',
    "server.lua:1: testing.load: cannot open nosuch.lua: No such file or directory" },
  { "raises", 'require("mcp.testing").load {}',
    "server.lua:1: testing.load: expected the path of a script, or an app, got table" },
  -- The command line
  { "command", "lst server.lua",
    "lst: no such command or file; did you mean luamcp list?" },
  { "command", "list nosuch.lua",
    "nosuch.lua: no such file" },
  { "command", "list 127.0.0.1:8000",
    "127.0.0.1:8000: no address; did you mean http://127.0.0.1:8000/mcp?" },
  { "command", "list server.py",
    "server.py: no address, no .lua file and no name of a server; a program follows after "
      .. "--, such as luamcp list -- python3 server.py" },
  { "command", "call server.lua ad a=1",
    "ad: the server has no such tool; did you mean add?" },
  { "command", "call server.lua add",
    "add: missing a; usage: add(a: number, b?: number)" },
  { "command", "call server.lua add a=x",
    'add: a: expected a number, got "x"' },
  { "command", 'call server.lua add {"a":1}',
    'add: {"a":1}: expected key=value, key:=json, @file or - (- reads a JSON object from '
      .. 'standard input)' },
  { "command", "run server.lua --htpp 8000",
    "unknown option --htpp, did you mean --http? Put -- before it if it is the script's" },
  { "command", "run server.lua --http",
    "--http needs an address, such as 127.0.0.1:8000" },
  { "command", "run nosuch.lua",
    "cannot open nosuch.lua: No such file or directory" },
}

-- The code, with a new server as `app`, and what else it needs.
local function load_row(code, more)
  local app = mcp.server "demo"
  local clients = {}
  local env = setmetatable({ mcp = mcp, app = app, client = function(options)
    local client = assert(mcp.connect(app, options))
    clients[#clients + 1] = client
    return client
  end }, { __index = _G })
  for name, member in pairs(more or {}) do env[name] = member end
  local chunk = assert(load(code, "@server.lua", "t", env))
  return setmetatable({}, { __close = function()
    for _, client in ipairs(clients) do client:close() end
  end }), chunk
end

-- What the client got from a server that listens.
local function through(code, about, options)
  local app = mcp.server(about)
  options.quiet = true
  local listening <close> = app:listen(options)
  local url = listening.urls[1]
  probe.forget()
  local _ <close>, chunk = load_row(code, { url = url })
  local text
  helper.logged(function() text = select(2, chunk()) end)
  return (text:gsub(url:match ":(%d+)/", "8000"))
end

local function in_shell(words)
  local server = helper.file(COMMAND_SERVER, ".lua")
  local list = { quote(helper.program()) }
  for word in words:gmatch "%S+" do
    list[#list + 1] = quote(word == "server.lua" and server or word)
  end
  local out, status = helper.shell(table.concat(list, " ") .. " 2>&1 </dev/null")
  assert.is_true(status ~= 0, out)
  return (out:gsub("^luamcp: ", ""):gsub("\n$", ""))
end

local kinds = {}

-- Raised at the line of the code.
function kinds.raises(code)
  local _ <close>, chunk = load_row(code)
  local ok, text = pcall(chunk)
  assert.is_false(ok, "nothing was raised")
  return text
end

-- Returned as a text, or sent to the model.
function kinds.answers(code)
  local _ <close>, chunk = load_row(code)
  local text
  helper.logged(function() text = chunk() end)
  return text
end

-- The first line of the log.
function kinds.logs(code)
  local _ <close>, chunk = load_row(code)
  return helper.logged(chunk):match "^[^\n]*"
end

function kinds.served(code) return through(code, "demo", { http = 0 }) end

function kinds.secure(code)
  local own = certificate.make { names = "IP:127.0.0.1" }
  return through(code, "demo", { http = 0, tls = { cert = own.cert, key = own.key } })
end

function kinds.guarded(code)
  return through(code, { name = "demo", auth = { verify = function() return nil end,
    resource = "https://mcp.example/mcp", authorization_servers = { "https://as.example" } } },
    { http = 0 })
end

-- A port that is in use.
function kinds.busy(code)
  local listening <close> = mcp.server "other":listen { http = 0, quiet = true }
  local port = listening.urls[1]:match ":(%d+)/"
  local _ <close>, chunk = load_row((code:gsub("PORT", port)))
  return (select(2, pcall(chunk)):gsub(port, "8000"))
end

-- A whole program.
function kinds.program(code)
  local path = helper.file(code .. "\n", ".lua")
  local out = in_shell("run " .. path)
  return (out:gsub(path:gsub("%p", "%%%0"), "server.lua"))
end

-- The words after luamcp.
function kinds.command(words) return in_shell(words) end

-- The messages in the table of docs/mistakes.md.
local function documented()
  local out = {}
  for line in io.lines "docs/mistakes.md" do
    local message = line:match "^| `` (.-) `` |" or line:match "^| `(.-)` |"
    if message then out[message] = line end
  end
  return out
end

describe("a mistake", function()
  after_each(function()
    helper.remove_files()
    helper.leftovers()
  end)

  local page = documented()
  local seen = {}
  for _, row in ipairs(ROWS) do
    local kind, code, expected = table.unpack(row)
    it(("is answered exactly: %s"):format(code:match "[^\n]*"), function()
      assert.equal(expected, kinds[kind](code))
    end)
    seen[expected:gsub("^server%.lua:%d+: ", "")] = true
  end

  it("of docs/mistakes.md has its row here, and each row is there", function()
    local count = 0
    for message in pairs(page) do
      assert.is_true(seen[message], "not checked: " .. message)
      count = count + 1
    end
    for message in pairs(seen) do
      assert.is_not_nil(page[message], "not in docs/mistakes.md: " .. message)
    end
    assert.is_true(count >= 50, count .. " messages")
  end)
end)
