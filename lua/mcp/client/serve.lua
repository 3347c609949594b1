-- SPDX-License-Identifier: MIT
-- serve: answers the questions of a server: forms and pages for the user (elicitation), messages
-- for the model (sampling), and the folders (roots). The program's callbacks make the answers; this
-- file checks questions and answers, for all revisions.
local copy = require("mcp.copy").deep
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local methods = require "mcp.protocol.methods"
local schema = require "mcp.later" "mcp.schema"
local value = require "mcp.value"

local serve = {}

-- JSON-RPC error code for a user who declines sampling (protocol 1.10).
local REJECTED = -1

local function refuse(code, text, ...) return nil, failure.new(code, text:format(...)) end

local function invalid(text, ...) return refuse(errors.INVALID_PARAMS, text, ...) end

local function missing(method)
  return refuse(errors.METHOD_NOT_FOUND, "%s: not supported by this client", method)
end

-- An error of the program: the log gets the text, the server only "Internal error".
local function our_fault(method, text)
  core.log_lines("error", ("%s: %s"):format(method, text))
  return refuse(errors.INTERNAL_ERROR, "Internal error")
end

---@class mcp.CallInfo
---@field method string of the request
---@field name string|nil the tool, prompt or URI that it is about
---@field context any the option `context` of the request

---The call that a message of the server belongs to, as callbacks get it. Stateless servers, and
---those that speak HTTP, say so by where they send it. On a connection that carries everything it
---is known only if one call is in progress.
---@param client table
---@param sent table|nil the call by whose stream it came
---@return mcp.CallInfo|nil
function serve.call_of(client, sent)
  if not sent then
    for _, other in pairs(client.calls) do
      if other.method ~= "subscriptions/listen" and not other.handshake then
        if sent then return nil end
        sent = other
      end
    end
    if not sent then return nil end
  end
  local row, params = methods[sent.method], sent.params
  return { method = sent.method, context = sent.context,
    name = row and row.target and params and params[row.target] or nil }
end

-- While a callback of the program runs, the timeouts of the client's calls are paused. Questions
-- that are answered without one do not pause them: a server that asks without end could hold a call
-- up to its `max_timeout`.
local Serving = {}
Serving.__close = function(self)
  local client = self.client
  -- Sets their deadlines, which run from now on.
  for _, sent in pairs(client.calls) do sent:left() end
  client.serving = client.serving - 1
end

-- Calls a function of the program: true and its results, or nil and the error for the server.
local function ask(client, method, fn, ...)
  local open <close> = setmetatable({ client = client }, Serving) -- luacheck: ignore
  client.serving = client.serving + 1
  local got = table.pack(xpcall(fn, function(err)
    return failure.is(err) and err or debug.traceback(tostring(err), 2)
  end, ...))
  if got[1] then return table.unpack(got, 1, got.n) end
  if failure.is(got[2]) then return nil, got[2] end
  return nil, select(2, our_fault(method, got[2]))
end

-- --- the user -------------------------------------------------------------------

-- The answers to a form, completed with the defaults of its schema; fields that the form does not
-- have are an error. nil and what is wrong.
local function fill(form, check, content)
  if not value.is_object(content) then return nil, "expected a table of answers" end
  local properties, out = form.properties or {}, {}
  for name, member in pairs(properties) do
    local given = copy(content[name])
    -- An empty table is an object or an array: the schema decides.
    if type(given) == "table" and next(given) == nil and type(member) == "table"
      and member.type == "array" then
      value.array(given)
    end
    out[name] = given
  end
  for name in pairs(content) do
    if properties[name] == nil then
      return nil, require("mcp.nearest").unknown("field", tostring(name),
        require("mcp.nearest").keys(properties))
    end
  end
  schema.apply_defaults(form, out)
  local ok, problems = check(out)
  if not ok then return nil, schema.explain(problems, out, form, "field") end
  return out
end

