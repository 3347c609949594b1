-- SPDX-License-Identifier: MIT
-- validator.lua: the function that checks values against a schema, with the reasons of a refusal.
-- Loaded with the first schema that plain.lua does not do.

local compile = require "mcp.schema.compile"
local error_in = require("mcp.options").error_in
local limits = require "mcp.schema.limits"

local validator = {}

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
function validator.compile(definition, options)
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
---@param definition any
---@return string? message
function validator.problem(definition)
  local options = check_options()
  options.strict = true
  local _, message = compiled_root(definition, options)
  return type(message) == "string" and message or nil
end

return validator
