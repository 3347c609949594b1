-- SPDX-License-Identifier: MIT
-- member: a worker's side of its supervisor: the sockets it serves, the store it shares with the
-- other workers, and signs of life. Loaded only in a process that a supervisor has started.
local core = require "mcp.core"
local figures = require "mcp.later" "mcp.server.workers.figures"
local frames = require "mcp.store.frames"
local store_hub = require "mcp.store.hub"

local member = {}

---The variable that makes a process a worker: its number, the id of its store, and "quiet" where
---another worker has said already what is to be said of the options.
member.VARIABLE = "LUAMCP_WORKER"

-- The names of the descriptors that are for the worker itself: what leads to the supervisor, and
-- the connections of all workers.
local HUB, TALLY = "hub", "tally"

---How long a worker that serves waits until it has joined the others before it says that it is
---ready, in seconds: a store that cannot be reached.
member.JOIN = 5

---The number of this worker.
---@type integer|nil
member.number = nil

---The connections of all workers, for its listeners.
---@type mcp.core.Tally|nil
member.tally = nil

---The store that all workers share, from `member.options` on.
---@type mcp.Store|nil
member.store = nil

---Has another worker logged what is wrong with the options?
---@type boolean
member.quiet = false

-- What leads to the supervisor, until it is opened, and the id of the store.
local connection, node
-- The app, all apps by their path ("": that one), and what waits for the figures of all workers.
local channel, on_lost, served
local apps = {}
local summed = {}

-- Ends with the supervisor. Its pings are answered here, by the loop: a handler that holds the loop
-- does not answer.
local function receive(driver)
  for frame in function() return (channel:receive()) end do
    if not driver:take_frame(frame) then
      local kind = frame:sub(1, 1)
      if kind == frames.PING then
        channel:send(frames.PONG)
      elseif kind == frames.FIGURES then
        local values = served and served.figures and served.figures() or {}
        channel:send(frame, figures.pack(values))
      elseif kind == frames.SUMMED and summed[1] then
        table.remove(summed, 1):wake(frame)
      elseif kind == frames.CHANGED then
        for _, change in ipairs(core.decode(frame:sub(2))) do
          if apps[change.path] then apps[change.path].bus:publish(change.kind) end
        end
      end
    end
  end
  driver:lose()
  if on_lost then on_lost() end
end

-- Begins to answer the supervisor, which asks for nothing before `member.ready`. Not while the
-- script is loaded: it may choose another loop first (mcp.on_luv).
local function open()
  if channel then return end
  channel = assert(core.channel(connection))
  local driver
  member.store, driver = store_hub.new(channel, node)
  core.spawn(receive, driver)
end

---Takes what the supervisor has passed on.
---@param text string the value of `member.VARIABLE`
---@return { name: string, socket: mcp.core.Socket }[] sockets to serve
function member.join(text)
  local number, id, place, rest = text:match "^(%d+) (%S+) (%d+) ?(%S*)$"
  local list, problem = core.inherited(true)
  if not number or not list then
    error(("%s: expected what a supervisor sets: %s"):format(member.VARIABLE,
      problem or "there are no descriptors"), 0)
  end
  local tally
  for i = #list, 1, -1 do
    if list[i].name == HUB then connection = table.remove(list, i).socket end
    if list[i] and list[i].name == TALLY then tally = table.remove(list, i).socket end
  end
  if tally then
    member.tally = assert(core.tally(tally, math.tointeger(tonumber(place))))
    tally:close()
  end
  if not connection then error(member.VARIABLE .. ": no descriptor leads to the supervisor", 0) end
  member.number, member.quiet = math.tointeger(tonumber(number)), rest == "quiet"
  node = id
  return list
end

-- The figures of all workers; nil if the supervisor does not answer: then those of this one.
local function sum_figures()
  local waiter = core.waiter()
  table.insert(summed, waiter)
  channel:send(frames.SUMMED)
  local frame = waiter:wait(2 * figures.TIMEOUT)
  for i, other in ipairs(summed) do
    if other == waiter then table.remove(summed, i) break end
  end
  return frame and figures.unpack(frame, 2) or nil
end

---The options of app:run for this worker: apps without a store share that of the supervisor.
---@param app mcp.App
---@param options table
---@return table
function member.options(app, options)
  open()
  served, apps[""] = app, app
  app.sum_figures = sum_figures
  local out = { quiet = member.quiet or nil }
  for name, given in pairs(options) do out[name] = out[name] or given end
  if not app.shared and not out.store then out.store = member.store end
  for _, other in pairs(type(out.paths) == "table" and out.paths or {}) do
    if type(other) == "table" and rawget(other, "shared") == false then
      require("mcp.server.shared").join(other, member.store)
    end
  end
  return out
end

-- Waits until the apps have joined the other processes, but not for ever: without the store they
-- serve what needs none.
local function await_others()
  local deadline = core.now() + member.JOIN
  for _, app in pairs(apps) do
    while app.shared and not app.shared.number and core.now() < deadline do
      local ok, _, code = app.shared:await()
      if not ok and code == "ECANCELED" then return end
    end
  end
end

---Tells the supervisor that this worker serves, once it can serve all that the others do: the
---supervisor ends another one then.
---@param info table name, version, urls, drain
---@param lost fun() what to do when the supervisor is gone
function member.ready(info, lost)
  open()
  on_lost = lost
  info.lists = {}
  for path, app in pairs(apps) do info.lists[path] = require("mcp.server.lists").digests(app) end
  local text = assert(core.encode(info))
  core.spawn(function()
    await_others()
    channel:send(frames.READY, text)
    if not channel:is_open() then lost() end
  end)
end

---Asks the supervisor to replace all workers, one by one: with the script as it is now.
---@return true|nil asked, string|nil text, string|nil code
function member.roll()
  open()
  return channel:send(frames.ROLL)
end

---Lets what runs the script again replace all workers instead. One of them watches its files.
---@param script table see lua/mcp/cli/run.lua
function member.lead(script)
  script.watched = script.watched and member.number == 1
  script.again = member.roll
end

return member
