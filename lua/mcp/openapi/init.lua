-- SPDX-License-Identifier: MIT
-- openapi: app:openapi: the operations of an OpenAPI document as tools and resources of an app.
local check = require("mcp.options").check
local core = require "mcp.core"
local document = require "mcp.openapi.document"
local entries = require "mcp.openapi.entries"
local names = require "mcp.openapi.names"
local operations = require "mcp.openapi.operations"
local pages = require "mcp.openapi.pages"
local resources = require "mcp.openapi.resources"
local rules = require "mcp.openapi.rules"
local schemas = require "mcp.openapi.schemas"
local security = require "mcp.openapi.security"
local servers = require "mcp.openapi.servers"
local value = require "mcp.value"

local openapi = {}

-- An API that never answers. In seconds.
openapi.TIMEOUT = 30
-- Answers without end: a model reads none of this size. In bytes.
openapi.LIMIT = 1 << 20
-- Defects of one document that are reported; a generated one has the same defect everywhere.
openapi.WARNINGS = 200

local OPTIONS = { base_url = "string|function", server_variables = "table", auth = "table",
  headers = "table", rules = "table|function", names = "table|function", prefix = "string",
  scheme = "string", timeout = "number", limit = "number", validate_output = "boolean",
  pages = "table", tls = "table|userdata", proxy = "string|boolean" }

---@class mcp.OpenApiOptions
---@field base_url? string|fun(op: mcp.openapi.Operation): string where the API is
---@field server_variables? table<string, string> values for `{variables}` of the document's server
---@field auth? table<string, string|table|function> credentials by the names of security schemes
---@field headers? table<string, string> fields for each request
---@field rules? table[]|fun(op: mcp.openapi.Operation): string|table|nil which operations, as what
---@field names? table<string, string>|fun(op: mcp.openapi.Operation): string? names by operationId
---@field prefix? string put before each name
---@field scheme? string of the URIs of resources ("api")
---@field timeout? number seconds for one request (30)
---@field limit? integer bytes of an answer (1 MiB)
---@field validate_output? boolean check answers against the document (true)
---@field pages? table max, items, next, parameter: reads pages that follow
---@field tls? table|userdata as for mcp.fetch
---@field proxy? string|false as for mcp.fetch

---@class mcp.OpenApiReport
---@field title string? of the API
---@field version string? of the API
---@field operations table[] each with method, path, id, as ("tool", "resource" or "exclude") and
---name (of the tool, or the URI)
---@field warnings string[] defects of the document; more may come when tools are listed

-- --- settings ---------------------------------------------------------------------------------

local function check_headers(headers)
  for name, field in pairs(headers) do
    if type(name) ~= "string" or type(field) ~= "string" then
      error(("headers: expected strings by name, got %s = %s"):format(type(name), type(field)), 0)
    end
  end
  return headers
end

local function check_numbers(options)
  local timeout, limit = options.timeout, options.limit
  if timeout and not (timeout > 0 and timeout < 1e9) then
    error(("timeout: expected seconds, more than 0, got %s"):format(timeout), 0)
  end
  if limit and (math.type(limit) ~= "integer" or limit < 1) then
    error(("limit: expected an integer, 1 or more, got %s"):format(limit), 0)
  end
  if options.scheme and not options.scheme:find "^%a[%w+.-]*$" then
    error(("scheme: expected letters, such as \"api\", got %q"):format(options.scheme), 0)
  end
  if options.prefix and options.prefix:find "[^%w_.-]" then
    error(("prefix: expected letters, digits, \"_\", \".\" and \"-\", got %q"):format(
      options.prefix), 0)
  end
end

local Api = { __name = "mcp.openapi" }
Api.__index = Api

-- Where an operation is called; nil and a text.
function Api:base(op)
  local given = self.base_url
  if type(given) == "function" then
    given = given(op)
    if type(given) ~= "string" then return nil, "base_url: the function returned no address" end
    return servers.explicit(given)
  end
  if given then return given end
  return servers.find(self.document, op.servers, self.variables)
end

-- --- importing --------------------------------------------------------------------------------

