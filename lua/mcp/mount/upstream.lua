-- SPDX-License-Identifier: MIT
-- upstream: the connections to one mounted server: opened when they are first needed, again with
-- growing pauses when they were lost, one for all clients or one for each. Knows no entries: the
-- mount reads the lists when the first connection is open.
local core = require "mcp.core"
local protocol = require "mcp.protocol"
local link = require "mcp.mount.link"

local upstream = {}

---The pause before a server that could not be reached is tried again, doubled each time, and its
---maximum, in seconds.
upstream.PAUSE = 0.5
upstream.PAUSE_MAX = 60
---A connection that has lasted so long, or on which a request of a client has had a result, was a
---good one: when it is lost, the first attempt is made at once and the pauses begin with the
---shortest. In seconds.
upstream.LASTING = 30
---Servers of one app that are started at once: starting takes much of a machine.
upstream.STARTING = 4

local Upstream = { __name = "mcp.mount.upstream" }
Upstream.__index = {}

---@param connect fun(options: table): mcp.Client|nil, string|nil, any
---@param hooks table name, sessions ("auto", "shared", "client"), on_change, on_page, on_notice,
---question (makes one for a client out of what a server asks, or nil), title, on_up(link)
---(reads what there is; nil and a text if that fails), on_down(text), turns (what is starting),
---on_demand (a server that could not be reached is tried again only by a request), hand_over (the
---first client gets the connection that is there), declare (extensions that a shared connection
---declares)
---@return table
function upstream.new(connect, hooks)
  return setmetatable({ connect = connect, hooks = hooks, name = hooks.name, state = "new",
    of = setmetatable({}, { __mode = "k" }), ending = setmetatable({}, { __mode = "k" }),
    opening = {}, waiting = {}, tries = 0,
    tasks = core.waiter(), closed = false,
    -- In place of a session: stands for all clients that have none.
    loose = { closed = false } }, Upstream)
end

local function wake(self)
  local waiting = self.waiting
  self.waiting = {}
  for _, waiter in ipairs(waiting) do waiter:wake() end
end

-- --- the connection that is always there ---------------------------------------------------------

-- Waits for one of the places for servers that are starting.
local Place = { __close = function(place)
  local turns = place.turns
  turns.count = turns.count - 1
  local following = table.remove(turns.waiting, 1)
  if following then following:wake() end
end }

