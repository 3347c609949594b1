-- SPDX-License-Identifier: MIT
-- worker: Lua states on threads or in processes of their own, for work that blocks: databases,
-- cryptography, large loops. The caller's side; src/lua/worker_state.c is the other one.
local budgets = require "mcp.budget"
local core = require "mcp.core"
local error_in = require("mcp.options").error_in
local failure = require "mcp.failure"

local read_budget, seconds, whole = budgets.read, budgets.seconds, budgets.whole

local worker = {}

---Threads of a worker, unless it says otherwise.
worker.THREADS = 1
---The most there can be.
worker.THREADS_MAX = 64
---Calls that may wait.
worker.QUEUE = 100
---Seconds that a C function may go on after its call was stopped.
worker.STUCK = 2
---Bytes of a result.
worker.OUTPUT = 64 << 20
---What code that is not trusted may use: seconds of a call, bytes of Lua, bytes of a result.
worker.UNTRUSTED = { time = 1, memory = 64 << 20, output = 1 << 20 }

-- What belongs to an object of ours, under keys that no function of a worker can have.
local POOL, NAME, BUDGET = {}, {}, {}

-- The text that was raised last, and how much of it is a position: server/dispatch.lua asks.
local raised_text, raised_place

local OPTIONS = {
  threads = "number", queue = "number", process = "boolean", untrusted = "boolean",
  budget = "table", stuck = "number", program = "string", name = "string",
}

-- --- options ----------------------------------------------------------------------------------

local function budget_of(options)
  local given, untrusted = options.budget, options.untrusted
  return read_budget(given, untrusted and worker.UNTRUSTED
    or { time = 0, memory = 0, output = worker.OUTPUT })
end

-- --- the code ---------------------------------------------------------------------------------

local function exists(path)
  local file <close> = io.open(path, "rb")
  return file ~= nil
end

-- A relative path is meant from the file that names it, or from where the process runs.
local function find(path, source)
  if path:sub(1, 1) == "/" then return path end
  local folder = source:match "^@(.*)/[^/]*$"
  local beside = folder and folder .. "/" .. path
  if beside and exists(beside) then return beside end
  if exists(path) then return path end
  error(("no file %q%s"):format(path, beside and (", and no %q"):format(beside) or ""), 0)
end

-- What the other side loads.
local function code_of(target, options, source)
  if type(target) == "string" then
    local path = find(target, source)
    -- What is not trusted is compiled by its worker alone: compiling can take hours.
    if not options.untrusted then
      local chunk, text = loadfile(path, "t")
      if not chunk then error(text, 0) end
    end
    return { file = path }
  end
  if type(target) ~= "function" then
    error("expected the name of a file or a function first, got " .. type(target), 0)
  end
  if options.untrusted then
    error("untrusted: expected the name of a file; a function of this program is trusted", 0)
  end
  for i = 1, math.huge do
    local name, held = debug.getupvalue(target, i)
    if not name then break end
    -- In code without names, as our own in the program, _ENV is known by what it is.
    if name ~= "_ENV" and not (name == "(no name)" and held == _ENV) then
      error(("the function uses %q, a local variable outside of it, which a worker does not have; "
        .. "give it as an argument, or use require inside the function"):format(name), 0)
    end
  end
  local ok, code = pcall(string.dump, target)
  if not ok then error("a function written in Lua is needed", 0) end
  return { code = code }
end

-- The program of a worker's process: the command itself, or a Lua that loads our module.
local function command_line(options)
  local program = package.loaded["mcp.program"]
  local path = options.program or program and program.path()
  if path and path:match "[^/]*$" == "luamcp" or not options.program and path then
    return { path, "--worker-process" }
  end
  return { path or os.getenv "LUA" or "lua5.4", "-e",
    ("package.path, package.cpath = %q, %q os.exit(require('mcp.core').worker_child())"):format(
      package.path, package.cpath) }
end

-- --- opening ----------------------------------------------------------------------------------

local Worker = { __name = "mcp.worker" }
local methods = {}

