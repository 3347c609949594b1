-- SPDX-License-Identifier: MIT
-- link: a connection to Redis that comes back after it was lost: a pipeline of commands, what waits
-- while the server is away, pauses between attempts. What the commands are for is the business of
-- lua/mcp/store/redis/init.lua.
--
-- A command is an item, a table: `words`, or `script` (a name) and `key` and `words`; `again`, it
-- may be sent a second time, though the first may have been carried out; `now`, it is not kept for
-- later; `kind` and `key` for messages. A command that was sent before the connection was lost is
-- not sent again without `again`: it may have been carried out.
local connection = require "mcp.store.redis.connection"
local core = require "mcp.core"

local link = {}

---Seconds between attempts to connect: the first, doubled each time up to the longest, and the
---first again after a connection that has lasted as long as that. Each pause is shortened by up to
---a half at random, so that processes do not come back together.
link.PAUSE = 0.05
link.PAUSE_MAX = 5
---Bytes of commands that wait while the server is away.
link.QUEUE = 16 << 20
---Seconds that commands without a waiting caller are kept while the server is away.
link.KEEP = 60

-- --- commands ---------------------------------------------------------------------------------

local Link = {}
Link.__index = Link

-- A queue of items.
local function queue() return { first = 1, last = 0 } end

local function push(list, item)
  list.last = list.last + 1
  list[list.last] = item
end

local function pop(list)
  local item = list[list.first]
  list[list.first] = nil
  list.first = list.first + 1
  return item
end

local function is_empty(list) return list.first > list.last end

-- The end of a command. One that was given up has been answered already.
local function finish(item, value, text, code)
  if item.given_up then return end
  item.value, item.text, item.code = value, text, code
  if item.waiter then
    item.waiter:wake(item)
  elseif item.reported then
    item.reported(text == nil, text)
  end
end

