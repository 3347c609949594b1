-- SPDX-License-Identifier: MIT
-- link: one connection to a mounted server, with the calls that are in progress on it. What the
-- server sends meanwhile (questions, log messages) goes to the call that it belongs to. Knows
-- neither entries nor which connection serves which client.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local extension = require "mcp.protocol.extension"
local failure = require "mcp.failure"
local protocol = require "mcp.protocol"
local value = require "mcp.value"

local link = {}

---@class mcp.mount.Link
---@field client mcp.Client
---@field calls table<table, integer> those in progress, with the order in which they began
---@field own boolean it serves one client only
---@field session table|nil of that client, or of the one that it has been handed to
---@field loose boolean|nil it has served clients without a session
---@field answered boolean|nil a request of a client has had a result
local Link = { __name = "mcp.mount.link" }
Link.__index = {}

-- --- which call ------------------------------------------------------------------------------

---A call that has asked for longer than this does not ask anything else before it has its answer:
---questions that are asked side by side come together. In seconds.
link.TOGETHER = 0.02

-- The call that something belongs to: the one whose stream it came on, or the one in progress. Of
-- several calls of one client it is the last; clients of a shared connection must not get what may
-- be another's, so there is none. Calls that wait for an answer are left aside.
local function call_of(self, info)
  if info and info.context then return info.context end
  local last, several, quiet = nil, false, core.now() - link.TOGETHER
  for call, order in pairs(self.calls) do
    if self.own or not call.asking or call.asking > quiet then
      several = several or last ~= nil and last.owner ~= call.owner
      if not last or order > self.calls[last] then last = call end
    end
  end
  if several and not self.own then return nil end
  return last
end

-- --- what the other server asks ----------------------------------------------------------------

local NO_CALL = "The question belongs to no call that is in progress, or to one of several: a "
  .. "mount with sessions = \"client\" has a connection for each client"

-- Asks the client of a call, which waits for the answer.
local function ask_live(call, method, params)
  local ctx = call.ctx
  local asked = call.link.hooks.question(call.ctx, method, params)
  if not asked then
    return nil, failure.new(errors.METHOD_NOT_FOUND, "Method not found: " .. method)
  end
  call.asked = (call.asked or 0) + 1
  local key = ("%s %s %d"):format(call.mount, tostring(call.order), call.asked)
  local answers, text, code = ctx:ask { [key] = asked }
  if answers then return answers[key] end
  return nil, failure.new(math.type(code) == "integer" and code or errors.INTERNAL_ERROR, text)
end

-- Calls whose clients are asked for folders in vain.
local ROOTS = 16

local function on_question(self)
  return function(method, params, info)
    -- A connection of one client may be asked something before its first call begins.
    local call = call_of(self, info) or self.first
    if not call then
      -- No client, no folders; the next client's call has some.
      if method == "roots/list" and next(self.calls) == nil then
        self.unrooted = true
        return { roots = value.array {} }
      end
      return nil, failure.new(errors.INVALID_REQUEST, NO_CALL)
    end
    call.asking = core.now()
    local _ <close> = setmetatable({}, { __close = function() call.asking = nil end })
    -- A call of the stateless era ends with the question; see mount/rounds.lua.
    if call.job then return call.job:ask(method, params) end
    local answer, err = ask_live(call, method, params)
    -- A short call may end before its client has answered: the next one is asked.
    if not answer and method == "roots/list" and (self.missed or 0) < ROOTS then
      self.missed, self.unrooted = (self.missed or 0) + 1, not self.own
    end
    return answer, err
  end
end

-- --- opening -----------------------------------------------------------------------------------

-- What a shared connection declares. A client that cannot be asked says so when the question comes.
local EVERYTHING = { elicitation = { form = {}, url = {} }, sampling = { tools = {}, context = {} },
  roots = { listChanged = true } }

local function shared(extensions)
  if not extensions then return EVERYTHING end
  local out = { extensions = extensions }
  for name, member in pairs(EVERYTHING) do out[name] = member end
  return out
