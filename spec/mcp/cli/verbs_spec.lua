-- SPDX-License-Identifier: MIT
-- The commands of luamcp that use a server, as a user at a shell has them.
local core = require "mcp.core"
local helper = require "spec.helper"

local quote = helper.quote

local SERVER = [[
local mcp = require "mcp"
local app = mcp.server "demo"
app:tool "add" {
  description = "Add two numbers.\nMore of it.",
  input = { a = "number", b = "number", note = "string?" },
} (function(args) return args.a + args.b end)
app:tool "types" {
  input = { i = "integer?", b = "boolean?", l = mcp.list { "string", optional = true },
    o = mcp.object { properties = { x = "number?" }, optional = true }, s = "string?",
    e = mcp.enum { "red", "blue", optional = true } },
  output = mcp.any {},
} (function(args) return args end)
app:tool "fails" (function() return nil, "no \27[31mluck" end)
app:tool "slow" (function(_, ctx)
  for i = 1, 4 do
    ctx:progress(i, 4, "step")
    ctx:sleep(0.01)
  end
  return "done"
end)
app:tool "asks" (function(_, ctx)
  local answer, reason = ctx:elicit("Name?", { name = "string" })
  return answer and answer.name or reason
end)
app:tool "picture" (function() return mcp.image "PNG", mcp.text "after" end)
app:resource "notes://today" (function() return "# Milk" end)
app:resource "notes://binary" (function() return mcp.blob("\0\1\2", "application/x") end)
app:prompt "review" {
  arguments = { code = "string", language = "string?" }, complete = { language = { "C", "Lua" } },
} (function(args) return "Review " .. args.code end)
app:run()
]]

