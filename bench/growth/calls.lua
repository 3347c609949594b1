-- SPDX-License-Identifier: MIT
-- calls: the cost of a call against the number of sessions, of tools, and of calls at a time.
local clients = require "clients"
local figures = require "figures"

-- A point of figures.rounds: the cost of one of `texts`, which are sent in turn.
local function point(bench, server, group, texts, window)
  return function()
    return (figures.cost({ server.child:pid() }, function()
      return group:load(texts, bench.seconds, window or clients.WINDOW)
    end))
  end
end

local function cells(first, costs, ratios, i)
  return table.move({ ("%.1f"):format(costs[i] * 1e6), ("%.2f"):format(ratios[i]) }, 1, 2,
    #first + 1, first)
end

-- The points of one series, measured and closed again: { costs, ratios }.
local function series(bench, counts, open)
  local points, held = {}, {}
  for i, count in ipairs(counts) do
    local server = clients.start { core = bench.core }
    local group, texts = open(server, count)
    -- A connection answers the third request of a kind as it will all others.
    group:load(texts, 0.2 + count / 4000, clients.WINDOW)
    points[i], held[i] = point(bench, server, group, texts), { server, group }
  end
  local costs, ratios = figures.rounds(points, bench.rounds)
  for _, it in ipairs(held) do
    it[2]:close()
    it[1].child:stop()
  end
  return costs, ratios
end

local function sessions(bench)
  local counts = bench.quick and { 1, 100 } or { 1, 10, 100, 1000, 10000 }
  local bytes = {}
  local function calls_of(ids)
    local texts = {}
    for i, id in ipairs(ids) do texts[i] = clients.call(id) end
    return texts
  end
  local rows = {}
  local function add(costs, ratios)
    for i, count in ipairs(counts) do
      rows[i] = cells(rows[i] or { figures.thousands(count) }, costs, ratios, i)
    end
  end
  add(series(bench, counts, function(server, count)
    local group = clients.connect(server, clients.WINDOW)
    clients.sessions(group, 16)
    local before = server.child:rss()
    local ids = clients.sessions(group, count)
    bytes[count] = (server.child:rss() - before) * 1024 / count
    return group, calls_of(ids)
  end))
  add(series(bench, counts, function(server, count)
    local group = clients.connect(server, math.max(clients.WINDOW, count))
    return group, calls_of(clients.sessions(group, count))
  end))
  add(series(bench, counts, function(server, count)
    return clients.connect(server, math.max(clients.WINDOW, count)), { clients.call(false) }
  end))
  figures.print("Sessions", { "sessions", "16 connections: us a call", "ratio",
    "a connection each: us a call", "ratio", "so many connections, no sessions: us a call",
    "ratio" }, rows)
  print(("\nA session takes %.0f bytes."):format(bytes[counts[#counts]]))
end

local function tools(bench)
  local counts = bench.quick and { 1, 100 } or { 1, 10, 100, 1000, 5000 }
  local rows = {}
  for i, count in ipairs(counts) do rows[i] = { figures.thousands(count) } end
  local function all_of(count, session)
    local texts = { clients.call(session) }
    for i = 2, count do texts[i] = clients.call(session, "tool_" .. i) end
    return texts
  end
  for _, which in ipairs { "one", "all", "session" } do
    local points, held = {}, {}
    for i, count in ipairs(counts) do
      local server = clients.start { core = bench.core, env = { "TOOLS=" .. count } }
      local group = clients.connect(server, clients.WINDOW)
      local session = which == "session" and clients.sessions(group, 1)[1]
      local texts = which == "one" and { clients.call(false) } or all_of(count, session)
      group:load(texts, 0.2 + count / 5000, clients.WINDOW) -- each tool has been called
      points[i], held[i] = point(bench, server, group, texts), { server, group }
    end
    local costs, ratios = figures.rounds(points, bench.rounds)
    for i in ipairs(counts) do rows[i] = cells(rows[i], costs, ratios, i) end
    for _, it in ipairs(held) do
      it[2]:close()
      it[1].child:stop()
    end
  end
  figures.print("Tools", { "tools", "one is called: us a call", "ratio",
    "all in turn: us a call", "ratio", "all in turn, in a session: us a call", "ratio" }, rows)
end

local function concurrent(bench)
  local counts = bench.quick and { 1, 16 } or { 1, 2, 5, 10, 20, 50, 100 }
  local rows = {}
  for i, count in ipairs(counts) do rows[i] = { figures.thousands(count) } end
  for _, tool in ipairs { "echo", "wait" } do
    local server = clients.start { core = bench.core }
    local groups, points = {}, {}
    for i, count in ipairs(counts) do
      groups[i] = clients.connect(server, count)
      local id = clients.sessions(groups[i], 1)[1]
      points[i] = point(bench, server, groups[i], { clients.call(id, tool) }, count)
    end
    local costs, ratios = figures.rounds(points, bench.rounds)
    for i, group in ipairs(groups) do
      rows[i] = cells(rows[i], costs, ratios, i)
      group:close()
    end
    server.child:stop()
  end
  figures.print("Calls at a time in one session", { "calls at a time", "echo: us a call", "ratio",
    "a tool that waits 10 ms: us a call", "ratio" }, rows)
end

return {
  { name = "sessions", run = sessions },
  { name = "tools", run = tools },
  { name = "concurrent", run = concurrent },
}
