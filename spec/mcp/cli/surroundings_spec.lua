-- SPDX-License-Identifier: MIT
-- luamcp where less is there than at a desk: a narrow terminal, no terminal, a reader that goes, a
-- full disk, few descriptors, another locale, and paths that a shell has to quote.
local core = require "mcp.core"
local helper = require "spec.helper"

local quote = helper.quote

local SERVER = [[
local mcp = require "mcp"
local app = mcp.server "demo"
local long = ("word "):rep(30) .. "Grüße"
for i = 1, 40 do
  app:tool("tool" .. i) { description = long, input = { first = "string", second = "number?",
    third = mcp.enum { "alpha", "beta", "gamma", optional = true } } } (function(args)
      return (args.first .. "\n"):rep(50000)
    end)
end
app:tool "asks" (function(_, ctx) return select(2, ctx:elicit("Name?", { name = "string" })) end)
app:tool "form" (function(_, ctx)
  return "guests: " .. ctx:elicit("Many?", { guests = mcp.integer { min = 1, max = 8 } }).guests
end)
app:tool "choose" (function(_, ctx)
  ctx:elicit("Which?", { type = "object", properties = {
    fish = { type = "array", items = { anyOf = { { const = "cod", title = "Cod" },
      { const = "eel", title = "Eel" } } }, default = mcp.array { "eel" } },
    hero = { type = "string", oneOf = { { const = "ada", title = "A" },
      { const = "bob", title = "B" } }, default = "ada" } } })
end)
app:resource "notes://today" { description = long } (function() return ("# Milk\n"):rep(50000) end)
app:prompt "p" { description = long } (function() return ("x\n"):rep(50000) end)
app:run()
]]

describe("luamcp with", function()
  local folder, path

  setup(function()
    folder = os.tmpname()
    path = folder .. "/it's a \"dir\" é/my server's.lua"
    assert(os.execute(("rm -f %s && mkdir -p %s"):format(quote(folder),
      quote(folder .. "/it's a \"dir\" é"))))
    local file <close> = assert(io.open(path, "w"))
    file:write(SERVER)
  end)
  teardown(function()
    os.execute("rm -rf " .. quote(folder))
    helper.remove_files()
  end)

  -- Runs a line of the shell in which `luamcp` is the program and `$server` the script; what it
  -- prints on standard output, and on standard error.
  local function shell(line)
    local errors = helper.file ""
    local out, status = helper.shell(("luamcp() { timeout 20 %s \"$@\"; }; server=%s; { %s; } 2>%s")
      :format(quote(helper.program()), quote(path), line, quote(errors)))
    local file <close> = assert(io.open(errors))
    return out, file:read "a", status
  end

  -- What a terminal of so many columns shows.
  local function on_terminal(columns, line)
    local out = helper.shell(("TERM=dumb timeout 30 script -qec %s /dev/null </dev/null"):format(
      quote(("stty cols %d; %s %s"):format(columns, quote(helper.program()), line))))
    return (out:gsub("\r", ""))
  end

  it("40 columns breaks what it prints between words", function()
    for _, line in ipairs { "list " .. quote(path), "inspect " .. quote(path), "list --help",
      "call --help" } do
      local count = 0
      -- A command line that is an example stays one.
      for shown in on_terminal(40, line):gsub("\nexample:.*", ""):gmatch "[^\n]+" do
        count = count + 1
        -- Usage lines of the parser cannot be broken within an option.
        assert.is_true((utf8.len(shown) or 0) <= 40 or shown:find "^%s*%[" ~= nil
          or shown:find "^   %-" ~= nil, line .. ": " .. shown)
      end
      assert.is_true(count > 10, line)
    end
  end)

  it("a terminal asks again until an answer fits the form", function()
    local out = helper.shell(("printf '99\\n4\\n' | TERM=dumb timeout 30 script -qec %s /dev/null")
      :format(quote(("%s call %s form"):format(quote(helper.program()), quote(path)))))
    assert.matches('field "guests": must be at most 8, got 99', out, 1, true)
    assert.matches("guests: 4\r?\n", out)
  end)

  it("a terminal shows what a form offers, and defaults as JSON", function()
    local out = helper.shell(("printf '\\n\\n' | TERM=dumb timeout 30 script -qec %s /dev/null")
      :format(quote(("%s call %s choose"):format(quote(helper.program()), quote(path)))))
    assert.matches("fish (list of cod|eel) [[\"eel\"]]: ", out, 1, true)
    assert.matches("hero (ada|bob) [ada]: ", out, 1, true)
  end)

  it("no terminal prints whole lines, without colours, and asks nothing", function()
    local out, err = shell 'luamcp list "$server"'
    assert.matches("\n  tool1(first: string, second?: number, third?: alpha|beta|gamma)\n", out, 1,
      true)
    assert.is_nil(out:find "\27")
    assert.equal("", err)
    out, err = shell 'luamcp call "$server" asks'
    assert.equal("decline\n", out)
    assert.matches("no terminal", err, 1, true)
  end)

  it("a reader that has read enough ends without a word", function()
    for _, line in ipairs { 'list "$server"', 'list --json "$server"', 'inspect "$server"',
      'call "$server" tool1 first=x', 'read "$server" notes://today', 'prompt "$server" p' } do
      local out, err, status = shell("luamcp " .. line .. " | head -n 1")
      assert.matches("^[^\n]+\n$", out, line)
      assert.same({ "", 0 }, { err, status }, line)
    end
  end)

  it("a full disk says so, and fails", function()
    for _, line in ipairs { 'list "$server"', 'call "$server" tool1 first=x', "version" } do
      local _, err, status = shell("luamcp " .. line .. " >/dev/full")
      assert.matches("^luamcp: standard output: [^\n]+\n$", err, line)
      assert.equal(1, status, line)
    end
    local _, err = shell 'luamcp list --json "$server" >/dev/full'
    assert.equal("EOUTPUT", assert(core.decode(err)).error.code)
  end)

  it("few descriptors says so, without a traceback", function()
    for _, count in ipairs { 6, 8, 9, 10, 12, 16 } do
      local out, err = shell(("ulimit -n %d; luamcp list %s"):format(count, "examples/hello.lua"))
      assert.equal("", out)
      assert.matches("^luamcp: [^\n]*[Tt]oo many open files\n$", err)
    end
  end)

  it("the locale C prints the same bytes", function()
    local same = shell 'LC_ALL=C.UTF-8 LANG=C.UTF-8 luamcp list "$server"'
    assert.matches("Grüße", same, 1, true)
    assert.equal(same, (shell 'LC_ALL=C LANG=C luamcp list "$server"'))
    assert.equal(same, (shell 'LC_ALL=POSIX LANG= luamcp list "$server"'))
  end)

  it("a path with spaces and quotes finds the script, everywhere", function()
    assert.matches("^Tools\n  tool1", (shell 'luamcp list "$server"'))
    assert.matches("^Tools\n  tool1",
      (shell [[cd "$(dirname "$server")" && luamcp list "$(basename "$server")"]]))
    assert.matches("^tool +tool1", (shell 'luamcp check "$server"'))
    assert.matches("^ok    program        it's a \"dir\" é/my server's.lua\n",
      (shell(("cd %s && luamcp doctor \"it's a \\\"dir\\\" é/my server's.lua\""):format(
        quote(folder)))))
    local printed = shell 'luamcp install "$server" --client cursor --print'
    local entry = assert(core.decode(printed:match "^%b{}")).mcpServers["my-server-s"]
    assert.equal(path, entry.args[2])
  end)
end)