local function name_of(api, op, settings)
  local given = api.names
  local name = settings.name
  if not name and type(given) == "function" then name = given(op) end
  if not name and type(given) == "table" and op.id then name = given[op.id] end
  if name ~= nil and type(name) ~= "string" then
    error(("names: %s %s: expected a string, got %s"):format(op.method, op.path, type(name)), 0)
  end
  -- A name that a setting chose is not changed: a clash is an error.
  if name then
    name = api.prefix .. name
    local other = api.app.tools.by_name[name]
    if other and settings.as == "tool" then
      error(("tool %q is registered already, at %s"):format(name, other.at or "another place"), 0)
    end
    return name
  end
  return names.free(api.prefix .. names.of(op, #api.prefix), function(candidate)
    return api.app.tools.by_name[candidate]
  end)
end

-- Names in the options that no operation has are mistakes.
local function check_names(given, ops)
  if type(given) ~= "table" then return end
  local known, list = {}, {}
  for _, op in ipairs(ops) do
    if op.id then
      known[op.id] = true
      list[#list + 1] = op.id
    end
  end
  for id in pairs(given) do
    if not known[id] then
      error("names: " .. require("mcp.nearest").unknown("operationId", id, list), 0)
    end
  end
end

local function import(app, source, options, at)
  check_numbers(options)
  local report = { operations = {}, warnings = {} }
  local said = {}
  local function warn(text, level)
    if said[text] or #report.warnings >= openapi.WARNINGS then return end
    said[text] = true
    report.warnings[#report.warnings + 1] = text
    core.log(level or "info", "openapi: " .. text)
  end
  local doc, message = document.open(source, options.timeout)
  if not doc then error(message, 0) end
  local ops = operations.read(doc, warn)
  local tls = options.tls
  if type(tls) == "table" then
    -- One context for all requests: connections are kept by it.
    tls, message = require("mcp.tls").client(tls)
    if not tls then error("tls: " .. message, 0) end
  end
  local guard
  guard, message = security.new(doc, ops, options.auth, warn)
  if not guard then error(message, 0) end
  local headers = check_headers(options.headers or {})
  local api = setmetatable({ app = app, at = at, document = doc, security = guard,
    schemas = schemas.new(doc, warn), headers = headers, field_names = {},
    variables = options.server_variables or {}, names = options.names,
    prefix = options.prefix or "", scheme = options.scheme or "api",
    timeout = options.timeout or openapi.TIMEOUT, limit = options.limit or openapi.LIMIT,
    validate = options.validate_output ~= false, tls = tls, proxy = options.proxy,
    pages = options.pages and pages.check(options.pages) or nil, pool = core.http_pool() }, Api)
  for name in pairs(headers) do api.field_names[name:lower()] = true end
  api.base_url = type(options.base_url) == "string" and servers.explicit(options.base_url)
    or options.base_url
  check_names(options.names, ops)
  local decide, idle = rules.compile(options.rules)
  local unmet = {}
  for _, op in ipairs(ops) do
    local settings = decide(op)
    local row = { method = op.method, path = op.path, id = op.id, as = settings.as }
    if settings.as ~= "exclude" then
      row.name = name_of(api, op, settings)
      if settings.as == "tool" then
        entries.add(api, op, settings, row.name)
      else
        row.name = resources.add(api, op, settings, row.name)
      end
      local _, lacking = guard:names(op)
      if lacking then
        local wanted = guard:wanted(op)
        unmet[wanted] = unmet[wanted] or { count = 0, first = lacking[1] }
        unmet[wanted].count = unmet[wanted].count + 1
      end
      local base, wrong = api:base(op)
      if not base then warn(wrong) end
    end
    report.operations[#report.operations + 1] = row
  end
  -- What was written to have an effect and has none is more than a defect of the document.
  for wanted, each in pairs(unmet) do
    warn(("%d operations need credentials: %s; set auth = { %s = … }"):format(each.count, wanted,
      each.first), options.auth and "warning")
  end
  for _, i in ipairs(idle()) do
    warn(("rules[%d] decides about no operation: it fits none, or an earlier rule fits first")
      :format(i), "warning")
  end
  local info = value.object(doc.root.info)
  report.title = type(info.title) == "string" and info.title or nil
  report.version = info.version ~= nil and tostring(info.version) or nil
  return report
end

---Makes tools and resources of the operations of a document. Raises, at the line of the caller,
---what is wrong with the document or the options.
---@param app mcp.App
---@param source string|table a path, an address, or the decoded document
---@param options? mcp.OpenApiOptions
---@param at string the line of the call, for errors that come later
---@return mcp.OpenApiReport report
function openapi.import(app, source, options, at)
  if type(source) ~= "string" and type(source) ~= "table" then
    error(("app:openapi: expected a path, an address or a document, got %s"):format(type(source)),
      2)
  end
  options = options or {}
  check("app:openapi", options, OPTIONS, 2)
  local ok, result = pcall(import, app, source, options, at)
  if ok then return result end
  if type(result) ~= "string" then error(result, 0) end
  error("app:openapi: " .. result:gsub("^[^%s:]*mcp/openapi/[%w_]+%.lua:%d+: ", ""), 2)
end

return openapi
