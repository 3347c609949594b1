-- SPDX-License-Identifier: MIT
-- Works for the walk: whole clients, each over one transport and in one era, against a server of
-- the same process. What fails may fail on either side.
local core = require "mcp.core"
local mcp = require "mcp"
local new_app = require "spec.torture.app"
local pace = require "spec.pace"
local talk = require "spec.torture.talk"

-- Where there was no memory for an answer, time ends the wait for it.
local TIME = pace.limit(0.1)
local sse_client = require "mcp.client.transport.sse"
local http_client = require "mcp.client.transport.http"
sse_client.OPEN_TIME, sse_client.POST_TIME = TIME, TIME
http_client.POST_TIME, http_client.DELETE_TIME = TIME, TIME
require("mcp.client.watch").ACKNOWLEDGE = TIME

local FOLDER = assert(os.getenv "MCP_BUILD")

-- One server for all, for as long as the hunt lasts; over TLS another.
local serving, app

local function serve()
  if serving then return serving end
  app = new_app()
  local path = ("%s/torture-%s.socket"):format(FOLDER, core.random_id():sub(1, 8))
  local plain = app:listen { http = { port = 0 }, unix = path, quiet = true }
  local certificate = require "codecs.certificate"
  local ca = certificate.make { name = "Torture", ca = true }
  local own = certificate.make { issuer = ca, names = "IP:127.0.0.1" }
  local secure = app:listen { http = { port = 0 }, tls = { cert = own.cert, key = own.key },
    quiet = true }
  serving = { path = path, port = plain.port, secure = secure.port, ca = ca.cert, both = { plain,
    secure } }
  return serving
end

-- A child that answers in the words of an old server, and needs no more memory than a shell.
local CHILD = [==[
printf 'begins\n' >&2
while read -r line; do
  id=${line#*'"id":'} id=${id%%,*} id=${id%%\}*}
  case $line in
  *'"initialize"'*) result='{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},'
    result="$result"'"serverInfo":{"name":"sh","version":"1"}}' ;;
  *'"tools/list"'*) result='{"tools":[{"name":"text","inputSchema":{"type":"object"}}]}' ;;
  *'"tools/call"'*) result='{"content":[{"type":"text","text":"from a shell"}]}' ;;
  *) continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done]==]

local function options_of(era, more)
  local options = { era = era, timeout = TIME, probe_timeout = TIME, log_level = "debug",
    on_elicit = function() return { name = "me" } end, on_change = function() end,
    on_log = function() end, roots = { "/tmp" } }
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

-- What a client asks, and what it was told, in one text.
local function talk_to(client)
  local heard = { client.revision }
  local function hear(result) heard[#heard + 1] = assert(core.encode(result.content
    or result.messages or result.contents or result, true)) end
  hear { #assert(client:list_tools()) }
  hear(assert(client:call_tool("add", { a = 1 })))
  hear(assert(client:call_tool("tells", {}, { on_progress = function() end })))
  -- Over HTTP+SSE an elicitation does not exist yet.
  if client.revision ~= "2024-11-05" then hear(assert(client:call_tool("asks", {}))) end
  local both = mcp.all {
    function() return assert(client:call_tool("naps", {})) end,
    function() return assert(client:read_resource "torture://item/a") end,
  }
  hear(assert(both[1]))
  hear(assert(both[2]))
  hear(assert(client:get_prompt("review", { code = "x" })))
  hear(assert(client:call_tool("big", {})))
  return table.concat(heard, "\n")
end

local function talk_to_child(client)
  assert(#assert(client:list_tools()) == 1)
  return assert(client:call_tool("text", {})).content[1].text
end

-- All that one client does. Everything it opens is in `state`.
local function converse(way, state)
  -- What is assigned while memory fails must have its place before.
  state.client = false
  local client, text, code = way.connect()
  if not client then error(("%s (%s)"):format(text, code), 0) end
  state.client = client
  local heard = (way.talk or talk_to)(client)
  client:close()
  return heard
end

-- Where a task waits that should have ended.
local function first_task()
  for _, co in pairs(debug.getregistry()) do
    if type(co) == "thread" and coroutine.status(co) == "suspended" and debug.getinfo(co, 0) then
      return debug.traceback(co)
    end
  end
  return ""
end

local function close(state)
  if state.client then state.client:close(0) end
  state.client = nil
  -- What was made and not kept is the collector's.
  collectgarbage()
  collectgarbage()
  if serving then
    app.sessions:clear()
    for x in pairs(app.bus.listens) do
      if not x:is_open() then app.bus:forget(x) end
    end
  end
  if talk.settle(function() return core.task_count() == 0 end) then return nil end
  return ("%d tasks are left, and one of them is %s"):format(core.task_count(), first_task())
end

local function work(name, way)
  local expected
  local function whole()
    local state = {}
    local ok, heard = pcall(converse, way, state)
    local problem = close(state)
    return ok and heard, not ok and heard or problem
  end
  return {
    name = "client " .. name,
    run = function(state) converse(way, state) end,
    mend = function(state)
      local problem = close(state)
      if problem then return problem end
      local heard, why = whole()
      -- Its time is short, for the walk's sake: what a busy machine delays is tried again, and what
      -- the failure has broken stays broken.
      for _ = 1, 3 do
        if not (why and tostring(why):find("ETIMEDOUT", 1, true)) then break end
        heard, why = whole()
      end
      if why then return "the next conversation: " .. tostring(why) end
      expected = expected or heard
      if heard ~= expected then return ("%q instead of %q"):format(heard, expected) end
    end,
  }
end

local function over(address, era, more)
  return { connect = function()
    local s = serve()
    return mcp.connect(address(s), options_of(era, more and more(s)))
  end }
end

local function http(s) return ("http://127.0.0.1:%d/mcp"):format(s.port) end
local function https(s) return ("https://127.0.0.1:%d/mcp"):format(s.secure) end
local function unix(s) return "unix:" .. s.path end
local function ws(s) return ("ws://127.0.0.1:%d/mcp"):format(s.port) end
local function wss(s) return ("wss://127.0.0.1:%d/mcp"):format(s.secure) end
local function memory() return app end
local function trust(s) return { tls = { ca = s.ca } } end

local function sse()
  local client = mcp.session(mcp.sse_client(("http://127.0.0.1:%d/mcp"):format(serve().port),
    { timeout = TIME }),
    options_of())
  local ok, text, code = client:initialize()
  if ok then return client end
  client:close()
  return nil, text, code
end

local function child()
  local options = { timeout = TIME, probe_timeout = TIME, era = "legacy" }
  return mcp.connect({ command = "sh", args = { "-c", CHILD }, stderr = function() end }, options)
end

return {
  work("memory, legacy", over(memory, "legacy")),
  work("memory, modern", over(memory, "modern")),
  work("http, legacy", over(http, "legacy")),
  work("http, modern", over(http, "modern")),
  work("http, finding out", over(http, "auto")),
  work("http+sse", { connect = sse }),
  work("websocket, legacy", over(ws, "legacy")),
  work("websocket, modern", over(ws, "modern")),
  work("unix, modern", over(unix, "modern")),
  work("https, modern", over(https, "modern", trust)),
  work("wss, legacy", over(wss, "legacy", trust)),
  work("child", { connect = child, talk = talk_to_child }),
}
