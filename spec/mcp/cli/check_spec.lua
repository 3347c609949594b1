-- SPDX-License-Identifier: MIT
-- luamcp check, and the globals that it finds.
local check = require "spec.mcp.cli.checked"
local core = require "mcp.core"
local globals = require "mcp.cli.globals"
local helper = require "spec.helper"

describe("the globals of a script", function()
  local function undefined(text)
    local out = {}
    for i, use in ipairs(globals.undefined(assert(load(text)), _G)) do
      out[i] = use.name .. ":" .. use.line
    end
    return table.concat(out, " ")
  end

  for text, expected in pairs {
    ["print(tostring(1))"] = "",
    ["local t = { a = number,\n b = nubmer }"] = "number:1 nubmer:2",
    ["local function f() return function() return deep end end"] = "deep:1",
    ["x = 1 print(x)"] = "",
    ["function go() end go()"] = "",
    ["missing()\nmissing()"] = "missing:1",
    ["local _ENV = { a = 1 } return a"] = "",
    ["local a <close> = nil for i = 1, 2 do local b = 2.5 * i end return '" .. ("x"):rep(300)
      .. "', gone"] = "gone:1",
    [("\n"):rep(500) .. "return late"] = "late:501",
    ["goto done ::done:: return undefined.field.field"] = "undefined:1",
  } do
    it(("%q"):format(text:sub(1, 60)), function() assert.equal(expected, undefined(text)) end)
  end

  it("of all our own files are none", function()
    -- A script of code mode finds the tools in a global.
    local pipe <close> = assert(io.popen("find lua examples -name '*.lua' -not -name '*.types.lua' "
      .. "-not -name code_mode_script.lua"))
    local count = 0
    for path in pipe:lines() do
      count = count + 1
      assert.same({}, globals.undefined(assert(loadfile(path)), _G), path)
    end
    assert.is_true(count > 150)
  end)
end)

describe("luamcp check", function()
  after_each(helper.remove_files)

  local GOOD = [[
    local app = require "mcp".server "x"
    app:tool "add" { description = "Add", input = { a = "number" } } (function() return "x" end)
    app:run()]]

  it("shows what clients will see", function()
    assert.same({ "tool      add(a: number)\n", "", 0 }, { check(GOOD) })
    local out = check(GOOD, "--json")
    local lists = assert(core.decode(out))
    assert.same({ "add", 0 }, { lists.tools[1].name, #lists.warnings })
  end)

  it("warns, and fails for that with --strict", function()
    local text = [[
      local app = require "mcp".server "x"
      app:tool "nameless" (function() return missing end)
      app:run()]]
    local out, err, status = check(text)
    assert.same({ "tool      nameless()\n", 0 }, { out, status })
    assert.equal('luamcp: warning: FILE:2: the global variable "missing" is never set\n'
      .. 'luamcp: warning: tool "nameless" has no description: models choose by it\n', err)
    assert.equal(1, select(3, check(text, "--strict")))
    assert.equal(0, select(3, check(GOOD, "--strict")))
  end)

  it("passes arguments to the script", function()
    local text = GOOD:gsub('"Add"', "arg[1]")
    assert.equal(0, select(3, check(text, "--", "given")))
  end)

  for text, expected in pairs {
    ["x ="] = "luamcp: FILE:1: unexpected symbol near <eof>\n",
    ["local a = 1"] = "luamcp: FILE: the script makes no server, or never calls app:run()\n",
  } do
    it("fails for " .. text, function()
      assert.same({ "", expected, 1 }, { check(text) })
    end)
  end

  it("names the line of an error at load", function()
    local out, err, status = check 'local app = require "mcp".server "x"\napp:tol "y"'
    assert.same({ "", 1 }, { out, status })
    assert.equal('luamcp: FILE:2: app has no member "tol", did you mean "tool"?\n', err)
    -- The frames of the script, where there are several; none of ours.
    err = select(2, check "local function f() error 'bad' end\nlocal function g() f() end\ng()")
    assert.equal("luamcp: FILE:1: bad\nstack traceback:\n"
      .. "\tFILE:1: in upvalue 'f'\n\tFILE:2: in local 'g'\n\tFILE:3: in main chunk\n", err)
  end)
end)
