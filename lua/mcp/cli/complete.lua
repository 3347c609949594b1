-- SPDX-License-Identifier: MIT
-- complete: `luamcp complete TARGET NAME ARGUMENT [TEXT]`.
local exit = require "mcp.cli.exit"
local foreign = require "mcp.foreign"
local offers = require "mcp.cli.offers"
local show = require "mcp.cli.show"
local target = require "mcp.cli.target"
local terminal = require "mcp.cli.terminal"

local complete = { example = { "luamcp complete server.lua review language L",
  "luamcp complete server.lua 'notes://{day}' day mon" } }

function complete.define(parser, command)
  target.define(parser, command)
  parser:argument "name" :description "A prompt, or the URI template of a resource."
  parser:argument "argument" :description "The argument or variable to complete."
  parser:argument "text" :args "?"
    :description "The beginning of its value; default: none, for all values."
  parser:option "--with" :argname "NAME=VALUE" :count "*"
    :description "The value of another argument that is chosen already."
end

function complete.run(options)
  local chosen = {}
  for _, word in ipairs(options.with or {}) do
    local name, given = word:match "^([^=]+)=(.*)$"
    if not name then return exit.usage("--with: expected NAME=VALUE, got %s", word) end
    chosen[name] = given
  end
  local client <close>, status = target.connect(options)
  if not client then return status end
  local reference = options.name:find("://", 1, true) and { resource = options.name }
    or { prompt = options.name }
  local result, text, code = client:complete(reference, options.argument, options.text or "",
    next(chosen) and chosen or nil)
  if not result then
    return exit.fail(exit.status_of(code), offers.failure("completion", text, code), code,
      target.url(options))
  end
  if options.json then
    show.json(result)
  else
    for _, each in ipairs(foreign.strings(result.values)) do
      io.stdout:write(terminal.line(each), "\n")
    end
  end
  return exit.OK
end

return complete
