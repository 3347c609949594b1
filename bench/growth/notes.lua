-- SPDX-License-Identifier: MIT
-- notes: the cost of a call, and of a change, against the number of resources that clients are
-- subscribed to; and that of a change against the number of its subscribers.
local clients = require "clients"
local figures = require "figures"

-- What one client subscribes to: the limit of an ordinary server.
local EACH = 64
-- Different notes that are changed.
local CHANGED = 5000

-- A server with subscribers of one era, each with a stream on its own connection.
local function open(bench, modern, count, notes_of)
  local server = clients.start { core = bench.core }
  local group = clients.connect(server, clients.WINDOW)
  local streams = clients.connect(server, count, 2)
  if modern then
    clients.listen(streams, count, notes_of)
  else
    local ids = clients.sessions(group, count)
    clients.streams(streams, ids)
    clients.subscribe(group, ids, notes_of)
  end
  return { server = server, group = group, streams = streams,
    session = not modern and clients.sessions(group, 1)[1] }
end

local function close(it)
  it.streams:close()
  it.group:close()
  it.server.child:stop()
end

-- A point: the cost of a call of `texts`, each of which makes `events` events.
local function point(bench, it, texts, window, events)
  return function()
    local cost, done = figures.cost({ it.server.child:pid() }, function()
      local done = it.group:load(texts, bench.seconds, window, it.streams)
      local missing = done.requests * events - done.events
      if missing > 0 then done.events = done.events + it.streams:drain(5, missing) end
      return done
    end)
    if done.events ~= done.requests * events then
      error(("%d changes, %d events"):format(done.requests, done.events), 0)
    end
    return cost
  end
end

local function rows_of(counts)
  local rows = {}
  for i, count in ipairs(counts) do rows[i] = { figures.thousands(count) } end
  return rows
end

local function add(rows, costs, ratios)
  for i, row in ipairs(rows) do
    row[#row + 1] = ("%.1f"):format(costs[i] * 1e6)
    row[#row + 1] = ("%.2f"):format(ratios[i])
  end
end

local function notes(bench)
  local counts = bench.quick and { 1, 1000 } or { 1, 10, 100, 1000, 10000, 100000 }
  local rows = rows_of(counts)
  for _, modern in ipairs { false, true } do
    local calls, changes, held = {}, {}, {}
    for i, count in ipairs(counts) do
      local it = open(bench, modern, (count + EACH - 1) // EACH, function(client)
        return (client - 1) * EACH + 1, math.min(client * EACH, count)
      end)
      local texts, different = {}, math.min(count, CHANGED)
      for k = 1, different do
        texts[k] = clients.call(it.session, "change", tostring(count * k // different))
      end
      calls[i] = point(bench, it, { clients.call(it.session) }, clients.WINDOW, 0)
      changes[i] = point(bench, it, texts, 1, 1)
      held[i] = it
    end
    add(rows, figures.rounds(calls, bench.rounds))
    add(rows, figures.rounds(changes, bench.rounds))
    for _, it in ipairs(held) do close(it) end
  end
  figures.print("Notes that clients are subscribed to", { "notes", "sessions, echo: us a call",
    "ratio", "sessions, a change: us a call", "ratio", "listen, echo: us a call", "ratio",
    "listen, a change: us a call", "ratio" }, rows)
end

local function subscribers(bench)
  local counts = bench.quick and { 1, 100 } or { 1, 10, 100, 1000, 9000 }
  local rows = rows_of(counts)
  for _, modern in ipairs { false, true } do
    local points, held = {}, {}
    for i, count in ipairs(counts) do
      local it = open(bench, modern, count, function() return 1, 1 end)
      local change = point(bench, it, { clients.call(it.session, "change", "1") }, 1, count)
      points[i] = function() return change() / count end
      held[i] = it
    end
    add(rows, figures.rounds(points, bench.rounds))
    for _, it in ipairs(held) do close(it) end
  end
  figures.print("Subscribers of one note", { "subscribers", "sessions: us a notification", "ratio",
    "listen: us a notification", "ratio" }, rows)
end

return { { name = "notes", run = notes }, { name = "subscribers", run = subscribers } }
