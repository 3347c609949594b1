-- SPDX-License-Identifier: MIT
-- processes: what a call costs with several processes, how much more they can do, and what they
-- ask Redis for. Capacity is by processor time, as if each process had a core of its own and an
-- equal share of the connections.
local clients = require "clients"
local drive = require "drive"
local figures = require "figures"
local machine = require "bench.machine"

local CONNECTIONS <const> = 32
local SESSIONS <const> = 64

-- The processes below a supervisor that serve: those without children.
local function workers(pid, list)
  list = list or {}
  local file <close> = assert(io.open(("/proc/%d/task/%d/children"):format(pid, pid)))
  for text in file:read("a"):gmatch "%d+" do
    local child, count = math.tointeger(tonumber(text)), #list
    workers(child, list)
    if #list == count then list[#list + 1] = child end
  end
  return list
end

local function redis(bench)
  if not os.execute "command -v redis-server >/dev/null" then
    error("redis-server is missing: scripts/deps installs it", 0)
  end
  local port = drive.free_port()
  local words = { "redis-server", "--port", tostring(port), "--bind", "127.0.0.1", "--save", "",
    "--appendonly", "no", "--daemonize", "no" }
  local child = drive.spawn(words, { core = bench.core, log = clients.log })
  return machine.await({ child = child, port = port }, words, clients.log, 10)
end

-- Commands that a Redis has carried out, and messages that it has delivered.
local function counted(server)
  local fd = assert(drive.connect(server.port))
  drive.send(fd, "INFO commandstats\r\n")
  local text, size = "", nil
  repeat
    text = text .. drive.receive(fd)
    size = size or tonumber(text:match "^%$(%d+)\r\n")
  until size and #text >= size
  drive.close(fd)
  local commands, published = 0, 0
  for name, calls in text:gmatch "cmdstat_([%w|_-]+):calls=(%d+)" do
    -- What a script calls counts, too.
    if name ~= "info" then commands = commands + tonumber(calls) end
    if name == "publish" then published = published + tonumber(calls) end
  end
  return commands, published
end

-- Three servers: { name, ports, pids of those that serve, pids of others, stop }.
local function servers(bench)
  local list = {}
  local single = clients.start { core = bench.core }
  list[1] = { name = "1 process", ports = { single.port }, pids = { single.child:pid() },
    others = {}, stop = function() single.child:stop() end }
  local two = clients.start { core = bench.core, words = { "--workers", "2" } }
  drive.sleep(1) -- both are ready
  list[2] = { name = "2 workers", ports = { two.port }, pids = workers(two.child:pid()),
    others = { two.child:pid() }, stop = function() two.child:stop() end }
  local store = redis(bench)
  local words = { "--store", "redis://127.0.0.1:" .. store.port }
  local a, b = clients.start { core = bench.core, words = words },
    clients.start { core = bench.core, words = words }
  list[3] = { name = "2 processes over Redis", ports = { a.port, b.port },
    pids = { a.child:pid(), b.child:pid() }, others = { store.child:pid() }, store = store,
    stop = function()
      a.child:stop()
      b.child:stop()
      store.child:stop()
    end }
  return list
end

local function measure(bench, list, texts_of)
  local points, shares, others = {}, {}, {}
  for i, server in ipairs(list) do
    local group = clients.connect(server.ports, CONNECTIONS)
    local texts = texts_of(group)
    local pids = { table.unpack(server.pids) }
    table.move(server.others, 1, #server.others, #pids + 1, pids)
    shares[i], others[i], server.group = {}, {}, group
    points[i] = function()
      local cost, done = figures.cost(pids, function()
        return group:load(texts, bench.seconds, clients.WINDOW)
      end)
      local most, sum = 0, 0
      for k = 1, #server.pids do most, sum = math.max(most, done.cpu[k]), sum + done.cpu[k] end
      table.insert(shares[i], most / sum)
      table.insert(others[i], server.others[1] and done.cpu[#pids] / done.requests or 0)
      return cost
    end
  end
  local costs, ratios = figures.rounds(points, bench.rounds)
  local rows = {}
  for i, server in ipairs(list) do
    local other = figures.median(others[i])
    -- What the processes that serve use for a call; as many as there are do it at a time.
    local own = ratios[i] * (1 - other / costs[i])
    rows[i] = { ("%.1f"):format(costs[i] * 1e6), ("%.2f"):format(ratios[i]),
      ("%.1f"):format(other * 1e6), ("%.0f %%"):format(figures.median(shares[i]) * 100),
      ("%.2f"):format(#server.pids / own) }
    server.group:close()
  end
  return rows
end

local function processes(bench)
  local list = servers(bench)
  local rows = {}
  for i, server in ipairs(list) do rows[i] = { server.name } end
  for _, modern in ipairs { false, true } do
    local more = measure(bench, list, function(group)
      if modern then return { clients.call(false) } end
      local texts = {}
      for i, id in ipairs(clients.sessions(group, SESSIONS)) do texts[i] = clients.call(id) end
      return texts
    end)
    for i, row in ipairs(rows) do table.move(more[i], 1, #more[i], #row + 1, row) end
  end
  for _, server in ipairs(list) do server.stop() end
  figures.print("Processes", { "", "a session: us a call", "ratio", "of it supervisor or Redis",
    "the busier process", "capacity", "no session: us a call", "ratio",
    "of it supervisor or Redis", "the busier process", "capacity" }, rows)
end

local function messages(bench)
  local all = servers(bench)
  all[1].stop()
  all[2].stop()
  local server = all[3]
  local group = clients.connect(server.ports, CONNECTIONS)
  local rows = {}
  local function line(name, f)
    local commands, published = counted(server.store)
    local before = drive.cpu_of(server.store.child:pid())
    local count = f()
    local cpu = drive.cpu_of(server.store.child:pid()) - before
    drive.sleep(0.3)
    local commands_now, published_now = counted(server.store)
    rows[#rows + 1] = { name, ("%.2f"):format((commands_now - commands) / count),
      ("%.2f"):format((published_now - published) / count), ("%.1f"):format(cpu / count * 1e6) }
  end
  local count, ids = bench.quick and 100 or 1000, nil
  line("a new session", function()
    ids = clients.sessions(group, count)
    return count
  end)
  local streams = clients.connect(server.ports, count, 2)
  line("a stream of a session", function()
    clients.streams(streams, ids)
    return count
  end)
  local function calls(texts, seconds)
    return group:load(texts, seconds, clients.WINDOW, streams).requests
  end
  line("a call in a session", function()
    local texts = {}
    for i, id in ipairs(ids) do texts[i] = clients.call(id) end
    return calls(texts, 5 * bench.seconds)
  end)
  line("a call without a session", function()
    return calls({ clients.call(false) }, 5 * bench.seconds)
  end)
  line("a subscription of a session", function()
    clients.subscribe(group, ids, function(i) return i, i end)
    return count
  end)
  line("a change that one client subscribes to", function()
    local texts = {}
    for i in ipairs(ids) do texts[i] = clients.call(false, "change", tostring(i)) end
    return calls(texts, 5 * bench.seconds)
  end)
  local seconds = bench.quick and 2 or 60
  line("an idle session with a stream, a minute", function()
    drive.sleep(seconds)
    return count * seconds / 60
  end)
  streams:close()
  group:close()
  server.stop()
  figures.print("What two processes ask Redis for", { "", "commands", "of them published",
    "us of Redis" }, rows)
end

return { { name = "processes", run = processes }, { name = "messages", run = messages } }
