-- SPDX-License-Identifier: MIT
-- verbs: the methods of mcp.Client. Runtime errors return nil, a message and a code: a short name,
-- or the integer of the server's error, followed by its data. Programming errors raise.
local call = require "mcp.client.call"
local request = require "mcp.client.request"
local usage = require "mcp.client.usage"
local pages = require "mcp.client.pages"
local skills = require "mcp.later" "mcp.client.skills"
local protocol = require "mcp.protocol"
local tools = require "mcp.client.tools"
local value = require "mcp.value"
local watch = require "mcp.later" "mcp.client.watch"

local verbs = {}

local getmetatable, type, is_object = getmetatable, type, value.is_object
local NO_OPTIONS = call.NO_OPTIONS

-- Raises, at the user's line, that a method was called without its client.
local function check_self(self, name)
  local mt = getmetatable(self)
  if not mt or mt.__name ~= "mcp.client" then
    usage.raise("client:%s is called with a colon, not with a dot", name)
  end
end

verbs.check_self = check_self

-- On success one value and no nils after it: results may be passed on as arguments.
local function only(result, ...)
  if result == nil then return nil, ... end
  return result
end

-- The options of client:request: no table knows the member that a foreign method is about.
local ANY_METHOD = { target = "string" }
for name, types in pairs(call.OPTIONS) do ANY_METHOD[name] = types end

-- The options of one request, checked. Those of requests without any are not changed.
local function options_of(what, given, known)
  if given == nil then return NO_OPTIONS end
  what = "client:" .. what
  usage.check(what, given, known or call.OPTIONS)
  usage.seconds(what, "timeout", given.timeout)
  usage.seconds(what, "max_timeout", given.max_timeout)
  if given.cancel and (getmetatable(given.cancel) or {}).__name ~= "mcp.canceller" then
    usage.raise("%s: option \"cancel\": expected an mcp.canceller()", what)
  end
  return given
end

local function check_params(what, params)
  if params ~= nil and type(params) ~= "table" then
    usage.raise("client:%s: params: expected a table, got %s", what, type(params))
  end
end

local function text_of(what, name, given)
  if type(given) ~= "string" or given == "" then usage.text("client:" .. what, name, given) end
end

local function no_array(method, member, got)
  return call.malformed(method, "%s: expected an array, got %s", member, value.kind(got))
end

-- For a request whose result has no content.
local function done(result, text, code, data)
  if result then return true end
  return nil, text, code, data
end

-- --- any request --------------------------------------------------------------------------

---Makes any request, such as one of an extension.
---@param method string
---@param params table|nil
---@param options table|nil timeout, max_timeout, on_progress, meta, cancel, fresh, target (the
---member of `params` that the request is about, for the header Mcp-Name)
---@return table|nil result
---@return string|nil message
---@return any code
---@return any data
function verbs.request(self, method, params, options)
  check_self(self, "request")
  text_of("request", "method", method)
  check_params("request", params)
  return only(request.run(self, method, params, options_of("request", options, ANY_METHOD)))
end

---What the server says of an extension, if both sides declare it.
---@param id string
---@return table|nil settings
function verbs.extension(self, id)
  check_self(self, "extension")
  text_of("extension", "id", id)
  local extensions = self.settings.extensions
  if not extensions then return nil end
  return extensions:settings(self.capabilities, id)
end

---Listens to notifications of an extension: what its `listen` said before no longer counts.
---@param id string
---@param filter table|nil members of the filter of subscriptions/listen; nil for nothing
---@return table|nil honoured the members that the server honours
---@return string|nil message
---@return any code
---@return any data
function verbs.listen(self, id, filter)
  check_self(self, "listen")
  text_of("listen", "id", id)
  local own = self.settings.extensions and self.settings.extensions.by_id[id]
  if not own then usage.raise("client:listen: %q is not in the option extensions", id) end
  filter = require("mcp.client.extension").read_filter("client:listen: filter", filter)
  local ready, text, code = self:ready()
  if not ready then return nil, text, code end
  if not verbs.extension(self, id) then
    return nil, ("the server does not have the extension %s"):format(id), "ENOTSUP"
  end
  if self.era ~= "modern" then
    return nil, "subscriptions/listen is not part of revision " .. self.revision, "ENOTSUP"
  end
  return only(watch.listen(self, own, filter))
