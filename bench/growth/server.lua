-- SPDX-License-Identifier: MIT
-- The server that bench/growth/run.lua measures. Its limits are higher than those of an ordinary
-- one, because a few processes play the part of all clients. TOOLS: how many tools; SIZE: bytes
-- of a long text; FILES: a folder of files to read; HEARTBEAT: seconds between two comments on an
-- idle stream.

local mcp = require "mcp"
local app = mcp.server { name = "growth", version = "1.0.0",
  sessions = { max = 1000000 }, subscriptions = { max = 1000000 } }

app:tool "echo" {
  description = "Give back the text",
  input = { text = "string" },
} (function(args)
  return args.text
end)

for i = 2, tonumber(os.getenv "TOOLS") or 1 do
  app:tool("tool_" .. i) {
    description = "Does the thing numbered " .. i .. " to a text and says how it went",
    input = { text = "string" },
  } (function(args)
    return args.text
  end)
end

-- Made before it is measured: what is measured is its way to the client.
local size = tonumber(os.getenv "SIZE") or 0
local line = 'a line of text with "quotes" and a tail of plain words, 64 bytes\n'
local long = line:rep(size // #line + 1):sub(1, size)

app:tool "large" {
  description = "A long text",
  input = { text = "string" },
} (function()
  return long
end)

app:tool "wait" {
  description = "Wait, then give back the text",
  input = { text = "string" },
} (function(args)
  mcp.sleep(0.01)
  return args.text
end)

app:tool "change" {
  description = "Change a note",
  input = { text = "integer" },
} (function(args)
  app:resource_updated("note:///" .. args.text)
  return "changed"
end)

app:resource "note:///{number}" {
  description = "A note",
} (function(vars)
  return "note " .. vars.number
end)

local files = os.getenv "FILES"
local folder = files and assert(mcp.folder(files))
for name, mime in pairs { text = "text/plain", bytes = "application/octet-stream" } do
  app:resource(name .. ":///{file}") { mime = mime } (function(vars)
    return assert(folder:file(vars.file))
  end)
end

app:run { limits = { connections = 1000000, idle_timeout = 0, head_timeout = 0,
  heartbeat = tonumber(os.getenv "HEARTBEAT") or 0 } }
