-- SPDX-License-Identifier: MIT
-- entries: what a mounted server lists, as entries of the app: under the app's names, and with
-- handlers that make the call there. Knows no connection: the mount has one.
local core = require "mcp.core"
local gate = require "mcp.server.feature.gate"
local uri = require "mcp.uri"
local value = require "mcp.value"

local entries = {}

-- Hosts put a prefix of their own before a name, and models know names of 64 characters at most.
local LONG = 64

local function skipped(mount, kind, definition, reason)
  core.log("warning", ("mount %q: a %s is left out: %s: %s"):format(mount.name, kind, reason,
    core.encode(definition, true) or "?"):sub(1, 500))
end

-- A copy without members that are null: other servers write them for "nothing".
local function copy(definition)
  local out = {}
  for key, member in pairs(definition) do
    if member ~= value.null then out[key] = member end
  end
  return out
end

-- A function that completes any argument, there.
local function completers(mount, ref)
  return setmetatable({}, { __index = function(_, argument)
    return function(text, ctx, chosen) return mount:complete(ctx, ref, argument, text, chosen) end
  end })
end

local function object(given) return type(given) == "table" and value.is_object(given) end

local make = {}

function make.tools(mount, definition)
  local inner = definition.name
  if type(inner) ~= "string" or inner == "" then
    return skipped(mount, "tool", definition, "name: expected a string")
  end
  if not object(definition.inputSchema) then
    return skipped(mount, "tool", definition, "inputSchema: expected an object")
  end
  local execution = definition.execution
  local task = object(execution) and execution.taskSupport
  local required = task == "required"
  local entry = { kind = "tool", inner = inner, name = mount.names:name(inner),
    -- A client without tasks may call what there must be one: the task is then ours.
    task = (required or task == "optional") and "optional" or nil }
  function entry.handler(args, ctx) return mount:call_tool(ctx, inner, args, required) end
  local output = definition.outputSchema
  entry.wrapped = output ~= nil and (type(output) ~= "table" or output.type ~= "object")
  definition.execution = entry.task and { taskSupport = entry.task }
  definition.name = entry.name
  entry.input = definition.inputSchema
  local text = core.encode(entry.input)
  if text and text:find('"x-mcp-header"', 1, true) then
    local ok, found = pcall(require("mcp.message.param_headers").find, entry.input)
    entry.mirrors = ok and found or nil
  end
  return entry
end

