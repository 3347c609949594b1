-- SPDX-License-Identifier: MIT
-- luamcp bundle: the program that it writes runs where the script's files are not.
local helper = require "spec.helper"

local quote = helper.quote

local SERVER = [[
local mcp = require "mcp"
local words = require "lib.words"
local app = mcp.server "bundled"
app:tool "say" (function()
  local page, text, code = mcp.asset "pages/hello.txt"
  return table.concat({ words.hello, page or code .. " " .. text }, ", ")
end)
app:tool "later" (function() return require "later".text end)
app:tool "missing" (function() return table.concat({ select(2, mcp.asset(".//none")) }, " ") end)
app:tool "outside" (function() return table.concat({ select(2, mcp.asset "../x") }, " ") end)
app:tool "fails" (function() words.fail() end)
app:tool "worker" (function()
  local worker <close> = mcp.worker { function()
    return { word = function() return require "lib.words".hello end }
  end }
  return worker:word()
end)
app:tool "args" (function() return table.concat(arg, " ") end)
app:run()
]]

describe("luamcp bundle", function()
  local folder
  local program = quote(helper.program())

  local function write(name, text)
    local file <close> = assert(io.open(folder .. "/" .. name, "wb"))
    file:write(text)
  end

  before_each(function()
    folder = helper.shell("mktemp -d"):gsub("\n", "")
    helper.shell("mkdir -p " .. quote(folder) .. "/app/lib " .. quote(folder) .. "/app/pages")
    write("app/server.lua", SERVER)
    write("app/lib/words.lua", [[
return { hello = "Hello", fail = function() error "no words" end }]])
    write("app/later.lua", 'return { text = "later" }')
    write("app/pages/hello.txt", "from a file")
    write("app/pages/empty.txt", "")
  end)
  after_each(function() helper.shell("rm -rf " .. quote(folder)) end)

  local function run(command)
    return helper.shell(("cd %s && timeout 20 %s 2>&1 </dev/null"):format(quote(folder), command))
  end

  local function call(tool, words)
    return (run(("%s call %s %s -- ./mine %s"):format(program, "", tool, words or "")))
  end

  it("puts the script, its modules and its files into one program", function()
    local out, status = run(program .. " bundle app/server.lua -o mine --file pages --module later")
    assert.equal(0, status, out)
    for _, line in ipairs { "script  server.lua", "module  lib.words", "module  later",
      "file    pages/hello.txt", "file    pages/empty.txt" } do
      assert.matches(line, out, 1, true)
    end
    -- Called through PATH, its name is not a file of the working directory.
    assert.equal(0, select(2, run(("env PATH=%s:\"$PATH\" luamcp bundle app/server.lua -o found")
      :format(quote(helper.program():match "^(.*)/")))))
    run "mv app moved"
    assert.equal("Hello, from a file\n", call "say")
    assert.equal("later\n", call "later")
    assert.equal("Hello\n", call "worker")
    assert.equal("a --b\n", call("args", "a --b"))
    assert.matches('asset ".//none": no such file in this program; add it when you build it: '
      .. "luamcp bundle --file none ENOENT", call "missing", 1, true)
    assert.matches("expected a path below the script's folder EOUTSIDE", call "outside", 1, true)
    -- A traceback names the file as it is called in the script's folder.
    assert.matches("lib/words.lua:1: no words", run(("env MCP_LOG=debug %s call fails -- ./mine")
      :format(program)), 1, true)
    -- No word of the command line is luamcp's own verb.
    assert.matches("unknown option --htp, did you mean --http", run "./mine --htp 1", 1, true)
    -- What it is made from is not changed by it.
    assert.matches("Hello", run(program .. " call moved/server.lua say"))
  end)

  it("serves pages of MCP Apps from the program, and says which file is missing", function()
    write("app/page.html", "<!doctype html><!-- mcp.ui.kit --><p>in the program")
    write("app/paged.lua", [[
      local app = require "mcp".server "paged"
      app:ui("ui://x/page", { file = "page.html" })
      app:run() ]])
    run(program .. " bundle app/paged.lua -o mine --file page.html")
    run(program .. " bundle app/paged.lua -o without")
    run "mv app moved"
    assert.matches("</script><p>in the program\n$", run(program .. " read ui://x/page -- ./mine"))
    assert.matches('paged.lua:2: page "ui://x/page": file: "page.html": no such file in this '
      .. "program; add it when you build it: luamcp bundle --file page.html", run "./without", 1,
      true)
  end)

  it("finds the files beside the script when it is no bundle", function()
    assert.equal("Hello, from a file\n", run(program .. " call app/server.lua say"))
    write("app/plain.lua", 'print(require "mcp".asset "pages/hello.txt")')
    assert.equal("from a file\n", run((os.getenv "LUA" or "lua5.4") .. " app/plain.lua"))
    assert.matches('asset ".//none": app/none: No such file', run(program
      .. " call app/server.lua missing"), 1, true)
  end)

  it("refuses what cannot be bundled", function()
    local function refused(words, text)
      local out, status = run(program .. " bundle " .. words)
      assert.equal(1, status)
      assert.matches(text, out, 1, true)
      assert.equal("app\n", run "ls")
    end
    refused("none.lua", "none.lua")
    refused("app/server.lua --file none", "--file none: ")
    refused("app/server.lua --file ../x", "--file ../x: ")
    refused("app/server.lua --module none", "module 'none' not found")
    refused("app/server.lua -o app/server.lua", "expected another output than the script")
    refused("app/server.lua --program none", "--program: none: ")
    write("app/empty.lua", "")
    refused("app/empty.lua", "the script makes no server")
    write("app/c.lua", 'require "cjson" local app = require "mcp".server "c" app:run()')
    local out, status = run(program .. " bundle app/c.lua -o c")
    assert.equal(0, status)
    assert.matches("module cjson is a C library", out, 1, true)
    out, status = run(program .. " bundle app/server.lua --program c -o d")
    assert.equal(1, status)
    assert.matches("expected luamcp itself, got a bundle", out, 1, true)
  end)

  it("says that a bundle is damaged", function()
    run(program .. " bundle app/server.lua -o mine")
    -- The trailer is moved away from its place: 100 bytes before it are lost.
    run "head -c -132 mine >cut && tail -c 32 mine >>cut && chmod +x cut"
    local out, status = run "./cut"
    assert.equal(1, status)
    assert.matches("the bundle is damaged; make it again", out, 1, true)
  end)
end)
