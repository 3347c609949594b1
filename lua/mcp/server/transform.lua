-- SPDX-License-Identifier: MIT
-- transform: functions from entry to entry, for what an app has itself and what it has mounted:
--
--   app:mount("gh", target, { transform = { mcp.transform.only { "create_issue", "list_*" } } })
--   app:transform(mcp.transform.describe { help = "Explains all others" })
--
-- A function gets a description of the entry that it may change, and returns it, or nothing to
-- leave the entry out. What was registered stays as it is: the changed entry is another one.
local check = require("mcp.options").check
local copy = require("mcp.copy").flat
local definitions = require "mcp.server.feature.definition"

local transform = {}

---@class mcp.transform.Entry
---@field kind "tool"|"prompt"|"resource"|"template"
---@field name string or the URI
---@field title string|nil
---@field description string|nil
---@field input table|nil the schema of a tool's arguments
---@field annotations table|nil
---@field meta table|nil
---@field tags string[]|nil
---@field server string|nil the name of the mount
---@field fix table<string, any>|nil arguments that get these values, and are no longer shown

-- Members of a description, and those of a definition that they stand for.
local MEMBERS = { title = "title", description = "description", annotations = "annotations",
  input = "inputSchema", meta = "_meta" }

-- What ready-made functions were given, so that a mount can say which names do not exist: `what`,
-- the function's name, and `names`.
local ready_made = setmetatable({}, { __mode = "k" })

---The names of entries that a ready-made function was given, without beginnings and tags.
---@param fn any
---@return string|nil what "rename", …; nil for other functions
---@return string[]|nil names sorted
function transform.names(fn)
  local made = ready_made[fn]
  if not made then return nil end
  return made.what, require("mcp.nearest").keys(made.names)
end