end

---Sends any notification.
---@param method string
---@param params table|nil
---@return true|nil sent
---@return string|nil message
---@return string|nil code
function verbs.notify(self, method, params)
  check_self(self, "notify")
  text_of("notify", "method", method)
  check_params("notify", params)
  local ready, text, code = self:ready()
  if not ready then return nil, text, code end
  -- The stateless revision has none for servers but those of extensions, which need the envelope.
  if self.era == "modern" and self.settings.extensions then
    params = call.enveloped(self, params)
  end
  local sent
  sent, text, code = self.transport:notify(method, params,
    { era = self.era, revision = self.revision })
  if code == "EENCODE" then usage.raise("%s", text) end
  return only(sent, text, code)
end

-- --- lists ----------------------------------------------------------------------------------

---All tools of the server.
---@param options table|nil
---@return table[]|nil tools
---@return string|nil message
---@return any code
---@return any data
function verbs.list_tools(self, options)
  check_self(self, "list_tools")
  local list, text, code, data = pages.all(self, "tools/list", options_of("list_tools", options))
  if not list then return nil, text, code, data end
  tools.learn(self, list)
  return list
end

---All resources that the server lists. Resources of templates may exist without being listed.
---@param options table|nil
---@return table[]|nil resources
---@return string|nil message
---@return any code
---@return any data
function verbs.list_resources(self, options)
  check_self(self, "list_resources")
  return pages.all(self, "resources/list", options_of("list_resources", options))
end

---All templates of resources.
---@param options table|nil
---@return table[]|nil templates
---@return string|nil message
---@return any code
---@return any data
function verbs.list_resource_templates(self, options)
  check_self(self, "list_resource_templates")
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
  check_self(self, "list_prompts")
  return pages.all(self, "prompts/list", options_of("list_prompts", options))
end

---`for tool in client:tools() do`: fetches page by page. Raises on failure.
---@param options table|nil
---@return fun(): table|nil
function verbs.tools(self, options)
  check_self(self, "tools")
  return pages.each(self, "tools/list", options_of("tools", options))
end

---`for resource in client:resources() do`
---@param options table|nil
---@return fun(): table|nil
function verbs.resources(self, options)
  check_self(self, "resources")
  return pages.each(self, "resources/list", options_of("resources", options))
end

---`for template in client:resource_templates() do`
---@param options table|nil
---@return fun(): table|nil
function verbs.resource_templates(self, options)
  check_self(self, "resource_templates")
  return pages.each(self, "resources/templates/list", options_of("resource_templates", options))
end

---`for prompt in client:prompts() do`
---@param options table|nil
---@return fun(): table|nil
function verbs.prompts(self, options)
  check_self(self, "prompts")
  return pages.each(self, "prompts/list", options_of("prompts", options))
end

-- --- using what is there ------------------------------------------------------------------

---Calls a tool. A tool that fails returns a result as well, with `isError` set.
---@param name string
---@param arguments table|nil
---@param options table|nil
---@return table|nil result content, structuredContent, isError
---@return string|nil message
---@return any code
---@return any data
function verbs.call_tool(self, name, arguments, options)
  check_self(self, "call_tool")
  text_of("call_tool", "name", name)
  if arguments ~= nil and not is_object(arguments) then
    usage.raise("client:call_tool: arguments: expected a table with names, got %s",
      value.kind(arguments))
  end
  return tools.call(self, name, arguments or {},
    options and options_of("call_tool", options) or NO_OPTIONS)
end

