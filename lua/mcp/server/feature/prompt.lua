-- SPDX-License-Identifier: MIT
-- prompt: registering, listing and getting prompts.
local completion = require "mcp.server.feature.completion"
local content = require "mcp.content"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local gate = require "mcp.server.feature.gate"
local metadata = require "mcp.server.feature.metadata"
local registry = require "mcp.server.feature.registry"
local value = require "mcp.value"

local prompt = {}

prompt.options = {
  title = "string", description = "string", arguments = "table", icons = "table", meta = "table",
  complete = "table", visible = "function", timeout = "number", budget = "table",
  scopes = "table",
}

local MEMBERS = { name = "string", title = "string", description = "string", required = "boolean" }

-- Arguments given as a list keep their order: { { name = …, required = … }, … }.
local function from_list(list)
  local out = value.array {}
  for i, item in ipairs(list) do
    if type(item) == "string" then item = { name = item, required = true } end
    if type(item) ~= "table" or type(item.name) ~= "string" then
      error(("arguments[%d]: expected a name or a table with name"):format(i), 0)
    end
    for key, member in pairs(item) do
      if type(member) ~= MEMBERS[key] then
        error(("arguments[%d]: %s"):format(i, MEMBERS[key]
          and ("%s: expected a %s, got %s"):format(key, MEMBERS[key], type(member))
          or ("unknown member %q"):format(tostring(key))), 0)
      end
    end
    out[i] = item
  end
  return out
end

-- Arguments given in shorthand have none; the required ones come first.
local function from_shorthand(given)
  local schema = require("mcp.schema").from_shorthand(given, 0)
  local required, out = {}, value.array {}
  for _, name in ipairs(schema.required or {}) do required[name] = true end
  for name, spec in pairs(schema.properties) do
    if spec.type and spec.type ~= "string" then
      error(("arguments: %q: a prompt's arguments are strings, not %s")
        :format(name, tostring(spec.type)), 0)
    end
    out[#out + 1] = { name = name, title = spec.title, description = spec.description,
      required = required[name] or nil }
  end
  table.sort(out, function(a, b)
    if a.required ~= b.required then return a.required == true end
    return a.name < b.name
  end)
  return out
end

---Makes the entry of a prompt. Raises (level 0) what is wrong.
---@param name string
---@param options table
---@param handler fun(args: table<string, string>, ctx: table): ...
---@return table entry
function prompt.new(name, options, handler)
  local given, arguments = options.arguments, nil
  if given then arguments = given[1] ~= nil and from_list(given) or from_shorthand(given) end
  local known = {}
  for _, argument in ipairs(arguments or {}) do
    known[argument.name] = true
    metadata.check_texts(argument, "name", "title", "description")
  end
  if not utf8.len(name) then error("a prompt's name must be UTF-8", 0) end
  metadata.check_texts(options, "title", "description")
  local definition = {
    name = name, title = options.title, description = options.description,
    arguments = arguments, icons = metadata.icons(options.icons),
    _meta = metadata.meta(options.meta),
  }
  metadata.check_encodable(definition)
  return gate.add({
    name = name, handler = handler, kind = "prompt", arguments = arguments or {}, known = known,
    complete = completion.compile(options.complete, known), definition = definition,
  }, options)
end

---prompts/list
function prompt.list(app, ctx, params)
  local facts = ctx.revision
  return gate.list(app, ctx, "prompts", app.prompts, params, function(entry)
    local definition = registry.view(entry.definition, facts.prompt)
    if definition.arguments then
      local arguments = value.array {}
      for i, argument in ipairs(definition.arguments) do
        arguments[i] = registry.view(argument, facts.argument)
      end
      definition.arguments = arguments
    end
    return definition
  end, function(list, following)
    return app:cacheable(facts, { prompts = list, nextCursor = following })
  end)
end

local function invalid(text, ...)
  return nil, failure.new(errors.INVALID_PARAMS, text:format(...))
end

local function check_arguments(entry, args)
  for _, argument in ipairs(entry.arguments) do
    if argument.required and args[argument.name] == nil then
      return invalid("prompt %q: argument %q is missing (expected a string)", entry.name,
        argument.name)
    end
  end
  for name, given in pairs(args) do
    if type(given) ~= "string" then
      return invalid("prompt %q: argument %q: expected a string, got %s", entry.name,
        tostring(name), value.kind(given))
    end
    if not entry.known[name] then
      local names = {}
      for i, argument in ipairs(entry.arguments) do names[i] = argument.name end
      local near = require("mcp.nearest").find(name, names)
      return invalid("prompt %q: unknown argument %q%s", entry.name, name,
        near and (", did you mean %q?"):format(near) or "")
    end
  end
  return true
end

-- A string, content, or a message, as one message.
local function message(entry, i, item)
  if type(item) == "string" then return content.user(item) end
  if content.is(item) then return content.user(item) end
  if type(item) == "table" and type(item.role) == "string" then
    local body = item.content
    if type(body) == "string" then body = content.text(body) end
    if type(body) == "table" then return { role = item.role, content = body } end
  end
  error(("prompt %q: message %d: expected a string, content or { role, content }, got %s")
    :format(entry.name, i, type(item)), 0)
end

-- Turns what the handler returned into a result.
local function convert(entry, facts, given)
  local result, list = {}, given
  if type(given) == "table" and type(given.messages) == "table" then
    for key, member in pairs(given) do result[key] = member end
    list = given.messages
  elseif type(given) ~= "table" or content.is(given) or given.role then
    list = { given }
  end
  if given == nil or (next(list) ~= nil and list[1] == nil) then message(entry, 1, given) end
  local messages = value.array {}
  for i, item in ipairs(list) do
    local made = message(entry, i, item)
    local body = content.adapted(facts, made.content)
    messages[i] = body == made.content and made or { role = made.role, content = body }
  end
  result.messages = messages
  if result.description == nil then result.description = entry.definition.description end
  return result
end

---prompts/get
function prompt.get(app, ctx, params)
  local name = params.name
  local entry = app.prompts.by_name[name]
    or app.mounts and app.mounts:named(ctx, "prompts", name)
  if not entry or entry.gated and not gate.pass(entry, ctx) then
    if type(name) ~= "string" then
      return invalid("prompts/get: name: expected a string, got %s",
        name == nil and "nothing" or value.kind(name))
    end
    local near = require("mcp.nearest").find(name, gate.names(app.prompts, ctx))
    return invalid("Unknown prompt: %s%s", name,
      near and (" (did you mean %s?)"):format(near) or "")
  end
  local args = params.arguments
  if args == nil then
    args = {}
  elseif type(args) ~= "table" then
    return invalid("prompts/get: arguments: expected an object, got %s", value.kind(args))
  end
  value.drop_nulls(args)
  -- Another server checks them itself.
  if not entry.relayed then
    local ok, err = check_arguments(entry, args)
    if not ok then return nil, err end
  end
  ctx.entry = entry
  return convert(entry, ctx.revision, (entry.handler(args, ctx)))
end

return prompt
