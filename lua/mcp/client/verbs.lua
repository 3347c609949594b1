-- SPDX-License-Identifier: MIT
-- verbs: what a client can do: the methods of mcp.Client. What fails by bad luck, or because the
-- server says so, returns nil, a message and a code: an integer of the server's, or a short word;
-- after an integer comes the error's data. What is misused raises.
local call = require "mcp.client.call"
local fetch = require "mcp.client.request"
local usage = require "mcp.client.usage"
local pages = require "mcp.client.pages"
local protocol = require "mcp.protocol"
local tools = require "mcp.client.tools"
local value = require "mcp.value"
local watch = require "mcp.client.watch"

local verbs = {}

-- The options of one request, checked.
local function options_of(what, given)
  if given == nil then return {} end
  what = "client:" .. what
  usage.check(what, given, call.OPTIONS)
  usage.seconds(what, "timeout", given.timeout)
  usage.seconds(what, "max_timeout", given.max_timeout)
  if given.cancel and (getmetatable(given.cancel) or {}).__name ~= "mcp.canceller" then
    usage.raise("%s: option \"cancel\": an mcp.canceller() expected", what)
  end
  return given
end

local function text_of(what, name, given) return usage.text("client:" .. what, name, given) end

local function malformed(method, member, got)
  return nil, ("%s: the server's answer is malformed: %s: array expected, got %s"):format(method,
    member, value.kind(got)), "ERPC"
end

-- A request whose result tells nothing but that it was done.
local function done(result, text, code, data)
  if result then return true end
  return nil, text, code, data
end

-- --- any request --------------------------------------------------------------------------

---Makes any request, such as one of an extension.
---@param method string
---@param params table|nil
---@param options table|nil timeout, max_timeout, on_progress, meta, cancel, fresh
---@return table|nil result
---@return string|nil message
---@return any code
---@return any data
function verbs.request(self, method, params, options)
  text_of("request", "method", method)
  return fetch.run(self, method, params, options_of("request", options))
end

---Sends any notification.
---@param method string
---@param params table|nil
---@return true|nil sent
---@return string|nil message
---@return string|nil code
function verbs.notify(self, method, params)
  text_of("notify", "method", method)
  local ready, text, code = self:ready()
  if not ready then return nil, text, code end
  return self.transport:notify(method, params, { era = self.era, revision = self.revision })
end

-- --- lists ----------------------------------------------------------------------------------

---All tools of the server.
---@param options table|nil
---@return table[]|nil tools
---@return string|nil message
---@return any code
---@return any data
function verbs.list_tools(self, options)
  local list, text, code, data = pages.all(self, "tools/list", options_of("list_tools", options))
  if list then tools.learn(self, list) end
  return list, text, code, data
end

---All resources of the server, without those behind templates that it does not list.
---@param options table|nil
---@return table[]|nil resources
---@return string|nil message
---@return any code
---@return any data
function verbs.list_resources(self, options)
  return pages.all(self, "resources/list", options_of("list_resources", options))
end

---All templates of resources.
---@param options table|nil
---@return table[]|nil templates
---@return string|nil message
---@return any code
---@return any data
function verbs.list_resource_templates(self, options)
  return pages.all(self, "resources/templates/list",
    options_of("list_resource_templates", options))
end

---All prompts of the server.
---@param options table|nil
---@return table[]|nil prompts
---@return string|nil message
---@return any code
---@return any data
function verbs.list_prompts(self, options)
  return pages.all(self, "prompts/list", options_of("list_prompts", options))
end

---`for tool in client:tools() do`: one after the other, a page at a time. What fails raises.
---@param options table|nil
---@return fun(): table|nil
function verbs.tools(self, options)
  return pages.each(self, "tools/list", options_of("tools", options))
end

---`for resource in client:resources() do`
---@param options table|nil
---@return fun(): table|nil
function verbs.resources(self, options)
  return pages.each(self, "resources/list", options_of("resources", options))
end

---`for template in client:resource_templates() do`
---@param options table|nil
---@return fun(): table|nil
function verbs.resource_templates(self, options)
  return pages.each(self, "resources/templates/list", options_of("resource_templates", options))
end

---`for prompt in client:prompts() do`
---@param options table|nil
---@return fun(): table|nil
function verbs.prompts(self, options)
  return pages.each(self, "prompts/list", options_of("prompts", options))
end

-- --- using what is there ------------------------------------------------------------------

---Calls a tool. A tool that has failed gives a result, too: `result.isError`.
---@param name string
---@param arguments table|nil
---@param options table|nil
---@return table|nil result content, structuredContent, isError
---@return string|nil message
---@return any code
---@return any data
function verbs.call_tool(self, name, arguments, options)
  text_of("call_tool", "name", name)
  if arguments ~= nil and not value.is_object(arguments) then
    usage.raise("client:call_tool: arguments: a table with names expected, got %s",
      value.kind(arguments))
  end
  return tools.call(self, name, arguments or {}, options_of("call_tool", options))
end

---Reads a resource.
---@param uri string
---@param options table|nil
---@return table|nil result contents
---@return string|nil message
---@return any code
---@return any data
function verbs.read_resource(self, uri, options)
  text_of("read_resource", "uri", uri)
  local result, text, code, data = fetch.run(self, "resources/read", { uri = uri },
    options_of("read_resource", options))
  if result and not value.is_array(result.contents) then
    return malformed("resources/read", "contents", result.contents)
  end
  return result, text, code, data
