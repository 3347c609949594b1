-- SPDX-License-Identifier: MIT
-- serve: what a server may ask of us: its user's answer to a form or a page, what our model says,
-- the folders we work in. The answers are made by the program's callbacks; here is what is checked
-- on the way in and out, whichever era has brought the question.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local schema = require "mcp.schema"
local value = require "mcp.value"

local serve = {}

-- JSON-RPC code of a person who has said no (sampling; protocol 1.10).
local REJECTED = -1

local function refuse(code, text, ...) return nil, failure.new(code, text:format(...)) end

local function invalid(text, ...) return refuse(errors.INVALID_PARAMS, text, ...) end

local function missing(method)
  return refuse(errors.METHOD_NOT_FOUND, "%s: this client does not offer that", method)
end

-- What the program has done wrong is its own affair: the log has it, the server hears little.
local function our_fault(method, text)
  core.log("error", ("%s: %s"):format(method, text))
  return refuse(errors.INTERNAL_ERROR, "Internal error")
end

-- Calls the program: true and what it returned, or nil and the error for the server.
local function ask(method, fn, ...)
  local got = table.pack(xpcall(fn, function(err)
    return failure.is(err) and err or debug.traceback(tostring(err), 2)
  end, ...))
  if got[1] then return table.unpack(got, 1, got.n) end
  if failure.is(got[2]) then return nil, got[2] end
  return nil, select(2, our_fault(method, got[2]))
end

-- --- the user -------------------------------------------------------------------

local function copy(given)
  if type(given) ~= "table" then return given end
  local out = {}
  for key, member in pairs(given) do out[key] = copy(member) end
  return setmetatable(out, getmetatable(given))
end

-- What was filled in, with the schema's defaults for what was not, and nothing that was not asked
-- for. nil and what is wrong with it.
local function fill(form, check, content)
  if not value.is_object(content) then return nil, "a table of answers expected" end
  local properties, out = form.properties or {}, {}
  for name, member in pairs(properties) do
    local given = copy(content[name])
    -- An empty table says nothing of itself; the schema does.
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

local function elicit_form(client, params)
  local on_elicit, form = client.settings.on_elicit, params.requestedSchema
  if not on_elicit then return invalid "elicitation/create: this client offers no forms" end
  if not value.is_object(form) or form.type ~= "object"
    or (form.properties ~= nil and not value.is_object(form.properties)) then
    return invalid "elicitation/create: requestedSchema: the schema of an object expected"
  end
  local check, message = schema.compile(form, { formats = true })
  if not check then return invalid("elicitation/create: requestedSchema: %s", message) end
  local ok, content, why = ask("elicitation/create", on_elicit, params.message, form, params)
  if not ok then return nil, content end
  if not content then return { action = why == "decline" and "decline" or "cancel" } end
  local filled
  filled, message = fill(form, check, content == true and {} or content)
  if not filled then
    return our_fault("elicitation/create", "the answer does not fit: " .. message)
  end
  return { action = "accept", content = filled }
end

-- Pages are https, or on this machine while somebody develops (protocol, 4.13).
local function is_safe(url)
  if url:find "[^!-~]" then return false end
  if url:find "^https://[^/@]+" then return not url:find "^https://[^/]*@" end
  local host = url:match "^http://([^/?#]*)"
  if not host then return false end
  host = host:gsub(":%d+$", "")
  return host == "localhost" or host == "[::1]" or host:find "^127%.%d+%.%d+%.%d+$" ~= nil
end

local function elicit_url(client, params)
  local on_url, url = client.settings.on_elicit_url, params.url
  if not on_url then return invalid "elicitation/create: this client opens no pages" end
  if type(url) ~= "string" or not is_safe(url) then
    return invalid "elicitation/create: url: an https address without a user expected"
  end
  if url:lower():find "^https?://[^/?#]*xn%-%-" then
    -- Letters of another script may look like those of a name that the user knows (4.13).
    core.log("warning", "the server sends the user to a name in Punycode: " .. url)
  end
  local ok, opened, why = ask("elicitation/create", on_url, params.message, url,
    params.elicitationId)
  if not ok then return nil, opened end
  if opened then return { action = "accept" } end
  return { action = why == "decline" and "decline" or "cancel" }
end

local function elicit(client, params)
  local settings = client.settings
  if not settings.on_elicit and not settings.on_elicit_url then
    return missing "elicitation/create"
  end
  if type(params.message) ~= "string" then
    return invalid "elicitation/create: message: string expected"
  end
  local mode = params.mode
  if mode == nil or mode == "form" then return elicit_form(client, params) end
  if mode == "url" then return elicit_url(client, params) end
  return invalid('elicitation/create: mode: "form" or "url" expected, got %q', tostring(mode))
end

-- --- the model ------------------------------------------------------------------

-- Its messages as lists of blocks, as the check of tool use wants them.
local function read_messages(list)
  if not value.is_array(list) or list[1] == nil then return nil, "messages: a list expected" end
  local out = {}
  for i, message in ipairs(list) do
    local content = type(message) == "table" and message.content
    if type(content) ~= "table" or (message.role ~= "user" and message.role ~= "assistant") then
      return nil, ("messages[%d]: a role and content expected"):format(i - 1)
    end
    out[i] = { role = message.role, content = value.is_array(content) and content or { content } }
    for _, block in ipairs(out[i].content) do
      if type(block) ~= "table" then
        return nil, ("messages[%d]: content: blocks expected"):format(i - 1)
      end
    end
  end
  return require("mcp.message.question").check_tool_use(out)
end

