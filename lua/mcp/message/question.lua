-- SPDX-License-Identifier: MIT
-- question: what a handler can ask of the client, as a value: the request it becomes in a revision,
-- the capability it needs, and how its answer is read. How it gets there is not known here.
local content = require "mcp.content"
local core = require "mcp.core"
local form = require "mcp.message.question_form"
local nearest = require "mcp.nearest"
local value = require "mcp.value"

local question = {}

---@class mcp.Question
---@field kind "elicit"|"elicit_url"|"sample"|"roots"
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
  return nil, ("%s: a string expected, got %s"):format(name,
    text == "" and "an empty one" or type(text))
end

-- Names of what a form must never ask for: the client's program sees it, and its model may. Letters
-- only, in lower case.
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
    return nil, ("url: an address such as \"https://example.org/\" expected, got %q"):format(url)
  end
  return setmetatable({ kind = "elicit_url", text = text, url = url }, Question)
end

function make.roots(...)
  if select("#", ...) > 0 then return nil, "no argument expected" end
  return setmetatable({ kind = "roots" }, Question)
end

-- Our names, the protocol's, and of which type they are.
local SAMPLE = {
  messages = { "messages", "any" }, max_tokens = { "maxTokens", "number" },
  system_prompt = { "systemPrompt", "string" }, temperature = { "temperature", "number" },
  stop_sequences = { "stopSequences", "table" },
  model_preferences = { "modelPreferences", "table" }, tools = { "tools", "table" },
  tool_choice = { "toolChoice", "any" }, include_context = { "includeContext", "string" },
  metadata = { "metadata", "table" },
}

local PREFERENCES = {
  hints = "table", cost_priority = "costPriority", speed_priority = "speedPriority",
  intelligence_priority = "intelligencePriority",
}

local function read_preferences(given)
  local out = {}
  for key, member in pairs(given) do
    local name = PREFERENCES[key]
    if not name then
      return nil, "model_preferences: " .. nearest.unknown("option", key, nearest.keys(PREFERENCES))
    end
    if key ~= "hints" then
      if type(member) ~= "number" or member < 0 or member > 1 then
        return nil, ("model_preferences: %s: a number from 0 to 1 expected"):format(key)
      end
      out[name] = member
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

local TOOL = { name = true, title = true, description = true, input = true, input_schema = true }

local function read_tools(list)
  local out = value.array {}
  for i, tool in ipairs(list) do
    if type(tool) ~= "table" or type(tool.name) ~= "string" then
      return nil, ("tools[%d]: a table with name expected"):format(i)
    end
    for key in pairs(tool) do
      if not TOOL[key] then
        return nil, ("tools[%d]: %s"):format(i, nearest.unknown("option", key, nearest.keys(TOOL)))
      end
    end
    local schema = tool.input_schema or { type = "object" }
    if tool.input ~= nil then
      local ok, made = pcall(require("mcp.schema").from_shorthand, tool.input, 0)
      if not ok then return nil, ("tools[%d]: input: %s"):format(i, tostring(made)) end
      schema = made
    end
    out[i] = { name = tool.name, title = tool.title, description = tool.description,
      inputSchema = schema }
  end
  if not out[1] then return nil, "tools: at least one expected" end
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

-- Every use of a tool is answered in the very next message, and by nothing but answers (protocol,
-- Sampling: "Tool result messages", "Tool use and result balance").
local function check_tool_use(messages)
  local open, count = {}, 0
  for i, message in ipairs(messages) do
    local results, others = 0, 0
    for _, block in ipairs(message.content) do
      if block.type == "tool_result" then
        results = results + 1
        if not open[block.toolUseId] then
          return nil, ("messages[%d]: a tool_result that answers no tool_use before it"):format(i)
        end
        open[block.toolUseId], count = nil, count - 1
      else
        others = others + 1
      end
    end
    if results > 0 and others > 0 then
      return nil, ("messages[%d]: a message with a tool_result has nothing else in it"):format(i)
    end
    if count > 0 then
      return nil, ("messages[%d]: a tool_use before it is not answered here"):format(i)
    end
    for _, block in ipairs(message.content) do
      if block.type == "tool_use" and block.id ~= nil and not open[block.id] then
        open[block.id], count = true, count + 1
      end
    end
  end
  if count > 0 then return nil, "messages: a tool_use at the end is not answered" end
  return true
