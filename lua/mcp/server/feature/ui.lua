-- SPDX-License-Identifier: MIT
-- ui: pages of MCP Apps: `app:ui(uri, options)` registers one as a resource, whose contents and
-- listing say what the page needs. Which page belongs to a tool, and who sees the tool, is the
-- tool's option `ui` (server/feature/tool.lua). Loaded by apps that have either.
local core = require "mcp.core"
local facts = require "mcp.message.ui"
local metadata = require "mcp.server.feature.metadata"
local page_file = require "mcp.later" "mcp.server.feature.page_file"
local resource = require "mcp.server.feature.resource"
local uris = require "mcp.later" "mcp.uri"

local ui = {}

ui.options = {
  file = "string", html = "string|function", csp = "table", permissions = "table",
  domain = "string", prefers_border = "boolean", listed = "boolean",
  name = "string", title = "string", description = "string", annotations = "table",
  icons = "table", meta = "table", cache = "table", visible = "function", timeout = "number",
  scopes = "table", budget = "table",
}

-- How long hosts may keep a page, in seconds, unless its option `cache` says otherwise: a text of
-- the script stays as long as the script; a changed file is seen after a minute at the latest.
local TEXT_TTL, FILE_TTL = 86400, 60

-- --- the text ---------------------------------------------------------------------------------

-- What is wrong with a page that is no file.
local function check_html(text)
  local problem = facts.html_problem(text)
  if problem then error("html: " .. problem, 0) end
  return require("mcp.ui").with_kit(text)
end

-- A function (ctx) that gives the page.
local function source_of(html)
  if type(html) == "string" then
    local page = check_html(html)
    return function() return page end
  end
  return function(ctx)
    local text = html(ctx)
    if text == nil then return nil end
    if type(text) ~= "string" then
      error(("html: expected the function to return a string, got %s"):format(type(text)), 0)
    end
    return check_html(text)
  end
end

-- --- registering --------------------------------------------------------------------------------

local OF_RESOURCES = { "name", "title", "description", "annotations", "icons", "visible", "timeout",
  "scopes", "cache" }

-- What the page says of itself, beside what the script adds.
local function meta_of(options, own)
  facts.check_meta(options.meta)
  local meta = metadata.meta(options.meta)
  if not own then return meta end
  local out = { ui = own }
  for key, member in pairs(meta or {}) do out[key] = member end
  return out
end

-- The template is the same for everyone unless the app says otherwise.
local function cache_of(app, options)
  if options.cache or type(options.html) == "function" then return options.cache end
  return { ttl = options.file and FILE_TTL or TEXT_TTL,
    scope = (options.visible or options.scopes or app.auth) and "private" or "public" }
end

---Makes the entry of a page out of its options. Raises (level 0) what is wrong.
---@param uri string
---@param options table
---@param app table
---@return table entry
function ui.new(uri, options, _, app)
  local problem = facts.uri_problem(uri)
  if problem then error(problem, 0) end
  if (options.file == nil) == (options.html == nil) then
    error(options.file and "file, html: expected one of them, got both"
      or 'expected file = "page.html", or html with a string or a function', 0)
  end
  local own = facts.of_page(options)
  local file = options.file and page_file.open(options.file)
  local source = not file and source_of(options.html)
  local given = { mime = facts.MIME, meta = meta_of(options, own) }
  for _, name in ipairs(OF_RESOURCES) do given[name] = options[name] end
  given.cache = cache_of(app, options)
  local meta = own and { ui = own }
  local entry
  entry = resource.new(uri, given, function(_, ctx)
    local text
    if file then
      if file:look() then app.bus:publish(uri) end
      text = file.text
    else
      text = source(ctx)
    end
    if text == nil then return nil end
    return { text = text, _meta = ctx.revision.resource._meta and meta or nil }
  end)
  entry.ui, entry.file = uri, file or nil
  entry.unlisted = options.listed == false or nil
  if file then entry.followed = ui.follow end
  return entry
end

local function is_offered(app) return app:has "ui" end

---The app has pages, or tools for them: from now on it declares the extension while it has any.
---@param app table
---@param at string
function ui.declare(app, at)
  if app.extensions and app.extensions.by_id[facts.ID] then return end
  require("mcp.server.feature.extension").add(app, { id = facts.ID }, at, is_offered)
end

-- --- files that change --------------------------------------------------------------------------

-- The apps whose files are looked at.
local followed = setmetatable({}, { __mode = "k" })

-- Looks at the files of the pages that a client has subscribed to, until no client is left.
local function follow(app)
  repeat
    local watched = false
    if not core.sleep(page_file.PAUSE) then break end
    for _, entry in ipairs(app.resources.order) do
      if entry.file and app.bus:watches(entry.name) then
        watched = true
        if entry.file:look() then app.bus:publish(entry.name) end
      end
    end
  until not watched
  followed[app] = nil
end

---A client subscribes to a page that is a file.
---@param app table
function ui.follow(app)
  if followed[app] then return end
  followed[app] = pcall(core.spawn, follow, app) or nil
end

-- --- what belongs together ----------------------------------------------------------------------

-- Is there a resource or a template for this address?
local function is_served(app, uri)
  if app.resources.by_name[uris.normal(uri)] then return true end
  local spellings = app.templates.order[1] and uris.spellings(uri)
  for _, entry in ipairs(app.templates.order) do
    if entry.template:match(uri, spellings) then return true end
  end
  return false
end

---The tools whose pages are not registered, each in a line that names its place. Pages of mounted
---servers are not known before these are connected to.
---@param app table
---@param into string[]
function ui.find_dangling(app, into)
  local pages
  for _, entry in ipairs(app.tools.order) do
    if entry.page and not app.mounts and not is_served(app, entry.page) then
      if not pages then
        pages = {}
        for _, other in ipairs(app.resources.order) do
          if not facts.uri_problem(other.name) then pages[#pages + 1] = other.name end
        end
      end
      local near = require("mcp.nearest").find(entry.page, pages)
      into[#into + 1] = ("%s: tool %q: ui: no page %q is registered%s"):format(entry.at, entry.name,
        entry.page, near and ("; did you mean %q?"):format(near)
          or ("; add one: app:ui(%q, { file = … })"):format(entry.page))
    end
  end
end

return ui
