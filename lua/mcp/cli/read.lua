-- SPDX-License-Identifier: MIT
-- read: `luamcp read TARGET URI`.
local exit = require "mcp.cli.exit"
local offers = require "mcp.cli.offers"
local show = require "mcp.cli.show"
local target = require "mcp.cli.target"

local read = { example = { "luamcp read server.lua notes://today",
  "luamcp read files file:///logo.png > logo.png" } }

function read.define(parser, command)
  target.define(parser, command)
  parser:argument "uri" :description "The URI of the resource."
end

function read.run(options)
  local client <close>, status = target.connect(options)
  if not client then return status end
  local result, text, code = client:read_resource(options.uri, { timeout = options.timeout })
  if not result then
    return exit.fail(exit.status_of(code), offers.failure("resources", text, code), code,
      target.url(options))
  end
  if options.json then show.json(result) else show.contents(result.contents) end
  return exit.OK
end

return read
