-- SPDX-License-Identifier: MIT
-- call: `luamcp call TARGET TOOL key=value…`.
local arguments = require "mcp.cli.arguments"
local exit = require "mcp.cli.exit"
local foreign = require "mcp.foreign"
local nearest = require "mcp.nearest"
local offers = require "mcp.cli.offers"
local show = require "mcp.cli.show"
local target = require "mcp.cli.target"
local terminal = require "mcp.cli.terminal"

local call = {
  example = {
    "luamcp call server.lua add a=1 b=2",
    "luamcp call https://mcp.example/mcp search query='blue shoes' 'limit:=10'",
    "luamcp call notes write text=@draft.md",
  },
}

function call.define(parser, command)
  target.define(parser, command)
  parser:argument "tool" :description "The name of the tool."
  parser:argument "arguments" :args "*" :argname "key=value"
    :description "key=text, key:=json, key=@file, or @file or - for all as a JSON object."
  parser:flag "--no-input"
    :description "Decline questions of the server instead of asking at the terminal."
end

-- The tool of that name, or nil if it is not listed; and the names that are. Nil and the status if
-- there is no list.
local function find(client, options)
  local tools, text, code = client:list_tools()
  if not tools then
    return nil, nil, exit.fail(exit.status_of(code), offers.failure("tools", text, code), code)
  end
  local names = {}
  for _, tool in ipairs(tools) do
    names[#names + 1] = foreign.string(tool.name)
    if tool.name == options.tool then return tool, names end
  end
  return nil, names
end

-- How servers say that they have no such tool: as an error or as a tool's result. The protocol has
-- only an example of the text.
local UNKNOWN = { "unknown tool", "no such tool", "tool not found", "tool .* not found",
  "tool .* does not exist" }

-- The reason why a tool that is not listed could not be called: the server's, or the names that are
-- listed where it knows no such tool. Other tools can be called: one that is found by a search, or
-- one of a server that is down and says so.
local function unlisted_failure(name, names, text, code)
  local lower = text:lower()
  for _, pattern in ipairs(UNKNOWN) do
    if lower:find(pattern) then
      local meant = nearest.find(name, names)
      -- The server knows names that it does not list.
      if not meant and lower:find("did you mean", 1, true) then return text, "ENOENT" end
      return ("%s: the server has no such tool%s"):format(name,
        meant and ("; did you mean %s?"):format(meant)
          or #names > 0 and ("; it has %s"):format(nearest.list(names)) or ""), "ENOENT"
    end
  end
  return text, code
end

local function print_result(result, as_json)
  if as_json then return show.json(result) end
  local content = foreign.array(result.content)
  for _, block in ipairs(content) do show.block(block) end
  if #content == 0 and result.structuredContent ~= nil then
    show.json(result.structuredContent)
  end
end

-- The text of a failed call, for standard error.
local function failure_of(result)
  local words = {}
  for _, block in ipairs(foreign.objects(result.content)) do
    if block.type == "text" then words[#words + 1] = foreign.string(block.text) end
  end
  return #words > 0 and table.concat(words, "\n") or "the tool reported an error without a text"
end

function call.run(options)
  local ask = require "mcp.cli.ask"
  local on_progress, clear = require("mcp.cli.progress").new()
  local client <close>, status = target.connect(options, ask.callbacks(options, clear))
  if not client then return status end
  local tool, names
  tool, names, status = find(client, options)
  if not names then return status end
  -- Without a schema a text is sent as text.
  local schema = tool and tool.inputSchema
  local given, text = arguments.read(options.arguments, schema)
  if not given then return exit.usage("%s: %s", options.tool, text) end
  local missing = arguments.missing(given, schema)
  if #missing > 0 then
    return exit.usage("%s: missing %s; usage: %s%s", options.tool, table.concat(missing, ", "),
      options.tool, arguments.signature(schema))
  end
  local interrupt <close> = require("mcp.cli.interrupt").new()
  local result, message, code = client:call_tool(options.tool, given, {
    timeout = options.timeout, on_progress = on_progress, cancel = interrupt.canceller,
  })
  clear()
  if not result then
    if interrupt.happened then return exit.fail(exit.INTERRUPTED, "interrupted", "ECANCELED") end
    status = exit.status_of(code)
    if not tool and math.type(code) == "integer" then
      message, code = unlisted_failure(options.tool, names, message, code)
    end
    return exit.fail(status, message, code, target.url(options))
  end
  if result.isError then
    if options.json then print_result(result, true) end
    local reason
    text, reason = failure_of(result), "ETOOL"
    if not tool then text, reason = unlisted_failure(options.tool, names, text, reason) end
    return exit.fail(exit.TOOL, text, reason)
  end
  print_result(result, options.json)
  if terminal.is_terminal(1) then io.stdout:flush() end
  return exit.OK
end

return call
