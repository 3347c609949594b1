-- SPDX-License-Identifier: MIT
-- skill: what a server and a client must both know of skills (the extension
-- io.modelcontextprotocol/skills, SEP-2640): the head of a SKILL.md, digests, limits, and whether a
-- file is what its entry says. Knows neither folders nor connections.
local methods = require "mcp.protocol.methods"
local uri = require "mcp.uri"
local value = require "mcp.value"
local yaml = require "mcp.later" "mcp.yaml"

local skill = {}

skill.ID = methods["skills/list"].extension
skill.FILE = "SKILL.md"
skill.MIME = "text/markdown"
skill.DIRECTORY = "inode/directory"
---In place of a list of files: they are generated, and have no digests.
skill.DYNAMIC = "dynamic"

--- Files of one skill: what every client has to take, by the extension.
skill.FILES = 512
--- Bytes of all files of one skill, by the extension.
skill.SIZE = 16 << 20
--- Bytes of the head of a SKILL.md: it is sent in every list.
skill.HEAD = 64 << 10
local DIGEST = "^sha256:" .. ("[0-9a-f]"):rep(64) .. "$"
-- By the format's own specification, in characters.
local NAME, DESCRIPTION = 64, 1024
-- Keys of the head's `metadata` that extensions of MCP define; there are none yet.
local RESERVED = "^io%.modelcontextprotocol/"

---The digest of a file's bytes, as entries have it.
---@param bytes string
---@return string
function skill.digest(bytes)
  local found, openssl = pcall(require, "mcp.openssl")
  if not found then
    error("skills need the module mcp.openssl, which cannot be loaded: " .. tostring(openssl), 0)
  end
  local hex = openssl.sha256(bytes):gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end)
  return "sha256:" .. hex
end

---What is wrong with the name of a skill, or nil.
---@param name any
---@return string|nil problem
function skill.name_problem(name)
  if type(name) == "string" and #name <= NAME and name:find "^[%l%d][%l%d-]*$"
    and not name:find "%-$" and not name:find("--", 1, true) then
    return nil
  end
  return ("name: expected 1 to %d of a-z, 0-9 and single hyphens between them, got %s"):format(NAME,
    type(name) == "string" and ("%q"):format(name) or value.kind(name))
end

-- What is wrong with the fields of a head, or nil.
local function head_problem(head)
  if not value.is_object(head) then
    return "expected names with values, got " .. value.kind(head)
  end
  local problem = skill.name_problem(head.name)
  if problem then return problem end
  local text = head.description
  if type(text) ~= "string" or text == "" or (utf8.len(text) or 0) > DESCRIPTION then
    return ("description: expected a text of 1 to %d characters, got %s"):format(DESCRIPTION,
      type(text) == "string" and ("one of %d"):format(utf8.len(text)) or value.kind(text))
  end
  return nil
end

-- The YAML between the lines "---", or nil and what is wrong.
local function cut(text)
  local from = text:match "^\u{FEFF}?%-%-%-[ \t]*\r?\n()" or text:match "^%-%-%-[ \t]*\r?\n()"
  if not from then
    return nil, "expected a first line of ---, with name and description after it"
  end
  -- The end of the line before belongs to the search: the head may be empty.
  local last, at = nil, from - 1
  repeat
    local found, after = text:find("\n%-%-%-[ \t]*", at)
    if not found then
      return nil, "the head that begins with --- has no end: a second line of ---"
    end
    if text:find("^\r?\n", after + 1) or after == #text then last = found end
    at = after + 1
  until last
  if last - from > skill.HEAD then
    return nil, ("the head has more than %d bytes"):format(skill.HEAD)
  end
  return text:sub(from, last)
end

---The head of a SKILL.md (its "frontmatter") as values of JSON.
---@param text string the whole file
---@return table|nil head
---@return string|nil message
function skill.head(text)
  local valid, at = utf8.len(text)
  if not valid then return nil, ("not valid UTF-8 at byte %d"):format(at) end
  local source, message = cut(text)
  if not source then return nil, message end
  local head, code
  head, message, code = yaml.decode(source)
  if head == nil then
    return nil, code == "EPROTO" and "the head: " .. message or message
  end
  local problem = head_problem(head)
  if problem then return nil, problem end
  return head
end

---The key of the head's `metadata` that only extensions of MCP may use, if there is one.
---@param head table
---@return string|nil key
function skill.reserved(head)
  if not value.is_object(head.metadata) then return nil end
  for key in pairs(head.metadata) do
    if key:find(RESERVED) then return key end
  end
  return nil
end

