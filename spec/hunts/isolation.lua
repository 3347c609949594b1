-- SPDX-License-Identifier: MIT
-- isolation: many clients, over every transport and in both eras, all with the same ids, each with
-- a secret of its own. No answer, progress or notice may hold what is another's.
local core = require "mcp.core"
local hunt = require "spec.hunts.hunt"
local mcp = require "mcp"

local function open(server, n)
  local way = n % 6
  local options = { timeout = 60, probe_timeout = 60 }
  if way == 0 then
    options.era = "legacy"
    return assert(mcp.connect(server.url, options))
  elseif way == 1 then
    options.era = "modern"
    return assert(mcp.connect(server.url, options))
  elseif way == 2 or way == 3 then
    options.era = way == 2 and "legacy" or "modern"
    return assert(mcp.connect((server.url:gsub("^http", "ws")), options))
  elseif way == 4 then
    local client = mcp.session(mcp.sse_client(server.url, { timeout = 60 }), options)
    assert(client:initialize())
    return client
  end
  options.era, options.tls = "modern", { ca = server.ca }
  return assert(mcp.connect(("https://127.0.0.1:%d/mcp"):format(server.secure), options))
end

hunt.run("isolation", function(h)
  local clients, replies = 100, hunt.depth(100000, 4000)
  local each = replies // clients
  local server = hunt.server("limits = { connections = 1000 }", { tls = true,
    env = { "MCP_LOG=off" } })
  local checked, foreign, failed = 0, 0, 0
  mcp.run(function()
    local all = core.waiter()
    for n = 1, clients do
      all:spawn(function()
        local client <close> = open(server, n) -- luacheck: ignore
        local secret = core.random_id()
        for i = 1, each do
          local text = ("%s %d %d"):format(secret, n, i)
          local result, why
          if i % 20 == 0 then
            result, why = client:call_tool("steps", { count = 3, size = n },
              { on_progress = function(_, _, message)
                if #message ~= n then foreign = foreign + 1 end
              end })
          else
            result, why = client:call_tool("echo", { text = text })
            if result and result.content[1].text ~= text then
              foreign = foreign + 1
              h:check(false, "client %d got %q instead of %q", n, result.content[1].text, text)
            end
          end
          if not result then
            failed = failed + 1
            h:check(false, "client %d, call %d: %s", n, i, why)
          end
          checked = checked + 1
        end
      end)
    end
    all:wait()
  end)
  h:check(foreign == 0, "%d foreign replies", foreign)
  h:figure("%d clients of 6 kinds with the same ids, %d replies: %d foreign, %d failed", clients,
    checked, foreign, failed)
end)
