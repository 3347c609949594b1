-- SPDX-License-Identifier: MIT
-- ask: asking the client in the middle of a handler. A revision with sessions asks by a request and
-- waits (live.lua); one without ends the call with the questions, and answers them when the client
-- repeats it (replay.lua). A handler sees no difference, so what one era forbids neither allows.
local core = require "mcp.core"
local error_in = require("mcp.options").error_in
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local nearest = require "mcp.nearest"
local question = require "mcp.message.question"
local state = require "mcp.server.ask.state"

local ask = {}

---How long a client may take over a question in a session, in seconds.
ask.TIMEOUT = 600

local COMPLETE = "notifications/elicitation/complete"

local OPTIONS = { key = "string", timeout = "number" }

-- What is wrong with the options of a question, or nil.
local function complaint(options, known)
  if options == nil then return nil end
  local message = error_in(options, known)
  if message then return message end
  if options.timeout and not (options.timeout >= 0 and options.timeout < 1e9) then
    return "timeout: expected seconds, 0 or more"
  end
  if options.key == "" then return "key: expected a name, got an empty one" end
  return nil
end

-- Raises what the client, not the handler, is the reason for: one line in the log, no traceback.
local function raise(ctx, text, code, data, status)
  local err = failure.new(code, text, data, status)
  -- In a session a tool says it to the model; elsewhere it is an error of the protocol.
  err.for_model = ctx.own_session ~= false
  local entry = ctx.entry
  core.log("info", ("%s: %s"):format(entry and ("%s %q"):format(entry.kind, entry.name)
    or ctx.method, text))
  error(err)
end

