-- SPDX-License-Identifier: MIT
-- skills: what a client does with the skills of a server (SEP-2640). Nothing is fetched before a
-- skill is loaded; what is fetched is compared with the entry that the program has seen: its size,
-- its digest, and the head of SKILL.md. What a model may do with a skill is not decided here.
local call = require "mcp.client.call"
local core = require "mcp.core"
local declared = require("mcp.protocol.extension").declared
local pages = require "mcp.client.pages"
local request = require "mcp.client.request"
local shared = require "mcp.message.skill"
local uri_of = require "mcp.uri"
local usage = require "mcp.client.usage"
local value = require "mcp.value"

local skills = {}

local GET, READ, DIRECTORY = "skills/get", "resources/read", "resources/directory/read"

-- The settings that the server declares; nil, text, code if it has no skills.
local function settings_of(client)
  local ready, text, code = client:ready()
  if not ready then return nil, text, code end
  local settings = declared(client.capabilities, shared.ID)
  if settings then return settings end
  return nil, ("the server has no skills: it does not declare %s"):format(shared.ID), "ENOTSUP"
end

---@param client table
---@param options table checked
---@return table[]|nil entries
---@return string|nil message
---@return any code
---@return any data
function skills.list(client, options)
  local settings, text, code = settings_of(client)
  if not settings then return nil, text, code end
  return pages.all(client, "skills/list", options)
end

---@param client table
---@param options table checked
---@return fun(): table|nil
function skills.each(client, options)
  local settings, text = settings_of(client)
  if not settings then error(text, 0) end
  return pages.each(client, "skills/list", options)
end

-- What `skills/get` says, and whether that came from the cache.
local function entry_of(client, uri, options)
  local result, text, code, data, kept = request.run(client, GET, { uri = uri }, options)
  if not result then return nil, text, code, data end
  local problem, reason = shared.entry_problem(result.skill)
  if problem and reason ~= "ETOOBIG" then return call.malformed(GET, "%s", problem) end
  if result.skill.uri ~= uri and uri_of.normal(result.skill.uri) ~= uri_of.normal(uri) then
    return call.malformed(GET, "expected the skill %q, got %q", uri, result.skill.uri)
  end
  return result.skill, nil, nil, kept
end

---@param client table
---@param uri string
---@param options table checked
---@return table|nil entry
---@return string|nil message
---@return any code
---@return any data
function skills.get(client, uri, options)
  local settings, text, code = settings_of(client)
  if not settings then return nil, text, code end
  local entry, data
  entry, text, code, data = entry_of(client, uri, options)
  if entry then return entry end
  return nil, text, code, data
end

---What lies directly in a folder of the server.
---@param client table
---@param uri string
---@param options table checked
---@return table[]|nil resources
---@return string|nil message
---@return any code
---@return any data
function skills.directory(client, uri, options)
  local settings, text, code = settings_of(client)
  if not settings then return nil, text, code end
  if settings.directoryRead ~= true then
    return nil, "the server reads no directories: it does not declare directoryRead", "ENOTSUP"
  end
  return pages.all(client, DIRECTORY, options, nil, { uri = uri })
end

-- --- one skill ----------------------------------------------------------------------------------

---A skill that has been loaded. It holds the entry that it was loaded from: other files than those
---of the entry are not read.
---@class mcp.Skill
---@field uri string of its SKILL.md
---@field name string a label, not unique
---@field description string
---@field frontmatter table
---@field text string the whole SKILL.md; untrusted input for a model
---@field entry table as the server sent it
---@field fingerprint string|nil what an approval holds for; nil for content without digests
local Skill = { __name = "mcp.skill" }
local methods = {}
Skill.__index = methods

function Skill.__tostring(self) return ("mcp.skill (%s)"):format(self.uri) end

local function refuse(text, ...) return nil, text:format(...), "EINTEGRITY" end

-- The bytes of one resource.
local function bytes_of(client, uri, options)
  local result, text, code, data, kept = request.run(client, READ, { uri = uri }, options)
  if not result then return nil, text, code, data end
  local list = result.contents
  local found = value.is_array(list) and list[1]
  if not value.is_object(found) or list[2] ~= nil then
    return call.malformed(READ, "%q: expected one file", uri)
  end
  local bytes = type(found.text) == "string" and found.text
    or type(found.blob) == "string" and core.unbase64(found.blob)
  if not bytes then return call.malformed(READ, "%q: expected text or blob", uri) end
  return bytes, nil, nil, kept, type(found.mimeType) == "string" and found.mimeType or nil
end

