-- SPDX-License-Identifier: MIT
-- code_mode: a tool that runs a script of the model, which calls the other tools:
--
--   app:code_mode { budget = { time = 2, calls = 50 } }
--
-- The script runs in a process of its own (server/sandbox.lua). Its calls come here as notes and go
-- through server/nested.lua; this file counts them, answers its questions about tools, and makes
-- the result of what the script printed and returned.
local budgets = require "mcp.budget"
local catalog = require "mcp.server.catalog"
local core = require "mcp.core"
local gate = require "mcp.server.feature.gate"
local nearest = require "mcp.nearest"
local nested = require "mcp.server.nested"
local signature = require "mcp.signature"
local tool = require "mcp.server.feature.tool"
local value = require "mcp.value"
local worker = require "mcp.worker"

local code_mode = {}

---The name of the tool.
code_mode.NAME = "run_lua"
---Seconds of computing; the time in which all of a script's calls are waited for does not count.
code_mode.TIME = 2
---Bytes of Lua values.
code_mode.MEMORY = 64 << 20
---Calls of tools by one script.
code_mode.CALLS = 50
---Calls at a time.
code_mode.PARALLEL = 8
---Bytes that go back to the model: about 6,000 tokens.
code_mode.OUTPUT = 24000
---Characters of a script.
code_mode.CODE = 65536
---Searches and schemas that a script may ask for.
code_mode.QUESTIONS = 200
---Requests that are refused before a script is ended: one that catches each refusal and asks again
---would go on as long as the outer call may.
code_mode.REFUSED = 200
---Scripts at a time.
code_mode.SCRIPTS = 4
---Scripts that may wait.
code_mode.QUEUE = 100
---Bytes of what one tool returns to a script.
code_mode.RESULT = 4 << 20
---Bytes of one message of a script's process: arguments of a call, or what it ends with.
code_mode.MESSAGE = 1 << 20

local OPTIONS = { budget = "table", pinned = "table|function", hide = "boolean", timeout = "number",
  scripts = "number", program = "string" }
local BUDGET = { time = "number", memory = "number", calls = "number", parallel = "number",
  output = "number", code = "number" }

