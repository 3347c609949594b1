-- SPDX-License-Identifier: MIT
-- Our client, as the load. Run by luamcp, or by Lua itself for "bare":
--   client.lua call TARGET [WORD...]   calls the tool echo, one call at a time, over a
--                       connection to TARGET: a URL, "stdio" (then the words are the
--                       command), or "memory": a server in this process
--   client.lua bare     the same of cjson and handler.lua alone, in this process
--   client.lua hold URL   holds connections that are silent
-- Each line of standard input is a number, and is answered with a line when it is done: so
-- many seconds of calls, reported as load.lua does it; or so many more connections.

package.cpath = (os.getenv "BUILD" or "build") .. "/bench/?.so;" .. package.cpath
local drive = require "drive"

local TEXT = require("bench.messages").TEXT
local mode, target = arg[1], arg[2]

local function own_server(mcp)
  local app = mcp.server { name = "bench", version = "1.0.0" }
  app:tool "echo" {
    description = "Give back the text",
    input = { text = "string" },
  } (function(args)
    return args.text
  end)
  return app
end

local function open(place)
  local mcp = require "mcp"
  if place == "stdio" then
    place = { command = arg[3], args = table.move(arg, 4, #arg, 1, {}) }
  elseif place == "memory" then
    place = own_server(mcp)
  end
  local options = type(place) == "string" and place:find "^%a+s:" and { tls = { verify = false } }
    or nil
  return assert(mcp.connect(place, options))
end

local function bare()
  local cjson = require "cjson"
  local handle = dofile "bench/handler.lua"
  local id = 0
  return function()
    id = id + 1
    local request = cjson.encode { jsonrpc = "2.0", id = id, method = "tools/call",
      params = { name = "echo", arguments = { text = TEXT } } }
    return cjson.decode(handle(request)).result
  end
end

local function caller()
  if mode == "bare" then return bare() end
  local client = open(target)
  return function() return assert(client:call_tool("echo", { text = TEXT })) end
end

local function answer(text)
  io.stdout:write(text, "\n")
  io.stdout:flush()
end

local held = {}
local call = mode ~= "hold" and caller()

for line in io.lines() do
  local number = assert(tonumber(line), line)
  if call then
    local requests, begun = 0, drive.now()
    repeat
      for _ = 1, 10 do
        if call().content[1].text ~= TEXT then error "another text came back" end
      end
      requests = requests + 10
    until drive.now() - begun >= number
    answer(("load requests=%d seconds=%.4f"):format(requests, drive.now() - begun))
  else
    for _ = 1, number do held[#held + 1] = open(target) end
    answer "held"
  end
end
