-- SPDX-License-Identifier: MIT
-- html.lua: the parts of the site that need no converter: names of pages, anchors of headings,
-- links of Markdown as links of the site, sections for the search, and a check of all links.
local html = {}

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }
-- Tags that do not separate words.
local INLINE = { a = true, code = true, em = true, strong = true }
local ENTITIES = { amp = "&", lt = "<", gt = ">", quot = '"' }

---@param text string
---@return string text so that HTML shows it as it is
function html.escape(text)
  return (text:gsub("[&<>\"]", ESCAPES))
end

---@param markup string
---@return string text what a reader sees of it
function html.text_of(markup)
  local text = markup:gsub("<[^>]*>", ""):gsub("&(%a+);", ENTITIES)
  return (text:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

---The anchor that GitHub gives a heading, so that links work there and here.
---@param text string
---@return string
function html.anchor(text)
  return (text:lower():gsub("[^%w%s_-]", ""):gsub(" ", "-"))
end

---The file in the site of a file in the repository: pages become .html, other files are copied.
---@param path string such as "docs/server.md" or "LICENSE"
---@return string
function html.file_of(path)
  if path == "README.md" then return "index.html" end
  local name = path:match "^docs/([^/]+)%.md$"
  return name and name .. ".html" or (path:gsub("^docs/", ""))
end

-- "docs/" and "../README.md" as a path from the root.
local function resolve(page, target)
  local parts = {}
  for part in (page:match "^(.-)[^/]*$" .. target):gmatch "[^/]+" do
    if part == ".." then parts[#parts] = nil elseif part ~= "." then parts[#parts + 1] = part end
  end
  return table.concat(parts, "/")
end

---Turns the links of a page into links of the site, and names of pages in code into links.
---@param markup string
---@param page string the path of the page in the repository
---@param pages table<string, boolean> the paths of all pages
---@return string markup
---@return string[] files other files that are linked to
function html.relink(markup, page, pages)
  local files = {}
  local function rewrite(attribute, target)
    if target:find "^%a[%w+.-]*:" or target:find "^#" then return nil end
    local path, anchor = target:match "^([^#]*)(.*)$"
    path = resolve(page, path)
    if not pages[path] then files[#files + 1] = path end
    return ('%s="%s%s"'):format(attribute, html.file_of(path), anchor)
  end
  markup = markup:gsub('(href)="([^"]*)"', rewrite):gsub('(src)="([^"]*)"', rewrite)
  markup = markup:gsub("(.?)<code>(docs/[%w-]+%.md)</code>", function(before, path)
    -- Inside of a link it is one already.
    if not pages[path] or path == page or before == ">" then return nil end
    return ('%s<a href="%s"><code>%s</code></a>'):format(before, html.file_of(path), path)
  end)
  return markup, files
end

---Gives every heading its anchor and a link to itself.
---@param markup string
---@return string markup
---@return { level: integer, anchor: string, text: string, at: integer }[] headings in their order
function html.add_anchors(markup)
  local headings, used = {}, {}
  markup = markup:gsub("<h(%d)>(.-)</h%d>", function(level, inner)
    local anchor = html.anchor(html.text_of(inner))
    -- A second heading of the same text, as GitHub counts them.
    local count = used[anchor] or 0
    used[anchor] = count + 1
    if count > 0 then anchor = anchor .. "-" .. count end
    headings[#headings + 1] = { level = math.tointeger(tonumber(level)), anchor = anchor,
      text = html.text_of(inner) }
    return ('<h%s id="%s">%s <a class="self" href="#%s" aria-label="Link to this heading">#</a>'
      .. "</h%s>"):format(level, anchor, inner, anchor, level)
  end)
  return markup, headings
end

---The sections of a page, for the search.
---@param markup string with anchors
---@return { anchor: string, title: string, text: string }[]
function html.sections(markup)
  local out, from = {}, 1
  local heading = '<h%d id="([^"]*)">(.-) <a class="self".-</h%d>'
  while true do
    local first, last, anchor, title = markup:find(heading, from)
    if out[1] then
      local text = markup:sub(from, (first or 0) - 1):gsub("</?(%w+)", function(tag)
        return not INLINE[tag] and " <" .. tag or nil
      end)
      out[#out].text = html.text_of(text)
    end
    if not first then return out end
    out[#out + 1] = { anchor = anchor, title = html.text_of(title), text = "" }
    from = last + 1
  end
end

---Looks for links to files and anchors that the site does not have.
---@param files table<string, string> the contents of the site by path; of files that are not HTML
---anything
---@return string[] wrong such as 'server.html: no file "sever.html"'
---@return integer count links in all
function html.check(files)
  local ids, wrong, count = {}, {}, 0
  for path, text in pairs(files) do
    if path:find "%.html$" then
      ids[path] = {}
      for id in text:gmatch ' id="([^"]*)"' do ids[path][id] = true end
    end
  end
  for path, text in pairs(files) do
    if path:find "%.html$" then
      for name, target in text:gmatch ' (%l+)="([^"]*)"' do
        local file, anchor = target:match "^([^#]*)#?(.*)$"
        if file == "" then file = path end
        if (name == "href" or name == "src") and not target:find "^%a[%w+.-]*:" then
          count = count + 1
          if not files[file] then
            wrong[#wrong + 1] = ("%s: no file %q"):format(path, file)
          elseif anchor ~= "" and not (ids[file] and ids[file][anchor]) then
            wrong[#wrong + 1] = ("%s: no heading for %q"):format(path, target)
          end
        end
      end
    end
  end
  table.sort(wrong)
  return wrong, count
end

return html
