-- SPDX-License-Identifier: MIT
-- data.lua: from the options of mcp.chart to points: reads the rows, decides what the x axis counts
-- (numbers, times or names), and says which row and which field is wrong.
local check = require("mcp.options").check
local nearest = require "mcp.nearest"
local scale = require "mcp.chart.scale"

local data = {}

---How many bytes of text a chart keeps of its rows at most: names of categories, title, labels.
data.TEXT = 65536
---How many points a scatter chart draws at most, and a line or bar chart reads.
data.SCATTER, data.POINTS = 5000, 1000000

---@class mcp.chart.Series
---@field name string
---@field x number[] a place on the x axis: a number, seconds since 1970, or the index of a category
---@field y (number|false)[] false: no value there

local KNOWN = { kind = "string", rows = "table", x = "string|number", y = "string|number|table",
  title = "string", x_label = "string", y_label = "string", labels = "table", width = "number",
  height = "number", zero = "boolean", theme = "string" }
local KINDS = { line = true, bar = true, scatter = true }
local THEMES = { auto = true, light = true, dark = true }
local SIZES = { width = { 240, 4000, 720 }, height = { 160, 4000, 400 } }

local function fail(...) error("mcp.chart: " .. (...):format(select(2, ...)), 0) end

local function chosen(options, name, set, default)
  local value = options[name]
  if value == nil and default then return default end
  if not set[value] then
    fail("%s: expected %s, got %s", name, table.concat(nearest.keys(set), ", "),
      value == nil and "nothing" or ("%q"):format(value))
  end
  return value
end

local function fields_of(rows)
  local names = {}
  for name in pairs(rows[1]) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

-- The values of a field. Empty text, as files of comma-separated values have it, is no value.
local function value_of(row, field)
  local value = row[field]
  if value == nil or value == "" or type(value) == "userdata" then return nil end
  return value
end

-- Beyond it the length of an axis would be no number.
local LARGEST = 1e300

local function can_be_shown(value) return math.abs(value) <= LARGEST end

local function text_of(options, text, where)
  if not utf8.len(text) then fail("%s is not UTF-8", where) end
  options.held = options.held + #text
  if options.held > data.TEXT then
    fail("its text is more than %d bytes: fewer or shorter names are needed", data.TEXT)
  end
  return text
end

-- What the values of the x axis are: "number" if all are numbers or read as such, "time" if all are
-- dates, "category" otherwise.
local function kind_of(rows, field)
  local numbers, times = true, true
  for i, row in ipairs(rows) do
    local value = value_of(row, field)
    if value == nil then fail("row %d has no %q, which is the x axis", i, field) end
    if type(value) ~= "string" and type(value) ~= "number" then
      fail("row %d: %s: expected a number or text, got %s", i, field, type(value))
    end
    if type(value) == "number" and not can_be_shown(value) then
      fail("row %d: %s: %s cannot be shown on an axis", i, field, value)
    end
    numbers = numbers and tonumber(value) ~= nil
    times = times and type(value) == "string" and scale.time_of(value) ~= nil
  end
  return numbers and "number" or times and "time" or "category"
end

local function read_x(options, rows, field)
  local kind = options.kind == "bar" and "category" or kind_of(rows, field)
  local values, names, index = {}, {}, {}
  if options.kind == "bar" then kind_of(rows, field) end
  for i, row in ipairs(rows) do
    local value = value_of(row, field)
    if kind == "number" then
      values[i] = tonumber(value) + 0.0
      if not can_be_shown(values[i]) then
        fail("row %d: %s: %s cannot be shown on an axis", i, field, value)
      end
    elseif kind == "time" then
      values[i] = scale.time_of(value)
    else
      local name = type(value) == "number" and ("%.14g"):format(value) or value
      if not index[name] then
        names[#names + 1] = text_of(options, name, ("row %d: %s"):format(i, field))
        index[name] = #names
      end
      values[i] = index[name]
    end
  end
  return kind, values, names
end

local function read_y(rows, field)
  local values = {}
  for i, row in ipairs(rows) do
    local value = value_of(row, field)
    local number = value ~= nil and tonumber(value)
    if number == nil then
      fail("row %d: %s: expected a number, got %s", i, field,
        type(value) == "string" and ("%q"):format(value) or type(value))
    end
    if number and not can_be_shown(number) then
      fail("row %d: %s: %s cannot be shown on an axis", i, field, value)
    end
    values[i] = number
  end
  return values
end

local function check_field(rows, field, axis)
  for _, row in ipairs(rows) do
    if row[field] ~= nil then return end
  end
  fail("%s: %s", axis, nearest.unknown("field", tostring(field), fields_of(rows)))
end

---Reads the options of mcp.chart. Raises (level 0) what is wrong with them.
---@param given table
---@return table options with `kind`, `width`, `height`, `theme`, `x` = { kind, names }, `series`
function data.read(given)
  check("mcp.chart", given, KNOWN, 0)
  local options = { held = 0, zero = given.zero }
  options.kind = chosen(given, "kind", KINDS)
  options.theme = chosen(given, "theme", THEMES, "auto")
  for name, bounds in pairs(SIZES) do
    local value = given[name] or bounds[3]
    if not (value >= bounds[1] and value <= bounds[2]) then
      fail("%s: expected %d to %d pixels, got %s", name, bounds[1], bounds[2], value)
    end
    options[name] = math.floor(value)
  end
  for _, name in ipairs { "title", "x_label", "y_label" } do
    options[name] = given[name] and text_of(options, given[name], name)
  end

  local rows = given.rows
  if not rows or #rows == 0 then fail("rows: expected at least one row, got none") end
  for i = 1, #rows do
    local row = rows[i]
    if type(row) ~= "table" then fail("row %d: expected a table, got %s", i, type(row)) end
  end
  if given.x == nil then fail "x: the field of the rows for the x axis is missing" end
  if given.y == nil then fail "y: the field of the rows for the y axis is missing (or a list)" end
  local fields = type(given.y) == "table" and given.y or { given.y }
  if #fields == 0 then fail "y: expected at least one field, got none" end
  if #rows * #fields > data.POINTS then
    fail("%d rows of %d values are more than %d points: join some of them first", #rows, #fields,
      data.POINTS)
  end
  check_field(rows, given.x, "x")

  local kind, xs, names = read_x(options, rows, given.x)
  options.x = { kind = kind, names = names }
  options.series = {}
  local some = false
  for i, field in ipairs(fields) do
    if type(field) ~= "string" and type(field) ~= "number" then
      fail("y: expected names of fields, got %s", type(field))
    end
    check_field(rows, field, "y")
    local label = given.labels and given.labels[field]
    if label ~= nil and type(label) ~= "string" then
      fail("labels: %s: expected text, got %s", field, type(label))
    end
    options.series[i] = { name = text_of(options, label or tostring(field), "labels"), x = xs,
      y = read_y(rows, field) }
    for _, value in ipairs(options.series[i].y) do some = some or value end
  end
  for field in pairs(given.labels or {}) do
    local found = false
    for _, known in ipairs(fields) do found = found or known == field end
    if not found then
      local list = {}
      for i, known in ipairs(fields) do list[i] = tostring(known) end
      fail("labels: %s", nearest.unknown("field", tostring(field), list))
    end
  end
  if not some then fail("y: no row has a value") end
  if options.kind == "scatter" and #rows * #fields > data.SCATTER then
    fail("%d points are more than the %d that a scatter chart shows: leave some out or draw lines",
      #rows * #fields, data.SCATTER)
  end
  return options
end

return data
