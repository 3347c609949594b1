-- SPDX-License-Identifier: MIT
-- descriptors: a server with 64 descriptors and many who want to connect. It must not spin, what
-- is under way must end, and it must accept again as soon as there is room.
local hunt = require "spec.hunts.hunt"
local support = hunt.support

hunt.run("descriptors", function(h)
  local count, seconds = hunt.depth(1000, 200), hunt.depth(30, 3)
  local server = hunt.server("", { descriptors = 64, env = { "MCP_LOG=off" } })
  local working = support.client(server)
  working:send(support.call(1, "sleep", { seconds = seconds / 2 }))
  local sockets = {}
  for i = 1, count do sockets[i] = hunt.system.begin("127.0.0.1", server.port) end
  hunt.wait(0.5, function() end)
  local before = hunt.cpu(server.pid)
  local began = hunt.now()
  hunt.wait(seconds, function() end)
  local used = (hunt.cpu(server.pid) - before) / (hunt.now() - began) * 100
  h:check(used <= 10, "%.0f %% of a processor with %d waiting", used, count)
  local ok, answer = pcall(working.answer, working)
  h:check(ok and answer.status == 200, "the call under way: %s", ok and answer.status or answer)
  working:close()
  for _, socket in ipairs(sockets) do socket:close() end
  local relieved = hunt.now()
  local answered = hunt.wait(5, function() return (hunt.answers(server)) end)
  local took = hunt.now() - relieved
  h:check(answered and took <= (hunt.shallow and 3 or 1), "accepts again after %.1f s", took)
  h:figure("NOFILE 64, %d connects, %d s: %.1f %% CPU, accepts again in %.2f s, %d descriptors",
    count, seconds, used, took, hunt.fds(server.pid))
end)