local function elicit_form(client, params, sent)
  local on_elicit, form = client.settings.on_elicit, params.requestedSchema
  if not on_elicit then return invalid "elicitation/create: this client does not support forms" end
  if not value.is_object(form) or form.type ~= "object"
    or (form.properties ~= nil and not value.is_object(form.properties)) then
    return invalid "elicitation/create: requestedSchema: expected the schema of an object"
  end
  local check, message = schema.compile(form, { formats = true })
  if not check then return invalid("elicitation/create: requestedSchema: %s", message) end
  local ok, content, action = ask(client, "elicitation/create", on_elicit, params.message, form,
    params, serve.call_of(client, sent))
  if not ok then return nil, content end
  if not content then return { action = action == "decline" and "decline" or "cancel" } end
  local filled
  filled, message = fill(form, check, content == true and {} or content)
  if not filled then
    return our_fault("elicitation/create",
      "on_elicit: the answer does not match the schema: " .. message)
  end
  return { action = "accept", content = filled }
end

-- Pages must be https, or on this machine during development (protocol, 4.13).
local function is_safe(url)
  if url:find "[^!-~]" then return false end
  if url:find "^https://[^/@]+" then return not url:find "^https://[^/]*@" end
  local host = url:match "^http://([^/?#]*)"
  if not host then return false end
  host = host:gsub(":%d+$", "")
  return host == "localhost" or host == "[::1]" or host:find "^127%.%d+%.%d+%.%d+$" ~= nil
end

local function elicit_url(client, params, sent)
  local on_url, url = client.settings.on_elicit_url, params.url
  if not on_url then return invalid "elicitation/create: this client does not support pages" end
  if type(url) ~= "string" or not is_safe(url) then
    return invalid "elicitation/create: url: expected an https address without a user name"
  end
  if url:lower():find "^https?://[^/?#]*xn%-%-" then
    -- Letters of another script can imitate a name that the user knows (4.13).
    core.log("warning", "the server sends the user to an address with a Punycode name: " .. url)
  end
  local ok, opened, action = ask(client, "elicitation/create", on_url, params.message, url,
    params.elicitationId, serve.call_of(client, sent))
  if not ok then return nil, opened end
  if opened then return { action = "accept" } end
  return { action = action == "decline" and "decline" or "cancel" }
end

local function elicit(client, params, sent)
  local settings = client.settings
  if not settings.on_elicit and not settings.on_elicit_url then
    return missing "elicitation/create"
  end
  if type(params.message) ~= "string" then
    return invalid "elicitation/create: message: expected a string"
  end
  local mode = params.mode
  if mode == nil or mode == "form" then return elicit_form(client, params, sent) end
  if mode == "url" then return elicit_url(client, params, sent) end
  return invalid('elicitation/create: mode: expected "form" or "url", got %q', tostring(mode))
end

-- --- the model ------------------------------------------------------------------

-- The messages as lists of blocks, as `check_tool_use` expects them.
local function read_messages(list)
  if not value.is_array(list) or list[1] == nil then return nil, "messages: expected a list" end
  local out = {}
  for i, message in ipairs(list) do
    local content = type(message) == "table" and message.content
    if type(content) ~= "table" or (message.role ~= "user" and message.role ~= "assistant") then
      return nil, ("messages[%d]: expected role and content"):format(i - 1)
    end
    out[i] = { role = message.role, content = value.is_array(content) and content or { content } }
    for _, block in ipairs(out[i].content) do
      if type(block) ~= "table" then
        return nil, ("messages[%d]: content: expected blocks"):format(i - 1)
      end
    end
  end
  return require("mcp.message.question").check_tool_use(out)
end

-- The program's answer as a result of sampling; nil and what is wrong with it.
local function shape_sample(facts, given)
  if type(given) == "string" then given = { content = given } end
  if type(given) ~= "table" then return nil, "expected a string or a table, got " .. type(given) end
  if given.type then given = { content = given } end
  local out = {}
  for key, member in pairs(given) do out[key] = member end
  if type(out.content) == "string" then out.content = { type = "text", text = out.content } end
  if type(out.content) ~= "table" or (out.content.type == nil and out.content[1] == nil) then
    return nil, "content: expected a string, a block or a list of blocks"
  end
  if out.content.type == nil then
    if not (facts and facts.sampling_tools) then
      if out.content[2] then return nil, "content: expected one block in this revision" end
      out.content = out.content[1]
    else
      out.content = value.array { table.unpack(out.content) }
    end
  end
  out.role, out.model = out.role or "assistant", out.model or "unknown"
  if out.stop_reason then out.stopReason, out.stop_reason = out.stop_reason, nil end
  if out.stopReason ~= nil and type(out.stopReason) ~= "string" then
    return nil, "stop_reason: expected a string, got " .. type(out.stopReason)
  end
  return out
end

