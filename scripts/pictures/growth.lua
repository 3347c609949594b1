-- SPDX-License-Identifier: MIT
-- growth: the pictures of docs/scale.md, drawn from the tables of that page, so that both show the
-- same figures. `luamcp run scripts/pictures/growth.lua` writes them.
local mcp = require "mcp"

local PAGE = "docs/scale.md"

-- The picture after a table: which of its columns it shows, and what the series are called.
local PICTURES = {
  sessions = { y_label = "us of processor time a call", columns = {
    [2] = "sessions, 16 connections", [4] = "sessions, a connection each",
    [6] = "connections without sessions" } },
  tools = { y_label = "us of processor time a call", columns = { [2] = "one tool is called",
    [4] = "all in turn", [6] = "all in turn, in a session" } },
  notes = { y_label = "us of processor time", columns = { [2] = "a call, sessions",
    [4] = "a change, sessions", [6] = "a call, listen", [8] = "a change, listen" } },
  subscribers = { y_label = "us of processor time a notification", columns = { [2] = "sessions",
    [4] = "listen" } },
  sizes = { y_label = "us of processor time a MB", from = 3, columns = { [3] = "a result" } },
  files = { y_label = "us of processor time a MB", from = 2, columns = { [2] = "text",
    [4] = "bytes" } },
  concurrent = { y_label = "us of processor time a call", columns = { [2] = "echo",
    [4] = "a tool that waits 10 ms" } },
  processes = { kind = "bar", y_label = "capacity", columns = { [6] = "sessions",
    [11] = "no sessions" } },
  streams = { y_label = "MB of memory", columns = { [2] = "sessions", [4] = "listen" } },
  comments = { kind = "bar", y_label = "us of processor time a comment", columns = {
    [2] = "sessions", [4] = "listen" } },
}

local function cells_of(line)
  local cells = {}
  for cell in line:gmatch "|%s*([^|]-)%s*%f[|]" do cells[#cells + 1] = cell end
  return cells
end

local function number(text)
  return tonumber((text:gsub(",", ""))) or error(("expected a number, got %q"):format(text), 0)
end

local function draw(name, title, head, rows)
  local picture = PICTURES[name]
    or error(("%s: pictures/scale/%s.svg has no entry in PICTURES"):format(PAGE, name), 0)
  local columns = {}
  for column in pairs(picture.columns) do columns[#columns + 1] = column end
  table.sort(columns)
  local points, labels, fields = {}, {}, {}
  for i, column in ipairs(columns) do
    fields[i] = "c" .. column
    labels[fields[i]] = picture.columns[column]
  end
  for i = picture.from or 1, #rows do
    local point = { x = rows[i][1] }
    for k, column in ipairs(columns) do point[fields[k]] = number(rows[i][column]) end
    points[#points + 1] = point
  end
  -- Numbers of streams are places on an axis; steps by ten are names.
  local numeric = name == "streams" or name == "concurrent"
  if numeric then
    for _, point in ipairs(points) do point.x = number(point.x) end
  end
  return mcp.chart { kind = picture.kind or "line", title = title, rows = points, x = "x",
    y = fields, labels = labels, x_label = head[1] ~= "" and head[1] or nil,
    y_label = picture.y_label, zero = true }.svg
end

-- The pictures of a page, by name: each stands after the table that it shows.
local function pictures_of(page)
  local svgs, head, rows = {}, nil, nil
  for line in page:gmatch "[^\n]*" do
    local title, name = line:match "^!%[(.-)%]%(pictures/scale/([%w-]+)%.svg%)"
    if name then
      if not head then error(("%s: no table before the picture %s"):format(PAGE, name), 0) end
      svgs[name] = draw(name, title, head, rows)
      head, rows = nil, nil
    elseif line:find "^|%-" then
      rows = {}
    elseif line:find "^|" then
      if rows then rows[#rows + 1] = cells_of(line) else head = cells_of(line) end
    elseif line:find "^#" then
      head, rows = nil, nil
    end
  end
  return svgs
end

if arg and (arg[0] or ""):find "pictures/growth%.lua$" then
  local file <close> = assert(io.open(PAGE))
  for name, svg in pairs(pictures_of(file:read "a")) do
    local path = ("docs/pictures/scale/%s.svg"):format(name)
    local out <close> = assert(io.open(path, "wb"))
    assert(out:write(svg))
    print(path)
  end
end

return pictures_of