---Reads a resource.
---@param uri string
---@param options table|nil
---@return table|nil result contents
---@return string|nil message
---@return any code
---@return any data
function verbs.read_resource(self, uri, options)
  check_self(self, "read_resource")
  text_of("read_resource", "uri", uri)
  local result, text, code, data = request.run(self, "resources/read", { uri = uri },
    options_of("read_resource", options))
  if result and not value.is_array(result.contents) then
    return no_array("resources/read", "contents", result.contents)
  end
  return only(result, text, code, data)
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
  check_self(self, "get_prompt")
  text_of("get_prompt", "name", name)
  if arguments ~= nil then
    if not value.is_object(arguments) then
      usage.raise("client:get_prompt: arguments: expected a table with names, got %s",
        value.kind(arguments))
    end
    for key, given in pairs(arguments) do
      if type(given) ~= "string" then
        usage.raise("client:get_prompt: arguments: %s: expected a string, got %s", tostring(key),
          type(given))
      end
    end
  end
  if self.pins then
    local fine, reason, name_of_code, more = self.pins:allow(self, "prompts/list", name)
    if not fine then return nil, reason, name_of_code, more end
  end
  local result, text, code, data = request.run(self, "prompts/get",
    { name = name, arguments = arguments }, options_of("get_prompt", options))
  if result and not value.is_array(result.messages) then
    return no_array("prompts/get", "messages", result.messages)
  end
  return only(result, text, code, data)
end

---Completes an argument of a prompt, or a variable of a resource template, that begins with `text`.
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
  check_self(self, "complete")
  local ref
  if type(reference) == "table" and type(reference.prompt) == "string" then
    ref = { type = "ref/prompt", name = reference.prompt }
  elseif type(reference) == "table" and type(reference.resource) == "string" then
    ref = { type = "ref/resource", uri = reference.resource }
  else
    usage.raise "client:complete: expected { prompt = name } or { resource = template }"
  end
  text_of("complete", "argument", argument)
  if type(text) ~= "string" then
    usage.raise("client:complete: text: expected a string, got %s", type(text))
  end
  local params = { ref = ref, argument = { name = argument, value = text } }
  options = options_of("complete", options)
  local ready, reason, code = self:ready()
  if not ready then return nil, reason, code end
  if chosen and next(chosen) and self.facts.completion_context then
    params.context = { arguments = chosen }
  end
  local result, message, number, data = request.run(self, "completion/complete", params, options)
  if not result then return nil, message, number, data end
  local completion = result.completion
  if not value.is_object(completion) or not value.is_array(completion.values) then
    return no_array("completion/complete", "completion.values", completion)
  end
  return completion
end

-- --- skills -----------------------------------------------------------------------------------

-- The options of client:read_skill.
local READ_SKILL = { approved = "string", approve = "function", dynamic = "boolean" }
for name, types in pairs(call.OPTIONS) do READ_SKILL[name] = types end

---The entries of all skills that the server lists. No file is fetched.
---@param options table|nil
---@return table[]|nil entries uri, frontmatter, resources
---@return string|nil message
---@return any code "ENOTSUP": the server has no skills
---@return any data
function verbs.list_skills(self, options)
  check_self(self, "list_skills")
  return skills.list(self, options_of("list_skills", options))
end

---`for entry in client:skills() do`: fetches page by page. Raises on failure.
---@param options table|nil
---@return fun(): table|nil
function verbs.skills(self, options)
  check_self(self, "skills")
  return skills.each(self, options_of("skills", options))
end

---The entry of one skill, listed or not.
---@param uri string of its SKILL.md
---@param options table|nil
---@return table|nil entry
---@return string|nil message
---@return any code
---@return any data
function verbs.get_skill(self, uri, options)
  check_self(self, "get_skill")
  text_of("get_skill", "uri", uri)
  return only(skills.get(self, uri, options_of("get_skill", options)))
end