end

local PASSED = { "elicitation", "sampling", "roots" }

---What a client has declared, as far as it is passed on.
---@param capabilities table
---@param tasks boolean|nil its call may be answered with a task
---@return table
function link.declared(capabilities, tasks)
  local out = {}
  for _, name in ipairs(PASSED) do
    if type(capabilities[name]) == "table" then out[name] = capabilities[name] end
  end
  -- Pages are shown by the client, and methods are its own: what is between need not know them.
  local passed = {}
  for id in pairs(type(capabilities.extensions) == "table" and capabilities.extensions or {}) do
    if id ~= protocol.TASKS or tasks then
      passed[id] = extension.declared(capabilities, id) or nil
    end
  end
  if next(passed) then out.extensions = passed end
  return out
end

---Opens a connection.
---@param connect fun(options: table): mcp.Client|nil, string|nil, any
---@param hooks table name (of the mount), on_change, on_page (a user is done with a page)
---@param capabilities table|nil of the one client that it is for; nil: it is shared
---@param ctx mcp.Context|nil of that client's call
---@param era string|nil that the connection has to be of, unless the mount says so itself
---@return mcp.mount.Link|nil link
---@return string|nil text
---@return any code
function link.open(connect, hooks, capabilities, ctx, era)
  local self = setmetatable({ calls = {}, began = 0, watched = {}, own = capabilities ~= nil,
    name = hooks.name, hooks = hooks, rank = math.huge }, Link)
  if ctx then self.first = { ctx = ctx, mount = hooks.name, order = 0, link = self } end
  local client, text, code = connect {
    era = era,
    on_question = on_question(self),
    capabilities = capabilities and link.declared(capabilities) or shared(hooks.declare),
    timeout = 0, max_timeout = 0, cache = false, validate = false,
    on_log = function(level, data, logger, info)
      local call = call_of(self, info)
      if call then call.ctx:log(level, data, logger) end
    end,
    on_change = function(what, uri) hooks.on_change(self, what, uri) end,
    on_notice = function(method, params, info)
      hooks.on_notice(self, method, params, info and info.context)
    end,
    on_elicit_complete = function(id)
      local call = call_of(self)
      if call then hooks.on_page(call.ctx, id) end
    end,
  }
  if not client then return nil, text, code end
  self.client = client
  return self
end

-- --- calls -------------------------------------------------------------------------------------

-- Takes a call out of those in progress, however it ends.
local Call = { __name = "mcp.mount.call" }
Call.__close = function(call) call.link.calls[call] = nil end

---Notes that a call is in progress until it is closed.
---@param ctx mcp.Context
---@return table call
function Link.__index:begin(ctx)
  local order = self.began + 1
  self.began = order
  -- Without a session, nothing says which requests are those of one client.
  local call = setmetatable({ link = self, ctx = ctx, owner = ctx.own_session or ctx,
    order = order, mount = self.name }, Call)
  self.calls[call] = order
  local session = ctx.own_session
  -- The server asked for folders when there was no client: now it may ask this one.
  if self.unrooted and (session or ctx).capabilities.roots then
    self.unrooted = false
    self.client:notify "notifications/roots/list_changed"
  end
  return call
end

---Sees that the other server sends log messages of the level that the client of a call wants. A
---session has one level for all calls: the lowest that any client of it has asked for.
---@param ctx mcp.Context
---@return string|false|nil level of this request, in the era that has such
function Link.__index:level(ctx)
  local session = ctx.own_session
  local rank = session and session.log_rank or protocol.LOG_RANK[rawget(ctx, "level") or ""]
  if self.client.era == "modern" then
    return rank and protocol.LOG_LEVELS[rank] or session and "info" or false
  end
  if rank and rank < self.rank and self.client.capabilities.logging then
    self.rank = rank
    local ok, text = self.client:set_log_level(protocol.LOG_LEVELS[rank])
    if not ok then core.log("info", ("mount %q: logging/setLevel: %s"):format(self.name, text)) end
  end
  return nil
end

return link
