-- SPDX-License-Identifier: MIT
-- pin: fingerprints of what a server says of itself, in a lock file. Descriptions and schemas are
-- text that a model obeys; a server that changes them after a user has read them (a rug pull) can
-- make the model do something else. With the digest of each member a change can be named.
local folder = require "mcp.folder"
local json = require "mcp.json"
local value = require "mcp.value"

local pin = {}

---The largest lock file, in bytes. About 50,000 tools fit.
pin.SIZE = 16 << 20

---The name of the lock file, if none is given.
pin.FILE = "mcp.lock"

---The lists whose entries are pinned: their key in the lock file, and the member that names an
---entry.
pin.LISTS = {
  ["tools/list"] = { key = "tools", name = "name", noun = "tool" },
  ["prompts/list"] = { key = "prompts", name = "name", noun = "prompt" },
  ["resources/list"] = { key = "resources", name = "uri", noun = "resource" },
  ["resources/templates/list"] = { key = "templates", name = "uriTemplate",
    noun = "resource template" },
}

-- Not pinned: pictures, and members that no model reads. A page of an app is the exception.
local UNPINNED = { icons = true, _meta = true, size = true }

---@param given any what JSON can write
---@return string digest "sha256:" and 64 hexadecimal digits, of its JSON with sorted keys
function pin.digest(given)
  local text = assert(json.encode(given, { sorted = true }))
  local digest = require("mcp.openssl").sha256(text)
  return "sha256:" .. digest:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
end

---Members of an entry with a digest each. One with more has a single digest, named "*": else a
---server could keep a client busy with digests for as long as it likes.
pin.MEMBERS = 64

---The digests of an entry of a list, by member.
---@param entry table
---@return table<string, string>
function pin.digests(entry)
  local out, rest, count = {}, {}, 0
  for member, given in pairs(entry) do
    if not UNPINNED[member] then rest[member], count = given, count + 1 end
  end
  if count > pin.MEMBERS then rest = { ["*"] = rest } end
  for member, given in pairs(rest) do out[member] = pin.digest(given) end
  local ui = value.is_object(entry._meta) and entry._meta.ui
  if value.is_object(ui) then out["_meta.ui"] = pin.digest(ui) end
  return out
end

