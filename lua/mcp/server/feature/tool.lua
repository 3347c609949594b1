-- SPDX-License-Identifier: MIT
-- tool: listing and calling tools; tool_entry.lua makes their entries.
local content = require "mcp.later" "mcp.content"
local core = require "mcp.core"
local definition = require "mcp.server.feature.definition"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local gate = require "mcp.server.feature.gate"
local registry = require "mcp.server.feature.registry"
local tool_entry = require "mcp.server.feature.tool_entry"
local value = require "mcp.value"

local only_text = core.only_text

local tool = {}

tool.options, tool.new, tool.misplaced = tool_entry.options, tool_entry.new, tool_entry.misplaced

local function define(entry, facts)
  -- A client without tasks cannot call it.
  if entry.task == "required" and not facts.tasks then return nil end
  if entry.wrapped and facts.tool.outputSchema and facts.structured == "object" then
    -- In step with what convert does to the tool's results.
    local made = registry.view(entry.definition, facts.tool)
    if made.outputSchema ~= nil then
      made.outputSchema = require("mcp.schema.walk").wrap(made.outputSchema)
    end
    return made
  end
  return definition.view(entry, facts.tool, tool_entry.MEMBERS)
end

---tools/list
function tool.list(app, ctx, params)
  local facts, listed = ctx.revision, app.listed
  return gate.list(app, ctx, "tools", app.tools, params,
    function(entry) return (not listed or listed(entry)) and define(entry, facts) or nil end,
    function(list, following)
      return app:cacheable(facts, { tools = list, nextCursor = following })
    end)
end

local function text_result(text, is_error)
  return { content = { { type = "text", text = text } }, isError = is_error }
end

---The same with all that a revision wants in it.
---@param app table
---@param facts table of the revision
---@param text string
---@return table
function tool.stamped_text(app, facts, text)
  if not facts.stamp then return { content = { { type = "text", text = text } } } end
  return { content = { { type = "text", text = text } }, resultType = "complete",
    _meta = app.server_meta }
end

-- Stands for the text where the JSON around it is cut out; members are sorted, so that of several
-- such strings (an app may be named so) the text is the last one.
local MARK, MARKED = "\0", '^(.*)"\\u0000"(.*)$'

-- The JSON around the text of such a result, cut out of the table form: there is no second place
-- that knows it.
local function text_frame(app, facts)
  local frame = core.frame(core.encode(tool.stamped_text(app, facts, MARK), true):match(MARKED))
  app.text_frames[facts] = frame
  return frame
end

local LONGEST_COPIED = 4096 -- bytes of a text

-- What most calls end with, written without a table that would only be read once.
local function plain_text(app, ctx, text, outgoing)
  local facts = ctx.revision
  if not outgoing or #text > LONGEST_COPIED then return tool.stamped_text(app, facts, text) end
  return core.framed(app.text_frames[facts] or text_frame(app, facts), text)
    or tool.stamped_text(app, facts, text)
end

---A result that says what went wrong, for the model to read.
---@param text string
---@return table
function tool.failed(text) return text_result(text, true) end

local BAD_TYPES = { ["function"] = true, thread = true, userdata = true }