-- A line that ends with a backslash goes on in the next.
local DESCRIPTION = ([[
Runs a Lua 5.4 script that calls this server's tools. Use it for tasks of several calls: only \
what the script returns or prints comes back.

Find tools first: `return search("calendar event")` gives names, descriptions and parameters; \
`return schema("name")` the full schemas.

local a = tools.get_issue { number = 1 }
local files = parallel {
  function() return tools.read_file { path = "x" } end,
  function() return tools.read_file { path = "y" } end,
}
return { title = a.title, size = #files[1] }

- A tool takes one table. It returns a table, or a string if its result is text; json.decode \
reads JSON text.
- A failed call raises its message and ends the script, unless pcall catches it. What was called \
before stays done.
- parallel runs functions at the same time and returns their results in order.
- A name with other characters: tools["get-user"] or tools.get_user.
- Nothing is kept between scripts. There are string, table, math, utf8 and os.time; no files, \
network, require or os.date.
- Limits: %d calls, %g s of computing, %d MiB of memory, %d bytes of output, the rest is cut.]])
  :gsub("\\\n", "")

-- --- tools, as a script sees them --------------------------------------------------------------

-- The names that stand for others: underscores in place of all but letters and digits.
local function plain(name) return (name:gsub("[^%w_]", "_")) end

-- The tool of this name that the caller may see, or nil and what to do.
local function find(app, ctx, name)
  local there = app.tools.by_name[name]
  if there and app.catalog.own[there] then
    return nil, ("%s cannot be called by a script"):format(name)
  end
  -- Most calls: without a look at all the others.
  if there and not there.scopes and gate.for_model(there) and gate.sees(there, ctx) then
    return there
  end
  local all, like, names = catalog.all(app, ctx), nil, {}
  for i, entry in ipairs(all) do
    if entry.name == name then return entry end
    if plain(entry.name) == name then
      if like then
        return nil, ("%s is the name of two tools: write tools[%q] or tools[%q]"):format(name,
          like.name, entry.name)
      end
      like = entry
    end
    names[i] = entry.name
  end
  if like then return like end
  local near = nearest.find(name, names)
  return nil, near and ("there is no tool %s, did you mean %s?"):format(name, near)
    or ("there is no tool %s: search(\"words\") finds tools"):format(name)
end

-- Without what is not a string, or not there.
local function brief(entry)
  local of = entry.definition
  return { name = of.name, description = of.description or of.title,
    parameters = signature.of(of.inputSchema),
    returns = of.outputSchema and signature.of(of.outputSchema) or nil }
end

local questions = {}

function questions.search(app, ctx, query, limit)
  limit = math.min(math.max(math.tointeger(limit) or catalog.RESULTS, 1), catalog.RESULTS_MAX)
  local found, list = catalog.find(app, ctx, tostring(query):sub(1, catalog.QUERY), limit), {}
  for i, entry in ipairs(found) do list[i] = brief(entry) end
  return true, value.array(list)
end

function questions.schema(app, ctx, name)
  local entry, text = find(app, ctx, name)
  if not entry then return false, text end
  local of = entry.definition
  return true, { name = of.name, description = of.description, input = of.inputSchema,
    output = of.outputSchema }
end

-- --- results of tools --------------------------------------------------------------------------

local function joined(content)
  local texts = {}
  for i, block in ipairs(content) do
    if block.type ~= "text" then return nil end
    texts[i] = block.text
  end
  return table.concat(texts, "\n")
end

-- What a script gets for a result: whether the tool has succeeded, and a value.
local function value_of(entry, ctx, result)
  -- Middleware may give it as it was encoded.
  if type(result) ~= "table" then result = core.decode(core.encode(result)) end
  local content = result.content or {}
  if result.resultType == "input_required" or result.task then
    return false, ("tool %q cannot be called by a script: it asks the user, or takes long; call it "
      .. "directly"):format(entry.name)
  end
  if result.isError then
    return false, joined(content) or ("tool %q has failed"):format(entry.name)
  end
  local structured = result.structuredContent
  if structured == nil then
    local text = joined(content)
    return true, text or content
  end
  -- Some revisions have objects only: server/feature/tool.lua puts other values into one, and
  -- leaves the text as it is.
  if ctx.revision.structured == "object" and structured.result ~= nil
    and joined(content) ~= core.encode(structured, true) then
    structured = structured.result
  end
  return true, structured
end

-- --- one script --------------------------------------------------------------------------------

local Run = { __name = "mcp.code_mode" }
Run.__index = {}

function Run.__index:reply(id, ok, given)
  local sent, text = self.call:reply(code_mode.RESULT, id, ok, given)
  if sent or ok == false then return end
  self.call:reply(code_mode.RESULT, id, false, ("the result cannot be passed to a script: %s")
    :format(text))
end

function Run.__index:refuse(id, text)
  self.refused = self.refused + 1
  self:reply(id, false, text)
end

-- A script calls a tool.
function Run.__index:call_tool(id, name, arguments)
  local budget = self.budget
  if self.count >= budget.calls then
    return self:refuse(id, ("%s: the budget of %d calls is used up"):format(name, budget.calls))
  end
  local entry, text = find(self.app, self.ctx, name)
  if not entry then return self:refuse(id, text) end
  self.count = self.count + 1
  self.names[#self.names + 1] = entry.name
  self.group:call(entry.name, arguments, function(result, err)
    if not result then return self:reply(id, false, err.message) end
    local ok, given = value_of(entry, self.ctx, result)
    if not ok and type(given) == "string" and not given:find(entry.name, 1, true) then
      given = ("%s: %s"):format(entry.name, given)
    end
    self:reply(id, ok, given)
  end)
end

-- What a script asks. It comes from a process that runs code of others: anything may be in it.
function Run.__index:asked(id, kind, name, more)
  if type(name) ~= "string" then return self:refuse(id, "expected a name or words") end
  if kind == "call" then
    return self:call_tool(id, name, type(more) == "table" and more or {})
  end
  local question = questions[kind]
  self.questions = self.questions + 1
  if not question or self.questions > code_mode.QUESTIONS then
    return self:refuse(id, ("a script may search %d times"):format(code_mode.QUESTIONS))
  end
  self:reply(id, question(self.app, self.ctx, name, more))
end

-- Waits for the end, and serves what is asked meanwhile. While as many calls wait as run, nothing
-- more is read: their arguments are in the memory of the server.
function Run.__index:follow()
  while true do
    self.group:await_room()
    local got = table.pack(self.call:wait())
    if got[1] ~= "note" then return table.unpack(got, 1, got.n) end
    if got[2] == "ask" then self:asked(table.unpack(got, 3, got.n)) end
    if self.refused > code_mode.REFUSED then
      return "failed", "the script goes on asking though it is refused", "EPERM"
    end
  end
end

-- Which calls were made, for a model that has to know what is done already.
function Run.__index:calls_made()
  if self.count == 0 then return "no tool was called" end
  local counts, order = {}, {}
  for _, name in ipairs(self.names) do
    if not counts[name] then order[#order + 1] = name end
    counts[name] = (counts[name] or 0) + 1
  end
  for i, name in ipairs(order) do
    if counts[name] > 1 then order[i] = ("%s (%d times)"):format(name, counts[name]) end
  end
  return "called before: " .. nearest.list(order, 20)
end

-- How a script ended that has not ended itself.
function Run.__index:ended(kind, text, code)
  local budget = self.budget
  if code == "ETIMEDOUT" then
    text = ("the script took longer than its budget of %g s of computing"):format(budget.time)
  elseif kind == "memory" or code == "ENOMEM" then
    text = ("the script used more than its budget of %.4g MiB of memory"):format(
      budget.memory / (1 << 20))
  elseif kind == "large" then
    text = "the script sent more than can be received"
  elseif code == "EGONE" then
    text = "the process of the script ended: " .. tostring(text)
  elseif code == "EBUSY" then
    text = "too many scripts are running, try again later"
  end
  return nil, ("%s: %s; %s"):format(code_mode.NAME, tostring(text), self:calls_made())
end

-- The process may be under the control of the script: its answer is checked.
function Run.__index:outcome(kind, given, code)
  if kind ~= "result" or type(given) ~= "table" then return self:ended(kind, given, code) end
  local parts = {}
  local function add(text)
    if type(text) ~= "string" or text == "" then return end
    text = text:sub(1, 2 * self.budget.output)
    parts[#parts + 1] = utf8.len(text) and text or text:gsub("[\x80-\xFF]", "?")
  end
  add(given.printed)
  if given.failed ~= nil then
    add(given.failed)
    parts[#parts + 1] = "(" .. self:calls_made() .. ")"
    return nil, table.concat(parts, "\n")
  end
  add(given.returned)
  return table.concat(parts, "\n")
end

local function run(app, pool, budget, code, ctx)
  local call <close>, text, failed = pool:start(nil,
    { code = code, output = budget.output, null = value.null })
  local self = setmetatable({ app = app, ctx = ctx, budget = budget, call = call, count = 0,
    names = {}, questions = 0, refused = 0 }, Run)
  if not call then return self:ended("failed", text, failed) end
  local group <close> = nested.new(app, ctx, budget.parallel)
  self.group = group
  return self:outcome(self:follow())
end

-- --- opening -----------------------------------------------------------------------------------

local function read_budget(given)
  local message = require("mcp.options").error_in(given, BUDGET)
  if message then error("budget: " .. message, 0) end
  local whole = budgets.whole
  return {
    time = budgets.seconds("budget.time", given.time, code_mode.TIME),
    memory = whole("budget.memory", given.memory, code_mode.MEMORY, budgets.MEMORY_LEAST, 1 << 40),
    calls = whole("budget.calls", given.calls, code_mode.CALLS, 1, 10000),
    parallel = whole("budget.parallel", given.parallel, code_mode.PARALLEL, 1, 1000),
    output = whole("budget.output", given.output, code_mode.OUTPUT, 100, code_mode.MESSAGE // 4),
    code = whole("budget.code", given.code, code_mode.CODE, 100, code_mode.MESSAGE // 2),
  }
end

local function entry_of(app, options)
  local budget = read_budget(options.budget or {})
  local pool = worker.confined(require "mcp.server.sandbox", {
    name = code_mode.NAME, time = budget.time, memory = budget.memory, output = code_mode.MESSAGE,
    threads = budgets.whole("scripts", options.scripts, code_mode.SCRIPTS, 1, worker.THREADS_MAX),
    queue = code_mode.QUEUE, program = options.program,
  })
  return tool.new(code_mode.NAME, {
    title = "Run a Lua script",
    description = DESCRIPTION:format(budget.calls, budget.time, budget.memory >> 20,
      budget.output),
    input_schema = {
      type = "object", required = { "code" }, additionalProperties = false,
      properties = { code = { type = "string", minLength = 1, maxLength = budget.code,
        description = "The script" } },
    },
    timeout = options.timeout,
  }, function(args, ctx) return run(app, pool, budget, args.code, ctx) end)
end

---Makes an app list run_lua in place of its tools. Raises (at the caller's line) what is wrong with
---the options.
---@param app mcp.App
---@param options table|nil
---@param at string where it was written
function code_mode.open(app, options, at)
  require("mcp.options").check("app:code_mode", options or {}, OPTIONS, 2)
  options = options or {}
  local ok, text = pcall(function()
    local entry = entry_of(app, options)
    entry.at = at
    catalog.open(app, { entry }, options)
  end)
  if not ok then error("app:code_mode: " .. text, 2) end
end

return code_mode
