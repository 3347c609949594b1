-- SPDX-License-Identifier: MIT
-- question: a question of a handler to the client, as a value: the request it becomes in a
-- revision, the capability it needs, and how its answer is read. This file does not send it.
local content = require "mcp.content"
local core = require "mcp.core"
local form = require "mcp.message.question_form"
local error_in = require("mcp.options").error_in
local facts_of = require "mcp.protocol.extension"
local value = require "mcp.value"

local question = {}

---@class mcp.Question
---@field kind "elicit"|"elicit_url"|"sample"|"roots"|"own" one of an extension
local Question = { __name = "mcp.question" }
Question.__index = {}

function Question.__tostring(self) return ("mcp.question (%s)"):format(self.kind) end

---@param given any
---@return boolean
function question.is(given) return getmetatable(given) == Question end

-- --- making ---------------------------------------------------------------

-- Makers return a question, or nil and what is wrong.
local make = {}
question.make = make

local function need_text(name, text)
  if type(text) == "string" and text ~= "" then return true end
  return nil, ("%s: expected a string, got %s"):format(name,
    text == "" and "an empty one" or type(text))
end

-- Names of secrets, for which a form must never ask: the client's program sees the answer, and its
-- model may. Letters only, in lower case.
local SECRETS = { "password", "passwd", "passphrase", "apikey", "accesstoken", "privatekey",
  "creditcard", "cardnumber", "cvv" }
local warned = {}

local function warn_of_secrets(schema)
  for name in pairs(schema.properties) do
    local letters = name:lower():gsub("[^a-z]", "")
    for _, word in ipairs(SECRETS) do
      if letters:find(word, 1, true) and not warned[word] then
        warned[word] = true
        core.log("warning", ("a form asks for %q: a secret belongs on a page (ctx:elicit_url)")
          :format(name))
      end
    end
  end
end

function make.elicit(text, schema)
  local ok, message = need_text("text", text)
  if not ok then return nil, message end
  local read
  read, message = form.read(schema)
  if not read then return nil, message end
  warn_of_secrets(read)
  return setmetatable({ kind = "elicit", text = text, schema = read }, Question)
end

function make.elicit_url(text, url)
  local ok, message = need_text("text", text)
  if not ok then return nil, message end
  ok, message = need_text("url", url)
  if not ok then return nil, message end
  if not url:find "^https?://[^/]" or not require("mcp.uri").valid_absolute(url) then
    return nil, ("url: expected an address such as \"https://example.org/\", got %q"):format(url)
  end
  return setmetatable({ kind = "elicit_url", text = text, url = url }, Question)
end

function make.roots(...)
  if select("#", ...) > 0 then return nil, "expected no argument" end
  return setmetatable({ kind = "roots" }, Question)
end

-- The types of the options, and their names in the protocol.
local SAMPLE = {
  messages = "any", max_tokens = "number", system_prompt = "string", temperature = "number",
  stop_sequences = "table", model_preferences = "table", tools = "table", tool_choice = "any",
  include_context = "string", metadata = "table",
}
local MEMBERS = {
  messages = "messages", max_tokens = "maxTokens", system_prompt = "systemPrompt",
  temperature = "temperature", stop_sequences = "stopSequences",
  model_preferences = "modelPreferences", tools = "tools", tool_choice = "toolChoice",
  include_context = "includeContext", metadata = "metadata",
}

local PREFERENCES = { hints = "table", cost_priority = "number", speed_priority = "number",
  intelligence_priority = "number" }
local PREFERENCE_MEMBERS = { cost_priority = "costPriority", speed_priority = "speedPriority",
  intelligence_priority = "intelligencePriority" }

local function read_preferences(given)
  local out, wrong = {}, error_in(given, PREFERENCES)
  if wrong then return nil, "model_preferences: " .. wrong end
  for key, member in pairs(given) do
    if key ~= "hints" then
      if not (member >= 0 and member <= 1) then
        return nil, ("model_preferences: %s: expected a number from 0 to 1, got %s"):format(key,
          member)
      end
      out[PREFERENCE_MEMBERS[key]] = member
    else
      local hints = value.array {}
      for i, hint in ipairs(member) do
        hints[i] = type(hint) == "string" and { name = hint } or hint
      end
      out.hints = hints
    end
  end
  return out
