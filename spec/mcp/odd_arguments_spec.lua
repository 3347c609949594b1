-- SPDX-License-Identifier: MIT
-- Every public function and method, called with arguments of the wrong kind, with and without its
-- object: an error is one of ours, which names the function, and never what Lua says where our code
-- trips over the value.
local helper = require "spec.helper"
local mcp = require "mcp"

describe("arguments of the wrong kind", function()
  local ODD = { "none", 5, "x", {}, true, -1, function() end }
  -- Those that serve, wait or end something.
  local SKIPPED = { await = true, close = true, exit = true, listen = true, on_luv = true,
    run = true, run_http = true, run_sse = true, run_stdio = true, run_websocket = true,
    sleep = true, step = true, wait = true }

  local function odd(i)
    if ODD[i] == "none" then return nil end
    return type(ODD[i]) == "table" and {} or ODD[i]
  end

  -- Does the text come from Lua's own checks, or name a line of ours?
  local function is_raw(text)
    return text:find("lua/mcp/[%w_/]+%.lua:%d+: ") or text:find "bad argument #%d+ to '[^']+'"
      or text:find "attempt to "
  end

  local function try(raw, name, fn, make)
    for i in ipairs(ODD) do
      for j in ipairs(ODD) do
        for _, object in ipairs { make and make() or "none", "none" } do
          local ok, raised
          if object == "none" then
            ok, raised = pcall(function() return (fn(odd(i), odd(j))) end)
          else
            ok, raised = pcall(function() return (fn(object, odd(i), odd(j))) end)
          end
          if not ok and is_raw(tostring(raised)) then
            raw[#raw + 1] = ("%s (%s, %s): %s"):format(name, tostring(ODD[i]), tostring(ODD[j]),
              tostring(raised))
          end
        end
      end
    end
  end

  local function all(raw, members, prefix, make)
    for name, member in pairs(members) do
      if type(member) == "function" and not SKIPPED[name] then
        try(raw, prefix .. name, member, make)
      elseif type(member) == "table" and not make and not getmetatable(member)
        and name ~= "testing" then
        all(raw, member, prefix .. name .. ".")
      end
    end
  end

  local function app()
    local made = mcp.server "odd"
    made:tool "t" (function() end)
    return made
  end

  -- A folder of its own, because its methods write what they are given.
  local place
  lazy_setup(function()
    place = os.tmpname()
    assert(os.execute(("rm -f %s && mkdir %s"):format(helper.quote(place), helper.quote(place))))
  end)
  lazy_teardown(function() os.execute("rm -rf " .. helper.quote(place)) end)

  -- What the public objects are made by, and where their methods are.
  local OBJECTS = {
    app = app,
    client = function() return (assert(mcp.connect(app()))) end,
    waiter = mcp.waiter,
    canceller = mcp.canceller,
    folder = function() return (assert(mcp.folder(place))) end,
  }

  it("of the functions of mcp are refused by name", function()
    local raw = {}
    helper.logged(function() all(raw, mcp, "mcp.") end)
    assert.same({}, raw)
  end)

  for kind, make in pairs(OBJECTS) do
    it("of the methods of " .. kind .. " are refused by name", function()
      local raw, made = {}, make()
      local index = getmetatable(made).__index
      helper.logged(function()
        all(raw, type(index) == "table" and index or {}, kind .. ":", function() return made end)
      end)
      if made.close then made:close() end
      assert.same({}, raw)
    end)
  end

  it("of the third place of mcp.connect are named", function()
    assert.has_error(function() mcp.connect(app(), {}, 5) end, "mcp.connect: expected a target and "
      .. "one table of options, got a third argument (number): put all options in one table")
  end)
end)
