-- SPDX-License-Identifier: MIT
-- chaos: a proxy between every pair of our transports cuts, delays, reorders and splits. No answer
-- may be lost, doubled or another's: a call that comes back was done once; one that fails was done
-- once at most, and fails because its connection went, not because its time ran out.
local core = require "mcp.core"
local hunt = require "spec.hunts.hunt"
local mcp = require "mcp"
local support = hunt.support

local TIME = 10
local LUA = os.getenv "LUA" or "lua5.4"
local TASKS = 6
-- So many calls of a client: each brings connections that can be cut.
local TURN = 12

-- --- transports ----------------------------------------------------------------------------------

local KINDS = { "http legacy", "http modern", "http+sse", "websocket legacy", "websocket modern",
  "unix modern", "https modern", "wss legacy", "stdio legacy", "stdio modern" }

local function start_proxy(h, mode, kind, server)
  local command = { LUA, "spec/hunts/proxy.lua", mode, tostring(h.seed) }
  local own
  if kind:find "^unix" then
    own = os.tmpname()
    os.remove(own)
    table.move({ "unix", server.path, own }, 1, 3, 5, command)
  else
    local secure = kind:find "^https" or kind:find "^wss"
    table.move({ "tcp", tostring(secure and server.secure or server.port) }, 1, 2, 5, command)
  end
  local process = hunt.system.spawn(command)
  local port = math.tointeger(tonumber((assert(process:read(5), "the proxy does not start"))))
  return { process = process, port = port, path = own }
end

-- Over stdio each connection has a proxy of its own, and must not be cut where the last one was.
local opened = 0

local function open(h, mode, kind, proxy, server)
  local options = { timeout = TIME, probe_timeout = TIME, era = kind:match " (%a+)$" }
  if kind:find "^stdio" then
    opened = opened + 1
    return mcp.connect({ command = LUA, stderr = "null", args = { "spec/hunts/proxy.lua", mode,
      tostring(h.seed + opened), "stdio", support.program(), "run", "spec/hunts/server.lua" },
      env = { SPEC_OPTIONS = "{ stdio = true }", MCP_LOG = "off",
        LUA_PATH = os.getenv "LUA_PATH", LUA_CPATH = os.getenv "LUA_CPATH" } }, options)
  elseif kind == "http+sse" then
    options.era = nil
    local client = mcp.session(mcp.sse_client(("http://127.0.0.1:%d/mcp"):format(proxy.port),
      { timeout = TIME }), options)
    local ok, text, code = client:initialize()
    if ok then return client end
    client:close()
    return nil, text, code
  elseif kind:find "^unix" then
    return mcp.connect("unix:" .. proxy.path, options)
  end
  local scheme = kind:find "^websocket" and "ws" or kind:match "^%a+"
  if scheme == "https" or scheme == "wss" then options.tls = { ca = server.ca } end
  return mcp.connect(("%s://127.0.0.1:%d/mcp"):format(scheme, proxy.port), options)
end

-- --- what is said --------------------------------------------------------------------------------

local function call(h, what, client, key, done)
  local result, text, code = client:call_tool("count", { key = key })
  if result then
    local heard = result.content[1].text
    h:check(heard == key .. " 1", "%s: %q instead of %q", what, heard, key .. " 1")
    done.answered = done.answered + 1
    return true
  end
  done.failed = done.failed + 1
  done.uncertain[#done.uncertain + 1] = key
  h:check(code ~= "ETIMEDOUT", "%s: a call waited out its time: %s", what, text)
  return false
end

local function talk(h, mode, kind, proxy, server, calls, done)
  local what = mode .. ", " .. kind
  local next_call = 0
  local attempts = 0
  while next_call < calls and attempts < 3 * calls + 20 do
    attempts = attempts + 1
    local client, text, code = open(h, mode, kind, proxy, server)
    if not client then
      h:check(mode == "cut", "%s: cannot connect: %s (%s)", what, text, code)
      h:check(code ~= "ETIMEDOUT", "%s: connecting waited out its time: %s", what, text)
      if mode ~= "cut" then return end
    else
      local all, until_call = core.waiter(), math.min(calls, next_call + TURN)
      for _ = 1, TASKS do
        all:spawn(function()
          while next_call < until_call do
            next_call = next_call + 1
            local key = ("%s %d %s"):format(kind, next_call, mode)
            if not call(h, what, client, key, done) then
              h:check(mode == "cut", "%s: call %d failed", what, next_call)
              return
            end
          end
        end)
      end
      all:wait()
      client:close()
    end
  end
  h:check(next_call >= calls, "%s: only %d of %d calls were tried", what, next_call, calls)
end

hunt.run("chaos", function(h)
  local path = os.tmpname()
  os.remove(path)
  local server = hunt.server(("unix = %q"):format(path), { tls = true, env = { "MCP_LOG=off" } })
  server.path = path
  local calls = hunt.depth(300, 12)
  for _, mode in ipairs { "split", "delay", "reorder", "cut" } do
    local done = { answered = 0, failed = 0 }
    for _, kind in ipairs(KINDS) do
      done.uncertain = {}
      local proxy = not kind:find "^stdio" and start_proxy(h, mode, kind, server)
      mcp.run(function() talk(h, mode, kind, proxy, server, calls, done) end)
      if proxy then
        -- What failed may have been done, but not twice. A child's counts went with it.
        local direct <close> = support.client(server) -- luacheck: ignore
        for i, key in ipairs(done.uncertain) do
          local times = tonumber(direct:call(i, "counted", { key = key }))
          h:check(times <= 1, "%s, %s: a call that failed was done %d times", mode, kind, times)
        end
        proxy.process:close()
        if proxy.path then os.remove(proxy.path) end
      end
    end
    h:figure("%s: %d transports, %d calls answered once, %d failed with their connection", mode,
      #KINDS, done.answered, done.failed)
  end
  h:check(hunt.answers(server), "a fresh call is not answered")
end)
