-- SPDX-License-Identifier: MIT
-- Messages that are odd in some way, for both_ways_spec.lua. Placeholders, since the eras differ in
-- what a request needs:
--
--   $E   the envelope as a member of params: "_meta":{…}
--   $I   what stands in it, without braces
--   $P   the prefix of its keys: io.modelcontextprotocol/
--
-- Each is a table:
--
--   body             the text; over lines it may be a list
--   method, name     what header fields say of it: tools/call and echo, if nothing else is said
--   field            one more header field
--   instead, always  instead of the one with that name; in all requests of the connection
--   era, over        the only era or transport ("http", "lines") that it is for
--   warm             what the connection has had before, if not a plain request
local list = {}

local function add(body, also)
  local case = also or {}
  case.body = body
  case.method = case.method or "tools/call"
  if case.name == nil and case.method == "tools/call" then case.name = "echo" end
  list[#list + 1] = case
end

local function message(members, also) add('{"jsonrpc":"2.0",' .. members .. "}", also) end

local function request(params, also)
  message(('"id":7,"method":"%s","params":%s'):format(also and also.method or "tools/call", params),
    also)
end

local function call(name, arguments, also)
  also = also or {}
  also.name = name
  request(('{"name":"%s","arguments":%s,$E}'):format(name, arguments), also)
end

-- Every kind of argument, right and wrong.
for _, arguments in ipairs { "{}", "null", "[]", "7", '"x"', "true", '{"text":"a"}', '{"text":7}',
  '{"text":null}', '{"text":true}', '{"text":[]}', '{"text":{}}', '{"n":3}', '{"n":3.0}',
  '{"n":3.5}', '{"n":"3"}', '{"n":1e2}', '{"n":-0}', '{"n":-0.0}', '{"n":9223372036854775807}',
  '{"n":9223372036854775808}', '{"n":-9223372036854775808}', '{"n":1e400}', '{"n":1e-400}',
  '{"n":0.1e1}', '{"n":01}', '{"n":+1}', '{"n":1.}', '{"n":.5}', '{"n":NaN}', '{"n":-}',
  '{"n":1e}', '{"n":' .. ("1"):rep(129) .. "}", '{"f":1}', '{"f":true}', '{"x":1e308}',
  '{"x":9007199254740993}', '{"x":0.30000000000000004}', '{"list":[]}', '{"list":["a"]}',
  '{"list":{}}', '{"list":[1]}', '{"other":1}', '{"text":"a","other":1}', '{"1":"a"}',
  '{"text":"a","text":"b"}', '{"te\\u0078t":"a"}', '{"text":"a","te\\u0078t":"b"}', '{"":1}',
  '["a"]', '[1]', '[{}]', '[null]', '{"0":1,"1":2}', '{"n":3,"text":"a"}', '{"n":null,"text":null}',
} do
  for _, name in ipairs { "echo", "plain", "strict" } do call(name, arguments) end
end
-- Texts: escapes, bytes that are no text, and long ones.
for _, text in ipairs { '\\u00e9\\n\\"<>', "\\/", "\\u0000", "\\ud83d\\ude00", "\\ud83d", "\\ude00",
  "\\ud83dx", "\\x", "\\u12", "\\", "\xc3\xa9", "\xff", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80",
  "\1", "\t", "\127", ("long "):rep(1000), ("x"):rep(5000), ("\\u00e9"):rep(900),
  ("\\\\\\\""):rep(900) } do
  call("echo", ('{"text":"%s"}'):format(text))
end
-- Depth, within arguments and within _meta, around the limit; and many values.
for _, depth in ipairs { 2, 60, 123, 124, 125, 126, 127, 128, 129 } do
  call("echo", ('{"other":%s%s}'):format(("["):rep(depth), ("]"):rep(depth)))
  request(('{"name":"echo","_meta":{$I,"deep":%s%s}}'):format(("["):rep(depth), ("]"):rep(depth)))
end
call("echo", ('{"other":[%s0]}'):format(("0,"):rep(2000)))
call("echo", ('{"other":[%s0]}'):format(("0,"):rep(199990)), { era = "modern", over = "http" })

-- Tools of every sort.
for _, name in ipairs { "table", "wrong", "fails", "refuses", "talks", "reports", "logs", "stamped",
  "whole", "flagged", "number", "null", "nothing", "image", "promises", "breaks", "defaults",
  "plain", "strict", "none", "asks", "context", "fickle",
  "pair", "both", "counts", "halves", "declines", "late", "must", "seen" } do
  for _, arguments in ipairs { "{}", "null", "[]", "7", '{"text":"a"}', '{"text":7}',
    '{"text":"a","other":1}' } do
    call(name, arguments)
  end
end
for _, text in ipairs { '"fail"', "false", '"x"' } do
  call("fickle", ('{"text":%s}'):format(text))
end
call("logs", '{"text":"debug"}')
call("defaults", '{"text":"a","n":"x"}')

-- Members of params: missing, more, of other types, twice, escaped, in another order.
for _, params in ipairs { "{$E}", "{}", '{"name":"echo"}', '{"name":7,$E}', '{"name":null,$E}',
  '{"name":"",$E}', '{"name":[],$E}', '{"name":true,$E}', '{"name":"table",$E}',
  '{"name":"ec\\u0068o",$E}', '{"n\\u0061me":"echo",$E}', '{"name":"echo","name":"echo",$E}',
  '{"name":"echo","n\\u0061me":"table",$E}', '{$E,"name":"echo"}', '{$E,"name":"echo",$E}',
  '{"name":"echo","other":null,"extra":[{}],$E}', '{"name":"echo","task":{},$E}',
  '{"name":"echo","task":null,$E}', '{"name":"echo","task":7,$E}', '{"name":"echo","cursor":7,$E}',
  '{"name":"echo","inputResponses":{},$E}', '{"name":"echo","inputResponses":7,$E}',
  '{"name":"echo","requestState":"x",$E}', '{"name":"echo","requestState":7,$E}',
  '{"name":"echo","arguments":{$E}}', '{"name":"echo","x":{$E}}', '{"name":"echo","x":{$E},$E}',
  '{"arguments":{"text":"a"},"name":"echo","x":{$I}}', '{"name":"echo","arguments":{$I},$E}',
  '{"name":"echo","arguments":{},"arguments":{"text":"a"},$E}', '{ "name" : "echo" , $E }',
  '{"name":"echo",$E,}', '{"name":"echo"$E}', '{"name":"echo",$E', "[$I]", "[]", "7", '"x"', "null",
  "true" } do
  request(params)
end
-- What is nearly a name and arguments alone.
for _, params in ipairs {
  '"arguments":{"text":"a"},"name":"echo"', '"name":"table","arguments":{"text":"a"}',
  '"name":"echo","arguments":{"text":"a"},"task":null',
  '"name":"echo","arguments":{"text":"a"},"task":{}', '"name":"echo","Arguments":{"text":"a"}',
  '"Name":"echo","arguments":{"text":"a"}', '"name":"echo","x":"echo"',
  '"x":"echo","arguments":{"text":"a"}', '"x":{},"arguments":{"text":"a"}',
  '"n\\u0061me":"echo","arguments":{"text":"a"}',
  '"name":"ech\\u006f","arguments":{"text":"a"}',
  '"name":"echo","\\u0061rguments":{"text":"a"}',
  '"name":"echo","arguments":{"text":"a"},"arguments":{"text":"b"}',
  '"name":"echo","arguments":{"text":"a","list":[{"_meta":{}}]}', '"name":{},"arguments":"echo"',
  '"arguments":"echo","name":{}', '"name":"echo","arguments":{"text":"a"},"x":"y"',
} do
  request("{" .. params .. ",$E}")
  request("{$E," .. params .. "}")
  for _, meta in ipairs { '""', '"name"', "{}", "null" } do
    request(('{%s,"_meta":%s}'):format(params, meta))
  end
  -- In a session without _meta.
  request("{" .. params .. "}", { era = "legacy",
    warm = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}' })
end
-- Members of the message.
for _, members in ipairs { '"id":7', '"method":"tools/call"', '"id":7,"method":"tools/call"',
  '"id":7,"method":7,"params":{"name":"echo",$E}', '"id":7,"method":null,"params":{$E}',
  '"id":7,"method":"","params":{$E}', '"id":7,"method":"tools\\/call","params":{"name":"echo",$E}',
  '"id":7,"method":"\\u0074ools/call","params":{"name":"echo",$E}',
  '"id":7,"method":"tools/call","params":{"name":"echo",$E},"extra":1',
  '"id":7,"method":"tools/call","params":{"name":"echo",$E},"result":{}',
  '"id":7,"method":"tools/call","params":{"name":"echo",$E},"error":{}',
  '"id":7,"method":"tools/call","method":"tools/call","params":{"name":"echo",$E}',
  '"id":7,"method":"tools/call","p\\u0061rams":{"name":"echo",$E}',
  '"id":7,"method":"tools/call","params":{"name":"echo",$E},"params":{"name":"table",$E}',
  '"id":7,"\\u0069d":8,"method":"tools/call","params":{"name":"echo",$E}',
  '"params":{"name":"echo",$E},"method":"tools/call","id":7',
  '"method":"tools/call","params":{"name":"echo",$E}', '"id":7,"result":{}',
  '"id":7,"result":{$E}', '"id":7,"result":{},"error":{"code":1,"message":"x"}',
  '"id":7,"error":{"code":1,"message":"x"}', '"id":null,"error":{"code":1,"message":"x"}',
  '"id":7,"error":7', '"error":{"code":1,"message":"x"}', '"id":[],"result":{}', '"result":{}',
  '"id":7,"method":"tools/call","params":{"name":"echo",$E},"jsonrpc":"2.0"' } do
  message(members)
end
for _, version in ipairs { '"1.0"', "2.0", "null", '"2\\u002e0"', '""' } do
  add(('{"jsonrpc":%s,"id":7,"method":"tools/call","params":{"name":"echo",$E}}'):format(version))
end
-- Ids.
for _, id in ipairs { "0", "-1", "-0", "1.0", "-0.0", "1e2", "1E+2", "1.5", "1e400",
  "9223372036854775807", "9223372036854775808", "18446744073709551616", '""', '"a"', '"7"',
  '"\\u00e9"', '"\xc3\xa9"', '"\\""', '"\\u0000"', '"' .. ("i"):rep(126) .. '"',
  '"' .. ("i"):rep(127) .. '"', '"' .. ("\\u0061"):rep(22) .. '"', "null", "true", "[]", "{}",
  "01", '"\\ud800"' } do
  message(('"id":%s,"method":"tools/call","params":{"name":"echo",$E}'):format(id))
end
-- _meta: odd ones, odd places, odd spellings.
for _, meta in ipairs { "null", "[]", '"x"', '""', "7", "true", "{}", '"{}"', '{"x":"y"}', "{$I,}",
  "{$I,$I}", "{ $I }", "{$I }", '{$I,"":1}', '{$I,"x/y":[1,{}]}', '{"progressToken":"t"}' } do
  request(('{"name":"echo","_meta":%s}'):format(meta))
  for _, name in ipairs { "reports", "context" } do
    request(('{"_meta":%s,"name":"%s"}'):format(meta, name), { name = name })
  end
end
request '{"name":"echo","_m\\u0065ta":{$I}}'
request '{"name":"echo",$E,"_m\\u0065ta":{$I}}'
request '{"name":"echo","_meta":{$I},"_meta":{}}'
-- Tokens, levels, versions, capabilities, clients.
for _, member in ipairs { '"progressToken":"t"', '"progressToken":7', '"progressToken":7.0',
  '"progressToken":7.5', '"progressToken":""', '"progressToken":null', '"progressToken":true',
  '"progressToken":{}', '"progressToken":[]', '"progressToken":9223372036854775808',
  '"progressToken":"' .. ("t"):rep(300) .. '"', '"progress\\u0054oken":"t"',
  '"progressToken":"a","progressToken":"b"', '"traceparent":"x"',
  '"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"' } do
  for _, name in ipairs { "echo", "reports", "context" } do
    request(('{"name":"%s","_meta":{$I,%s}}'):format(name, member), { name = name })
  end
end
for _, level in ipairs { '"debug"', '"error"', '"emergency"', '"DEBUG"', '"none"', '""', "null",
  "7", "true", "{}" } do
  request(('{"name":"logs","_meta":{$I,"$PlogLevel":%s}}'):format(level), { name = "logs" })
end
for _, member in ipairs { '"$PclientInfo":{"name":"c","version":"1"}', '"$PclientInfo":null',
  '"$PclientInfo":7', '"$PclientInfo":{}', '"$Pother":7', '"io.modelcontextprotocol\\/x":1' } do
  request(('{"name":"echo","_meta":{$I,%s}}'):format(member))
end
for _, version in ipairs { '"2026-07-28"', '"2025-11-25"', '"2099-01-01"', '"x"', '""', "7", "null",
  "true", "{}" } do
  for _, capabilities in ipairs { "{}", "null", "[]", "7", '{"elicitation":{}}' } do
    request(('{"name":"echo","_meta":{"$PprotocolVersion":%s,"$PclientCapabilities":%s}}')
      :format(version, capabilities))
  end
  request(('{"name":"echo","_meta":{"$PprotocolVersion":%s}}'):format(version))
end
request '{"name":"echo","_meta":{"$PclientCapabilities":{}}}'
request '{"name":"echo","_meta":{"$Pprotocol\\u0056ersion":"2026-07-28","$PclientCapabilities":{}}}'
-- What a client offers, and what only looks like it.
for _, capabilities in ipairs { "{}", "{ }", '{"elicitation":{}}', '{"elicitation":{"form":{}}}',
  '{"sampling":{}}', "null" } do
  local key = '"$PclientCapabilities":'
  for _, meta in ipairs { key .. capabilities,
    '"x/clientCapabilities":{},' .. key .. capabilities,
    '"x/clientCapabilities":{"elicitation":{}},' .. key .. capabilities,
    '"x":{"$PclientCapabilities":{}},' .. key .. capabilities,
    key .. capabilities .. ',"x":{"$PclientCapabilities":{"elicitation":{}}}',
    '"x/clientCapabilities":{},"$Pclient\\u0043apabilities":' .. capabilities } do
    request(('{"name":"asks","arguments":{},"_meta":{"$PprotocolVersion":"2026-07-28",%s}}')
      :format(meta), { name = "asks", era = "modern" })
  end
end

-- Other methods.
for _, of in ipairs {
  { "tools/list", "{$E}", '{"cursor":"x",$E}', '{"cursor":7,$E}', '{"cursor":null,$E}', "{}",
    '{"name":"echo",$E}' },
  { "prompts/list", "{$E}", '{"cursor":"x",$E}' },
  { "resources/list", "{$E}", '{"cursor":[],$E}' },
  { "resources/templates/list", "{$E}", '{"cursor":"x",$E}' },
  { "ping", "{$E}", "{}" },
  { "none/such", "{$E}", "{}", '{"name":"echo",$E}' },
  { "server/discover", "{$E}", '{"x":1,$E}' },
  { "logging/setLevel", '{"level":"x",$E}', '{"level":7,$E}', "{$E}" },
  { "completion/complete", "{$E}", '{"ref":7,$E}', '{"ref":{"type":"ref/prompt","name":"greet"},'
    .. '"argument":{"name":"name","value":"y"},$E}' },
  { "tasks/get", "{$E}", '{"taskId":"x",$E}' },
  { "subscriptions/listen", '{"notifications":7,$E}' },
} do
  for i = 2, #of do request(of[i], { method = of[1] }) end
end
-- What is like another message, but for a backslash that JSON has, or quotes.
message('"id":7,"method":"\\u0070ing","params":{$E}', { method = "ping",
  warm = '{"jsonrpc":"2.0","id":1,"method":"\\\\u0070ing","params":{$E}}' })
message('"id":7,"method":"\\\\u0070ing","params":{$E}', { method = "ping" })
request('{"name":"context","_meta":"{}"}', { name = "context", era = "legacy",
  warm = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"context","_meta":{}}}' })
for _, case in ipairs { { "prompts/get", "greet", '"name":"greet","arguments":{"name":"you"}' },
  { "prompts/get", "greet", '"name":"greet"' }, { "prompts/get", "none", '"name":"none"' },
  { "prompts/get", "greet", '"name":"greet","arguments":{"name":7}' },
  { "resources/read", "spec://r", '"uri":"spec://r"' },
  { "resources/read", "spec://none", '"uri":"spec://none"' },
  { "resources/read", "spec://r", '"uri":7' }, { "resources/read", "spec://r", '"uri":"SPEC://r"' },
  { "resources/read", "spec://r", '"u\\u0072i":"spec://r"' } } do
  request(("{%s,$E}"):format(case[3]), { method = case[1], name = case[2] })
end
request("{}", { method = "initialize" })
request('{"name":"late","arguments":{},"task":{"ttl":1000},"_meta":{$I,"a":[]}}', { name = "late" })
request('{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":7,$E}',
  { method = "initialize", era = "modern" })

-- Texts that are no message, or hardly.
for _, text in ipairs { "", " ", "{", "}", "nil", "[", "]", '"x"', "7", "null", "{}", "{}{}",
  "\xef\xbb\xbf{}", '{"jsonrpc":"2.0"}', "{'jsonrpc':'2.0'}", "\0", '{"a":1,"a":2}', "[[]]",
  '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo",$E}}x',
  '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo",$E}',
  '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo",$E}}]',
  '\t{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo",$E}}\t' } do
  add(text)
end
add('\n{"jsonrpc":"2.0",\r\n"id":7,"method":"tools/call",\n"params":{"name":"echo",$E}}\r\n',
  { over = "http" })

-- Batches.
local REQUEST = '{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo",$E}}'
for _, batch in ipairs { "[]", "[1]", "[%s]", "[%s,%s]", "[%s,1,{}]", "[[%s]]", "[%s,]",
  '[{"jsonrpc":"2.0","method":"notifications/initialized"}]', '[%s,{"jsonrpc":"2.0","id":9}]',
  '[{"jsonrpc":"2.0","id":1,"result":{}}]' } do
  local n = 0
  add((batch:gsub("%%s", function()
    n = n + 1
    return REQUEST:format(n)
  end)))
end
add("[" .. (REQUEST:format(1) .. ","):rep(40) .. REQUEST:format(2) .. "]")

-- Notifications, among them of requests that are not there.
for _, members in ipairs { '"method":"notifications/initialized"', '"method":"notifications/none"',
  '"method":"notifications/initialized","params":{$E}', '"method":"notifications/cancelled"',
  '"method":"notifications/cancelled","params":{$E}',
  '"method":"notifications/cancelled","params":{"requestId":7}',
  '"method":"notifications/cancelled","params":{"requestId":7,$E}',
  '"method":"notifications/cancelled","params":{"requestId":[]}',
  '"method":"notifications/cancelled","params":{"requestId":null}',
  '"method":"notifications/progress","params":{"progressToken":1,"progress":1}',
  '"method":"notifications/roots/list_changed"',
  '"method":"notifications/cancelled","params":7' } do
  message(members)
end
-- A request in progress that is cancelled, by its id or by another; and then its id again, which is
-- in use or not any more.
for _, pair in ipairs { { "7", "7" }, { "7", "7.0" }, { "7", '"7"' }, { "7", "8" }, { "7", "[]" },
  { '"a"', '"a"' }, { '"a"', '"\\u0061"' }, { "7.0", "7" }, { "7.0", "7.0" } } do
  local id, other = pair[1], pair[2]
  local begin = '{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"%s",$E}}'
  add({ begin:format(id, "waits"), ('{"jsonrpc":"2.0","method":"notifications/cancelled",'
    .. '"params":{"requestId":%s,$E}}'):format(other), begin:format(id, "echo") },
    { over = "lines" })
end

-- A session that begins again, in another revision, between calls.
for _, name in ipairs { "echo", "table", "logs" } do
  local usual = '{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"' .. name
    .. '","arguments":{"text":"a"},$E}}'
  for _, revision in ipairs { "2025-11-25", "2024-11-05" } do
    add({ usual:format(1), usual:format(2), usual:format(3),
      ('{"jsonrpc":"2.0","id":4,"method":"initialize","params":{"protocolVersion":"%s",'
      .. '"capabilities":{},"clientInfo":{"name":"d","version":"2"}}}'):format(revision),
      usual:format(5), usual:format(6), usual:format(7) }, { over = "lines" })
  end
end

-- Header fields that differ from what the body says, or are odd: some of them as long as the right
-- ones. $S is the id of another session, $L the length of the body, $X nearly that.
for _, field in ipairs { "MCP-Protocol-Version: 2099-01-01", "MCP-Protocol-Version: 2026-07-29",
  "MCP-Protocol-Version: x", "MCP-Protocol-Version:", "MCP-Protocol-Version: 2025-06-18",
  "Mcp-Session-Id: x", "Mcp-Session-Id: $S", "Mcp-Method: tools/list", "Mcp-Method: tools/calL",
  "Mcp-Method:", "Mcp-Name: table", "Mcp-Name: echO", "Mcp-Name:", "Mcp-Name: =?base64?ZWNobw==?=",
  "Mcp-Name: =?base64?!?=", "Mcp-Name: =x", "Host: 127.0.0.2", "Host: 127.0.0.1:80",
  "Content-Length: $X", "Content-Length: +$L", "Content-Length: 0x$L", "Content-Length: 0$L",
  "Content-Type: text/plain", "Accept: application/json", "Accept: text/event-stream",
  "Mcp-Param-Text: x", "Origin: http://127.0.0.1", "X-Other: \xc3\xa9" } do
  for _, instead in ipairs { true, false } do
    for _, name in ipairs { "echo", "strict" } do
      request(('{"name":"%s",$E}'):format(name),
        { name = name, field = field, instead = instead, over = "http" })
    end
  end
end
-- An argument that a header field repeats, or another.
for _, text in ipairs { '"a"', '"b"', "7", "null" } do
  call("strict", ('{"text":%s}'):format(text), { field = "Mcp-Param-Text: a", always = true,
    over = "http", warm = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"strict",'
      .. '"arguments":{"text":"a"},$E}}' })
end
local ENCODED = "=?base64?ZWNobw==?="
call(ENCODED, "{}", { field = "Mcp-Name: " .. ENCODED, instead = true, over = "http" })

return list