local function size_of(item)
  local size = 64
  for _, word in ipairs(item.words) do size = size + (type(word) == "string" and #word or 20) end
  return size
end

-- The bytes of a command. A script is known to the server by its digest since the connection was
-- made.
local function written(self, item, whole)
  local script, command = item.script, self.library.command
  if not script then return command(table.unpack(item.words)) end
  local digest = self.connection.digests[script]
  if whole or not digest then
    return command("EVAL", self.scripts[script], 1, table.unpack(item.words))
  end
  return command("EVALSHA", digest, 1, table.unpack(item.words))
end

-- Sends a command: true, or nil, text and code.
local function send(self, item, whole)
  local ok, text, code = self.connection:send(written(self, item, whole))
  if not ok then return nil, text, code end
  item.sent = core.now()
  push(self.pending, item)
  return true
end

local function since(self)
  return self.away_since and core.now() - self.away_since or 0
end

local function unavailable(self, what)
  return nil, ("%s: %s"):format(self.name, what), "EUNAVAILABLE"
end

local function why_away(self) return "away: " .. (self.reason or "not connected yet") end

---Ends the connection; another one is tried.
---@param reason string
function Link:drop(reason)
  if self.connection then self.connection:close(reason) end
end

-- Has nothing come for too long, though the server owes an answer?
local function check_stall(self)
  local oldest = self.pending[self.pending.first]
  if oldest and core.now() - math.max(oldest.sent, self.connection.heard) >= self.timeout then
    self:drop(("no answer within %g s"):format(self.timeout))
  end
end

---Sends a command, or keeps it until the server is back.
---@param item table
---@return true|nil taken, string|nil text, string|nil code
function Link:submit(item)
  if self.closing then return nil, "the store is closed", "ECLOSED" end
  self:start()
  if self.up then
    check_stall(self)
    local ok, _, code = send(self, item)
    if ok then return true end
    if code == "EBUSY" then
      return unavailable(self, ("it does not read: %d bytes wait to be sent"):format(link.QUEUE))
    elseif code == "ENOMEM" or code == "EBUDGET" then
      return unavailable(self, "not enough memory")
    end
  end
  if (item.now and self.reason) or (item.waiter and since(self) > self.timeout) then
    return unavailable(self, why_away(self) .. "; nothing was sent")
  end
  item.size = size_of(item)
  if self.queued + item.size > link.QUEUE then
    return unavailable(self, ("%s, and %d bytes wait for it"):format(why_away(self), self.queued))
  end
  self.queued = self.queued + item.size
  item.deadline = core.now() + (item.waiter and self.timeout or link.KEEP)
  push(self.waiting, item)
  return true
end

---Sends a command and waits for its answer.
---@param item table
---@return any value nil alone where the answer is nothing
---@return string|nil text, string|nil code
function Link:call(item)
  item.waiter = core.waiter()
  local ok, text, code = self:submit(item)
  if not ok then return nil, text, code end
  ok, text, code = item.waiter:wait(self.timeout)
  if ok then
    if item.code then return nil, item.text, item.code end
    return item.value
  end
  item.given_up = true
  if code ~= "ETIMEDOUT" then return nil, text, code end
  if not item.sent then
    self.queued, item.words = self.queued - item.size, nil
    return unavailable(self, why_away(self) .. "; nothing was sent")
  end
  check_stall(self)
  return unavailable(self, ("no answer within %g s; it may have been carried out"):format(
    self.timeout))
end

-- --- answers ----------------------------------------------------------------------------------

-- The text of an error for the user of the store, and its code.
local function judge(self, item, message)
  local kind, key = item.kind, item.key
  if message:find "WRONGTYPE" then
    return ("key %q: expected a %s, found another kind"):format(key, kind or "value"), "EKIND"
  elseif message:find "not an integer" then
    return ("key %q: expected a count, found a value that is no integer"):format(key), "EKIND"
  elseif message:find "would overflow" then
    return ("key %q: the count does not fit into 64 bits"):format(key), "ERANGE"
  end
  local text, code = connection.explain(message)
  return ("%s: %s"):format(self.name, text), code
end

local function answer(self, kind, value)
  if self.subscriber then return self.on_push(kind, value) end
  local item = pop(self.pending)
  if not item then return self:drop "an answer without a command" end
  if kind ~= "error" then return finish(item, value) end
  -- The script was not carried out.
  if item.script and not item.whole and value:find "^NOSCRIPT" then
    item.whole = true
    if send(self, item, true) then return end
  end
  finish(item, nil, judge(self, item, value))
  local away = connection.AWAY[value:match "^%u+"]
  if away then self:drop(away) end
end

-- --- up and away ------------------------------------------------------------------------------

local function notify(self)
  local list = self.watchers
  self.watchers = {}
  for _, waiter in ipairs(list) do waiter:wake() end
end

-- Sends what has waited for the server.
local function flush(self)
  local now, list = core.now(), self.waiting
  self.waiting, self.queued = queue(), 0
  while not is_empty(list) do
    local item = pop(list)
    if item.deadline < now then
      finish(item, unavailable(self, "away for too long; nothing was sent"))
    elseif not item.given_up then
      local ok, text, code = send(self, item)
      if code == "ECLOSED" then
        -- It has ended already: for the next one.
        self.queued = self.queued + item.size
        push(self.waiting, item)
      elseif not ok then
        finish(item, nil, text, code)
      end
    end
  end
end

local function go_up(self)
  self.up, self.code = true, nil
  if self.warned then
    -- At the level of the other line: a log that has that one has this one, too.
    core.log("warning", ("%s: back after %.1f s"):format(self.name, since(self)))
  end
  self.away_since, self.warned, self.reason = nil, false, nil
  flush(self)
  notify(self)
  self.on_up()
end

-- The commands that were sent and not answered: those that may be sent again wait for that, before
-- all others; the others have failed.
local function sort_out(self, reason)
  local list, rest = self.pending, self.waiting
  self.pending, self.waiting = queue(), queue()
  local text = ("%s: the connection was lost before the answer (%s); it may have been carried out")
    :format(self.name, reason)
  while not is_empty(list) do
    local item = pop(list)
    if item.again and not self.closing and not item.given_up then
      item.deadline = item.deadline or item.sent + (item.waiter and self.timeout or link.KEEP)
      item.sent, item.size = nil, size_of(item)
      self.queued = self.queued + item.size
      push(self.waiting, item)
    else
      finish(item, nil, self.closing and "the store is closed" or text,
        self.closing and "ECLOSED" or "EUNAVAILABLE")
    end
  end
  while not is_empty(rest) do push(self.waiting, pop(rest)) end
end

local function go_away(self, text, code)
  local was_up = self.up
  if self.connection then self.connection:close() end
  self.up, self.connection = false, nil
  self.away_since = self.away_since or core.now()
  self.reason, self.code = text, code
  sort_out(self, text)
  if self.closing then return end
  if not self.warned then
    self.warned = true
    core.log("warning", ("%s: away: %s"):format(self.name, text))
  end
  notify(self)
  if was_up then self.on_away() end
end

-- Connects and logs in. True, or nil, text and code.
local function connect(self)
  local made, text, code = connection.open(self.place, self.timeout)
  if not made then return nil, text, code end
  self.connection = made
  if self.closing then return nil, "the store is closed", "ECLOSED" end
  return made:greet(not self.subscriber and self.scripts or nil, self.timeout)
end

-- The task of a link: connects, reads, connects again.
local function run(self)
  local pause = link.PAUSE
  while not self.closing do
    local _
    local ok, text, code = connect(self)
    if ok then
      local begun = core.now()
      go_up(self)
      ok, text = self.connection:read(function(kind, value)
        answer(self, kind, value)
        return self.closing and is_empty(self.pending) and "closed"
      end)
      code = nil
      if core.now() - begun >= link.PAUSE_MAX then pause = link.PAUSE end
    end
    go_away(self, ok or text, code)
    if self.closing then break end
    self.pause = core.waiter()
    _, _, code = self.pause:wait(pause * (0.5 + math.random() / 2))
    if code == "ECANCELED" then break end
    pause = math.min(pause * 2, link.PAUSE_MAX)
  end
  self.running = false
  if self.ending then self.ending:wake() end
end

---Connects in a task of its own, unless that runs already.
function Link:start()
  if self.running or self.closing then return end
  self.running = true
  core.spawn(function()
    local ok, err = xpcall(run, debug.traceback, self)
    if ok then return end
    self.running = false
    core.log_lines("error", ("%s: %s"):format(self.name, tostring(err)))
    go_away(self, "an error, which was logged")
  end)
end

---Waits until it is connected, or an attempt has failed.
---@return true|nil up, string|nil text
---@return string|nil code EUNAVAILABLE: it is tried again; else it has to be corrected
function Link:connect()
  self:start()
  if not self.up and not self.reason then
    local waiter = core.waiter()
    self.watchers[#self.watchers + 1] = waiter
    local ok, text, code = waiter:wait(self.timeout * 2)
    if not ok and code == "ECANCELED" then return nil, text, code end
  end
  if self.up then return true end
  local _, text = unavailable(self, why_away(self))
  return nil, text, self.code or "EUNAVAILABLE"
end

---Sends a command whose answer goes to `on_push`; only of a subscriber.
---@return boolean sent
function Link:push(...)
  return self.up and self.connection:send(self.library.command(...)) ~= nil
end

---Closes it, after the answers to what was sent; callers that wait get "ECLOSED". Called again it
---does not wait for the answers.
function Link:close()
  local again = self.closing
  self.closing = true
  if self.pause then self.pause:wake() end
  if again then
    if self.connection then self.connection:close() end
    return
  end
  local unsent = 0
  for _, list in ipairs { self.pending, self.waiting } do
    for i = list.first, list.last do
      local item = list[i]
      if item.waiter then
        finish(item, nil, "the store is closed", "ECLOSED")
        item.given_up = true
      elseif list == self.waiting and item.reported then
        unsent = unsent + 1
      end
    end
  end
  if unsent > 0 then
    core.log("warning", ("%s: closed while it is away: changes that were not sent are lost: %d")
      :format(self.name, unsent))
  end
  notify(self)
  if not self.connection then return end
  if not self.up or is_empty(self.pending) then return self.connection:close() end
  -- Not longer than this for the answers.
  self.ending = core.waiter()
  core.spawn(function()
    self.ending:wait(self.timeout)
    if self.connection then self.connection:close() end
  end)
end

---A link, not connected yet.
---@param options table name, place (mcp.store.redis.Address), timeout, scripts, subscriber
---(boolean), on_up, on_away, on_push (functions)
---@return table|nil
---@return string|nil text why there is none
function link.new(options)
  local library, text = connection.library()
  if not library then return nil, text end
  local self = setmetatable({ library = library, pending = queue(), waiting = queue(), queued = 0,
    watchers = {}, up = false, running = false, closing = false, warned = false }, Link)
  for name, value in pairs(options) do self[name] = value end
  return self
end

return link
