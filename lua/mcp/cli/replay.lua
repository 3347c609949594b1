-- SPDX-License-Identifier: MIT
-- replay: `luamcp replay FILE`: serves a recorded conversation, so that a host or a client can be
-- tried without the server.
local bridge = require "mcp.cli.bridge"
local exit = require "mcp.cli.exit"

local replay = { example = { "luamcp replay conversation.jsonl",
  "luamcp replay conversation.jsonl --http 8000 --delays" } }

function replay.define(parser)
  parser:argument "file" :description "A file of luamcp record."
  parser:flag "--delays" :description "With the pauses of the recording."
  parser:flag "--json" :description "Print failures as JSON."
  bridge.define_listeners(parser)
end

function replay.run(options)
  local new = require("mcp.testing.replay").new
  local transport, text = new(options.file, { delays = options.delays })
  if not transport then return exit.usage("%s", text) end
  return bridge.serve(options, function(more)
    -- Each connection begins at the beginning.
    local own = transport or new(options.file, { delays = options.delays })
    transport = nil
    local client = require("mcp.client.connect").session(own, more)
    local ok, reason, code = client:initialize()
    if not ok then return nil, reason, code end
    return client
  end)
end

return replay
