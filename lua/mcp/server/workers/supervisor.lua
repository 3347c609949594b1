-- SPDX-License-Identifier: MIT
-- supervisor: serves with several processes. It opens the sockets and accepts from none of them;
-- its workers, which run the script, do. It replaces workers that end or hang, and all of them one
-- by one on request, and keeps the store that they share (workers/hub.lua). It runs nothing of the
-- script.
local core = require "mcp.core"
local figures = require "mcp.server.workers.figures"
local frames = require "mcp.store.frames"
local hub = require "mcp.server.workers.hub"
local lists = require "mcp.server.lists"
local member = require "mcp.server.workers.member"
local output = require "mcp.server.workers.output"
local serve = require "mcp.server.listen.serve"
local service = require "mcp.later" "mcp.server.listen.service"

local supervisor = {}

---How long a worker may take until it serves, in seconds: a script that waits for something.
supervisor.START = 60
---How often workers are asked for a sign of life, in seconds.
supervisor.PING = 1
---How many questions in a row may have no answer until a worker counts as hanging: a handler that
---computes without end.
supervisor.SILENT = 10
---Between TERM and KILL for a worker that hangs, in seconds.
supervisor.KILL = 2
---How long a worker that is to end may take beyond `drain`, in seconds: what app:run allows for
---calls in progress (10) and for closing (12), and a little more.
supervisor.LEAVE = 24
---How long clients of old workers have, beyond `drain`, to open their streams and subscriptions at
---the new ones before they are notified of lists that differ, in seconds.
supervisor.COME = 2
---Between the end of a worker that did not get ready and the start of its replacement, in seconds;
---doubled each time. A script that fails at its start must not take the machine.
supervisor.BACKOFF = 1
---The longest such pause.
supervisor.BACKOFF_MOST = 30
---A worker that has served as long is replaced at once, however often workers end: requests that
---crash them must not end the service for all. In seconds.
supervisor.STABLE = 1
---The pause after workers of a number that have ended sooner twice in a row or more, in seconds. It
---does not grow.
supervisor.PAUSE = 1

local SIGHUP = 1

---@class mcp.Supervisor
local Supervisor = { __name = "mcp.supervisor" }
Supervisor.__index = {}

function Supervisor.__tostring(self)
  return ("mcp.supervisor (%d workers)"):format(self.count)
end

-- --- one worker --------------------------------------------------------------------------------
-- A worker is { number, pid, process, channel, member, ready, ended, expected, missed }; `change`
-- is a waiter that is woken when it is ready or has ended.

local function name_of(worker) return ("worker %d"):format(worker.number) end

local function how(ended)
  if not ended.code and not ended.signal then return "could not be started" end
  return ended.signal and "was ended by " .. ended.signal or ("ended with status %d"):format(
    ended.code)
end

local function changed(worker)
  local waiters = worker.waiters
  worker.waiters = {}
  for _, waiter in ipairs(waiters) do waiter:wake() end
end

-- Waits until it serves or has ended: true, or nil and what is wrong.
local function await_ready(worker)
  local deadline = core.now() + supervisor.START
  while not worker.ready and not worker.ended do
    local left = deadline - core.now()
    if left <= 0 then
      return nil, ("%s was not ready within %g seconds"):format(name_of(worker), supervisor.START)
    end
    local waiter = core.waiter()
    table.insert(worker.waiters, waiter)
    waiter:wait(left)
  end
  if worker.ready then return true end
  return nil, ("%s %s before it was ready"):format(name_of(worker), how(worker.ended))
end

-- Ends a worker: TERM, and KILL if that takes too long.
local function finish(worker, seconds)
  worker.expected = true
  if worker.ended or not worker.process then return end
  worker.process:kill "TERM"
  core.spawn(function()
    if not core.sleep(seconds) then return end
    if not worker.ended then worker.process:kill "KILL" end
  end)
end

-- --- the figures of all workers ----------------------------------------------------------------

-- Asks the workers for their figures, and waits until all have answered, or for figures.TIMEOUT.
local function gather(self, workers)
  self.rounds = self.rounds + 1
  local round, deadline = self.rounds, core.now() + figures.TIMEOUT
  for _, worker in ipairs(workers) do worker.channel:send(frames.FIGURES) end
  for _, worker in ipairs(workers) do
    while not worker.ended and (worker.figures_at or 0) < round do
      local left = deadline - core.now()
      if left <= 0 then break end
      local waiter = core.waiter()
      table.insert(worker.waiters, waiter)
      waiter:wait(left)
    end
  end
