-- SPDX-License-Identifier: MIT
-- shared: what an app shares with the other processes that serve it, over a store (mcp.store), so
-- that any of them can serve any request of a client. An app of one process has none of this.
--
-- Each process has a number, small enough to be part of ids that come back from clients. It gets
-- messages on two topics: one for all processes of the app, one of its own. A message is an object
-- of JSON whose member `verb` names the function that gets it; other files register theirs.
--
--   lua/mcp/server/shared/sessions.lua   sessions that any process can serve
--   lua/mcp/server/shared/changes.lua    notices of changes
--   lua/mcp/server/shared/calls.lua      messages about a call that runs in another process
--   lua/mcp/server/shared/rate.lua       limits of requests
--   lua/mcp/server/shared/tasks.lua      tasks that any process can be asked about
--   lua/mcp/server/shared/streams.lua    event streams: what is resumed, and which process has one
--   lua/mcp/server/shared/posts.lua      messages of HTTP+SSE for streams of other processes
--
-- All keys and topics begin with the name of the app.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local refusal = require "mcp.refusal"

local shared = {}

---How long a process waits for the answer of another one, in seconds.
shared.TIMEOUT = 2
---Questions to other processes that wait for an answer: each is a request that waits.
shared.ASKING = 4096
-- How long what belongs to the number of a process is kept after its last sign of life, in seconds.
local NODE = 86400
-- Retry-After of a request that needs the store while it is away, in seconds.
local RETRY = 2
-- The numbers of processes are below this one: ids of 53 bits have 32 bits left for each process.
local NUMBERS = 1 << 20
-- What is kept for as long as the store is.
local FOREVER = 1e9
-- Seconds between two attempts to join while the store is away.
local AGAIN = 1

---@class mcp.Shared
---@field app mcp.App
---@field store mcp.Store
---@field address string|false that the store was opened from
---@field number integer|false of this process, once it has joined
---@field verbs table<string, fun(self: mcp.Shared, message: table): any> what each message calls
---@field asked table<string, fun(self: mcp.Shared, message: table): any> the same, with an answer
---@field joins (fun(self: mcp.Shared))[] called before the first request is served
---@field cares (fun(self: mcp.Shared))[] called now and then, to keep alive what is in use
---@field back (fun(self: mcp.Shared))[] called after the store was away
local Shared = { __name = "mcp.server.shared" }
Shared.__index = {}

function Shared.__tostring(self)
  return ("mcp.shared (%s%s)"):format(self.app.name, self.number and ", process " .. self.number
    or "")
end

---The key of a value, or the name of a topic.
---@param kind string
---@param id any
---@return string
function Shared.__index:key(kind, id) return ("%s/%s/%s"):format(self.prefix, kind, id) end

---The error of a request that needs the store while it is away.
---@param x userdata|nil its exchange
---@return nil
---@return table err
function Shared.__index.unavailable(_, x)
  if x then x:set_header("Retry-After", tostring(RETRY)) end
  return refusal.new(503, errors.BUSY, "Busy: the store that the processes of this server share "
    .. "cannot be reached; try again later")
end

-- What the other files of this folder do for apps, by file: the method of the app's share, and the
-- function of the file that it is. A file is loaded when it is first needed.
local FOLDER = "mcp.server.shared."
local METHODS = {
  sessions = { change = "change", announce_ready = "ready", lock = "lock" },
  changes = { publish = "publish", publish_late = "publish_late", sent = "sent",
    changes_since = "since", position = "position", announce = "announce", notify = "notify" },
  calls = { first_question = "first_question", pass_answer = "pass_answer",
    pass_cancel = "pass_cancel" },
  rate = { take_token = "take" },
  tasks = { save_task = "save", forget_task = "forget", find_task = "find", list_tasks = "list",
    await_task = "await", watch_task = "watch", fail_tasks = "fail_all" },
  streams = { begin_stream = "begin", claim_stream = "claim", leave_stream = "leave",
    resume = "resume" },
  posts = { name_post_stream = "name", open_post_stream = "open", pass_post = "pass" },
}
for file, methods in pairs(METHODS) do
  local module = FOLDER .. file
  for method, fn in pairs(methods) do
    Shared.__index[method] = function(...) return require(module)[fn](...) end
  end
end

-- --- messages to other processes ---------------------------------------------------------------

-- A message as it is sent.
local function pack(self, message)
  if not self.number then return nil, "the store has not been reached yet", "EUNAVAILABLE" end
  message.from = self.number
  return assert(core.encode(message))
end

---Sends a message to all other processes of the app. Does not wait.
---@param message table
---@return true|nil sent, string|nil text, string|nil code
function Shared.__index:tell_all(message)
  local packed, text, code = pack(self, message)
  if not packed then return nil, text, code end
  return self.store:publish(self:key("to", "all"), packed)
end

---Sends a message to one process. Does not wait.
---@param number integer
---@param message table
---@return true|nil sent, string|nil text, string|nil code
function Shared.__index:tell(number, message)
  local packed, text, code = pack(self, message)
  if not packed then return nil, text, code end
  return self.store:publish(self:key("to", number), packed)
