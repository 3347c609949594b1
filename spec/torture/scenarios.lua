-- SPDX-License-Identifier: MIT
-- What the hunts say to the server. A scenario is a conversation: its texts,
-- and the ids that must be answered (unless the connection is closed).
local scenarios = {}

local MODERN = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
  .. '"io.modelcontextprotocol/clientCapabilities":{},'
  .. '"io.modelcontextprotocol/logLevel":"debug","progressToken":7}'

local INITIALIZE = '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":'
  .. '"%s","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}'
local INITIALIZED = '{"jsonrpc":"2.0","method":"notifications/initialized"}'

local function request(id, method, params)
  return ('{"jsonrpc":"2.0","id":%s,"method":"%s"%s}'):format(id, method,
    params and ',"params":' .. params or "")
end

local function call(id, name, arguments, meta)
  return request(id, "tools/call", ('{"name":"%s"%s%s}'):format(name,
    arguments and ',"arguments":' .. arguments or "", meta and "," .. meta or ""))
end

local TOKEN = '"_meta":{"progressToken":"p"}'

-- A conversation of the handshake era; `owed` are ids as they come back.
local function legacy(name, lines, owed, version)
  table.insert(lines, 1, INITIALIZE:format(version or "2025-11-25"))
  table.insert(lines, 2, INITIALIZED)
  table.insert(owed, 1, "0")
  return { name = name, kind = "duplex", lines = lines, owed = owed }
end

scenarios.duplex = {
  { name = "ping", kind = "duplex", lines = { request(1, "ping") }, owed = { "1" } },
  legacy("initialize", {}, {}),
  legacy("lists", { request(1, "tools/list"), request(2, "resources/list"),
    request(3, "resources/templates/list"), request(4, "prompts/list") }, { "1", "2", "3", "4" }),
  legacy("lists, first revision", { request(1, "tools/list"), request(2, "prompts/list") },
    { "1", "2" }, "2024-11-05"),
  legacy("calls", { call(1, "add", '{"a":1.5}'), call('"two"', "text"), call(3, "contents"),
    call(4, "table", '{"depth":4,"tags":["a","b"]}') }, { "1", '"two"', "3", "4" }),
  legacy("failures", { call(1, "add", '{"a":"one","b":1.5,"c":2}'), call(2, "raises"),
    call(3, "refuses"), call(4, "unencodable"), call(5, "ad") }, { "1", "2", "3", "4", "5" }),
  legacy("notices", { call(1, "tells", nil, TOKEN), request(2, "logging/setLevel",
    '{"level":"error"}'), call(3, "tells", nil, TOKEN) }, { "1", "2", "3" }),
  legacy("waits", { call(1, "naps"), call(2, "spawns"), call(3, "naps") }, { "1", "2", "3" }),
  legacy("cancellation", { call(1, "slow"), call('"s"', "slow"),
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"s"}}',
    request(2, "ping") }, { "2" }),
  legacy("resources", { request(1, "resources/read", '{"uri":"torture://fixed"}'),
    request(2, "resources/read", '{"uri":"torture://blob"}'),
    request(3, "resources/read", '{"uri":"torture://item/caf%C3%A9?q=1"}'),
    request(4, "resources/read", '{"uri":"torture://none"}') }, { "1", "2", "3", "4" }),
  legacy("prompts", { request(1, "prompts/get", '{"name":"review","arguments":{"code":"x=1"}}'),
    request(2, "prompts/get", '{"name":"review"}') }, { "1", "2" }),
  legacy("batch", { "[" .. request(1, "ping") .. "," .. call(2, "add", '{"a":1}') .. ","
    .. INITIALIZED .. ",7," .. call('"\\u00e9"', "raises") .. "]" }, { "1", "2", '"é"' },
    "2025-03-26"),
  legacy("big", { call(1, "big"), call(2, "add", '{"a":' .. ("1"):rep(100) .. '}'),
    request(3, "ping", '{"pad":"' .. ("\\n"):rep(3000) .. '"}') }, { "1", "2", "3" }),
  { name = "asking", kind = "duplex", lines = {
    (INITIALIZE:format "2025-11-25"):gsub('"capabilities":{}',
      '"capabilities":{"elicitation":{"form":{}}}'), INITIALIZED, call(1, "asks"),
    '{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"name":"me"}}}',
    request(2, "resources/subscribe", '{"uri":"torture://fixed"}'),
    request(3, "resources/unsubscribe", '{"uri":"torture://fixed"}'),
    request(4, "completion/complete", '{"ref":{"type":"ref/prompt","name":"review"},'
      .. '"argument":{"name":"code","value":"a"}}'),
  }, owed = { "0", "2", "3", "4" } },
  { name = "listening", kind = "duplex", lines = {
    request(1, "subscriptions/listen", '{"notifications":{"toolsListChanged":true,'
      .. '"resourceSubscriptions":["torture://fixed"]},' .. MODERN .. "}"),
    call(2, "asks", nil, (MODERN:gsub('Capabilities":{}', 'Capabilities":{"elicitation":{}}'))),
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
    call(3, "text", nil, MODERN),
  }, owed = { "2", "3" } },
  { name = "bad texts", kind = "duplex", lines = { "{", "[]", '{"jsonrpc":"2.0","id":1}', "\xff",
    '{"a":1,"a":2}', '{"jsonrpc":"1.0","id":2,"method":"ping"}', request(3, "nothing"),
    request(4, "ping") }, owed = { "4" } },
  { name = "modern", kind = "duplex", lines = {
    request(1, "server/discover", "{" .. MODERN .. "}"),
    request(2, "tools/list", "{" .. MODERN .. "}"),
    call(3, "add", '{"a":1}', MODERN), call(4, "tells", nil, MODERN),
    call(5, "refuses", nil, MODERN), request(6, "nothing", "{" .. MODERN .. "}"),
    request(7, "resources/read", '{"uri":"torture://item/a",' .. MODERN .. "}"),
    request(8, "prompts/get", '{"name":"review","arguments":{"code":"1"},' .. MODERN .. "}"),
  }, owed = { "1", "2", "3", "4", "5", "6", "7", "8" } },
  { name = "modern cancellation", kind = "duplex", lines = {
    call(1, "slow", nil, MODERN),
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
    call(2, "text", nil, MODERN),
  }, owed = { "2" } },
}