end

-- What a worker has counted stays in the sum when it ends. It is asked a last time before.
local function bury_figures(self, worker)
  if worker.figures and not worker.buried then
    worker.buried = true
    figures.add(self.past, worker.figures, true)
  end
end

-- Answers a worker that is scraped.
local function sum_figures(self, asking)
  local workers, sum = {}, figures.new()
  for worker in pairs(self.living) do
    if worker.ready and not worker.ended then workers[#workers + 1] = worker end
  end
  gather(self, workers)
  figures.add(sum, self.past.families)
  for _, worker in ipairs(workers) do
    if not worker.buried then figures.add(sum, worker.figures or {}) end
  end
  figures.add(sum, {
    figures.one("luamcp_workers", "gauge", "Processes that serve.", #workers),
    figures.one("luamcp_workers_replaced_total", "counter",
      "Workers that have ended or hung and were replaced.", self.replaced),
  })
  asking.channel:send(frames.SUMMED, figures.pack(figures.families(sum)))
end

local function receive(self, worker)
  for frame in function() return (worker.channel:receive()) end do
    if not worker.member:take_frame(frame) then
      local kind = frame:sub(1, 1)
      if kind == frames.PONG then
        worker.missed = 0
      elseif kind == frames.READY then
        worker.info = core.decode(frame:sub(2))
        worker.ready, worker.since = true, core.now()
        changed(worker)
      elseif kind == frames.ROLL then
        core.spawn(self.roll, self)
      elseif kind == frames.FIGURES then
        worker.figures, worker.figures_at = figures.unpack(frame, 2), self.rounds
        changed(worker)
      elseif kind == frames.SUMMED then
        core.spawn(sum_figures, self, worker)
      end
    end
  end
  worker.member:leave()
end

-- Asks for signs of life. Ticks are counted, not seconds: a machine that slept has missed none.
local function watch(self, worker)
  while core.sleep(supervisor.PING) do
    if worker.ended or worker.expected then return end
    if worker.ready then
      if worker.missed >= supervisor.SILENT then
        core.log("error", ("%s (%d) has not answered for %g seconds: it is replaced"):format(
          name_of(worker), worker.pid, worker.missed * supervisor.PING))
        worker.hangs = true
        finish(worker, supervisor.KILL)
        return self:replace(worker)
      end
      worker.missed = worker.missed + 1
      worker.channel:send(frames.PING)
    end
  end
end

local function names_of(self)
  local names = {}
  for i, item in ipairs(self.sockets) do names[i] = item.name end
  names[#names + 1] = "tally"
  names[#names + 1] = "hub"
  return table.concat(names, ":")
end

local function ended_of(self, worker)
  changed(worker)
  bury_figures(self, worker)
  self.tally:clear(worker.place)
  if worker.expected or worker.on_trial or not self.was_ready or self.stopping then return end
  if worker.ready then
    core.log("error", ("%s (%d) %s: it is replaced"):format(name_of(worker), worker.pid,
      how(worker.ended)))
  end
  self:replace(worker)
end

-- A place in the tally that no living worker has.
local function place_for(self)
  local taken, place = {}, 0
  for worker in pairs(self.living) do taken[worker.place or -1] = true end
  while taken[place] do place = place + 1 end
  return place
end

-- The task of a worker: from its start to its end. Its process ends with it.
local function live(self, worker)
  local sockets = {}
  for i, item in ipairs(self.sockets) do sockets[i] = item.socket end
  sockets[#sockets + 1] = self.tally_socket
  worker.place = place_for(self)
  local id = core.random_id()
  local process <close>, channel = core.process {
    command = self.command[1], args = table.move(self.command, 2, #self.command, 1, {}),
    env = {
      LISTEN_PID = false, LISTEN_FDS = ("%d"):format(#sockets + 1), LISTEN_FDNAMES = names_of(self),
      [member.VARIABLE] = ("%d %s %d%s"):format(worker.number, id, worker.place,
        self.was_ready and " quiet" or ""),
    },
    sockets = sockets, channel = true, our_output = true, stderr = "capture",
  }
  if not process then
    worker.ended, worker.last_message = {}, channel
    self.living[worker] = nil
    return ended_of(self, worker)
  end
  worker.pid, worker.process, worker.channel = process.pid, process, channel
  worker.member = self.hub:join(channel, name_of(worker), id)
  process:close_stdin()
  if worker.expected then process:kill "TERM" end
  core.spawn(receive, self, worker)
  core.spawn(watch, self, worker)
  local relay, message_of = core.waiter(), output.last_message()
  relay:spawn(output.relay, process, function()
    return self.was_ready and worker.number
  end, function(line) worker.last_message = message_of(line) end)
  local ended = process:wait()
  relay:wait(1)
  worker.ended = ended or {}
  channel:close()
  self.living[worker] = nil
  ended_of(self, worker)
end

-- Starts a worker in a task of its own.
local function start(self, number)
  local worker = { number = number, waiters = {}, missed = 0 }
  self.living[worker] = true
  core.spawn(live, self, worker)
  return worker
end

-- --- all of them -------------------------------------------------------------------------------

-- How long to wait before a worker is replaced, in seconds.
local function pause_after(slot, worker)
  if not worker.ready then
    slot.failures = slot.failures + 1
    return math.min(supervisor.BACKOFF_MOST,
      supervisor.BACKOFF * 2 ^ math.min(slot.failures - 1, 10))
  end
  slot.failures = 0
  slot.short = core.now() - worker.since < supervisor.STABLE and slot.short + 1 or 0
  -- The first may have been killed by hand.
  return slot.short > 1 and supervisor.PAUSE or 0
end

---Starts another worker in the place of one that has ended or hangs.
---@param worker table
function Supervisor.__index:replace(worker)
  local slot = self.slots[worker.number]
  if self.stopping or slot.worker ~= worker then return end
  local delay = pause_after(slot, worker)
  self.replaced = self.replaced + 1
  slot.worker = nil
  core.spawn(function()
    if delay > 0 then
      core.log("warning", ("%s starts again in %g s"):format(name_of(worker), delay))
      if not core.sleep(delay) then return end
    end
    if self.stopping or slot.worker then return end
    local fresh = start(self, worker.number)
    slot.worker = fresh
    local ready, text = await_ready(fresh)
    if ready or self.stopping or slot.worker ~= fresh then return end
    core.log("error", text)
    if fresh.ended then return end -- its own task has replaced it
    finish(fresh, supervisor.KILL)
    self:replace(fresh)
  end)
end

-- Notifies the clients of all workers of the lists that the new ones have changed: one of these
-- publishes it for all. Only once no request can reach an old one, which has the old lists.
local function announce_changes(self)
  local first = self.slots[1].worker
  if not core.sleep(supervisor.COME + self.drain) then return end
  -- Another roll does it afterwards.
  if self.stopping or first ~= self.slots[1].worker or first.ended then return end
  local changes = lists.differing(self.lists, first.info.lists)
  self.lists = first.info.lists
  if changes[1] then first.channel:send(frames.CHANGED, assert(core.encode(changes))) end
end

---Replaces all workers, one by one: starts a new one, waits until it serves, and lets the old one
---finish its calls. A new one that does not get ready is given up, and what is left of the old ones
---goes on. Waits; for tasks.
---@return true|nil rolled, string|nil text
function Supervisor.__index:roll()
  if self.stopping then return nil, "the supervisor ends" end
  if self.rolling then
    -- The workers started so far have the old script.
    self.roll_again = true
    return nil, "the workers are being replaced already; it is done once more after that"
  end
  self.rolling = true
  if self.manager then self.manager:reloading() end
  local rolled, text = true, nil
  for _, slot in ipairs(self.slots) do
    local fresh = start(self, slot.number)
    fresh.on_trial = true -- its end replaces nothing, until it serves
    rolled, text = await_ready(fresh)
    if self.stopping then break end
    if not rolled then
      finish(fresh, supervisor.KILL)
      if fresh.last_message then text = ("%s: %s"):format(text, fresh.last_message) end
      core.log("error", ("the workers are not replaced: %s"):format(text))
      break
    end
    fresh.on_trial, slot.failures, slot.short = false, 0, 0
    -- The one that there was may have ended meanwhile, and been replaced.
    local old = slot.worker
    slot.worker = fresh
    if fresh.ended then self:replace(fresh) end
    if old then
      if old.ready then gather(self, { old }) end
      finish(old, self:leave_time())
    end
  end
  if rolled and not self.stopping then core.spawn(announce_changes, self) end
  self.rolling = false
  if self.manager and not self.stopping then self.manager:ready() end
  if rolled and not self.stopping then core.log("notice", "all workers have been replaced") end
  if self.roll_again then
    self.roll_again = false
    core.spawn(self.roll, self)
  end
  return rolled, text
end

-- How long a worker may take to end, in seconds.
function Supervisor.__index:leave_time() return supervisor.LEAVE + self.drain end

-- No client finds the sockets any more; what waits in their queues is served by the workers.
local function close_sockets(self)
  for _, item in ipairs(self.sockets) do
    item.socket:remove_file()
    item.socket:close()
  end
end

---Ends: the workers finish their calls. A second call ends them at once.
function Supervisor.__index:stop()
  if self.stopping then
    self.hurried = true
    for worker in pairs(self.living) do
      if worker.process and not worker.ended then worker.process:kill "KILL" end
    end
    return
  end
  self.stopping = true
  if self.manager then self.manager:stopping(self.drain > 0 and "draining" or "ending") end
  for worker in pairs(self.living) do finish(worker, self:leave_time()) end
  -- Clients may still come for so long.
  core.spawn(function()
    if self.drain > 0 then core.sleep(self.drain) end
    close_sockets(self)
  end)
end

-- Where it answers: for people, and for programs that wait for this line.
local function announce(self)
  local info = self.slots[1].worker and self.slots[1].worker.info or {}
  for _, url in ipairs(info.urls or {}) do
    output.say(("%s %s answers at %s (%d workers)"):format(info.name, info.version, url,
      self.count))
  end
  if self.manager then
    self.manager:ready(("%d workers serve %s"):format(self.count,
      table.concat(info.urls or {}, ", ")))
  end
end

-- The first worker shows whether the script works at all: with it all ends. The others start
-- together.
local function begin(self)
  local first = start(self, 1)
  self.slots[1].worker = first
  local ready, text = await_ready(first)
  if self.stopping then return end
  if not ready then
    self.failure = text
    finish(first, supervisor.KILL)
    self.stopping = true
    return
  end
  self.was_ready, self.drain, self.lists = true, first.info.drain or 0, first.info.lists
  local others = {}
  for number = 2, self.count do
    others[number - 1] = start(self, number)
    self.slots[number].worker = others[number - 1]
  end
  for _, worker in ipairs(others) do
    ready, text = await_ready(worker)
    if self.stopping then return end
    if not ready then core.log("error", text) end
  end
  announce(self)
end

---Serves until the end.
---@return true|nil done, string|nil text why the first worker did not start
function Supervisor.__index:run()
  local is_closed = serve.watch_terminal()
  core.catch_signals(function(number)
    if number == SIGHUP and not is_closed() and not self.stopping then
      return core.spawn(self.roll, self)
    end
    self:stop()
  end)
  self.manager = os.getenv "NOTIFY_SOCKET" and service.manager() or nil
  core.spawn(begin, self)
  while not self.stopping or next(self.living) do core.step() end
  close_sockets(self)
  if self.manager then self.manager:close() end
  core.catch_signals(nil)
  if self.failure then return nil, self.failure end
  return true
end

---A supervisor that has not started anything. Raises (level 0) what is wrong.
---@param options table command (the program and its words, each one apart), count, sockets (a list
---of { name =, socket = })
---@return mcp.Supervisor
function supervisor.new(options)
  local self = setmetatable({ command = options.command, count = options.count,
    sockets = options.sockets, slots = {}, living = {},
    hub = hub.new(), drain = 0, lists = {}, replaced = 0, rounds = 0, past = figures.new(),
    manager = nil }, Supervisor)
  self.tally, self.tally_socket = core.tally()
  if not self.tally then error("workers: cannot share memory: " .. self.tally_socket, 0) end
  for number = 1, self.count do
    self.slots[number] = { number = number, failures = 0, short = 0 }
  end
  return self
end

return supervisor
