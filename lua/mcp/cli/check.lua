-- SPDX-License-Identifier: MIT
-- check: `luamcp check FILE`: loads a server without serving: what clients will see, and what is
-- wrong with it, with line numbers. Pages of MCP Apps are read, too.
local exit = require "mcp.cli.exit"
local foreign = require "mcp.foreign"
local offers = require "mcp.cli.offers"
local protocol = require "mcp.protocol"
local show = require "mcp.cli.show"
local terminal = require "mcp.cli.terminal"

local check = { example = { "luamcp check server.lua",
  "luamcp check --strict server.lua -- --db x" } }

---Longer names of tools are cut by some hosts, which put a prefix of their own before them.
check.NAME = 40

function check.define(parser)
  parser:argument "file"
    :description "The Lua script (its own arguments follow after --), or an OpenAPI document."
  parser:flag "--strict" :description "Fail if there is any warning."
  parser:flag "--json" :description "Print JSON."
  require("mcp.cli.document").define(parser)
end

-- Warnings about globals that are never set.
local function of_globals(chunk, file, add)
  local nearest = require "mcp.nearest"
  local known = nearest.keys(_G)
  -- `luamcp run` sets it.
  local environment = setmetatable({ arg = {} }, { __index = _G })
  for _, use in ipairs(require("mcp.cli.globals").undefined(chunk, environment)) do
    local meant = nearest.find(use.name, known)
    add(("%s:%d: the global variable %q is never set%s"):format(file, use.line, use.name,
      meant and ("; did you mean %q?"):format(meant) or ""))
  end
end

local WITH_DESCRIPTION = { tools = "tool", resources = "resource", resourceTemplates = "template",
  prompts = "prompt" }

-- Warnings about what a model will see.
local function of_offers(lists, add)
  for _, each in ipairs(offers.LISTS) do
    for _, entry in ipairs(lists[each.key] or {}) do
      local name = each.describe(entry)
      if not foreign.first(entry.description) then
        add(("%s %q has no description: models choose by it"):format(WITH_DESCRIPTION[each.key],
          name))
      end
      if each.key == "tools" and #name > check.NAME then
        add(("tool %q: the name has %d characters; some hosts cut names of more than %d"):format(
          name, #name, check.NAME))
      end
    end
  end
  if not next(lists) then add "the server offers nothing" end
end

-- The pages of the server, with warnings about them. Loaded for servers that have some.
local function pages_of(client, lists, add)
  local extensions = client.capabilities.extensions
  if not (extensions and extensions[protocol.UI]) then return {} end
  local found = require("mcp.cli.pages").read(client, lists)
  for _, page in ipairs(found) do
    for _, warning in ipairs(page.warnings) do add(warning) end
    if not page.tools[1] then add(("page %q: no tool shows it"):format(page.uri)) end
  end
  return found
end

function check.run(options)
  if require("mcp.openapi.document").is_path(options.file) then
    return require("mcp.cli.document").check(options)
  end
  local warnings = {}
  local function add(text) warnings[#warnings + 1] = text end
  local chunk, text = loadfile(options.file, "t")
  if not chunk then return exit.fail(exit.OTHER, text, "ESCRIPT") end
  of_globals(chunk, options.file, add)
  local testing = require "mcp.testing"
  local ok, client = pcall(testing.load, options.file, { args = options.command or {} })
  if not ok then
    for _, warning in ipairs(warnings) do
      io.stderr:write("luamcp: warning: ", terminal.clean(warning), "\n")
    end
    return exit.fail(exit.OTHER, (tostring(client):gsub("^[^\n]-testing%.load: ", "")), "ESCRIPT")
  end
  local lists
  lists, text = offers.read(client)
  local found = lists and pages_of(client, lists, add)
  client:close()
  if not lists then return exit.fail(exit.OTHER, text, "ESCRIPT") end
  of_offers(lists, add)
  if options.json then
    lists.warnings = require("mcp.value").array(warnings)
    if found[1] then lists.pages = found end
    show.json(lists)
  else
    for _, each in ipairs(offers.LISTS) do
      for _, entry in ipairs(lists[each.key] or {}) do
        local name, rest = each.describe(entry)
        io.stdout:write(("%-9s %s%s\n"):format(WITH_DESCRIPTION[each.key],
          terminal.paint(1, "bold", terminal.line(name)), terminal.line(rest)))
      end
    end
    for _, page in ipairs(found) do
      io.stdout:write(("%-9s %s  %s\n"):format("page", terminal.paint(1, "bold",
        terminal.line(page.uri)), terminal.line(require("mcp.cli.pages").describe(page))))
    end
  end
  for _, warning in ipairs(warnings) do
    io.stderr:write("luamcp: warning: ", terminal.clean(warning), "\n")
  end
  local problems = {}
  for _, page in ipairs(found) do problems[#problems + 1] = page.problem end
  if problems[1] then return exit.fail(exit.OTHER, table.concat(problems, "\n"), "ESCRIPT") end
  return options.strict and #warnings > 0 and exit.OTHER or exit.OK
end

return check
