-- SPDX-License-Identifier: MIT
-- completion: completes the arguments of prompts and the variables of resource templates:
--
--   complete = {
--     language = { "c", "lua", "python" },              by prefix, ignoring case
--     file = function(text, ctx, chosen) return list end,
--   }
--
-- `chosen` has the arguments that the user has filled in already, in revisions that send them. A
-- function may return, after its list, the total number of values, or true if there are more and
-- the number is unknown.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local gate = require "mcp.server.feature.gate"
local uri = require "mcp.later" "mcp.uri"
local value = require "mcp.value"

local completion = {}

---Values in one answer (protocol, Completion: MUST).
completion.MAX = 100

-- A completer out of a list of strings.
local function from_list(name, list)
  local lower = {}
  for i, text in ipairs(list) do
    if type(text) ~= "string" then
      error(("complete: %q: [%d]: expected a string, got %s"):format(name, i, type(text)), 0)
    end
    local valid, at = utf8.len(text)
    if not valid then
      error(("complete: %q: [%d]: not valid UTF-8 at byte %d"):format(name, i, at), 0)
    end
    lower[i] = text:lower()
  end
  for key in pairs(list) do
    if math.type(key) ~= "integer" or key < 1 or key > #lower then
      error(("complete: %q: expected a list of strings or a function"):format(name), 0)
    end
  end
  return function(text)
    text = text:lower()
    local found = {}
    for i, candidate in ipairs(lower) do
      if candidate:sub(1, #text) == text then found[#found + 1] = list[i] end
    end
    return found
  end
end

---Checks the option `complete`. Raises (level 0) what is wrong.
---@param given table|nil
---@param known table<string, boolean> the names of the arguments
---@return table<string, function>|nil completers by name
function completion.compile(given, known)
  if given == nil then return nil end
  local completers = {}
  for name, completer in pairs(given) do
    if not known[name] then
      local nearest = require "mcp.nearest"
      error("complete: " .. nearest.unknown("argument", name, nearest.keys(known)), 0)
    end
    if type(completer) == "table" and not (getmetatable(completer) or {}).__call then
      completer = from_list(name, completer)
    elseif type(completer) ~= "function" and type(completer) ~= "table" then
      error(("complete: %q: expected a list of strings or a function, got %s")
        :format(name, type(completer)), 0)
    end
    completers[name] = completer
  end
  return next(completers) and completers or nil
end

---Does any of these entries complete anything?
---@param entries table[]
---@return boolean
function completion.any(entries)
  for _, entry in ipairs(entries) do
    if entry.complete then return true end
  end
  return false
end

local function invalid(text, ...)
  return nil, failure.new(errors.INVALID_PARAMS, "completion/complete: " .. text:format(...))
end

local function unknown(noun, name, registry, ctx)
  local near = require("mcp.nearest").find(name, gate.names(registry, ctx))
  return invalid("unknown %s: %s%s", noun, name,
    near and (" (did you mean %s?)"):format(near) or "")
end

local function got(given) return given == nil and "nothing" or value.kind(given) end

---The template, or resource, of a reference, whichever way its address is spelt.
---@param app table
---@param asked any
---@return table|nil entry
function completion.resource_of(app, asked)
  if type(asked) ~= "string" or #asked > uri.LENGTH then return nil end
  -- A resource without variables may be spoken of; there is no argument of it to complete.
  return app.templates.by_name[uri.normal_template(asked)]
    or app.resources.by_name[uri.normal(asked)]
end

-- The prompt or template that is spoken of.
local function target(app, ref, ctx)
  if type(ref) ~= "table" then return invalid("ref: expected an object, got %s", got(ref)) end
  value.drop_nulls(ref)
  if ref.type == "ref/prompt" then
    if type(ref.name) ~= "string" then
      return invalid("ref.name: expected a string, got %s", got(ref.name))
    end
    local entry = app.prompts.by_name[ref.name]
    if not entry or not gate.sees(entry, ctx) then
      return unknown("prompt", ref.name, app.prompts, ctx)
    end
    return entry
  elseif ref.type == "ref/resource" then
    if type(ref.uri) ~= "string" then
      return invalid("ref.uri: expected a string, got %s", got(ref.uri))
    end
    local entry = completion.resource_of(app, ref.uri)
    if not entry or not gate.sees(entry, ctx) then
      return unknown("resource template", ref.uri, app.templates, ctx)
    end
    return entry
  end
  return invalid('ref.type: expected "ref/prompt" or "ref/resource", got %s',
    type(ref.type) == "string" and ('"%s"'):format(ref.type) or got(ref.type))
end

-- The arguments that are settled already; none where the revision does not tell.
local function chosen_of(ctx, context)
  if not ctx.revision.completion_context or context == nil then return {} end
  if type(context) ~= "table" then
    return invalid("context: expected an object, got %s", got(context))
  end
  local chosen = value.drop_nulls(context, true).arguments
  if chosen == nil then return {} end
  if type(chosen) ~= "table" or not value.is_object(chosen) then
    return invalid("context.arguments: expected an object, got %s", got(chosen))
  end
  for name, text in pairs(chosen) do
    if type(text) ~= "string" then
      return invalid("context.arguments: %q: expected a string, got %s", name, got(text))
    end
  end
  return chosen
end

-- What a completer returned, as it goes out.
local function convert(entry, name, list, total)
  local function bad(text, ...)
    error(("%s %q: complete: %q: %s"):format(entry.kind, entry.name, name, text:format(...)), 0)
  end
  if list == nil then list = {} end
  if type(list) ~= "table" then bad("expected a list of strings, got %s", type(list)) end
  local values, left_out = value.array {}, 0
  for i, text in ipairs(list) do
    if type(text) ~= "string" then bad("[%d]: expected a string, got %s", i, type(text)) end
    local valid, at = utf8.len(text)
    if not valid then
      left_out = left_out + 1
      core.log("error", ("%s %q: complete: %q: [%d] is omitted: not valid UTF-8 at byte %d")
        :format(entry.kind, entry.name, name, i, at))
    elseif #values < completion.MAX then
      values[#values + 1] = text
    end
  end
  if total ~= nil and total ~= true then
    -- What a division gives is a float.
    local whole = math.type(total) and math.tointeger(total)
    if not whole or whole < 0 then
      bad("expected the number of values, or true, after the list, got %s", tostring(total))
    end
    total = whole
  end
  local count = #list - left_out
  local out = { values = values, hasMore = total == true or count > #values }
  if total ~= true then
    out.total = math.max(count, total or 0)
    out.hasMore = out.total > #values
  end
  return { completion = out }
end

---completion/complete
function completion.complete(app, ctx, params)
  local entry, err = target(app, params.ref, ctx)
  if not entry then return nil, err end
  local argument = params.argument
  if type(argument) ~= "table" then
    return invalid("argument: expected an object, got %s", got(argument))
  end
  local name, text = argument.name, argument.value
  if type(name) ~= "string" or type(text) ~= "string" then
    return invalid("argument: name and value: expected strings, got %s and %s", got(name),
      got(text))
  end
  local known = entry.known
  if not known or not known[name] then
    local nearest = require "mcp.nearest"
    return invalid("%s %q: %s", entry.kind, entry.name,
      nearest.unknown("argument", name, nearest.keys(known or {})))
  end
  local chosen
  chosen, err = chosen_of(ctx, params.context)
  if not chosen then return nil, err end
  -- Nothing is known of an argument without a completer; that is no mistake of the client's.
  local completer = entry.complete and entry.complete[name]
  if not completer then return convert(entry, name, nil) end
  ctx.entry = entry
  return convert(entry, name, completer(text, ctx, chosen))
end

return completion