local ACCEPT = "Accept: application/json, text/event-stream\r\n"

-- `fields`: further header fields; SESSION stands for the session's.
local function post(body, fields)
  return ("POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n%sContent-Type: application/json\r\n%s"
    .. "Content-Length: %d\r\n\r\n%s"):format(ACCEPT, fields or "", #body, body)
end

local function post_modern(method, name, params, id)
  return post(request(id or 1, method, params), ("MCP-Protocol-Version: 2026-07-28\r\n"
    .. "Mcp-Method: %s\r\n%s"):format(method, name and "Mcp-Name: " .. name .. "\r\n" or ""))
end

local SESSION = "SESSION"

scenarios.http = {
  { name = "http session", kind = "http", texts = {
    post(INITIALIZE:format "2025-11-25"), post(INITIALIZED, SESSION),
    post(request(1, "tools/list"), SESSION), post(call(2, "tells", nil, TOKEN), SESSION),
    post(call(3, "big"), SESSION), post(call(4, "naps"), SESSION),
    post('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}', SESSION),
    "DELETE /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nSESSION\r\n",
  } },
  { name = "http modern", kind = "http", texts = {
    post_modern("server/discover", nil, "{" .. MODERN .. "}"),
    post_modern("tools/call", "tells", '{"name":"tells",' .. MODERN .. "}"),
    post_modern("tools/call", "add", '{"name":"add","arguments":{"a":2},' .. MODERN .. "}"),
    post_modern("nothing", nil, "{" .. MODERN .. "}"),
  } },
  { name = "http refused", kind = "http", texts = {
    post "{", post "[]", post(request(1, "tools/list")),
    "OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "PUT /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "GET /mcp HTTP/1.1\r\nHost: evil.example\r\n" .. ACCEPT .. "\r\n",
  } },
  { name = "http body in pieces", kind = "http", pieces = 60, texts = {
    post(INITIALIZE:format "2025-06-18", "Expect: 100-continue\r\n"),
    "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n" .. ACCEPT .. "Content-Type: application/json\r\n"
      .. "Transfer-Encoding: chunked\r\nSESSION\r\n24\r\n"
      .. '{"jsonrpc":"2.0","id":1,"method":"pi\r\n4\r\nng"}\r\n0\r\n\r\n',
  } },
  { name = "http repeated", kind = "http", texts = {
    post(INITIALIZE:format "2025-11-25"), post(INITIALIZED, SESSION),
    post(call(1, "add", '{"a":1}'), SESSION), post(call(2, "add", '{"a":2}'), SESSION),
    post(call(3, "add", '{"a":3}'), SESSION), post(call(4, "add", '{"a":"x"}'), SESSION),
    post(request(5, "tools/list"), SESSION), post(call(6, "add", '{"a":1}'), SESSION),
    post_modern("tools/call", "text", '{"name":"text",' .. MODERN .. "}", 1),
    post_modern("tools/call", "text", '{"name":"text",' .. MODERN .. "}", 2),
    post_modern("tools/call", "text", '{"name":"text",' .. MODERN .. "}", 3),
    post_modern("tools/call", "text", '{"name":"text",' .. MODERN .. "}", 4),
  } },
  { name = "http bad", kind = "http", texts = { "GET /mcp HTTP/1.1\r\n\r\n" } },
}

return scenarios
