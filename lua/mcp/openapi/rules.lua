-- SPDX-License-Identifier: MIT
-- rules.lua: what becomes of an operation: a tool, a resource, or nothing. Rules are a list, of
-- which the first that fits decides, or a function.
local check = require("mcp.options").check

local rules = {}

local KINDS = { tool = true, resource = true, exclude = true }

-- What a rule looks at.
local CONDITIONS = { methods = "string|table", path = "string", tags = "string|table",
  id = "string", deprecated = "boolean" }

---What a rule can say of a tool or resource.
rules.SETTINGS = { as = "string", name = "string", title = "string", description = "string",
  annotations = "table", icons = "table", meta = "table", visible = "function", scopes = "table",
  timeout = "number", pages = "table", fixed = "table", uri = "string" }

local RULE = {}
for _, each in ipairs { CONDITIONS, rules.SETTINGS } do
  for name, types in pairs(each) do RULE[name] = types end
end

local function set_of(given, upper)
  if given == nil then return nil end
  local set = {}
  for _, each in ipairs(type(given) == "table" and given or { given }) do
    set[upper and tostring(each):upper() or each] = true
  end
  return set
end

local function check_kind(what, as)
  if as ~= nil and not KINDS[as] then
    error(('%s: as: expected "tool", "resource" or "exclude", got %q'):format(what, tostring(as)),
      0)
  end
end

-- A condition that is a pattern of Lua.
local function check_pattern(what, name, text)
  if text ~= nil and not pcall(string.find, "", text) then
    error(("%s: %s: %q is no pattern of Lua"):format(what, name, text), 0)
  end
end

local function read_rule(rule, i)
  local what = ("rules[%d]"):format(i)
  check(what, rule, RULE, 0, "member")
  check_kind(what, rule.as)
  check_pattern(what, "path", rule.path)
  check_pattern(what, "id", rule.id)
  return { rule = rule, methods = set_of(rule.methods, true), tags = set_of(rule.tags) }
end

local function fits(each, op)
  local rule = each.rule
  if each.methods and not each.methods[op.method] then return false end
  if rule.path and not op.path:find(rule.path) then return false end
  if rule.id and not (op.id and op.id:find(rule.id)) then return false end
  if rule.deprecated ~= nil and rule.deprecated ~= op.deprecated then return false end
  if each.tags then
    local found = false
    for _, tag in ipairs(op.tags) do found = found or each.tags[tag] ~= nil end
    if not found then return false end
  end
  return true
end

-- What is said of an operation by a function; "tool", or a table of settings.
local function by_function(fn, op)
  local said = fn(op)
  if type(said) == "string" then said = { as = said } end
  if said == nil then return {} end
  local what = ("rules: %s %s"):format(op.method, op.path)
  if said == false then return { as = "exclude" } end
  check(what, said, rules.SETTINGS, 0, "member")
  check_kind(what, said.as)
  return said
end

-- Methods that are no tools unless a rule says so.
local SELDOM = { HEAD = true, OPTIONS = true, TRACE = true }

---A function that says what becomes of an operation: settings with `as`. Raises (level 0) what is
---wrong with the rules; so does the function.
---@param given table|function|nil
---@return fun(op: mcp.openapi.Operation): table
---@return fun(): integer[] idle the rules that have decided about no operation so far
function rules.compile(given)
  local list = {}
  if type(given) == "table" then
    if next(given) ~= nil and given[1] == nil then
      error("rules: expected a list of tables such as { path = \"^/admin\", as = \"exclude\" }", 0)
    end
    for i, rule in ipairs(given) do list[i] = read_rule(rule, i) end
  end
  return function(op)
    local said
    if type(given) == "function" then
      said = by_function(given, op)
    else
      for _, each in ipairs(list) do
        if fits(each, op) then
          said, each.used = each.rule, true
          break
        end
      end
    end
    if said and said.as then return said end
    local out = {}
    for name, member in next, said or {} do out[name] = member end
    out.as = SELDOM[op.method] and "exclude" or "tool"
    return out
  end, function()
    local idle = {}
    for i, each in ipairs(list) do
      if not each.used then idle[#idle + 1] = i end
    end
    return idle
  end
end

return rules
