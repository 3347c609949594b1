-- SPDX-License-Identifier: MIT
-- options.lua: checks a table of options: is each name known, and does each value have its type?
-- Plain rules without state; the caller decides at which line the error is raised.

local options = {}

-- Options that only this package itself sets: accepted, but never suggested to a user.
local INTERNAL = "^internal "

-- The names that a message may mention.
local function documented(known)
  local names = {}
  for name, types in pairs(known) do
    if types == true or not types:find(INTERNAL) then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

---The first error in a table of options, or nil if there is none. The names are visited in no
---particular order.
---@param given any what the caller passed; must be a table
---@param known table<string, string|true> the types of each option: "string", several as
---"string|table", "any" (or true) for all types; "internal " in front hides the name from messages
---@param noun? string what the message calls a member, "option" if not given
---@return string|nil message without the name of the function, such as
---`unknown option "mni", did you mean "min"?` or `option "min": expected a number, got string`
function options.error_in(given, known, noun)
  if type(given) ~= "table" then
    return ("expected a table%s, got %s"):format(noun and "" or " of options", type(given))
  end
  for name, value in pairs(given) do
    local types = known[name]
    if types == nil then
      return require("mcp.nearest").unknown(noun or "option", tostring(name),
        documented(known))
    end
    -- Most often one type, and the right one: nothing is made to see that.
    if types ~= type(value) and types ~= true and types ~= "any" then
      types = types:gsub(INTERNAL, "")
      if not ("|" .. types .. "|"):find("|" .. type(value) .. "|", 1, true) then
        return ("%s %q: expected a %s, got %s"):format(noun or "option", name,
          types:gsub("|", " or "), type(value))
      end
    end
  end
  return nil
end

---Raises the first error in a table of options, as `WHAT: MESSAGE`.
---@param what string the function or table they belong to: "mcp.server"
---@param given any must be a table
---@param known table<string, string|true> see `error_in`
---@param level? integer as for `error`: 1 (the default) is the caller of this function, 0 adds no
---position
---@param noun? string see `error_in`
function options.check(what, given, known, level, noun)
  local message = options.error_in(given, known, noun)
  if not message then return end
  level = level or 1
  error(("%s: %s"):format(what, message), level > 0 and level + 1 or 0)
end

---What is wrong with a list of strings, or nil. A table with names, { tool = true }, has nothing in
---its list part, and would mean an empty list.
---@param given table
---@return string|nil problem what follows the name of the option
function options.list_problem(given)
  local count = #given
  for key, member in pairs(given) do
    if math.type(key) ~= "integer" or key < 1 or key > count then
      return (": expected a list of strings, got a table with the key %q"):format(tostring(key))
    elseif type(member) ~= "string" then
      return ("[%d]: expected a string, got %s"):format(key, type(member))
    end
  end
  return nil
end

---Raises, as `WHAT: NAME…`, what is wrong with a list of strings among some options.
---@param what string
---@param given table the options
---@param name string of the list, which may be absent
---@param level integer as for `check`
function options.check_list(what, given, name, level)
  local problem = given[name] ~= nil and options.list_problem(given[name])
  if problem then
    error(("%s: %s%s"):format(what, name, problem), level > 0 and level + 1 or 0)
  end
end

return options