-- Makes a worker. Raises (level 0) what is wrong with the options.
local function new(target, options, source)
  local message = error_in(options, OPTIONS)
  if message then error(message, 0) end
  local code = code_of(target, options, source)
  local name = options.name or type(target) == "string" and target or "function"
  local budget = budget_of(options)
  local pool = core.worker_pool {
    name = name,
    threads = whole("threads", options.threads, worker.THREADS, 1, worker.THREADS_MAX),
    queue = whole("queue", options.queue, worker.QUEUE, 0, 1 << 20),
    stuck = seconds("stuck", options.stuck, worker.STUCK),
    time = budget.time, memory = budget.memory, output = budget.output,
    clean = options.untrusted or false,
    arguments = options.process and command_line(options) or nil,
    setup = {
      name = name, file = code.file, code = code.code, untrusted = options.untrusted or false,
      package_path = package.path, package_cpath = package.cpath,
    },
  }
  return setmetatable({ [POOL] = pool, [NAME] = name, [BUDGET] = budget }, Worker)
end

---Opens a worker: Lua code that runs on threads of its own, or in processes. Its file (or function)
---returns a table of functions, which are called as methods: `db:query(…)`. A call waits, and
---returns what the function returned. It raises what the function raised. What is the worker's own
---failure returns nil, text, code: "EBUSY" (too many calls wait), "ECANCELED", "ETIMEDOUT" (its
---budget), "ENOMEM", "ETOOBIG" (the result), "EGONE" (its process has ended), "ECLOSED".
---@param options table [1]: file or function; threads, queue, process, untrusted, budget, stuck
---@return mcp.Worker
function worker.open(options)
  if type(options) ~= "table" then
    error(('mcp.worker: expected a table such as { "database.lua" }, got %s'):format(type(options)),
      2)
  end
  local rest = {}
  for key, given in pairs(options) do rest[key] = given end
  rest[1] = nil
  local ok, made = pcall(new, options[1], rest, debug.getinfo(2, "S").source)
  if not ok then error("mcp.worker: " .. made, 2) end
  return made
end

-- --- calling ----------------------------------------------------------------------------------

local function log_trace(level, name, text, trace)
  for line in (("worker %q: %s\n%s"):format(name, text, trace or "")):gmatch "[^\n]+" do
    core.log(level, (line:gsub("\t", "  ")))
  end
end

-- What of an answer is a failure of the worker itself: nil, text, code.
local function failed(self, kind, text, code)
  if kind == "memory" then
    local memory = self[BUDGET].memory
    text, code = "not enough memory", "ENOMEM"
    if memory > 0 then text = ("%s: its budget is %d bytes"):format(text, memory) end
  elseif kind == "large" then
    text = ("its result is larger than its budget of %d bytes"):format(self[BUDGET].output)
    code = "ETOOBIG"
  elseif kind == "stopped" then
    text, code = "the call was stopped", "ECANCELED"
  end
  return nil, ("worker %q: %s"):format(self[NAME], text), code
end

-- Raises, at `level`, that the worker's code cannot do what it was asked.
local function raise_misuse(self, kind, first, trace, name, level)
  local text
  if kind == "load" then
    log_trace("debug", self[NAME], tostring(first), trace)
    text = "it does not start: " .. tostring(first)
  elseif name == nil then
    text = "its file returns a table; a tool's worker file returns function(args, ctx)"
  elseif first[1] == nil then
    text = ("its code returns no table of functions, so it has no %q"):format(name)
  else
    local near = require("mcp.nearest").find(name, first)
    text = ("it has no function %q"):format(name)
    if near then text = ("%s; did you mean %q?"):format(text, near) end
  end
  error(("worker %q: %s"):format(self[NAME], text), level + 1)
end

-- An mcp.error that the worker raised. Untrusted code can make a table that only looks like one:
-- that is raised as the table it is.
local function failure_of(of)
  local code, message = type(of) == "table" and of.code, type(of) == "table" and of.message
  if math.type(code) ~= "integer" or type(message) ~= "string" then return of end
  local status = math.type(of.status) == "integer" and of.status
  if status and (status < 400 or status > 599) then status = nil end
  return failure.new(code, message, of.data, status or nil)
end

-- The results of a call, for its caller.
local function given(self, name, kind, ...)
  if kind == "result" then return ... end
  if kind == "failure" then error(failure_of(...), 0) end
  if kind == "error" then
    local value, trace, place = ...
    log_trace("debug", self[NAME], tostring(value), trace)
    raised_text, raised_place = value, place
    error(value, 0)
  end
  if kind == "load" or kind == "unknown" then
    raise_misuse(self, kind, (...), (select(2, ...)), name, 2)
  end
  return failed(self, kind, ...)
end

-- Nothing but its end is wanted of it.
local function wait(call, kind, ...)
  if kind ~= "note" then return kind, ... end
  return wait(call, call:wait())