end

---Fills in a prompt.
---@param name string
---@param arguments table<string, string>|nil
---@param options table|nil
---@return table|nil result messages, description
---@return string|nil message
---@return any code
---@return any data
function verbs.get_prompt(self, name, arguments, options)
  text_of("get_prompt", "name", name)
  if arguments ~= nil then
    if not value.is_object(arguments) then
      usage.raise("client:get_prompt: arguments: a table with names expected, got %s",
        value.kind(arguments))
    end
    for key, given in pairs(arguments) do
      if type(given) ~= "string" then
        usage.raise("client:get_prompt: arguments: %s: string expected, got %s", tostring(key),
          type(given))
      end
    end
  end
  local result, text, code, data = fetch.run(self, "prompts/get",
    { name = name, arguments = arguments }, options_of("get_prompt", options))
  if result and not value.is_array(result.messages) then
    return malformed("prompts/get", "messages", result.messages)
  end
  return result, text, code, data
end

---What could stand for an argument of a prompt, or a variable of a resource template, that begins
---with `text`.
---@param reference table { prompt = name } or { resource = template }
---@param argument string its name
---@param text string what has been typed
---@param chosen table<string, string>|nil values of the other arguments
---@param options table|nil
---@return table|nil completion values, total, hasMore
---@return string|nil message
---@return any code
---@return any data
function verbs.complete(self, reference, argument, text, chosen, options)
  local ref
  if type(reference) == "table" and type(reference.prompt) == "string" then
    ref = { type = "ref/prompt", name = reference.prompt }
  elseif type(reference) == "table" and type(reference.resource) == "string" then
    ref = { type = "ref/resource", uri = reference.resource }
  else
    usage.raise "client:complete: { prompt = name } or { resource = template } expected"
  end
  text_of("complete", "argument", argument)
  if type(text) ~= "string" then
    usage.raise("client:complete: text: string expected, got %s", type(text))
  end
  local params = { ref = ref, argument = { name = argument, value = text } }
  options = options_of("complete", options)
  local ready, why, code = self:ready()
  if not ready then return nil, why, code end
  if chosen and next(chosen) and self.facts.completion_context then
    params.context = { arguments = chosen }
  end
  local result, message, number, data = fetch.run(self, "completion/complete", params, options)
  if not result then return nil, message, number, data end
  local completion = result.completion
  if not value.is_object(completion) or not value.is_array(completion.values) then
    return malformed("completion/complete", "completion.values", completion)
  end
  return completion
end

-- --- changes --------------------------------------------------------------------------------

---Has `fn(uri)` called, in a task of its own, whenever the resource changes.
---@param uri string
---@param fn fun(uri: string)
---@param options table|nil
---@return true|nil subscribed
---@return string|nil message
---@return any code
---@return any data
function verbs.subscribe(self, uri, fn, options)
  text_of("subscribe", "uri", uri)
  if type(fn) ~= "function" then
    usage.raise("client:subscribe: a function expected, got %s", type(fn))
  end
  options = options_of("subscribe", options)
  local ready, text, code = self:ready()
  if not ready then return nil, text, code end
  return watch.subscribe(self, uri, fn, options)
end

---The opposite, for one function or, without one, for all of the resource.
---@param uri string
---@param fn function|nil
---@param options table|nil
---@return true|nil unsubscribed
---@return string|nil message
---@return any code
---@return any data
function verbs.unsubscribe(self, uri, fn, options)
  text_of("unsubscribe", "uri", uri)
  options = options_of("unsubscribe", options)
  local ready, text, code = self:ready()
  if not ready then return nil, text, code end
  return watch.unsubscribe(self, uri, fn, options)
end

---Tells the server that the folders we work in are others now. Without sessions it asks anyway.
---@return true|nil told
---@return string|nil message
---@return any code
function verbs.roots_changed(self)
  if not self.settings.roots then usage.raise "client:roots_changed: there is no option roots" end
  local ready, text, code = self:ready()
  if not ready then return nil, text, code end
  if self.era == "modern" then return true end
  return self.transport:notify("notifications/roots/list_changed", nil,
    { era = self.era, revision = self.revision })
end

-- --- the rest -------------------------------------------------------------------------------

---From which level on the server's log is wanted. In a session it is told; without one each request
---says so from now on.
---@param level "debug"|"info"|"notice"|"warning"|"error"|"critical"|"alert"|"emergency"
---@return true|nil set
---@return string|nil message
---@return any code
---@return any data
function verbs.set_log_level(self, level)
  if not protocol.LOG_RANK[level] then
    usage.raise("client:set_log_level: %s is no level", type(level) == "string"
      and ("%q"):format(level) or type(level))
  end
  local ready, text, code = self:ready()
  if not ready then return nil, text, code end
  if self.era == "legacy" then
    local result, why, number, data = fetch.run(self, "logging/setLevel", { level = level }, {})
    if not result then return nil, why, number, data end
  end
  self.log_level = level
  return true
end

---Is the server there? Without sessions, which have no ping, it is asked what it is.
---@param options table|nil
---@return true|nil there
---@return string|nil message
---@return any code
---@return any data
function verbs.ping(self, options)
  options = options_of("ping", options)
  local ready, text, code = self:ready()
  if not ready then return nil, text, code end
  return done(fetch.run(self, self.era == "legacy" and "ping" or "server/discover", nil, options))
end

return verbs