end

---Are the uses of tools in these messages answered as they must be? For who is asked, too.
---@param messages table[] each with content, a list of blocks
---@return boolean|nil fine
---@return string|nil message
question.check_tool_use = check_tool_use

local function read_messages(given)
  if type(given) == "string" then given = { given } end
  if type(given) ~= "table" then
    return nil, "messages: a string or a list expected, got " .. type(given)
  end
  if given.role ~= nil then given = { given } end
  local out = {}
  for i, message in ipairs(given) do
    if type(message) == "string" or content.is(message) then
      message = { role = "user", content = message }
    end
    local blocks = type(message) == "table" and blocks_of(message.content)
    if not blocks or (message.role ~= "user" and message.role ~= "assistant") then
      return nil, ("messages[%d]: a string, or a role (\"user\", \"assistant\") and content, "
        .. "expected"):format(i)
    end
    out[i] = { role = message.role, content = blocks }
  end
  if not out[1] then return nil, "messages: at least one expected" end
  local ok, message = check_tool_use(out)
  if not ok then return nil, message end
  return out
end

function make.sample(given)
  if type(given) ~= "table" then return nil, "a table expected, got " .. type(given) end
  local params, message = {}
  for key, member in pairs(given) do
    local option = SAMPLE[key]
    if not option then return nil, nearest.unknown("option", key, nearest.keys(SAMPLE)) end
    if option[2] ~= "any" and type(member) ~= option[2] then
      return nil, ("%s: %s expected, got %s"):format(key, option[2], type(member))
    end
    params[option[1]] = member
  end
  local most = math.tointeger(params.maxTokens)
  if not most or most < 1 then return nil, "max_tokens: an integer, 1 or more, expected" end
  params.maxTokens = most
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
      return nil, 'tool_choice: "auto", "required" or "none" expected'
    end
    params.toolChoice = { mode = choice }
  end
  return setmetatable({ kind = "sample", params = params }, Question)
end

-- --- asking ---------------------------------------------------------------

local METHODS = {
  elicit = "elicitation/create", elicit_url = "elicitation/create",
  sample = "sampling/createMessage", roots = "roots/list",
}

---The capability it needs of a client, as capabilities are written.
---@param facts table of a revision
---@return table wanted
function Question.__index:needs(facts)
  if self.kind == "elicit" then return { elicitation = { form = {} } } end
  if self.kind == "elicit_url" then return { elicitation = { url = {} } } end
  if self.kind == "roots" then return { roots = {} } end
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

-- Messages as a revision knows them: older ones have one block in each.
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
  if self.kind == "roots" then return method, {} end
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
---@return table|nil answer nil if it has not the shape that was asked for
---@return string|nil message
function Question.__index:read(facts, answer)
  if not object(answer) then return nil, "object expected, got " .. value.kind(answer) end
  value.drop_nulls(answer)
  if self.kind == "elicit" or self.kind == "elicit_url" then
    return read_elicitation(self, facts, answer)
  end
  if self.kind == "roots" then
    if type(answer.roots) ~= "table" or object(answer.roots) and next(answer.roots) ~= nil then
      return nil, "roots: array expected"
    end
    for i, root in ipairs(answer.roots) do
      if not object(root) or type(root.uri) ~= "string" then
        return nil, ("roots[%d].uri: string expected"):format(i - 1)
      end
      value.drop_nulls(root)
    end
    return answer
  end
  if answer.role ~= "assistant" and answer.role ~= "user" then
    return nil, 'role: "assistant" expected'
  end
  if not blocks_of(answer.content) then return nil, "content: a block expected" end
  if type(answer.model) ~= "string" then return nil, "model: string expected" end
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
