-- SPDX-License-Identifier: MIT
-- server.lua: the server that the official conformance suite puts to the test, by `make
-- conformance`. The suite calls these tools, resources and prompts by name and looks at what comes
-- back; each part below says which of its scenarios it serves. As an example it shows nearly
-- everything a server can do, once.
--
--   luamcp run spec/conformance/server.lua --http 127.0.0.1:8000
local mcp = require "mcp"

-- A picture of one pixel and four samples of silence: the least that is a PNG and a WAV.
local function from_hex(text)
  return (text:gsub("%s+", ""):gsub("%x%x", function(byte)
    return string.char(tonumber(byte, 16))
  end))
end

local PNG = from_hex [[
  89504e470d0a1a0a
  0000000d 49484452 00000001 00000001 08 02 00 00 00 907753de
  0000000c 49444154 78da63f8cfc0000003010100 f7034143
  00000000 49454e44 ae426082
]]

local WAV = "RIFF" .. ("<I4"):pack(40) .. "WAVE"
  .. "fmt " .. ("<I4I2I2I4I4I2I2"):pack(16, 1, 1, 8000, 8000, 1, 8)
  .. "data" .. ("<I4"):pack(4) .. ("\x80"):rep(4)

local app = mcp.server {
  name = "conformance",
  title = "Conformance fixture",
  version = "1.0.0",
  instructions = "Made for the conformance suite; of no use to anybody else.",
}

-- What a tool can return -----------------------------------------------------------------------
-- tools-list, tools-call-*, server-sse-multiple-streams. The first tool must do without arguments:
-- http-header-validation calls it with none.

app:tool "test_simple_text" {
  description = "Returns one text",
} (function() return "This is a simple text response for testing." end)

app:tool "test_image_content" {
  description = "Returns one picture",
} (function() return mcp.image(PNG, "image/png") end)

app:tool "test_audio_content" {
  description = "Returns one sound",
} (function() return mcp.audio(WAV, "audio/wav") end)

app:tool "test_embedded_resource" {
  description = "Returns a resource with its content",
} (function()
  return mcp.embedded("test://embedded-resource", "This is an embedded resource content.",
    { mime = "text/plain" })
end)

app:tool "test_multiple_content_types" {
  description = "Returns a text, a picture and a resource",
} (function()
  return "Multiple content types test:",
    mcp.image(PNG, "image/png"),
    mcp.embedded("test://mixed-content-resource", '{"test":"data","value":123}',
      { mime = "application/json" })
end)

app:tool "test_error_handling" {
  description = "Fails, as a tool does: with a result that says so",
} (function() error "This tool intentionally returns an error for testing" end)

-- What a tool can tell before it returns ----------------------------------------------------------
-- tools-call-with-progress, tools-call-with-logging, and three checks of server-stateless.

app:tool "test_tool_with_progress" {
  description = "Tells three times how far it has come",
} (function(_, ctx)
  for done = 0, 100, 50 do
    ctx:progress(done, 100, ("Completed step %d of 100"):format(done))
    ctx:sleep(0.05)
  end
  return "Done."
end)

app:tool "test_tool_with_logging" {
  description = "Sends three log messages",
} (function(_, ctx)
  for _, text in ipairs {
    "Tool execution started", "Tool processing data", "Tool execution completed",
  } do
    ctx:log("info", text)
    ctx:sleep(0.05)
  end
  return "Logged three messages."
end)

app:tool "test_reconnection" {
  description = "Ends its stream early; the answer is there for who comes back",
} (function(_, ctx)
  ctx:close_stream(0.5)
  ctx:sleep(0.1)
  return "Came back."
end)

app:tool "test_logging_tool" {
  description = "Sends a log message, to those who asked for log messages",
} (function(_, ctx)
  ctx:log("info", "Called")
  return "Logged, if that was wanted."
end)

app:tool "test_streaming_elicitation" {
  description = "Tells about its progress and never asks back",
} (function(_, ctx)
  ctx:progress(1, 1)
  return "Nothing was asked."
end)

