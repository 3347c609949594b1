-- SPDX-License-Identifier: MIT
-- inspect: `luamcp inspect TARGET`: everything about a server on one page of text.
local core = require "mcp.core"
local exit = require "mcp.cli.exit"
local foreign = require "mcp.foreign"
local nearest = require "mcp.nearest"
local offers = require "mcp.cli.offers"
local schema_text = require "mcp.cli.schema_text"
local show = require "mcp.cli.show"
local target = require "mcp.cli.target"
local terminal = require "mcp.cli.terminal"

local inspect = { example = { "luamcp inspect server.lua",
  "luamcp inspect --json https://mcp.example/mcp", "luamcp inspect --web -- npx -y some-server" } }

function inspect.define(parser, command)
  target.define(parser, command)
  parser:flag "--web" :description "Serve the inspect page in front of the server, on this machine."
  parser:option "--port" :argname "PORT" :default "0"
    :description "The port of the page; default: any that is free."
end

local INDENT = "  "

local function line(indent, text)
  io.stdout:write(INDENT:rep(indent), text, "\n")
end

local function paragraph(indent, text)
  local width = terminal.width(1) - #INDENT * indent
  for _, each in ipairs(terminal.wrap(terminal.clean(text), math.max(width, 20))) do
    line(indent, each)
  end
end

local function heading(text) line(0, terminal.paint(1, "cyan", text)) end

local function fact(name, given)
  if not foreign.string(given) then return end
  local width = terminal.width(1) - #INDENT - 14
  for i, each in ipairs(terminal.wrap(terminal.line(given), math.max(width, 20))) do
    line(1, ("%-13s %s"):format(i == 1 and name or "", each))
  end
end

-- The names of capabilities with what they declare: `tools (listChanged)`.
local function capabilities_text(capabilities)
  local words = {}
  for _, name in ipairs(nearest.keys(capabilities)) do
    local inside = type(capabilities[name]) == "table" and nearest.keys(capabilities[name]) or {}
    words[#words + 1] = name .. (#inside > 0 and (" (%s)"):format(table.concat(inside, ", ")) or "")
  end
  return #words > 0 and table.concat(words, ", ") or "none"
end

local HINTS = { readOnlyHint = "read only", destructiveHint = "destructive",
  idempotentHint = "idempotent", openWorldHint = "open world" }

local function hints_text(annotations)
  local words = {}
  for _, name in ipairs(nearest.keys(foreign.object(annotations))) do
    local hint = HINTS[name]
    if hint and type(annotations[name]) == "boolean" then
      words[#words + 1] = annotations[name] and hint or "not " .. hint
    end
  end
  return #words > 0 and table.concat(words, ", ") or nil
end

local function arguments_of_schema(indent, schema)
  for _, row in ipairs(schema_text.rows(schema)) do
    line(indent, ("%s: %s%s%s"):format(terminal.paint(1, "bold", terminal.line(row.name)),
      terminal.line(row.type), row.required and "" or ", optional",
      row.default ~= nil and ", default " .. terminal.line(row.default) or ""))
    if row.description then paragraph(indent + 1, row.description) end
  end
end

local DETAILS = {}

function DETAILS.tools(tool)
  if foreign.string(tool.description) then paragraph(2, tool.description) end
  local hints = hints_text(tool.annotations)
  if hints then line(2, "(" .. hints .. ")") end
  if type(tool._meta) == "table" then
    local page, app_only = require("mcp.cli.pages").of_tool(tool)
    if page then line(2, "shows " .. terminal.line(page)) end
    if app_only then line(2, "(for pages alone: hosts do not show it to a model)") end
  end
  arguments_of_schema(2, tool.inputSchema)
  if type(tool.outputSchema) == "table" then
    line(2, "returns:")
    arguments_of_schema(3, tool.outputSchema)
  end
end

function DETAILS.resources(resource)
  if foreign.string(resource.description) then paragraph(2, resource.description) end
  if foreign.string(resource.mimeType) then
    line(2, terminal.line(resource.mimeType) .. (type(resource.size) == "number"
      and (", %.0f bytes"):format(resource.size) or ""))
  end
end

DETAILS.resourceTemplates = DETAILS.resources

function DETAILS.prompts(prompt)
  if foreign.string(prompt.description) then paragraph(2, prompt.description) end
  for _, argument in ipairs(foreign.objects(prompt.arguments)) do
    line(2, ("%s%s"):format(terminal.paint(1, "bold", terminal.line(foreign.first(argument.name,
      "?"))), argument.required == true and "" or ", optional"))
    if foreign.string(argument.description) then paragraph(3, argument.description) end
  end
end

-- The page, in front of any server: it is that of a bridge, which may have the user's credentials.
-- So no other client is served.
local function serve_page(options)
  options.http, options.inspect = "127.0.0.1:" .. options.port, "private"
  return require("mcp.cli.bridge").run(options)
end

function inspect.run(options)
  if options.web then return serve_page(options) end
  local client <close>, status = target.connect(options)
  if not client then return status end
  local lists, text, code = offers.read(client)
  if not lists then return exit.fail(exit.status_of(code), text, code, target.url(options)) end
  if options.json then
    show.json(core.raw { server = client.server, revision = client.revision,
      capabilities = client.capabilities, instructions = client.instructions,
      tools = lists.tools, resources = lists.resources,
      resourceTemplates = lists.resourceTemplates, prompts = lists.prompts })
    return exit.OK
  end
  local server = client.server or {}
  heading(terminal.line(foreign.first(server.title, server.name, "(unnamed)")))
  fact("name", server.name)
  fact("version", server.version)
  fact("website", server.websiteUrl)
  fact("revision", ("%s (%s)"):format(client.revision,
    client.era == "modern" and "stateless" or "with sessions"))
  fact("capabilities", capabilities_text(client.capabilities))
  if client.instructions then
    line(1, "instructions")
    paragraph(2, client.instructions)
  end
  for _, each in ipairs(offers.LISTS) do
    local entries = lists[each.key] or {}
    if #entries > 0 then
      heading(("%s (%d)"):format(each.heading, #entries))
      for _, entry in ipairs(entries) do
        local name = each.describe(entry)
        local title = foreign.string(entry.title)
        title = title and title ~= name and "  " .. title or ""
        line(1, terminal.paint(1, "bold", terminal.line(name)) .. terminal.line(title))
        DETAILS[each.key](entry)
      end
    end
  end
  return exit.OK
end

return inspect