---The members that differ, sorted.
---@param pinned table<string, string>
---@param now table<string, string>
---@return string[]
function pin.differences(pinned, now)
  local out = {}
  for member, digest in pairs(now) do
    if pinned[member] ~= digest then out[#out + 1] = member end
  end
  for member in pairs(pinned) do
    if now[member] == nil then out[#out + 1] = member end
  end
  table.sort(out)
  return out
end

-- --- the file -----------------------------------------------------------------------------------

local VERSION = 1

local function malformed(path, format, ...)
  return nil, ("%s: %s"):format(path, format:format(...)), "EPIN"
end

-- What is wrong with the pins of a server, or nil.
local function complaint(pins)
  if not value.is_object(pins) then return "expected an object, got " .. value.kind(pins) end
  for _, list in pairs(pin.LISTS) do
    local entries = pins[list.key]
    if entries ~= nil and not value.is_object(entries) then
      return ("%s: expected an object, got %s"):format(list.key, value.kind(entries))
    end
    for name, digests in pairs(entries or {}) do
      if not value.is_object(digests) then
        return ("%s: %s: expected an object, got %s"):format(list.key, name, value.kind(digests))
      end
    end
  end
  if pins.instructions ~= nil and type(pins.instructions) ~= "string" then
    return "instructions: expected a string, got " .. value.kind(pins.instructions)
  end
end

local function divide(path)
  local place, base = path:match "^(.*)/([^/]+)$"
  if not place then return ".", path end
  return place == "" and "/" or place, base
end

---Reads a lock file.
---@param path string
---@return table<string, table>|nil servers by name; empty if there is no file
---@return string|nil text
---@return string|nil code
function pin.read(path)
  local place, base = divide(path)
  local opened, text, code = folder.open(place)
  if not opened then return nil, ("%s: %s"):format(path, text), code end
  local bytes
  bytes, text, code = opened:read(base, pin.SIZE)
  opened:close()
  if not bytes and code == "ENOENT" then return {} end
  if not bytes then return nil, ("%s: %s"):format(path, text), code end
  local all, message = json.decode(bytes, { limit = pin.SIZE, values = 2000000 })
  if message then return malformed(path, "%s", message) end
  if not value.is_object(all) or not value.is_object(all.servers) then
    return malformed(path, "expected an object with servers, as luamcp pin writes it")
  end
  if all.version ~= VERSION then
    return malformed(path, "version: expected %d, got %s; a newer luamcp has written it", VERSION,
      tostring(all.version))
  end
  for name, pins in pairs(all.servers) do
    message = complaint(pins)
    if message then return malformed(path, "servers: %s: %s", name, message) end
  end
  return all.servers
end

---Writes a lock file, in one step.
---@param path string
---@param servers table<string, table>
---@return true|nil written
---@return string|nil text
---@return string|nil code
function pin.write(path, servers)
  local text = assert(json.encode({ version = VERSION, servers = servers },
    { sorted = true, indent = 2 })) .. "\n"
  local place, base = divide(path)
  local opened, message, code = folder.open(place)
  if not opened then return nil, ("%s: %s"):format(path, message), code end
  local ok
  ok, message, code = opened:write(base, text, { limit = pin.SIZE })
  opened:close()
  if not ok then return nil, ("%s: %s"):format(path, message), code end
  return true
end

-- --- what a server offers -----------------------------------------------------------------------

local METHODS = { ["tools/list"] = "list_tools", ["prompts/list"] = "list_prompts",
  ["resources/list"] = "list_resources", ["resources/templates/list"] = "list_resource_templates" }
local NEEDS = { ["tools/list"] = "tools", ["prompts/list"] = "prompts",
  ["resources/list"] = "resources", ["resources/templates/list"] = "resources" }

---The pins of all that a server offers now.
---@param client mcp.Client
---@return table|nil pins tools, prompts, resources, templates, instructions
---@return string|nil text
---@return any code
function pin.take(client)
  local pins = {}
  if client.instructions then pins.instructions = pin.digest(client.instructions) end
  for method, list in pairs(pin.LISTS) do
    if client.capabilities[NEEDS[method]] then
      local entries, text, code = client[METHODS[method]](client, { fresh = true })
      -- A server need not have templates only because it has resources.
      if not entries and code ~= require("mcp.protocol.errors").METHOD_NOT_FOUND then
        return nil, text, code
      end
      local digests = {}
      for _, entry in ipairs(entries or {}) do
        local name = entry[list.name]
        if type(name) == "string" then digests[name] = pin.digests(entry) end
      end
      if next(digests) then pins[list.key] = digests end
    end
  end
  return pins
end

---What is different, one line a change, sorted.
---@param before table pins
---@param now table pins
---@return string[]
function pin.changes(before, now)
  local out = {}
  for _, list in pairs(pin.LISTS) do
    local old, new = before[list.key] or {}, now[list.key] or {}
    for name, digests in pairs(new) do
      local differences = old[name] and pin.differences(old[name], digests)
      if not old[name] then
        out[#out + 1] = ("+ %s %s"):format(list.noun, name)
      elseif #differences > 0 then
        out[#out + 1] = ("~ %s %s: %s"):format(list.noun, name, table.concat(differences, ", "))
      end
    end
    for name in pairs(old) do
      if not new[name] then out[#out + 1] = ("- %s %s"):format(list.noun, name) end
    end
  end
  if before.instructions ~= now.instructions then out[#out + 1] = "~ instructions" end
  table.sort(out, function(a, b) return a:sub(3) < b:sub(3) end)
  return out
end

---The name of a server in the lock file, if none is given: the address without its query, the path
---of the script, or the words of the command.
---@param target any as mcp.connect takes it
---@return string|nil
function pin.name_of(target)
  if type(target) == "string" then return (target:gsub("[?#].*$", "")) end
  if type(target) ~= "table" then return nil end
  if type(target.url) == "string" then return (target.url:gsub("[?#].*$", "")) end
  local words, rest = { target.command }, target.args or target
  table.move(rest, 1, #rest, #words + 1, words)
  return words[1] and table.concat(words, " ") or nil
end

return pin