function make.prompts(mount, definition)
  local inner = definition.name
  if type(inner) ~= "string" or inner == "" then
    return skipped(mount, "prompt", definition, "name: expected a string")
  end
  local entry = { kind = "prompt", inner = inner, name = mount.names:name(inner), arguments = {},
    known = {} }
  local list = value.array {}
  for _, argument in ipairs(value.list(definition.arguments)) do
    if type(argument) == "table" and type(argument.name) == "string" then
      list[#list + 1] = copy(argument)
      entry.known[argument.name] = true
    end
  end
  definition.name, definition.arguments = entry.name, list[1] and list or nil
  function entry.handler(args, ctx) return mount:get_prompt(ctx, inner, args) end
  if mount.completes then
    entry.complete = completers(mount, { type = "ref/prompt", name = inner })
  end
  return entry
end

local function reader(mount)
  return function(_, ctx) return mount:read_resource(ctx, mount.names:inner_uri(ctx.uri)) end
end

local function watcher(mount)
  return function(ctx, asked) return mount:watch(ctx, mount.names:inner_uri(asked)) end
end

function make.resources(mount, definition)
  local inner = definition.uri
  if type(inner) ~= "string" or not uri.valid_absolute(inner) then
    return skipped(mount, "resource", definition, "uri: expected an absolute URI")
  end
  local entry = { kind = "resource", inner = inner, name = mount.names:uri(inner),
    mime = type(definition.mimeType) == "string" and definition.mimeType or nil,
    handler = reader(mount), watch = watcher(mount) }
  definition.uri = entry.name
  return entry
end

function make.templates(mount, definition)
  local inner = definition.uriTemplate
  if type(inner) ~= "string" then
    return skipped(mount, "template", definition, "uriTemplate: expected a string")
  end
  local entry = { kind = "template", inner = inner, name = mount.names:uri(inner),
    mime = type(definition.mimeType) == "string" and definition.mimeType or nil, known = {},
    handler = reader(mount), watch = watcher(mount) }
  local text
  entry.template, text = uri.template(entry.name)
  if not entry.template then return skipped(mount, "template", definition, text) end
  for _, variable in ipairs(entry.template.variables) do entry.known[variable] = true end
  definition.uriTemplate = entry.name
  if mount.completes then
    entry.complete = completers(mount, { type = "ref/resource", uri = inner })
  end
  return entry
end

---Logs that a transform raises for an entry, which is therefore left out.
---@param mount table
---@param entry table before the transform
---@param text string
function entries.note_left_out(mount, entry, text)
  core.log("error",
    ("mount %q: %s is left out: %s"):format(mount.name, entry.name, text):sub(1, 500))
end

---An entry for a resource that the other server has not listed.
---@param mount table
---@param inner string its URI there
---@return table entry
function entries.unlisted(mount, inner)
  return entries.gated(mount, { kind = "resource", inner = inner, name = mount.names:uri(inner),
    handler = reader(mount), watch = watcher(mount), mount = mount, relayed = true,
    definition = {} })
end

---An entry for a tool or prompt that the list of the app does not have.
---@param mount table
---@param kind "tools"|"prompts"
---@param inner string its name there
---@return table entry
function entries.named(mount, kind, inner)
  local entry = { kind = kind == "tools" and "tool" or "prompt", inner = inner,
    name = mount.names:name(inner), mount = mount, relayed = true, definition = {} }
  function entry.handler(args, ctx)
    if kind == "tools" then return mount:call_tool(ctx, inner, args) end
    return mount:get_prompt(ctx, inner, args)
  end
  return entries.gated(mount, entry)
end

---What an entry is kept under in a registry.
---@param kind "tools"|"prompts"|"resources"|"templates"
---@param entry table
---@return string
function entries.key(kind, entry)
  if kind == "resources" or kind == "templates" then return uri.normal_template(entry.name) end
  return entry.name
end

---The options of a mount that hold for each of its entries.
---@param mount table
---@param entry table
---@return table entry
function entries.gated(mount, entry)
  local inner, outer = entry.visible, mount.options.visible
  local visible = outer or inner
  if inner and outer then
    function visible(ctx) return outer(ctx) and inner(ctx) end
  end
  return gate.add(entry, { visible = visible, timeout = mount.options.timeout or entry.timeout,
    scopes = mount.options.scopes or entry.scopes })
end

---The entries for a list. Those that are as before are the same tables, so that a list that was
---only fetched again has not changed.
---@param mount table names, options, transforms
---@param kind "tools"|"prompts"|"resources"|"templates"
---@param list table[] definitions as the other server sent them
---@param before table[] the entries of the last list
---@return table[] entries and `raised`, texts by definition that a transform raises for
function entries.of(mount, kind, list, before)
  local known, out = {}, { raised = {} }
  for _, entry in ipairs(before) do known[entry.sent] = entry end
  for _, given in ipairs(list) do
    local sent = core.encode(given, true)
    local entry = sent and known[sent]
    if sent and not entry then
      local definition = copy(given)
      entry = make[kind](mount, definition)
      if entry then
        definition._meta = mount.names:meta(definition._meta)
        entry.definition, entry.sent, entry.mount = definition, sent, mount
        entry.relayed = true
        -- An app with pages declares the extension.
        local meta = definition._meta
        entry.ui = type(meta) == "table" and type(meta.ui) == "table" or nil
        local text
        local made = entries.gated(mount, entry)
        entry, text = mount:transform(made)
        if text then
          -- The list may be read again every few seconds.
          if not before.raised or before.raised[sent] ~= text then
            entries.note_left_out(mount, made, text)
          end
          out.raised[sent] = text
        end
      end
      if entry and #entry.name > LONG and (kind == "tools" or kind == "prompts") then
        core.log("warning", ("mount %q: the name %s has %d characters; models take %d at most")
          :format(mount.name, entry.name, #entry.name, LONG))
      end
    end
    if entry then out[#out + 1] = entry end
  end
  return out
end

return entries
