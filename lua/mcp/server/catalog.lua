-- SPDX-License-Identifier: MIT
-- catalog: the tools of an app for a model that does not get them all: an index of them, which of
-- them stay in the list, and what a search says of one. Used by app:search and app:code_mode.
local bm25 = require "mcp.bm25"
local core = require "mcp.core"
local entries = require "mcp.server.entries"
local gate = require "mcp.server.feature.gate"

local catalog = {}

---Bytes of a tool's texts that are indexed: a server with longer ones must not take the memory of
---others, or hold the loop.
catalog.TEXT = 16384
---Results of a search, unless it says otherwise.
catalog.RESULTS = 5
---The most that one search may ask for.
catalog.RESULTS_MAX = 25
---Seconds of work on the index after which other calls have a turn.
catalog.SLICE = 0.01
---Characters of a query.
catalog.QUERY = 1000
---Bytes of the definitions in one answer. Further tools are named without their schema.
catalog.ANSWER = 65536

-- What words count, by where they stand.
local NAME, TITLE, DESCRIPTION, PARAMETER, REMARK = 3, 2, 1, 1, 0.5

-- --- who sees a tool ---------------------------------------------------------------------------

-- Stays in the list: a host shows a tool's page, and lets pages call tools, only for tools that it
-- found there.
local function is_pinned(self, entry)
  if self.own[entry] or gate.ui_of(entry) then return true end
  for _, pin in ipairs(self.pins) do
    if pin(entry) then return true end
  end
  return false
end

-- --- the index ---------------------------------------------------------------------------------

-- The fields of a tool's parameters, down to `room` bytes.
local function add_parameters(fields, schema, room, depth)
  if type(schema) ~= "table" or depth > 8 then return room end
  if type(schema.properties) == "table" then
    local names = require("mcp.nearest").keys(schema.properties)
    for _, name in ipairs(names) do
      if room <= 0 then return room end
      fields[#fields + 1] = { name:sub(1, room), PARAMETER }
      room = room - #name
      local property = schema.properties[name]
      local text = type(property) == "table" and property.description
      if type(text) == "string" and room > 0 then
        fields[#fields + 1] = { text:sub(1, room), REMARK }
        room = room - #text
      end
      room = add_parameters(fields, property, room, depth + 1)
    end
  end
  return add_parameters(fields, schema.items, room, depth + 1)
end

---The texts of a tool that an index has, with what each counts.
---@param definition table as the protocol has it
---@return table[] fields each { text, weight }
function catalog.fields(definition)
  local fields, room = {}, catalog.TEXT
  for _, field in ipairs { { definition.name, NAME }, { definition.title or "", TITLE },
    { definition.description or "", DESCRIPTION } } do
    fields[#fields + 1] = { field[1]:sub(1, room), field[2] }
    room = math.max(0, room - #field[1])
  end
  add_parameters(fields, definition.inputSchema, room, 0)
  return fields
end

-- Makes the index of all tools for models, also those that only some callers may see. Other calls
-- go on meanwhile; if this one is cancelled there is none.
local function build(app, self)
  local generation, index, began = app.tools.generation, bm25.new(), os.clock()
  for _, entry in ipairs(table.move(app.tools.order, 1, #app.tools.order, 1, {})) do
    if not self.own[entry] and gate.for_model(entry) then
      index:add(entry, catalog.fields(entry.definition))
    end
    if os.clock() - began > catalog.SLICE then
      if not core.sleep(0) then return end
      began = os.clock()
    end
  end
  index:close()
  self.index, self.generation = index, generation
  for name in pairs(self.names) do
    if not app.tools.by_name[name] then
      core.log("warning", "pinned: " .. require("mcp.nearest").unknown("tool", name,
        app.tools:names()))
    end
  end
end

-- The index, made again if the list has changed; nil if the call was cancelled meanwhile.
local function index_of(app)
  local self = app.catalog
  while self.generation ~= app.tools.generation do
    if self.building then
      if not core.sleep(catalog.SLICE) then return nil end
    else
      self.building = true
      local _ <close> = setmetatable({}, { __close = function() self.building = false end })
      build(app, self)
      if self.generation ~= app.tools.generation and not core.sleep(0) then return nil end
    end
  end
  return self.index
end

---The tools that this caller may call and that a model may see, in the order of the list.
---@param app mcp.App
---@param ctx mcp.Context
---@return table[] entries
function catalog.all(app, ctx)
  -- Mounted servers may not have been read yet.
  if app.mounts then app.mounts:prepare "tools/list" end
  local out = {}
  for _, entry in ipairs(entries.visible(app, ctx)) do
    if not app.catalog.own[entry] and gate.for_model(entry) then out[#out + 1] = entry end
  end
  return out
end

---Those of them that fit a query, best first.
---@param app mcp.App
---@param ctx mcp.Context
---@param query string
---@param limit integer
---@return table[] entries
---@return integer found how many fit it, of which these are the first
function catalog.find(app, ctx, query, limit)
  local seen, out, found = {}, {}, 0
  for _, entry in ipairs(catalog.all(app, ctx)) do seen[entry] = true end
  local index = index_of(app)
  for _, entry in ipairs(index and index:find(query) or {}) do
    if seen[entry] then
      found = found + 1
      if found <= limit then out[found] = entry end
    end
  end
  return out, found
end

---What a search says of its tools. The first has its whole definition, and so have the others
---while there is room.
---@param found table[] entries
---@return table[] definitions name, title, description, inputSchema
function catalog.described(found)
  local out, room = {}, catalog.ANSWER
  for i, entry in ipairs(found) do
    local of = entry.definition
    local made = { name = of.name, title = of.title, description = of.description,
      inputSchema = of.inputSchema }
    local text = core.encode(made, true)
    if text and (#text <= room or i == 1) then
      room = room - #text
    else
      made = { name = of.name, omitted = "the definition is too long here: search for this name" }
    end
    out[i] = made
  end
  return out
end

-- --- opening -----------------------------------------------------------------------------------

-- The function that says whether an entry is pinned, and the names it was given by.
local function read_pinned(given)
  if type(given) == "function" then return given, {} end
  local names = {}
  for i, name in ipairs(given) do
    if type(name) ~= "string" then
      error(("pinned: [%d]: expected the name of a tool, got %s"):format(i, type(name)), 0)
    end
    names[name] = true
  end
  return function(entry) return names[entry.name] end, names
end

---Adds tools that stand for the others, and hides those from the list. Raises (level 0) what is
---wrong.
---@param app mcp.App
---@param own table[] entries to add
---@param options table pinned: names, or function(entry) returns boolean; hide: false to hide none
function catalog.open(app, own, options)
  local pin, names = read_pinned(options.pinned or {})
  for _, entry in ipairs(own) do
    local there = app.tools.by_name[entry.name]
    if there then
      error(("tool %q is registered already, at %s"):format(entry.name, tostring(there.at)), 0)
    end
  end
  local self = app.catalog
  if not self then
    self = { own = {}, pins = {}, names = {} }
    app.catalog = self
  end
  self.pins[#self.pins + 1] = pin
  for name in pairs(names) do self.names[name] = true end
  for _, entry in ipairs(own) do
    self.own[entry] = true
    app.tools:add(entry.name, entry)
  end
  if options.hide ~= false then
    app.listed = function(entry) return is_pinned(self, entry) end
    app.tools:changed()
  end
end

return catalog