-- What makes the bytes others than those of the entry, or nil.
local function mismatch(file, bytes)
  if #bytes ~= file.size then
    return ("%s has %d bytes, and its entry says %d"):format(file.uri, #bytes, file.size)
  end
  if shared.digest(bytes) ~= file.digest then
    return ("%s has another digest than its entry says"):format(file.uri)
  end
  return nil
end

-- The bytes of a file of the entry. What a cache holds may be older than the entry: then once more.
local function verified(client, file, options)
  local bytes, text, code, kept, mime = bytes_of(client, file.uri, options)
  if not bytes then return nil, text, code, kept end
  local problem = mismatch(file, bytes)
  if problem and kept then
    local fresh = { fresh = true }
    for name, given in pairs(options) do fresh[name] = given end
    return verified(client, file, fresh)
  end
  if problem then return refuse("%s: ask for the skill again, it may have changed", problem) end
  return bytes, mime
end

-- The URI that a reference from SKILL.md means, in the normal form, in two spellings: a file may be
-- called "a%20b" or "a b".
local function addresses(self, reference)
  if reference:find "^%a[%w+.-]*://" then return { uri_of.normal(reference) } end
  local base = shared.root(self.uri) .. "/"
  local encoded = reference:gsub("[^%w%-._~!$&'()*+,;=:@/%%]", function(byte)
    return ("%%%02X"):format(byte:byte())
  end)
  return { uri_of.normal(base .. encoded), uri_of.normal(base .. encoded:gsub("%%", "%%25")) }
end

local function check_skill(self, name)
  if getmetatable(self) ~= Skill then
    usage.raise("skill:%s is called with a colon, not with a dot", name)
  end
end

---The URIs of its files, as the entry has them; nil for content without digests.
---@return string[]|nil
function methods:files()
  check_skill(self, "files")
  if self.entry.resources == shared.DYNAMIC then return nil end
  local list = {}
  for i, file in ipairs(self.entry.resources) do list[i] = file.uri end
  return list
end

-- A file that has no digest.
local function read_dynamic(self, address, options)
  local root = uri_of.normal(shared.root(self.uri) .. "/")
  if address:sub(1, #root) ~= root then
    return refuse("%s is not in the folder of the skill", address)
  end
  local bytes, text, code, data, mime = bytes_of(self.client, address, options)
  if not bytes then return nil, text, code, data end
  if self.taken + #bytes > shared.SIZE then
    return nil, ("the files of %s have more than %d bytes"):format(self.uri, shared.SIZE), "ETOOBIG"
  end
  self.taken = self.taken + #bytes
  return bytes, mime
end

---The bytes of a file of the skill, compared with its entry.
---@param file string a path as SKILL.md writes it, "references/FORMS.md"; or a URI
---@param options table|nil of the request
---@return string|nil bytes
---@return string|nil message; the media type after bytes
---@return any code "EINTEGRITY": not what the entry says, or not in the entry
---@return any data
function methods:read(file, options)
  check_skill(self, "read")
  usage.text("skill:read", "file", file)
  options = usage.check("skill:read", options, call.OPTIONS)
  local wanted = addresses(self, file)
  if self.entry.resources == shared.DYNAMIC then return read_dynamic(self, wanted[1], options) end
  for _, address in ipairs(wanted) do
    for _, each in ipairs(self.entry.resources) do
      if uri_of.normal(each.uri) == address then return verified(self.client, each, options) end
    end
  end
  return refuse("%q is not a file of %s: its entry does not list it", file, self.uri)
end

-- May this entry be loaded? nil, text, code if not. Asks before anything is fetched.
local function approved(entry, options)
  local problem, code = shared.entry_problem(entry)
  if problem then return nil, problem, code end
  local fingerprint = shared.fingerprint(entry)
  if not fingerprint and not options.dynamic then
    return nil, ("%s has no digests, so nothing of it can be verified (the option dynamic allows "
      .. "it)"):format(entry.uri), "EINTEGRITY"
  end
  if fingerprint and options.approved == fingerprint then return true end
  if options.approve then
    if options.approve(entry, fingerprint) then return true end
    return nil, ("%s was not approved"):format(entry.uri), "EREFUSED"
  end
  if options.approved then
    return nil, ("%s has other content than what was approved"):format(entry.uri), "ECHANGED"
  end
  return true
end

-- The options of a request alone.
local function of_request(options)
  local out = {}
  for name in pairs(call.OPTIONS) do out[name] = options[name] end
  return out
end

local function fetch(client, entry, options)
  local ok, text, code = approved(entry, options)
  if not ok then return nil, text, code end
  local self = setmetatable({ client = client, uri = entry.uri, entry = entry, taken = 0,
    name = entry.frontmatter.name, description = entry.frontmatter.description,
    frontmatter = entry.frontmatter, fingerprint = shared.fingerprint(entry) }, Skill)
  local bytes, mime, data
  bytes, mime, code, data = self:read(entry.uri, of_request(options))
  if not bytes then return nil, mime, code, data end
  local head
  head, text = shared.head(bytes)
  if not head then return refuse("%s: %s", entry.uri, text) end
  local path = shared.difference(head, entry.frontmatter)
  if path then
    return refuse("%s: its head is not that of its entry: %s differs", entry.uri,
      path == "" and "the whole" or path:sub(2))
  end
  self.text = bytes
  return self
end

---Loads a skill: fetches its SKILL.md and compares it with the entry.
---@param client table
---@param which string|table the URI of its SKILL.md, or an entry
---@param options table checked: of a request; approved, approve, dynamic
---@return mcp.Skill|nil skill
---@return string|nil message
---@return any code
---@return any data
function skills.read(client, which, options)
  local settings, text, code = settings_of(client)
  if not settings then return nil, text, code end
  if type(which) == "table" then return fetch(client, which, options) end
  local asking = of_request(options)
  local entry, kept
  entry, text, code, kept = entry_of(client, which, asking)
  if not entry then return nil, text, code, kept end
  local skill, data
  skill, text, code, data = fetch(client, entry, options)
  if skill or code ~= "EINTEGRITY" or not kept then return skill, text, code, data end
  -- The entry came from the cache, and the skill has changed since.
  asking.fresh = true
  entry, text, code, data = entry_of(client, which, asking)
  if not entry then return nil, text, code, data end
  return fetch(client, entry, options)
end

return skills
