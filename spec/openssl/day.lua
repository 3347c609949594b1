-- SPDX-License-Identifier: MIT
-- day.lua FOLDER SIDE PROTOCOL MINUTES...: one connection at each of these minutes, in a process
-- with a time of day of its own (spec/shim/day.c, whose file is FOLDER/day). Prints for each
-- whether it was "full" or "resumed", or the code of the error that ends it all. SIDE is the one
-- that is ours, with this clock: "server" or "client"; the other is the openssl command, which has
-- the real time and remembers all.
local openssl = require "mcp.openssl"
local patience = require "spec.patience"
local stream = require "codecs.stream"
local system = require "codecs.system"

local LIMIT = 10 -- seconds

local folder, side, protocol = table.unpack(arg, 1, 3)
local loop = stream.loop()
local ca, chain = folder .. "/ca.pem", folder .. "/chain.pem"
local server, client = folder .. "/server.pem", folder .. "/client.pem"

local function set_day(minutes)
  local out <close> = assert(io.open(folder .. "/day", "wb"))
  out:write(("%d\n"):format(minutes * 60))
end

local function spawn(command, ...)
  return system.spawn { "env", "-u", "LD_PRELOAD", "openssl", command, "-" .. protocol, ... }
end

local function wait(condition, what)
  return patience(condition, what, function() loop:step(0.01) end, LIMIT)
end

-- Until a text has come from a process.
local function read_until(child, pattern)
  local text = ""
  return wait(function()
    text = text .. (child:read(0) or "") .. (child:read_error(0) or "")
    return text:match(pattern)
  end, pattern)
end

local connect, context

-- Waits until the handshake has succeeded.
local function begin(connection)
  local full, resumed = context:handshakes()
  wait(function()
    local full_now, resumed_now = context:handshakes()
    if connection:facts().ended then
      print(connection:facts().code)
      os.exit(true, true)
    end
    return full_now + resumed_now > full + resumed
  end, "a handshake")
end

if side == "server" then
  context = assert(openssl.tls { role = "server", cert = server, key = server, client_ca = ca })
  local port = loop:listen()
  local session = folder .. "/session"
  function connect(first)
    local child <close> = spawn("s_client", "-connect", "127.0.0.1:" .. port, "-CAfile", ca,
      "-cert", client, "-key", client, "-cert_chain", chain, "-sess_out", session,
      table.unpack(first and {} or { "-sess_in", session }))
    local connection = assert(wait(function() return loop:accept() end, "s_client"):wrap(context))
    assert(connection:start())
    assert(connection:send "ready\n")
    begin(connection)
    read_until(child, "ready\n")
    child:close_stdin()
    wait(function() return connection:facts().ended end, "its end")
    connection:close(true)
  end
else
  context = assert(openssl.tls { role = "client", ca = ca })
  local child = spawn("s_server", "-accept", "127.0.0.1:0", "-cert", server, "-key", server,
    "-cert_chain", chain)
  local port = math.tointeger(tonumber((read_until(child, "ACCEPT [^\n]*:(%d+)\n"))))
  function connect()
    local connection = assert(assert(loop:connect(port)):wrap(context, "localhost", false, port))
    assert(connection:start())
    assert(connection:send "question\n")
    begin(connection)
    read_until(child, "question\n")
    -- What s_server has said before it read, its tickets, is here by now.
    for _ = 1, 5 do loop:step(0.01) end
    connection:close(true)
  end
end

for i = 4, #arg do
  set_day(tonumber(arg[i]))
  local full, resumed = context:handshakes()
  connect(i == 4)
  local full_now, resumed_now = context:handshakes()
  assert(full_now + resumed_now == full + resumed + 1)
  print(resumed_now > resumed and "resumed" or "full")
end
loop:close()