end

local function call_of(self, name, ...)
  local call, text, code = self[POOL]:start(name, ...)
  if code == "EENCODE" or code == "EDEPTH" then error(text, 2) end
  if not call then return failed(self, "failed", text, code) end
  return given(self, name, wait(call, call:wait()))
end

-- Calls to functions by this name.
local function method(name)
  return function(self, ...)
    if type(self) ~= "table" or not rawget(self, POOL) then
      error(("%s is called with a colon, not with a dot"):format(name), 2)
    end
    return call_of(self, name, ...)
  end
end

function Worker.__index(self, name)
  if methods[name] then return methods[name] end
  if type(name) ~= "string" then return nil end
  local made = method(name)
  self[name] = made
  return made
end

function Worker.__tostring(self) return ("mcp.worker (%s)"):format(self[NAME]) end

---Ends the worker: calls in progress are stopped, waiting ones return nil, text, "ECLOSED".
---`local db <close> = mcp.worker { … }` does so too.
function methods.close(self)
  if type(self) ~= "table" or not rawget(self, POOL) then
    error("close is called with a colon, not with a dot", 2)
  end
  self[POOL]:close()
end

Worker.__close = methods.close

---Opens processes for code of ours that runs code that is not trusted. Each runs one call. Its ctx
---has ask and receive as well, which ask the caller: that gets "note", "ask", … and sends
---call:reply(limit, …). Raises (level 0) what is wrong.
---@param fn function as for mcp.worker
---@param options table threads, queue, time, memory, output, name: all given
---@return mcp.core.WorkerPool
function worker.confined(fn, options)
  local code = code_of(fn, {}, "")
  return core.worker_pool {
    name = options.name, threads = options.threads, queue = options.queue, stuck = worker.STUCK,
    time = options.time, memory = options.memory, output = options.output, clean = true,
    fresh = true, arguments = command_line(options),
    setup = { name = options.name, code = code.code, untrusted = true, own = true },
  }
end

---Numbers of a worker: threads or processes open, calls they do, calls that wait, threads lost.
---@param self mcp.Worker
---@return table slots, busy, waiting, lost
function worker.counts(self) return self[POOL]:counts() end

---How much of a text that a worker's function raised is the position before it, for
---server/dispatch.lua: peers see no paths. 0 if the text came from elsewhere.
---@param text string
---@return integer
function worker.place_of(text) return text == raised_text and raised_place or 0 end

-- --- the handler of a tool ---------------------------------------------------------------------

local function pass_on(ctx, kind, ...)
  if kind == "progress" then
    ctx:progress(...)
  else
    ctx:log(...)
  end
end

-- Waits for the end of a handler, and hands on what it says meanwhile.
local function follow(call, ctx, kind, ...)
  if kind ~= "note" then return kind, ... end
  pass_on(ctx, ...)
  return follow(call, ctx, call:wait())
end

-- The end of a handler, as a tool's handler ends: what it returned, or nil and what went wrong.
local function handled(self, tool, kind, ...)
  if kind == "result" then return ... end
  if kind == "error" then
    local value, trace, place = ...
    local text = type(value) == "string" and value:sub(place + 1) or tostring(value)
    core.log_lines("error", ("tool %q: %s%s"):format(tool, tostring(value),
      trace and "\n" .. trace or ""), "tool", tool)
    return nil, text
  end
  return given(self, nil, kind, ...)
end

---The options of a tool that are its worker's.
worker.tool_options = {
  worker = "any", threads = "number", queue = "number", process = "boolean",
  untrusted = "boolean", budget = "table", stuck = "number",
}

---Makes the handler of `app:tool "name" { worker = "file.lua" }`. The file returns
---function(args, ctx), whose ctx has progress, log, cancelled and sleep. Raises (level 0).
---@param tool string its name
---@param options table the tool's options
---@param source string where the tool is declared, as debug.getinfo says
---@return fun(args: table, ctx: mcp.Context): ...
function worker.handler(tool, options, source)
  local own = {}
  for key in pairs(worker.tool_options) do own[key] = options[key] end
  own.worker = nil
  local self = new(options.worker, own, source)
  return function(args, ctx)
    local call <close>, text, code = self[POOL]:start(nil, args)
    if not call then return failed(self, "failed", text, code) end
    return handled(self, tool, follow(call, ctx, call:wait()))
  end
end

return worker
