-- SPDX-License-Identifier: MIT
-- settings: checks the options of a client and fills in the defaults.
local cache = require "mcp.client.cache"
local call = require "mcp.client.call"
local core = require "mcp.core"
local usage = require "mcp.client.usage"
local pages = require "mcp.client.pages"
local protocol = require "mcp.protocol"
local input_required = require "mcp.client.input_required"
local serve = require "mcp.later" "mcp.client.serve"

local settings = {}

---The options of every client, whatever it is connected to.
settings.OPTIONS = {
  client = "table", revision = "string", era = "string", capabilities = "table",
  extensions = "table",
  timeout = "number", max_timeout = "number", probe_timeout = "number",
  on_elicit = "function", on_elicit_url = "function", on_elicit_complete = "function",
  on_sample = "function", sampling = "table", roots = "table|function",
  on_log = "function", log_level = "string", on_change = "function",
  on_question = "function", on_notice = "function",
  cache = "boolean|table", principal = "string", validate = "boolean", limits = "table",
  pinned = "string|table",
}

-- The limits of every client and their defaults.
local LIMITS = {
  pages = pages.MAX, pending = call.PENDING, rounds = input_required.MAX, cache = cache.MAX,
}

local CLIENT = { name = "string", version = "string", title = "string", description = "string",
  website = "string", icons = "table" }

local SAMPLING = { tools = "boolean", context = "boolean" }

-- Capabilities that follow from options and must not be given twice.
local DERIVED = { elicitation = "on_elicit", sampling = "on_sample", roots = "roots" }

local ERAS = { auto = true, legacy = true, modern = true }

local function identity(what, given)
  usage.check(what .. ": client", given, CLIENT)
  given = given or {}
  return core.raw {
    name = given.name or "luamcp", version = given.version or core.version, title = given.title,
    description = given.description, websiteUrl = given.website, icons = given.icons,
  }
end

local function limits(what, given)
  local out = {}
  for name, number in pairs(LIMITS) do out[name] = number end
  for name, number in pairs(given or {}) do
    if LIMITS[name] then
      if math.type(number) ~= "integer" or number < 1 then
        usage.raise("%s: limits: %s: expected an integer, 1 or more, got %s", what, name,
          tostring(number))
      end
      out[name] = number
    end
  end
  return out
end

---Raises for a limit that neither the client nor its transport knows.
---@param what string the function they belong to
---@param given table|nil
---@param more table<string, any>|nil the names of the transport
function settings.check_limits(what, given, more)
  local known = {}
  for name in pairs(LIMITS) do known[name] = "any" end
  for name in pairs(more or {}) do known[name] = "any" end
  usage.check(what .. ": limits", given, known)
end

-- The revision that is required, if any, and the revisions to offer.
local function revisions(what, out, given)
  local facts = given.revision and protocol.revision(given.revision)
  if given.revision and not facts then
    usage.raise("%s: revision: expected one of %s, got %q", what,
      table.concat(protocol.names, ", "), given.revision)
  end
  if given.era ~= nil and not ERAS[given.era] then
    usage.raise('%s: era: expected "auto", "legacy" or "modern", got %q', what, given.era)
  end
  if facts and given.era and given.era ~= "auto" and given.era ~= facts.era then
    usage.raise("%s: era: expected %q for revision %s, got %q", what, facts.era, facts.name,
      given.era)
  end
  out.revision, out.era = facts and facts.name, facts and facts.era or given.era or "auto"
  out.modern = facts and facts.era == "modern" and facts.name or protocol.modern_names[1]
  out.legacy = facts and facts.era == "legacy" and facts.name
    or protocol.negotiate(protocol.modern_names[1]).name
end

---Reads options. Raises at the user's line on an error in them.
---@param what string the function they belong to, for error texts
---@param given table
---@return table settings
function settings.read(what, given)
  local out = {}
  for name, member in pairs(given) do
    if settings.OPTIONS[name] then out[name] = member end
  end
  for _, name in ipairs { "timeout", "max_timeout", "probe_timeout" } do
    usage.seconds(what, name, given[name])
  end
  out.timeout = given.timeout or call.TIME
  out.max_timeout = given.max_timeout or math.max(call.MAX_TIME, out.timeout)
  out.limits = limits(what, given.limits)
  out.info = identity(what, given.client)
  revisions(what, out, given)
  usage.check(what .. ": sampling", given.sampling, SAMPLING)
  if given.sampling and not given.on_sample then
    usage.raise("%s: sampling: needs on_sample: add that option", what)
  end
  for name in pairs(given.capabilities or {}) do
    if DERIVED[name] and not given.on_question then
      usage.raise("%s: capabilities: %s follows from the option %s: leave it out", what, name,
        DERIVED[name])
    end
  end
  if given.extensions then
    out.extensions = require("mcp.client.extension").read(what, given.extensions,
      given.capabilities)
  end
  if type(given.roots) == "table" then
    for i, root in ipairs(given.roots) do
      local ok, message = serve.root(root)
      if not ok then usage.raise("%s: roots[%d]: %s", what, i, message) end
    end
  end
  if given.log_level and not protocol.LOG_RANK[given.log_level] then
    usage.raise("%s: unknown log_level %q", what, given.log_level)
  end
  if type(given.cache) == "table" and (getmetatable(given.cache) or {}).__name ~= "mcp.client_cache"
  then
    usage.raise("%s: cache: expected false or an mcp.client_cache()", what)
  end
  out.validate = given.validate ~= false
  return out
end

return settings
