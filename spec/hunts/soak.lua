-- SPDX-License-Identifier: MIT
-- soak: mixed traffic over every transport for minutes, with clients that come, go, break off and
-- do nonsense. Memory, descriptors and the Lua heap must be flat once they are warm.
local core = require "mcp.core"
local hunt = require "spec.hunts.hunt"
local mcp = require "mcp"
local support = hunt.support

local function clients(server)
  local ws = (server.url:gsub("^http", "ws"))
  local https = ("https://127.0.0.1:%d/mcp"):format(server.secure)
  local function over(target, era, tls)
    return function() return mcp.connect(target, { era = era, timeout = 10, tls = tls }) end
  end
  return {
    over(server.url, "legacy"), over(server.url, "modern"), over(ws, "legacy"), over(ws, "modern"),
    over("unix:" .. server.path, "modern"), over(https, "modern", { ca = server.ca }),
    over(https:gsub("^http", "ws"), "legacy", { ca = server.ca }),
    function()
      local client = mcp.session(mcp.sse_client(server.url, { timeout = 10 }), { timeout = 10 })
      local ok, text = client:initialize()
      if ok then return client end
      client:close()
      return nil, text
    end,
  }
end

local ACTS = {
  function(client) return client:call_tool("echo", { text = "soak" }) end,
  function(client) return client:call_tool("big", { bytes = math.random(1, 200000) }) end,
  function(client)
    return client:call_tool("steps", { count = math.random(1, 50) },
      { on_progress = function() end })
  end,
  function(client) return client:call_tool("change", { count = 2 }) end,
  function(client) return client:read_resource "hunt://changing" end,
  function(client) return client:list_tools() end,
  -- A call that is given up.
  function(client)
    client:call_tool("sleep", { seconds = 60 }, { timeout = 0.02 })
    return true
  end,
}

local function nonsense(server)
  local socket = hunt.system.connect("127.0.0.1", server.port)
  if not socket then return end
  local text = support.call(1, "steps", { count = 20 })
  local at = math.random(#text)
  socket:send(text:sub(1, at) .. string.char(math.random(0, 255)) .. text:sub(at + 1))
  if math.random(2) == 1 then socket:reset() else socket:close() end
end

local function mix(h, server, seconds, state)
  local open = clients(server)
  local deadline = core.now() + seconds
  mcp.run(function()
    local all = core.waiter()
    for n = 1, 8 do
      all:spawn(function()
        while core.now() < deadline do
          local client, why = open[n]()
          if not h:check(client, "client %d cannot connect: %s", n, why) then return end
          for _ = 1, math.random(1, 40) do
            local began = core.now()
            local ok, text, code = ACTS[math.random(#ACTS)](client)
            h:check(ok, "client %d: %s (%s)", n, text, code)
            state.calls = state.calls + 1
            state.slowest = math.max(state.slowest, core.now() - began)
          end
          client:close()
          if math.random(4) == 1 then nonsense(server) end
        end
      end)
    end
    all:wait()
  end)
end

hunt.run("soak", function(h)
  local seconds = hunt.depth(600, 12)
  local path = os.tmpname()
  os.remove(path)
  -- Sessions of clients that vanish end within the run, so that they are no growth.
  local server = hunt.server(("unix = %q, "):format(path)
    .. "app = { sessions = { idle = 2, max = 100 } }", { tls = true, env = { "MCP_LOG=off" } })
  server.path = path
  local state = { calls = 0, slowest = 0 }
  -- A sixth to get warm.
  mix(h, server, seconds / 6, state)
  local before = { rss = hunt.rss(server.pid), fds = hunt.fds(server.pid),
    heap = hunt.facts(server).heap, own = hunt.fds "self" }
  mix(h, server, seconds * 5 / 6, state)
  hunt.wait(3, function() return hunt.fds(server.pid) <= before.fds end)
  local facts = hunt.facts(server)
  local rss, heap = hunt.rss(server.pid) - before.rss, facts.heap - before.heap
  -- What fragments in a few seconds is not what grows.
  local room = math.max(1 << 20, before.rss // 20)
  h:check(rss <= room, "resident memory grew by %d KiB", rss // 1024)
  h:check(heap <= 256 << 10, "the Lua heap grew by %d KiB", heap // 1024)
  h:check(hunt.fds(server.pid) <= before.fds + 2, "%d descriptors, %d before", hunt.fds(server.pid),
    before.fds)
  h:check(hunt.answers(server), "a fresh call is not answered")
  h:figure("%d s, %d calls: RSS %+d KiB, heap %+d KiB, descriptors %+d, slowest call %.2f s",
    seconds, state.calls, rss // 1024, heap // 1024, hunt.fds(server.pid) - before.fds,
    state.slowest)
end)
