-- SPDX-License-Identifier: MIT
-- mcp.chart: a line, bar or scatter chart from rows of a table, as an SVG document. It is made for
-- tools that would rather show than list: the result has a picture for people and a sentence for
-- the model.
local content = require "mcp.content"
local data = require "mcp.chart.data"
local scale = require "mcp.chart.scale"
local svg = require "mcp.chart.svg"

local chart = {}

---@class mcp.Chart
---@field svg string the picture: a whole SVG document
---@field summary string one line a series: how many values, the lowest, the highest, the last
local Chart = {}
Chart.__index = Chart

local function value_text(value)
  if math.type(value) == "integer" then return ("%d"):format(value) end
  local size = math.abs(value)
  return (size >= 1e6 and size < 1e15 and "%.0f" or "%.6g"):format(value)
end

-- What stands at a place of the x axis.
local function place_text(x, at)
  if x.kind == "category" then return x.names[at] end
  if x.kind == "time" then return scale.time_text(at) end
  return ("%.6g"):format(at)
end

local function summary_of(options)
  local lines = { options.title }
  for _, line in ipairs(options.series) do
    local count, low, high, last = 0, nil, nil, nil
    for i, value in ipairs(line.y) do
      if value then
        count, last = count + 1, i
        if not low or value < line.y[low] then low = i end
        if not high or value > line.y[high] then high = i end
      end
    end
    if count == 0 then
      lines[#lines + 1] = line.name .. ": no values"
    else
      local function at(i)
        return ("%s (%s)"):format(value_text(line.y[i]), place_text(options.x, line.x[i]))
      end
      lines[#lines + 1] = ("%s: %d value%s, lowest %s, highest %s, last %s"):format(line.name,
        count, count == 1 and "" or "s", at(low), at(high), at(last))
    end
  end
  return table.concat(lines, "\n")
end

---The picture as content of a result.
---@param options table|nil annotations, meta, as mcp.image takes them
---@return table
function Chart:image(options) return content.image(self.svg, "image/svg+xml", options) end

---What a tool returns: the summary for the model, and the picture.
---@return table[] content
function Chart:result() return { content.text(self.summary), self:image() } end

---Draws a chart.
---@param options table kind ("line", "bar" or "scatter"), rows (a list of tables), x (the field of
---a row for the x axis: numbers, dates in ISO 8601, or names), y (a field, or a list of them: one
---series each); optional: title, x_label, y_label, labels (field → name of the series), width and
---height (pixels, 720 × 400 if not given), zero (the y axis begins at 0; bars always do), theme
---("auto" if not given, "light", "dark")
---@return mcp.Chart
---Raises an error for what cannot be drawn, with the row and the field.
function chart.new(options)
  local ok, made = pcall(function()
    local read = data.read(options)
    local summary = summary_of(read)
    return setmetatable({ svg = svg.draw(read, summary), summary = summary }, Chart)
  end)
  if not ok then error(made, type(made) == "string" and made:find "^mcp%.chart" and 2 or 0) end
  return made
end

return chart
