-- SPDX-License-Identifier: MIT
-- completion: `luamcp completion SHELL` prints a script that makes the shell complete commands and
-- options.
local exit = require "mcp.cli.exit"

local completion = { example = { "luamcp completion bash > ~/.local/share/bash-completion/"
  .. "completions/luamcp", "luamcp completion fish > ~/.config/fish/completions/luamcp.fish" } }

function completion.define(parser)
  parser:argument "shell" :description "bash, zsh or fish." :choices { "bash", "zsh", "fish" }
end

function completion.run(options)
  local root = require("mcp.cli.command").root()
  io.stdout:write(root["get_" .. options.shell .. "_complete"](root))
  return exit.OK
end

return completion
