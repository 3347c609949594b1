-- SPDX-License-Identifier: MIT
-- card: what a listener says of its server to clients that are not connected: a server card
-- (SEP-2127), at the endpoint's address with "/server-card" after it. It is public, so the option
-- `card` has to ask for it, and has no tools in it.
local check = require("mcp.options").check
local core = require "mcp.core"
local protocol = require "mcp.protocol"
local value = require "mcp.value"

local card = {}

local SCHEMA = "https://static.modelcontextprotocol.io/schemas/v2/server-card.schema.json"
local TYPE = "application/mcp-server-card+json"
-- By the schema, in characters.
local TEXT, NAME = 100, 200

local OPTIONS = { name = "string", description = "string", url = "string", repository = "table",
  headers = "table", variables = "table", meta = "table" }

local REPOSITORY = { url = "string", source = "string", subfolder = "string", id = "string" }

local function name_of(app, given)
  local name = given.name or app.name
  if #name > NAME or not name:find "^[%w.-]+/[%w._-]+$" then
    error(('card: name: expected one such as "com.example/weather", got %q%s'):format(name,
      given.name and "" or " (the server's own)"), 0)
  end
  return name
end

local function text_of(what, text, needed)
  if text == nil and not needed then return nil end
  if type(text) ~= "string" or text == "" or (utf8.len(text) or TEXT + 1) > TEXT then
    error(("card: %s: expected a text of 1 to %d characters, got %s"):format(what, TEXT,
      type(text) == "string" and ("one of %d"):format(utf8.len(text) or #text)
      or "none: the server has none either"), 0)
  end
  return text
end

-- What its clients have to send, as a list of inputs; and tables with names.
local function check_shapes(given)
  for i, field in ipairs(given.headers or {}) do
    if not value.is_object(field) or type(field.name) ~= "string" then
      error(("card: headers[%d]: expected a table such as { name = \"X-Key\" }, got %s"):format(i,
        value.is_object(field) and "one without a name" or value.kind(field)), 0)
    end
  end
  if given.headers and next(given.headers) ~= nil and given.headers[1] == nil then
    error('card: headers: expected a list of tables such as { name = "X-Key" }, got an object', 0)
  end
  for _, name in ipairs { "variables", "meta" } do
    if given[name] and not value.is_object(given[name]) then
      error(("card: %s: expected a table with names, got an array"):format(name), 0)
    end
  end
end

-- Where clients reach the server. The listener's own address is that only on this machine.
local function url_of(app, given, own)
  local url = given.url or app.auth and app.auth.resource or own
  if not url then
    error("card: url: the address that clients know this server by is needed", 0)
  end
  if not url:find "^https?://%S+$" and not url:find "^{[%a_][%w_]*}%S*$" then
    error(("card: url: expected an address such as \"https://mcp.example/mcp\", got %q"):format(
      url), 0)
  end
  return url
end

local function repository_of(given)
  if not given then return nil end
  check("card: repository", given, REPOSITORY, 0)
  if not given.url or not given.source then
    error('card: repository: expected url and source, such as "github"', 0)
  end
  return given
end

---Checks the option of a listener. Raises (level 0) what is wrong with it.
---@param given any
---@return table|nil given nil: no card
function card.option(given)
  if given == nil or given == false then return nil end
  if given == true then return {} end
  if type(given) ~= "table" then
    error(("card: expected true or a table such as { name = \"com.example/weather\" }, got %s")
      :format(type(given)), 0)
  end
  check("card", given, OPTIONS, 0)
  check_shapes(given)
  return given
end

---The card of a server, for a listener. Raises (level 0) what is wrong with it.
---@param app table
---@param given table the option
---@param own string|nil the listener's address, if clients may know it
---@return table page
function card.page(app, given, own)
  local info = app.info
  local document = {
    ["$schema"] = SCHEMA, name = name_of(app, given), version = info.version,
    description = text_of("description", given.description or info.description, true),
    title = text_of("title", info.title), websiteUrl = info.websiteUrl, icons = info.icons,
    repository = repository_of(given.repository), _meta = given.meta,
    remotes = value.array { { type = "streamable-http", url = url_of(app, given, own),
      headers = given.headers and value.array(given.headers), variables = given.variables,
      supportedProtocolVersions = protocol.names } },
  }
  local text, reason = core.encode(document, true)
  if not text then error("card: " .. reason, 0) end
  return { type = TYPE, body = text }
end

---Where a listener's card is.
---@param path string of the listener
---@return string
function card.path(path) return path:gsub("/$", "") .. "/server-card" end

return card
