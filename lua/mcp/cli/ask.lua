-- SPDX-License-Identifier: MIT
-- ask: questions of the server during a call, asked at the terminal. Where there is none they are
-- declined with a message, never answered from a pipe.
local arguments = require "mcp.cli.arguments"
local foreign = require "mcp.foreign"
local interrupt = require "mcp.cli.interrupt"
local terminal = require "mcp.cli.terminal"

local ask = {}

-- A line from the terminal, without its end; nil at the end of input. The loop stands still
-- meanwhile: the server waits for the answer, and progress would disturb the question. Ctrl-C ends
-- the program as soon as the prompt is seen.
local function read_line(prompt)
  return interrupt.paused(function()
    io.stderr:write(prompt)
    return io.stdin:read "l"
  end)
end

-- The answers that a field offers, `a|b`; nil if it does not name them. With titles they are a list
-- of schemas with a `const` each; those of a list are in its `items`.
local function choices_of(property)
  local list = property.enum or property.oneOf or property.anyOf
  if type(list) ~= "table" then
    return type(property.items) == "table" and choices_of(property.items) or nil
  end
  local words = {}
  for _, member in ipairs(list) do
    if type(member) == "table" then member = member.const end
    if member == nil or type(member) == "table" then return nil end
    words[#words + 1] = tostring(member)
  end
  return words[1] and table.concat(words, "|")
end

local function prompt_of(name, property, required)
  local kind, choices = foreign.first(property.type, "string"), choices_of(property)
  if choices then kind = kind == "array" and "list of " .. choices or choices end
  local default = property.default
  if type(default) == "table" then default = require("mcp.core").encode(default) end
  return ("%s (%s)%s%s: "):format(terminal.line(foreign.first(property.title, name)),
    terminal.line(kind), required and "*" or "",
    default ~= nil and (" [%s]"):format(terminal.line(default)) or "")
end

-- What the schema of a field says of an answer; nil if it fits.
local function complaint(name, property, got)
  local schema = require "mcp.schema"
  local form, given = { type = "object", properties = { [name] = property } }, { [name] = got }
  local check = schema.compile(form, { formats = true })
  if not check then return nil end -- the client reports it when all is answered
  local ok, problems = check(given)
  return not ok and schema.explain(problems, given, form, "field") or nil
end

-- Asks for one field until the answer fits. nil and true: left out; nil and a word: ended.
local function ask_field(name, property, schema, required)
  local description = foreign.string(property.description)
  if description then io.stderr:write(terminal.clean(description), "\n") end
  while true do
    local line = read_line(prompt_of(name, property, required))
    if line == nil or line == "cancel" then return nil, "cancel" end
    if line == "decline" then return nil, "decline" end
    if line == "" and (not required or property.default ~= nil) then return nil, true end
    if line ~= "" then
      local got, text = arguments.read({ name .. "=" .. line }, schema)
      if got then text = complaint(name, property, got[name]) end
      if not text then return got[name] end
      io.stderr:write(terminal.clean(text), "\n")
    end
  end
end

local function in_order(schema)
  local names, seen = {}, {}
  local properties = foreign.object(schema.properties)
  for _, name in ipairs(foreign.strings(schema.required)) do
    if properties[name] and not seen[name] then
      names[#names + 1], seen[name] = name, true
    end
  end
  for _, name in ipairs(require("mcp.nearest").keys(properties)) do
    if not seen[name] then names[#names + 1] = name end
  end
  return names, seen, properties
end

local function on_form(text, schema)
  io.stderr:write(terminal.paint(2, "bold", terminal.clean(text)), "\n",
    "(* is required; decline refuses, cancel ends the call)\n")
  local answers = {}
  schema = foreign.object(schema)
  local names, required, properties = in_order(schema)
  for _, name in ipairs(names) do
    local got, ended = ask_field(name, foreign.object(properties[name]), schema, required[name])
    if got == nil and ended ~= true then return nil, ended end
    answers[name] = got
  end
  if #names == 0 then
    local line = read_line "continue? [y/N] "
    if not line then return nil, "cancel" end
    if not line:find "^[yY]" then return nil, "decline" end
  end
  return answers
end

local function on_page(text, url)
  io.stderr:write(terminal.paint(2, "bold", terminal.clean(text)), "\n", terminal.line(url), "\n")
  local line = read_line "open this page in your browser, then press Enter (n declines): "
  if line == nil then return nil, "cancel" end
  if line:find "^[nN]" then return nil, "decline" end
  return true
end

---The callbacks of mcp.connect that answer questions.
---@param options table of the command line; `no_input` declines
---@param clear fun() removes the progress bar before a question
---@return table callbacks
function ask.callbacks(options, clear)
  local may_ask = not options.no_input and terminal.is_terminal(0) and terminal.is_terminal(2)
  local function guard(how)
    return function(text, ...)
      clear()
      if may_ask then return how(text, ...) end
      io.stderr:write("luamcp: the server asked: ", terminal.clean(text), "\n",
        "luamcp: declined: there is no terminal to ask at\n")
      return nil, "decline"
    end
  end
  return {
    on_elicit = guard(on_form), on_elicit_url = guard(on_page),
    on_log = function(level, data, logger)
      clear()
      local text = type(data) == "string" and data
        or require("mcp.core").encode(data) or "(no JSON)"
      io.stderr:write(terminal.paint(2, "dim", ("%s%s: %s"):format(terminal.clean(level),
        logger and " " .. terminal.clean(logger) or "", terminal.clean(text))), "\n")
    end,
  }
end

return ask