-- What the program gave as a result of sampling; nil and what is wrong with it.
local function shape_sample(facts, given)
  if type(given) == "string" then given = { content = given } end
  if type(given) ~= "table" then return nil, "a text or a table expected, got " .. type(given) end
  if given.type then given = { content = given } end
  local out = {}
  for key, member in pairs(given) do out[key] = member end
  if type(out.content) == "string" then out.content = { type = "text", text = out.content } end
  if type(out.content) ~= "table" or (out.content.type == nil and out.content[1] == nil) then
    return nil, "content: a text, a block or a list of blocks expected"
  end
  if out.content.type == nil then
    if not (facts and facts.sampling_tools) then
      if out.content[2] then return nil, "content: one block expected in this revision" end
      out.content = out.content[1]
    else
      out.content = value.array { table.unpack(out.content) }
    end
  end
  out.role, out.model = out.role or "assistant", out.model or "unknown"
  if out.stop_reason then out.stopReason, out.stop_reason = out.stop_reason, nil end
  if out.stopReason ~= nil and type(out.stopReason) ~= "string" then
    return nil, "stop_reason: string expected, got " .. type(out.stopReason)
  end
  return out
end

local function sample(client, params)
  local on_sample, offered = client.settings.on_sample, client.settings.sampling or {}
  if not on_sample then return missing "sampling/createMessage" end
  if (params.tools ~= nil or params.toolChoice ~= nil) and not offered.tools then
    return invalid "sampling/createMessage: this client's model gets no tools"
  end
  if math.type(params.maxTokens) ~= "integer" and (type(params.maxTokens) ~= "number"
    or params.maxTokens % 1 ~= 0) then
    return invalid "sampling/createMessage: maxTokens: integer expected"
  end
  local ok, message = read_messages(params.messages)
  if not ok then return invalid("sampling/createMessage: %s", message) end
  local answered, result, why = ask("sampling/createMessage", on_sample, params)
  if not answered then return nil, result end
  if not result then
    return refuse(REJECTED, "%s", type(why) == "string" and why or "User rejected sampling request")
  end
  local shaped
  shaped, message = shape_sample(client.facts, result)
  if not shaped then return our_fault("sampling/createMessage", message) end
  return shaped
end

-- --- the folders ------------------------------------------------------------------

---One root as it goes out; nil and what is wrong with it.
---@param given any a path, an address "file://…", or { uri =, name = }
---@return table|nil root
---@return string|nil message
function serve.root(given)
  if type(given) == "string" then given = { uri = given } end
  if type(given) ~= "table" or type(given.uri) ~= "string" then
    return nil, "a path or { uri =, name = } expected"
  end
  local uri = given.uri
  if uri:find "^/" then
    uri = "file://" .. uri:gsub("[^%w%-._~/!$&'()*+,;=:@]", function(c)
      return ("%%%02X"):format(c:byte())
    end)
  end
  if not uri:find "^file://" then
    return nil, ("an absolute path or file:// address expected, got %q"):format(given.uri)
  end
  return { uri = uri, name = given.name, _meta = given._meta }
end

local function roots(client)
  local given = client.settings.roots
  if not given then return missing "roots/list" end
  if type(given) == "function" then
    local ok, list = ask("roots/list", given)
    if not ok then return nil, list end
    given = list
  end
  if type(given) ~= "table" then return our_fault("roots/list", "roots: a list expected") end
  local out = value.array {}
  for i, one in ipairs(given) do
    local root, message = serve.root(one)
    if not root then return our_fault("roots/list", ("roots[%d]: %s"):format(i, message)) end
    out[i] = root
  end
  return { roots = out }
end

-- --- all of them ------------------------------------------------------------------

local METHODS = {
  ["elicitation/create"] = elicit, ["sampling/createMessage"] = sample, ["roots/list"] = roots,
}

---May the stateless era embed this in a result?
---@param method any
---@return boolean
function serve.is_question(method) return METHODS[method] ~= nil end

-- While it runs, the clocks of our own calls stand.
local Serving = {}
Serving.__close = function(self)
  local client = self.client
  -- From now on they go.
  for _, one in pairs(client.calls) do one:left() end
  client.serving = client.serving - 1
end

---Answers one question of the server. May wait.
---@param client table
---@param method string
---@param params table|nil
---@return table|nil result, table|nil err
function serve.answer(client, method, params)
  if method == "ping" then return {} end
  local answer = METHODS[method]
  if not answer then
    return refuse(errors.METHOD_NOT_FOUND, "Method not found: %s", method)
  end
  local open <close> = setmetatable({ client = client }, Serving) -- luacheck: ignore
  client.serving = client.serving + 1
  return answer(client, params or {})
end

---What this client declares: what there are callbacks for.
---@param settings table
---@param facts table of a revision
---@return table
function serve.capabilities(settings, facts)
  local out = {}
  for name, member in pairs(settings.capabilities or {}) do out[name] = member end
  if settings.roots then
    out.roots = facts.era == "legacy" and { listChanged = true } or {}
  end
  if settings.on_sample then
    out.sampling = {}
    if facts.sampling_tools and settings.sampling then
      out.sampling.tools = settings.sampling.tools and {} or nil
      out.sampling.context = settings.sampling.context and {} or nil
    end
  end
  if facts.elicitation == "full" then
    if settings.on_elicit or settings.on_elicit_url then
      out.elicitation = { form = settings.on_elicit and {} or nil,
        url = settings.on_elicit_url and {} or nil }
    end
  elseif facts.elicitation and settings.on_elicit then
    out.elicitation = {}
  end
  return out
end

return serve
