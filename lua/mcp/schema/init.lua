-- SPDX-License-Identifier: MIT
-- schema/init.lua: JSON Schema 2020-12: compile once, check often, say why not in words that a
-- model can repair its call by. Nothing is ever fetched. The shorthand makes schemas from a few
-- words.
--
-- lua/mcp/schema/ has it in pieces: index.lua finds schemas by name, compile.lua turns them into
-- functions, scalars, objects, arrays, combine and unevaluated hold the keywords, report.lua and
-- explain.lua the reasons, validator.lua what checks a value by all of these, shorthand.lua,
-- defaults.lua and integers.lua what the decorators need. plain.lua spares most schemas the
-- compiler, which is loaded with the first that needs it.

local defaults = require "mcp.later" "mcp.schema.defaults"
local plain = require "mcp.later" "mcp.schema.plain"
local shorthand = require "mcp.schema.shorthand"
local validator = require "mcp.later" "mcp.schema.validator"

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

--- Compiles a schema: see validator.lua.
---@param definition table|boolean
---@param options? mcp.schema.Options
---@return (fun(value: any): boolean, (mcp.schema.Error[]|true)?)? validator
---@return string? message  what is wrong with the schema, and where
function schema.compile(definition, options) return validator.compile(definition, options) end

--- What is wrong with a schema of our own, and where; nil if it compiles and clients understand it.
--- Cheap where it is plain.
---@param definition any
---@param spec? any  the shorthand that it was made of
---@return string? message
function schema.problem(definition, spec)
  if spec and shorthand.is_sound(spec) or plain.is_sound(definition) then return nil end
  return validator.problem(definition)
end

--- What returns a value that fits, if that can be seen without compiling the schema; all others are
--- given to `other`, whose results are returned. nil for a schema that has to be compiled.
---@param definition table|boolean
---@param other fun(value: any): any ...
---@return (fun(value: any): any ...)? reader
function schema.reader(definition, other) return plain.reader(definition, other) end

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
