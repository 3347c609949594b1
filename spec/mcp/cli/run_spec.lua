-- SPDX-License-Identifier: MIT
-- The luamcp program as somebody at a shell has it.
local core = require "mcp.core"
local helper = require "spec.helper"

local quote = helper.quote

describe("luamcp", function()
  after_each(helper.remove_files)

  -- Runs the program with words, nothing on its standard input. Gives standard output, standard
  -- error and the exit status.
  local function luamcp(words, input)
    local list = { quote(helper.program()) }
    for _, word in ipairs(words) do list[#list + 1] = quote(word) end
    local errors = helper.file ""
    local from = input and quote(helper.file(input)) or "/dev/null"
    local out, status = helper.shell(("timeout 10 %s <%s 2>%s"):format(table.concat(list, " "),
      from, quote(errors)))
    local file = assert(io.open(errors))
    local err = file:read "a"
    file:close()
    return out, err, status
  end

  local function script(text) return helper.file(text, ".lua") end

  it("--help and -h explain, on standard output", function()
    for _, word in ipairs { "--help", "-h" } do
      local out, err, status = luamcp { word }
      assert.matches("^usage: luamcp", out)
      for _, verb in ipairs(require("mcp.cli.verbs").names()) do
        assert.matches("\n  " .. verb .. " +%l", out)
      end
      assert.equal("", err)
      assert.equal(0, status)
      out, err, status = luamcp { "run", word }
      assert.matches("^usage: luamcp", out)
      for _, option in ipairs { "--stdio", "--http", "--sse", "--websocket", "--unix",
        "--tls-cert", "--tls-key", "--inspect", "--memory-limit", "--log-format" } do
        assert.matches(option, out, 1, true)
      end
      assert.equal("", err)
      assert.equal(0, status)
    end
  end)

  it("--version and -v", function()
    for _, word in ipairs { "--version", "-v" } do
      local out, err, status = luamcp { word }
      assert.equal(("luamcp %s (Lua 5.4)\n"):format(core.version), out)
      assert.equal("", err)
      assert.equal(0, status)
    end
  end)

  it("without a file explains, on standard error, and fails", function()
    for _, words in ipairs { {}, { "run" }, { "--stdio" }, { "--" } } do
      local out, err, status = luamcp(words)
      assert.equal("", out)
      assert.matches("^usage: luamcp", err)
      assert.equal(1, status)
    end
  end)

  it("an unknown option is named", function()
    for _, word in ipairs { "--htpp", "-x", "--http8000" } do
      local out, err, status = luamcp { word, "x.lua" }
      assert.equal("", out)
      assert.equal(("luamcp: unknown option %s; luamcp run --help lists them\n"):format(word), err)
      assert.equal(1, status)
    end
  end)

  it("--memory-limit sets the limit of the process", function()
    local file = script [[print(require "mcp".limits().memory, ...)]]
    for _, case in ipairs { { "64M", 64 << 20 }, { "1G", 1 << 30 }, { "2000000", 2000000 },
      { "0", 0 } } do
      local out, err, status = luamcp { "--memory-limit", case[1], file, "word" }
      assert.same({ ("%d\tword\n"):format(case[2]), "", 0 }, { out, err, status })
    end
    local out = luamcp { file, "--memory-limit=3M" }
    assert.equal(("%d\n"):format(3 << 20), out)
    for _, word in ipairs { "much", "1k", "", "-5M" } do
      local _, err, status = luamcp { "--memory-limit", word, file }
      assert.same({ "luamcp: --memory-limit: expected a size such as 256M, 1M or more, got " .. word
        .. "\n", 1 }, { err, status })
    end
  end)

  it("an address that is none is named", function()
    local file = script "error 'must not run'"
    local _, err, status = luamcp { file, "--http" }
    assert.equal("luamcp: --http needs an address, such as 127.0.0.1:8000\n", err)
    assert.equal(1, status)
    for _, word in ipairs { "nonsense", "localhost:99999", "" } do
      _, err, status = luamcp { file, "--http", word }
      assert.matches("^luamcp: %-%-http", err)
      assert.is_nil(err:find("must not run", 1, true))
      assert.equal(1, status)
      _, err, status = luamcp { file, "--http=" .. word }
      assert.matches("^luamcp: %-%-http", err)
      assert.equal(1, status)
    end
  end)

  it("so is what is no address of another transport, or lacks its other half", function()
    local file = script "error 'must not run'"
    for _, case in ipairs {
      { { "--sse" }, "--sse needs an address, such as 127.0.0.1:8000" },
      { { "--websocket", "x" },
        '--websocket: expected an address such as "127.0.0.1:8000" or "8000", got "x"' },
      { { "--websocket=localhost:99999" }, "--websocket: port: expected at most 65535, got 99999" },
      { { "--sse=" }, '--sse: expected an address such as "127.0.0.1:8000" or "8000", got ""' },
      { { "--unix" }, "--unix needs the path of a socket file" },
      { { "--unix=" }, "--unix needs the path of a socket file" },
      { { "--http", "1", "--tls-cert", "c" }, "--tls-cert needs --tls-key beside it" },
      { { "--http", "1", "--tls-key", "k" }, "--tls-key needs --tls-cert beside it" },
      { { "--tls-cert" }, "--tls-cert needs a file" },
      { { "--stdio", "--tls-cert=c", "--tls-key=k" },
        "--tls-cert needs --http, --sse or --websocket" },
    } do
      local _, err, status = luamcp { file, table.unpack(case[1]) }
      assert.equal("luamcp: " .. case[2] .. "\n", err)
      assert.equal(1, status)
    end
  end)

  it("the command line chooses the ways in; the script's switches stay", function()
    local text = [[
      local mcp = require "mcp"
      local listen = require "mcp.server.listen"
      listen.open = function(_, options)
        local names = {}
        for name, given in pairs(options) do
          if type(given) == "table" then given = given.cert .. "+" .. given.key end
          names[#names + 1] = name .. "=" .. tostring(given)
        end
        table.sort(names)
        io.stderr:write(table.concat(names, " "))
        return { urls = {} }
      end
      listen.serve = function() end
      mcp.server "x":run(load("return " .. arg[1])())]]
    local file = script(text)
    for _, case in ipairs {
      { "nil", {}, "stdio=true" },
      { "{ quiet = true }", {}, "quiet=true stdio=true" },
      { "{ sse = false }", {}, "sse=false stdio=true" },
      { "{ http = 1, sse = false, websocket = 2 }", { "--http", "3" }, "http=3 sse=false" },
      { "{ http = 1, unix = '/a' }", { "--sse", "3" }, "sse=3" },
      { "{ http = 1 }", { "--unix", "/b", "--websocket=4" }, "unix=/b websocket=4" },
      { "{ http = 1, tls = { cert = 'a', key = 'b' } }", { "--http=3" }, "http=3 tls=a+b" },
      { "{ http = 1, tls = { cert = 'a', key = 'b' } }", { "--stdio" }, "stdio=true" },
      { "{ http = 1 }", { "--http=3", "--tls-cert=c", "--tls-key=k" }, "http=3 tls=c+k" },
    } do
      local words = { file, table.unpack(case[2]) }
      words[#words + 1] = case[1]
      local _, err, status = luamcp(words)
      assert.equal(case[3], err)
      assert.equal(0, status)
    end
  end)

  it("a file that is not there", function()
    local out, err, status = luamcp { "no such file.lua" }
    assert.equal("", out)
    assert.matches("^luamcp: cannot open no such file.lua", err)
    assert.is_nil(err:find "traceback")
    assert.equal(1, status)
  end)

  it("an error of syntax, with its line", function()
    local file = script "local x = 1\nlocal = 2\n"
    local out, err, status = luamcp { file }
    assert.equal("", out)
    assert.matches("^luamcp: [^\n]*%.lua:2: ", err)
    assert.is_nil(err:find "traceback")
    assert.equal(1, status)
  end)

  it("compiled code is not a script", function()
    local file = helper.file(string.dump(function() print "ran" end), ".lua")
    local out, err, status = luamcp { file }
    assert.equal("", out)
    assert.matches("^luamcp: ", err)
    assert.equal(1, status)
  end)

  it("an error of the script, with its line and a traceback", function()
    local file = script "local function f() error 'boom' end\nf()\n"
    local out, err, status = luamcp { file }
    assert.equal("", out)
    assert.matches("^luamcp: [^\n]*%.lua:1: boom\n", err)
    assert.matches("stack traceback", err, 1, true)
    assert.equal(1, status)
  end)

  it("a misuse of ours is told at the script's line, and nothing of ours is shown", function()
    for text, expected in pairs {
      ['mcp.server { nam = "x" }'] =
        'mcp.server: unknown option "nam", did you mean "name"?',
      ['mcp.server "x":tool "a" { inputs = {} }'] =
        'tool "a": unknown option "inputs", did you mean "input"?',
      ['mcp.server "x":run { http = { prt = 1 } }'] =
        'http: unknown option "prt", did you mean "port"?',
      ['mcp.server "x":run { http = 0, tls = { cert = "/none", key = "/none" } }'] =
        "tls: cert: /none: No such file or directory",
      ['assert(mcp.connect("unix:/none"))'] =
        "unix:/none:/mcp: /none: no such file or directory (cannot connect)",
      ['mcp.connect "ftp://x"'] = "mcp.connect: expected an app, { command =, args = }, the path "
        .. 'of a .lua file or an address ("http://…", "ws://…", "unix:/…"), got "ftp://x"',
    } do
      local file = script(('local mcp = require "mcp"\n%s\n'):format(text))
      local _, err, status = luamcp { file }
      assert.equal(("luamcp: %s:2: %s\n"):format(file, expected), err)
      assert.equal(1, status)
    end
  end)

  it("of a traceback the script's own frames are shown, all of it with MCP_LOG=debug", function()
    local file = script [[
      local mcp = require "mcp"
      local function f() mcp.server {} end
      mcp.run(function() f() end)]]
    local _, err = luamcp { file }
    assert.matches(":2: mcp.server: a name is needed\nstack traceback:\n\t", err, 1, true)
    assert.matches(":3: in main chunk", err, 1, true)
    assert.is_nil(err:find("lua/mcp/", 1, true))
    assert.is_nil(err:find("[C]", 1, true))
    local out = helper.shell(("MCP_LOG=debug %s %s 2>&1"):format(quote(helper.program()),
      quote(file)))
    assert.matches("lua/mcp/server/init.lua:", out, 1, true)
  end)

  it("what a script says by error(text, 0) stands alone", function()
    local _, err, status = luamcp { script "local function f() error('usage: x', 0) end f()" }
    assert.equal("luamcp: usage: x\n", err)
    assert.equal(1, status)
  end)

  it("a module that is not there keeps its list of places", function()
    local _, err = luamcp { script "require 'no.such.module'" }
    assert.matches("module 'no.such.module' not found:\n\tno field", err, 1, true)
    assert.is_nil(err:find("stack traceback", 1, true))
  end)

  it("a server that is made and never run is told of", function()
    local file = script 'require "mcp".server "x"'
    local _, err, status = luamcp { file }
    assert.equal(("luamcp: %s makes a server and never runs it: app:run() is missing\n")
      :format(file), err)
    assert.equal(1, status)
    for _, text in ipairs { 'require "mcp".server "x":run()', 'return require "mcp".server "x"',
      'local mcp = require "mcp" assert(mcp.connect(mcp.server "x")):close()', "" } do
      _, err, status = luamcp { script(text) }
      assert.equal("", err)
      assert.equal(0, status)
    end
  end)

  it("an MCP_LOG that is no level is refused with those that are", function()
    local file = script "print 'ran'"
    for level, meant in pairs { bogus = "", DEBUG = "; did you mean debug?",
      ["debug "] = "; did you mean debug?", warn = "", warnin = "; did you mean warning?" } do
      local out, status = helper.shell(("MCP_LOG=%s %s %s 2>&1"):format(quote(level),
        quote(helper.program()), quote(file)))
      assert.equal(("luamcp: MCP_LOG: expected one of wire, debug, info, notice, warning, error, "
        .. "off, got %q%s\n"):format(level, meant), out)
      assert.equal(1, status)
    end
    for _, level in ipairs { "", "wire", "debug", "info", "notice", "warning", "error", "off" } do
      local out, status = helper.shell(("MCP_LOG=%s %s %s 2>&1"):format(level,
        quote(helper.program()), quote(file)))
      assert.equal("ran\n", out)
      assert.equal(0, status)
    end
  end)

  it("--log-format json writes an object a line, with the request and the tool", function()
    local path = script [[
      local mcp = require "mcp"
      local app = mcp.server "s"
      app:use(mcp.middleware.log())
      app:tool "fails" (function() error("two\nlines") end)
      app:run { stdio = true, http = { port = 0 } }
    ]]
    local messages = table.concat {
      '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",',
      '"capabilities":{},"clientInfo":{"name":"c","version":"1"}}}\n',
      '{"jsonrpc":"2.0","id":"one","method":"tools/call","params":{"name":"fails"}}\n' }
    local _, err = luamcp({ "run", path, "--log-format", "json" }, messages)
    local lines = {}
    for line in err:gmatch "[^\n]+" do lines[#lines + 1] = assert(core.decode(line), line) end
    assert.matches("^s 0.0.0 answers at http://", lines[1].message)
    assert.same({ "error", "one", "fails" }, { lines[2].level, lines[2].request, lines[2].tool })
    assert.matches('^tool "fails": .-:4: two\nlines\nstack traceback:\n\t', lines[2].message)
    assert.same({ "info", "one", "fails" }, { lines[3].level, lines[3].request, lines[3].tool })
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", lines[3].time)
    local _, refused, status = luamcp { "run", path, "--log-format=xml" }
    assert.equal('luamcp: --log-format: expected one of text, json, got "xml"\n', refused)
    assert.equal(1, status)
  end)

  it("a word after the script that is nearly an option is refused", function()
    local file = script "io.stderr:write(table.concat(arg, ' '), '\\n')"
    local _, err, status = luamcp { file, "--htpp", "8000" }
    assert.same({ "luamcp: unknown option --htpp, did you mean --http? Put -- before it if it is "
      .. "the script's\n", 1 }, { err, status })
    for _, words in ipairs { { "--host", "x" }, { "--list" }, { "htpp" }, { "-http" } } do
      _, err = luamcp { file, table.unpack(words) }
      assert.equal(table.concat(words, " ") .. "\n", err)
    end
    _, err = luamcp { file, "--", "--htpp" }
    assert.equal("--htpp\n", err)
  end)

  it("an error of a task comes line by line", function()
    local _, err = luamcp { script [[
      local mcp = require "mcp"
      mcp.spawn(function() error "boom" end)
      mcp.sleep(0)]] }
    assert.matches("^luamcp: error: [^\n]*:2: boom\nluamcp: error: stack traceback:\n", err)
    assert.is_nil(err:find("\\x", 1, true))
  end)

  it("an error that is no string", function()
    local _, err, status = luamcp { script "error { 1 }" }
    assert.matches("^luamcp: .*table", err)
    assert.equal(1, status)
    _, err, status = luamcp {
      script "error(setmetatable({}, { __tostring = function() return 'mine' end }))" }
    assert.matches("^luamcp: mine", err)
    assert.equal(1, status)
    _, _, status = luamcp { script "error()" }
    assert.equal(1, status)
  end)

  it("the script finds its arguments, in arg and in ...", function()
    local file = script [[
      local list = { arg[0] ~= nil and "file" }
      for i, word in ipairs(arg) do list[#list + 1] = i .. "=" .. word end
      list[#list + 1] = "..." .. select("#", ...) .. (...)
      io.stderr:write(table.concat(list, "|"))]]
    local cases = {
      { { file, "a", "b c" }, "file|1=a|2=b c|...2a" },
      { { "run", file, "a" }, "file|1=a|...1a" },
      { { file, "--help", "-x" }, "file|1=--help|2=-x|...2--help" },
      -- From the script's first own word on they are the script's, whatever they look like.
      { { file, "a", "--stdio" }, "file|1=a|2=--stdio|...2a" },
      { { "run", file, "prog", "--sse", "http://127.0.0.1:9/sse" },
        "file|1=prog|2=--sse|3=http://127.0.0.1:9/sse|...3prog" },
      { { file, "--own", "--http", "x" }, "file|1=--own|2=--http|3=x|...3--own" },
      { { file, "-", "--unix=/x", "--", "--inspect" },
        "file|1=-|2=--unix=/x|3=--|4=--inspect|...4-" },
      { { file, "--stdio", "a", "--tls-cert" }, "file|1=a|2=--tls-cert|...2a" },
      { { "--stdio", file, "a" }, "file|1=a|...1a" },
      { { file, "--", "--stdio", "--http" }, "file|1=--stdio|2=--http|...2--stdio" },
      { { file, "--http", "8000", "a" }, "file|1=a|...1a" },
      { { file, "--http=8000", "run" }, "file|1=run|...1run" },
    }
    for _, case in ipairs(cases) do
      local out, err, status = luamcp(case[1])
      assert.equal(case[2], err)
      assert.equal("", out)
      assert.equal(0, status)
    end
  end)

  it("a file behind -- is the file, were it named like an option", function()
    local _, err, status = luamcp { "--", "-nosuch.lua" }
    assert.matches("cannot open -nosuch.lua", err, 1, true)
    assert.equal(1, status)
  end)

  it("a script is text: code that was compiled is not loaded (SEC-103)", function()
    local file = script(string.dump(function() io.stderr:write "ran" end))
    local _, err, status = luamcp { file }
    assert.is_nil(err:find("ran", 1, true))
    assert.matches("binary chunk", err, 1, true)
    assert.is_true(status ~= 0)
    -- Nor does anything of ours load what it is given.
    local pipe <close> = io.popen("grep -rnE --include='*.lua' "
      .. "'[^.a-z_](load|loadstring|loadfile|dofile)\\(' lua/mcp")
    for line in pipe:lines() do
      -- The exception is what luamcp bundle has put into the program, as text as well.
      local bundled = line:find "^lua/mcp/bundle%.lua:" or line:find "^lua/mcp/cli/run%.lua:"
      -- And code mode, whose scripts get an environment of their own.
      if line:find '^lua/mcp/server/sandbox%.lua:%d+:.* load%(.+, "t", env%)' then goto next end
      assert.matches(bundled and line:find("load(", 1, true)
        and '[= ]load%([%w_().]+, "@" %.%. [%w.]+, "t"%)$'
        or '^lua/mcp/[%w_/]+.lua:%d+:.*loadfile%([%w.]+, "t"%)$', line)
      ::next::
    end
  end)

  it("modules beside the script are found", function()
    local file = script "io.stderr:write(require(arg[1]).text)"
    local module = script "return { text = 'from beside' }"
    local name = module:match "([^/]+)%.lua$"
    local _, err, status = luamcp { file, name }
    assert.equal("from beside", err)
    assert.equal(0, status)
  end)

  local SESSION = table.concat({
    '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}',
    '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t"}}', "" }, "\n")

  -- Standard output as messages; raises when it holds anything else.
  local function ids_on_the_wire(out)
    local ids = {}
    for line in out:gmatch "[^\n]+" do
      ids[#ids + 1] = (core.decode(line) or error("on the wire: " .. line)).id
    end
    return ids
  end

  it("what a handler or its children print does not reach the wire (IO-03, SEC-92)", function()
    local out, err, status = luamcp({ script [[
      local mcp = require "mcp"
      local app = mcp.server "x"
      app:tool "t" (function()
        print "in a tool"
        io.write "raw\n"
        os.execute "echo child"
        return "ok"
      end)
      app:run()]] }, SESSION)
    assert.same({ 1, 2 }, ids_on_the_wire(out))
    for _, text in ipairs { "in a tool", "raw", "child" } do
      assert.matches(text, err, 1, true)
    end
    assert.equal(0, status)
  end)

  it("nor does what the script prints before it serves (IO-03)", function()
    local out, err = luamcp({ script [[
      local mcp = require "mcp"
      print "a banner"
      local app = mcp.server "x"
      app:tool "t" (function() return "ok" end)
      app:run()]] }, SESSION)
    assert.same({ 1, 2 }, ids_on_the_wire(out))
    assert.matches("a banner", err, 1, true)
  end)

  it("what a script that serves nothing prints is standard output", function()
    local out, err = luamcp { script "print 'a result' io.write 'more'" }
    assert.equal("a result\nmore", out)
    assert.equal("", err)
  end)

  local PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
  local PONG = '{"jsonrpc":"2.0","id":1,"result":{}}\n'

  it("return app runs it", function()
    local out, _, status = luamcp({ script "return (require 'mcp').server 'x'" }, PING)
    assert.equal(PONG, out)
    assert.equal(0, status)
  end)

  it("an address that cannot be had is one line, however the app is run", function()
    local main = [[
      local app = require "mcp".server "x"
      local function main() app:run { http = arg[1] } end
      main()]]
    for how, words in pairs {
      ["return"] = { script "return (require 'mcp').server 'x'", "--http", "192.0.2.1:80" },
      ["in a function"] = { script(main), "192.0.2.1:80" },
      ["as workers"] = { script(main), "--workers", "2", "192.0.2.1:80" },
    } do
      local _, err, status = luamcp(words)
      assert.matches("^luamcp: [^\n]*cannot listen on 192%.0%.2%.1 port 80: [%w ]+\n$", err, nil,
        nil, how)
      assert.is_nil(err:find("cli/run.lua", 1, true), how)
      assert.equal(1, status)
    end
  end)

  it("return of anything else does not", function()
    for _, what in ipairs { "return 5", "return {}", "return nil",
      "return setmetatable({}, {})" } do
      local out, err, status = luamcp({ script(what) }, PING)
      assert.equal("", out)
      assert.equal("", err)
      assert.equal(0, status)
    end
  end)

  it("an app that runs and is returned as well runs once", function()
    local out, _, status = luamcp({ script [[
      local app = require "mcp".server "x"
      app:run()
      return app]] }, PING)
    assert.equal(PONG, out)
    assert.equal(0, status)
  end)

  it("modules that have been let go are loaded all the same", function()
    local out, err, status = luamcp { script [[
      package.loaded["mcp.program"].settle()
      local mcp = require "mcp"
      local app = mcp.server { name = "s", version = "1" }
      app:tool "t" (function() return "called" end)
      local client <close> = assert(mcp.connect(app))
      print(client:call_tool("t").content[1].text)
    ]] }
    assert.same({ "called\n", "", 0 }, { out, err, status })
  end)

  it("a forgotten decorator is an error with its line", function()
    local out, err, status = luamcp({ script [[
      local app = require "mcp".server "x"
      app:tool "t" { description = "x" }
      app:run()]] }, PING)
    assert.equal("", out)
    assert.matches('%.lua:2: app:tool "t" never got its function', err)
    assert.equal(1, status)
  end)

  it("--stdio overrules what the script says", function()
    local file = script "require 'mcp'.server 'x':run { http = 0 }"
    local out, err, status = luamcp({ file, "--stdio" }, PING)
    assert.equal(PONG, out)
    assert.equal("", err)
    assert.equal(0, status)
  end)

  it("the end of input ends it, handlers and timers notwithstanding (IO-22)", function()
    local file = script [[
      local mcp = require "mcp"
      local app = mcp.server "x"
      app:tool "t" (function(_, ctx) ctx:sleep(100) return "late" end)
      mcp.spawn(function() mcp.sleep(100) end)
      app:run()]]
    local before = os.time()
    local out, _, status = luamcp({ file },
      '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}\n'
      .. '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"t"}}\n')
    assert.is_true(os.time() - before < 5)
    assert.is_nil(out:find("late", 1, true))
    assert.equal(0, status)
  end)

  it("a last line without a line break is a message", function()
    local out = luamcp({ script "return (require 'mcp').server 'x'" }, (PING:gsub("\n", "")))
    assert.equal(PONG, out)
  end)

  it("answers that were ready when the input ended are written", function()
    local lines = {}
    for i = 1, 500 do lines[i] = ('{"jsonrpc":"2.0","id":%d,"method":"ping"}'):format(i) end
    local out = luamcp({ script "return (require 'mcp').server 'x'" },
      table.concat(lines, "\n") .. "\n")
    local _, count = out:gsub("\n", "")
    assert.equal(500, count)
  end)
end)
