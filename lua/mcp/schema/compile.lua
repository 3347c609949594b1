-- SPDX-License-Identifier: MIT
-- compile.lua: a schema becomes nodes, a node becomes one function.
--
-- A node is a subschema in a dynamic scope. Its parts are its keywords, in an order that has the
-- cheap ones first; each has a check, `function(value, state) -> boolean`, and the node's own check
-- is their conjunction. Checks make no tables and no messages; a part says why it failed only when
-- the report asks (report.lua).
--
-- What "$dynamicRef" means depends on the resources passed on the way. They are known when
-- compiling, so a node is compiled once for each scope it is reached in (mostly one) and no scope
-- exists while validating.
--
-- `state` holds what is left of the work: every loop over a value and every reference takes from
-- state.steps what it will cost, by the weight of the nodes it runs. Below 0 all is over: checks
-- return false, and whatever an outer "not" makes of that, the front sees the steps and refuses.

local value = require "mcp.value"
local describe = require "mcp.schema.describe"
local index = require "mcp.schema.index"
local limits = require "mcp.schema.limits"
local pattern = require "mcp.schema.pattern"

---@class mcp.schema.Part
---@field keyword string
---@field check? fun(value: any, state: table): boolean  nil if it always holds
---@field message? fun(value: any): string  why not
---@field explain? fun(part, value: any, report: mcp.schema.Report)  the same at length
---@field weight? integer  about how many checks it runs, loops and references not counted; 1
---@field last? boolean  looks at its neighbours' outcome
---@field mark_members? fun(part, value, state, seen): boolean?  see mark.lua
---@field mark_items? fun(part, value, state, seen): boolean?
---@field plain? string  all it checks is that type() says this
---@field only? string  the one type that it allows
---@field whole? fun(part, required: string[]): function  checks all of an object, see objects.lua

---@class mcp.schema.Node
---@field check fun(value: any, state: table): boolean
---@field stateless? boolean  its check keeps nothing in the state
---@field parts mcp.schema.Part[]
---@field weight integer
---@field schema table|boolean

local compile = {}

local Compiler = {}
local Compiler_mt = { __index = Compiler }

-- Keywords in the order of checking; several with one handler are listed at their first one.
local ORDER = {}

