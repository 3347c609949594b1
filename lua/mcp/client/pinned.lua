-- SPDX-License-Identifier: MIT
-- pinned: a client that accepts only what its lock file knows (option `pinned`). Entries of lists
-- that are new or have changed are left out and logged, unless the program accepts them; a tool or
-- prompt that was left out cannot be called.
local core = require "mcp.core"
local pages = require "mcp.client.pages"
local pin = require "mcp.pin"
local usage = require "mcp.client.usage"

local pinned = {}

---Bytes of answers of the program, of what was logged, and of names that were left out, that are
---remembered for a client. A
---server that renames its tools again and again is asked about and logged again.
pinned.REMEMBERED = 1 << 20

-- Members of an entry that a line of the log names.
local NAMED = 8

local OPTIONS = { file = "string", name = "string", on_change = "function" }

local Pins = {}
Pins.__index = Pins

---Checks the option `pinned`. Raises at the user's line for an error in it.
---@param what string the function it belongs to
---@param given string|table the lock file, or { file =, name =, on_change = }
---@param target any of mcp.connect
---@return table given as a table
---@return string path of the lock file
---@return string name of the server in it
function pinned.check(what, given, target)
  if type(given) == "string" then given = { file = given } end
  usage.check(what .. ": pinned", given, OPTIONS)
  local name = given.name or pin.name_of(target)
  if not name then
    usage.raise("%s: pinned: this target has no name of its own: add one, { file =, name = }",
      what)
  end
  return given, given.file or pin.FILE, name
end

---Reads the option `pinned`. Raises as `check` does.
---@param what string the function it belongs to
---@param given string|table the lock file, or { file =, name =, on_change = }
---@param target any of mcp.connect
---@return table|nil pins
---@return string|nil text
---@return string|nil code "EPIN": no pins of this server
function pinned.read(what, given, target)
  local path, name
  given, path, name = pinned.check(what, given, target)
  local servers, text, code = pin.read(path)
  if not servers then return nil, text, code end
  if not servers[name] then
    return nil, ("%s: no pins of %s; look at it and make them: luamcp pin --file %s --name %q …")
      :format(path, name, path, name), "EPIN"
  end
  return setmetatable({ path = path, name = name, pins = servers[name],
    on_change = given.on_change, accepted = {}, good = {}, refused = {}, held = 0,
    names = 0 }, Pins)
end

---The names of members in a line of the log.
---@param members string[]
---@return string
function pinned.named(members)
  local count = #members
  if count <= NAMED then return table.concat(members, ", ") end
  return ("%s and %d more"):format(table.concat(members, ", ", 1, NAMED), count - NAMED)
end

-- Is a difference accepted? The program is asked once for each state of an entry.
function Pins:accepts(key, digests, change)
  -- Both are as long as the server likes.
  local state = pin.digest(digests)
  key = pin.digest(key)
  local known = self.accepted[key]
  if known and known.state == state then return known.yes end
  self.held = self.held + #key + #state
  if self.held > pinned.REMEMBERED then self.accepted, self.held = {}, #key + #state end
  local yes = false
  if self.on_change then
    local ok, answer = pcall(self.on_change, change)
    if not ok then core.log("error", "on_change of pinned: " .. tostring(answer)) end
    yes = ok and answer == true
  end
  self.accepted[key] = { state = state, yes = yes }
  if not yes then
    local how = change.members and "has changed (" .. pinned.named(change.members) .. ")"
      or "is new"
    core.log("warning", ("%s: %s %q of %s %s; it is left out (luamcp pin accepts it)"):format(
      self.path, change.kind, change.name, self.name, how))
  end
  return yes
end

---The entries of a list that may be used.
---@param method string
---@param entries table[]
---@return table[]
function Pins:sift(method, entries)
  local list, kept = pin.LISTS[method], {}
  if not list then return entries end
  local of_list = self.pins[list.key] or {}
  local good, refused = self.good[method] or {}, self.refused[method] or {}
  self.good[method], self.refused[method] = good, refused
  for _, entry in ipairs(entries) do
    local name = entry[list.name]
    -- An entry without a name cannot be used; the reader of the list sees that it is there.
    if type(name) == "string" then
      local digests, before = pin.digests(entry), of_list[name]
      local members = before and pin.differences(before, digests)
      local change = { kind = list.noun, name = name, members = members, entry = entry,
        server = self.name }
      if before and #members == 0 or self:accepts(list.key .. "\0" .. name, digests, change) then
        good[name], refused[name], kept[#kept + 1] = true, nil, entry
      else
        good[name] = nil
        if not refused[name] then
          self.names = self.names + #name
          if self.names > pinned.REMEMBERED then
            refused, self.names = {}, #name
            self.refused = { [method] = refused }
          end
          refused[name] = true
        end
      end
    end
  end
  return kept
end

---May a tool or prompt be used? Reads the list where that has not happened since it changed.
---@param client mcp.Client
---@param method string of the list
---@param name string
---@return true|nil
---@return string|nil text
---@return any code "EPIN" if it is not pinned
function Pins:allow(client, method, name)
  local good = self.good[method]
  if not (good and good[name]) then
    local entries, text, code, data = pages.all(client, method, {})
    if not entries then return nil, text, code, data end
    good = self.good[method] or {}
  end
  if good[name] then return true end
  return nil, self:refusal(method, name), "EPIN"
end

---Why a tool or prompt cannot be used, if the last list had it and it was left out.
---@param method string of the list
---@param name string
---@return string|nil text
function Pins:left_out(method, name)
  local refused = self.refused[method]
  return refused and refused[name] and self:refusal(method, name) or nil
end

function Pins:refusal(method, name)
  return ("%s %q is not pinned in %s, or has changed since; luamcp pin shows what"):format(
    pin.LISTS[method].noun, name, self.path)
end

---Forgets what was good: the list has changed.
---@param method string|nil all lists if not given
function Pins:forget(method)
  if method then
    self.good[method], self.refused[method] = nil, nil
  else
    self.good, self.refused, self.names = {}, {}, 0
  end
end

---Removes instructions that have changed. Called after the handshake.
---@param client mcp.Client
function Pins:check_instructions(client)
  if not client.instructions then return end
  local digests = { instructions = pin.digest(client.instructions) }
  if self.pins.instructions == digests.instructions then return end
  if not self:accepts("instructions", digests, { kind = "text", name = "instructions",
    members = self.pins.instructions and { "instructions" } or nil, server = self.name,
    entry = client.instructions }) then
    client.instructions = nil
  end
end

return pinned
