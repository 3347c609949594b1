-- SPDX-License-Identifier: MIT
-- stop_pattern_spec.lua: src/lua/stop_pattern.c gives what Lua's own functions give: the same
-- results, and errors where they have errors.
local helper = require "spec.helper"
local mcp = require "mcp"

-- Runs each case, { function, arguments… }, and gives what came of it.
local RUN = [[
  local function all(text, pattern, init)
    local found, count = {}, 0
    for a, b, c in string.gmatch(text, pattern, init) do
      found[#found + 1] = { a, b or false, c or false }
      count = count + 1
      if count > 100 then break end
    end
    return found
  end
  local TABLE = { a = "A", b = 1, c = false, [""] = "E", [1] = "one" }
  local function repl(...) return select("#", ...) > 1 and (...) .. "|" or nil end
  local functions = { find = string.find, match = string.match, gmatch = all,
    gsub = string.gsub,
    gsub_table = function(s, p, n) return string.gsub(s, p, TABLE, n) end,
    gsub_function = function(s, p, n) return string.gsub(s, p, repl, n) end }
  local function run(cases)
    local out = {}
    for i, case in ipairs(cases) do
      local got = table.pack(pcall(functions[case[1] ], table.unpack(case, 2, case.n)))
      if not got[1] then got = { false, n = 1 } end
      out[i] = got
    end
    return out
  end
]]

describe("patterns of code that is not trusted", function()
  local theirs, ours
  before_each(function()
    theirs = load(RUN .. "return run")()
    ours = mcp.worker { helper.file(RUN .. "return { run = run }", ".lua"), untrusted = true,
      budget = { time = 60, output = 64 << 20 } }
  end)
  after_each(function()
    ours:close()
    helper.remove_files()
  end)

  local function shown(case)
    local words = {}
    for i = 1, case.n do words[i] = ("%q"):format(case[i]) end
    return table.concat(words, ", ")
  end

  local function compare(cases)
    for _, case in ipairs(cases) do case.n = case.n or #case end
    local got, expected = assert(ours:run(cases)), theirs(cases)
    for i, case in ipairs(cases) do assert.same(expected[i], got[i], shown(case)) end
  end

  it("are the same in what the manual names", function()
    local cases = {}
    local function add(...) cases[#cases + 1] = table.pack(...) end
    for _, text in ipairs { "", "a", "hello world from Lua", "key = value", "THE (quick) fox",
      "a,b,,c,", "aXb\0c\255", "[[x]]", "  trim  ", "f(a(b)c)d", "2026-11-29", "%d$1", "aaa" } do
      for _, pattern in ipairs { "", ".", "%a+", "%w*", "(%w+) (%w+)", "^%s*(.-)%s*$", "()",
        "()%a()",
        "(a*(.)%w(%s*))", "%b()", "%f[%w]%w+", "%f[%W]", "[^,]*", "([^,]*)", "[%a_][%w_]*", "[]]",
        "[^]]", "[a-]", "[%-a]", "[a-c]", "%d+%-%d+", "(%w)%1", "a?b?c?", "a-", "a-$", "^a", "$",
        "a$b", "^", "%z", "\0", "%S+", "(.)(.)", "x*", ".-b", "%.", "[%]]", "[a%-z]", "%%", "-" } do
        for _, name in ipairs { "find", "match", "gmatch" } do add(name, text, pattern) end
        add("find", text, pattern, 2)
        add("find", text, pattern, -2)
        add("find", text, pattern, 100)
        add("find", text, pattern, 1, true)
        add("match", text, pattern, -100)
        add("gmatch", text, pattern, 3)
        for _, with in ipairs { "", "<%0>", "%1", "%%", "x" } do
          add("gsub", text, pattern, with)
        end
        add("gsub", text, pattern, "%1%2")
        add("gsub", text, pattern, "[%1]", 2)
        add("gsub", text, pattern, "y", 0)
        add("gsub", text, pattern, 5)
        add("gsub_table", text, pattern)
        add("gsub_function", text, pattern, 3)
      end
    end
    compare(cases)
  end)

  it("are the same where a result outgrows its first buffer", function()
    local cases, long = {}, ("ab"):rep(20000)
    for _, pattern in ipairs { "a", "(a)", "()a", "(a)()" } do
      for _, with in ipairs { "%0%0", "%1", "%1%1%1", "<%0>%%", "%1" .. ("-"):rep(50) } do
        cases[#cases + 1] = { "gsub", long, pattern, with }
      end
      cases[#cases + 1] = { "gsub", "a", pattern, ("%1"):rep(20000) }
    end
    compare(cases)
  end)

  it("have the same mistakes", function()
    local cases = {}
    for _, pattern in ipairs { "%", "[", "[a", "[^", "[%", "[]", "(", ")", "(()", "%b", "%bx", "%f",
      "%fa", "%1", "(%1)", "%2(a)", ("("):rep(33) .. ("a"):rep(3), "[a-", "[%a", "a)", "%0" } do
      for _, name in ipairs { "find", "match", "gmatch" } do
        cases[#cases + 1] = { name, "aab", pattern }
      end
      cases[#cases + 1] = { "gsub", "aab", pattern, "x" }
    end
    for _, with in ipairs { "%", "%x", "%3", "a%" } do
      cases[#cases + 1] = { "gsub", "aab", "(a)", with }
    end
    compare(cases)
  end)

  it("are the same for whatever can be put together", function()
    local seed = 20261129
    local function random(n)
      seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
      return seed // 65536 % n + 1
    end
    local PIECES = { "a", "b", "c", ".", "%a", "%A", "[ab]", "[^a]", "[a-c]", "(", ")", "()", "%1",
      "%bab", "%f[a]", "%f[^a]", "*", "+", "-", "?", "^", "$", "%d", "1", "]", "[", "%" }
    local TEXT = { "a", "b", "c", "1", " ", "ab" }
    local NAMES = { "find", "match", "gmatch", "gsub", "gsub_table", "gsub_function" }
    local WITH = { "x", "%0", "%1", "%2", "%%", "" }
    local function join(from, most)
      local words = {}
      for i = 1, random(most) do words[i] = from[random(#from)] end
      return table.concat(words)
    end
    for _ = 1, 10 do
      local cases = {}
      for i = 1, 1000 do
        local name = NAMES[random(#NAMES)]
        local case = { name, join(TEXT, 8), join(PIECES, 7) }
        if name == "gsub" then case[4] = join(WITH, 3) end
        cases[i] = case
      end
      compare(cases)
    end
  end)
end)