app:tool "test_missing_capability" {
  description = "Works only for clients that offer sampling",
} (function(_, ctx)
  ctx:require_capability { sampling = {} }
  return "The client offers sampling."
end)

-- Schemas ----------------------------------------------------------------------------------------

-- json-schema-2020-12: a schema given in full is listed as it was given.
app:tool "json_schema_2020_12_tool" {
  description = "Has a schema that uses most of JSON Schema 2020-12",
  input_schema = {
    ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
    type = "object",
    ["$defs"] = {
      address = {
        ["$anchor"] = "addressDef",
        type = "object",
        properties = { street = { type = "string" }, city = { type = "string" } },
      },
    },
    properties = {
      name = { type = "string" },
      address = { ["$ref"] = "#/$defs/address" },
      contactMethod = { type = "string", enum = { "phone", "email" } },
      phone = { type = "string" },
      email = { type = "string" },
    },
    allOf = { { anyOf = { { required = { "phone" } }, { required = { "email" } } } } },
    ["if"] = {
      properties = { contactMethod = { const = "phone" } },
      required = { "contactMethod" },
    },
    ["then"] = { required = { "phone" } },
    ["else"] = { required = { "email" } },
    additionalProperties = false,
  },
} (function(args) return "Hello, " .. (args.name or "whoever you are") .. "." end)

-- http-custom-header-server-validation: an argument that is mirrored by a header.
app:tool "test_x_mcp_header" {
  description = "Has an argument that a header repeats",
  input_schema = {
    type = "object",
    properties = { region = { type = "string", ["x-mcp-header"] = "Region" } },
  },
} (function(args) return "Region: " .. (args.region or "none") end)

-- Resources --------------------------------------------------------------------------------------
-- resources-*, sep-2164-resource-not-found, caching.

app:resource "test://static-text" {
  name = "Static text",
  description = "A resource that is text",
  mime = "text/plain",
} (function() return "This is the content of the static text resource." end)

app:resource "test://static-binary" {
  name = "Static binary",
  description = "A resource that is a picture",
  mime = "image/png",
} (function() return PNG end)

app:resource "test://watched-resource" {
  name = "Watched resource",
  description = "A resource that a client can subscribe to",
  mime = "text/plain",
} (function() return "Nothing has happened." end)

app:resource "test://template/{id}/data" {
  name = "Template",
  description = "Data by their id",
  mime = "application/json",
} (function(vars)
  return { id = vars.id, templateTest = true, data = "Data for ID: " .. vars.id }
end)

-- Prompts ----------------------------------------------------------------------------------------
-- prompts-list, prompts-get-*, completion-complete.

app:prompt "test_simple_prompt" {
  description = "A prompt without arguments",
} (function() return "This is a simple prompt for testing." end)

app:prompt "test_prompt_with_arguments" {
  description = "A prompt with two arguments",
  arguments = {
    { name = "arg1", description = "The first", required = true },
    { name = "arg2", description = "The second", required = true },
  },
  complete = { arg1 = { "test1", "test2", "other" } }, -- completion-complete
} (function(args)
  return ("Prompt with arguments: arg1='%s', arg2='%s'"):format(args.arg1, args.arg2)
end)

app:prompt "test_prompt_with_embedded_resource" {
  description = "A prompt with a resource in it",
  arguments = { { name = "resourceUri", description = "The URI of the resource" } },
} (function(args)
  return {
    mcp.user(mcp.embedded(args.resourceUri or "test://embedded-resource",
      "Embedded resource content for testing.", { mime = "text/plain" })),
    mcp.user "Please process the embedded resource above.",
  }
end)

app:prompt "test_prompt_with_image" {
  description = "A prompt with a picture in it",
} (function()
  return { mcp.user(mcp.image(PNG, "image/png")), mcp.user "Please analyze the image above." }
end)

-- Asking the client ------------------------------------------------------------------------------
-- tools-call-sampling, tools-call-elicitation, elicitation-*: in a session.

app:tool "test_sampling" {
  description = "Has the client's model answer a prompt",
  input = { prompt = "string" },
} (function(args, ctx)
  local answer, why = ctx:sample { messages = args.prompt, max_tokens = 100 }
  if not answer then return nil, "No answer: " .. why end
  return "LLM response: " .. (answer.content.text or answer.content.type)
end)