-- Contents out of a list of `n`: content, and strings between it as text. nil
-- and a complaint for anything else.
local function contents(entry, list, n)
  local out = value.array {}
  for i = 1, n do
    local item = list[i]
    if type(item) == "string" then
      item = content.text(item)
    elseif type(item) ~= "table" and item ~= nil then
      return nil, tool.failed(("tool %q: content %d: expected content or a string, got %s")
        :format(entry.name, i, item == value.null and "null" or type(item)))
    end
    out[#out + 1] = item
  end
  return out
end

-- A value becomes structured content, with its JSON as text for those who
-- cannot read that.
local function structured_result(entry, facts, result)
  local text, reason = core.encode(result, true)
  if not text then
    return tool.failed(("tool %q returned what JSON cannot carry: %s"):format(entry.name, reason))
  end
  local out = { content = { { type = "text", text = text } } }
  if facts.structured == "none" then return out end
  if facts.structured == "object" and (entry.wrapped or not value.is_object(result)) then
    result = { result = result }
  end
  out.structuredContent = result
  return out
end

-- Checks structured content against the tool's own promise.
local function keeps_promise(entry, result)
  if not entry.check_output then return true end
  local ok, problems = entry.check_output(result)
  if ok then return true end
  local text = require("mcp.schema").explain(problems, result, nil, "member")
  core.log("error", ("tool %q: its result does not fit its output schema: %s")
    :format(entry.name, text))
  return false, tool.failed(("tool %q: its result does not fit its output schema: %s")
    :format(entry.name, text))
end

-- A tool with an output schema returns structured content, or an error
-- (protocol, Tools: MUST).
local function without_structure(entry)
  return tool.failed(("tool %q: its output schema promises structured content, and none was "
    .. "returned"):format(entry.name))
end

-- A whole result, as the protocol has it.
local function whole_result(entry, facts, given)
  local result = {}
  for key, member in pairs(given) do result[key] = member end
  local list = given.content
  if list.type ~= nil then list = { list } end
  local items, failed = contents(entry, list, #list)
  if failed then return failed end
  result.content = content.adapt(facts, items)
  if result.isError then return result end
  if result.structuredContent == nil then
    return entry.check_output and without_structure(entry) or result
  end
  local ok, bad = keeps_promise(entry, result.structuredContent)
  if not ok then return bad end
  if facts.structured == "none" then
    result.structuredContent = nil
  elseif facts.structured == "object"
    and (entry.wrapped or not value.is_object(result.structuredContent)) then
    result.structuredContent = { result = result.structuredContent }
  end
  return result
end

-- Contents, given one by one or as a list.
local function content_result(entry, facts, list, n)
  if entry.check_output then return without_structure(entry) end
  local items, bad = contents(entry, list, n)
  return bad or { content = content.adapt(facts, items) }
end

-- A handler that returns nothing has often lost its `return`: said once for each tool. One that was
-- cancelled, or is too late, has nothing to return.
local function note_nothing(entry, ctx)
  if entry.said_nothing or ctx:cancelled() then return end
  entry.said_nothing = true
  core.log("warning", ('tool %q: its handler returned nothing, so the client gets an empty result '
    .. '(return "" if that is meant)'):format(entry.name))
end

-- What another server has answered (lua/mcp/mount), in the form of the revision. It is this call's
-- own, so it is changed in place.
local function relayed_result(entry, facts, result)
  local given = result.structuredContent
  if given == nil or result.isError then return result end
  if facts.structured == "none" then
    result.structuredContent = nil
  elseif facts.structured == "object" and (entry.wrapped or not value.is_object(given)) then
    result.structuredContent = { result = given }
  end
  return result
end

-- Turns what the handler returned into a result.
local function convert(app, entry, ctx, outgoing, first, ...)
  local facts, kind, second = ctx.revision, type(first), ...
  -- What comes after a string may be no part of it, as with string.gsub.
  if kind == "string" and (second == nil or not content.is(second)) then
    if not entry.check_output then return plain_text(app, ctx, first, outgoing) end
    local ok, bad = keeps_promise(entry, first)
    if not ok then return bad end
    return structured_result(entry, facts, first)
  end
  if first == nil and type(second) == "string" then
    -- `return nil, "what went wrong"`, the way Lua's own functions fail.
    return tool.failed(second)
  end
  if kind == "string" or content.is(first) then
    return content_result(entry, facts, { first, ... }, 1 + select("#", ...))
  end
  if first == nil then
    if not entry.check_output then
      note_nothing(entry, ctx)
      return { content = value.array {} }
    end
    first = value.null
  end
  if BAD_TYPES[kind] and first ~= value.null then
    return tool.failed(("tool %q: expected a string, number, boolean, table or content as its "
      .. "result, got a %s"):format(entry.name, kind))
  end
  if kind == "table" then
    if app.extensions and app.extensions:is_result(first) then
      return app.extensions:result(ctx, first)
    end
    if entry.relayed and facts.audio and facts.resource_link and value.is_array(first.content) then
      return relayed_result(entry, facts, first)
    end
    if content.is(first[1]) then return content_result(entry, facts, first, #first) end
    if type(first.content) == "table" then return whole_result(entry, facts, first) end
  end
  local ok, bad = keeps_promise(entry, first)
  if not ok then return bad end
  return structured_result(entry, facts, first)
end

-- The same for a result that is only written.
local function convert_sent(ctx, ...) return convert(ctx.app, ctx.entry, ctx, true, ...) end

-- An unknown tool is an error of the protocol, and names the nearest ones.
local function unknown(app, ctx, name)
  if type(name) ~= "string" then
    return failure.new(errors.INVALID_PARAMS, "tools/call: name: expected a string, got "
      .. (name == nil and "nothing" or value.kind(name)))
  end
  -- The text is for a model, which is not shown what is for pages alone (APP-22).
  local near = require("mcp.nearest").find(name, gate.names(app.tools, ctx, gate.for_model))
  return failure.new(errors.INVALID_PARAMS, near
    and ("Unknown tool: %s (did you mean %s?)"):format(name, near)
    or ("Unknown tool: %s"):format(name))
end

local function no_object(args)
  return failure.new(errors.INVALID_PARAMS,
    "tools/call: arguments: expected an object, got " .. value.kind(args))
end

-- What the handler gets, or nil and what the call is answered with.
local function arguments_of(entry, args)
  if args == nil then args = {} end
  if entry.defaults then args = entry.defaults(args) end
  local check = entry.check
  if not check then
    if type(args) ~= "table" or not value.is_object(args) then return nil, nil, no_object(args) end
    return args
  end
  local ok, problems = check(args)
  if ok then
    -- true: there are floats such as 3.0 where the schema says integer.
    return problems and require("mcp.schema").apply_integers(entry.input, args) or args
  end
  if type(args) ~= "table" or not value.is_object(args) then return nil, nil, no_object(args) end
  return nil, tool.failed(("tool %q: %s"):format(entry.name,
    require("mcp.schema").explain(problems, args, entry.input)))
end

-- What is said of a tool whose calls show the context to no code but ours, when its result cannot
-- be encoded: no part of its script. Its handler is a function that takes arguments only. False
-- for all other tools.
local function label_of(entry)
  local handler = entry.handler
  local info = not entry.gated and type(handler) == "function" and debug.getinfo(handler, "u")
  return info and not info.isvararg and info.nparams <= 1
    and { kind = entry.kind, name = entry.name } or false
end

-- What is known of a tool after its first call: `read`, which is arguments_of or does the same
-- sooner; `whole`, whether its results have a schema; `label`.
local plans = setmetatable({}, { __mode = "k", __index = function(known, entry)
  local function read(given) return arguments_of(entry, given) end
  local flat = entry.check and not entry.defaults
    and require("mcp.schema").reader(entry.input, read)
  local plan = { read = flat or read, whole = entry.check_output and true or false,
    label = label_of(entry) }
  known[entry] = plan
  return plan
end })

---Do calls of the tool show the context to no code but ours?
---@param entry table
---@return boolean
function tool.is_blind(entry) return plans[entry].label ~= false end

---For server/feature/task.lua, which is below: the parts of a call. server/dispatch.lua adds
---`guarded`.
function tool.arguments(entry, params) return arguments_of(entry, params.arguments) end

---@param app table
---@param ctx table
---@param entry table
---@param args table
---@param prepared any what the tool's `prepare` has made
---@return table result
function tool.run(app, ctx, entry, args, prepared)
  return convert(app, entry, ctx, false, entry.handler(args, ctx, prepared))
end

---A call of the tool that is `ctx.entry`, which is no task.
---@param app table
---@param ctx table
---@param given any its arguments
---@param outgoing boolean|table|nil as of tool.call
---@return table|userdata|string|nil result
---@return table|nil err
---@return userdata|nil frame
function tool.called(app, ctx, given, outgoing)
  local entry = ctx.entry
  local plan = plans[entry]
  local args, result, err = plan.read(given)
  if not args then return result, err end
  if outgoing == true or not outgoing or plan.whole then
    return convert(app, entry, ctx, outgoing, entry.handler(args, ctx))
  end
  local plain
  result, err, plain = only_text(convert_sent, ctx, entry.handler(args, ctx))
  if plain ~= true then return result, err end
  local facts, label = ctx.revision, plan.label
  -- No other code can have kept the context, so the next call gets it. With a token it has beats.
  if label and outgoing.token == nil and not ctx.asking then
    -- What a connection keeps must not keep the entry, which is its script's (server/reload.lua),
    -- or a session that has ended.
    outgoing.spare, ctx.entry, ctx.own_session = ctx, label, false
  end
  return result, nil, app.text_frames[facts] or text_frame(app, facts)
end

---tools/call
---@param app table
---@param ctx table
---@param params table
---@param outgoing boolean|table|nil the result is only written; a table: by what knows frames, and
---keeps the context for the next call in `spare` if this one has shown it to no code but ours
---@return table|userdata|string|nil result
---@return table|nil err
---@return userdata|nil frame core.frame, in which the result stands
function tool.call(app, ctx, params, outgoing)
  local name = params.name
  local entry = app.tools.by_name[name] or app.mounts and app.mounts:named(ctx, "tools", name)
  if not entry or entry.gated and not gate.pass(entry, ctx) then
    return nil, unknown(app, ctx, name)
  end
  ctx.entry = entry
  if entry.task or params.task ~= nil then
    -- Loaded by servers that have such tools, and clients that ask for them.
    return require("mcp.server.feature.task").call(app, ctx, entry, params, tool)
  end
  return tool.called(app, ctx, params.arguments, outgoing)
end

return tool
