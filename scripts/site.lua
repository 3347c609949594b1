-- SPDX-License-Identifier: MIT
-- site.lua: README.md and docs/ as a static site with a search, and llms.txt for models.
--
--   lua5.4 scripts/site.lua OUT [PICTURES]     files of the folder PICTURES are put in, too
--
-- cmark-gfm converts: it is the reference implementation of what GitHub shows, tables included. A
-- link that leads nowhere ends this with status 1.
package.path = "./scripts/site/?.lua;" .. package.path
local cjson = require "cjson"
local html = require "html"

local OUT = assert(..., "usage: site.lua OUT")
local PICTURES = select(2, ...)

-- The pages in the order in which the site lists them; pages that are not here come last.
local GROUPS = {
  { "Start", { "README", "tutorial", "cookbook", "hosts", "command-line" } },
  { "Servers", { "server", "apps", "mount", "search", "code-mode", "testing", "mistakes",
    "transports", "authorization", "skills", "extensions", "scale", "security",
    "limits" } },
  { "In handlers", { "data", "files", "fetch", "processes", "workers" } },
  { "Clients", { "client", "names" } },
  { "The project", { "architecture", "contributing", "reliability", "rules" } },
}

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local written = {} -- contents by path

local function write(path, text)
  local folder = path:match "^(.*)/"
  assert(os.execute(("mkdir -p %s"):format(quote(OUT .. "/" .. (folder or "")))))
  local file <close> = assert(io.open(OUT .. "/" .. path, "wb"))
  assert(file:write(text))
  written[path] = text
end

local function path_of(name)
  return name == "README" and "README.md" or ("docs/%s.md"):format(name)
end

local function convert(path)
  local pipe <close> = assert(io.popen(
    ("cmark-gfm -e table -e autolink %s"):format(quote(path))))
  local text = pipe:read "a"
  assert(text ~= "", "cmark-gfm printed nothing for " .. path)
  return text
end

-- --- the pages ----------------------------------------------------------------------------------

local pages = {} -- by path, for html.relink
for _, group in ipairs(GROUPS) do
  for _, name in ipairs(group[2]) do pages[path_of(name)] = true end
end
local listed = assert(io.popen "ls docs/*.md")
for path in listed:lines() do
  if not pages[path] then
    pages[path] = true
    table.insert(GROUPS[#GROUPS][2], path:match "([^/]+)%.md$")
  end
end
listed:close()

-- The first sentence of a page, for llms.txt.
local function summary_of(markup)
  local text = html.text_of(markup:match "</h1>%s*<p>(.-)</p>" or "")
  return text:match "^(.-%.) " or text
end

local made = {} -- path, name, title, markup, headings, summary
for _, group in ipairs(GROUPS) do
  for _, name in ipairs(group[2]) do
    local path = path_of(name)
    local markup, files = html.relink(convert(path), path, pages)
    for _, file in ipairs(files) do write(html.file_of(file), read(file)) end
    -- A wide table scrolls by itself, not the page.
    markup = markup:gsub("<table>", '<div class="wide"><table>'):gsub("</table>", "</table></div>")
    markup = markup:gsub('(<code class="language%-lua">)%-%- runs\n', "%1")
    if PICTURES and name == "server" then
      local count
      markup, count = markup:gsub("(<h2>Inspect the server in a browser</h2>%s*<p>.-</p>)",
        '%1\n<p><img src="pictures/inspect.png" alt="The inspect page: a tool and its result"></p>')
      assert(count == 1)
    end
    local summary = summary_of(markup)
    local headings
    markup, headings = html.add_anchors(markup)
    made[#made + 1] = { path = path, name = name, title = headings[1].text, markup = markup,
      headings = headings, summary = summary, group = group[1] }
  end
end

local function navigation(current)
  local out, group = {}, nil
  for _, page in ipairs(made) do
    if page.group ~= group then
      if group then out[#out + 1] = "</ul>" end
      group = page.group
      out[#out + 1] = ("<h2>%s</h2><ul>"):format(html.escape(group))
    end
    local mark = page == current and ' aria-current="page"' or ""
    out[#out + 1] = ('<li><a href="%s"%s>%s</a>'):format(html.file_of(page.path), mark,
      page.name == "README" and "Overview" or html.escape(page.title))
    if page == current then
      out[#out + 1] = "<ul>"
      for _, heading in ipairs(page.headings) do
        if heading.level == 2 then
          out[#out + 1] = ('<li><a href="#%s">%s</a></li>'):format(heading.anchor,
            html.escape(heading.text))
        end
      end
      out[#out + 1] = "</ul>"
    end
    out[#out + 1] = "</li>"
  end
  return table.concat(out, "\n") .. "</ul>"
end

local TEMPLATE = read "scripts/site/page.html"

local function fill(values)
  return (TEMPLATE:gsub("{{(%w+)}}", function(name) return assert(values[name], name) end))
end

for _, page in ipairs(made) do
  write(html.file_of(page.path), fill {
    title = page.name == "README" and "luamcp" or html.escape(page.title) .. " · luamcp",
    summary = html.escape(page.summary), navigation = navigation(page), body = page.markup,
  })
  -- For models, and for readers who prefer the source: at the old place, so that links hold.
  write(page.path, read(page.path))
end

for _, name in ipairs { "style.css", "search.js" } do write(name, read("scripts/site/" .. name)) end

-- --- the search ----------------------------------------------------------------------------------

local index = {}
for _, page in ipairs(made) do
  for _, section in ipairs(html.sections(page.markup)) do
    index[#index + 1] = { page.title, html.file_of(page.path), section.anchor, section.title,
      section.text }
  end
end
-- A script, not JSON: a page that was opened as a file may not fetch.
write("search-index.js", "luamcp_index = " .. cjson.encode(index):gsub("\\/", "/") .. ";\n")

-- --- for models ----------------------------------------------------------------------------------

local list, whole, group = {}, {}, nil
list[1] = "# luamcp\n\n> Runs Model Context Protocol (MCP) servers and clients written in Lua 5.4, "
  .. "over stdio, HTTP, WebSocket and Unix sockets.\n\n"
  .. "One file with all pages: [llms-full.txt](llms-full.txt)\n"
for _, page in ipairs(made) do
  if page.group ~= group then
    group = page.group
    list[#list + 1] = ("\n## %s\n\n"):format(group)
  end
  list[#list + 1] = ("- [%s](%s): %s\n"):format(page.title, page.path, page.summary)
  whole[#whole + 1] = ("<!-- %s -->\n\n%s"):format(page.path, read(page.path))
end
write("llms.txt", table.concat(list))
write("llms-full.txt", table.concat(whole, "\n"))

-- --- pictures, and the check of links ------------------------------------------------------------

if PICTURES then
  local pipe <close> = assert(io.popen(("cd %s && ls *.png"):format(quote(PICTURES))))
  for name in pipe:lines() do write("pictures/" .. name, read(PICTURES .. "/" .. name)) end
end

for path in table.concat(list):gmatch "%]%(([^)]+)%)" do
  assert(written[path], "llms.txt: no file " .. path)
end
local wrong, count = html.check(written)
for _, text in ipairs(wrong) do io.stderr:write("site: ", text, "\n") end
local bytes = 0
for _, text in pairs(written) do bytes = bytes + #text end
print(("%s: %d pages, %d sections to search, %d links, %d of them wrong, %d KiB in all")
  :format(OUT, #made, #index, count, #wrong, bytes // 1024))
os.exit(#wrong == 0)
