-- SPDX-License-Identifier: MIT
-- testing: tests for servers, without sockets and without waiting: a script is loaded, a client is
-- connected to it through memory with the framing of any other connection, and what the server
-- sends beside its answers is recorded. Plain Lua: works in busted, in luaunit, and alone.
local connect = require "mcp.client.connect"
local core = require "mcp.core"
local options_of = require "mcp.options"
local server = require "mcp.server"

local testing = {}

-- What ends a script at app:run(), in place of serving.
local STOPPED = setmetatable({}, {
  __tostring = function() return "the script has reached app:run" end,
})

local OPTIONS = { args = "table", answers = "table" }

-- Options of testing.load that are the client's.
local CLIENT = { revision = "string", era = "string", timeout = "number", max_timeout = "number",
  capabilities = "table", client = "table", roots = "table|function", log_level = "string",
  validate = "boolean", limits = "table", sampling = "table", extensions = "table" }

local ANSWERS = { elicit = "table|function|boolean", elicit_url = "function|boolean",
  sample = "string|table|function" }

-- --- loading --------------------------------------------------------------------------------

-- Runs a script up to app:run(); the app, or nil and a text.
local function run_script(path, args)
  local chunk, text = loadfile(path, "t")
  if not chunk then return nil, text end
  local found
  local folder = path:match "^(.*)/[^/]*$" or "."
  local old_path, old_arg, old_run = package.path, _G.arg, server.instead_of_running
  package.path = ("%s/?.lua;%s/?/init.lua;%s"):format(folder, folder, old_path)
  _G.arg = table.move(args, 1, #args, 1, { [0] = path })
  -- Handlers read the script's files later, when arg is the test's again.
  require("mcp.bundle").folder = folder
  server.instead_of_running = function(app)
    found = app
    error(STOPPED, 0)
  end
  local ok, result = xpcall(chunk, function(raised)
    if raised == STOPPED or type(raised) ~= "string" then return raised end
    return require "mcp.script_error"(raised)
  end, table.unpack(args))
  package.path, _G.arg, server.instead_of_running = old_path, old_arg, old_run
  if not ok and result ~= STOPPED then
    text = tostring(result)
    return nil, text:sub(1, #path + 1) == path .. ":" and text or path .. ": " .. text
  end
  local meta = type(result) == "table" and getmetatable(result)
  if not found and type(meta) == "table" and meta.__name == "mcp.server" then found = result end
  if not found then return nil, path .. ": the script makes no server, or never calls app:run()" end
  return found
end

-- --- recording ------------------------------------------------------------------------------

-- The function for one kind of question: answers as the test says, and records.
local function answering(recorded, kind, given)
  return function(first, second, third)
    local question = { kind = kind }
    if kind == "sample" then
      question.params = first
    else
      question.text = first
      question[kind == "elicit" and "schema" or "url"] = second
      question.params = third
    end
    recorded.questions[#recorded.questions + 1] = question
    local answer, reason
    if type(given) == "function" then
      answer, reason = given(first, second, third)
    elseif given == nil or given == false then
      answer, reason = nil, "decline"
    else
      answer = given
    end
    question.answer = answer
    if answer == nil then return nil, reason or "decline" end
    return answer
  end
end

local function client_options(recorded, options)
  local out, answers = {}, options.answers or {}
  for name in pairs(CLIENT) do out[name] = options[name] end
  out.log_level = out.log_level or "debug"
  out.on_elicit = answering(recorded, "elicit", answers.elicit)
  out.on_elicit_url = answering(recorded, "elicit_url", answers.elicit_url)
  if answers.sample ~= nil then out.on_sample = answering(recorded, "sample", answers.sample) end
  out.on_log = function(level, data, logger)
    recorded.logs[#recorded.logs + 1] = { level = level, data = data, logger = logger }
  end
  out.on_change = function(what, uri)
    recorded.changes[#recorded.changes + 1] = { what = what, uri = uri }
  end
  return out
end

-- Methods whose requests may report progress, with the position of their options.
local WITH_PROGRESS = { call_tool = 3, read_resource = 2, get_prompt = 3 }

-- Records the progress of each request, beside the function that the test gave.
local function record_progress(client, recorded)
  for name, position in pairs(WITH_PROGRESS) do
    local method = client[name]
    client[name] = function(self, ...)
      local given = table.pack(...)
      local own = {}
      for key, member in pairs(given[position] or {}) do own[key] = member end
      local theirs = own.on_progress
      own.on_progress = function(done, total, text)
        recorded.progress[#recorded.progress + 1] = { done = done, total = total, text = text }
        if theirs then theirs(done, total, text) end
      end
      given[position] = own
      return method(self, table.unpack(given, 1, math.max(given.n, position)))
    end
  end
end

-- --- the public functions -------------------------------------------------------------------

---Loads a server and connects a client to it. A script runs up to app:run(), which then does not
---serve; what stands after it does not run.
---@param target string|mcp.App the path of a script, or an app
---@param options table|nil args (the script's arguments), answers { elicit =, elicit_url =,
---sample = } (a value or a function for each kind of question; without one it is declined), and
---the options of mcp.connect: revision, era, timeout, roots, …
---@return mcp.Client client with `recorded`: `progress`, `logs`, `changes` and `questions`, lists
---in the order of arrival; and `app`. Raises if the script fails or the handshake does
function testing.load(target, options)
  options = options or {}
  local known = {}
  for _, each in ipairs { OPTIONS, CLIENT } do
    for name, types in pairs(each) do known[name] = types end
  end
  options_of.check("testing.load", options, known, 2)
  options_of.check("testing.load: answers", options.answers or {}, ANSWERS, 2)
  local app, text = target, nil
  if type(target) == "string" then app, text = run_script(target, options.args or {}) end
  if not app then error("testing.load: " .. (text or "expected a path or an app, got nil"), 2) end
  if not require("mcp.client.transport.memory").is_app(app) then
    error("testing.load: expected the path of a script, or an app, got " .. type(app), 2)
  end
  local recorded = { progress = {}, logs = {}, changes = {}, questions = {} }
  local client
  client, text = connect.open(app, client_options(recorded, options))
  if not client then error("testing.load: " .. text, 2) end
  record_progress(client, recorded)
  client.recorded, client.app = recorded, app
  return client
end

---The text of a result: the text blocks of a tool, the contents of a resource, the messages of a
---prompt, a line each. Raises if a tool reported an error.
---@param result table
---@return string
function testing.text(result)
  if type(result) ~= "table" then
    error("testing.text: expected a result, got " .. type(result), 2)
  end
  local words = {}
  for _, block in ipairs(result.content or result.contents or {}) do
    if block.text then words[#words + 1] = block.text end
  end
  for _, message in ipairs(result.messages or {}) do
    if message.content and message.content.text then words[#words + 1] = message.content.text end
  end
  local text = table.concat(words, "\n")
  if result.isError then error("testing.text: the tool reported an error: " .. text, 2) end
  return text
end

-- A client that is not connected yet, with its recorder; raises what connecting fails with.
local function open_recorded(target, options, recorder)
  local client, text = connect.open(target, options, recorder)
  if not client then
    recorder:close()
    error("testing.record: " .. tostring(text), 3)
  end
  return client
end

---Connects to a server as mcp.connect does, and writes the conversation to a file, for
---testing.replay. The file is closed with the client.
---@param target any of mcp.connect
---@param path string a file that is replaced
---@param options table|nil those of mcp.connect, and redact (names of members that are replaced by
---"(redacted)" at any depth; results of the test itself are not changed)
---@return mcp.Client client
function testing.record(target, path, options)
  local own = {}
  for name, member in pairs(options or {}) do own[name] = member end
  own.redact = nil
  local recorder, text = require("mcp.testing.record").new(path, type(target) == "string" and target
    or type(target) == "table" and target.command or "app", options)
  if not recorder then error("testing.record: " .. text, 2) end
  return open_recorded(target, own, recorder)
end

---A client of a recording: no server runs. Each request is answered as the same request was; one
---that was not recorded fails and names the nearest.
---@param path string
---@param options table|nil those of mcp.connect, and delays (true: with the pauses of the
---recording), cut (the connection is lost in place of the answer with this number)
---@return mcp.Client client with `unused()`: the recorded requests that were not made
function testing.replay(path, options)
  local own = {}
  for name, member in pairs(options or {}) do own[name] = member end
  local replay = require "mcp.testing.replay"
  local transport, text = replay.new(path, { delays = own.delays, cut = own.cut })
  if not transport then error("testing.replay: " .. text, 2) end
  own.delays, own.cut = nil, nil
  local client = connect.session(transport, own)
  local ok
  ok, text = client:initialize()
  if not ok then error("testing.replay: " .. text, 2) end
  client.unused = function() return replay.unused(transport) end
  return client
end

local Clock = { __name = "mcp.testing.clock" }
Clock.__index = Clock

---Lets time pass at once: every timer of luamcp that is due within it fires, in order, and what it
---starts runs before the next one. Time that other programs, threads or the network take does not
---pass. Raises inside a handler.
---@param seconds number
function Clock:advance(seconds)
  if type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds then
    error(("clock:advance: expected seconds, 0 or more, got %s"):format(tostring(seconds)), 2)
  end
  core.skip(seconds)
  return self
end

---Seconds since the clock was made.
---@return number
function Clock:now() return core.now() - self.began end

---A clock whose time the test moves: timeouts and sleeps of minutes are tested in milliseconds.
---Between two advances it runs as usual.
---@return table clock
function testing.clock() return setmetatable({ began = core.now() }, Clock) end

-- Assertions for busted, where busted is what runs the tests.
if package.loaded["luassert"] then require "mcp.testing.assertions" end

return testing