---The first difference between two values of JSON: where it is, or nil.
---@param a any
---@param b any
---@param path string|nil of both
---@return string|nil path
function skill.difference(a, b, path)
  path = path or ""
  if type(a) ~= "table" or type(b) ~= "table" then return a ~= b and path or nil end
  if value.is_array(a) ~= value.is_array(b) then return path end
  for key, member in pairs(a) do
    local found = skill.difference(member, b[key], ("%s.%s"):format(path, key))
    if found then return found end
  end
  for key in pairs(b) do
    if a[key] == nil then return ("%s.%s"):format(path, key) end
  end
  return nil
end

---The address of a skill's folder, which ends with its name; nil for other addresses than that of
---a SKILL.md.
---@param address string
---@return string|nil root
---@return string|nil name
function skill.root(address)
  local root = address:match "^(%a[%w+.-]*://.+)/SKILL%.md$"
  return root, root and root:match "([^/]+)$"
end

-- One of an entry's files: what is wrong with it, or nil.
local function file_problem(file, root, seen)
  if not value.is_object(file) or type(file.uri) ~= "string" then return "a file has no uri" end
  local base, address = uri.normal(root .. "/"), uri.normal(file.uri)
  if file.uri:sub(1, #root + 1) ~= root .. "/" or address:sub(1, #base) ~= base then
    return ("%q is not in the folder of the skill"):format(file.uri)
  end
  if seen[file.uri] then return ("%q is listed twice"):format(file.uri) end
  if type(file.digest) ~= "string" or not file.digest:find(DIGEST) then
    return ("%q: digest: expected sha256: and 64 hexadecimal digits"):format(file.uri)
  end
  local size = math.type(file.size) and math.tointeger(file.size)
  -- A larger one is added up as one byte too many: sums of the largest integers begin again below.
  if not size or size < 0 then return ("%q: size: expected a number of bytes"):format(file.uri) end
  seen[file.uri] = true
  return nil
end

-- The files of an entry: what is wrong with them, or nil.
local function files_problem(entry, root)
  local files, seen, total = entry.resources, {}, 0
  if not value.is_array(files) then
    return ('resources: expected a list or "dynamic", got %s'):format(value.kind(files)), "EPROTO"
  end
  if #files > skill.FILES then
    return ("it has %d files: expected at most %d"):format(#files, skill.FILES), "ETOOBIG"
  end
  for _, file in ipairs(files) do
    local problem = file_problem(file, root, seen)
    if problem then return "resources: " .. problem, "EPROTO" end
    total = total + math.min(file.size, skill.SIZE + 1)
  end
  if total > skill.SIZE then
    return ("its files have %d bytes: expected at most %d"):format(total, skill.SIZE), "ETOOBIG"
  end
  if not seen[entry.uri] then return "resources: SKILL.md itself is missing", "EPROTO" end
  return nil
end

---What is wrong with an entry of `skills/list` or `skills/get`, or nil.
---@param entry any
---@return string|nil problem
---@return string|nil code "EPROTO", or "ETOOBIG" for one above the limits
function skill.entry_problem(entry)
  if not value.is_object(entry) then
    return "expected an object, got " .. value.kind(entry), "EPROTO"
  end
  local root, name = nil, nil
  if type(entry.uri) == "string" then root, name = skill.root(entry.uri) end
  if not root then
    return ("uri: expected the URI of a SKILL.md, got %s"):format(type(entry.uri) == "string"
      and ("%q"):format(entry.uri) or value.kind(entry.uri)), "EPROTO"
  end
  local problem = head_problem(entry.frontmatter)
  if problem then return ("%q: frontmatter: %s"):format(entry.uri, problem), "EPROTO" end
  if name ~= entry.frontmatter.name then
    return ("%q: frontmatter: the name is %q, and the folder's is %q"):format(entry.uri,
      entry.frontmatter.name, name), "EPROTO"
  end
  if entry.resources == skill.DYNAMIC then return nil end
  local code
  problem, code = files_problem(entry, root)
  return problem and ("%q: %s"):format(entry.uri, problem), code
end

---What an approval of a skill holds for: one text for the URIs and digests of all its files.
---Another text means another content.
---@param entry table
---@return string|nil fingerprint nil for content without digests
function skill.fingerprint(entry)
  if not value.is_array(entry.resources) then return nil end
  local lines = {}
  for i, file in ipairs(entry.resources) do lines[i] = file.uri .. "\0" .. file.digest .. "\n" end
  table.sort(lines)
  return skill.digest(entry.uri .. "\n" .. table.concat(lines))
end

return skill
