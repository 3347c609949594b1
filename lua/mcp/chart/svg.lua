-- SPDX-License-Identifier: MIT
-- svg.lua: draws what data.lua has read as one SVG document. Nothing in it is loaded from
-- elsewhere, and no script runs; text of the rows is escaped.
local scale = require "mcp.chart.scale"

local svg = {}

---How large a document may become, in bytes. A model's host shows pictures and not archives.
svg.SIZE = 1048576

-- Colours that people with any kind of colour vision tell apart (Okabe and Ito), dark enough for a
-- light ground; the eighth series is drawn like the first one, with dashes.
local COLOURS = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#3fa0dd", "#6b6b6b" }

local THEMES = {
  light = { ground = "#ffffff", text = "#1f2328", soft = "#59636e", grid = "#e4e7eb",
    axis = "#8c959f" },
  dark = { ground = "#16191d", text = "#e6e9ec", soft = "#9aa4ae", grid = "#2c3238",
    axis = "#6b7580" },
}

local SMALL, TITLE = 12, 16 -- sizes of letters, in pixels

-- The width of a text in pixels, about: fonts differ from system to system.
local function width_of(text, size)
  local width = 0
  for _, code in utf8.codes(text) do width = width + (code < 0x2e80 and 0.56 or 1) end
  return width * size
end

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;",
  ["'"] = "&#39;" }

-- XML has no way to write most control characters.
local function escape(text)
  return (text:gsub("[%z\1-\8\11\12\14-\31\127]", " "):gsub("[&<>\"']", ESCAPES)
    :gsub("\xef\xbf[\xbe\xbf]", " "))
end

-- Cuts a text to a width, at a character.
local function fit(text, size, most)
  if width_of(text, size) <= most then return text end
  local used, last = size * 0.6, 1
  for at, code in utf8.codes(text) do
    used = used + (code < 0x2e80 and 0.56 or 1) * size
    if used > most then break end
    last = utf8.offset(text, 2, at)
  end
  return text:sub(1, last - 1) .. "…"
end

local Canvas = {}
Canvas.__index = Canvas