end

local TOOL = { name = "string", title = "any", description = "any", input = "any",
  input_schema = "any" }

local function read_tools(list)
  local out = value.array {}
  for i, tool in ipairs(list) do
    if type(tool) ~= "table" or type(tool.name) ~= "string" then
      return nil, ("tools[%d]: expected a table with a name"):format(i)
    end
    local wrong = error_in(tool, TOOL)
    if wrong then return nil, ("tools[%d]: %s"):format(i, wrong) end
    local schema = tool.input_schema or { type = "object" }
    if tool.input ~= nil then
      local ok, made = pcall(require("mcp.schema").from_shorthand, tool.input, 0)
      if not ok then return nil, ("tools[%d]: input: %s"):format(i, tostring(made)) end
      schema = made
    end
    out[i] = { name = tool.name, title = tool.title, description = tool.description,
      inputSchema = schema }
  end
  if not out[1] then return nil, "tools: expected at least one" end
  return out
end

local CHOICES = { auto = true, required = true, none = true }

-- Blocks of a message, as a list.
local function blocks_of(body)
  if type(body) == "string" then return { content.text(body) } end
  if type(body) ~= "table" then return nil end
  if body.type ~= nil then body = { body } end
  local out = {}
  for i, block in ipairs(body) do
    if type(block) == "string" then block = content.text(block) end
    if type(block) ~= "table" or type(block.type) ~= "string" then return nil end
    out[i] = block
  end
  return out[1] and out or nil
end

-- The next message must answer every use of a tool, and must have nothing but these answers
-- (protocol, Sampling: "Tool result messages", "Tool use and result balance").
local function check_tool_use(messages)
  local open, count = {}, 0
  for i, message in ipairs(messages) do
    local results, others = 0, 0
    for _, block in ipairs(message.content) do
      if block.type == "tool_result" then
        results = results + 1
        if not open[block.toolUseId] then
          return nil, ("messages[%d]: tool_result: expected a tool_use for it before"):format(i)
        end
        open[block.toolUseId], count = nil, count - 1
      else
        others = others + 1
      end
    end
    if results > 0 and others > 0 then
      return nil, ("messages[%d]: expected nothing but tool_result blocks beside one"):format(i)
    end
    if count > 0 then
      return nil, ("messages[%d]: expected a tool_result for each tool_use before it"):format(i)
    end
    for _, block in ipairs(message.content) do
      if block.type == "tool_use" and block.id ~= nil and not open[block.id] then
        open[block.id], count = true, count + 1
      end
    end
  end
  if count > 0 then return nil, "messages: expected a tool_result for the tool_use at the end" end
  return true
end

---Are the uses of tools in these messages answered as they must be? Clients check this as well.
---@param messages table[] each with content, a list of blocks
---@return boolean|nil fine
---@return string|nil message
question.check_tool_use = check_tool_use

local function read_messages(given)
  if type(given) == "string" then given = { given } end
  if type(given) ~= "table" then
    return nil, "messages: expected a string or a list, got " .. type(given)
  end
  if given.role ~= nil then given = { given } end
  local out = {}
  for i, message in ipairs(given) do
    if type(message) == "string" or content.is(message) then
      message = { role = "user", content = message }
    end
    local blocks = type(message) == "table" and blocks_of(message.content)
    if not blocks or (message.role ~= "user" and message.role ~= "assistant") then
      return nil, ("messages[%d]: expected a string, or a role (\"user\", \"assistant\") and "
        .. "content"):format(i)
    end
    out[i] = { role = message.role, content = blocks }
  end
  if not out[1] then return nil, "messages: expected at least one" end
  local ok, message = check_tool_use(out)
  if not ok then return nil, message end
  return out
end