-- Takes arguments out of a schema.
local function without(schema, fixed)
  schema = copy(schema)
  schema.properties = copy(schema.properties or {})
  local required = {}
  for _, name in ipairs(schema.required or {}) do
    if fixed[name] == nil then required[#required + 1] = name end
  end
  for name in pairs(fixed) do schema.properties[name] = nil end
  if next(schema.properties) == nil then schema.properties = nil end
  schema.required = required[1] and require("mcp.value").array(required) or nil
  return schema
end

-- Raises what is wrong with a fixed value: callers would otherwise set what the program relies on.
-- A float where the schema says "integer" becomes one, as a caller's does.
local function check_fixed(entry, fixed)
  local properties = entry.definition.inputSchema.properties
  if type(properties) ~= "table" then return end
  local nearest = require "mcp.nearest"
  for name, given in pairs(fixed) do
    local what = ("fix: tool %q"):format(entry.name)
    if not properties[name] then
      error(("%s: %s"):format(what, nearest.unknown("argument", name, nearest.keys(properties))), 0)
    end
    local schema = require "mcp.schema"
    local form, args = { type = "object", properties = { [name] = properties[name] } },
      { [name] = given }
    local fits = schema.compile(form)
    local ok, problems = true, nil
    if fits then ok, problems = fits(args) end
    if not ok then
      error(("%s: %s"):format(what, schema.explain(problems, args, form, "argument")), 0)
    end
    if problems then fixed[name] = schema.apply_integers(form, args)[name] end
  end
end

-- Gives arguments their values, whatever the caller sends.
local function put_fixed(made, fixed)
  local handler = made.handler
  fixed = copy(fixed)
  if made.kind == "tool" then
    check_fixed(made, fixed)
    made.definition.inputSchema = without(made.definition.inputSchema, fixed)
    made.input = made.definition.inputSchema
    made.mirrors = nil
    if made.check then
      made.check = assert(require("mcp.schema").compile(made.input))
      made.defaults = require("mcp.schema").defaults(made.input) or false
    end
  elseif made.kind == "prompt" then
    local list, known = require("mcp.value").array {}, {}
    for _, argument in ipairs(made.definition.arguments or {}) do
      if fixed[argument.name] == nil then
        list[#list + 1], known[argument.name] = argument, true
      end
    end
    made.definition.arguments, made.known = list[1] and list or nil, known
    if made.arguments[1] then made.arguments = list end
  else
    error(("fix: a %s has no arguments"):format(made.kind), 0)
  end
  function made.handler(args, ctx, prepared)
    for name, given in pairs(fixed) do args[name] = given end
    return handler(args, ctx, prepared)
  end
end

-- Raises that an entry cannot have that name: app:tool and app:resource refuse the same ones.
local function check_name(made, name)
  local ok, text = true, nil
  if made.kind == "tool" then
    ok, text = pcall(require("mcp.server.feature.tool_name").check, name)
  elseif made.kind == "resource" and not require("mcp.uri").valid_absolute(name) then
    ok, text = false, "uri: expected an absolute URI"
  end
  if not ok then
    error(("rename: %s %q to %q: %s"):format(made.kind, made.name, name, text), 0)
  end
end

-- Puts an entry under another name. Its handler sees the old address of a resource.
local function put_name(made, name)
  check_name(made, name)
  local before = made.name
  made.name = name
  if made.kind == "tool" or made.kind == "prompt" then
    made.definition.name = name
    return
  end
  if made.kind == "template" then
    error(("rename: %q: a template keeps its URI"):format(before), 0)
  end
  local handler, watch = made.handler, made.watch
  made.definition.uri = name
  function made.handler(vars, ctx)
    local asked = ctx.uri
    ctx.uri = before
    local given = handler(vars, ctx)
    ctx.uri = asked
    if made.relayed and type(given) == "table" then
      for _, item in ipairs(given.contents or {}) do
        if item.uri == before then item.uri = asked end
      end
    end
    return given
  end
  if watch then function made.watch(ctx) return watch(ctx, before) end end
end

local function tags_of(meta)
  return type(meta) == "table" and type(meta.tags) == "table" and copy(meta.tags) or nil
end

---Applies a function to an entry.
---@param fn fun(entry: mcp.transform.Entry): mcp.transform.Entry|nil
---@param entry table of a registry
---@param rename (fun(name: string): string)|nil makes the app's name of a server's own, which the
---function sees
---@return table|nil entry another, or the same if nothing was changed
function transform.apply(fn, entry, rename)
  local definition, shown = definitions.fresh(entry), entry.name
  if rename then shown = entry.shown or entry.inner end
  local view = { kind = entry.kind, name = shown, server = entry.mount and entry.mount.name or nil,
    tags = tags_of(definition._meta) }
  for member, name in pairs(MEMBERS) do view[member] = definition[name] end
  local before = copy(view)
  local out = fn(view)
  if not out then return nil end
  if type(out) ~= "table" then
    error(("transform: expected the entry, or nothing, got %s"):format(type(out)), 0)
  end
  local changed = out.fix ~= nil
  for key, member in pairs(out) do changed = changed or before[key] ~= member end
  for key in pairs(before) do changed = changed or out[key] == nil end
  if not changed and not definitions.differs(entry, definition) then return entry end
  local made = copy(entry)
  made.definition, made.text = copy(definition), nil
  for member, name in pairs(MEMBERS) do made.definition[name] = out[member] end
  if out.tags then
    made.definition._meta = copy(out.meta or {})
    made.definition._meta.tags = require("mcp.value").array(out.tags)
  end
  if made.kind == "tool" and out.input ~= before.input then made.input = out.input end
  -- What is shown changes, and not what is checked.
  made.checked = rawget(entry, "checked") or rawget(entry, "text")
  if out.fix then put_fixed(made, out.fix) end
  if out.name ~= before.name then
    if type(out.name) ~= "string" or out.name == "" then
      error(("transform: name: expected a string, got %s"):format(type(out.name)), 0)
    end
    made.shown = out.name
    put_name(made, rename and rename(out.name) or out.name)
  end
  return definitions.settle(made, entry)
end

-- --- an app's own --------------------------------------------------------------------------------

---An entry after all transforms of the app; nil if one leaves it out.
---@param app mcp.App
---@param entry table
---@return table|nil
function transform.of(app, entry)
  local made = entry
  for _, fn in ipairs(app.transforms) do
    made = made and transform.apply(fn, made)
  end
  return made
end

---Puts a function around all entries: those that there are, and those that come.
---@param app mcp.App
---@param fn fun(entry: mcp.transform.Entry): mcp.transform.Entry|nil
---@param key fun(kind: string, entry: table): string what an entry is kept under
function transform.add(app, fn, key)
  if type(fn) ~= "function" and not (getmetatable(fn) or {}).__call then
    error("app:transform: expected a function, got " .. type(fn), 2)
  end
  app.transforms = app.transforms or {}
  table.insert(app.transforms, fn)
  for _, kind in ipairs { "tools", "prompts", "resources", "templates" } do
    local by_name, order = {}, {}
    for _, entry in ipairs(app[kind].order) do
      local ok, made = pcall(transform.apply, fn, entry)
      if not ok then error("app:transform: " .. tostring(made), 2) end
      if made then
        local name = key(kind, made)
        if by_name[name] then
          error(("app:transform: two entries become %q"):format(made.name), 2)
        end
        by_name[name], order[#order + 1] = made, made
      end
    end
    app[kind]:replace(by_name, order)
  end
end

-- --- ready-made ----------------------------------------------------------------------------------

-- A function that says whether an entry is one of those that a list names: by name, the beginning
-- of one (`list_*`), or a tag. And the names, as keys.
local function matcher(what, list)
  if type(list) ~= "table" then
    error(("mcp.transform.%s: expected a list of names, got %s"):format(what, type(list)), 3)
  end
  local exact, starts, tags = {}, {}, {}
  for key, name in pairs(list) do
    if key == "tags" and type(name) == "table" then
      for _, tag in ipairs(name) do tags[tag] = true end
    elseif math.type(key) ~= "integer" or type(name) ~= "string" then
      error(("mcp.transform.%s: expected a list of names, and tags = { … }, got %s"):format(what,
        tostring(key)), 3)
    elseif name:sub(-1) == "*" then
      starts[#starts + 1] = name:sub(1, -2)
    else
      exact[name] = true
    end
  end
  return function(entry)
    if exact[entry.name] then return true end
    for _, start in ipairs(starts) do
      if entry.name:sub(1, #start) == start then return true end
    end
    for _, tag in ipairs(entry.tags or {}) do
      if tags[tag] then return true end
    end
    return false
  end, exact
end

---Leaves entries out.
---@param list table names, beginnings such as "list_*", and tags = { … }
---@return function
function transform.hide(list)
  local matches, exact = matcher("hide", list)
  local function fn(entry) return not matches(entry) and entry or nil end
  ready_made[fn] = { what = "hide", names = exact }
  return fn
end

---Leaves all other entries out.
---@param list table names, beginnings such as "list_*", and tags = { … }
---@return function
function transform.only(list)
  local matches, exact = matcher("only", list)
  local function fn(entry) return matches(entry) and entry or nil end
  ready_made[fn] = { what = "only", names = exact }
  return fn
end

-- A function of a table by name.
local function by_name(what, given, kinds, change)
  if type(given) ~= "table" then
    error(("mcp.transform.%s: expected a table by name, got %s"):format(what, type(given)), 3)
  end
  local known = {}
  for name in pairs(given) do known[name] = kinds end
  check("mcp.transform." .. what, given, known, 4, "entry")
  local function fn(entry)
    local found = given[entry.name]
    if found ~= nil then change(entry, found) end
    return entry
  end
  ready_made[fn] = { what = what, names = known }
  return fn
end

---Gives entries other names.
---@param given table<string, string> new names by old ones
---@return function
function transform.rename(given)
  return by_name("rename", given, "string", function(entry, name) entry.name = name end)
end

---Gives entries other descriptions.
---@param given table<string, string> descriptions by name
---@return function
function transform.describe(given)
  return by_name("describe", given, "string", function(entry, text) entry.description = text end)
end

---Gives arguments a value that callers neither see nor change.
---@param given table<string, table<string, any>> values by argument, by name of the tool or prompt
---@return function
function transform.fix(given)
  return by_name("fix", given, "table", function(entry, values)
    entry.fix = entry.fix or {}
    for name, given_value in pairs(values) do entry.fix[name] = given_value end
  end)
end

---Gives entries tags, which stand in `_meta.tags`.
---@param given table<string, string|string[]> tags by name
---@return function
function transform.tag(given)
  return by_name("tag", given, "string|table", function(entry, tags)
    local list = entry.tags or {}
    for _, tag in ipairs(type(tags) == "table" and tags or { tags }) do list[#list + 1] = tag end
    entry.tags = list
  end)
end

return transform
