-- SPDX-License-Identifier: MIT
-- html_loads: what an HTML document loads, found by reading its tags, styles and scripts as text.
-- Enough to warn an author; it runs nothing and does not see what a script puts together.

---@class mcp.cli.Load
---@field kind "resource"|"frame"|"connect" which list of a page's policy allows it
---@field url string as it is written

-- The attribute that loads something, by element.
local LOADS = { script = "src", img = "src", source = "src", video = "src", audio = "src",
  track = "src", embed = "src", object = "data", iframe = "src", frame = "src", link = "href" }

local FRAMES = { iframe = true, frame = true }

-- Links of these kinds are fetched with the page.
local FETCHED = { stylesheet = true, icon = true, preload = true, modulepreload = true,
  manifest = true }

local ENTITIES = { ["&amp;"] = "&", ["&quot;"] = '"', ["&#39;"] = "'" }

-- The attributes of a tag, names in lower case.
local function attributes_of(text)
  local out, at = {}, 1
  while true do
    local name, after = text:match("([%w_:.-]+)()", at)
    if not name then return out end
    local from = text:match("^%s*=%s*()", after)
    local value
    if from then
      value, at = text:match('^"([^"]*)"()', from)
      if not value then value, at = text:match("^'([^']*)'()", from) end
      if not value then value, at = text:match("^([^%s>]*)()", from) end
    else
      value, at = "", after
    end
    name = name:lower()
    out[name] = out[name] or (value:gsub("&%w*#?%w*;", ENTITIES))
  end
end

-- Does this link load something?
local function is_fetched(rel)
  for word in (rel or ""):lower():gmatch "%S+" do
    if FETCHED[word] then return true end
  end
  return false
end

local function add(out, kind, url)
  url = url and url:match "^%s*(.-)%s*$"
  if not url or url == "" or url:sub(1, 1) == "#" then return end
  -- What is in the document itself.
  local scheme = url:match "^(%a[%w+.-]*):"
  scheme = scheme and scheme:lower()
  if scheme == "data" or scheme == "blob" or scheme == "javascript" or scheme == "about" then
    return
  end
  out[#out + 1] = { kind = kind, url = url }
end

local function of_tag(out, name, attributes)
  local attribute = LOADS[name]
  if not attribute or name == "link" and not is_fetched(attributes.rel) then return end
  add(out, FRAMES[name] and "frame" or "resource", attributes[attribute])
  if name == "img" or name == "source" then
    for candidate in (attributes.srcset or ""):gmatch "[^,]+" do
      add(out, "resource", candidate:match "%S+")
    end
  end
end

local function of_style(out, text)
  text = text:gsub("/%*.-%*/", "")
  for url in text:gmatch "url%(%s*[\"']?([^\"')]+)[\"']?%s*%)" do add(out, "resource", url) end
  for url in text:gmatch "@import%s+[\"']([^\"']+)[\"']" do add(out, "resource", url) end
end

-- Calls whose first argument is a whole text.
local CALLS = { "fetch", "WebSocket", "EventSource" }

local function of_script(out, text)
  for _, name in ipairs(CALLS) do
    for url, after in text:gmatch("%f[%w_]" .. name .. "%(%s*[\"'`]([^\"'`$]*)[\"'`]%s*([^%s])") do
      -- "https://a.example/" + path: the origin is there.
      if after == "," or after == ")" or url:find "^%a+://[^/]+/" then add(out, "connect", url) end
    end
  end
  for url in text:gmatch "%f[%w_]import%f[^%w_][^\"'`;]-[\"']([%w./][^\"']*)[\"']" do
    add(out, "resource", url)
  end
end

---What a document loads, in the order in which it is found.
---@param html string
---@return mcp.cli.Load[]
return function(html)
  local out, at, lower = {}, 1, html:lower()
  while true do
    local from = html:find("<", at, true)
    if not from then return out end
    if html:sub(from, from + 3) == "<!--" then
      at = select(2, html:find("-->", from + 4, true)) or #html
      at = at + 1
    else
      local name, inside = lower:match("^<(%a[%w-]*)()", from)
      local last = name and html:find(">", inside, true)
      if not name then
        at = from + 1
      elseif not last then
        return out
      else
        local after = last + 1
        at = after
        local attributes = attributes_of(html:sub(inside, last - 1))
        of_tag(out, name, attributes)
        if attributes.style then of_style(out, attributes.style) end
        if name == "script" or name == "style" then
          -- Their text is no markup.
          at = lower:find("</" .. name, after, true) or #html + 1
          local read = name == "script" and of_script or of_style
          read(out, html:sub(after, at - 1))
        end
      end
    end
  end
end