function make.sample(given)
  local params, message = {}, error_in(given, SAMPLE)
  if message then return nil, message end
  for key, member in pairs(given) do params[MEMBERS[key]] = member end
  local tokens = math.tointeger(params.maxTokens)
  if not tokens or tokens < 1 then return nil, "max_tokens: expected an integer, 1 or more" end
  params.maxTokens = tokens
  params.messages, message = read_messages(given.messages)
  if message then return nil, message end
  if params.stopSequences then
    params.stopSequences = value.array { table.unpack(params.stopSequences) }
  end
  if params.modelPreferences then
    params.modelPreferences, message = read_preferences(params.modelPreferences)
    if message then return nil, message end
  end
  if params.tools then
    params.tools, message = read_tools(params.tools)
    if message then return nil, message end
  end
  local choice = params.toolChoice
  if choice ~= nil then
    if type(choice) == "table" then choice = choice.mode end
    if not CHOICES[choice] then
      return nil, 'tool_choice: expected "auto", "required" or "none"'
    end
    params.toolChoice = { mode = choice }
  end
  return setmetatable({ kind = "sample", params = params }, Question)
end

---A question that an extension defines: a request with a table as its answer.
---@param id string of the extension
---@param revision string|nil
---@param method string
---@param params table|nil
---@return mcp.Question
function question.own(id, revision, method, params)
  return setmetatable({ kind = "own", id = id, revision = revision, method = method,
    params = params or {} }, Question)
end

local KINDS = { ["sampling/createMessage"] = "sample", ["roots/list"] = "roots" }

-- What belongs to the connection on which it came.
local OF_HOP = { progressToken = true, ["io.modelcontextprotocol/related-task"] = true }

---A question of another server, which is passed on as it came.
---@param method string
---@param params table
---@return mcp.Question|nil question nil: the protocol has no such question
function question.relayed(method, params)
  local kind = KINDS[method]
  if method == "elicitation/create" then
    kind = params.mode == "url" and "elicit_url" or "elicit"
  end
  if not kind then return nil end
  local raw, meta = {}, nil
  for key, member in pairs(params) do raw[key] = member end
  for key, member in pairs(type(params._meta) == "table" and params._meta or {}) do
    if not OF_HOP[key] then
      meta = meta or {}
      meta[key] = member
    end
  end
  raw._meta = meta
  return setmetatable({ kind = kind, params = raw, relayed = true }, Question)
end

-- --- asking ---------------------------------------------------------------

local METHODS = {
  elicit = "elicitation/create", elicit_url = "elicitation/create",
  sample = "sampling/createMessage", roots = "roots/list",
}

---The capabilities that the client must declare for it.
---@param facts table of a revision
---@return table wanted
function Question.__index:needs(facts)
  if self.kind == "elicit" then return { elicitation = { form = {} } } end
  if self.kind == "elicit_url" then return { elicitation = { url = {} } } end
  if self.kind == "roots" then return { roots = {} } end
  if self.kind == "own" then
    return { extensions = { [self.id] = { revision = self.revision } } }
  end
  local params, wanted = self.params, {}
  if params.tools or params.toolChoice then wanted.tools = {} end
  if facts.sampling_tools and params.includeContext and params.includeContext ~= "none" then
    wanted.context = {}
  end
  return { sampling = wanted }
end

local function object(given) return type(given) == "table" and value.is_object(given) end

---Has the client declared what it needs?
---@param facts table of a revision
---@param capabilities table
---@return boolean
function Question.__index:is_offered(facts, capabilities)
  if self.kind == "roots" then return object(capabilities.roots) end
  if self.kind == "own" then
    return facts_of.active(capabilities, self.id, self.revision) and true or false
  end
  if self.kind == "sample" then
    local have = capabilities.sampling
    if not object(have) then return false end
    for part in pairs(self:needs(facts).sampling) do
      if not facts.sampling_tools or not object(have[part]) then return false end
    end
    return true
  end
  local have = capabilities.elicitation
  if not facts.elicitation or not object(have) then return false end
  if self.kind == "elicit_url" then return facts.elicitation == "full" and object(have.url) end
  -- Declared without modes it means forms.
  return object(have.form) or have.url == nil
end

