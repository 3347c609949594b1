-- SPDX-License-Identifier: MIT
-- scripts/mutate/operators.lua: which edits `make mutate` makes, and that it leaves comments and
-- strings alone.
local failure = require "scripts.mutate.failure"
local operators = require "scripts.mutate.operators"
local order = require "scripts.mutate.order"

-- What an operator makes of a text: each result, in order.
local function edits(path, operator, source)
  local out = {}
  for i, edit in ipairs(operators.edits(path, source)[operator] or {}) do
    out[i] = operators.apply(source, edit)
  end
  return out
end

describe("a wrong edit of C", function()
  local function same(expected, operator, source)
    assert.same(expected, edits("a.c", operator, source))
  end

  it("moves or turns a comparison, and takes no arrow or shift for one", function()
    same({ "if (a >= b) x->y << 2;" }, "comparison moved by one", "if (a > b) x->y << 2;")
    same({ "if (a < b) f();" }, "comparison moved by one", "if (a <= b) f();")
    same({ "a = b != c;" }, "comparison turned round", "a = b == c;")
  end)

  it("changes conditions", function()
    same({ "if (!(f(a) && b)) g();" }, "condition negated", "if (f(a) && b) g();")
    same({ "if (0 && (n > LIMIT)) return -1;" }, "guard taken away", "if (n > LIMIT) return -1;")
    same({}, "guard taken away", "if (n > LIMIT) f();")
    same({ "x = a || b;" }, "and for or", "x = a && b;")
    same({ "if (a) f();" }, "not left out", "if (!a) f();")
  end)

  it("leaves out statements, by kind", function()
    local body = "void f(void) {\n  int n = 1;\n  close_it(n);\n  p->busy--;\n"
      .. "  p->x = 2;\n  g(n);\n}\n"
    same({ (body:gsub("close_it%(n%)", "(void)0")) }, "clean-up left out", body)
    same({ (body:gsub("p%->busy%-%-", "(void)0")) }, "count left out", body)
    same({ (body:gsub("p%->x = 2", "(void)0")) }, "assignment left out", body)
    same({ (body:gsub("g%(n%)", "(void)0")) }, "call left out", body)
    same({ "void f(void) {\n  if (a) (void)0;\n}\n" }, "call left out",
      "void f(void) {\n  if (a) g(n,\n    2);\n}\n")
  end)

  it("changes constants, limits and answers", function()
    same({ "a[4] = x0;" }, "constant off by one", "a[3] = x0;")
    same({ "#define MCP_A_LIMIT ((4u << 20) * 2)\n" }, "limit doubled",
      "#define MCP_A_LIMIT 4u << 20\n")
    same({ "return -1;" }, "answer changed", "return 0;")
    same({ "return UV_EIO;" }, "answer changed", "return MCP_ETOOBIG;")
  end)

  it("sees no code in comments, strings and directives", function()
    for _, source in ipairs { "/* if (a > 3) return 0; */", "// a && b\n", 'x("a && 3 > 2");',
      "#if A && B > 3\n", "#define F(a) \\\n  if (a > 3) return 0;\n" } do
      assert.same({}, operators.edits("a.c", source), source)
    end
  end)
end)

describe("a wrong edit of Lua", function()
  local function same(expected, operator, source)
    assert.same(expected, edits("a.lua", operator, source))
  end

  it("changes conditions", function()
    same({ 'if not (a == "then") then f() end' }, "condition negated",
      'if a == "then" then f() end')
    same({ "if false and (not x) then return end" }, "guard taken away", "if not x then return end")
    same({ "return a or b" }, "and for or", "return a and b")
    same({ "return a ~= b" }, "comparison turned round", "return a == b")
    same({}, "comparison moved by one", "local x <const>, y <close> = 1, f()")
  end)

  it("leaves out statements, by kind", function()
    local body = "function f()\n  local n = g()\n  wire:close()\n  count = count - 1\n  t.x = 2\n"
      .. "  g(n,\n    2)\n  if a then h() end\nend\n"
    same({ (body:gsub("wire:close%(%)", "do end")) }, "clean-up left out", body)
    same({ (body:gsub("count = count %- 1", "do end")) }, "count left out", body)
    same({ (body:gsub("t%.x = 2", "do end")) }, "assignment left out", body)
    same({ (body:gsub("g%(n,\n    2%)", "do end")), (body:gsub("h%(%)", "do end")) },
      "call left out", body)
    for _, list in pairs(operators.edits("a.lua", body)) do
      for _, edit in ipairs(list) do assert(load(operators.apply(body, edit))) end
    end
  end)

  it("changes constants, limits and answers", function()
    same({ "\nx.LIMIT = (4 * 1024) * 2\n" }, "limit doubled", "\nx.LIMIT = 4 * 1024\n")
    same({ 'return true, "no", "EBUSY"', 'return nil, "no", "EOTHER"' }, "answer changed",
      'return nil, "no", "EBUSY"')
    same({ "return t[2]" }, "constant off by one", "return t[1]")
  end)

  it("sees no code in comments and strings", function()
    for _, source in ipairs { "-- a and b > 3", "--[[ if x then\nreturn 0 end ]]",
      "--[==[ ]] a == b ]==]", 'f "a and b == 3"', "x [[ not a == 3 ]]" } do
      assert.same({}, operators.edits("a.lua", source), source)
    end
  end)
end)

