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

  it("takes env, cwd and stderr of a command from either table, and from one only", function()
    local path = helper.file(SERVER, ".lua")
    local lines = {}
    local target = { helper.program(), path }
    local client <close> = assert(mcp.connect(target, {
      env = { SPEC_WORD = "set" }, stderr = function(line) lines[#lines + 1] = line end }))
    assert.equal("said", text_of(client:call_tool "say"))
    helper.wait_until(function() return lines[1] end)
    assert.same({ helper.program(), path }, target)
    local ok, err = pcall(mcp.connect, { "x", stderr = "null" }, { stderr = "null" })
    assert.is_false(ok)
    assert.matches("stderr: given in the target and in the options: drop one of them", err, 1, true)
  end)

  it("a script logs as we do, unless env says otherwise", function()
    local path = helper.file([[
local app = require "mcp".server "child"
app:tool "log" (function() return os.getenv "MCP_LOG" .. " " .. os.getenv "MCP_LOG_TIME" end)
app:run()]], ".lua")
    local real = os.getenv
    local ours = { MCP_LOG = "error", MCP_LOG_TIME = "1" }
    os.getenv = function(name) return ours[name] or real(name) end -- luacheck: ignore
    finally(function() os.getenv = real end) -- luacheck: ignore
    local client <close> = assert(mcp.connect(path))
    assert.equal("error 1", text_of(client:call_tool "log"))
    local other <close> = assert(mcp.connect(path, { env = { MCP_LOG = "off" } }))
    assert.equal("off 1", text_of(other:call_tool "log"))
  end)

  it("takes a transport, too", function()
    local client <close> = assert(mcp.connect(scripted.transport(scripted.modern())))
    assert.equal("scripted", client.server.name)
  end)

  it("says why it cannot (bad luck returns)", function()
    local none, text, code = mcp.connect { command = "/nowhere/nothing" }
    assert.same({ nil, "ENOENT" }, { none, code })
    assert.matches("^cannot start /nowhere/nothing: ", text)
    none, text, code = mcp.connect { command = "/nowhere/nothing here" }
    assert.same({ nil, "ENOENT" }, { none, code })
    assert.matches("(put only the program in command and its arguments in args)", text, 1, true)
    none, text, code = mcp.connect "/nowhere/nothing.lua"
    assert.same({ nil, "/nowhere/nothing.lua: no such file", "ENOENT" },
      { none, text, code })
    none, text, code = mcp.connect({ "sh", "-c", "exit 3" })
    assert.is_nil(none)
    -- The same whether it is found out by reading or by writing.
    assert.same({ "stdio: connection lost: the process ended with status 3", "EGONE" },
      { text, code })
    -- It is started again only if it has read the question, which it may not have understood.
    local starts = helper.file ""
    none, text = mcp.connect({ "sh", "-c", "echo >>" .. starts .. "; exit 3" })
    assert.matches("status 3", text, 1, true)
    local file <close> = assert(io.open(starts))
    assert.same({ nil, 1 }, { none, #file:read "a" })
    -- luamcp understands it, so a script is started once in any case.
    local once = helper.file ""
    none, text = mcp.connect(helper.file(([[
      io.open(%q, "a"):write("x"):close()
      os.exit(4)]]):format(once), ".lua"))
    assert.matches("status 4", text, 1, true)
    local log <close> = assert(io.open(once))
    assert.same({ nil, "x" }, { none, log:read "a" })
  end)

  it("ends a server that takes the first question for the start, and starts another", function()
    local ended = helper.file ""
    local script = helper.file(([[
      io.stdout:setvbuf "line"
      local begun = false
      local function send(id, text)
        io.write('{"jsonrpc":"2.0","id":', id, ',', text, '}\n')
      end
      for line in io.lines() do
        local id = line:match '"id":([^,}]+)'
        if not id then
          -- A notification.
        elseif not line:find '"method":"initialize"' then
          begun = true
          send(id, '"error":{"code":-32600,"message":"initialize first"}')
        elseif begun then
          send(id, '"error":{"code":-32600,"message":"it has begun already"}')
        else
          begun = true
          send(id, '"result":{"protocolVersion":"2025-11-25","capabilities":{},'
            .. '"serverInfo":{"name":"strict","version":"1"}}')
        end
      end
      io.open(%q, "a"):write("x"):close()]]):format(ended), ".lua")
    local client = assert(mcp.connect { os.getenv "LUA" or "lua5.4", script })
    assert.equal("strict", client.server.name)
    local function count()
      local file <close> = assert(io.open(ended))
      return #file:read "a"
    end
    helper.wait_until(function() return count() == 1 end, "the end of the first")
    client:close()
    helper.wait_until(function() return count() == 2 end, "the end of the second")
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
    local EXPECTED = "mcp.connect: expected an app, { command =, args = }, the path of a .lua "
      .. "file or an address"
    for words, arguments in pairs {
      [EXPECTED] = {},
      ['got "nowhere"'] = { "nowhere" },
      ['got "ftp://host/"'] = { "ftp://host/" },
      ['got "127.0.0.1:8792"; did you mean "http://127.0.0.1:8792/mcp"?'] = { "127.0.0.1:8792" },
      ['did you mean "http://localhost:80/x"?'] = { "localhost:80/x" },
      ['did you mean "http://[::1]:8000/mcp"?'] = { "[::1]:8000" },
      ["got number"] = { 5 },
      ["got a table without command"] = { {} },
      ['mcp.connect: unknown option "timout", did you mean "timeout"?'] = { app, { timout = 1 } },
      ['mcp.connect: unknown option "headers"'] = { app, { headers = {} } },
      ['mcp.connect: option "timeout": expected a number, got string'] = { app, { timeout = "1" } },
      ["mcp.connect: expected a table of options, got string"] = { app, "x" },
      ['mcp.connect: option "timeout": expected seconds, 0 or more, got -1'] =
        { app, { timeout = -1 } },
      ['mcp.connect: limits: unknown option "page", did you mean "pages"?'] =
        { app, { limits = { page = 1 } } },
      ["mcp.connect: limits: pages: expected an integer, 1 or more, got 0"] =
        { app, { limits = { pages = 0 } } },
      ["mcp.connect: limits: message: expected bytes, 1 or more, got 0"] =
        { app, { limits = { message = 0 } } },
      ['mcp.connect: revision: expected one of 2026-07-28'] = { app, { revision = "2020-01-01" } },
      ['mcp.connect: era: expected "auto", "legacy" or "modern", got "old"'] =
        { app, { era = "old" } },
      ['mcp.connect: era: expected "modern" for revision 2026-07-28, got "legacy"'] =
        { app, { era = "legacy", revision = "2026-07-28" } },
      ['mcp.connect: client: unknown option "nam", did you mean "name"?'] =
        { app, { client = { nam = "x" } } },
      ["mcp.connect: sampling: needs on_sample: add that option"] =
        { app, { sampling = { tools = true } } },
      ['mcp.connect: sampling: unknown option "tool", did you mean "tools"?'] =
        { app, { sampling = { tool = true }, on_sample = print } },
      ["mcp.connect: capabilities: roots follows from the option roots: leave it out"] =
        { app, { capabilities = { roots = {} } } },
      ["mcp.connect: roots[1]: expected an absolute path or file:// address"] =
        { app, { roots = { "relative" } } },
      ['mcp.connect: unknown log_level "loud"'] = { app, { log_level = "loud" } },
      ["mcp.connect: cache: expected false or an mcp.client_cache()"] = { app, { cache = {} } },
      ["mcp.connect: cache: expected false"] = { app, { cache = setmetatable({}, {}) } },
      ['mcp.connect: unknown option "comand"'] = { { command = "x", comand = "y" } },
      ['mcp.connect: "timeout" is not an option of the transport: pass it in the second argument'] =
        { { command = "x", timeout = 1 } },
      ["mcp.connect: the command is given twice"] = { { "x", command = "y" } },
      ["mcp.connect: command: expected the name of a program, got an empty string"] =
        { { command = "" } },
      ["mcp.connect: args[2]: expected a string, got table"] =
        { { command = "x", args = { "a", {} } } },
      ["mcp.connect: env: expected names with strings or false"] =
        { { "x", env = { ["A=B"] = "c" } } },
      ['mcp.connect: stderr: expected "inherit", "null" or a function, got "no"'] =
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
      ["mcp.session: expected a transport"] = { app },
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