for _, vocabulary in ipairs {
  "mcp.schema.scalars", "mcp.schema.objects", "mcp.schema.arrays", "mcp.schema.combine",
  "mcp.schema.unevaluated",
} do
  for _, entry in ipairs(require(vocabulary)) do ORDER[#ORDER + 1] = entry end
end

local function always() return true end
local function never() return false end

local TRUE = { check = always, parts = {}, weight = 0, schema = true }
local FALSE = {
  check = never, weight = 0, schema = false,
  parts = { { keyword = "false", check = never, message = function()
    return "no value is allowed here"
  end } },
}

compile.TRUE, compile.FALSE = TRUE, FALSE

-- One function that holds where all of `checks` do.
local function all_of(checks, first)
  first = first or 1
  local count = #checks - first + 1
  local a, b, c = checks[first], checks[first + 1], checks[first + 2]
  if count <= 0 then return always end
  if count == 1 then return a end
  if count == 2 then return function(v, s) return a(v, s) and b(v, s) end end
  if count == 3 then return function(v, s) return a(v, s) and b(v, s) and c(v, s) end end
  local rest = all_of(checks, first + 3)
  return function(v, s) return a(v, s) and b(v, s) and c(v, s) and rest(v, s) end
end

-- The usual schema of arguments, an object with known members, as one function instead of three.
local function fuse(node)
  local of_type, required, members
  for _, part in ipairs(node.parts) do
    if part.keyword == "type" and part.only == "object" then
      of_type = part
    elseif part.keyword == "required" then
      required = part
    elseif part.whole then
      members = part
    else
      return nil
    end
  end
  if not of_type or not members then return nil end
  return members:whole(required and required.names or {})
end

--- The node of a schema that stands alone.
---@param schema table|boolean
---@param options? mcp.schema.Options  checked, with all limits
---@return mcp.schema.Node root
---@return mcp.schema.Limits limits
function compile.root(schema, options)
  options = options or {}
  local bounds = options.limits or limits.with()
  local known = index.new(bounds, options.registry, options.dialect)
  local self = setmetatable({
    index = known, limits = bounds, formats = options.formats or false,
    strict = options.strict or false,
    scopes = {}, variants = 0,
  }, Compiler_mt)
  local resource = known:add(schema, "")
  return self:node(resource.root, { bound = {}, nodes = {}, after = {} }), bounds
end

-- The scope after entering `resource`: the outermost dynamic anchor of a name stays.
function Compiler:enter(scope, resource)
  if next(resource.dynamic) == nil then return scope end
  local known = scope.after[resource]
  if known then return known end
  local bound, names, grown = {}, {}, false
  for name, schema in next, scope.bound do bound[name] = schema end
  for name, schema in next, resource.dynamic do
    if not bound[name] then bound[name], grown = schema, true end
  end
  if grown then
    for name in next, bound do names[#names + 1] = name end
    table.sort(names)
    for i, name in ipairs(names) do
      names[i] = name .. "\0" .. self.index.info[bound[name]].serial
    end
    local key = table.concat(names, "\0")
    known = self.scopes[key] or { bound = bound, nodes = {}, after = {} }
    self.scopes[key] = known
  else
    known = scope
  end
  scope.after[resource] = known
  return known
end

-- The keywords of `schema` that its dialect knows.
local function filter(schema, dialect)
  if dialect.whole then return schema end
  local known = {}
  for keyword, v in next, schema do
    if dialect.has[keyword] then known[keyword] = v end
  end
  return known
end

--- The node of a subschema. It may still be in the making, when references lead in a circle.
---@param schema table|boolean
---@param scope table
---@return mcp.schema.Node
function Compiler:node(schema, scope)
  if schema == true then return TRUE end
  if schema == false then return FALSE end
  local info = self.index.info[schema]
  scope = self:enter(scope, info.resource)
  local node = scope.nodes[schema]
  if node then
    node.check = node.check or function(v, s) return node.check(v, s) end
    return node
  end
  self.variants = self.variants + 1
  if self.variants > self.limits.variants then
    index.complain("", ("more than %d subschemas once its dynamic references are followed")
      :format(self.limits.variants))
  end
  node = { parts = {}, weight = 0, schema = schema }
  scope.nodes[schema] = node
  local at = { info = info, scope = scope, node = node }
  self:fill(node, filter(schema, info.resource.dialect), at)
  return node
end

-- Compiles the keywords of `schema` into the parts and the check of `node`.
function Compiler:fill(node, schema, at)
  local checks = {}
  for _, entry in ipairs(ORDER) do
    for _, keyword in ipairs(entry) do
      if schema[keyword] ~= nil then
        local part = entry.part(self, schema, at, keyword)
        if part then
          part.keyword = part.keyword or keyword
          node.parts[#node.parts + 1] = part
          node.weight = node.weight + (part.weight or 1)
          checks[#checks + 1] = part.check
        end
        break
      end
    end
  end
  node.check, node.stateless = fuse(node)
  node.check = node.check or all_of(checks)
  -- A schema that is nothing but a type is checked in place by the node that contains it.
  node.plain = #node.parts == 1 and node.parts[1].plain or nil
end

--- The node of a subschema of the schema at `at`.
---@param schema table|boolean
---@param at table
---@return mcp.schema.Node
function Compiler:child(schema, at)
  return self:node(schema, at.scope)
end

--- Complains about a keyword of the schema at `at`.
function Compiler.complain(_, at, keyword, text)
  index.complain(at.info.path .. "/" .. keyword, text)
end

--- The value of a keyword that counts things: an integer, 0 or more.
---@param schema table
---@param at table
---@param keyword string
---@return integer
function Compiler:count(schema, at, keyword)
  local count = math.tointeger(schema[keyword])
  if type(schema[keyword]) ~= "number" or not count or count < 0 then
    self:complain(at, keyword, "expected an integer, 0 or more")
  end
  return count
end

--- The matcher of a pattern that stands at a keyword.
---@param text any
---@param at table
---@param keyword string
---@return fun(subject: string, state: table): boolean
function Compiler:pattern(text, at, keyword)
  if type(text) ~= "string" then
    self:complain(at, keyword, "expected a string, got " .. value.kind(text))
  end
  local matches, message = pattern.compile(text, self.limits.pattern)
  if not matches then
    self:complain(at, keyword, ("bad pattern %s: %s"):format(describe.quote(text), message))
  end
  return matches
end

return compile
