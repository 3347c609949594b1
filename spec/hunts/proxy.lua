-- SPDX-License-Identifier: MIT
-- proxy.lua: stands between a client and a server and does what networks do. Run by chaos.lua:
--
--   lua proxy.lua MODE SEED tcp PORT           listens on a free port, which it prints
--   lua proxy.lua MODE SEED unix PATH OWN      listens on the socket file OWN
--   lua proxy.lua MODE SEED stdio COMMAND…     relays its standard input and output
--
-- MODE: split   every byte is a write of its own
--       delay   every piece waits for up to 15 ms; order is kept
--       cut     three of four connections end after some bytes, in order or by a reset
--       reorder whole messages that follow closely change places: lines, WebSocket messages from
--               the server; of other bytes only connections overtake each other
-- It uses luv, not our loop: what is tested is not what tests.
local uv = require "luv"

local mode, seed, kind = arg[1], math.tointeger(tonumber(arg[2])), arg[3]
math.randomseed(seed)

local DELAY, HOLD = 15, 8 -- ms

-- Writing to one that has gone is an error here, not our end.
local broken_pipe = uv.new_signal()
broken_pipe:start "sigpipe"
broken_pipe:unref()

-- --- one direction -------------------------------------------------------------------------------

-- A queue that hands its pieces to `to`, one after the other.
local function new_direction(to, on_end)
  local queue, busy, ended = {}, false, false
  local function pump()
    if busy then return end
    local piece = table.remove(queue, 1)
    if not piece then
      if ended then on_end() end
      return
    end
    busy = true
    local function go_on()
      busy = false
      pump()
    end
    local function write()
      if to:is_closing() then return end
      to:write(piece, function(err)
        if err then return end
        if mode == "split" then
          -- The next byte in a turn of its own.
          local idle = uv.new_idle()
          idle:start(function()
            idle:stop()
            idle:close()
            go_on()
          end)
        else
          go_on()
        end
      end)
    end
    if mode == "delay" then
      local timer = uv.new_timer()
      timer:start(math.random(0, DELAY), 0, function()
        timer:close()
        write()
      end)
    else
      write()
    end
  end
  return {
    push = function(bytes)
      if mode == "split" then
        for i = 1, #bytes do queue[#queue + 1] = bytes:sub(i, i) end
      else
        queue[#queue + 1] = bytes
      end
      pump()
    end,
    finish = function()
      ended = true
      pump()
    end,
  }
end

-- --- whole messages ------------------------------------------------------------------------------

-- The length of the message at the beginning of `text`, or nil while it is not whole.
local SPLITTERS = {
  lines = function(text)
    return (text:find("\n", 1, true))
  end,
  -- Frames of a server, not masked. What is no whole text message is never moved.
  frames = function(text)
    if #text < 2 then return nil end
    local first, length = text:byte(1, 2)
    local head = 2
    if length == 126 then
      if #text < 4 then return nil end
      length, head = string.unpack(">I2", text, 3), 4
    elseif length == 127 then
      if #text < 10 then return nil end
      length, head = string.unpack(">I8", text, 3), 10
    end
    if #text < head + length then return nil end
    return head + length, first == 0x81
  end,
}

-- Holds a message for a moment; if another comes meanwhile, that one goes first. Only answers
-- change places: notices may belong before them.
local function new_mixer(splitter, direction)
  local text, held, timer = "", nil, uv.new_timer()
  local function release()
    timer:stop()
    if held then direction.push(held) end
    held = nil
  end
  return {
    push = function(bytes)
      text = text .. bytes
      while true do
        local length, movable = splitter(text)
        if not length then return end
        local message = text:sub(1, length)
        text = text:sub(length + 1)
        if movable == false or not message:find('"result"', 1, true) then
          release()
          direction.push(message)
        elseif held then
          direction.push(message)
          release()
        else
          held = message
          timer:start(HOLD, 0, release)
        end
      end
    end,
    finish = function()
      release()
      if text ~= "" then direction.push(text) end
      timer:close()
      direction.finish()
    end,
  }
end

-- HTTP first, frames after the head of an upgrade.
local function new_http_mixer(direction)
  local head, inner = "", nil
  return {
    push = function(bytes)
      if inner then return inner.push(bytes) end
      head = head .. bytes
      -- TLS: nothing to be seen.
      if head:byte() == 0x16 then
        inner = direction
        return direction.push(head)
      end
      local _, last = head:find("\r\n\r\n", 1, true)
      if not last then return end
      local rest = head:sub(last + 1)
      if head:find "^HTTP/1.1 101" then
        direction.push(head:sub(1, last))
        inner = new_mixer(SPLITTERS.frames, direction)
        if rest ~= "" then inner.push(rest) end
      else
        inner = direction
        direction.push(head)
      end
    end,
    finish = function()
      if not inner and head ~= "" then direction.push(head) end
      (inner or direction).finish()
    end,
  }
end

-- --- a pair of streams ---------------------------------------------------------------------------

local function close(stream)
  if not stream:is_closing() then stream:close() end
end

-- Relays `near` (the client) and `far` until one ends.
local function join(near_in, near_out, far_in, far_out, lines, on_closed)
  local left = mode == "cut" and math.random(4) > 1 and math.random(20, 5000) or math.huge
  local gone = false
  local function close_all()
    if gone then return end
    gone = true
    for _, stream in ipairs { near_in, near_out, far_in, far_out } do close(stream) end
    if on_closed then on_closed() end
  end
  local function cut()
    if not lines and math.random(2) == 1 and near_in.close_reset then
      near_in:close_reset()
      far_in:close_reset()
    end
    close_all()
  end
  local up = new_direction(far_out, function() far_out:shutdown(function()
    if lines then close(far_out) end
  end) end)
  local down = new_direction(near_out, close_all)
  if mode == "reorder" then
    down = lines and new_mixer(SPLITTERS.lines, down) or new_http_mixer(down)
  end
  local function relay(from, direction)
    from:read_start(function(err, bytes)
      if gone then return end
      if err then return close_all() end
      if not bytes then return direction.finish() end
      if #bytes >= left then
        direction.push(bytes:sub(1, left))
        left = 0
        local timer = uv.new_timer()
        return timer:start(1, 0, function()
          timer:close()
          cut()
        end)
      end
      left = left - #bytes
      direction.push(bytes)
    end)
  end
  relay(near_in, up)
  relay(far_in, down)
end

-- --- its three places ----------------------------------------------------------------------------

local function listen(server, connect)
  server:listen(128, function(err)
    assert(not err, err)
    local near = kind == "tcp" and uv.new_tcp() or uv.new_pipe(false)
    server:accept(near)
    if kind == "tcp" then near:nodelay(true) end
    local far = kind == "tcp" and uv.new_tcp() or uv.new_pipe(false)
    connect(far, function(failed)
      if failed then
        close(near)
        return close(far)
      end
      if kind == "tcp" then far:nodelay(true) end
      join(near, near, far, far, false)
    end)
  end)
end

if kind == "tcp" then
  local server = uv.new_tcp()
  assert(server:bind("127.0.0.1", 0))
  local port = math.tointeger(tonumber(arg[4]))
  listen(server, function(far, fn) far:connect("127.0.0.1", port, fn) end)
  io.stdout:write(server:getsockname().port, "\n")
  io.stdout:flush()
elseif kind == "unix" then
  local server = uv.new_pipe(false)
  assert(server:bind(arg[5]))
  listen(server, function(far, fn) far:connect(arg[4], fn) end)
  io.stdout:write "0\n"
  io.stdout:flush()
else
  local near_in, near_out = uv.new_pipe(false), uv.new_pipe(false)
  local far_in, far_out = uv.new_pipe(false), uv.new_pipe(false)
  near_in:open(0)
  near_out:open(1)
  local process
  process = assert(uv.spawn(arg[4], { args = table.move(arg, 5, #arg, 1, {}),
    stdio = { far_out, far_in, 2 } }, function() process:close() end))
  join(near_in, near_out, far_in, far_out, true)
end
uv.run()
