-- SPDX-License-Identifier: MIT
-- spec/run.lua: many spec files side by side, reported as one suite. Each test runs it over files
-- made for the purpose, in a folder of its own.
local LUA = os.getenv "LUA" or "lua5.4"
local BUSTED = "busted --lua=" .. LUA .. " --output=spec/report.lua"

local function run(files, setting)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir -p " .. folder .. "/spec"))
  for name, text in pairs(files) do
    local file = assert(io.open(folder .. "/" .. name .. "_spec.lua", "w"))
    file:write(text)
    file:close()
  end
  local pipe = assert(io.popen(("MCP_BUILD=%s %s %s spec/run.lua 2 '%s' %s 2>&1"):format(folder,
    setting or "", LUA, BUSTED, folder)))
  local text = pipe:read "a"
  local ok = pipe:close()
  os.execute("rm -rf " .. folder)
  return text, ok, text:match "([^\n]*)\n$"
end

describe("running spec files side by side", function()
  it("adds up what the files counted", function()
    local text, ok, last = run {
      a = [[it("one", function() end) it("two", function() end)]],
      b = [[it("three", function() end) pending("four")]],
    }
    assert.is_true(ok, text)
    assert.equal("3 passed, 0 failed, 1 skipped", last)
    assert.truthy(text:find("2 files", 1, true))
    assert.truthy(text:find("SKIPPED 1, and so nothing is known about:", 1, true))
  end)

  it("keeps the output of a file together", function()
    local speak = [[it("speaks", function()
      for i = 1, 50 do io.write("%s", i, "\n") io.flush() end end)]]
    local text = run { a = speak:format "a", b = speak:format "b" }
    local order = {}
    for word in text:gmatch "([ab])%d+\n" do
      if order[#order] ~= word then order[#order + 1] = word end
    end
    assert.equal(2, #order, text)
  end)

  it("is red for a failed test, and names it at the end", function()
    local text, ok, last = run { a = [[it("adds", function() assert.equal(1, 2) end)]],
      b = [[it("holds", function() end)]] }
    assert.falsy(ok)
    assert.equal("1 passed, 1 failed", last)
    assert.truthy(text:match "FAILED 1:\n[^\n]*adds\n")
  end)

  it("is red for a process that ends without a result", function()
    local text, ok, last = run { a = [[it("leaves", function() os.exit(0, false) end)]],
      b = [[it("is killed", function() os.execute("kill -9 $PPID") end)]] }
    assert.falsy(ok)
    assert.equal("0 passed, 2 failed", last)
    assert.truthy(text:find("ended without a result, exit status", 1, true))
  end)

  it("is red for a file that does not end in time", function()
    local text, ok, last = run({ a = [[it("hangs", function() while true do end end)]] },
      "MCP_SPEC_TIMEOUT=1")
    assert.falsy(ok)
    assert.equal("0 passed, 1 failed", last)
    assert.truthy(text:find("did not end within 1 s", 1, true))
  end)

  it("runs what failed once more on request, and lists it if it passes then", function()
    local second = [[it("fails the first time", function()
      local path = os.getenv "MCP_BUILD" .. "/ran"
      local ran = io.open(path)
      io.open(path, "w"):close()
      assert.truthy(ran)
    end)]]
    local text, ok, last = run({ a = second, b = [[it("holds", function() end)]] },
      "MCP_SPEC_AGAIN=1")
    assert.is_true(ok, text)
    assert.equal("2 passed, 0 failed", last)
    assert.truthy(text:match "UNSTABLE 1: [^\n]*\n[^\n]*fails the first time\n", text)

    text, ok, last = run({ a = [[it("fails", function() assert.equal(1, 2) end)]],
      b = [[it("leaves", function() os.exit(0, false) end)]] }, "MCP_SPEC_AGAIN=1")
    assert.falsy(ok)
    assert.equal("0 passed, 2 failed", last)
    assert.falsy(text:find("UNSTABLE", 1, true), text)
    text, ok = run({ a = second }, "MCP_SPEC_AGAIN=0")
    assert.falsy(ok, text)
  end)

  it("is red for a file that does not load, and for a folder without specs", function()
    local text, ok = run { a = "this is not Lua" }
    assert.falsy(ok, text)
    local _, empty, last = run {}
    assert.falsy(empty)
    assert.equal("0 passed, 0 failed", last)
  end)
end)
