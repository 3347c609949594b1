-- SPDX-License-Identifier: MIT
-- tool_entry: the entry of a tool, out of its options. It has what every look at it needs; what
-- only calls need, such as the check of arguments, is made at the first call. What is wrong with
-- the options is raised when they are given, without a position (level 0).
local core = require "mcp.core"
local definition = require "mcp.server.feature.definition"
local gate = require "mcp.server.feature.gate"
local metadata = require "mcp.later" "mcp.server.feature.metadata"
local tool_name = require "mcp.server.feature.tool_name"
local ui = require "mcp.later" "mcp.message.ui"

local tool_entry = {}

tool_entry.options = {
  title = "string", description = "string", input = "table", output = "any",
  input_schema = "table", output_schema = "table", annotations = "table",
  icons = "table", meta = "table", visible = "function", timeout = "number",
  scopes = "table", task = "string", prepare = "function", budget = "table", ui = "string|table",
  -- mcp.worker makes the handler of these
  worker = "any", threads = "number", queue = "number", process = "boolean",
  untrusted = "boolean", stuck = "number",
}

---The members of a definition that a tool may have or not; see tool_entry.new.
tool_entry.MEMBERS = { "title", "description", "outputSchema", "annotations", "icons", "_meta",
  "execution" }

-- What only a tool with a worker has.
local OF_WORKERS = { "threads", "queue", "process", "untrusted", "stuck" }

-- A tool without arguments (protocol, Tools: the recommended form).
local NO_INPUT = { type = "object", additionalProperties = false }

-- How a tool can be called: not as a task, also, or only.
local TASK = { forbidden = true, optional = true, required = true }

-- What is wrong with a schema is wrong where the tool is declared.
local function check_schema(what, shorthand, schema)
  local problem = require("mcp.schema").problem(schema, shorthand)
  if problem then error(("%s: %s"):format(what, problem), 0) end
end

local function schema_of(what, shorthand, full)
  if shorthand ~= nil and full ~= nil then
    error(("%s: give %s or %s_schema, not both"):format(what, what, what), 0)
  end
  if full ~= nil then return full end
  if shorthand == nil then return nil end
  return require("mcp.schema").from_shorthand(shorthand, 0)
end

---What was given to a tool and belongs elsewhere: an error text, or nil.
---@param options table
---@return string|nil
function tool_entry.misplaced(options)
  if options.csp == nil and options.permissions == nil and options.domain == nil
    and options.prefers_border == nil then
    return nil
  end
  local page = options.ui
  return ui.misplaced(options, type(page) == "table" and page.uri or page)
end

-- What goes out as _meta; and into the entry, which page belongs to the tool.
local function meta_of(entry, options)
  local meta = metadata.meta(options.meta)
  if meta and (meta.ui ~= nil or meta["ui/resourceUri"] ~= nil) then ui.check_meta(meta) end
  if options.ui == nil then return meta end
  local out
  out, entry.page = ui.of_tool(options.ui)
  entry.ui = true
  for key, member in pairs(meta or {}) do out[key] = member end
  return out
end

-- --- what is made at first use ------------------------------------------------------------------

-- False stands for what a tool has not: after the first call no look at an entry is a miss.
local MAKE = {}

-- Members that calls look at, and that most tools have not.
local RARE = { "task", "wrapped", "mirrors", "relayed", "scopes" }

function MAKE.check(entry)
  local checked = rawget(entry, "check") ~= false
  local schema = checked and require "mcp.schema"
  -- A transform may have changed what is shown (server/transform.lua).
  local before = rawget(entry, "checked")
  local input = checked and (before and assert(core.decode(before)) or entry.definition).inputSchema
  entry.input = rawget(entry, "input") or input
  local text = before or rawget(entry, "text")
  entry.defaults = checked and (not text or text:find('"default"', 1, true))
    and schema.defaults(input) or false
  entry.check = checked and schema.validator(input)
  for _, name in ipairs(RARE) do entry[name] = rawget(entry, name) or false end
end

MAKE.input, MAKE.defaults = MAKE.check, MAKE.check

function MAKE.check_output(entry)
  local output = definition.member(entry, "outputSchema")
  entry.check_output = output ~= nil and require("mcp.schema").validator(output)
end

local Entry = { __name = "mcp.tool" }

function Entry.__index(entry, key)
  if key == "definition" then return definition.of(entry) end
  local make = MAKE[key]
  if not make then return nil end
  make(entry)
  return rawget(entry, key)
end

-- --- making -------------------------------------------------------------------------------------

-- Keeps what clients see of a tool.
local function keep(entry, options, input, output)
  local made = { name = entry.name, description = options.description,
    inputSchema = input or NO_INPUT }
  made.title, made.outputSchema = options.title, output
  if options.annotations then made.annotations = metadata.tool_annotations(options.annotations) end
  if options.icons then made.icons = metadata.icons(options.icons) end
  if options.meta or options.ui ~= nil then made._meta = meta_of(entry, options) end
  if entry.task then made.execution = { taskSupport = entry.task } end
  local text, reason = definition.keep(entry, made)
  if text then return text end
  metadata.check_texts(options, "title", "description")
  error(reason, 0)
end

---Makes the entry of a tool out of its options. Raises (level 0) what is wrong.
---@param name string
---@param options table
---@param handler fun(args: table, ctx: table): ...
---@return table entry
function tool_entry.new(name, options, handler)
  tool_name.check(name)
  local input = schema_of("input", options.input, options.input_schema)
  local output = schema_of("output", options.output, options.output_schema)
  -- All at once, and `at` and `token` with them: a table that grows is made several times.
  local entry = { name = name, handler = handler, kind = "tool", text = false, gated = false,
    at = false, token = false }
  if options.task and not TASK[options.task] then
    error(('task: expected "optional", "required" or "forbidden", got %q'):format(options.task), 0)
  end
  if options.task ~= "forbidden" then entry.task = options.task end
  if options.prepare and not entry.task then
    error("prepare: only a tool that can be a task has it", 0)
  end
  entry.prepare = options.prepare
  for i = 1, options.worker == nil and #OF_WORKERS or 0 do
    if options[OF_WORKERS[i]] ~= nil then
      error(('option %q: only a tool with a worker has it: worker = "file.lua"')
        :format(OF_WORKERS[i]), 0)
    end
  end
  if input and input.type ~= "object" then
    error('input_schema: type must be "object"', 0)
  end
  if input then check_schema("input", options.input, input) end
  if output ~= nil then
    check_schema("output", options.output, output)
    -- Is the root an object? Only then older revisions can show it as it is.
    entry.wrapped = type(output) ~= "table" or output.type ~= "object" or nil
  end
  local text = keep(entry, options, input, output)
  if not input then
    entry.check = false
  elseif text:find('"x-mcp-header"', 1, true) then
    -- Loaded only for a schema that has the keyword.
    entry.mirrors = require("mcp.message.param_headers").find(input)
  end
  return setmetatable(gate.add(entry, options), Entry)
end

return tool_entry