-- Messages in the form of a revision: older ones have one block in each.
local function shape_messages(facts, messages)
  local out = value.array {}
  for _, message in ipairs(messages) do
    if facts.sampling_tools then
      local blocks = message.content
      out[#out + 1] = { role = message.role,
        content = blocks[2] and value.array { table.unpack(blocks) } or blocks[1] }
    else
      for _, block in ipairs(message.content) do
        out[#out + 1] = { role = message.role, content = content.adapted(facts, block) }
      end
    end
  end
  return out
end

---The request that it becomes in a revision.
---@param facts table
---@return string|nil method nil if the revision cannot ask that
---@return table|string params or what is wrong
function Question.__index:request(facts)
  local method = METHODS[self.kind]
  if self.relayed then
    local params = {}
    for key, member in pairs(self.params) do params[key] = member end
    if self.kind == "elicit" or self.kind == "elicit_url" then
      params.mode = nil
      if facts.elicitation == "full" then
        params.mode = self.kind == "elicit" and "form" or "url"
      end
      if self.kind == "elicit_url" then
        params.elicitationId = facts.elicitation_id and (params.elicitationId or core.random_id())
          or nil
      end
    end
    return method, params
  end
  if self.kind == "roots" then return method, {} end
  if self.kind == "own" then return self.method, self.params end
  if self.kind == "sample" then
    local params = {}
    for key, member in pairs(self.params) do params[key] = member end
    params.messages = shape_messages(facts, params.messages)
    return method, params
  end
  local mode = facts.elicitation == "full" and (self.kind == "elicit" and "form" or "url") or nil
  if self.kind == "elicit_url" then
    return method, { mode = mode, message = self.text, url = self.url,
      elicitationId = facts.elicitation_id and core.random_id() or nil }
  end
  local schema, message = form.shape(facts, self.schema)
  if not schema then return nil, message end
  -- With its keys sorted: the same on every start.
  return method, { mode = mode, message = self.text, requestedSchema = core.raw(schema) }
end

-- --- reading --------------------------------------------------------------

local ACTIONS = { accept = true, decline = true, cancel = true }

local function read_elicitation(self, facts, answer)
  if not ACTIONS[answer.action] then
    return nil, 'action: "accept", "decline" or "cancel" expected'
  end
  if answer.action ~= "accept" or self.kind == "elicit_url" then
    return { action = answer.action }
  end
  -- Older clients leave out the content of a form that asks for nothing.
  local content_given = answer.content
  if content_given == nil then content_given = {} end
  local filled, message = form.check(form.shape(facts, self.schema), content_given, self.schema)
  if not filled then return nil, message end
  return { action = "accept", content = filled }
end

---Reads an answer.
---@param facts table
---@param answer any as it came
---@return table|nil answer nil if it does not have the required form
---@return string|nil message
function Question.__index:read(facts, answer)
  if not object(answer) then return nil, "expected an object, got " .. value.kind(answer) end
  if self.kind == "own" then return answer end
  -- The server that asked reads it.
  if self.relayed then return answer end
  value.drop_nulls(answer)
  if self.kind == "elicit" or self.kind == "elicit_url" then
    return read_elicitation(self, facts, answer)
  end
  if self.kind == "roots" then
    if type(answer.roots) ~= "table" or object(answer.roots) and next(answer.roots) ~= nil then
      return nil, "roots: expected an array"
    end
    for i, root in ipairs(answer.roots) do
      if not object(root) or type(root.uri) ~= "string" then
        return nil, ("roots[%d].uri: expected a string"):format(i - 1)
      end
      value.drop_nulls(root)
    end
    return answer
  end
  if answer.role ~= "assistant" and answer.role ~= "user" then
    return nil, 'role: expected "assistant"'
  end
  if not blocks_of(answer.content) then return nil, "content: expected a block" end
  if type(answer.model) ~= "string" then return nil, "model: expected a string" end
  return answer
end

-- --- the public constructors ------------------------------------------------

local function constructor(name)
  return function(...)
    local made, message = make[name](...)
    if not made then error(("mcp.%s: %s"):format(name, message), 2) end
    return made
  end
end

---A form that the user fills in.
---@param text string what it is about
---@param schema table flat: strings, numbers, booleans, choices; in shorthand or in full
---@return mcp.Question
question.elicit = constructor "elicit"

---A page that the user is sent to.
---@param text string why
---@param url string http or https
---@return mcp.Question
question.elicit_url = constructor "elicit_url"

---Something that the client's model writes.
---@param options table messages, max_tokens; system_prompt, temperature, stop_sequences,
---model_preferences, tools, tool_choice, include_context, metadata
---@return mcp.Question
question.sample = constructor "sample"

---The folders that the client works in.
---@return mcp.Question
question.roots = constructor "roots"

return question
