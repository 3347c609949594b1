-- SPDX-License-Identifier: MIT
-- What the commands print of a server that sends anything: each member of each result with a wrong
-- type, names that look like something else, schemas without end.
local command = require "mcp.cli.command"
local connect = require "mcp.client.connect"
local core = require "mcp.core"
local exit = require "mcp.cli.exit"
local helper = require "spec.helper"
local mcp = require "mcp"
local scripted = require "spec.scripted"
local value = require "mcp.value"

-- Results by method; what else the server sends by other names.
local RESULTS = [[{
  "initialize": { "protocolVersion": "2025-11-25", "capabilities": { "tools": {}, "prompts": {},
    "resources": {}, "completions": {}, "logging": {} }, "instructions": "i",
    "serverInfo": { "name": "n", "version": "1", "title": "t", "websiteUrl": "u" } },
  "tools/list": { "tools": [{ "name": "t", "title": "T", "description": "d", "inputSchema": {
    "type": "object", "properties": { "a": { "type": "string", "default": "q", "title": "t",
    "description": "d" }, "b": { "$ref": "#/$defs/B" }, "c": { "anyOf": [{ "type": "integer" }] },
    "d": { "enum": ["x"] }, "e": { "type": ["string", "null"] }, "f": { "type": "array",
    "items": { "type": "string" } } }, "required": ["a"], "$defs": { "B": { "type": "number" } } },
    "outputSchema": { "type": "object", "properties": { "r": { "type": "string" } } },
    "annotations": { "readOnlyHint": true } }] },
  "resources/list": { "resources": [{ "uri": "a://b", "name": "n", "title": "T",
    "description": "d", "mimeType": "text/plain", "size": 3 }] },
  "resources/templates/list": { "resourceTemplates": [{ "uriTemplate": "a://{b}", "name": "n",
    "title": "T", "description": "d", "mimeType": "text/plain" }] },
  "prompts/list": { "prompts": [{ "name": "p", "title": "T", "description": "d", "arguments": [
    { "name": "x", "description": "d", "required": true }] }] },
  "tools/call": { "structuredContent": { "r": "x" }, "content": [
    { "type": "text", "text": "hi" }, { "type": "image", "data": "!",
    "mimeType": "image/png" }, { "type": "resource", "resource": { "uri": "a:b", "blob": "!",
    "mimeType": "m" } }, { "type": "resource_link", "uri": "a:b", "name": "n", "title": "t" }] },
  "tools/call of one that fails": { "isError": true, "content": [{ "type": "text",
    "text": "hi" }] },
  "resources/read": { "contents": [{ "uri": "a:b", "text": "x" }, { "uri": "a:b", "blob": "!",
    "mimeType": "m" }] },
  "prompts/get": { "messages": [{ "role": "user", "content": { "type": "text", "text": "x" } }] },
  "completion/complete": { "completion": { "values": ["a"] } },
  "progress": { "progress": 1, "total": 2, "message": "m" },
  "log": { "level": "info", "logger": "l", "data": "d" },
  "question": { "message": "m", "requestedSchema": { "type": "object", "properties": {
    "n": { "type": "string", "title": "t", "description": "d", "default": "x", "enum": ["x"] } },
    "required": ["n"] } }
}]]

-- The commands that use each of them.
local LISTS = { { "list" }, { "list", "--json" }, { "inspect" }, { "doctor" } }
local CALL = { "call", "t", "a=1", "b=2", "c=3", "d=x", "e=y", "f=[]" }
local USES = {
  initialize = LISTS, ["tools/list"] = { LISTS[1], LISTS[3], CALL, { "call", "nope" } },
  ["resources/list"] = LISTS, ["resources/templates/list"] = LISTS, ["prompts/list"] = LISTS,
  ["tools/call"] = { CALL }, ["tools/call of one that fails"] = { CALL },
  ["resources/read"] = { { "read", "a:b" } }, ["prompts/get"] = { { "prompt", "p", "x=1" } },
  ["completion/complete"] = { { "complete", "p", "x" } }, progress = { CALL }, log = { CALL },
  question = { CALL },
}