-- What a form came back with, as text.
local function told(content, why)
  if not content then return "User response: " .. why end
  local json = require "cjson"
  return "User response: accept, " .. json.encode(content)
end

app:tool "test_elicitation" {
  description = "Asks the user for a name and an address",
  input = { message = "string" },
} (function(args, ctx)
  return told(ctx:elicit(args.message, { username = "string", email = "string" }))
end)

app:tool "test_elicitation_sep1034_defaults" {
  description = "Asks the user for values that all have defaults",
} (function(_, ctx)
  return told(ctx:elicit("Please review the values", {
    name = mcp.string { default = "John Doe" },
    age = mcp.integer { default = 30 },
    score = mcp.number { default = 95.5 },
    status = mcp.enum { "active", "inactive", "pending", default = "active" },
    verified = mcp.boolean { default = true },
  }))
end)

app:tool "test_elicitation_sep1330_enums" {
  description = "Asks the user to choose, in all the ways there are",
} (function(_, ctx)
  local titled = {
    { const = "value1", title = "First Option" },
    { const = "value2", title = "Second Option" },
    { const = "value3", title = "Third Option" },
  }
  return told(ctx:elicit("Please choose", {
    type = "object",
    properties = {
      untitledSingle = { type = "string", enum = { "option1", "option2", "option3" } },
      titledSingle = { type = "string", oneOf = titled },
      legacyEnum = { type = "string", enum = { "opt1", "opt2", "opt3" },
        enumNames = { "Option One", "Option Two", "Option Three" } },
      untitledMulti = { type = "array",
        items = { type = "string", enum = { "option1", "option2", "option3" } } },
      titledMulti = { type = "array", items = { anyOf = titled } },
    },
  }))
end)

-- input-required-result-*: without a session. The handlers would do the same in one.

app:tool "test_input_required_result_elicitation" {
  description = "Asks for a name",
} (function(_, ctx)
  local content, why = ctx:elicit("What is your name?", { name = "string" }, { key = "user_name" })
  return content and ("Hello, %s!"):format(content.name) or "Nobody: " .. why
end)

app:tool "test_input_required_result_sampling" {
  description = "Asks the client's model",
} (function(_, ctx)
  local answer = ctx:sample { messages = "What is the capital of France?", max_tokens = 100 }
  return "LLM response: " .. (answer.content.text or answer.content.type)
end)

app:tool "test_input_required_result_list_roots" {
  description = "Asks for the client's folders",
} (function(_, ctx)
  local lines = {}
  for i, root in ipairs(ctx:roots()) do lines[i] = root.uri end
  return "Roots: " .. table.concat(lines, ", ")
end)

app:tool "test_input_required_result_request_state" {
  description = "Asks with a state that comes back",
} (function(_, ctx)
  local content = ctx:elicit("Is that all right?", { ok = "boolean" })
  return content and content.ok and "state-ok" or "state-not-ok"
end)

