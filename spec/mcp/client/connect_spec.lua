-- SPDX-License-Identifier: MIT
-- connect_spec.lua: lua/mcp/client/connect.lua: from a target to a client.
local helper = require "spec.helper"
local mcp = require "mcp"
local scripted = require "spec.scripted"

local SERVER = [[
local mcp = require "mcp"
local app = mcp.server "child"
app:tool "words" (function() return table.concat(arg, " ") end)
app:tool "env" { input = { name = "string" } } (function(args)
  return os.getenv(args.name) or "nothing"
end)
app:tool "say" (function()
  io.stderr:write("a line\n")
  return "said"
end)
return app
]]

local function text_of(...)
  local result = assert(...)
  return result.content[1].text
end

describe("mcp.connect", function()
  after_each(function()
    scripted.leftovers()
    helper.remove_files()
  end)

  it("reaches an app of the same program", function()
    local app = mcp.server "own"
    app:tool "t" (function(_, ctx) return ctx.transport end)
    local client <close> = assert(mcp.connect(app))
    assert.equal("memory", text_of(client:call_tool "t"))
    assert.equal("mcp.client (memory, 2026-07-28)", tostring(client))
  end)

  it("runs a script by the luamcp program", function()
    local path = helper.file(SERVER, ".lua")
    for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
      local client <close> = assert(mcp.connect(path, { args = { "one", 2, "--three" },
        env = { SPEC_WORD = "set" }, stderr = "null", revision = revision }))
      assert.equal("child", client.server.name)
      assert.equal("one 2 --three", text_of(client:call_tool "words"))
      assert.equal("set", text_of(client:call_tool("env", { name = "SPEC_WORD" })))
      assert.equal(revision, client.revision)
    end
  end)

  it("runs a command, in whichever way it is written (IO-28)", function()
    local path = helper.file(SERVER, ".lua")
    local lines = {}
    local function note(line) lines[#lines + 1] = line end
    for _, target in ipairs {
      { helper.program(), path, stderr = note },
      { command = helper.program(), args = { "run", path }, stderr = note },
      { command = { helper.program(), path }, stderr = note },
    } do
      local client <close> = assert(mcp.connect(target))
      assert.equal("said", text_of(client:call_tool "say"))
    end
    helper.wait_until(function() return #lines == 3 end)
    assert.same({ "a line", "a line", "a line" }, lines)
  end)

  it("takes a transport, too", function()
    local client <close> = assert(mcp.connect(scripted.transport(scripted.modern())))
    assert.equal("scripted", client.server.name)
  end)

  it("says why it cannot (bad luck returns)", function()
    local none, text, code = mcp.connect { command = "/nowhere/nothing" }
    assert.same({ nil, "ENOENT" }, { none, code })
    assert.matches("^/nowhere/nothing cannot be started: ", text)
    none, text, code = mcp.connect { command = "/nowhere/nothing here" }
    assert.same({ nil, "ENOENT" }, { none, code })
    assert.matches("(command is the program alone; its arguments go in args)", text, 1, true)
    none, text, code = mcp.connect "/nowhere/nothing.lua"
    assert.same({ nil, "/nowhere/nothing.lua: no such file", "ENOENT" },
      { none, text, code })
    none, text, code = mcp.connect({ "sh", "-c", "exit 3" })
    assert.is_nil(none)
    -- Whether it is found out by reading or by writing.
    assert.is_true(code == "EGONE" or code == "EPIPE", code)
    assert.matches("stdio: the connection is lost", text, 1, true)
    -- Once is enough.
    assert.is_true(select(2, text:gsub("status 3", "")) <= 1, text)
  end)

  it("says that the program luamcp is missing", function()
    local path = helper.file(SERVER, ".lua")
    local real, cpath = os.getenv, package.cpath
    os.getenv = function(name) -- luacheck: ignore
      if name == "PATH" then return "/nowhere:/neither" end
      return real(name)
    end
    package.cpath = "/nowhere/?.so"
    local none, text, code = mcp.connect(path)
    os.getenv, package.cpath = real, cpath -- luacheck: ignore
    assert.same({ nil, "ENOENT" }, { none, code })
    assert.matches("the program luamcp, which runs it, was not found", text, 1, true)
    local client <close> = assert(mcp.connect(path, { program = helper.program() }))
    assert.equal("child", client.server.name)
  end)

  it("says what is wrong with its arguments, at the caller's line", function()
    local app = mcp.server "own"
    local EXPECTED = "mcp.connect: an app, { command =, args = }, the path of a .lua file or an "
      .. "address"
    for words, arguments in pairs {
      [EXPECTED] = {},
      ['expected, got "nowhere"'] = { "nowhere" },
      ['expected, got "ftp://host/"'] = { "ftp://host/" },
      ["expected, got number"] = { 5 },
      ["got a table without command"] = { {} },
      ['mcp.connect: unknown option "timout", did you mean "timeout"?'] = { app, { timout = 1 } },
      ['mcp.connect: unknown option "headers"'] = { app, { headers = {} } },
      ['mcp.connect: option "timeout": expected a number, got string'] = { app, { timeout = "1" } },
      ["mcp.connect: expected a table of options, got string"] = { app, "x" },
      ['mcp.connect: option "timeout": expected seconds, 0 or more, got -1'] =
        { app, { timeout = -1 } },
      ['mcp.connect: limits: unknown option "page", did you mean "pages"?'] =
        { app, { limits = { page = 1 } } },
      ["mcp.connect: limits: pages: an integer, 1 or more, expected"] =
        { app, { limits = { pages = 0 } } },
      ["mcp.connect: limits: message: bytes expected, 1 or more"] =
        { app, { limits = { message = 0 } } },
      ['mcp.connect: revision: one of 2026-07-28'] = { app, { revision = "2020-01-01" } },
      ['mcp.connect: era: "auto", "legacy" or "modern" expected, got "old"'] =
        { app, { era = "old" } },
      ["mcp.connect: era: revision 2026-07-28 is modern"] =
        { app, { era = "legacy", revision = "2026-07-28" } },
      ['mcp.connect: client: unknown option "nam", did you mean "name"?'] =
        { app, { client = { nam = "x" } } },
      ["mcp.connect: sampling: it says something of on_sample"] =
        { app, { sampling = { tools = true } } },
      ['mcp.connect: sampling: unknown option "tool", did you mean "tools"?'] =
        { app, { sampling = { tool = true }, on_sample = print } },
      ["mcp.connect: capabilities: roots follows from roots"] =
        { app, { capabilities = { roots = {} } } },
      ["mcp.connect: roots[1]: an absolute path or file:// address expected"] =
        { app, { roots = { "relative" } } },
      ['mcp.connect: unknown log_level "loud"'] = { app, { log_level = "loud" } },
      ["mcp.connect: cache: false or an mcp.client_cache() expected"] = { app, { cache = {} } },
      ["mcp.connect: cache: false"] = { app, { cache = setmetatable({}, {}) } },
      ['mcp.connect: unknown option "comand"'] = { { command = "x", comand = "y" } },
      ['mcp.connect: "timeout" is not an option of the transport: pass it in the second argument'] =
        { { command = "x", timeout = 1 } },
      ["mcp.connect: command is there twice"] = { { "x", command = "y" } },
      ["mcp.connect: command: a string expected"] = { { command = "" } },
      ["mcp.connect: args[2]: string expected, got table"] =
        { { command = "x", args = { "a", {} } } },
      ["mcp.connect: env: names and strings expected"] = { { "x", env = { ["A=B"] = "c" } } },
      ['mcp.connect: stderr: "inherit", "null" or a function expected, got "no"'] =
        { { "x", stderr = "no" } },
      ['mcp.connect: unknown option "programm", did you mean "program"?'] =
        { "x.lua", { programm = "y" } },
    } do
      local ok, text = pcall(function() mcp.connect(table.unpack(arguments)) end)
      assert.is_false(ok, words)
      assert.matches("^spec/mcp/client/connect_spec.lua:%d+: ", text)
      assert.matches(words, text, 1, true)
    end
    for words, arguments in pairs {
      ["mcp.session: a transport expected"] = { app },
      ['mcp.session: unknown option "headers"'] = { scripted.transport(print), { headers = {} } },
      ['mcp.session: limits: unknown option "message"'] =
        { scripted.transport(print), { limits = { message = 5 } } },
    } do
      local ok, text = pcall(function() mcp.session(table.unpack(arguments)) end)
      assert.is_false(ok, words)
      assert.matches("^spec/mcp/client/connect_spec.lua:%d+: ", text)
      assert.matches(words, text, 1, true)
    end
  end)

  it("bounds what a server may send (limits.message)", function()
    local app = mcp.server "own"
    app:tool "big" (function() return ("x"):rep(20000) end)
    helper.logged(function()
      local client <close> = assert(mcp.connect(app, { limits = { message = 10000 } }))
      assert(client:ping())
      assert.equal("ETOOBIG", select(3, client:call_tool "big"))
    end)
  end)

  it("loads nothing of the client for a server", function()
    local out = helper.shell(("%s -e %s"):format(os.getenv "LUA" or "lua5.4", helper.quote [[
      local mcp = require "mcp"
      local app = mcp.server "x"
      app:tool "t" (function() end)
      local listening = app:listen { http = { port = 0 }, quiet = true }
      listening:close()
      for name in pairs(package.loaded) do
        if name:find "^mcp%.client" or name == "mcp.auth" then print(name) end
      end]]))
    assert.equal("", out)
  end)
end)

describe("mcp.server.session", function()
  after_each(scripted.leftovers)

  it("is a client over a transport, opened by initialize", function()
    local path = helper.file(SERVER, ".lua")
    local transport = mcp.stdio_client { command = helper.program(), args = { path },
      stderr = "null" }
    assert.equal("mcp.transport (stdio, not opened)", tostring(transport))
    local session <close> = mcp.session(transport, { revision = "2025-06-18" })
    assert(session:initialize())
    assert.equal(3, #assert(session:list_tools()))
    helper.remove_files()
  end)
end)
