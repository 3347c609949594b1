-- SPDX-License-Identifier: MIT
-- definition: what clients see of an entry, kept as the JSON that goes out: a string instead of a
-- dozen tables, and the lists are made of it as it is. It is decoded when some code looks into it.
-- A server may have thousands of tools, of which a session uses three.
local core = require "mcp.core"
local registry = require "mcp.server.feature.registry"

local definition = {}

-- Decoded definitions by entry, until the collector takes them.
local decoded = setmetatable({}, { __mode = "kv" })

---Keeps the definition of an entry, which reads it as `entry.definition` if its metatable says so.
---@param entry table
---@param made table as the protocol has it
---@return string|nil text
---@return string|nil reason why JSON cannot carry it
function definition.keep(entry, made)
  local text, reason = core.encode(made, true)
  if not text then return nil, reason end
  entry.text, entry.definition = text, nil
  return text
end

---Keeps the definition of an entry that was made of another one, as that one's is kept. One that
---JSON cannot carry is left for the lists to complain about.
---@param made table
---@param entry table the other one
---@return table made
function definition.settle(made, entry)
  if rawget(entry, "text") then definition.keep(made, made.definition) end
  return made
end

---A definition that may be changed.
---@param entry table of any kind
---@return table definition as deep as it is, where it is kept as text
function definition.fresh(entry)
  local text = rawget(entry, "text")
  if text then return (assert(core.decode(text))) end
  return entry.definition
end

---Has a definition from `fresh` been changed, as far as that can be seen?
---@param entry table
---@param made table
---@return boolean
function definition.differs(entry, made)
  local text = rawget(entry, "text")
  return text ~= nil and core.encode(made, true) ~= text
end

---The definition of an entry that is kept so. It is shared: nothing may change it.
---@param entry table
---@return table|nil definition
function definition.of(entry)
  local text = rawget(entry, "text")
  if not text then return nil end
  local made = decoded[entry]
  if not made then
    made = assert(core.decode(text))
    decoded[entry] = made
  end
  return made
end

-- May the text have the member? Where it has not, the name stands nowhere in it.
local function may_have(text, name) return text:find(('"%s":'):format(name), 1, true) ~= nil end

---A member of an entry's definition.
---@param entry table of any kind
---@param name string
---@return any
function definition.member(entry, name)
  local text = rawget(entry, "text")
  if text and not may_have(text, name) then return nil end
  return entry.definition[name]
end

---The definition as a revision has it.
---@param entry table of any kind
---@param known table<string, boolean> the members that it knows
---@param all string[] the members that any revision knows
---@return table|userdata made its caller's own; as it is kept where the revision knows all of it
function definition.view(entry, known, all)
  local text = rawget(entry, "text")
  local whole = text ~= nil
  for i = 1, whole and #all or 0 do
    whole = known[all[i]] or not may_have(text, all[i])
    if not whole then break end
  end
  if whole then return core.raw(text, true) end
  return registry.view(entry.definition, known)
end

return definition
