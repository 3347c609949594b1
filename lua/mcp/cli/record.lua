-- SPDX-License-Identifier: MIT
-- record: `luamcp record TARGET -o FILE`: serves a server like bridge, and writes the conversation
-- to a file for replay and for mcp.testing.
local bridge = require "mcp.cli.bridge"
local target = require "mcp.cli.target"

local record = { example = { "luamcp record server.lua -o conversation.jsonl",
  "luamcp record -o conversation.jsonl --http 8000 -- npx -y some-server" } }

function record.define(parser, command)
  bridge.define(parser, command)
  parser:option "-o --output" :argname "FILE" :count(1) :description "The file; it is replaced."
  parser:option "--redact" :argname "NAME" :count "*"
    :description "Members of this name are replaced in the file, at any depth."
end

-- Each connection is a conversation: the second one goes to FILE.2.
local function name_of(path, count)
  return count == 1 and path or ("%s.%d"):format(path, count)
end

function record.run(options)
  local count = 0
  return bridge.serve(options, function(more)
    count = count + 1
    local recorder, text = require("mcp.testing.record").new(name_of(options.output, count),
      options.target or options.command[1], { redact = options.redact })
    if not recorder then return nil, text, "EUSAGE" end
    return target.try(options, more, recorder)
  end)
end

return record
