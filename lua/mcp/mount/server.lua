-- SPDX-License-Identifier: MIT
-- server: a mounted server on the other side of a connection: reads its lists, makes the calls of
-- its entries, and follows its changes. The requests carry nothing of the caller but what belongs
-- to the call: neither its token nor its header fields.
local calls = require "mcp.client.call"
local core = require "mcp.core"
local entries = require "mcp.mount.entries"
local errors = require "mcp.protocol.errors"
local extension = require "mcp.protocol.extension"
local failure = require "mcp.failure"
local link = require "mcp.mount.link"
local pages = require "mcp.client.pages"
local protocol = require "mcp.protocol"
local question = require "mcp.message.question"
local request = require "mcp.client.request"
local resource = require "mcp.server.feature.resource"
local rounds = require "mcp.mount.rounds"
local tools = require "mcp.client.tools"
local upstream = require "mcp.mount.upstream"
local value = require "mcp.value"
local watched = require "mcp.client.watched"

local server = {}

---How long a list waits for a server that is starting, or whose list is read again, in seconds.
server.DEADLINE = 5
---How long a call waits for a server that is starting, in seconds.
server.START = 30
---How long a list is used if the server neither says so nor tells of changes, in seconds.
server.TTL = 300
---The list of a server that gives it no time at all is still used for so long, in seconds: each
---request of a client would otherwise be one of ours.
server.TTL_MIN = 1
---How long the task of a tool that must be one may be kept there, in seconds.
server.TASK = 3600

local KINDS = { "tools", "prompts", "resources", "templates" }
local METHODS = { tools = "tools/list", prompts = "prompts/list", resources = "resources/list",
  templates = "resources/templates/list" }
local CAPABILITY = { tools = "tools", prompts = "prompts", resources = "resources",
  templates = "resources" }

local NOTHING = {}

---@class mcp.mount.Server
local Server = { __name = "mcp.mount.server" }
Server.__index = {}

function Server.__tostring(self) return ("mcp.mount (%s, %s)"):format(self.name, self:state()) end

-- --- the lists -----------------------------------------------------------------------------------

-- Sets until when a list holds.
local function expire(self, kind, at)
  self.expires[kind], self.live = at, false
end

-- Reads one list. nil and a text if it cannot be read; true and a text if it is missing, for now.
local function read(self, made, kind)
  local client = made.client
  local offered = client.capabilities[CAPABILITY[kind]]
  if not value.is_object(offered) then
    self.lists[kind] = {}
    expire(self, kind, math.huge)
    return true
  end
  local about = {}
  local list, text, code = pages.all(client, METHODS[kind], {}, nil, nil, about)
  if not list then
    if math.type(code) ~= "integer" then return nil, text end
    -- Servers with resources need not have templates, nor the method for them. Another error does
    -- not make the rest of the server unusable.
    if code ~= errors.METHOD_NOT_FOUND then
      if self.known then return nil, text end
      core.log("warning", ("%s: %s"):format(self.title, text))
      self.lists[kind] = {}
      expire(self, kind, core.now() + server.DEADLINE)
      return true, text
    end
    list = {}
  end
  self.lists[kind] = entries.of(self, kind, list, self.lists[kind])
  local ttl = math.huge
  if offered.listChanged ~= true then
    ttl = math.max(about.ttl or self.options.ttl or server.TTL, server.TTL_MIN)
  end
  expire(self, kind, core.now() + ttl)
  return true
end

-- The connection is open: reads everything.
local function on_up(self, made)
  self.completes = made.client.capabilities.completions ~= nil
  self.client = made.client
  self.offered = NOTHING
  local extensions = made.client.capabilities.extensions
  if value.is_object(extensions) and next(extensions) then
    self.offered = require("mcp.mount.extension").of(made.client.capabilities)
  end
  if self.mounts.alone == self then
    require("mcp.mount.alone").identify(self.mounts.app, made.client)
  end
  self.mounts:offer()
  local missing
  for _, kind in ipairs(KINDS) do
    local ok, text = read(self, made, kind)
    if not ok then return nil, text end
    missing = missing or text
  end
  self.known, self.gone = true, false
  self.mounts:rebuild(KINDS)
  if self.report and not missing then
    self:report()
    self.report = false
  end
  return true
