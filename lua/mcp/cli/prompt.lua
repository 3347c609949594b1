-- SPDX-License-Identifier: MIT
-- prompt: `luamcp prompt TARGET NAME key=value…`.
local arguments = require "mcp.cli.arguments"
local exit = require "mcp.cli.exit"
local foreign = require "mcp.foreign"
local offers = require "mcp.cli.offers"
local show = require "mcp.cli.show"
local target = require "mcp.cli.target"
local terminal = require "mcp.cli.terminal"

local prompt = { example = "luamcp prompt server.lua review code=@main.lua" }

function prompt.define(parser, command)
  target.define(parser, command)
  parser:argument "name" :description "The name of the prompt."
  parser:argument "arguments" :args "*" :argname "key=value"
    :description "key=text, key=@file, or @file or - for all as a JSON object."
end

function prompt.run(options)
  -- Arguments of a prompt are strings, whatever they look like.
  local given, wrong = arguments.read(options.arguments)
  if not given then return exit.usage("%s: %s", options.name, wrong) end
  local client <close>, status = target.connect(options)
  if not client then return status end
  local result, text, code = client:get_prompt(options.name, given, { timeout = options.timeout })
  if not result then
    return exit.fail(exit.status_of(code), offers.failure("prompts", text, code), code,
      target.url(options))
  end
  if options.json then
    show.json(result)
    return exit.OK
  end
  for i, message in ipairs(foreign.objects(result.messages)) do
    if i > 1 then io.stdout:write "\n" end
    local role = terminal.line(foreign.first(message.role, "?"))
    io.stdout:write(terminal.paint(1, "cyan", role), ":\n")
    show.block(message.content)
  end
  return exit.OK
end

return prompt
