-- SPDX-License-Identifier: MIT
-- report: the figures of a run as a page of Markdown with a chart for each table. It measures
-- nothing, and says where luamcp is not the first as it says where it is.

local mcp = require "mcp"
local figures = require "bench.figures"

local report = {}

local NONE = "–"
local GOAL = 4 -- luamcp's rate over HTTP beside rmcp's

local function samples_ratio(above, below, key)
  return above and below and figures.ratio(above, below, key) or nil
end

local function middle(samples, key)
  return samples and figures.median(figures.pick(samples, key)) or nil
end

local function show(format, value, scale)
  if not value then return NONE end
  return format:format(value * (scale or 1))
end

local function rate_of(samples)
  if not samples then return NONE end
  local broken = 0
  for _, sample in ipairs(samples) do broken = broken + (sample.broken or 0) end
  return figures.thousands(middle(samples, "rate"))
    .. (broken > 0 and (" (%d broken)"):format(broken) or "")
end

local function table_of(head, rows)
  local lines = { "| " .. table.concat(head, " | ") .. " |",
    "|---|" .. ("---:|"):rep(#head - 1) }
  for _, row in ipairs(rows) do lines[#lines + 1] = "| " .. table.concat(row, " | ") .. " |" end
  return table.concat(lines, "\n")
end

-- One value for each of the numbers of connections: "0.5 / 0.6 / 0.6".
local function joined(conns, f)
  local list = {}
  for i, count in ipairs(conns) do list[i] = f(count) end
  return table.concat(list, " / ")
end

-- -- sections ----------------------------------------------------------------------

-- A section is { title, name of its picture, table, chart, ranks }; a rank is a measure by which
-- peers are compared: { what, format, higher, values by id }.

local function http_section(run, mode, title)
  local all, conns = run[mode], run.conns
  local ours, limit = all.luamcp, all.limit
  local shown = conns[2] or conns[1] -- of which the processor time is shown
  local head, rows, bars, ranks = { "calls a second" }, {}, {}, {}
  for _, count in ipairs(conns) do head[#head + 1] = count .. " connections" end
  for _, name in ipairs { ("CPU a call at %d"):format(shown), ("p99 at %d"):format(shown),
    "of the limit, by CPU", "luamcp ÷ this, by rate" } do
    head[#head + 1] = name
  end
  for _, server in ipairs(run.servers) do
    local mine = all[server.id]
    if mine then
      local row, bar = { server.title }, { name = server.title }
      for _, count in ipairs(conns) do
        row[#row + 1] = rate_of(mine[count])
        bar["at" .. count] = middle(mine[count], "rate")
      end
      row[#row + 1] = show("%.1f µs", middle(mine[shown], "cost"), 1e6)
      row[#row + 1] = show("%.1f ms", middle(mine[shown], "p99"), 1e-3)
      row[#row + 1] = joined(conns, function(count)
        return show("%.3f", samples_ratio(limit[count], mine[count], "cost"))
      end)
      row[#row + 1] = mine == ours and NONE or joined(conns, function(count)
        return show("%.2f", samples_ratio(ours[count], mine[count], "rate"))
      end)
      rows[#rows + 1], bars[#bars + 1] = row, bar
    end
  end
  local fields, labels = {}, {}
  for i, count in ipairs(conns) do
    fields[i] = "at" .. count
    labels[fields[i]] = count .. " connections"
    local rank = { what = ("%s, calls a second at %d connections"):format(title, count),
      format = "%.0f", higher = true, values = {} }
    for id, mine in pairs(all) do rank.values[id] = middle(mine[count], "rate") end
    ranks[i] = rank
  end
  return { title = title, name = mode == "http" and "http-stateless" or "http-session",
    table = table_of(head, rows), ranks = ranks,
    chart = { kind = "bar", title = title .. ": calls a second on one core", rows = bars,
      x = "name", y = fields, labels = labels, y_label = "calls a second" } }
end

local function stdio_section(run)
  local rows, bars = {}, {}
  local ranks = { { what = "stdio, calls a second one at a time", format = "%.0f", higher = true,
    values = {} }, { what = "stdio, calls a second pipelined", format = "%.0f", higher = true,
    values = {} } }
  for _, server in ipairs(run.servers) do
    local mine = run.stdio[server.id]
    if mine then
      local ping, flood, ours = mine.ping, mine.flood, run.stdio.luamcp
      rows[#rows + 1] = { server.id == "limit" and "bare loop in C" or server.title,
        rate_of(ping), show("%.0f µs", middle(ping, "p50")), show("%.0f µs", middle(ping, "p99")),
        rate_of(flood), show("%.2f µs", middle(flood, "cost"), 1e6),
        mine == ours and NONE or ("%s / %s"):format(
          show("%.2f", samples_ratio(ours.ping, ping, "rate")),
          show("%.2f", samples_ratio(ours.flood, flood, "rate"))) }
      if server.id ~= "limit" then -- millions a second, beside which nothing else is seen
        bars[#bars + 1] = { name = server.title, ping = middle(ping, "rate"),
          flood = middle(flood, "rate") }
      end
      ranks[1].values[server.id] = middle(ping, "rate")
      ranks[2].values[server.id] = middle(flood, "rate")
    end
  end
  return { title = "stdio", name = "stdio", ranks = ranks,
    table = table_of({ "calls a second", "one at a time", "p50", "p99", "pipelined",
      "CPU a call, pipelined", "luamcp ÷ this, by rate" }, rows),
    chart = { kind = "bar", title = "stdio: calls a second", rows = bars, x = "name",
      y = { "ping", "flood" }, labels = { ping = "one at a time", flood = "pipelined" },
      y_label = "calls a second" } }
end

-- A table of one value for each column: { id of the column, head, format, what is ranked }.
local function plain_section(run, title, name, y_label, columns, value_of)
  local head, rows, bars, ranks, fields, labels = { "" }, {}, {}, {}, {}, {}
  for i, column in ipairs(columns) do
    head[i + 1], fields[i], labels[column.id] = column.head, column.id, column.head
    ranks[i] = { what = column.what, format = column.format, values = {} }
  end
  for _, server in ipairs(run.servers) do
    local row, bar, any = { server.title }, { name = server.title }, false
    for i, column in ipairs(columns) do
      local value = value_of(server.id, column.id)
      any = any or value ~= nil
      row[i + 1], bar[column.id] = show(column.format, value), value
      ranks[i].values[server.id] = value
    end
    if any then rows[#rows + 1], bars[#bars + 1] = row, bar end
  end
  return { title = title, name = name, ranks = ranks, table = table_of(head, rows),
    chart = { kind = "bar", title = title, rows = bars, x = "name", y = fields, labels = labels,
      y_label = y_label } }
end

local function sections_of(run)
  return {
    http_section(run, "http", "HTTP, revision 2026-07-28"),
    http_section(run, "session", "HTTP, sessions of 2025-11-25"),
    stdio_section(run),
    plain_section(run, "Exec to first answer", "start", "milliseconds", {
      { id = "stdio", head = "stdio", format = "%.1f ms", what = "start over stdio" },
      { id = "http", head = "HTTP", format = "%.1f ms", what = "start over HTTP" },
    }, function(id, column)
      local mine = run.start[id]
      return mine and figures.median(mine[column])
    end),
    plain_section(run, "Resident memory", "memory", "megabytes", {
      { id = "idle", head = "after one call", format = "%.2f MB",
        what = "resident memory after one call" },
      { id = "loaded", head = "after the load", format = "%.2f MB",
        what = "resident memory after the load" },
    }, function(id, column)
      local mine = id ~= "limit" and run.http[id]
      return mine and mine[column] and mine[column] / 1024 or nil
    end),
    plain_section(run, ("Memory of an idle stream, %d open"):format(run.streams), "streams",
      "kilobytes each", {
        { id = "session", head = "session and its GET", format = "%.2f KB",
          what = "memory of a session with an idle stream" },
        { id = "listen", head = "subscriptions/listen", format = "%.2f KB",
          what = "memory of an idle subscriptions/listen" },
      }, function(id, column)
        local mine = run.idle_streams[id]
        return mine and mine[column]
      end),
  }
end

-- -- what is said of them -----------------------------------------------------------

local function titles_of(run)
  local titles = {}
  for _, server in ipairs(run.servers) do titles[server.id] = server.title end
  return titles
end

-- Where a peer is ahead of luamcp, a line each.
local function ahead_of_ours(run, sections)
  local titles, lines = titles_of(run), {}
  for _, section in ipairs(sections) do
    for _, rank in ipairs(section.ranks) do
      local ours, ahead = rank.values.luamcp, {}
      for id, value in pairs(rank.values) do
        if ours and id ~= "luamcp" and id ~= "limit"
          and (rank.higher and value > ours or not rank.higher and value < ours) then
          ahead[#ahead + 1] = { title = titles[id], value = value }
        end
      end
      table.sort(ahead, function(a, b)
        if rank.higher then return a.value > b.value end
        return a.value < b.value
      end)
      for i, it in ipairs(ahead) do
        ahead[i] = ("%s %s"):format(it.title, rank.format:format(it.value))
      end
      if #ahead > 0 then
        lines[#lines + 1] = ("- %s: %s; luamcp %s"):format(rank.what, table.concat(ahead, ", "),
          rank.format:format(ours))
      end
    end
  end
  return #lines > 0 and table.concat(lines, "\n") or "- nowhere in this run"
end

local function goal(run)
  local lines = {}
  for _, mode in ipairs { "http", "session" } do
    local ours, rmcp = run[mode].luamcp, run[mode].rmcp
    for _, count in ipairs(run.conns) do
      local mine, other = ours and ours[count], rmcp and rmcp[count]
      local times = samples_ratio(mine, other, "rate")
      lines[#lines + 1] = ("| %s | %d | %s | %s | %s |"):format(
        mode == "http" and "2026-07-28" or "2025-11-25", count, show("%.2f", times),
        not times and "not measured" or times >= GOAL and "pass" or "MISS",
        show("%.2f", samples_ratio(other, mine, "cost")))
    end
  end
  local head = "| revision | connections | luamcp ÷ rmcp by rate | at least %d | by CPU |"
  return head:format(GOAL) .. "\n|---|---:|---:|---|---:|\n" .. table.concat(lines, "\n")
end

local function versions(run)
  local rows, commands = {}, {}
  for _, server in ipairs(run.servers) do
    if server.settings then
      rows[#rows + 1] = { server.title, server.missing and "not measured: " .. server.missing
        or server.version or "?", server.tools, server.settings }
      for _, how in ipairs { "http", "session", "stdio" } do
        local command = server[how]:gsub("{port}", "PORT")
        if how ~= "session" or server.session ~= server.http then
          commands[#commands + 1] = "    " .. command
        end
      end
    end
  end
  return (table_of({ "server", "version", "made with", "settings" }, rows)
    :gsub("%-%-%-:", "---")), table.concat(commands, "\n")
end

local function failures(run)
  local lines = {}
  for _, it in ipairs(run.failures) do
    lines[#lines + 1] = ("- %s, %s: %s"):format(it.title, it.part, it.reason)
  end
  if #lines == 0 then return "" end
  return ("\n**Not measured**, a row or a figure is missing for each:\n\n%s\n"):format(
    table.concat(lines, "\n"))
end

local PAGE = [[
# luamcp beside other MCP servers

`make bench-peers` wrote this page and its pictures; [README.md](README.md#other-servers) says how.

**How to read it:** every server has the same one tool and the same one core, all were measured in
turns in one run, so compare rows with each other and with the *bare limit* (a server in C that
sends a recorded answer), never with figures of another machine; ratios are medians of the ratios
of each round.

| | |
|---|---|
%s

%s
%s
## Goal

%s

## Where others are ahead

%s

%s## Commands

%s

The servers are in `bench/peers`, ran as follows, and were called by `wrk -t1 -cN -d%ds -s
bench/load.lua` over HTTP and by `bench/drive.c` over stdio:

%s
]]

---@param run table figures of each part, servers, failures, facts (a list of pairs)
---@param folder string where the page and its pictures go, with a slash
function report.write(run, folder)
  local sections, parts = sections_of(run), {}
  os.execute("mkdir -p " .. folder .. "pictures")
  for i, section in ipairs(sections) do
    local name = ("pictures/%s.svg"):format(section.name)
    local picture = ""
    if #section.chart.rows > 0 then
      section.chart.width = 860
      local file = assert(io.open(folder .. name, "w"))
      file:write(mcp.chart(section.chart).svg, "\n")
      file:close()
      picture = ("\n![%s](%s)\n"):format(section.chart.title, name)
    end
    parts[i] = ("## %s\n\n%s\n%s\n"):format(section.title, section.table, picture)
  end
  local facts = {}
  for i, it in ipairs(run.facts) do facts[i] = ("| %s | %s |"):format(it[1], it[2]) end
  local servers, commands = versions(run)
  local text = PAGE:format(table.concat(facts, "\n"), servers, failures(run), goal(run),
    ahead_of_ours(run, sections), table.concat(parts), run.command, run.seconds, commands)
  local file = assert(io.open(folder .. "RESULTS.md", "w"))
  file:write((text:gsub("\n\n\n+", "\n\n")))
  file:close()
  return folder .. "RESULTS.md"
end

return report
