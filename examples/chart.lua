-- SPDX-License-Identifier: MIT
-- chart.lua: files of comma-separated values as an MCP server that shows rather than lists.
--
--   luamcp run examples/chart.lua [FOLDER]
--
-- `columns` says what a file has, `chart` draws it. The result of `chart` is a sentence for the
-- model and a picture for people: in a page where the host shows pages, as an image elsewhere.
local mcp = require "mcp"

local FILE_SIZE = 8 << 20

-- The folder beside this file, if none is named.
local beside = (arg[0]:match "^.*/" or "") .. "charts"
local folder <close> = assert(mcp.folder(arg[1] or beside))

-- A field and the place after it. One in quotes may contain commas, line ends, and quotes written
-- twice (RFC 4180).
local function field_at(text, at)
  if text:sub(at, at) ~= '"' then return text:match("^([^,\r\n]*)()", at) end
  local from = at + 1
  while true do
    local quote = text:find('"', from, true) or error("a quoted field does not end", 0)
    if text:sub(quote + 1, quote + 1) ~= '"' then
      return (text:sub(at + 1, quote - 1):gsub('""', '"')), quote + 1
    end
    from = quote + 2
  end
end

-- The lines of a file, each a list of its fields.
local function read(text)
  local lines, at = {}, 1
  while at <= #text do
    local fields = {}
    repeat
      fields[#fields + 1], at = field_at(text, at)
      local more = text:sub(at, at) == ","
      if more then at = at + 1 end
    until not more
    local next_line = text:match("^\r?\n()", at)
    if not next_line and at <= #text then
      error(("line %d: expected a comma or the line's end after a field"):format(#lines + 1), 0)
    end
    lines[#lines + 1] = fields
    at = next_line or at
  end
  return lines
end

-- The names of the columns, and the rows by name; nil and what is wrong with the file.
local function open(name)
  local text, message = folder:read(name, FILE_SIZE)
  if not text then return nil, ("%s: %s"):format(name, message) end
  local ok, lines = pcall(read, text)
  if not ok then return nil, ("%s: %s"):format(name, lines) end
  local columns = table.remove(lines, 1)
  if not columns then return nil, name .. " is empty" end
  local rows = {}
  for i, fields in ipairs(lines) do
    rows[i] = {}
    for column, field in ipairs(columns) do rows[i][field] = fields[column] end
  end
  return columns, rows
end

local app = mcp.server { name = "chart", version = "1.0.0",
  instructions = "Ask for the columns of a file first. Then show a chart rather than numbers." }

app:tool "columns" {
  description = "The files, or the columns of a file with the values of its first row",
  input = { file = mcp.string { optional = true, description = "A file; none to list them" } },
  annotations = { read_only = true },
} (function(args)
  if args.file then
    local columns, rows = open(args.file)
    if not columns then return nil, rows end
    local list = mcp.array {}
    for i, column in ipairs(columns) do
      list[i] = { column = column, first = rows[1] and rows[1][column] }
    end
    return { columns = list, rows = #rows }
  end
  local files = mcp.array {}
  for _, entry in ipairs(assert(folder:list())) do
    if entry.kind == "file" and entry.name:find "%.csv$" then files[#files + 1] = entry.name end
  end
  return { files = files }
end)

app:ui("ui://chart/picture", { html = mcp.ui.pictures, name = "picture", title = "The chart" })

app:tool "chart" {
  description = "Draw columns of a file: lines for what changes in time, bars for amounts by name, "
    .. "a scatter chart for how two numbers go together",
  input = {
    file = "string",
    kind = mcp.enum { "line", "bar", "scatter" },
    x = mcp.string { description = "The column of the x axis" },
    y = mcp.list { "string", min = 1, max = 6, description = "The columns to draw" },
    title = "string?",
  },
  annotations = { read_only = true },
  ui = "ui://chart/picture",
} (function(args)
  local columns, rows = open(args.file)
  if not columns then return nil, rows end
  -- What it refuses is for the model to mend: another column, another kind.
  local ok, chart = pcall(mcp.chart, { kind = args.kind, rows = rows, x = args.x, y = args.y,
    title = args.title or args.file, x_label = args.x })
  if not ok then return nil, chart end
  return chart:result()
end)

app:run()
