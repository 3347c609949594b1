-- SPDX-License-Identifier: MIT
-- index.lua: the schemas at hand and the names they go by: "$id", "$anchor", "$dynamicAnchor" and
-- JSON pointers. Documents are the schema itself, those registered with it and the metaschemas;
-- there is no other place to look, so a reference can never fetch anything.

local value = require "mcp.value"
local reference = require "mcp.schema.reference"
local dialect = require "mcp.schema.dialect"
local cut = require("mcp.text").cut

-- A message names a place by at most so many bytes of path.
local PATH = 200

local index = {}

local Index = {}
local Index_mt = { __index = Index }

---@class mcp.schema.Resource  a schema with a URI of its own and what lies inside of it
---@field uri string
---@field root table|boolean
---@field anchors table<string, table>  both kinds
---@field dynamic table<string, table>
---@field dialect mcp.schema.Dialect

---@class mcp.schema.Info  of a subschema
---@field resource mcp.schema.Resource
---@field path string  from the root of its document, for messages
---@field serial integer

--- Raises a complaint about a schema: the front turns it into `nil, message`.
function index.complain(path, text)
  error({ complaint = ("schema%s: %s"):format(path == "" and "" or " at #" .. cut(path, PATH),
    text) }, 0)
end

local complain = index.complain

---@param limits mcp.schema.Limits
---@param registry? table<string, table|boolean>
---@param usual? string  the dialect of documents that name none
function index.new(limits, registry, usual)
  return setmetatable({
    resources = {}, info = {}, subschemas = 0, values = 0, serial = 0,
    limits = limits, registry = registry or {}, usual = usual or dialect.DEFAULT,
  }, Index_mt)
end

-- A private copy in which every table occurs once and every array is marked.
function Index:copy(v, path, depth)
  self.values = self.values + 1
  if self.values > self.limits.values then
    complain(path, ("more than %d values"):format(self.limits.values))
  elseif depth > 2 * self.limits.depth then
    complain("", ("nested deeper than %d levels"):format(self.limits.depth))
  end
  local kind = value.kind(v)
  if kind == "array" then
    local list = value.array()
    for i = 1, #v do list[i] = self:copy(v[i], path .. "/" .. i - 1, depth + 1) end
    return list
  elseif kind == "object" then
    local members = {}
    for name, member in next, v do
      if type(name) ~= "string" then
        complain(path, ("a %s as a key"):format(type(name)))
      end
      members[name] = self:copy(member, path .. "/" .. reference.escape(name), depth + 1)
    end
    return members
  elseif kind == "function" or kind == "thread" or kind == "userdata" then
    complain(path, ("a %s is not JSON"):format(kind))
  end
  return v
end

function Index:name(uri, resource, path)
  local other = self.resources[uri]
  if other and other.root ~= resource.root then
    complain(path, ("a second schema with the $id %q"):format(uri))
  end
  self.resources[uri] = resource
end

-- The text of keyword `name` of `schema`, if it has one.
local function text_of(schema, name, path)
  local text = schema[name]
  if text ~= nil and type(text) ~= "string" then
    complain(path .. "/" .. name, ("expected a string, got %s"):format(value.kind(text)))
  end
  return text
end

function Index:set_dialect(resource, uri, path)
  local message
  resource.dialect, message = dialect.named(uri, function(name) return self:document(name) end)
  if not resource.dialect then complain(path, message) end
end

-- The resource that `schema` begins, or the one it belongs to. The root of a document begins one
-- in any case, and only where one begins can "$schema" stand.
function Index:resource_of(schema, outer, path)
  local id = text_of(schema, "$id", path)
  if outer.root and not id then return outer end
  local resource = outer.root and
    { uri = outer.uri, anchors = {}, dynamic = {}, dialect = outer.dialect } or outer
  resource.root = schema
  local named = text_of(schema, "$schema", path)
  if named then self:set_dialect(resource, named, path) end
  -- Roots are not examined before: what is "$id" here may be an anchor there.
  if id and id:sub(1, 1) ~= "#" then
    local uri, fragment = reference.split(id)
    if fragment ~= "" then complain(path .. "/$id", "a fragment in an $id") end
    resource.uri = reference.resolve(outer.uri, uri)
    self:name(resource.uri, resource, path)
  end
  return resource
end

-- Enters the anchors of `schema`.
local function enter_anchors(schema, resource, path)
  local plain, dynamic = text_of(schema, "$anchor", path), text_of(schema, "$dynamicAnchor", path)
  for _, name in ipairs { plain or dynamic, dynamic } do
    if not name:find "^[%a_][%w_.-]*$" then complain(path, ("bad anchor %q"):format(name)) end
    local other = resource.anchors[name]
    if other and other ~= schema then complain(path, ("a second anchor %q"):format(name)) end
    resource.anchors[name] = schema
  end
  if dynamic then resource.dynamic[dynamic] = schema end
end

-- The resource of `schema`, which is made one of 2020-12 if its dialect is older.
function Index:begin(schema, outer, path)
  local inner = outer.root ~= nil
  local own = not inner or schema["$id"] and schema["$schema"]
  if not own and outer.dialect.rewrite then outer.dialect.rewrite(schema) end
  local resource = self:resource_of(schema, outer, path)
  if own and resource.dialect.rewrite then resource.dialect.rewrite(schema) end
  return resource