local function sample(client, params, sent)
  local on_sample, offered = client.settings.on_sample, client.settings.sampling or {}
  if not on_sample then return missing "sampling/createMessage" end
  if (params.tools ~= nil or params.toolChoice ~= nil) and not offered.tools then
    return invalid "sampling/createMessage: this client does not support tools in sampling"
  end
  if math.type(params.maxTokens) ~= "integer" and (type(params.maxTokens) ~= "number"
    or params.maxTokens % 1 ~= 0) then
    return invalid "sampling/createMessage: maxTokens: expected an integer"
  end
  local ok, message = read_messages(params.messages)
  if not ok then return invalid("sampling/createMessage: %s", message) end
  local answered, result, reason = ask(client, "sampling/createMessage", on_sample, params,
    serve.call_of(client, sent))
  if not answered then return nil, result end
  if not result then
    return refuse(REJECTED, "%s",
      type(reason) == "string" and reason or "User rejected sampling request")
  end
  local shaped
  shaped, message = shape_sample(client.facts, result)
  if not shaped then return our_fault("sampling/createMessage", message) end
  return shaped
end

-- --- the folders ------------------------------------------------------------------

---A root as it is sent; nil and what is wrong with it.
---@param given any a path, an address "file://…", or { uri =, name = }
---@return table|nil root
---@return string|nil message
function serve.root(given)
  if type(given) == "string" then given = { uri = given } end
  if type(given) ~= "table" or type(given.uri) ~= "string" then
    return nil, "expected a path or { uri =, name = }"
  end
  local uri = given.uri
  if uri:find "^/" then
    uri = "file://" .. uri:gsub("[^%w%-._~/!$&'()*+,;=:@]", function(c)
      return ("%%%02X"):format(c:byte())
    end)
  end
  if not uri:find "^file://" then
    return nil, ("expected an absolute path or file:// address, got %q"):format(given.uri)
  end
  return { uri = uri, name = given.name, _meta = given._meta }
end

local function roots(client, _, sent)
  local given = client.settings.roots
  if not given then return missing "roots/list" end
  if type(given) == "function" then
    local ok, list = ask(client, "roots/list", given, serve.call_of(client, sent))
    if not ok then return nil, list end
    given = list
  end
  if type(given) ~= "table" then return our_fault("roots/list", "roots: expected a list") end
  local out = value.array {}
  for i, entry in ipairs(given) do
    local root, message = serve.root(entry)
    if not root then return our_fault("roots/list", ("roots[%d]: %s"):format(i, message)) end
    out[i] = root
  end
  return { roots = out }
end

-- --- all questions ----------------------------------------------------------------

local METHODS = {
  ["elicitation/create"] = elicit, ["sampling/createMessage"] = sample, ["roots/list"] = roots,
}

---Is this a method that a stateless server may ask for in a result?
---@param client table
---@param method any
---@return boolean
function serve.is_question(client, method)
  local extensions = client.settings.extensions
  -- A program that passes questions on gets all of them.
  if client.settings.on_question and type(method) == "string" then return true end
  return METHODS[method] ~= nil or extensions ~= nil and extensions:answers(client, method) ~= nil
end

-- Answers a request of an extension.
local function answer_own(client, method, params, sent)
  local extensions = client.settings.extensions
  local fn = extensions and extensions:answers(client, method)
  if not fn then return refuse(errors.METHOD_NOT_FOUND, "Method not found: %s", method) end
  local ok, result, err = ask(client, method, fn, params, client, serve.call_of(client, sent))
  if not ok then return nil, result end
  if result == nil and failure.is(err) then return nil, err end
  if not value.is_object(result) then
    return our_fault(method, "expected a table with names, got " .. value.kind(result))
  end
  return result
end

---Answers a question of the server. May wait.
---@param client table
---@param method string
---@param params table|nil
---@param sent table|nil the call by whose stream it came
---@return table|nil result, table|nil err
function serve.answer(client, method, params, sent)
  if method == "ping" then return {} end
  local answer = METHODS[method]
  local on_question = client.settings.on_question
  if not answer and not (on_question and not client.settings.extensions) then
    return answer_own(client, method, params or {}, sent)
  end
  if on_question then
    local ok, result, err = ask(client, method, on_question, method, params or {},
      serve.call_of(client, sent))
    if not ok then return nil, result end
    return result, err
  end
  return answer(client, params or {}, sent)
end

return serve