---Loads a skill: fetches its SKILL.md and compares size, digest and head with the entry.
---@param which string|table the URI of its SKILL.md, or an entry
---@param options table|nil also approved (a fingerprint), approve (entry, fingerprint), dynamic
---@return mcp.Skill|nil skill
---@return string|nil message
---@return any code "EINTEGRITY", "ECHANGED", "EREFUSED", "ETOOBIG"
---@return any data
function verbs.read_skill(self, which, options)
  check_self(self, "read_skill")
  if type(which) ~= "table" then text_of("read_skill", "skill", which) end
  return only(skills.read(self, which, options_of("read_skill", options, READ_SKILL)))
end

---What lies directly in a folder that the server serves.
---@param uri string
---@param options table|nil
---@return table[]|nil resources folders have the mimeType "inode/directory"
---@return string|nil message
---@return any code "ENOTSUP": the server reads no directories
---@return any data
function verbs.list_directory(self, uri, options)
  check_self(self, "list_directory")
  text_of("list_directory", "uri", uri)
  return skills.directory(self, uri, options_of("list_directory", options))
end

-- --- changes --------------------------------------------------------------------------------

---Calls `fn(uri)`, in a task of its own, whenever the resource changes.
---@param uri string
---@param fn fun(uri: string)
---@param options table|nil
---@return true|nil subscribed
---@return string|nil message
---@return any code
---@return any data
function verbs.subscribe(self, uri, fn, options)
  check_self(self, "subscribe")
  text_of("subscribe", "uri", uri)
  if type(fn) ~= "function" then
    usage.raise("client:subscribe: expected a function, got %s", type(fn))
  end
  options = options_of("subscribe", options)
  local ready, text, code = self:ready()
  if not ready then return nil, text, code end
  return watch.subscribe(self, uri, fn, options)
end

---Ends the subscription of one function, or of all functions of the resource.
---@param uri string
---@param fn function|nil
---@param options table|nil
---@return true|nil unsubscribed
---@return string|nil message
---@return any code
---@return any data
function verbs.unsubscribe(self, uri, fn, options)
  check_self(self, "unsubscribe")
  text_of("unsubscribe", "uri", uri)
  options = options_of("unsubscribe", options)
  local ready, text, code = self:ready()
  if not ready then return nil, text, code end
  return watch.unsubscribe(self, uri, fn, options)
end

---Notifies the server that the roots have changed. A stateless server asks for them anyway.
---@return true|nil sent
---@return string|nil message
---@return any code
function verbs.roots_changed(self)
  check_self(self, "roots_changed")
  if not self.settings.roots then usage.raise "client:roots_changed: needs the option roots" end
  local ready, text, code = self:ready()
  if not ready then return nil, text, code end
  if self.era == "modern" then return true end
  return only(self.transport:notify("notifications/roots/list_changed", nil,
    { era = self.era, revision = self.revision }))
end

-- --- the rest -------------------------------------------------------------------------------

---Sets the minimum level of the server's log messages. In a session this is a request; without one,
---each later request carries the level.
---@param level "debug"|"info"|"notice"|"warning"|"error"|"critical"|"alert"|"emergency"
---@return true|nil set
---@return string|nil message
---@return any code
---@return any data
function verbs.set_log_level(self, level)
  check_self(self, "set_log_level")
  if not protocol.LOG_RANK[level] then
    usage.raise("client:set_log_level: expected a level such as \"info\", got %s",
      type(level) == "string" and ("%q"):format(level) or type(level))
  end
  local ready, text, code = self:ready()
  if not ready then return nil, text, code end
  if self.era == "legacy" then
    local result, reason, number, data = request.run(self, "logging/setLevel",
      { level = level }, {})
    if not result then return nil, reason, number, data end
  end
  self.log_level = level
  return true
end

---Does the server answer? Sends ping, or server/discover to a stateless server, which has no ping.
---@param options table|nil
---@return true|nil answered
---@return string|nil message
---@return any code
---@return any data
function verbs.ping(self, options)
  check_self(self, "ping")
  options = options_of("ping", options)
  local ready, text, code = self:ready()
  if not ready then return nil, text, code end
  return done(request.run(self, self.era == "legacy" and "ping" or "server/discover", nil, options))
end

return verbs
