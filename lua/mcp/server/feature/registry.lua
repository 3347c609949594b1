-- SPDX-License-Identifier: MIT
-- registry: an ordered set of named things of one kind, and the lists that are
-- made of it. A list is encoded once per revision and kept as bytes until the
-- registry changes. Knows nothing of tools or prompts.
local core = require "mcp.core"
local value = require "mcp.value"

local registry = {}

local Registry = { __name = "mcp.registry" }
Registry.__index = {}

function Registry.__tostring(self) return ("mcp.registry (%d)"):format(#self.order) end

---@param on_change fun()|nil called after a change
---@return table
function registry.new(on_change)
  return setmetatable({ by_name = {}, order = {}, kept = {}, generation = 0, choosy = 0,
    mirrored = 0, on_change = on_change }, Registry)
end

-- The number of entries that some callers may not see, and of those with arguments that header
-- fields repeat.
local function count(self, entry, by)
  if entry.visible then self.choosy = self.choosy + by end
  if entry.mirrors then self.mirrored = self.mirrored + by end
end

---Adds `entry` under `name`; false if the name is taken.
---@return boolean
function Registry.__index:add(name, entry)
  if self.by_name[name] then return false end
  self.by_name[name] = entry
  self.order[#self.order + 1] = entry
  count(self, entry, 1)
  self:changed()
  return true
end

---@return table|nil entry the one that was removed
function Registry.__index:remove(name)
  local entry = self.by_name[name]
  if not entry then return nil end
  self.by_name[name] = nil
  count(self, entry, -1)
  for i, other in ipairs(self.order) do
    if other == entry then
      table.remove(self.order, i)
      break
    end
  end
  self:changed()
  return entry
end

---Puts entries in the place of all there are, in one step.
---@param by_name table<string, table>
---@param order table[]
---@return boolean changed false: they are the same, in the same order
function Registry.__index:replace(by_name, order)
  local same = #order == #self.order
  for i = 1, same and #order or 0 do
    if order[i] ~= self.order[i] then
      same = false
      break
    end
  end
  if same then return false end
  self.by_name, self.order, self.choosy, self.mirrored = by_name, order, 0, 0
  for _, entry in ipairs(order) do count(self, entry, 1) end
  self:changed()
  return true
end

---Forgets the encoded lists.
function Registry.__index:changed()
  if next(self.kept) ~= nil then self.kept = {} end
  self.generation = self.generation + 1
  if self.on_change then self.on_change() end
end

---@return string[] names in order of registration
function Registry.__index:names()
  local names = {}
  for i, entry in ipairs(self.order) do names[i] = entry.name end
  return names
end

---The members of `definition` that a revision knows.
---@param definition table
---@param known table<string, boolean>
---@return table
function registry.view(definition, known)
  local out = {}
  for key, member in pairs(definition) do
    if known[key] then out[key] = member end
  end
  return out
end

---What is listed of an entry, encoded; nil, and a line in the log, if JSON cannot carry it. It was
---checked when it was registered, but may have been changed since, and must not take the others
---with it.
---@param entry table
---@param made table
---@return userdata|nil raw
function registry.encoded(entry, made)
  local text, reason = core.encode(made, true)
  if text then return core.raw(text, true) end
  core.log("error", ("%s %q is omitted from a list: %s"):format(entry.kind, entry.name, reason))
  return nil
end

-- All entries, made and encoded.
local function gather(self, make)
  local list = value.array {}
  for _, entry in ipairs(self.order) do
    local made = make(entry)
    if made ~= nil then list[#list + 1] = registry.encoded(entry, made) end
  end
  return list
end

---The whole list as one raw value: `make(entry)` gives each definition (nil to
---leave it out), `wrap(list)` the result around it.
---@param key any what the list is kept under, a revision's facts
---@return userdata raw
function Registry.__index:list(key, make, wrap)
  local kept = self.kept[key]
  if kept then return kept end
  kept = core.raw(wrap(gather(self, make)))
  self.kept[key] = kept
  return kept
end

---The list in pages of `size` entries, kept likewise; there is always a first.
---@param key any as above, and not for both
---@param size integer
---@param make fun(entry: table): table|nil
---@param wrap fun(list: table, following: integer|nil): table following: the next page's number
---@return userdata[] raw
function Registry.__index:pages(key, size, make, wrap)
  local kept = self.kept[key]
  if kept then return kept end
  local all = gather(self, make)
  kept = {}
  for first = 1, math.max(#all, 1), size do
    local last = math.min(first + size - 1, #all)
    local some = value.array(table.move(all, first, last, 1, {}))
    kept[#kept + 1] = core.raw(wrap(some, last < #all and #kept + 2 or nil))
  end
  self.kept[key] = kept
  return kept
end

return registry