-- Raises that the client cannot be asked that.
local function refuse(ctx, lacking)
  local names = {}
  for name, parts in pairs(lacking) do
    local inner = nearest.keys(parts)
    for i, part in ipairs(inner) do inner[i] = name .. "." .. part end
    names[#names + 1] = inner[1] and table.concat(inner, ", ") or name
  end
  table.sort(names)
  local text = "Client capability required: " .. table.concat(names, ", ")
  if not ctx.own_session then
    raise(ctx, text, errors.MISSING_CAPABILITY, { requiredCapabilities = lacking }, 400)
  end
  raise(ctx, text, errors.INVALID_REQUEST)
end

-- `none`: the request says that nothing is offered.
local function check_offered(ctx, list, none)
  local lacking
  for _, item in ipairs(list) do
    if none or not item.question:is_offered(ctx.revision, ctx.capabilities) then
      lacking = lacking or {}
      for name, parts in pairs(item.question:needs(ctx.revision)) do
        local known = lacking[name] or {}
        for part, settings in pairs(parts) do known[part] = settings end
        lacking[name] = known
      end
    end
  end
  if lacking then refuse(ctx, lacking) end
end

-- Asks { key, question }, …; returns the answers by key, or nil, text and code. Raises, at the
-- line of the caller of the method, what is wrong with the questions.
local function run(ctx, what, list, timeout)
  if not ctx.row.asks then
    error(("%s: a handler of %s cannot ask"):format(what, ctx.method), 3)
  end
  local asking, task = state.of(ctx), rawget(ctx, "task")
  local rounds = ctx.revision.rounds and not task
  if rounds then require("mcp.server.ask.replay").check(asking) end
  for _, item in ipairs(list) do
    if not item.key then
      asking.automatic = asking.automatic + 1
      item.key = "input_" .. asking.automatic
    end
    if asking.asked[item.key] then
      error(("%s: %q has been asked already in this call"):format(what, item.key), 3)
    end
    asking.asked[item.key] = true
  end
  check_offered(ctx, list, rounds and not asking.app)
  for _, item in ipairs(list) do
    local params
    item.method, params = item.question:request(ctx.revision)
    if not item.method then raise(ctx, ("%s: %s"):format(what, params), errors.INVALID_REQUEST) end
    item.elicitation = params.elicitationId
    if task then params._meta = task.related end
    -- Encoded here, where the error can be raised at the line of the caller.
    local ok, raw = pcall(core.raw, params)
    if not ok then error(("%s: %s"):format(what, raw), 3) end
    item.params = raw
  end
  if rounds then return require("mcp.server.ask.replay").run(ctx, asking, list) end
  if task then
    return require("mcp.server.ask.parked").run(ctx, task, asking, list, timeout or ask.TIMEOUT)
  end
  local answers, text, code =
    require("mcp.server.ask.live").run(ctx, asking, list, timeout or ask.TIMEOUT)
  -- What got no answer may be asked once more.
  if not answers then for _, item in ipairs(list) do asking.asked[item.key] = nil end end
  return answers, text, code
end

-- A method for a single question: makes it out of the arguments, of which there are `n`, and
-- options; turns the answer into what the handler gets.
local function single(name, n, finish)
  local what = "ctx:" .. name
  return function(ctx, ...)
    local made, message
    if n == 2 then
      made, message = question.make[name]((...), (select(2, ...)))
    elseif n == 1 then
      made, message = question.make[name]((...))
    else
      made, message = question.make[name]()
    end
    local options = select(n + 1, ...)
    message = message or complaint(options, OPTIONS)
    if message then error(("%s: %s"):format(what, message), 2) end
    local item = { key = options and options.key, question = made }
    local answers, text, code = run(ctx, what, { item }, options and options.timeout)
    if not answers then return nil, text, code end
    return finish(answers[item.key], ctx, item)
  end
end

-- A page that the user has been sent to. If the revision gives it an id (2025-11-25), the client
-- can be notified when the user is done.
local Page = { __name = "mcp.page" }
Page.__index = {}

function Page.__tostring(self) return ("mcp.page (%s)"):format(self.id or "without an id") end

---Notifies the client that the user is done with the page, on the stream of the call or, if that
---has ended, of the session.
---@return boolean|nil sent false: the revision has no such notification, or it was sent before
---@return string|nil message
---@return string|nil code
function Page.__index:complete()
  local ctx, id = self.ctx, self.id
  if not id then return false end
  self.id = false
  local params = { elicitationId = id }
  if ctx.exchange:send(COMPLETE, params) then return true end
  local sent, text, code = ctx.app.bus:announce(ctx.own_session, COMPLETE, params)
  if not sent then self.id = id end
  return sent, text, code
end

---Has the user fill in a form.
---@param text string what it is about
---@param schema table flat: strings, numbers, booleans, choices; in shorthand or in full
---@param options table|nil key (one of its own, instead of its place in the order), timeout
---@return table|nil content what was filled in; nil if it was not
---@return string|nil why "decline", "cancel", or what went wrong
---@return any code of what went wrong
ask.elicit = single("elicit", 2, function(answer)
  if answer.action ~= "accept" then return nil, answer.action end
  return answer.content
end)

---Sends the user to a page. What happens there the client never sees.
---@param text string why
---@param url string http or https
---@param options table|nil key, timeout
---@return true|nil consented nil if the user would not
---@return mcp.Page|string|nil page page:complete() says that it is done; or why not: "decline",
---"cancel", or what went wrong
---@return any code of what went wrong
ask.elicit_url = single("elicit_url", 2, function(answer, ctx, item)
  if answer.action ~= "accept" then return nil, answer.action end
  return true, setmetatable({ ctx = ctx, id = item.elicitation or false }, Page)
end)

---Has the client's model write something.
---@param options table messages, max_tokens; see mcp.sample
---@param more table|nil key, timeout
---@return table|nil result role, content, model, stopReason
---@return string|nil why
---@return any code -1: the user would not have it
ask.sample = single("sample", 1, function(answer) return answer end)

---Asks for the folders that the client works in. They are a hint, not a permission.
---@param options table|nil key, timeout
---@return table[]|nil roots each with uri, perhaps name
---@return string|nil why
---@return any code
ask.roots = single("roots", 0, function(answer) return answer.roots end)

---Asks several questions at once.
---@param questions table<string, mcp.Question> mcp.elicit(…), mcp.sample {…}, … by key
---@param options table|nil timeout
---@return table|nil answers by key, as they came: { action, content } of a form, { roots }, …
---@return string|nil why
---@return any code
function ask.ask(ctx, questions, options)
  if type(questions) ~= "table" or question.is(questions) then
    error("ctx:ask: expected a table of questions by key", 2)
  end
  local message = complaint(options, { timeout = "number" })
  if message then error("ctx:ask: " .. message, 2) end
  local list = {}
  for key, item in pairs(questions) do
    if type(key) ~= "string" or key == "" then
      error("ctx:ask: names expected as keys, got " .. tostring(key), 2)
    end
    if not question.is(item) then
      error(("ctx:ask: %q: expected mcp.elicit, mcp.elicit_url, mcp.sample or mcp.roots")
        :format(key), 2)
    end
    list[#list + 1] = { key = key, question = item }
  end
  table.sort(list, function(a, b) return a.key < b.key end)
  if not list[1] then return {} end
  -- No tail call: its errors name the line above this frame.
  local answers, text, code = run(ctx, "ctx:ask", list, options and options.timeout)
  if not answers then return nil, text, code end
  return answers
end

---Runs `fn` once in the life of a call, however often its handler is run again: what it returned
---is remembered until the call is over.
---@param key string
---@param fn fun(): any what it returns must be what JSON can carry
---@return any
function ask.once(ctx, key, fn)
  if type(key) ~= "string" then
    error("ctx:once: key: expected a string, got " .. type(key), 2)
  end
  if type(fn) ~= "function" then error("ctx:once: expected a function, got " .. type(fn), 2) end
  local kept = state.of(ctx).kept
  local known = kept[key]
  if not known then
    local result = fn()
    known = {}
    if result ~= nil then
      -- Through JSON now as it would be later, so that both times it is the same.
      local text, reason = core.encode({ result })
      if not text then
        error(("ctx:once: %q: JSON cannot carry what the function returned: %s"):format(key,
          reason), 2)
      end
      known = core.decode(text)
    end
    kept[key] = known
  end
  return known[1]
end

return ask
