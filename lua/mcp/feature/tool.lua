-- SPDX-License-Identifier: MIT
-- tool: registering, listing and calling tools.
local content = require "mcp.content"
local core = require "mcp.core"
local failure = require "mcp.failure"
local protocol = require "mcp.protocol"
local registry = require "mcp.feature.registry"
local value = require "mcp.value"

local tool = {}

tool.options = {
  title = "string", description = "string", input = "table", output = "any",
  input_schema = "table", output_schema = "table", annotations = "table",
  icons = "table", meta = "table",
}

-- A tool without arguments (protocol, Tools: the recommended form).
local NO_INPUT = { type = "object", additionalProperties = false }

-- Compiles a schema; what is wrong with it is wrong where the tool is declared.
local function compile(what, schema)
  local check, message = require("mcp.schema").compile(schema)
  if not check then error(("%s: %s"):format(what, message), 0) end
  return check
end

local function schema_of(what, shorthand, full)
  if shorthand ~= nil and full ~= nil then
    error(("%s: give %s or %s_schema, not both"):format(what, what, what), 0)
  end
  if full ~= nil then return full end
  if shorthand == nil then return nil end
  return require("mcp.schema").from_shorthand(shorthand)
end

-- The schema as a revision without free roots shows it: wrapped, so that what
-- the tool returns can be wrapped in step. References move with it.
local function wrap_schema(schema)
  local function move(node)
    if type(node) ~= "table" or node == value.null then return node end
    local out = {}
    for key, member in pairs(node) do
      if key == "$ref" and type(member) == "string" and member:find("^#/") then
        member = "#/properties/result" .. member:sub(2)
      elseif key == "$ref" and member == "#" then
        member = "#/properties/result"
      end
      out[key] = move(member)
    end
    return setmetatable(out, getmetatable(node))
  end
  return { type = "object", properties = { result = move(schema) },
    required = value.array { "result" } }
end

---Makes the entry of a tool out of its options. Raises (level 0) what is wrong.
---@param name string
---@param options table
---@param handler fun(args: table, ctx: table): ...
---@return table entry
function tool.new(name, options, handler)
  local input = schema_of("input", options.input, options.input_schema)
  local output = schema_of("output", options.output, options.output_schema)
  local entry = { name = name, handler = handler, kind = "tool" }
  if input and input.type ~= "object" then
    error('input_schema: type must be "object"', 0)
  end
  if input then
    entry.check = compile("input", input)
    entry.defaults = require("mcp.schema").defaults(input)
    entry.input = input
  end
  if output ~= nil then
    entry.check_output = compile("output", output)
    -- Is the root an object? Only then older revisions can show it as it is.
    entry.wrapped = type(output) ~= "table" or output.type ~= "object"
  end
  entry.definition = {
    name = name, title = options.title, description = options.description,
    inputSchema = input or NO_INPUT, outputSchema = output,
    annotations = options.annotations, icons = options.icons, _meta = options.meta,
  }
  return entry
end

local function define(entry, facts)
  local definition = registry.view(entry.definition, facts.tool)
  if entry.wrapped and definition.outputSchema ~= nil and facts.structured == "object" then
    definition.outputSchema = wrap_schema(entry.definition.outputSchema)
  end
  return definition
end

---tools/list
function tool.list(app, ctx)
  local facts = ctx.revision
  return app.tools:list(facts,
    function(entry) return define(entry, facts) end,
    function(list) return app:cacheable(facts, { tools = list }) end)
end

local function text_result(text, is_error)
  return { content = { { type = "text", text = text } }, isError = is_error }
end

---A result that says what went wrong, for the model to read.
---@param text string
---@return table
function tool.failed(text) return text_result(text, true) end

local BAD_TYPES = { ["function"] = true, thread = true, userdata = true }

-- Is it a list of content only?
local function is_content_list(list)
  if type(list) ~= "table" or list[1] == nil then return false end
  for _, item in ipairs(list) do
    if not content.is(item) then return false end
  end
  return true
end

-- A value becomes structured content, with its JSON as text for those who
-- cannot read that.
local function structured_result(entry, facts, result)
  local text, why = core.encode(result, true)
  if not text then
    return tool.failed(("tool %q returned what JSON cannot carry: %s"):format(entry.name, why))
  end
  local out = { content = { { type = "text", text = text } } }
  if facts.structured == "none" then return out end
  if facts.structured == "object" and (entry.wrapped or not value.is_object(result)) then
    result = { result = result }
  end
  out.structuredContent = result
  return out
