-- SPDX-License-Identifier: MIT
-- schema/init.lua: JSON Schema 2020-12: compile once, check often, say why not in words that a
-- model can repair its call by. Nothing is ever fetched. The shorthand makes schemas from a few
-- words.
--
-- lua/mcp/schema/ has it in pieces: index.lua finds schemas by name, compile.lua turns them into
-- functions, scalars, objects, arrays, combine and unevaluated hold the keywords, report.lua and
-- explain.lua the reasons, shorthand.lua, defaults.lua and integers.lua what the decorators need.
-- plain.lua spares most schemas the compiler, which is loaded with the first that needs it.

local compile = require "mcp.later" "mcp.schema.compile"
local defaults = require "mcp.later" "mcp.schema.defaults"
local plain = require "mcp.later" "mcp.schema.plain"
local shorthand = require "mcp.schema.shorthand"
local error_in = require("mcp.options").error_in
local limits = require "mcp.schema.limits"

local schema = { from_shorthand = shorthand.schema }

function schema.defaults(definition) return defaults.compile(definition) end
function schema.apply_defaults(definition, v) return defaults.apply(definition, v) end

--- The errors of a validator in words, a line for each: see explain.lua.
---@param errors mcp.schema.Error[]
---@param v any  the value they are about
---@param definition? table|boolean  its schema
---@param noun? string  what a member is called: "argument" if absent
---@return string
function schema.explain(errors, v, definition, noun)
  -- Loaded when the first value is refused, as is what finds the reasons.
  return require("mcp.schema.report").text(errors, v, definition, noun)
end

-- By schema, for schemas that are used again and again.
local compiled = setmetatable({}, { __mode = "k" })

--- Makes Lua integers of a value's floats where `definition` says "integer" (see integers.lua).
---@param definition table|boolean
---@param v any  changed in place; it fits
---@return any v
function schema.apply_integers(definition, v)
  if type(definition) ~= "table" then return v end
  local change = compiled[definition]
  if change == nil then
    -- Loaded when the first such float comes.
    change = require("mcp.schema.integers").compile(definition) or false
    compiled[definition] = change
  end
  if change then return change(v) end
  return v
end


---@class mcp.schema.Options
---@field registry? table<string, table|boolean>  schemas that "$ref" and "$schema" may name, by URI
---@field formats? boolean  "format" is a demand; otherwise it is a remark, as the draft has it
---@field dialect? string  what a schema without "$schema" means; 2020-12 if absent
---@field limits? mcp.schema.Limits

local OPTIONS = { registry = "table", formats = "boolean", dialect = "string", limits = "table" }

-- The options as compile.root takes them; raises at the line of the caller's caller.
local function check_options(options)
  local checked = {}
  local message = error_in(options or {}, OPTIONS)
  if message then error(message, 3) end
  for name, given in pairs(options or {}) do checked[name] = given end
  checked.limits = limits.with(checked.limits, 3)
  return checked
end

-- The reasons why `value` does not hold, found by a second run.
local function reasons(root, value, state, bounds)
  local trouble = state.steps < 0 and
    (state.trouble or ("checking takes more than %d steps"):format(bounds.steps))
  if trouble then return { { path = "", keyword = "limit", message = trouble } } end
  state.steps, state.depth = bounds.steps, 0
  local found = require("mcp.schema.report").new(state, bounds.errors)
  found:explain(root, value)
  if #found.errors == 0 then found:add("limit", "not valid, and too much work to say why") end
  return found.errors
end

-- What compile.root gives; nil and what is wrong with the schema.
local function compiled_root(definition, options)
  local good, root, bounds = pcall(compile.root, definition, options)
  if good then return root, bounds end
  local complaint = type(root) == "table" and root.complaint
  if complaint then return nil, complaint end
  error(root, 0)
end

--- Compiles a schema. The validator returns true, or false and why: a list of
--- `{ path, keyword, message }`, path being a JSON pointer into the value. After true comes another
--- true if a float such as 3.0 stands where "integer" is asked for: see apply_integers.
---@param definition table|boolean
---@param options? mcp.schema.Options
---@return (fun(value: any): boolean, (mcp.schema.Error[]|true)?)? validator
---@return string? message  what is wrong with the schema, and where
function schema.compile(definition, options)
  local root, bounds = compiled_root(definition, check_options(options))
  if not root then return nil, bounds end
  local check, steps = root.check, bounds.steps
  local state = { steps = 0, depth = 0, trouble = nil, floats = false }
  if root.stateless then
    return function(value)
      if check(value) then return true, false end
      state.steps, state.depth, state.trouble, state.floats = steps, 0, nil, false
      return false, reasons(root, value, state, bounds)
    end
  end
  return function(value)
    state.steps, state.depth, state.trouble, state.floats = steps, 0, nil, false
    if check(value, state) and state.steps >= 0 then return true, state.floats end
    return false, reasons(root, value, state, bounds)
  end
end

--- What is wrong with a schema of our own, and where; nil if it compiles and clients understand it.
--- Cheap where it is plain.
---@param definition any
---@param spec? any  the shorthand that it was made of
---@return string? message
function schema.problem(definition, spec)
  if spec and shorthand.is_sound(spec) or plain.is_sound(definition) then return nil end
  local options = check_options()
  options.strict = true
  local _, message = compiled_root(definition, options)
  return type(message) == "string" and message or nil
end

--- The validator of a schema that has no `schema.problem`. The plainest are not compiled before
--- they refuse a value.
---@param definition table|boolean
---@return fun(value: any): boolean, (mcp.schema.Error[]|true)? validator
function schema.validator(definition)
  return plain.validator(definition, schema.validator_of) or schema.validator_of(definition)
end

---@private
function schema.validator_of(definition) return assert(schema.compile(definition)) end

-- The constructors are loaded with the first that is used.
return setmetatable(schema, { __index = function(_, name)
  local found = require("mcp.schema.constructors").by_name[name]
  rawset(schema, name, found)
  return found
end })