local function take_place(turns)
  while turns.count >= upstream.STARTING do
    local waiter = core.waiter()
    turns.waiting[#turns.waiting + 1] = waiter
    if not waiter:wait() then return nil end
  end
  turns.count = turns.count + 1
  return setmetatable({ turns = turns }, Place)
end

-- One attempt: opens the connection and reads what there is.
local function attempt(self)
  local place <close> = take_place(self.hooks.turns)
  if not place then return nil, "the app has been closed" end
  -- An error in what follows ends the attempt, as a server that cannot be reached does: those who
  -- wait would otherwise begin another one.
  local fine, made, text, code = pcall(link.open, self.connect, self.hooks)
  if not fine then return nil, tostring(made) end
  if not made then return nil, text, code end
  if self.closed then
    made.client:close()
    return nil, "the app has been closed", "ECLOSED"
  end
  self.main = made
  local ok
  fine, ok, text = pcall(self.hooks.on_up, made)
  if fine and ok then return true end
  if not fine then text = tostring(ok) end
  self.main = nil
  made.client:close()
  return nil, text
end

local function pause_of(tries)
  return math.min(upstream.PAUSE * 2 ^ (tries - 1), upstream.PAUSE_MAX)
end

---Opens the connection now: one attempt, for a program that has nothing without it.
---@return true|nil opened
---@return string|nil text
---@return any code
function Upstream.__index:open()
  self.began = core.now()
  local ok, text, code = attempt(self)
  if not ok then return nil, text, code end
  self.state, self.since = "up", core.now()
  return true
end

-- Opens the connection until it is open.
local function run(self)
  while not self.closed do
    local ok, text, code = attempt(self)
    if ok then
      self.state, self.text, self.since = "up", nil, core.now()
      return wake(self)
    end
    if self.closed or code == "ECANCELED" then return end
    local on_demand = self.hooks.on_demand
    self.tries = on_demand and 1 or self.tries + 1
    local pause = pause_of(self.tries)
    self.again = core.now() + pause
    if self.text ~= text then
      core.log("warning", ("%s: cannot be reached, %s: %s"):format(self.hooks.title,
        on_demand and "the next request tries again"
          or ("the next attempt is in %.3g s"):format(pause), text))
    end
    self.state, self.text, self.code = "down", tostring(text), code
    local fine, problem = pcall(self.hooks.on_down, self.text)
    if not fine then core.log("error", ("%s: %s"):format(self.hooks.title, problem)) end
    wake(self)
    if on_demand or not core.sleep(pause) then return end
  end
end

---Begins to open the connection, unless it is open or being opened.
function Upstream.__index:start()
  if self.running or self.closed then return end
  if self.state == "up" and self.main.client:is_open() then return end
  if self.state == "down" and core.now() < self.again then return end
  if self.state == "up" then
    -- It was lost: the first attempt is made at once, unless the server keeps ending.
    local lasted = core.now() - self.since
    if lasted >= upstream.LASTING or self.main.answered then self.tries = 0 end
    self.text = select(2, self.main.client:ready())
    core.log("warning", ("%s: %s"):format(self.hooks.title, self.text))
    self.main.client:close()
    self.main = nil
  end
  self.state = self.state == "up" and "lost" or "starting"
  self.running, self.began = true, core.now()
  self.tasks:spawn(function()
    core.trace(false) -- for all requests that wait for it
    local _ <close> = setmetatable({}, { __close = function() self.running = false end })
    if self.state == "lost" and self.tries > 0 and not core.sleep(pause_of(self.tries)) then
      return
    end
    if self.state == "lost" then self.tries = self.tries + 1 end
    run(self)
  end)
end

---Waits until the connection is open, or the first attempt has failed.
---@param seconds number at most
---@return mcp.mount.Link|nil main
---@return string|nil text
---@return string|nil code
function Upstream.__index:await(seconds)
  local deadline = core.now() + seconds
  while true do
    if self.closed then return nil, "the app has been closed", "ECLOSED" end
    if self.state == "up" and self.main.client:is_open() then return self.main end
    -- One that is tried again only on demand is tried now, unless that has just failed.
    if self.state == "down" and (self.running or core.now() < self.again) then
      return nil, self.text, self.code
    end
    self:start()
    if self.state == "up" then return self.main end
    -- An attempt can be over before it has waited for anything.
    if self.state == "down" then return nil, self.text, self.code end
    local left = deadline - core.now()
    if left <= 0 then return nil, "it is still starting", "ETIMEDOUT" end
    local waiter = core.waiter()
    self.waiting[#self.waiting + 1] = waiter
    local ok, text, code = waiter:wait(left)
    if not ok and code ~= "ETIMEDOUT" then return nil, text, code end
  end
end

-- --- a connection for each client ----------------------------------------------------------------

-- Does each client get a connection of its own? Where the server keeps state for a session, and a
-- session costs no process.
local function is_separate(self)
  local sessions = self.hooks.sessions
  if sessions ~= "auto" then return sessions == "client" end
  local client = self.main and self.main.client
  return client ~= nil and client.era == "legacy" and not client.transport.duplex
    and client.transport.sid ~= nil
end

-- Requests that wait for the connection of the same client. If its opening fails, it fails for all
-- of them; otherwise they look again.
local Opening = { __close = function(opening)
  opening.of.opening[opening.session] = nil
  for _, waiter in ipairs(opening.waiting) do waiter:wake(opening.failed) end
end }

-- The era in which a client with a session is served there, if not in that of the connection for
-- all: a server of both eras keeps a session, and streams to come back to, only in the older.
local function era_of(self)
  local client = self.main.client
  if self.hooks.sessions ~= "client" or client.era ~= "modern" or client.transport.duplex then
    return nil
  end
  for _, name in ipairs(client.supported or {}) do
    local facts = protocol.revision(name)
    if facts and facts.era == "legacy" then return "legacy" end
  end
  return nil
end

-- Closes the connection of a session, if there is one.
local function leave(self, session)
  local last = self.of[session]
  if not last then return end
  self.of[session] = nil
  if self.main == last then self.main, self.state = nil, "new" end
  core.spawn(function() last.client:close() end)
end

-- A session has that connection, which ends with it, and so does each that replaces it.
local function own(self, session, made)
  self.of[session] = made
  if self.ending[session] then return end
  self.ending[session] = true
  local at_end = session.at_end
  session.at_end = function()
    if at_end then at_end() end
    leave(self, session)
  end
end

-- The first client with a session gets the connection that is there, which then ends with the
-- session: another costs a process, or a session, more. Not if it would learn less of the client.
local function hand_over(self, session)
  local main = self.main
  if not self.hooks.hand_over or session == self.loose or main.session or main.loose
    or era_of(self) then
    return nil
  end
  local extensions = main.client.era == "legacy" and session.capabilities.extensions
  for id in pairs(type(extensions) == "table" and extensions or {}) do
    if not (self.hooks.declare or {})[id] then return nil end
  end
  leave(self, session)
  main.session = session
  own(self, session, main)
  return main
end

local function open_for(self, session, ctx)
  -- It was lost: the server may have been restarted.
  leave(self, session)
  local made, text, code
  if session == self.loose then
    made, text, code = link.open(self.connect, self.hooks)
  else
    made, text, code = link.open(self.connect, self.hooks, session.capabilities, ctx, era_of(self))
  end
  if not made then return nil, text, code end
  if self.closed or session.closed then
    made.client:close()
    return nil, "the session has ended", "ECLOSED"
  end
  made.client.mirrors = self.main and self.main.client.mirrors or made.client.mirrors
  if session ~= self.loose then made.session = session end
  own(self, session, made)
  return made
end

---The connection for a request.
---@param ctx mcp.Context
---@param seconds number how long to wait for a server that is starting
---@return mcp.mount.Link|nil link
---@return string|nil text
---@return string|nil code
function Upstream.__index:link_for(ctx, seconds)
  local main = self.main
  if not main or not main.client:is_open() then
    local text, code
    main, text, code = self:await(seconds)
    if not main then return nil, text, code end
  end
  local session = ctx.own_session
  if not session or not is_separate(self) then
    if not main.session then
      main.loose = true
      return main
    end
    -- It belongs to a client, whose state there may be no one else's.
    session = self.loose
  end
  while true do
    local made, others = self.of[session], self.opening[session]
    if made and made.client:is_open() then return made end
    if not others then
      local given = hand_over(self, session)
      if given then return given end
      local opening <close> = setmetatable({ of = self, session = session, waiting = {} }, Opening)
      self.opening[session] = opening
      local text, code
      made, text, code = open_for(self, session, ctx)
      -- What cancels one request is no failure of the others.
      if not made and code ~= "ECANCELED" then opening.failed = { text, code } end
      return made, text, code
    end
    local waiter = core.waiter()
    others.waiting[#others.waiting + 1] = waiter
    local given, reason, short = waiter:wait()
    if short then return nil, reason, short end
    if type(given) == "table" then return nil, given[1], given[2] end
    if not self.of[session] and not self.opening[session] and session.closed then
      return nil, "the session has ended", "ECLOSED"
    end
  end
end

---Ends all connections.
function Upstream.__index:close()
  self.closed = true
  self.tasks:cancel()
  wake(self)
  if self.main then self.main.client:close() end
  for _, made in pairs(self.of) do made.client:close() end
end

return upstream
