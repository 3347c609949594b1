-- SPDX-License-Identifier: MIT
-- list: `luamcp list TARGET`: what a server offers.
local exit = require "mcp.cli.exit"
local foreign = require "mcp.foreign"
local methods = require "mcp.protocol.methods"
local offers = require "mcp.cli.offers"
local declared = require("mcp.protocol.extension").declared
local show = require "mcp.cli.show"
local target = require "mcp.cli.target"
local terminal = require "mcp.cli.terminal"

local list = {
  example = { "luamcp list server.lua", "luamcp list --tools --json https://mcp.example/mcp",
    "luamcp list -- npx -y @modelcontextprotocol/server-everything" },
}

function list.define(parser, command)
  target.define(parser, command)
  parser:flag "--tools" :description "Only tools."
  parser:flag "--resources" :description "Only resources and templates."
  parser:flag "--prompts" :description "Only prompts."
  parser:flag "--skills" :description "Only skills."
end

local function print_entry(name, rest, description)
  local signature = terminal.line(rest)
  -- A terminal would break it anywhere; in a pipe it stays one line.
  if terminal.is_terminal(1) and #terminal.line(name) + #signature + 2 > terminal.width(1) then
    local room = terminal.width(1) - 6
    signature = "\n      " .. table.concat(terminal.wrap(signature, room), "\n      ")
  end
  io.stdout:write("  ", terminal.paint(1, "bold", terminal.line(name)), signature, "\n")
  local first = (description or ""):match "^%s*([^\n]*)"
  for _, line in ipairs(terminal.wrap(terminal.clean(first), terminal.width(1) - 6)) do
    io.stdout:write("      ", line, "\n")
  end
end

-- Adds the skills of a server that has some.
local function add_skills(client, lists)
  if not declared(client.capabilities, methods["skills/list"].extension) then return true end
  local skills, text, code = client:list_skills()
  if not skills then return nil, text, code end
  lists.skills = skills
  return true
end

local function print_skills(skills)
  if #skills > 0 then io.stdout:write(terminal.paint(1, "cyan", "Skills"), "\n") end
  for _, skill in ipairs(skills) do
    local files = type(skill.resources) == "table" and #skill.resources
    print_entry(skill.uri, files and (" (%d file%s)"):format(files, files == 1 and "" or "s")
      or " (dynamic)", skill.frontmatter.description)
  end
end

-- What was asked for, for a server that has none of it.
local function asked(options)
  local names = {}
  for _, name in ipairs { "tools", "resources", "prompts", "skills" } do
    if options[name] then names[#names + 1] = name end
  end
  return names[1] and table.concat(names, " or ") or "tools, resources or prompts"
end

function list.run(options)
  local client <close>, status = target.connect(options)
  if not client then return status end
  local all = not (options.tools or options.resources or options.prompts or options.skills)
  local lists, text, code = offers.read(client, not all and options or nil)
  if not lists then return exit.fail(exit.status_of(code), text, code, target.url(options)) end
  if all or options.skills then
    local ok
    ok, text, code = add_skills(client, lists)
    if not ok then return exit.fail(exit.status_of(code), text, code, target.url(options)) end
  end
  if options.json then
    show.json(lists)
    return exit.OK
  end
  local count = 0
  for _, each in ipairs(offers.LISTS) do
    local entries = lists[each.key] or {}
    count = count + #entries
    if #entries > 0 then io.stdout:write(terminal.paint(1, "cyan", each.heading), "\n") end
    for _, entry in ipairs(entries) do
      local name, rest = each.describe(entry)
      print_entry(name, rest, foreign.first(entry.description, entry.title))
    end
  end
  print_skills(lists.skills or {})
  count = count + #(lists.skills or {})
  if count == 0 then io.stderr:write("luamcp: the server offers no ", asked(options), "\n") end
  return exit.OK
end

return list
