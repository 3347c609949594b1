-- SPDX-License-Identifier: MIT
-- The server that hunts attack. SPEC_OPTIONS is what app:run gets; `app` in it what mcp.server
-- gets, `secure` a certificate for a second listener, over TLS, `memory` the process's limit.
local core = require "mcp.core"
local mcp = require "mcp"
local options = load("return " .. os.getenv "SPEC_OPTIONS")()
local about, secure = options.app or {}, options.secure
if options.memory then mcp.limits { memory = options.memory } end
options.app, options.secure, options.memory, about.name = nil, nil, nil, "hunt"
local app = mcp.server(about)

app:tool "echo" { input = { text = "string" } } (function(args) return args.text end)

app:tool "sleep" { input = { seconds = "number" } } (function(args, ctx)
  ctx:sleep(args.seconds)
  return "slept"
end)

app:tool "steps" { input = { count = "integer", size = "integer?" } } (function(args, ctx)
  local text = ("x"):rep(args.size or 20)
  for i = 1, args.count do
    if not ctx:progress(i, args.count, text) then return "stopped" end
  end
  return "done"
end)

-- Counts how often each key was used: an answer that comes must have been worked out once.
local counts = {}
app:tool "count" { input = { key = "string" } } (function(args)
  counts[args.key] = (counts[args.key] or 0) + 1
  return ("%s %d"):format(args.key, counts[args.key])
end)
app:tool "counted" { input = { key = "string" } } (function(args)
  return tostring(counts[args.key] or 0)
end)

app:tool "big" { input = { bytes = "integer" } } (function(args) return ("x"):rep(args.bytes) end)

-- A file and a program, for those who make opening and forking fail.
app:tool "read_file" {} (function()
  local folder <close> = assert(mcp.folder "spec/hunts")
  return #assert(folder:read "server.lua") > 0 and "read"
end)

app:tool "child" {} (function()
  local cat = { command = "cat", stderr = "null" }
  local _ <close> = assert(core.connect_child(cat, function() end))
  return "started"
end)

app:tool "facts" {} (function()
  collectgarbage()
  collectgarbage()
  return core.encode { heap = math.floor(collectgarbage "count" * 1024), tasks = core.task_count() }
end)

local version = 0
app:resource "hunt://changing" (function() return tostring(version) end)
app:tool "change" { input = { count = "integer" } } (function(args)
  for _ = 1, args.count do
    version = version + 1
    app:resource_updated "hunt://changing"
  end
  return "changed"
end)

if secure then
  local listening = app:listen { http = { port = 0 }, tls = secure, quiet = true,
    limits = options.limits }
  io.stderr:write(("secure at %d\n"):format(listening.port))
end
app:run(options)