end

-- Reads lists again whose time is over or that have changed, one refresh at a time; what fails
-- leaves the last good list.
local function refresh(self)
  if self.refreshing then return end
  self.refreshing = true
  self.upstream.tasks:spawn(function()
    core.trace(false) -- for all requests that wait for it
    local _ <close> = setmetatable({}, { __close = function()
      self.refreshing = false
      local waiting = self.refreshed
      self.refreshed = {}
      for _, waiter in ipairs(waiting) do waiter:wake() end
    end })
    local made, again = self.upstream.main, true
    while again and made and made.client:is_open() do
      again = false
      local changed = {}
      for _, kind in ipairs(KINDS) do
        if core.now() >= self.expires[kind] then
          expire(self, kind, math.huge)
          local fine, ok, text = pcall(read, self, made, kind)
          if not fine then ok, text = nil, ok end
          if ok then
            changed[#changed + 1] = kind
          else
            expire(self, kind, core.now() + server.DEADLINE)
            core.log("warning", ("%s: the last list is kept: %s"):format(self.title, text))
          end
          again = true
        end
      end
      self.mounts:rebuild(changed)
      local announced = self.announced
      self.announced = {}
      for what in pairs(announced) do self.mounts:announce(self, what) end
    end
  end)
end

local function is_stale(self, now)
  local expires = self.expires
  now = now or core.now()
  return now >= expires.tools or now >= expires.resources or now >= expires.templates
    or now >= expires.prompts
end

-- What the other server says has changed.
local function on_change(self, made, what, uri)
  if what == "resource" then
    return self.mounts.app:resource_updated(self.names:uri(uri))
  end
  -- A connection of one client has its own view of the lists; the app's is that of the first.
  if made ~= self.upstream.main then
    if self.mounts.alone == self then require("mcp.mount.alone").on_change(self, made, what) end
    return
  end
  for _, kind in ipairs(KINDS) do
    if CAPABILITY[kind] == what then expire(self, kind, core.now()) end
  end
  if not self.known then return end
  self.announced[what] = true
  refresh(self)
end

local COMPLETE = "notifications/elicitation/complete"

-- A user is done with a page.
local function on_page(self, ctx, id)
  local params = { elicitationId = id }
  if ctx.exchange:send(COMPLETE, params) then return end
  if ctx.own_session then self.mounts.app.bus:announce(ctx.own_session, COMPLETE, params) end
end

---What stands in the lists now.
---@param kind string
---@return table[] entries none while the server cannot be reached
function Server.__index:list(kind) return self.gone and {} or self.lists[kind] end

---@return "new"|"starting"|"up"|"lost"|"down"
---@return string|nil text why it is down
function Server.__index:state()
  local made = self.upstream
  if made.state == "up" and not made.main.client:is_open() then
    return "lost", (select(2, made.main.client:ready()))
  end
  return made.state, made.text
end

---Is it known what the server has, and is that up to date?
---@param now number
---@return boolean
function Server.__index:is_settled(now)
  local made = self.upstream
  if made.state == "down" then return true end
  if not (self.known and made.state == "up" and made.main.client.state == "open")
    or is_stale(self, now) then
    return false
  end
  local expires = self.expires
  self.live, self.fresh = made.main.client, math.min(expires.tools, expires.prompts,
    expires.resources, expires.templates)
  return true
end

---Begins to find out; for a list that is about to be made.
function Server.__index:start()
  self.upstream:start()
  if self.known and is_stale(self) then refresh(self) end
end

---Waits until it is known, or known again, what the server has.
---@param deadline number
function Server.__index:settle(deadline)
  if self.known and self.upstream.state == "up" then
    if not is_stale(self) and not self.refreshing then return end
    refresh(self)
    local waiter = core.waiter()
    self.refreshed[#self.refreshed + 1] = waiter
    waiter:wait(math.max(0, deadline - core.now()))
    return
  end
  -- Each start is waited for once: one that takes long does not delay every list.
  local left = math.min(deadline, (self.upstream.began or math.huge) + self.deadline) - core.now()
  self.upstream:await(math.max(0, left))
end

---Waits until the server can be called, or cannot be reached.
---@param deadline number
function Server.__index:await(deadline)
  self.upstream:await(math.max(0, deadline - core.now()))
end

---Has the server that capability, or may it have it?
---@param capability string
---@return boolean
function Server.__index:may_have(capability)
  if capability == "tasks" or capability == "ui" then return false end
  if not self.client then return true end
  if capability == "completions" then return self.completes and true or false end
  if capability == "ui" then
    return extension.declared(self.client.capabilities, protocol.UI) and true or false
  end
  return value.is_object(self.client.capabilities[capability])
end

---Is this extension of the stateless era passed on between the server and its clients?
---@param id string
---@return boolean
function Server.__index:passes(id)
  local client = self.client
  return client and client.era == "modern" and extension.declared(client.capabilities, id) ~= false
end

-- --- calls ---------------------------------------------------------------------------------------

local OF_HOP = { progressToken = true, [protocol.KEY_VERSION] = true,
  [protocol.KEY_CAPABILITIES] = true, [protocol.KEY_CLIENT] = true,
  [protocol.KEY_LOG_LEVEL] = true, ["io.modelcontextprotocol/related-task"] = true,
  -- The client adds those of this hop.
  traceparent = true, tracestate = true, baggage = true }

---How many texts of _meta are remembered with what follows from them, and the length of one, in
---bytes: those of a client without sessions are the same in most of its requests.
server.SEEN = 32
server.SEEN_LENGTH = 1024

-- An extension may have questions of its own.
local function can_be_asked(capabilities)
  return (capabilities.elicitation or capabilities.sampling or capabilities.roots
    or capabilities.extensions) ~= nil
end

-- The text of capabilities, made once for each table that has them: of calls that may be answered
-- with a task, and of others.
local with_tasks = setmetatable({}, { __mode = "k" })
local without_tasks = setmetatable({}, { __mode = "k" })

local function declared_text(capabilities, tasks)
  local declared = tasks and with_tasks or without_tasks
  local text = declared[capabilities]
  if not text then
    text = core.raw(link.declared(capabilities, tasks))
    declared[capabilities] = text
  end
  return text
end

local seen, seen_count = {}, 0

-- What follows from the _meta of a request: `passed`, the members that do not belong to one hop, or
-- nil; without a session also `declared` and `asked`.
local function read_meta(ctx)
  local text = rawget(ctx, "meta_text")
  if not text then return NOTHING end
  local known = seen[text]
  if known and (known.declared or ctx.own_session) then return known end
  known = {}
  for name, member in pairs(ctx.meta) do
    if not OF_HOP[name] then
      known.passed = known.passed or {}
      known.passed[name] = member
    end
  end
  if not ctx.own_session then
    known.declared = declared_text(ctx.capabilities, true)
    known.asked = can_be_asked(ctx.capabilities)
  end
  if #text <= server.SEEN_LENGTH then
    if seen_count >= server.SEEN then seen, seen_count = {}, 0 end
    if not seen[text] then seen_count = seen_count + 1 end
    seen[text] = known
  end
  return known
end

-- Raises that the server cannot be reached, for the model if a tool was called.
local function fail(self, text, code)
  if code == "ECANCELED" then error(failure.new(errors.INTERNAL_ERROR, text), 0) end
  local err = failure.new(errors.INTERNAL_ERROR,
    ("%s cannot be reached: %s"):format(self.described, text))
  err.for_model = true
  core.log("warning", ("%s: %s"):format(self.title, text))
  error(err, 0)
end

---Raises the error of a request.
---@param text string
---@param code any
---@param data any
function Server.__index:raise(ctx, text, code, data)
  if code == "EPIN" then
    error(failure.new(errors.INVALID_PARAMS, ("%s: %s"):format(self.described, text)), 0)
  end
  if math.type(code) ~= "integer" then return fail(self, text, code) end
  -- The eras have different codes for this.
  local missing = type(data) == "table" and type(data.uri) == "string" and ctx.uri
    and data.uri == self.names:inner_uri(ctx.uri)
  if code == errors.RESOURCE_NOT_FOUND or missing and code == errors.INVALID_PARAMS then
    error(resource.not_found(ctx, ctx.uri or "?"), 0)
  end
  error(failure.new(code, text, data, code == errors.MISSING_CAPABILITY and 400 or nil), 0)
end

-- The other server has ended the stream of a call, which goes on there: so does ours, for clients
-- that can come back.
local function away(sent, seconds) sent.context.ctx:close_stream(seconds) end

-- The lists that say what a pinned server may be asked for.
local PINNED = { ["tools/call"] = "tools/list", ["prompts/get"] = "prompts/list" }

---The error for a tool or prompt that is not as it was pinned, or nil.
---@param kind "tools"|"prompts"
---@param name string there
---@return table|nil err
function Server.__index:unpinned(kind, name)
  local pins = self.client and self.client.pins
  local text = pins and pins:left_out(METHODS[kind], name)
  return text and failure.new(errors.INVALID_PARAMS, ("%s: %s"):format(self.described, text)) or nil
end

-- Sends a request for a call; `more` are members of its params.
local function send(call, method, params, more)
  local made, ctx = call.link, call.ctx
  local client = made.client
  if more then
    local with = {}
    for key, member in pairs(params) do with[key] = member end
    for key, member in pairs(more) do with[key] = member end
    params = with
  end
  local meta = read_meta(ctx)
  local options = { context = call, meta = meta.passed }
  if rawget(ctx, "token") ~= nil then
    function options.on_progress(done, total, text)
      -- What it belongs to changes where a call has several rounds.
      call.ctx:progress(done, total, text)
    end
  end
  local modern, lasting = client.era == "modern", ctx.own_session or rawget(ctx, "task")
  local about = { level = made:level(ctx), own_params = true,
    declared = modern and (not lasting and meta.declared or declared_text(ctx.capabilities)) or nil,
    -- A client of that era answers in rounds itself.
    rounds = not (modern and not lasting), away = not modern and away or nil, headers = nil }
  if client.pins and PINNED[method] then
    local fine, text, code, data = client.pins:allow(client, PINNED[method], params.name)
    if not fine then return nil, text, code, data end
  end
  if method == "tools/call" then return tools.relay(client, params, options, about) end
  return request.run(client, method, params, options, about)
end

-- Can the client of a request without a session be asked anything? If not, it needs no rounds.
local function needs_rounds(ctx)
  if ctx.own_session or rawget(ctx, "task") then return false end
  local asked = read_meta(ctx).asked
  if asked == nil then return can_be_asked(ctx.capabilities) end
  return asked
end

local PAGES_NEEDED = { requiredCapabilities = { elicitation = { url = {} } } }

-- Makes a request for the client of `ctx`: its result, the link that it came by, and its type; or
-- nil, text, code and data.
local function ask(self, ctx, method, params, sender)
  local made, text, code = self.upstream:link_for(ctx, server.START)
  if not made then return nil, text, code end
  local result, data
  if needs_rounds(ctx) then
    if made.client.era == "modern" then
      local call <close> = made:begin(ctx)
      result, text, code, data = rounds.pass(ctx, self.name, function(more)
        return sender(call, method, params, more)
      end)
    else
      result, text, code, data = rounds.run(self.jobs, ctx, self.name,
        function() return made:begin(ctx) end,
        function(call) return sender(call, method, params) end)
    end
  else
    local call <close> = made:begin(ctx)
    result, text, code, data = sender(call, method, params)
  end
  if not result then
    if code == errors.PAGES_REQUIRED and ctx.revision.rounds then
      if not rawget(ctx, "task") then rounds.ask_pages(ctx, self.name, data) end
      -- The client's revision has no such error.
      code, data = errors.MISSING_CAPABILITY, PAGES_NEEDED
    end
    return nil, text, code, data
  end
  made.answered = true
  -- Each hop says this of itself.
  local kind = result.resultType
  result.resultType = nil
  local meta = result._meta
  if meta and type(meta) == "table" then
    meta[protocol.KEY_SERVER], meta["io.modelcontextprotocol/related-task"] = nil, nil
    if next(meta) == nil then result._meta = nil end
  end
  return result, made, kind
end

---Makes a request for the client of `ctx`. Raises what goes wrong.
---@param ctx mcp.Context
---@param method string
---@param params table
---@param sender function|nil in place of `send`
---@return table result
---@return mcp.mount.Link link that it came by
---@return any kind its resultType
function Server.__index:request(ctx, method, params, sender)
  local result, made, kind, data = ask(self, ctx, method, params, sender or send)
  if not result then return self:raise(ctx, made, kind, data) end
  return result, made, kind
end

---Makes a request of an extension, whose result goes out as it came.
---@param ctx mcp.Context
---@param method string
---@param params table
---@return table|nil result
---@return table|nil err
function Server.__index:pass(ctx, method, params)
  -- A request's own _meta is put into its params, and requests without params share theirs.
  local own = {}
  for key, member in pairs(params) do own[key] = member end
  local result, made, kind, data = ask(self, ctx, method, own, send)
  if result then
    if kind ~= "complete" then result.resultType = kind end
    return result
  end
  local text, code = made, kind
  -- The revisions with sessions have no code for this.
  if code == errors.MISSING_CAPABILITY and ctx.own_session then code = errors.METHOD_NOT_FOUND end
  if math.type(code) == "integer" then
    return nil, failure.new(code, text, data, code == errors.MISSING_CAPABILITY and 400 or nil)
  end
  return nil, failure.new(errors.INTERNAL_ERROR,
    ("%s cannot be reached: %s"):format(self.described, text))
end

---Passes a notification of a client on.
---@param ctx mcp.Context
---@param method string
---@param params table
function Server.__index:notify(ctx, method, params)
  local made = ctx.own_session and self.upstream.of[ctx.own_session] or self.upstream.main
  if not (made and made.client:is_open()) then return end
  local client = made.client
  if client.era == "modern" then
    params = calls.enveloped(client, params)
    params._meta[protocol.KEY_CAPABILITIES] = declared_text(ctx.capabilities)
  end
  core.spawn(function()
    client.transport:notify(method, params, { era = client.era, revision = client.revision })
  end)
end

---The extensions that the server declares, as far as they pass by mount/extension.lua.
---@return table<string, table> settings by identifier
function Server.__index:extensions() return not self.gone and self.offered or NOTHING end

-- A question of the other server for the client of a call; nil if it cannot be one.
local function question_for(self, ctx, method, params)
  local asked = question.relayed(method, params)
  if asked or not next(self:extensions()) then return asked end
  local id, revision = require("mcp.mount.extension").shared(self:extensions(), ctx.capabilities)
  return id and question.own(id, revision, method, params)
end

-- A call of a tool that must be a task: begins it, and waits for its result.
local function as_task(call, method, params, more)
  local made, text, code, data = send(call, method, params, more)
  local task = made and made.task
  if not task or type(task.taskId) ~= "string" then return made, text, code, data end
  local over = false
  local _ <close> = setmetatable({}, { __close = function()
    if over then return end
    core.spawn(request.run, call.link.client, "tasks/cancel", { taskId = task.taskId }, {}, {})
  end })
  local result
  result, text, code, data = send(call, "tasks/result", { taskId = task.taskId })
  over = result ~= nil
  return result, text, code, data
end

---Calls a tool.
---@param ctx mcp.Context
---@param name string there
---@param args table
---@param required boolean|nil the server wants the call to be a task
---@return table result
function Server.__index:call_tool(ctx, name, args, required)
  local result, made, kind
  if required then
    result = self:request(ctx, "tools/call", { name = name, arguments = args,
      task = { ttl = server.TASK * 1000 } }, as_task)
  else
    result, made, kind = self:request(ctx, "tools/call", { name = name, arguments = args })
    if kind == "task" then
      return require("mcp.mount.task").adopt(ctx, self, made.client, result,
        declared_text(ctx.capabilities, true))
    end
  end
  local list = result.content
  result.content = value.is_array(list) and self.names:contents(list) or value.array {}
  return result
end

---Gets a prompt.
---@return table result
function Server.__index:get_prompt(ctx, name, args)
  local result = self:request(ctx, "prompts/get", { name = name, arguments = args })
  if not value.is_array(result.messages) then
    return self:raise(ctx, "prompts/get: messages: expected an array", errors.INTERNAL_ERROR)
  end
  self.names:messages(result.messages)
  return result
end

---Reads a resource.
---@return table result as it goes out
function Server.__index:read_resource(ctx, uri)
  local result = self:request(ctx, "resources/read", { uri = uri })
  if not value.is_array(result.contents) then
    return self:raise(ctx, "resources/read: contents: expected an array", errors.INTERNAL_ERROR)
  end
  self.names:read(result.contents)
  return result
end

---Completes an argument.
---@return string[] values
---@return integer|true|nil total
function Server.__index:complete(ctx, ref, argument, text, chosen)
  local params = { ref = ref, argument = { name = argument, value = text } }
  if chosen and next(chosen) and self.client and self.client.facts.completion_context then
    params.context = { arguments = chosen }
  end
  local result = self:request(ctx, "completion/complete", params)
  local found = result.completion
  if type(found) ~= "table" or not value.is_array(found.values) then
    return self:raise(ctx, "completion/complete: values: expected an array", errors.INTERNAL_ERROR)
  end
  return found.values, math.type(found.total) == "integer" and found.total
    or found.hasMore == true or nil
end

-- --- changes of resources ------------------------------------------------------------------------

local function nothing() end

---Can this resource be watched? Subscribes at the other server, once for all that watch it here.
---@param ctx mcp.Context
---@param uri string
---@return boolean
function Server.__index:watch(ctx, uri)
  local made = self.upstream:link_for(ctx, server.START)
  if not made then return false end
  -- The change itself comes by on_change.
  return watched.add(made.watched, made.client, uri, function(there)
    return self.mounts:watches(self.names:uri(there))
  end, nothing)
end

---Becomes one of the mounts of another app.
---@param mounts table
function Server.__index:move(mounts) self.mounts = mounts end

---Ends all connections.
function Server.__index:close()
  rounds.close(self.jobs)
  self.upstream:close()
end

---A mounted server; nothing is opened yet.
---@param mounts table the app's
---@param name string
---@param names table of mcp.mount.names
---@param connect fun(options: table): mcp.Client|nil, string|nil, any
---@param options table of app:mount
---@return mcp.mount.Server
function server.new(mounts, name, names, connect, options)
  local self = setmetatable({ mounts = mounts, name = name, names = names, options = options,
    deadline = options.deadline or server.DEADLINE, jobs = rounds.jobs(),
    lists = { tools = {}, prompts = {}, resources = {}, templates = {} },
    expires = { tools = math.huge, prompts = math.huge, resources = math.huge,
      templates = math.huge },
    title = options.title or ("mount %q"):format(name),
    described = options.described or ("the mounted server %q"):format(name),
    refreshed = {}, announced = {}, known = false, gone = false, mortal = true, completes = false,
    -- As long as this client is open all lists hold until then.
    live = false, fresh = 0, client = false }, Server)
  self.upstream = upstream.new(connect, {
    name = name, sessions = options.sessions or "auto", turns = mounts.turns,
    title = self.title, on_demand = options.on_demand, declare = options.declare,
    hand_over = options.hand_over,
    on_change = function(made, what, uri) on_change(self, made, what, uri) end,
    on_page = function(ctx, id) on_page(self, ctx, id) end,
    on_notice = function(made, method, params, call)
      require("mcp.mount.extension").notice(self, made, method, params, call)
    end,
    question = function(ctx, method, params) return question_for(self, ctx, method, params) end,
    on_up = function(made) return on_up(self, made) end,
    on_down = function()
      self.gone = true
      self.mounts:rebuild(KINDS)
    end,
  })
  return self
end

return server