function Canvas:add(format, ...)
  local piece = format:format(...)
  self.bytes = self.bytes + #piece + 1
  if self.bytes > svg.SIZE then
    error(("mcp.chart: the picture is larger than %d bytes: fewer rows or series are needed")
      :format(svg.SIZE), 0)
  end
  self[#self + 1] = piece
end

function Canvas:text(x, y, text, class, anchor)
  self:add('<text x="%.1f" y="%.1f" class="%s"%s>%s</text>', x, y, class,
    anchor and (' text-anchor="%s"'):format(anchor) or "", escape(text))
end

local function style_of(theme)
  local function rules(colours)
    return (".ground{fill:%s}.title,.name{fill:%s}.mark,.label{fill:%s}.grid{stroke:%s}"
      .. ".axis{stroke:%s}"):format(colours.ground, colours.text, colours.soft, colours.grid,
      colours.axis)
  end
  local fonts = "text{font-family:system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;"
    .. "font-size:" .. SMALL .. "px}.title{font-size:" .. TITLE .. "px;font-weight:600}"
    .. ".line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
  if theme ~= "auto" then return fonts .. rules(THEMES[theme]) end
  return fonts .. rules(THEMES.light) .. "@media (prefers-color-scheme:dark){"
    .. rules(THEMES.dark) .. "}"
end

-- --- layout -------------------------------------------------------------------------------------

local function range_of(series, member)
  local low, high = math.huge, -math.huge
  for _, line in ipairs(series) do
    for i, value in ipairs(line[member]) do
      if value and line.y[i] then
        if value < low then low = value end
        if value > high then high = value end
      end
    end
  end
  return low, high
end

local function y_scale(options, height)
  local low, high = range_of(options.series, "y")
  if options.zero or options.kind == "bar" then low, high = math.min(low, 0), math.max(high, 0) end
  return scale.number(low, high, math.max(2, height // 42))
end

local function x_scale(options, width)
  local x = options.x
  if x.kind == "category" then
    local widest = 0
    for _, name in ipairs(x.names) do
      widest = math.max(widest, math.min(width_of(name, SMALL), 120))
    end
    return scale.category(x.names, width // (widest + 14))
  end
  local low, high = range_of(options.series, "x")
  if x.kind == "time" then return scale.time(low, high, math.max(2, width // 85)) end
  -- Points at the edge would be cut, lines are not.
  return scale.number(low, high, math.max(2, width // 85), options.kind == "line")
end

-- Rows of the legend: each entry a name, where it fits.
local function legend_of(options, width)
  local rows, x = {}, math.huge
  if #options.series < 2 then return rows end
  for i, line in ipairs(options.series) do
    local name = fit(line.name, SMALL, math.min(220, width - 30))
    local needs = width_of(name, SMALL) + 36
    if x + needs > width then
      rows[#rows + 1], x = {}, 0
    end
    table.insert(rows[#rows], { x = x, name = name, series = i })
    x = x + needs
  end
  return rows
end

local function lay_out(options)
  local area = { left = 16, right = options.width - 20, top = 16,
    bottom = options.height - 12 }
  if options.title then
    area.title_at = area.top + TITLE
    area.top = area.top + TITLE + 14
  end
  area.legend = legend_of(options, area.right - area.left)
  area.legend_at = area.top + SMALL
  area.top = area.top + #area.legend * 20 + (#area.legend > 0 and 4 or 0)
  if options.y_label then
    area.y_label_at = area.top + SMALL
    area.top = area.top + SMALL + 12
  end
  area.top = area.top + 4
  if options.x_label then area.bottom = area.bottom - SMALL - 8 end
  area.bottom = area.bottom - SMALL - 8
  if area.bottom - area.top < 40 then
    error(("mcp.chart: height: %d pixels leave no room under the legend, give it more"):format(
      options.height), 0)
  end
  area.y = y_scale(options, area.bottom - area.top)
  local widest = 0
  for _, mark in ipairs(area.y.marks) do widest = math.max(widest, width_of(mark.text, SMALL)) end
  area.left = area.left + widest + 8
  area.x = x_scale(options, area.right - area.left)
  return area
end

local function places(area)
  local width, height = area.right - area.left, area.bottom - area.top
  return function(value) return area.left + area.x.place(value) * width end,
    function(value) return area.bottom - area.y.place(value) * height end
end

-- --- pieces -------------------------------------------------------------------------------------

local function draw_frame(canvas, options, area)
  local x_at, y_at = places(area)
  if options.title then
    canvas:text(16, area.title_at, fit(options.title, TITLE * 1.06, options.width - 32), "title")
  end
  for row, entries in ipairs(area.legend) do
    local y = area.legend_at + (row - 1) * 20
    for _, entry in ipairs(entries) do
      canvas:add('<rect x="%.1f" y="%.1f" width="14" height="10" rx="2" fill="%s"%s/>',
        16 + entry.x, y - 9, COLOURS[(entry.series - 1) % #COLOURS + 1],
        entry.series > #COLOURS and ' fill-opacity="0.5"' or "")
      canvas:text(16 + entry.x + 20, y, entry.name, "name")
    end
  end
  if options.y_label then
    canvas:text(16, area.y_label_at, fit(options.y_label, SMALL, options.width - 32), "label")
  end
  for _, mark in ipairs(area.y.marks) do
    local y = y_at(mark.at)
    canvas:add('<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" class="grid"/>', area.left,
      area.right, y, y)
    canvas:text(area.left - 8, y + 4, mark.text, "mark", "end")
  end
  local most = area.x.band and math.max(40, area.x.band * (area.right - area.left) - 6) or 160
  local free = -math.huge
  for _, mark in ipairs(area.x.marks) do
    local text = fit(mark.text, SMALL, math.min(120, math.max(most, 80)))
    local half = width_of(text, SMALL) / 2
    -- At the ends a text moves inwards rather than out of the picture.
    local x = math.max(half + 4, math.min(x_at(mark.at), options.width - half - 4))
    if x - half >= free then
      canvas:text(x, area.bottom + SMALL + 6, text, "mark", "middle")
      free = x + half + 6
    end
  end
  if options.x_label then
    canvas:text((area.left + area.right) / 2, options.height - 10,
      fit(options.x_label, SMALL, area.right - area.left), "label", "middle")
  end
end

local function draw_base(canvas, area)
  local _, y_at = places(area)
  local zero = math.max(area.y.low, math.min(0, area.y.high))
  local y = y_at(zero)
  canvas:add('<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" class="axis"/>', area.left, area.right,
    y, y)
end

local function draw_bars(canvas, options, area)
  local x_at, y_at = places(area)
  local band = area.x.band * (area.right - area.left)
  local width = band * 0.76 / #options.series
  if width < 1 then
    error(("mcp.chart: %d bars do not fit into %d pixels: fewer rows or a larger width is needed")
      :format(#options.x.names * #options.series, options.width), 0)
  end
  local base = y_at(math.max(area.y.low, math.min(0, area.y.high)))
  for s, line in ipairs(options.series) do
    canvas:add('<g fill="%s"%s>', COLOURS[(s - 1) % #COLOURS + 1],
      s > #COLOURS and ' fill-opacity="0.5"' or "")
    for i, value in ipairs(line.y) do
      if value then
        local top = y_at(value)
        canvas:add('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>',
          x_at(line.x[i]) - band * 0.38 + (s - 1) * width, math.min(top, base),
          math.max(width - (width > 6 and 1 or 0), 1), math.abs(top - base))
      end
    end
    canvas:add "</g>"
  end
end

-- The points of a line from left to right, at most four for each pixel: the first, the lowest, the
-- highest and the last one, so that no peak is lost. A missing value ends a piece.
local function pieces_of(line, x_at, y_at)
  local order = {}
  for i = 1, #line.x do order[i] = i end
  table.sort(order, function(a, b)
    if line.x[a] ~= line.x[b] then return line.x[a] < line.x[b] end
    return a < b
  end)
  local pieces, piece, column, here = {}, nil, nil, nil
  local function flush()
    if not here then return end
    local seen = {}
    local kept = { here.first, here.low, here.high, here.last }
    table.sort(kept, function(a, b) return a.n < b.n end)
    for _, point in ipairs(kept) do
      if not seen[point.n] then
        seen[point.n] = true
        piece[#piece + 1] = ("%.1f,%.1f"):format(point.x, point.y)
      end
    end
    here = nil
  end
  for n, i in ipairs(order) do
    local value = line.y[i]
    if not value then
      flush()
      piece = nil
    else
      local point = { n = n, x = x_at(line.x[i]), y = y_at(value) }
      if not piece then
        piece = {}
        pieces[#pieces + 1] = piece
      end
      if not here or column ~= math.floor(point.x) then
        flush()
        column = math.floor(point.x)
        here = { first = point, low = point, high = point, last = point }
      end
      if point.y < here.low.y then here.low = point end
      if point.y > here.high.y then here.high = point end
      here.last = point
    end
  end
  flush()
  return pieces
end

local function draw_lines(canvas, options, area)
  local x_at, y_at = places(area)
  for s, line in ipairs(options.series) do
    local colour = COLOURS[(s - 1) % #COLOURS + 1]
    local dashes = s > #COLOURS and ' stroke-dasharray="6 4"' or ""
    for _, piece in ipairs(pieces_of(line, x_at, y_at)) do
      if #piece == 1 then
        local x, y = piece[1]:match "^(.*),(.*)$"
        canvas:add('<circle cx="%s" cy="%s" r="3" fill="%s"/>', x, y, colour)
      else
        canvas:add('<polyline class="line" stroke="%s"%s points="%s"/>', colour, dashes,
          table.concat(piece, " "))
      end
    end
  end
end

local function draw_points(canvas, options, area)
  local x_at, y_at = places(area)
  for s, line in ipairs(options.series) do
    canvas:add('<g fill="%s" fill-opacity="%s">', COLOURS[(s - 1) % #COLOURS + 1],
      s > #COLOURS and "0.4" or "0.75")
    for i, value in ipairs(line.y) do
      if value then
        canvas:add('<circle cx="%.1f" cy="%.1f" r="3.5"/>', x_at(line.x[i]), y_at(value))
      end
    end
    canvas:add "</g>"
  end
end

local DRAW = { line = draw_lines, bar = draw_bars, scatter = draw_points }

---The document. Raises (level 0) what does not fit.
---@param options table as data.read gives it
---@param summary string what the chart says, for people who do not see it
---@return string
function svg.draw(options, summary)
  local canvas = setmetatable({ bytes = 0 }, Canvas)
  local area = lay_out(options)
  canvas:add('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
    .. 'role="img" aria-labelledby="t d">', options.width, options.height, options.width,
    options.height)
  canvas:add('<title id="t">%s</title>', escape(options.title or "Chart"))
  canvas:add('<desc id="d">%s</desc>', escape(summary))
  canvas:add("<style>%s</style>", style_of(options.theme))
  canvas:add '<rect class="ground" width="100%%" height="100%%"/>'
  draw_frame(canvas, options, area)
  DRAW[options.kind](canvas, options, area)
  draw_base(canvas, area)
  canvas:add "</svg>"
  return table.concat(canvas, "\n") .. "\n"
end

return svg