end

-- What a revision has no content type for goes out as text.
local function adapt(facts, items)
  if facts.audio and facts.resource_link then return items end
  local out = value.array {}
  for i, item in ipairs(items) do
    if item.type == "audio" and not facts.audio then
      item = { type = "text", text = ("[audio, %s, not known to this protocol revision]")
        :format(item.mimeType) }
    elseif item.type == "resource_link" and not facts.resource_link then
      item = { type = "text", text = ("%s: %s"):format(item.name, item.uri) }
    end
    out[i] = item
  end
  return out
end

-- Checks structured content against the tool's own promise.
local function keeps_promise(entry, result)
  if not entry.check_output then return true end
  local ok, errors = entry.check_output(result)
  if ok then return true end
  local text = require("mcp.schema").explain(errors, result, nil)
  core.log("error", ("tool %q: its result does not fit its output schema: %s")
    :format(entry.name, text))
  return false, tool.failed(("tool %q: its result does not fit its output schema: %s")
    :format(entry.name, text))
end

-- Turns what the handler returned into a result.
local function convert(entry, ctx, first, ...)
  local facts, kind = ctx.revision, type(first)
  if kind == "string" then
    if not entry.check_output then
      if select("#", ...) == 0 then return text_result(first) end
    else
      local ok, bad = keeps_promise(entry, first)
      if not ok then return bad end
      return structured_result(entry, facts, first)
    end
  end
  if first == nil and select("#", ...) > 0 and type((...)) == "string" then
    -- `return nil, "what went wrong"`, the way Lua's own functions fail.
    return tool.failed((...))
  end
  if content.is(first) then return { content = adapt(facts, value.array { first, ... }) } end
  if kind == "string" then
    local items = value.array { content.text(first), ... }
    if is_content_list(items) then return { content = adapt(facts, items) } end
    return text_result(first)
  end
  if is_content_list(first) then return { content = adapt(facts, value.array(first)) } end
  if first == nil then
    if entry.check_output then
      local ok, bad = keeps_promise(entry, value.null)
      if not ok then return bad end
    end
    return { content = value.array {} }
  end
  if BAD_TYPES[kind] and first ~= value.null then
    return tool.failed(("tool %q returned a %s; a string, number, boolean, table or content "
      .. "was expected"):format(entry.name, kind))
  end
  if kind == "table" and type(first.content) == "table" then
    local result = {}
    for key, member in pairs(first) do result[key] = member end
    result.content = adapt(facts, value.array(result.content))
    if result.structuredContent ~= nil and not result.isError then
      local ok, bad = keeps_promise(entry, result.structuredContent)
      if not ok then return bad end
    end
    if facts.structured == "none" then
      result.structuredContent = nil
    elseif facts.structured == "object" and result.structuredContent ~= nil
      and (entry.wrapped or not value.is_object(result.structuredContent)) then
      result.structuredContent = { result = result.structuredContent }
    end
    return result
  end
  local ok, bad = keeps_promise(entry, first)
  if not ok then return bad end
  return structured_result(entry, facts, first)
end

-- An unknown tool is an error of the protocol, and names the nearest ones.
local function unknown(app, name)
  if type(name) ~= "string" then
    return failure.new(protocol.INVALID_PARAMS, "tools/call: name: string expected, got "
      .. (name == nil and "nothing" or value.kind(name)))
  end
  local near = require("mcp.schema.nearest").find(name, app.tools:names())
  return failure.new(protocol.INVALID_PARAMS, near
    and ("Unknown tool: %s (did you mean %s?)"):format(name, near)
    or ("Unknown tool: %s"):format(name))
end

---tools/call
function tool.call(app, ctx, params)
  local entry = app.tools.by_name[params.name]
  if not entry then return nil, unknown(app, params.name) end
  local args = params.arguments
  if args == nil then
    args = {}
  elseif type(args) ~= "table" or not value.is_object(args) and next(args) ~= nil then
    return nil, failure.new(protocol.INVALID_PARAMS,
      "tools/call: arguments: object expected, got " .. value.kind(args))
  end
  ctx.entry = entry
  if entry.defaults then args = entry.defaults(args) end
  if entry.check then
    local ok, errors = entry.check(args)
    if not ok then
      return tool.failed(("tool %q: %s"):format(entry.name,
        require("mcp.schema").explain(errors, args, entry.input)))
    end
  end
  return convert(entry, ctx, entry.handler(args, ctx))
end

return tool