end

local ROOM = setmetatable({}, { __close = function() end })
local function always() return ROOM end

---Sends a message to one process and waits for its answer.
---@param number integer
---@param message table
---@param admit (fun(bytes: integer): table|nil, string|nil, string|nil)|nil gets the size of what
---is about to be sent: something to close after the answer; or nil, text and code: it is not sent
---@return any answer nil, text and code: "ETIMEDOUT" if the process has not answered
---@return string|nil text, string|nil code
function Shared.__index:ask(number, message, admit)
  if self.asking >= shared.ASKING then
    return nil, "too many questions to other processes", "EBUSY"
  end
  self.last_question = self.last_question + 1
  local id, waiter = self.last_question, core.waiter()
  message.question = id
  local packed, text, code = pack(self, message)
  if not packed then return nil, text, code end
  local room <close>, reason, problem = (admit or always)(#packed)
  if not room then return nil, reason, problem end
  local sent
  sent, text, code = self.store:publish(self:key("to", number), packed)
  if not sent then return nil, text, code end
  self.waiting[id], self.asking = waiter, self.asking + 1
  local _ <close> = setmetatable({}, { __close = function()
    self.waiting[id], self.asking = nil, self.asking - 1
  end })
  local answer
  answer, text, code = waiter:wait(shared.TIMEOUT)
  if not answer then return nil, text, code end
  return answer.value
end

-- Answers a question; in a coroutine of its own.
local function answer(self, fn, message)
  local value = fn(self, message)
  self:tell(message.from, { answers = message.question, value = value })
end

local function receive(self, text)
  local message = core.decode(text)
  if type(message) ~= "table" then return end
  if message.answers then
    local waiter = self.waiting[message.answers]
    if waiter then waiter:wake { value = message.value } end
    return
  end
  local fn = self.asked[message.verb]
  if fn and message.question then
    core.spawn(answer, self, fn, message)
    return
  end
  fn = self.verbs[message.verb]
  -- Another process may run a later version of the program.
  if fn then fn(self, message) end
end

-- --- which processes there are -----------------------------------------------------------------

---Is the process with this number alive? While the store is away every process is.
---@param number integer
---@return boolean
function Shared.__index:is_alive(number)
  if number == self.number then return true end
  local node, _, code = self.store:get(self:key("node", number))
  if not node then return code ~= nil end
  local nodes = self.store:nodes()
  return not nodes or nodes[node] == true
end

-- Takes a number that no other process has.
local function take_number(self)
  while true do
    local count, text, code = self.store:count(self:key("node", "count"), 1, FOREVER)
    if not count then return nil, text, code end
    local number = count % NUMBERS
    local added
    added, text, code = self.store:add(self:key("node", number), self.store.node, NODE)
    if added == nil then return nil, text, code end
    if added then return number end
  end
end

-- A store that has lost what it had may give this process's number to another one.
local function check_number(self)
  local key = self:key("node", self.number)
  local added, _, code = self.store:add(key, self.store.node, NODE)
  if added or code then return end
  if self.store:get(key) == self.store.node then return end
  local number = take_number(self)
  if not number then return end
  local old = self.own_topic
  self.number = number
  self.own_topic = self.store:subscribe(self:key("to", number), function(text)
    receive(self, text)
  end)
  if old then old:close() end
end

-- --- secrets -----------------------------------------------------------------------------------

---A secret that all processes have; the first one makes it.
---@param name string
---@return string|nil secret, string|nil text, string|nil code
function Shared.__index:secret(name)
  local key = self:key("secret", name)
  local mine = self.secrets[name] or core.random_id() .. core.random_id()
  local added, text, code = self.store:add(key, mine, FOREVER)
  if added == nil then return nil, text, code end
  local theirs = mine
  if not added then
    theirs, text, code = self.store:get(key)
    if not theirs then return nil, text or "the store is being emptied", code or "EUNAVAILABLE" end
  end
  self.secrets[name] = theirs
  return theirs
end

-- What is sealed here can be opened by the other processes; keys that were given are the user's.
local function share_secrets(self)
  local app = self.app
  local ring, pager = app.ring, app.pager
  if not (ring and ring.secrets) or self.secrets.state then
    local found, text, code = self:secret "state"
    if not found then return nil, text, code end
    app.ring = require("mcp.server.seal").ring({ found }, ring and ring.ttl)
  end
  if pager then
    local found, text, code = self:secret "cursor"
    if not found then return nil, text, code end
    pager.key = found:sub(1, 16)
  end
  -- A store that was emptied gets back what has been asked of it since.
  if self.secrets.stream then self:secret "stream" end
  return true
end

-- --- joining -----------------------------------------------------------------------------------

local function join(self)
  local ok, text, code = self.store:connect()
  if not ok then return nil, text, code end
  local number
  number, text, code = take_number(self)
  if not number then return nil, text, code end
  ok, text, code = share_secrets(self)
  if not ok then return nil, text, code end
  local function take(message) receive(self, message) end
  self.own_topic = self.store:subscribe(self:key("to", number), take)
  self.all_topic = self.store:subscribe(self:key("to", "all"), take)
  for _, fn in ipairs(self.joins) do fn(self) end
  self.number = number
  return true
end

local function wake_all(self, name)
  local waiting = self[name]
  self[name] = {}
  for waiter in pairs(waiting) do waiter:wake(true) end
end

local function wait_in(self, name)
  local waiter = core.waiter()
  self[name][waiter] = true
  local _ <close> = setmetatable({}, { __close = function() self[name][waiter] = nil end })
  return waiter:wait(shared.TIMEOUT)
end

-- What a process does until it has joined, and what there is to do.
local WAIT = "it is tried again, and what needs it is refused until then"
local CORRECT = "correct the address of the store (--store, or the option store), or what its "
  .. "server allows; " .. WAIT

-- Keeps alive what this process uses.
local function care(self)
  self.store:touch_later(self:key("node", self.number), NODE)
  for _, fn in ipairs(self.cares) do fn(self) end
end

-- The work of a process beside its requests: joins, then keeps alive what is in use.
local function run(self)
  local failed
  while true do
    local ok, text, code = join(self)
    if ok then break end
    if code == "ECLOSED" or code == "ECANCELED" then return end
    if failed ~= text then
      local wrong = code ~= "EUNAVAILABLE"
      core.log(wrong and "error" or "warning", ("the store of %s has not been reached yet: %s; %s")
        :format(self.app.name, (text:gsub("%.$", "")), wrong and CORRECT or WAIT))
    end
    failed, self.tried = text, true
    wake_all(self, "trying")
    if not core.sleep(AGAIN) then return end
  end
  if failed then core.log("info", "the store of " .. self.app.name .. " has been reached") end
  wake_all(self, "joining")
  wake_all(self, "trying")
  self:publish_late()
  while core.sleep(self.interval) do care(self) end
end

---Waits until this process has joined the others.
---@return true|nil joined, string|nil text, string|nil code
function Shared.__index:await()
  if self.number then return true end
  local ok, text, code = wait_in(self, "joining")
  if ok then return true end
  return nil, text, code == "ETIMEDOUT" and "EUNAVAILABLE" or code
end

---Waits until this process has joined the others or has failed to: for what goes on without them,
---but should have them if they are there.
function Shared.__index:settle()
  if not self.number and not self.tried then wait_in(self, "trying") end
end

---For a request that needs what the processes share: true once this one has joined the others.
---Waits for that; requests that need nothing of it do not call this.
---@param x userdata|nil its exchange
---@return true|nil joined
---@return table|nil err
function Shared.__index:need(x)
  if self.number or self:await() then return true end
  return self:unavailable(x)
end

---Can requests be served? For /readyz.
---@return boolean
function Shared.__index:is_ready()
  return self.job ~= nil and self.number ~= false and self.store:is_ready()
end

---The app listens: joins the other processes, without waiting.
function Shared.__index:start()
  if self.job then return end
  self.number, self.tried = false, false
  if self.address and self.stopped then
    self.store, self.listens_back = require("mcp.store").open(self.address), false
  end
  if not self.listens_back then
    self.listens_back = true
    self.store:on_back(function()
      if not self.number then return end
      -- These first: they do not wait, and requests come at any time.
      for _, fn in ipairs(self.back) do fn(self) end
      check_number(self)
      share_secrets(self)
    end)
  end
  self.interval = math.min(self.app.sessions.idle / 3, NODE / 3)
  self.job = core.waiter()
  self.job:spawn(run, self)
end

---The app does not listen any more, and its calls have ended.
function Shared.__index:stop()
  if not self.job then return end
  self:fail_tasks()
  self.job:cancel()
  self.job = nil
  for _, name in ipairs { "own_topic", "all_topic" } do
    if self[name] then self[name]:close() end
    self[name] = nil
  end
  if self.number then self.store:delete_later(self:key("node", self.number)) end
  -- The store of someone else stays open.
  if self.address then self.store:close() end
  self.stopped = true
end

---Makes an app share its state with the other processes that have the same store and name. Nothing
---is connected before it listens. Raises (level 0) what is wrong.
---@param app mcp.App
---@param given string|table what mcp.store.open takes
---@return mcp.Shared
function shared.join(app, given)
  if app.shared then error("store: this server has one already", 0) end
  local self = setmetatable({
    app = app, address = type(given) == "string" and given or false,
    store = require("mcp.store").open(given), number = false, interval = 0,
    prefix = #app.name <= 200 and app.name or app.name:sub(1, 200),
    verbs = {}, asked = {}, joins = {}, cares = {}, back = {},
    waiting = {}, asking = 0, last_question = 0, joining = {}, secrets = {},
    trying = {}, tried = false,
  }, Shared)
  app.shared = self
  -- Those that take part in it from the start; a limit of requests joins by itself.
  for _, file in ipairs { "sessions", "changes", "calls", "streams", "tasks", "posts" } do
    require(FOLDER .. file).share(self)
  end
  return self
end

return shared