it("names the line it stands on", function()
  local source = "a = 1\nb = 2\nif c then f() end\n"
  local edit = operators.edits("a.lua", source)["condition negated"][1]
  assert.equal(3, operators.line_of(source, edit))
end)

describe("the specs beside a source", function()
  local function files(command)
    local out = {}
    local pipe <close> = assert(io.popen(command))
    for line in pipe:lines() do out[#out + 1] = line end
    return out
  end

  local specs, texts = files "find spec -name '*_spec.lua' | sort", {}
  for _, spec in ipairs(specs) do
    local file <close> = assert(io.open(spec, "rb"))
    texts[spec] = file:read "a"
  end

  local function near(path)
    local list, rest = order.of(path, specs, texts, function() return 1 end, {})
    assert.equal(#specs, #list + #rest)
    local set = {}
    for _, spec in ipairs(list) do set[spec] = true end
    return set, list[1]
  end

  it("are the folder that mirrors its own, the spec of its name first", function()
    local set, first = near "lua/mcp/client/input_required.lua"
    assert.equal("spec/mcp/client/input_required_spec.lua", first)
    assert.is_true(set["spec/mcp/client/connect_spec.lua"])
    assert.is_nil(set["spec/mcp/server/session_spec.lua"])
    assert.equal("spec/mcp/server/init_spec.lua", select(2, near "lua/mcp/server/init.lua"))
    set, first = near "lua/mcp/fetch.lua"
    assert.equal("spec/mcp/fetch_spec.lua", first)
    assert.is_nil(set["spec/mcp/worker_end_spec.lua"])
  end)

  it("are those of its subject, wherever they are", function()
    assert.is_true(near("src/lua/worker_pool.c")["spec/mcp/worker_end_spec.lua"])
    assert.is_true(near("src/lua/lexchange.c")["spec/transport/http_auth_spec.lua"])
    assert.is_true(near("lua/mcp/server/feature/scope.lua")["spec/mcp/auth/server_spec.lua"])
  end)

  it("are those of the program for its main file, which has no folder", function()
    assert.is_true(near("src/main.c")["spec/mcp/cli/run_spec.lua"])
  end)

  it("no pattern of a subject is left from a file that is gone", function()
    local sources = files "find src lua/mcp -type f"
    local function matches(pattern, list)
      for _, path in ipairs(list) do
        if path:find(pattern) then return true end
      end
      return false
    end
    for _, subject in ipairs(order.SUBJECTS) do
      assert.is_true(matches(subject[1], sources), subject[1])
      for i = 2, #subject do assert.is_true(matches(subject[i], specs), subject[i]) end
    end
  end)
end)

describe("a failure of a spec file", function()
  -- What failure.repeated makes of runs that fail in these tests, "ok" for one that passes.
  local function repeated(tests)
    local runs = 0
    local reason = failure.repeated(function()
      runs = runs + 1
      local test = tests[runs]
      if test == "ok" then return true end
      return false, test == "time" and "time" or "red", test
    end)
    return tostring(reason) .. " after " .. runs
  end

  it("counts when the same test fails twice and no run passes", function()
    assert.equal("red after 2", repeated { "a", "a" })
    assert.equal("red after 3", repeated { "a", "b", "a" })
    assert.equal("time after 1", repeated { "time" })
    assert.equal("time after 2", repeated { "a", "time" })
    assert.equal("nil after 3", repeated { "a", "b", "c" })
    assert.equal("nil after 2", repeated { "a", "ok" })
    assert.equal("nil after 1", repeated { "ok" })
  end)

  it("is known by the place of its first test, or by its exit status", function()
    local function of(...) return table.concat({ failure.of(...) }, " ") end
    assert.equal("red spec/a_spec.lua:9", of(2, "a_spec.lua 1 bad\n\n  FAILED: x is y\n"
      .. "    at spec/a_spec.lua:9\n    text\n\n  FAILED: z\n    at spec/a_spec.lua:12\n"))
    assert.equal("red exit 139", of(139, "Segmentation fault"))
    assert.equal("time time", of(124, "\n  FAILED: x\n    at spec/a_spec.lua:9\n"))
    assert.equal("time time", of(137, ""))
  end)
end)
