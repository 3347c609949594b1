-- SPDX-License-Identifier: MIT
-- skills.lua: a server with a skill, and a tool that the skill tells a model to use.
--
--   luamcp list examples/skills.lua
--   luamcp read examples/skills.lua skill://release-notes/SKILL.md
--
-- The skill is the folder examples/skills/release-notes: instructions in SKILL.md, and a template
-- that they refer to. Change the files while the server runs: clients get the new ones, with new
-- digests.
local mcp = require "mcp"

local app = mcp.server { name = "skills-example",
  instructions = "To write release notes, load skill://release-notes/SKILL.md first." }

app:skills "skills"

local CHANGES = {
  ["1.3.0"] = { "added: export as CSV", "fixed: dates before 1970" },
  ["1.2.1"] = { "fixed: a crash without a network" },
}

app:tool "changes" {
  description = "The changes of one version, one on each line",
  input = { version = "string" },
  annotations = { read_only = true },
} (function(args)
  local list = CHANGES[args.version]
  if not list then error(mcp.error(-32602, "unknown version: " .. args.version)) end
  return table.concat(list, "\n")
end)

app:run()
