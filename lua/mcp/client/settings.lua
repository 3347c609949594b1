-- SPDX-License-Identifier: MIT
-- settings: the options of a client, checked, with what holds where nothing is said.
local cache = require "mcp.client.cache"
local call = require "mcp.client.call"
local core = require "mcp.core"
local usage = require "mcp.client.usage"
local pages = require "mcp.client.pages"
local protocol = require "mcp.protocol"
local rounds = require "mcp.client.input_required"
local serve = require "mcp.client.serve"

local settings = {}

---The options of every client, whatever it is connected to.
settings.OPTIONS = {
  client = "table", revision = "string", era = "string", capabilities = "table",
  timeout = "number", max_timeout = "number", probe_timeout = "number",
  on_elicit = "function", on_elicit_url = "function", on_elicit_complete = "function",
  on_sample = "function", sampling = "table", roots = "table|function",
  on_log = "function", log_level = "string", on_change = "function",
  cache = "boolean|table", principal = "string", validate = "boolean", limits = "table",
}

-- The limits of every client: what they are if nothing is said.
local LIMITS = {
  pages = pages.MOST, pending = call.PENDING, rounds = rounds.MOST, cache = cache.MOST,
}

local CLIENT = { name = "string", version = "string", title = "string", description = "string",
  website = "string", icons = "table" }

local SAMPLING = { tools = "boolean", context = "boolean" }

-- What follows from callbacks and is not said twice.
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
        usage.raise("%s: limits: %s: an integer, 1 or more, expected", what, name)
      end
      out[name] = number
    end
  end
  return out
end

---The names of the limits that a client knows, and those of its transport beside them.
---@param what string
---@param given table|nil
---@param more table<string, any>|nil names a transport knows
function settings.check_limits(what, given, more)
  local known = {}
  for name in pairs(LIMITS) do known[name] = "any" end
  for name in pairs(more or {}) do known[name] = "any" end
  usage.check(what .. ": limits", given, known)
end

-- The revision that is forced, and which ones to offer.
local function revisions(what, out, given)
  local facts = given.revision and protocol.revision(given.revision)
  if given.revision and not facts then
    usage.raise("%s: revision: one of %s expected, got %q", what,
      table.concat(protocol.names, ", "), given.revision)
  end
  if given.era ~= nil and not ERAS[given.era] then
    usage.raise('%s: era: "auto", "legacy" or "modern" expected, got %q', what, given.era)
  end
  if facts and given.era and given.era ~= "auto" and given.era ~= facts.era then
    usage.raise("%s: era: revision %s is %s", what, facts.name, facts.era)
  end
  out.revision, out.era = facts and facts.name, facts and facts.era or given.era or "auto"
  out.modern = facts and facts.era == "modern" and facts.name or protocol.modern_names[1]
  out.legacy = facts and facts.era == "legacy" and facts.name
    or protocol.negotiate(protocol.modern_names[1]).name
end

---Reads options. Raises, at the caller's line, what is wrong with them.
---@param what string who they are for, in texts
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
  out.max_timeout = given.max_timeout or math.max(call.MOST, out.timeout)
  out.limits = limits(what, given.limits)
  out.info = identity(what, given.client)
  revisions(what, out, given)
  usage.check(what .. ": sampling", given.sampling, SAMPLING)
  if given.sampling and not given.on_sample then
    usage.raise("%s: sampling: it says something of on_sample, which is not there", what)
  end
  for name in pairs(given.capabilities or {}) do
    if DERIVED[name] then
      usage.raise("%s: capabilities: %s follows from %s", what, name, DERIVED[name])
    end
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
    usage.raise("%s: cache: false or an mcp.client_cache() expected", what)
  end
  out.validate = given.validate ~= false
  return out
end

return settings
