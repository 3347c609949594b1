-- SPDX-License-Identifier: MIT
-- luamcp new: what it writes works.
local helper = require "spec.helper"

local quote = helper.quote

describe("luamcp new", function()
  local folder

  before_each(function() folder = helper.shell("mktemp -d"):gsub("\n", "") end)
  after_each(function() helper.shell("rm -rf " .. quote(folder)) end)

  local function run(command)
    return helper.shell(("cd %s && %s 2>&1 </dev/null"):format(quote(folder), command))
  end

  local program = quote(helper.program())

  it("writes a server that works, checks clean and passes its test", function()
    local out, status = run(program .. " new my-server")
    assert.equal(0, status)
    assert.matches("./my-server/server.lua", out, 1, true)
    assert.same({ "Hello, Ann!\n", 0 },
      { run(("cd my-server && %s call server.lua greet name=Ann"):format(program)) })
    assert.same({ 'tool      greet(name: string)\nresource  my-server://about\n', 0 },
      { run(("cd my-server && %s check --strict server.lua"):format(program)) })
    out, status = run("cd my-server && busted -o TAP")
    assert.equal(0, status, out)
    assert.matches("ok 1 - my-server greets", out, 1, true)
    out, status = run(("cd my-server && PATH=%s:$PATH %s list my-server"):format(
      quote(helper.program():match "^(.*)/"), program))
    assert.equal(0, status, out)
    assert.matches("greet", out, 1, true)
  end)

  it("refuses bad names and folders that exist", function()
    for _, name in ipairs { "a b", "../x", "9", "", ("x"):rep(65) } do
      local out, status = run(("%s new %s"):format(program, quote(name)))
      assert.equal(1, status)
      assert.matches("new: expected a name", out, 1, true)
    end
    run "mkdir there && touch there/mine"
    local out, status = run(program .. " new there")
    assert.same({ "luamcp: new: ./there exists already\n", 1 }, { out, status })
    assert.equal("mine\n", run "ls there")
  end)

  -- A limit of the system for the size of files acts like a full disk.
  it("says which file it could not write, and why not", function()
    local out, status = run(("trap '' XFSZ; ulimit -f 0; exec %s new full"):format(program))
    assert.same({ "luamcp: ./full/server.lua: File too large\n", 1 }, { out, status })
  end)
end)