end

-- The table of a keyword that holds several schemas; an empty one if it is absent.
local function several_at(schema, keyword, path)
  local several = schema[keyword]
  if several == nil then return {} end
  if type(several) ~= "table" then
    complain(path .. "/" .. keyword, ("expected a table, got %s"):format(value.kind(several)))
  end
  return several
end

-- Registers `schema` and all subschemas in known places.
function Index:walk(schema, resource, path, depth)
  self.subschemas = self.subschemas + 1
  if self.subschemas > self.limits.subschemas then
    complain("", ("more than %d subschemas"):format(self.limits.subschemas))
  elseif depth > self.limits.depth then
    complain("", ("nested deeper than %d levels"):format(self.limits.depth))
  end
  if type(schema) == "boolean" then return end
  if not value.is_object(schema) and next(schema) ~= nil then
    complain(path, "expected a table or a boolean as a schema, got an array")
  end
  resource = self:begin(schema, resource, path)
  self.serial = self.serial + 1
  self.info[schema] = { resource = resource, path = path, serial = self.serial }
  enter_anchors(schema, resource, path)
  local places = resource.dialect.places
  for _, keyword in ipairs(places.one) do
    local subschema = schema[keyword]
    if subschema ~= nil then self:enter(subschema, resource, path .. "/" .. keyword, depth) end
  end
  for _, keyword in ipairs(places.list) do
    for i, subschema in ipairs(several_at(schema, keyword, path)) do
      self:enter(subschema, resource, ("%s/%s/%d"):format(path, keyword, i - 1), depth)
    end
  end
  for _, keyword in ipairs(places.named) do
    for name, subschema in next, several_at(schema, keyword, path) do
      self:enter(subschema, resource, ("%s/%s/%s"):format(path, keyword, reference.escape(name)),
        depth)
    end
  end
end

function Index:enter(schema, resource, path, depth)
  local t = type(schema)
  if t ~= "table" and t ~= "boolean" then
    complain(path, ("expected a table or a boolean as a schema, got %s"):format(value.kind(schema)))
  end
  self:walk(schema, resource, path, depth + 1)
end

--- Takes a document in under the URI it is known by ("" for none).
---@param document table|boolean
---@param uri string
---@return mcp.schema.Resource
function Index:add(document, uri)
  local t = type(document)
  if t ~= "table" and t ~= "boolean" then
    complain("", ("expected a table or a boolean, got %s"):format(value.kind(document)))
  end
  local resource = { uri = uri, anchors = {}, dynamic = {} }
  self:set_dialect(resource, self.usual, "")
  local root = self:copy(document, "", 0)
  if t == "boolean" then resource.root = root end
  self.resources[uri] = resource
  self:walk(root, resource, "", 0)
  return resource
end

--- A document that is at hand but perhaps not taken in yet.
---@param uri string
---@return table|boolean|nil
function Index:document(uri)
  local found = self.registry[uri]
  -- Asked for here because most schemas name no other, and a server's start should not pay for it.
  if found == nil then found = require("mcp.schema.metaschema")[uri] end
  return found
end

-- The resource of a URI, taken in now if need be; nil if it is unknown.
function Index:find(uri)
  local resource = self.resources[uri]
  if not resource then
    local document = self:document(uri)
    if document == nil then return nil end
    resource = self:add(document, uri)
  end
  return resource
end

-- Follows a JSON pointer from the root of `resource`.
function Index:follow(resource, pointer)
  local at, info = resource.root, self.info[resource.root]
  local path = ""
  for _, step in ipairs(reference.steps(pointer)) do
    if type(at) ~= "table" then return nil end
    local key = step
    if value.is_array(at) then key = (math.tointeger(tonumber(step)) or -1) + 1 end
    at = at[key]
    path = path .. "/" .. step
    if self.info[at] then info, path = self.info[at], "" end
  end
  if at == nil or type(at) == "boolean" then return at end
  if type(at) ~= "table" then return nil end
  -- Somewhere no keyword puts a schema, but now something refers to it as one.
  if not self.info[at] then self:walk(at, info.resource, info.path .. path, 1) end
  return at
end

--- The schema that `ref` in a schema described by `info` means. Complains if there is none.
---@param ref string
---@param info mcp.schema.Info
---@param keyword string  for the complaint
---@return table|boolean target
---@return string? anchor  the dynamic anchor it goes by, if it does
function Index:target(ref, info, keyword)
  local uri, fragment = reference.split(ref)
  uri = reference.resolve(info.resource.uri, uri)
  local resource = self:find(uri)
  if not resource then
    complain(info.path, ("%s %q leads to %q, which is not in the registry; nothing is fetched")
      :format(keyword, ref, uri))
  end
  local target
  if fragment == "" then
    target = resource.root
  elseif fragment:sub(1, 1) == "/" then
    target = self:follow(resource, fragment)
  else
    target = resource.anchors[fragment]
    if target ~= nil and resource.dynamic[fragment] == target then return target, fragment end
  end
  if target == nil then
    complain(info.path, ("%s %q leads nowhere"):format(keyword, ref))
  end
  return target
end

return index
