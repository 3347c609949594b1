-- SPDX-License-Identifier: MIT
-- document.lua: an OpenAPI document and the files that it refers to: read once, found again by
-- reference. Files other than the first are read only from below its folder, and never over the
-- network. Knows nothing of operations.
local core = require "mcp.core"
local folder = require "mcp.later" "mcp.folder"
local reference = require "mcp.schema.reference"
local url = require "mcp.url"
local value = require "mcp.value"
local yaml = require "mcp.later" "mcp.yaml"

local document = {}

-- A document that fills memory; in bytes, for each of its files. The largest public ones have
-- about 15 MB.
document.LIMIT = 32 << 20
-- A document of countless small values, which take far more memory than their text.
document.VALUES = 4000000
-- A document that refers to countless files.
document.FILES = 200
-- References that lead to references.
document.REFERENCES = 64

---@class mcp.openapi.File
---@field name string "" for the document itself, otherwise its path from the document's folder
---@field root table

---@class mcp.openapi.Document
---@field root table of the document itself
---@field main mcp.openapi.File
---@field url string? where it came from
---@field legacy boolean 3.0, whose schemas are no JSON Schema
local Document = { __name = "mcp.openapi.document" }
Document.__index = Document

-- Decodes a text; a JSON text begins with a brace, everything else is YAML.
local function decode(text)
  if text:sub(1, 3) == "\xEF\xBB\xBF" then text = text:sub(4) end
  if text:find "^%s*[{%[]" then
    local root, message = core.json_decode(text, nil, document.VALUES)
    -- Flow style is YAML as well: { openapi: 3.0.0 }
    if root ~= nil or text:find '^%s*{%s*["}]' then return root, message end
  end
  return yaml.decode(text, { aliases = true })
end

-- What is wrong with the version of a document; nil and whether it is 3.0 if nothing is.
local function judge(root)
  if type(root) ~= "table" or value.is_array(root) then
    return "expected an OpenAPI document, got " .. value.kind(root)
  end
  if root.swagger ~= nil then
    return ("Swagger %s is not supported: convert the document to OpenAPI 3, for example with "
      .. "swagger2openapi"):format(tostring(root.swagger))
  end
  if root.openapi == nil and root.mcpServers ~= nil then
    return "expected an OpenAPI document, got a file of mcpServers: its servers are named with "
      .. "--config FILE"
  end
  local version = root.openapi
  if type(version) == "number" then version = tostring(version) end
  if type(version) ~= "string" then
    return "no member \"openapi\": expected an OpenAPI document of version 3.0 or 3.1"
  end
  local minor = version:match "^3%.(%d+)"
  if not minor then return ("OpenAPI %s: expected version 3.0 or 3.1"):format(version) end
  return nil, minor == "0"
end

local function make(root, from)
  local wrong, legacy = judge(root)
  if wrong then return nil, wrong end
  local main = { name = "", root = root }
  return setmetatable({ root = root, main = main, files = { [""] = main }, count = 1,
    folder = from.folder, path = from.path, url = from.url, legacy = legacy }, Document)
end

-- The text of a file, or nil and a text.
local function read_file(path)
  local file, text = io.open(path, "rb")
  if not file then return nil, text end
  local content = file:read(document.LIMIT + 1)
  file:close()
  if not content then return nil, ("%s: cannot be read"):format(path) end
  if #content > document.LIMIT then
    return nil, ("%s: more than %d bytes"):format(path, document.LIMIT)
  end
  return content
end

-- The text at an address and where it came from, or nil and a text.
local function read_url(address, timeout)
  local response, text = require("mcp.fetch").get(address, { limit = document.LIMIT,
    timeout = timeout, headers = { Accept = "application/json, application/yaml, */*" } })
  if not response then return nil, text end
  if response.status ~= 200 then
    return nil, ("%s: expected a document, got status %d"):format(address, response.status)
  end
  return response.body, response.url
end