app:tool "test_input_required_result_multiple_inputs" {
  description = "Asks three things at once",
} (function(_, ctx)
  local answers = ctx:ask {
    user_name = mcp.elicit("What is your name?", { name = "string" }),
    greeting = mcp.sample { messages = "Write a greeting", max_tokens = 100 },
    folders = mcp.roots(),
  }
  return ("%s, %s, %d roots"):format(answers.user_name.action, answers.greeting.model,
    #answers.folders.roots)
end)

app:tool "test_input_required_result_multi_round" {
  description = "Asks one thing after the other",
} (function(_, ctx)
  local first = ctx:elicit("What is your name?", { name = "string" }, { key = "step1" })
  local second = ctx:elicit("What is your favourite colour?", { color = "string" },
    { key = "step2" })
  return ("%s likes %s"):format(first and first.name or "Nobody", second and second.color or "none")
end)

app:tool "test_input_required_result_tampered_state" {
  description = "Asks with a state that must come back as it was",
} (function(_, ctx)
  local content = ctx:elicit("Is that all right?", { ok = "boolean" })
  return content and "Confirmed." or "Not confirmed."
end)

app:tool "test_input_required_result_capabilities" {
  description = "Asks only what the client can be asked",
} (function(_, ctx)
  local questions = {}
  if ctx.capabilities.sampling then
    questions.model = mcp.sample { messages = "What is the capital of France?", max_tokens = 100 }
  end
  if ctx.capabilities.elicitation then
    questions.user = mcp.elicit("What is your name?", { name = "string" })
  end
  ctx:ask(questions)
  return "Asked what could be asked."
end)

app:prompt "test_input_required_result_prompt" {
  description = "A prompt that asks before it is made",
} (function(_, ctx)
  local content = ctx:elicit("What is it about?", { context = "string" }, { key = "user_context" })
  return "Please think about " .. (content and content.context or "nothing") .. "."
end)

-- Changes ----------------------------------------------------------------------------------------
-- server-stateless: whoever listens hears of a thing that comes and goes.

app:tool "test_trigger_tool_change" {
  description = "Adds a tool and takes it away again",
} (function()
  app:tool "test_passing_tool" { description = "Passes by" } (function() return "Gone." end)
  app:remove("tool", "test_passing_tool")
  return "The list of tools has changed, and changed back."
end)

app:tool "test_trigger_prompt_change" {
  description = "Adds a prompt and takes it away again",
} (function()
  app:prompt "test_passing_prompt" { description = "Passes by" } (function() return "Gone." end)
  app:remove("prompt", "test_passing_prompt")
  return "The list of prompts has changed, and changed back."
end)

-- Tasks ------------------------------------------------------------------------------------------
-- tasks-*: work that goes on after its call has been answered, for clients that know tasks.

app:tool "greet" {
  description = "Greets, at once and never as a task",
  input = { name = "string" },
} (function(args) return ("Hello, %s!"):format(args.name) end)

app:tool "slow_compute" {
  description = "Takes its time",
  input = { seconds = mcp.number { min = 0, max = 3600, default = 1 }, label = "string?" },
  task = "optional",
} (function(args, ctx)
  if not ctx:sleep(args.seconds) then return nil, "Cancelled." end
  return ("%s: computed for %s seconds"):format(args.label or "result", args.seconds)
end)

app:tool "failing_job" {
  description = "Fails after a second, as a tool does; only as a task",
  task = "required",
} (function(_, ctx)
  ctx:sleep(1)
  error "This job fails."
end)

app:tool "protocol_error_job" {
  description = "Ends with an error of the protocol",
  task = "optional",
} (function(_, ctx)
  ctx:sleep(0.5)
  error(mcp.error(-32603, "This job ends with an error of the protocol."))
end)

app:tool "confirm_delete" {
  description = "Asks before it acts, while it is a task",
  input = { filename = "string?" },
  task = "optional",
} (function(args, ctx)
  local name = args.filename or "the file"
  local answer, why = ctx:elicit(("Delete %s?"):format(name), { confirm = "boolean" })
  if not answer then return "Not deleted: " .. why end
  return answer.confirm and "Deleted " .. name .. "." or "Kept " .. name .. "."
end)

app:tool "multi_input" {
  description = "Asks two things at once, while it is a task",
  task = "optional",
} (function(_, ctx)
  local answers = ctx:ask {
    first = mcp.elicit("The first?", { confirm = "boolean" }),
    second = mcp.elicit("The second?", { confirm = "boolean" }),
  }
  return ("%s, %s"):format(answers.first.action, answers.second.action)
end)

app:tool "test_tool_with_task" {
  description = "Asks for a name before it becomes a task",
  task = "optional",
  prepare = function(_, ctx)
    return ctx:elicit("What is your name?", { name = "string" }, { key = "user_name" })
  end,
} (function(_, ctx, content)
  ctx:sleep(0.1)
  return ("Hello, %s!"):format(content and content.name or "whoever you are")
end)

-- sep-2640-skills-*: the first skill of the list has folders in its folder.
app:skills "skills"

app:run()
