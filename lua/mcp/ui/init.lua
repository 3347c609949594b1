-- SPDX-License-Identifier: MIT
-- ui: what an author of pages (MCP Apps) uses: the view kit, and values inside a script. The kit is
-- lua/mcp/ui/kit.js, made smaller. Loaded by apps that have pages.
local core = require "mcp.core"

local ui = {}

---Bytes that the kit may have with its tags: pages are read again and again.
ui.SIZE = 2048

-- What a page puts where the kit belongs. A comment, so that it stays valid HTML without us.
local PLACE = "<!%-%-%s*mcp%.ui%.kit%s*%-%->"

-- Where this module was found: its file, or ":embedded:" in the program.
local MODULE, LOCATION = ...

-- The text of a file beside this one. The program contains it as a module.
local function source(name)
  local folder = LOCATION and LOCATION:match "^(.*/)init%.lua$"
  if not folder then return require(MODULE .. "." .. name) end
  local file <close>, reason = io.open(folder .. name, "rb")
  if not file then error("mcp.ui: cannot read " .. reason .. "; install luamcp again", 0) end
  return file:read "a"
end

-- Names of the source that become one letter. None of them is a member of an object.
local SHORT = { waiting = "w", kit = "k", post = "q", root = "o", dress = "g", heard = "h",
  last = "l", doc = "d", ends = "z", known = "n", yes = "y" }

-- Code between two strings, without the space that it does not need.
local function squeezed(code)
  return (code:gsub("%s+", " "):gsub(" ?(%p) ?", "%1"):gsub("%f[%w]%a+%f[%W]", SHORT))
end

-- The source without comments and space. What it relies on is said in its head.
local function minified(text)
  text = text:gsub("%f[^\n\0] *//[^\n]*", "")
  local out, at = {}, 1
  for from, quoted, to in text:gmatch '()("[^"\n]*")()' do
    out[#out + 1] = squeezed(text:sub(at, from - 1)) .. quoted
    at = to
  end
  out[#out + 1] = squeezed(text:sub(at))
  return (table.concat(out):gsub("[,;]}", "}"):match "^%s*(.-)%s*$")
end

---The page with the view kit in place of the first `<!-- mcp.ui.kit -->`.
---@param html string
---@return string html
function ui.with_kit(html)
  local from, to = html:find(PLACE)
  if not from then return html end
  return html:sub(1, from - 1) .. ui.kit .. html:sub(to + 1)
end

local ESCAPES = { ["<"] = "\\u003c", [">"] = "\\u003e", ["&"] = "\\u0026",
  ["\u{2028}"] = "\\u2028", ["\u{2029}"] = "\\u2029" }

---A value as JSON that can stand inside a `<script>`: nothing in it ends the script or is markup.
---@param given any what JSON can carry
---@return string json
function ui.json(given)
  local text, reason = core.encode(given, true)
  if not text then error("mcp.ui.json: " .. reason, 2) end
  return (text:gsub("[<>&]", ESCAPES):gsub("\u{2028}", ESCAPES):gsub("\u{2029}", ESCAPES))
end

-- Made at the first use.
local MADE = {
  kit = function() return "<script>" .. minified(source "kit.js") .. "</script>" end,
  -- A whole page that shows the pictures of a result, or its text if it has none.
  pictures = function() return source "pictures.html" end,
}

return setmetatable(ui, { __index = function(self, key)
  local make = MADE[key]
  if not make then return nil end
  local made = make()
  rawset(self, key, made)
  return made
end })