---Is it the name of a document, rather than of a script?
---@param path string
---@return boolean
function document.is_path(path)
  local kind = (path:match "%.(%a+)$" or ""):lower()
  return kind == "json" or kind == "yaml" or kind == "yml"
end

---Reads a document.
---@param source string|table a path, an address (http, https), or the decoded document
---@param timeout number? seconds for an address
---@return mcp.openapi.Document? opened
---@return string? message
function document.open(source, timeout)
  if getmetatable(source) == Document then return source end
  if type(source) == "table" then return make(source, {}) end
  local text, from, message
  if source:find "^%a[%w+.-]*://" then
    text, message = read_url(source, timeout)
    from = { url = message }
  else
    text, message = read_file(source)
    from = { path = source, folder = source:match "^(.*)/[^/]*$" or "." }
  end
  if not text then return nil, message end
  local root
  root, message = decode(text)
  if root == nil then return nil, ("%s: %s"):format(source, message) end
  local made
  made, message = make(root, from)
  if not made then return nil, ("%s: %s"):format(source, message) end
  return made
end

-- A file that a reference names, relative to the file it stands in; or nil and a text.
function Document:file(name, from)
  local path = reference.resolve(from.name, name)
  path = path:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  if path == "" then return self.main end
  local known = self.files[path]
  if known then return known end
  if name:find "^%a[%w+.-]*:" or name:find "^//" then
    return nil, "other addresses are not read"
  end
  if not self.folder then return nil, "other files are read for a document in a file only" end
  if self.count >= document.FILES then
    return nil, ("more than %d files"):format(document.FILES)
  end
  if not self.opened then
    local text
    self.opened, text = folder.open(self.folder, { limit = document.LIMIT })
    if not self.opened then return nil, text end
  end
  local content, message = self.opened:read(path)
  if not content then return nil, message end
  local root
  root, message = decode(content)
  if type(root) ~= "table" then return nil, message or "expected an object" end
  local file = { name = path, root = root }
  self.files[path], self.count = file, self.count + 1
  return file
end

---What a reference leads to, one step.
---@param ref string
---@param from mcp.openapi.File where it stands
---@return any node nil if it leads nowhere
---@return mcp.openapi.File|string file where that is, or a message
---@return string? pointer the place in it, which with the file's name identifies the node
function Document:find(ref, from)
  local name, fragment = reference.split(ref)
  local file = from
  if name ~= "" then
    local message
    file, message = self:file(name, from)
    if not file then return nil, ("%q: %s"):format(ref, message) end
  end
  if fragment ~= "" and fragment:sub(1, 1) ~= "/" then
    return nil, ("%q: anchors are not supported"):format(ref)
  end
  local at = file.root
  for _, step in ipairs(reference.steps(fragment)) do
    if type(at) ~= "table" then
      at = nil
      break
    end
    local index = value.is_array(at) and math.tointeger(tonumber(step))
    at = index and at[index + 1] or at[step]
  end
  if at == nil then return nil, ("%q leads nowhere"):format(ref) end
  return at, file, fragment
end

---An object that may be a reference: what is meant, and the file in which it stands.
---@param node any
---@param file mcp.openapi.File
---@return table? object nil if there is no such object
---@return mcp.openapi.File|string file or a message
function Document:object(node, file)
  for _ = 1, document.REFERENCES do
    if not value.is_object(node) then return nil, "expected an object, got " .. value.kind(node) end
    local ref = node["$ref"]
    if type(ref) ~= "string" then return node, file end
    local found, where = self:find(ref, file)
    if found == nil then return nil, where end
    node, file = found, where
  end
  return nil, "references lead in a circle"
end

---The address that a relative one in the document means; nil if only a file is known.
---@param relative string
---@return string?
function Document:resolve_url(relative)
  if relative:find "^%a[%w+.-]*://" then return relative end
  return self.url and url.resolve(self.url, relative) or nil
end

return document