local WRONG = { value.null, true, 7, 1e308, "", "\27[31m\u{9b}1m\u{202e}\n\127", value.array {},
  value.array { 1 }, value.array { value.null }, value.array { value.array {} }, { a = 1 },
  { ["$ref"] = "#" }, { type = true } }

local results = assert(core.decode(RESULTS))

-- The places of all members, each a list of keys.
local function places_of(given, here, out)
  out[#out + 1] = here
  if type(given) ~= "table" then return out end
  local keys = {}
  for key in pairs(given) do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local place = table.move(here, 1, #here, 1, {})
    place[#place + 1] = key
    places_of(given[key], place, out)
  end
  return out
end

local function replaced(given, place, member)
  if #place == 0 then return member end
  local out = assert(core.decode(core.encode(given)))
  local at = out
  for i = 1, #place - 1 do at = at[place[i]] end
  at[place[#place]] = member
  return out
end

describe("the output of a command", function()
  local answers, terminal
  local folder = require "mcp.folder"
  local open_folder = folder.open
  local open, is_terminal = connect.open, require("mcp.cli.terminal").is_terminal

  local function script(far, message)
    local method = message.method
    if not message.id then return end
    if method == "tools/call" then
      local progress = answers.progress
      if value.is_object(progress) then
        progress = replaced(progress, { "progressToken" }, message.params._meta.progressToken)
      end
      far:notify("notifications/progress", progress)
      far:notify("notifications/message", answers.log)
      if answers.asks then far:request("q", "elicitation/create", answers.question) end
      if answers.fails then method = "tools/call of one that fails" end
    end
    if answers[method] == nil then return far:error(message.id, -32601) end
    far:result(message.id, answers[method])
  end

  before_each(function()
    answers, terminal = setmetatable({}, { __index = results }), false
    -- Nothing is saved here.
    folder.open = function()
      return setmetatable({ write = function() return true end }, { __close = function() end })
    end
    connect.open = function(_, given)
      given.timeout = 2
      local client = mcp.session(scripted.transport(script), given)
      local ok, text, code = client:initialize()
      if ok then return client end
      client:close()
      return nil, text, code
    end
    require("mcp.cli.terminal").is_terminal = function(fd)
      return terminal and fd ~= 1 or is_terminal(fd)
    end
  end)
  after_each(function()
    connect.open, require("mcp.cli.terminal").is_terminal = open, is_terminal
    folder.open = open_folder
    exit.json = false
    scripted.leftovers()
  end)

  -- Runs a command; what it printed on both streams, and its status. Raises what it raises.
  local function run(words)
    local out, input = assert(io.tmpfile()), assert(io.tmpfile())
    input:write "x\n\ny\ncancel\n"
    input:seek "set"
    local stdout, stderr, stdin = io.stdout, io.stderr, io.stdin
    io.stdout, io.stderr, io.stdin = out, out, input -- luacheck: ignore
    local ok, status
    local logged = helper.logged(function()
      ok, status = xpcall(command.run, debug.traceback, words[1],
        table.move(words, 2, #words, 2, { "server.lua" }))
    end)
    io.stdout, io.stderr, io.stdin = stdout, stderr, stdin -- luacheck: ignore
    out:seek "set"
    local text = out:read "a"
    out:close()
    input:close()
    if not ok then error(status, 0) end
    return text, status, logged
  end

  local function check_text(text)
    assert.is_nil(text:find "[%z\1-\8\11-\31\127]", text)
    assert.is_nil(text:find "\xC2[\x80-\x9F]", text)
    assert.is_nil(text:find "\u{202E}", text)
  end

  for method, uses in pairs(USES) do
    it("is text without tracebacks, whatever " .. method .. " has for a member", function()
      local turn = 0
      answers.fails, answers.asks = method:find "fails" ~= nil, method == "question"
      terminal = method == "question"
      local places = places_of(results[method], {}, {})
      for _, place in ipairs(places) do
        -- With each place another part of the wrong values, so that all have their turn.
        for _ = 1, 2 do
          turn = turn + 1
          local wrong = WRONG[turn % #WRONG + 1]
          answers[method] = replaced(results[method], place, wrong)
          for _, words in ipairs(uses) do
            local fine, text, status, logged = pcall(run, words)
            local where = ("%s %s = %s: %s"):format(words[1], table.concat(place, "."),
              core.encode(wrong), text)
            assert.is_true(fine, where)
            assert.equal("integer", math.type(status), where)
            assert.is_nil(logged:find "stack traceback", logged)
            if not terminal then check_text(text) end
          end
          scripted.leftovers()
        end
      end
    end)
  end

  local function tool(more)
    local given = { name = "t", inputSchema = { type = "object" } }
    for name, member in pairs(more) do given[name] = member end
    answers["tools/list"] = { tools = value.array { given } }
  end

  it("has a name on one line", function()
    tool { name = "a\nPrompts\n  b", inputSchema = { type = "object",
      properties = { ["x\ny"] = { type = "s\nt" } } } }
    assert.matches("\n  a\\nPrompts\\n  b(x\\ny?: s\\nt)\n", run { "list" }, 1, true)
    assert.matches("\n  a\\nPrompts\\n  b\n    x\\ny: s\\nt", run { "inspect" }, 1, true)
  end)

  it("shows no text in another order, and no control of C1", function()
    tool { description = "a\u{9b}31mb\u{202e}c\u{2028}d\u{e2}" }
    assert.matches("a\\x9b31mb\\u{202e}c\\u{2028}d\u{e2}", run { "list" }, 1, true)
    local text = run { "list", "--json", "--tools" }
    assert.matches("a\\u009b31mb\\u202ec\\u2028d\u{e2}", text, 1, true)
    assert.equal("a\u{9b}31mb\u{202e}c\u{2028}d\u{e2}", core.decode(text).tools[1].description)
  end)

  it("names a type whose schema has no end", function()
    local doubling = {}
    for i = 1, 40 do
      local next = { ["$ref"] = "#/$defs/" .. i + 1 }
      doubling[tostring(i)] = { anyOf = value.array { next, next } }
    end
    local itself = { ["$ref"] = "#/properties/a" }
    for _, properties in ipairs { { a = { type = "array", items = itself } },
      { a = { anyOf = value.array { itself, itself } } }, { a = { ["$ref"] = "#/$defs/1" } } } do
      tool { inputSchema = { type = "object", properties = properties, ["$defs"] = doubling } }
      for _, words in ipairs { { "list" }, { "inspect" }, { "call", "t", "a=1" } } do
        local began = os.clock()
        run(words)
        assert.is_true(os.clock() - began < 1)
      end
      assert.matches("  t%(a%?: [^ ]*…[^ ]*%)\n", (run { "list" }))
    end
    tool { inputSchema = { type = "object", properties = { a = { type = ("x"):rep(201) },
      b = { type = ("x"):rep(200) } } } }
    assert.matches("  t(a?: any, b?: " .. ("x"):rep(200) .. ")\n", run { "list" }, 1, true)
  end)

  it("shows progress of any size", function()
    for _, pair in ipairs { { 1e308, 1e-308 }, { -1e308, 1e-308 }, { 1, 0 } } do
      for _, at_terminal in ipairs { true, false } do
        terminal = at_terminal
        answers.progress = { progress = pair[1], total = pair[2] }
        assert.matches("hi\n", run(CALL), 1, true)
      end
    end
  end)

  it("saves nothing through a link", function()
    local here = helper.shell "mktemp -d":gsub("\n", "")
    helper.shell(("ln -s %s/elsewhere %s/luamcp-1.png"):format(here, here))
    local server = helper.file([[
      local mcp = require "mcp"
      local app = mcp.server "s"
      app:tool "t" (function() return mcp.image "PNG" end)
      app:run()]], ".lua")
    local out = helper.shell(("cd %s && timeout 20 %s call %s t 2>&1"):format(here,
      helper.quote(helper.program()), helper.quote(server)))
    assert.matches("saved as luamcp-2.png", out, 1, true)
    assert.equal("luamcp-1.png\nluamcp-2.png\n", helper.shell("ls " .. here))
    helper.shell("rm -r " .. here)
    helper.remove_files()
  end)
end)