describe("luamcp", function()
  local path, folder

  setup(function() path = helper.file(SERVER, ".lua") end)
  teardown(helper.remove_files)

  -- Runs luamcp with words; standard output, standard error and the status.
  local function luamcp(words, input)
    local list = { quote(helper.program()) }
    for _, word in ipairs(words) do list[#list + 1] = quote(word) end
    local errors = helper.file ""
    local from = input and quote(helper.file(input)) or "/dev/null"
    local out, status = helper.shell(("cd %s && timeout 20 %s <%s 2>%s"):format(
      quote(folder or "."), table.concat(list, " "), from, quote(errors)))
    local file <close> = assert(io.open(errors))
    return out, file:read "a", status
  end

  local function json_of(words)
    local out, err, status = luamcp(words)
    assert.same({ "", 0 }, { err, status })
    return assert(core.decode(out))
  end

  it("list shows signatures and the first line of descriptions", function()
    local out, err, status = luamcp { "list", path }
    assert.matches("Tools\n  add(a: number, b: number, note?: string)\n      Add two numbers.\n",
      out, 1, true)
    assert.matches("Resources\n  notes://today\n  notes://binary\n", out, 1, true)
    assert.matches("Prompts\n  review(code, language?)\n", out, 1, true)
    assert.is_nil(out:find("More of it", 1, true))
    assert.same({ "", 0 }, { err, status })
    out = luamcp { "list", "--prompts", path }
    assert.is_nil(out:find("Tools", 1, true))
  end)

  it("list --json is the protocol's own", function()
    local lists = json_of { "list", "--json", path }
    assert.equal("add", lists.tools[1].name)
    assert.equal("number", lists.tools[1].inputSchema.properties.a.type)
    assert.equal(2, #lists.resources)
  end)

  it("inspect shows everything on one page", function()
    local out, err, status = luamcp { "inspect", path }
    for _, text in ipairs { "demo\n  name          demo\n",
      "  revision      2026-07-28 (stateless)\n",
      "Tools (6)\n  add\n    Add two numbers.\n    More of it.\n    a: number\n    b: number\n",
      "    note: string, optional\n", "    e: red|blue, optional\n", "Resources (2)\n",
      "Prompts (1)\n  review\n    code\n    language, optional\n" } do
      assert.matches(text, out, 1, true)
    end
    assert.same({ "", 0 }, { err, status })
    assert.equal("demo", json_of({ "inspect", "--json", path }).server.name)
  end)

  it("call turns words into the schema's types", function()
    assert.same({ "3\n", "", 0 }, { luamcp { "call", path, "add", "a=1", "b=2" } })
    local got = json_of { "call", "--json", path, "types", "i=7", "b=yes", 'l=["x"]',
      'o:={"x":1}', "s=7", "e=red" }
    assert.same({ i = 7, b = true, l = { "x" }, o = { x = 1 }, s = "7", e = "red" },
      got.structuredContent)
  end)

  it("call takes arguments from files and standard input", function()
    local file = helper.file "from a file"
    local got = json_of { "call", "--json", path, "types", "s=@" .. file }
    assert.equal("from a file", got.structuredContent.s)
    local out = luamcp({ "call", path, "add", "-" }, '{"a":1,"b":41}')
    assert.equal("42\n", out)
    out = luamcp { "call", path, "add", "@" .. helper.file '{"a":1,"b":1}', "b=2" }
    assert.equal("3\n", out)
  end)

  for _, case in ipairs {
    { "a wrong type", { "add", "a=x", "b=2" }, 'add: a: expected a number, got "x"', 1 },
    { "an unknown argument", { "add", "a=1", "b=2", "nte=x" },
      'add: unknown argument "nte", did you mean "note"?', 1 },
    { "a missing one", { "add", "a=1" },
      "add: missing b; usage: add(a: number, b: number, note?: string)", 1 },
    { "a word that is no pair", { "add", "1" },
      "add: 1: expected key=value, key:=json, @file or -", 1 },
    { "an unknown tool", { "ad" }, "ad: the server has no such tool; did you mean add?", 5 },
    { "a tool's error, without its escape sequences", { "fails" }, "no \\x1b[31mluck", 5 },
  } do
    it("call names " .. case[1], function()
      assert.same({ "", "luamcp: " .. case[3] .. "\n", case[4] },
        { luamcp { "call", path, table.unpack(case[2]) } })
    end)
  end

  it("call reaches a tool that is not listed, and shows the server's reason", function()
    local script = helper.file([[
      local mcp = require "mcp"
      local app = mcp.server "demo"
      app:tool "shown" (function() return "x" end)
      app:tool "hidden" { input = { s = "string", n = "integer?" } } (
        function(args) return args.s .. (args.n or "") end)
      app:use(function(request, next)
        if request.name == "down_x" then
          return nil, mcp.error(-32603, 'the server "down" cannot be reached')
        elseif request.name == "refused" then
          return { isError = true, content = { mcp.text "not today" } }
        elseif request.name == "shwn" then
          return { isError = true, content = { mcp.text "Unknown tool: shwn" } }
        end
        local result, err = next(request)
        if request.method == "tools/list" then
          result = { tools = { { name = "shown", inputSchema = { type = "object" } } } }
        end
        return result, err
      end)
      app:run()]], ".lua")
    for _, case in ipairs {
      { { "hidden", "s=7" }, "7\n", "", 0 },
      { { "hidden", "s=a", "n:=7" }, "a7\n", "", 0 },
      { { "down_x", "a=1" }, "", 'luamcp: the server "down" cannot be reached\n', 5 },
      { { "refused" }, "", "luamcp: not today\n", 5 },
      { { "shwn" }, "", "luamcp: shwn: the server has no such tool; did you mean shown?\n", 5 },
      { { "hiden" }, "", "luamcp: Unknown tool: hiden (did you mean hidden?)\n", 5 },
      { { "other" }, "", "luamcp: other: the server has no such tool; it has shown\n", 5 },
    } do
      assert.same({ case[2], case[3], case[4] },
        { luamcp { "call", script, table.unpack(case[1]) } })
    end
  end)

  -- The client checks these, and raises where a command calls it.
  for text, words in pairs {
    ["read: uri: expected a string, got an empty one"] = { "read", "" },
    ["prompt: name: expected a string, got an empty one"] = { "prompt", "" },
    ["prompt: arguments: code: expected a string, got number"] = { "prompt", "review", "code:=1" },
    ["complete: argument: expected a string, got an empty one"] = { "complete", "review", "" },
    ["read: resources/read: params cannot be JSON: uri: not valid UTF-8 at byte 1"] =
      { "read", "\xff" },
    ["prompt: prompts/get: params cannot be JSON: arguments.code: not valid UTF-8 at byte 1"] =
      { "prompt", "review", "code=\xff" },
    ["call: tools/call: params cannot be JSON: arguments.a: infinity"] =
      { "call", "add", "a=1e999", "b=1" },
    ["bench: name: expected a string, got an empty one"] = { "bench", "" },
  } do
    it("says in a line: " .. text, function()
      table.insert(words, 2, path)
      assert.same({ "", "luamcp: " .. text .. "\n", 1 }, { luamcp(words) })
    end)
  end

  it("says in a line what is wrong with a token", function()
    for token, text in pairs { [""] = "the token is empty", ["a\nb"] = "a character" } do
      local _, err, status = luamcp { "list", "--auth", token, "http://127.0.0.1:1/mcp" }
      assert.equal(1, status)
      assert.matches("luamcp: list: " .. text, err, 1, true)
      assert.is_nil(err:find("\n.", 1))
    end
  end)

  it("--json prints a failure as one line of JSON on standard error", function()
    local out, err, status = luamcp { "call", "--json", path, "ad" }
    assert.same({ "", 5 }, { out, status })
    assert.equal("ENOENT", assert(core.decode(err)).error.code)
    out, err, status = luamcp { "call", "--json", "http://127.0.0.1:1/mcp", "x" }
    assert.same({ "", 4 }, { out, status })
    local wrong = assert(core.decode(err)).error
    assert.same({ "ECONNREFUSED", "http://127.0.0.1:1/mcp" }, { wrong.code, wrong.url })
  end)

  it("progress is lines on standard error where there is no terminal", function()
    local out, err = luamcp { "call", path, "slow" }
    assert.equal("done\n", out)
    assert.equal(" 25 % step\n 50 % step\n 75 % step\n100 % step\n", err)
  end)

  it("a question is declined where there is no terminal", function()
    local out, err, status = luamcp { "call", path, "asks" }
    assert.same({ "decline\n", 0 }, { out, status })
    assert.matches("the server asked: Name?", err, 1, true)
  end)

  it("pictures are saved where the terminal cannot show them", function()
    folder = helper.shell("mktemp -d"):gsub("\n", "")
    local out = luamcp { "call", path, "picture" }
    assert.equal("[image, image/png, 3 bytes: saved as luamcp-1.png]\nafter\n", out)
    local file <close> = assert(io.open(folder .. "/luamcp-1.png", "rb"))
    assert.equal("PNG", file:read "a")
    helper.shell("rm -r " .. quote(folder))
    folder = nil
  end)

  it("read, prompt and complete", function()
    assert.same({ "# Milk\n", "", 0 }, { luamcp { "read", path, "notes://today" } })
    assert.same({ "\0\1\2", "", 0 }, { luamcp { "read", path, "notes://binary" } })
    assert.equal("AAEC", json_of({ "read", "--json", path, "notes://binary" }).contents[1].blob)
    local _, err, status = luamcp { "read", path, "notes://none" }
    assert.equal(5, status)
    assert.matches("notes://none", err, 1, true)
    assert.same({ "user:\nReview x\n", "", 0 }, { luamcp { "prompt", path, "review", "code=x" } })
    assert.same({ "Lua\n", "", 0 }, { luamcp { "complete", path, "review", "language", "L" } })
    assert.same({ "C\nLua\n", "", 0 }, { luamcp { "complete", path, "review", "language" } })
  end)

  it("a server without the feature is named, not its missing method", function()
    local resources = helper.file([[
      local app = require "mcp".server "r"
      app:resource "x://y" (function() return "x" end)
      app:run()]], ".lua")
    local tools = helper.file([[
      local app = require "mcp".server "t"
      app:tool "t" (function() return "x" end)
      app:run()]], ".lua")
    for text, words in pairs {
      ["the server offers no resources"] = { "read", tools, "x://y" },
      ["the server offers no prompts"] = { "prompt", tools, "p" },
      ["the server offers no completion"] = { "complete", tools, "p", "a" },
      ["the server offers no tools"] = { "call", resources, "t" },
    } do
      assert.same({ "", ("luamcp: %s\n"):format(text), 5 }, { luamcp(words) })
    end
    -- A list that is empty is no failure, and says what was looked for.
    assert.same({ "", "luamcp: the server offers no prompts or skills\n", 0 },
      { luamcp { "list", "--skills", "--prompts", tools } })
    local nothing = helper.file('require("mcp").server("n"):run()', ".lua")
    assert.same({ "", "luamcp: the server offers no tools, resources or prompts\n", 0 },
      { luamcp { "list", nothing } })
  end)

  it("a command behind -- is a target", function()
    assert.same({ "3\n", "", 0 }, { luamcp { "call", "add", "a=1", "b=2", "--", helper.program(),
      path } })
  end)

  it("names come from an mcpServers file, with variables", function()
    local file = helper.file(('{"mcpServers":{"demo":{"command":"${DEMO_PROGRAM:-%s}",'
      .. '"args":["%s"]},"web":{"url":"http://127.0.0.1:1/${NOT_SET_HERE}"}}}'):format(
      helper.program(), path))
    local words = { "call", "--config", file, "demo", "add", "a=1", "b=2" }
    assert.same({ "3\n", "", 0 }, { luamcp(words) })
    local _, err, status = luamcp { "list", "--config", file, "dmo" }
    assert.same({ ("luamcp: dmo: no address, no .lua file and no name of a server: did you mean "
      .. "demo?\n"), 1 }, { err, status })
    _, err, status = luamcp { "list", "--config", file, "web" }
    assert.same({ "luamcp: " .. file .. ": web: url: the variable NOT_SET_HERE is not set\n", 1 },
      { err, status })
    _, err = luamcp { "list", "127.0.0.1:8000" }
    assert.matches("did you mean http://127.0.0.1:8000/mcp?", err, 1, true)
  end)

  it("a word that is no command and no file names the nearest", function()
    assert.same({ "", "luamcp: lst: no such command or file; did you mean luamcp list?\n", 1 },
      { luamcp { "lst", path } })
    assert.same({ "", "luamcp: frobnicate: no such command or file; luamcp --help lists the "
      .. "commands\n", 1 }, { luamcp { "frobnicate" } })
  end)

  it("help is what --help prints", function()
    assert.same({ luamcp { "--help" } }, { luamcp { "help" } })
    for _, verb in ipairs { "call", "run" } do
      local text, err, status = luamcp { "help", verb }
      assert.same({ "", 0 }, { err, status })
      assert.same({ luamcp { verb, "--help" } }, { text, err, status })
    end
    local _, err, status = luamcp { "help", "lst" }
    assert.same({ "luamcp: lst: no such command or file; did you mean luamcp list?\n", 1 },
      { err, status })
  end)

  it("bench measures calls, and fails if any fails", function()
    local got = json_of { "bench", "--json", "--seconds", "0.3", "-c", "4", path, "add", "a=1",
      "b=2" }
    assert.is_true(got.requests > 10)
    assert.equal(0, got.failures)
    assert.is_true(got.p50 <= got.p90 and got.p90 <= got.p99 and got.p99 <= got.max)
    assert.is_true(math.abs(got.per_second - got.requests / got.seconds) < 0.001)
    local out, err, status = luamcp { "bench", "--seconds", "0.1", path }
    assert.matches("^%d+ requests in 0%.%d+ s, 1 at a time: %d+ a second\np50 ", out)
    assert.same({ "", 0 }, { err, status })
    out, err, status = luamcp { "bench", "--seconds", "0.1", path, "fails" }
    assert.equal(5, status)
    assert.matches("^no request of 100 succeeded in %d+%.%d+ s, 1 at a time\n$", out)
    assert.matches("100 of 100 requests failed, the last one: the tool reported an error; bench "
      .. "gave up, as none succeeded\n", err, 1, true)
    assert.equal(1, select(3, luamcp { "bench", "-c", "0", path }))
  end)

  it("bench counts what succeeded only", function()
    local some = helper.file([[
      local mcp = require "mcp"
      local app, count = mcp.server "some", 0
      app:tool "every_tenth" (function()
        count = count + 1
        if count % 10 == 0 then return "well" end
        return nil, "not this one"
      end)
      app:run()]], ".lua")
    local out, err, status = luamcp { "bench", "--json", "--seconds", "0.3", some, "every_tenth" }
    local got = assert(core.decode(out))
    assert.equal(5, status)
    assert.is_true(got.requests > 0 and got.failures >= 8 * got.requests, out)
    assert.is_true(math.abs(got.per_second - got.requests / got.seconds) < 0.001)
    assert.matches(("%d of %d requests failed, the last one: the tool reported an error"):format(
      got.failures, got.failures + got.requests), err, 1, true)
    assert.is_nil(err:find("gave up", 1, true))
  end)

  it("completions are scripts that their shell reads", function()
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      local out, err, status = luamcp { "completion", shell }
      assert.same({ "", 0 }, { err, status })
      for _, name in ipairs(require("mcp.cli.verbs").names()) do
        assert.matches(name, out, 1, true)
      end
      local file = helper.file(out)
      local _, found = helper.shell("command -v " .. shell)
      if found == 0 then
        local said, code = helper.shell(("%s -n %s 2>&1"):format(shell, quote(file)))
        assert.same({ "", 0 }, { said, code })
      end
    end
    assert.equal(1, select(3, luamcp { "completion", "tcsh" }))
  end)

  it("every command explains itself", function()
    for _, name in ipairs(require("mcp.cli.verbs").names()) do
      local out, err, status = luamcp { name, "--help" }
      assert.matches("^[uU]sage: luamcp", out)
      assert.same({ "", 0 }, { err, status })
      if name ~= "run" then assert.matches("example: luamcp " .. name, out, 1, true) end
    end
  end)
end)
