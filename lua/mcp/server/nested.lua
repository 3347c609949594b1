-- SPDX-License-Identifier: MIT
-- nested: calls of tools inside one call, several at a time. Each is a call like any other
-- (server/entries.lua) with its own time limit; it ends with the outer call. What it reports
-- becomes progress of the outer call, whose numbers count the calls that have ended.
local context = require "mcp.server.context"
local core = require "mcp.core"
local entries = require "mcp.server.entries"
local protocol = require "mcp.protocol"
local tool = require "mcp.server.feature.tool"

local nested = {}

-- What the report of a call adds at least to the progress of the outer one.
local STEP = 1e-6

-- --- the exchange of an inner call --------------------------------------------------------------

-- In place of the exchange of the outer call: has the methods of that one, but its own clock, and
-- its progress is counted together with that of the others.
local Inner = {}
local methods = {}

function Inner.__index(self, key)
  local method = methods[key]
  if method then return method end
  local outer = rawget(self, "outer")
  local of = outer.exchange[key]
  if type(of) ~= "function" then return of end
  return function(_, ...) return of(outer.exchange, ...) end
end

function methods:send(method, params, ...)
  if method == "notifications/progress" then
    return self.group:report(self, params.progress, params.total, params.message)
  end
  return self.outer.exchange:send(method, params, ...)
end

-- The tool's own limit, in place of the server's.
function methods:limit(seconds)
  self.time = seconds
  self:restart_clock()
end

-- Progress extends the limit, but not without an end.
function methods:restart_clock()
  if self.time == 0 then
    self.due = math.huge
  else
    self.due = math.min(core.now() + self.time, self.began + math.max(self.time, self.most))
  end
  if self.work then self.work:wake(true) end
end

-- A question to the client has a limit of its own.
function methods:stop_clock() self.due = math.huge end

function methods.close_stream() return false end

function methods:is_cancelled()
  if self.over then return true, self.over end
  return self.outer.exchange:is_cancelled()
end

-- What a tool sees of the client: in the revisions without sessions a question would end the
-- outer call, to be run again with the answer, which a script cannot be.
local function context_of(outer, exchange)
  local meta_text = rawget(outer, "meta_text")
  local made = context.new(exchange, outer.revision, outer.own_session, "tools/call", meta_text,
    outer.app)
  for _, name in ipairs { "auth", "level", "token" } do rawset(made, name, rawget(outer, name)) end
  if not outer.own_session then
    local meta = {}
    for key, member in pairs(outer.meta) do meta[key] = member end
    meta[protocol.KEY_CAPABILITIES] = {}
    made.meta = meta
  end
  context.fields[exchange] = context.fields[rawget(outer, "own_exchange") or outer.exchange]
  return made
end

-- --- a group of calls --------------------------------------------------------------------------

local Group = { __name = "mcp.nested" }
Group.__index = {}

---@param app mcp.App
---@param ctx mcp.Context of the outer call
---@param most integer calls at a time
---@return table
function nested.new(app, ctx, most)
  return setmetatable({ app = app, ctx = ctx, most = most, tasks = core.waiter(), waiting = {},
    running = 0, ended = 0, last = 0 }, Group)
end

---The progress of one call, in that of all.
function Group.__index:report(inner, done, total, text)
  local part = type(total) == "number" and total > 0 and math.min(done / total, 0.99) or 0
  self.last = math.max(self.ended + part, self.last + STEP)
  self.ctx:progress(self.last, nil, text and ("%s: %s"):format(inner.name, text) or inner.name)
  return true
end

local function timed_out(inner)
  inner.over = "ETIMEDOUT"
  local text = ("tool %q timed out after %.14g s"):format(inner.name, inner.time)
  core.log("warning", text)
  return tool.failed(text)
end

-- Runs one call within its time. Its result, or nil and an error.
local function run(self, inner, arguments)
  local work, result, err, ended = core.waiter(), nil, nil, false
  local _ <close> = setmetatable({}, { __close = function()
    inner.over = inner.over or "ECANCELED"
    work:cancel()
  end })
  work:spawn(function()
    local ok
    ok, result, err = pcall(entries.call, self.app, context_of(self.ctx, inner), inner.name,
      arguments)
    if not ok then result, err = nil, { message = tostring(result) } end
    ended = true
    if inner.work then inner.work:wake(true) end
  end)
  while not ended do
    -- A waiter is woken once: this one also when the limit changes.
    inner.work = core.waiter()
    local left = inner.due - core.now()
    if left <= 0 then return timed_out(inner) end
    local _, _, code = inner.work:wait(left < 1e9 and left or nil)
    if code == "ECANCELED" then return nil, nil end
  end
  return result, err
end

local function start(self, name, arguments, reply)
  local clock = self.app.clock
  local inner = setmetatable({ outer = self.ctx, group = self, name = name, began = core.now(),
    time = clock.time, most = clock.max }, Inner)
  inner:restart_clock()
  self.running = self.running + 1
  self.tasks:spawn(function()
    local result, err = run(self, inner, arguments)
    self.running, self.ended = self.running - 1, self.ended + 1
    if not result and not err then
      err = { message = ("tool %q: the call has ended"):format(name) }
    end
    -- First: the script may end with this reply, and what comes after its result is lost.
    self.last = math.max(self.ended, self.last + STEP)
    self.ctx:progress(self.last, nil, name)
    reply(result, err)
    local following = table.remove(self.waiting, 1)
    if following then start(self, table.unpack(following, 1, 3)) end
    if self.room then self.room:wake(true) end
  end)
end

---Calls a tool, as soon as fewer than `most` calls run.
---@param name string
---@param arguments table
---@param reply fun(result: table|nil, err: table|nil)
function Group.__index:call(name, arguments, reply)
  if self.running >= self.most then
    self.waiting[#self.waiting + 1] = { name, arguments, reply }
  else
    start(self, name, arguments, reply)
  end
end

---Waits until fewer calls wait than may run.
function Group.__index:await_room()
  while #self.waiting >= self.most do
    self.room = core.waiter()
    local _, _, code = self.room:wait()
    if code == "ECANCELED" then return end
  end
end

---Ends all calls.
function Group:__close()
  self.waiting = {}
  self.tasks:cancel()
end

return nested
