-- SPDX-License-Identifier: MIT
-- svg.lua: a terminal session as a picture: text in a grid, with the colours that programs ask for
-- by SGR sequences. Knows nothing of luamcp.
local svg = {}

local WIDTH, HEIGHT = 8.4, 20 -- of a character and a line, in pixels
local MARGIN = 16
local TOP = 14

local CLASSES = { ["1"] = "b", ["2"] = "d", ["31"] = "r", ["32"] = "g", ["33"] = "y",
  ["34"] = "u", ["35"] = "m", ["36"] = "c" }

local STYLE = [[
text{font:14px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;white-space:pre}
text{fill:#d8dee6}
.p{fill:#7d8896}.b{font-weight:700}.d{fill:#98a2ae}.r{fill:#ff8080}.g{fill:#7fd88f}
.y{fill:#f0d070}.u{fill:#7fb4ff}.m{fill:#dfa0f0}.c{fill:#6fd6d6}]]

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

local function escape(text) return (text:gsub("[&<>]", ESCAPES)) end

-- A line with its styles as spans, and its width in characters.
local function spans(line)
  local out, classes, width = {}, {}, 0
  for text, codes in (line .. "\27[m"):gmatch "(.-)\27%[([%d;]*)m" do
    if text ~= "" then
      width = width + (utf8.len(text) or #text)
      out[#out + 1] = classes[1] and ('<tspan class="%s">%s</tspan>')
        :format(table.concat(classes, " "), escape(text)) or escape(text)
    end
    for code in (codes == "" and "0" or codes):gmatch "%d+" do
      if code == "0" then classes = {} else classes[#classes + 1] = CLASSES[code] end
    end
  end
  return table.concat(out), width
end

---Draws a session.
---@param steps { command: string, output: string }[]
---@param title string what the picture shows, for readers who do not see it
---@return string svg
function svg.draw(steps, title)
  local rows, widest = {}, 40
  local function add(markup, width)
    rows[#rows + 1] = markup
    widest = math.max(widest, width)
  end
  for _, step in ipairs(steps) do
    add(('<tspan class="p">$ </tspan><tspan class="b">%s</tspan>'):format(escape(step.command)),
      2 + utf8.len(step.command))
    for line in step.output:gmatch "([^\n]*)\n" do add(spans(line)) end
  end
  local width = math.ceil(2 * MARGIN + widest * WIDTH)
  local height = 2 * TOP + #rows * HEIGHT
  local out = {
    ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
      .. 'role="img">'):format(width, height, width, height),
    ("<title>%s</title>"):format(escape(title)), "<style>" .. STYLE .. "</style>",
    '<rect width="100%" height="100%" rx="8" fill="#1b1f24"/>',
  }
  for i, row in ipairs(rows) do
    out[#out + 1] = ('<text x="%d" y="%d" xml:space="preserve">%s</text>'):format(MARGIN,
      TOP + i * HEIGHT - 5, row)
  end
  out[#out + 1] = "</svg>\n"
  return table.concat(out, "\n")
end

return svg
