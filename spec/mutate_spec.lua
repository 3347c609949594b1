-- SPDX-License-Identifier: MIT
-- scripts/mutate/operators.lua: which edits `make mutate` makes, and that it leaves comments and
-- strings alone.
local operators = require "scripts.mutate.operators"

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
