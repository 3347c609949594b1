-- SPDX-License-Identifier: MIT
-- pages: what commands say of the pages of MCP Apps that a server has: which tools show them, what
-- they ask for, and what would keep a host from showing them. No browser is needed.
local foreign = require "mcp.foreign"
local html_loads = require "mcp.cli.html_loads"
local nearest = require "mcp.nearest"
local ui = require "mcp.message.ui"
local value = require "mcp.value"

local pages = {}

---What a tool says of its page.
---@param tool table
---@return string|nil uri
---@return boolean app_only a model is not shown the tool
function pages.of_tool(tool)
  local meta = foreign.object(tool._meta)
  local own = foreign.object(meta.ui)
  local visibility = foreign.strings(own.visibility)
  local app_only = visibility[1] ~= nil
  for _, user in ipairs(visibility) do app_only = app_only and user ~= "model" end
  return foreign.first(own.resourceUri, meta[ui.FLAT]), app_only
end

-- --- what a page is allowed -------------------------------------------------------------------

local LISTS = { connect = "connectDomains", resource = "resourceDomains", frame = "frameDomains",
  base_uri = "baseUriDomains" }

local PORTS = { http = "80", https = "443", ws = "80", wss = "443" }

-- Scheme, host and port of an origin or address.
local function parts_of(url)
  local scheme, authority = url:match "^(%a[%w+.-]*)://([^/?#]*)"
  if not scheme then return nil end
  scheme = scheme:lower()
  local host, port = authority:match "^(.-):(%d+)$"
  return scheme, (host or authority):lower(), port or PORTS[scheme]
end

-- Does an entry of a policy allow this address?
local function allows(entry, url)
  local scheme, host, port = parts_of(url)
  local own_scheme, own_host, own_port = parts_of(entry)
  if scheme ~= own_scheme or port ~= own_port then return false end
  local below = own_host:match "^%*(%..+)$"
  return host == own_host or below ~= nil and host:sub(-#below) == below and #host > #below
end

local function origin_of(url)
  return url:match "^%a[%w+.-]*://[^/?#]*"
end

-- What the page loads and its policy forbids, each origin once.
local function find_forbidden(html, csp, add)
  local seen = {}
  for _, load in ipairs(html_loads(html)) do
    local url = load.url:find "^//" and "https:" .. load.url or load.url
    local origin = origin_of(url)
    local allowed = false
    for _, entry in ipairs(foreign.strings(csp[LISTS[load.kind]])) do
      allowed = allowed or origin ~= nil and allows(entry, url)
    end
    local key = load.kind .. " " .. (origin or load.url)
    if not allowed and not seen[key] then
      seen[key] = true
      if origin then
        add(("loads %s, which its csp does not allow: csp = { %s = { %q } }"):format(load.url,
          load.kind, origin))
      else
        add(("loads %q, and a page has no folder: it is one document; put that into it"):format(
          load.url))
      end
    end
  end
end

-- --- one page ---------------------------------------------------------------------------------

-- The contents of a page, or nil and what is wrong with the answer.
local function read(client, uri)
  local result, text = client:read_resource(uri)
  if not result then return nil, "cannot be read: " .. tostring(text) end
  local item = foreign.objects(result.contents)[1]
  if not item then return nil, "has no contents" end
  if type(item.text) ~= "string" then return nil, "is not sent as text" end
  if item.mimeType ~= ui.MIME then
    return nil, ("mimeType: expected %q, got %s"):format(ui.MIME,
      type(item.mimeType) == "string" and ("%q"):format(item.mimeType) or type(item.mimeType))
  end
  return item
end

local function look_at(client, page, listed)
  local function warn(text)
    page.warnings[#page.warnings + 1] = ("page %q %s"):format(page.uri, text)
  end
  local item, problem = read(client, page.uri)
  problem = problem or ui.html_problem(item.text)
  if problem then
    page.problem = ("page %q: %s"):format(page.uri, problem)
    return
  end
  local meta = foreign.object(foreign.object(item._meta).ui)
  if next(meta) == nil then meta = foreign.object(foreign.object(listed and listed._meta).ui) end
  page.bytes, page.ui = #item.text, next(meta) ~= nil and meta or nil
  local csp = foreign.object(meta.csp)
  for _, name in ipairs(nearest.keys(LISTS)) do
    for _, origin in ipairs(foreign.strings(csp[LISTS[name]])) do
      local wrong = ui.origin_problem(origin)
      if wrong then warn(("csp: %s: %s"):format(name, wrong)) end
    end
  end
  find_forbidden(item.text, csp, warn)
  if not item.text:find("ui/initialize", 1, true) then
    warn("never sends ui/initialize, so hosts wait for it: add <!-- mcp.ui.kit --> to its head")
  elseif item.text:find "<!%-%-%s*mcp%.ui%.kit" then
    warn("asks for the view kit more than once")
  end
end

---Reads the pages of a server.
---@param client mcp.Client
---@param lists table tools and resources, as offers.read returns them
---@return table[] pages uri, tools (names), bytes, ui (what the page says of itself), warnings
---(texts), problem (a text: it cannot be shown)
function pages.read(client, lists)
  local out, by_uri = {}, {}
  local function page_of(uri)
    local page = by_uri[uri]
    if not page then
      page = { uri = uri, tools = value.array(), warnings = value.array() }
      by_uri[uri], out[#out + 1] = page, page
    end
    return page
  end
  local listed = {}
  for _, resource in ipairs(lists.resources or {}) do
    local uri = foreign.string(resource.uri)
    if uri and not ui.uri_problem(uri) then
      listed[uri] = resource
      page_of(uri)
    end
  end
  for _, tool in ipairs(lists.tools or {}) do
    local uri = pages.of_tool(tool)
    if uri then
      local tools = page_of(uri).tools
      tools[#tools + 1] = foreign.first(tool.name, "?")
    end
  end
  for _, page in ipairs(out) do look_at(client, page, listed[page.uri]) end
  return out
end

---A page in one line: its size, the tools that show it, and what it asks for.
---@param page table
---@return string
function pages.describe(page)
  local words = { page.bytes and ("%.1f KB"):format(page.bytes / 1000) or "cannot be shown",
    page.tools[1] and "shown by " .. table.concat(page.tools, ", ") or "no tool shows it" }
  local meta = foreign.object(page.ui)
  local csp = foreign.object(meta.csp)
  for _, name in ipairs(nearest.keys(LISTS)) do
    local origins = foreign.strings(csp[LISTS[name]])
    if origins[1] then words[#words + 1] = name .. " " .. table.concat(origins, " ") end
  end
  local permissions = nearest.keys(foreign.object(meta.permissions))
  if permissions[1] then words[#words + 1] = "asks for " .. table.concat(permissions, ", ") end
  return table.concat(words, "; ")
end

return pages
