-- SPDX-License-Identifier: MIT
-- ui: the parts of MCP Apps (extension io.modelcontextprotocol/ui) that both sides build or check:
-- what a tool says of its page, what a page says of itself, whether a text can be a page. Options
-- in, members of the protocol out. Pure: no state, no I/O. Raises without a position (level 0); the
-- caller adds the user's line.
local check = require("mcp.options").check
local cut = require("mcp.text").cut
local nearest = require "mcp.nearest"
local protocol = require "mcp.protocol"
local value = require "mcp.value"

local ui = {}

---The extension.
ui.ID = protocol.UI
---The media type of a page, to the letter.
ui.MIME = "text/html;profile=mcp-app"
---The scheme that is reserved for pages.
ui.SCHEME = "ui://"
---The member of a tool's _meta that came before _meta.ui.resourceUri. Hosts still read it.
ui.FLAT = "ui/resourceUri"

-- How a value is shown in an error text.
local function shown(given)
  return type(given) == "string" and ("%q"):format(cut(given, 60)) or type(given)
end

---What is wrong with the address of a page, or nil.
---@param given any
---@return string|nil problem
function ui.uri_problem(given)
  if type(given) ~= "string" or given:sub(1, #ui.SCHEME) ~= ui.SCHEME or given == ui.SCHEME then
    return ('expected the address of a page, such as "ui://garden/plan", got %s'):format(
      shown(given))
  end
  if given:find("[{}]") then
    return ("expected the address of one page, got the template %s"):format(shown(given))
  end
  return nil
end

-- A list of strings, or an error that shows how one is written.
local function list_of(what, given, example)
  if type(given) ~= "table" then
    error(("%s: expected a list such as { %q }, got %s"):format(what, example, shown(given)), 0)
  end
  for key in pairs(given) do
    if math.type(key) ~= "integer" then
      error(("%s: expected a list such as { %q }, got a table with the key %s"):format(what,
        example, shown(key)), 0)
    end
  end
  return given
end

-- --- a tool -----------------------------------------------------------------------------------

local TOOL = { uri = "any", visibility = "any" }

-- Members of a page that are often given to its tool, where hosts ignore them.
local OF_PAGES = { "csp", "permissions", "domain", "prefers_border", "prefersBorder" }

local SEEN_BY = { "model", "app" }

---What belongs to a page and was given to a tool: an error text, or nil.
---@param given table options of a tool, or its option `ui`
---@param uri any of the page
---@return string|nil problem
function ui.misplaced(given, uri)
  for _, name in ipairs(OF_PAGES) do
    if given[name] ~= nil then
      return ("%q belongs to the page, not to the tool: app:ui(%q, { %s = … })"):format(name,
        ui.uri_problem(uri) and "ui://…" or uri, name == "prefersBorder" and "prefers_border"
        or name)
    end
  end
  return nil
end

local function visibility_of(given)
  local out = value.array {}
  for i, user in ipairs(list_of("visibility", given, "app")) do
    if user ~= "model" and user ~= "app" then
      local near = type(user) == "string" and nearest.find(user, SEEN_BY)
      error(('visibility[%d]: expected "model" or "app", got %s%s'):format(i, shown(user),
        near and ("; did you mean %q?"):format(near) or ""), 0)
    end
    out[i] = user
  end
  if not out[1] then
    error('visibility: expected "model", "app" or both, got an empty list', 0)
  end
  return out
end

---The option `ui` of a tool.
---@param given string|table the address of its page, or { uri =, visibility = }
---@return table meta what is added to the tool's _meta
---@return string|nil uri
function ui.of_tool(given)
  if type(given) == "string" then given = { uri = given } end
  local misplaced = ui.misplaced(given, given.uri or given.resourceUri)
  if misplaced then error("ui: " .. misplaced, 0) end
  check("ui", given, TOOL, 0, "member")
  local problem = given.uri ~= nil and ui.uri_problem(given.uri)
  if problem then error("ui: uri: " .. problem, 0) end
  local visibility
  if given.visibility ~= nil then
    local ok
    ok, visibility = pcall(visibility_of, given.visibility)
    if not ok then error("ui: " .. visibility, 0) end
  end
  if not given.uri and not visibility then
    error('ui: expected the address of a page, as in ui = "ui://garden/plan", or visibility', 0)
  end
  return { ui = { resourceUri = given.uri, visibility = visibility }, [ui.FLAT] = given.uri },
    given.uri
end

---Raises if `meta` has a member that the option `ui` writes.
---@param meta table|nil
function ui.check_meta(meta)
  for _, name in ipairs { "ui", ui.FLAT } do
    if type(meta) == "table" and meta[name] ~= nil then
      error(('meta: %q is written by luamcp: give a tool ui = "ui://…", and a page its own options')
        :format(name), 0)
    end
  end
end

-- --- a page -----------------------------------------------------------------------------------

local CSP = {
  connect = "connectDomains", resource = "resourceDomains", frame = "frameDomains",
  base_uri = "baseUriDomains",
}
local CSP_TYPES = { connect = "any", resource = "any", frame = "any", base_uri = "any" }

local WEB = { http = true, https = true }
local SOCKET = { http = true, https = true, ws = true, wss = true }

-- What is wrong with a host, or nil. One label more may stand for all names below it.
local function host_problem(host)
  if host == "" then return "it has no host" end
  if host:find("[%[%]]") then
    return "a policy cannot name an IPv6 address; give a name, such as localhost"
  end
  if host == "*" then return "it names every host; name those that the page needs" end
  local name = host:gsub("^%*%.", "")
  if name:find "[\x80-\xff]" then return "write the host in ASCII (xn--…)" end
  for label in (name .. "."):gmatch "([^.]*)%." do
    if not (label:find "^%w$" or label:find "^%w[%w-]*%w$") then
      return "a host has letters, digits, hyphens and dots, and perhaps one leading *."
    end
  end
  return nil
end

---What is wrong with one origin of a policy, or nil. Each becomes part of a
---Content-Security-Policy, where a space or a semicolon begins something else.
---@param given any
---@param schemes table<string, boolean>|nil those that are allowed; all four of a page if nil
---@return string|nil problem
function ui.origin_problem(given, schemes)
  schemes = schemes or SOCKET
  local expected = 'expected an origin such as "https://api.example"'
  if type(given) ~= "string" then return ("%s, got %s"):format(expected, type(given)) end
  local scheme, authority, rest = given:match "^(%a[%w+.-]*)://([^/?#]*)(.*)$"
  local function wrong(reason)
    return ("%s, got %s: %s"):format(expected, shown(given), reason)
  end
  if not scheme then return wrong "scheme://host, with a port if it is not the usual one" end
  if not schemes[scheme:lower()] then
    return wrong(schemes == WEB and "the scheme is https or http"
      or "the scheme is https, http, wss or ws")
  end
  local host, port = authority:match "^(.-):(%d*)$"
  host = host or authority
  local problem = host_problem(host)
  if problem then return wrong(problem) end
  if port and not (math.tointeger(tonumber(port)) and tonumber(port) >= 1
    and tonumber(port) <= 65535) then
    return wrong "a port is a number from 1 to 65535"
  end
  if rest ~= "" then
    return wrong(("leave out what follows %q"):format(scheme .. "://" .. authority))
  end
  return nil
end

---The option `csp` of a page: the origins that it needs.
---@param given table|nil connect, resource, frame, base_uri: lists of origins
---@return table|nil
function ui.csp(given)
  if given == nil then return nil end
  check("csp", given, CSP_TYPES, 0, "member")
  local out = {}
  for name, list in pairs(given) do
    local what = "csp: " .. name
    local origins = value.array {}
    for i, origin in ipairs(list_of(what, list, "https://api.example")) do
      local problem = ui.origin_problem(origin, name == "connect" and SOCKET or WEB)
      if problem then error(("%s[%d]: %s"):format(what, i, problem), 0) end
      origins[i] = origin
    end
    if origins[1] then out[CSP[name]] = origins end
  end
  return out
end

local PERMISSIONS = { camera = "camera", microphone = "microphone", geolocation = "geolocation",
  clipboard_write = "clipboardWrite" }

---The option `permissions` of a page: what it asks the browser for.
---@param given table|nil a list of "camera", "microphone", "geolocation", "clipboard_write"
---@return table|nil
function ui.permissions(given)
  if given == nil then return nil end
  local out
  for i, name in ipairs(list_of("permissions", given, "camera")) do
    local member = PERMISSIONS[name]
    if not member then
      error(("permissions[%d]: %s"):format(i, type(name) ~= "string"
        and "expected a name, got " .. type(name)
        or nearest.unknown("permission", name, nearest.keys(PERMISSIONS))), 0)
    end
    out = out or {}
    out[member] = {}
  end
  return out
end

---What a page says of itself: its _meta.ui.
---@param options table csp, permissions, domain, prefers_border
---@return table|nil
function ui.of_page(options)
  if options.domain == "" then error("domain: expected a name, got an empty one", 0) end
  local out = { csp = ui.csp(options.csp), permissions = ui.permissions(options.permissions),
    domain = options.domain, prefersBorder = options.prefers_border }
  return next(out) ~= nil and out or nil
end

-- --- a document -------------------------------------------------------------------------------

-- What may stand before the doctype: a byte order mark, space and comments.
local function after_comments(text)
  local at = text:find("^\u{FEFF}") and 4 or 1
  while true do
    at = text:find("%S", at)
    if not at then return #text + 1 end
    if text:sub(at, at + 3) ~= "<!--" then return at end
    local _, last = text:find("-->", at + 4, true)
    if not last then return #text + 1 end
    at = last + 1
  end
end

local DOCTYPE = "^<![Dd][Oo][Cc][Tt][Yy][Pp][Ee]%s+[Hh][Tt][Mm][Ll]%f[%s>]%s*([^>]*)>()"

---What is wrong with a text that is to be a page, or nil: a complete HTML5 document in UTF-8.
---@param text string
---@return string|nil problem
function ui.html_problem(text)
  local valid, bad = utf8.len(text)
  if not valid then
    return ("not valid UTF-8 at byte %d; save the page as UTF-8"):format(bad)
  end
  if not text:find "%S" then return "the page is empty" end
  local at = after_comments(text)
  local more, after = text:match(DOCTYPE, at)
  if not more then
    return ("expected a complete document that begins with <!doctype html>, got %s"):format(
      at > #text and "comments alone" or shown(text:match("^[^\n]*", at)))
  end
  if more ~= "" and not more:lower():find "^system%s+[\"']about:legacy%-compat[\"']%s*$" then
    return ("expected <!doctype html>, got the doctype of an older HTML (%s)"):format(cut(more, 60))
  end
  if not text:find("%S", after) then return "the page has nothing after its doctype" end
  return nil
end

---Can the client show pages? By what it has declared for the extension.
---@param settings any of the client; untrusted
---@return boolean
function ui.supported(settings)
  local types = value.is_object(settings) and settings.mimeTypes
  if type(types) ~= "table" then return false end
  for _, mime in ipairs(types) do
    if mime == ui.MIME then return true end
  end
  return false
end

return ui
