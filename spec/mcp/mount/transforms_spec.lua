-- SPDX-License-Identifier: MIT
-- Transforms of mounts that raise, that no longer fit, or that name what does not exist; and rules
-- for clashes that raise.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local transform = require "mcp.server.transform"
local upstream = require "mcp.mount.upstream"

describe("a transform of a mount", function()
  local backend, front, opened

  before_each(function()
    backend, front, opened = mcp.server "backend", mcp.server "front", 0
    backend:tool "add" { input = { a = "number", b = "number" } } (function(args)
      return tostring(args.a + args.b)
    end)
    backend:tool "echo" { input = { text = "string" } } (function(args) return args.text end)
    backend:resource "n://a" (function() return "a" end)
  end)
  after_each(function()
    for _, each in ipairs(front:mounted()) do front:unmount(each.name) end
    mcp.sleep(0.01)
    helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
    helper.leftovers()
  end)

  -- A client of an app that has `backend` as "m", over a connection of that era or as an app.
  local function connect(era, options)
    options.era = era ~= "app" and era or nil
    front:mount("m", backend, options)
    local up = front.mounts.by_name.m.upstream
    local real = up and up.connect
    if up then
      function up.connect(more)
        opened = opened + 1
        return real(more)
      end
    end
    return assert(mcp.connect(front))
  end

  local function names_of(client)
    local out = {}
    for i, tool in ipairs(client:list_tools()) do out[i] = tool.name end
    return table.concat(out, " ")
  end

  local function count(text, part)
    local found, at = 0, 1
    while true do
      local first, last = text:find(part, at, true)
      if not first then return found end
      found, at = found + 1, last + 1
    end
  end

  local function text_of(result) return result.content[1].text end

  for _, era in ipairs { "app", "legacy", "modern" } do
    describe(("(%s)"):format(era), function()
      it("that raises for an entry leaves out that one, and says so once", function()
        local cases = {
          ['m_add is left out: fix: tool "m_add": unknown argument "zz", expected one of a, b'] =
            transform.fix { add = { zz = 10 } },
          ["m_add is left out: spec/mcp/mount/transforms_spec.lua:"] = function(entry)
            return entry.name ~= "add" and entry or error "no add"
          end,
          ["m_add is left out: transform: expected the entry, or nothing, got boolean"] =
            function(entry) return entry.name == "add" or entry end,
          ['m_add is left out: rename: tool "m_add" to "m_a b": name: expected A-Z'] =
            transform.rename { add = "a b" },
          ['m+n://a is left out: rename: resource "m+n://a" to "m+n a": uri: expected'] =
            transform.rename { ["n://a"] = "n a" },
        }
        for wanted, fn in pairs(cases) do
          opened = 0
          local lines = helper.logged(function()
            local client <close> = connect(era, { transform = { fn,
              transform.describe { add = "Adds" } }, ttl = 0 })
            local add = wanted:find("m_add", 1, true) ~= nil
            assert.equal(add and "m_echo" or "m_add m_echo", names_of(client))
            assert.equal("hi", text_of(client:call_tool("m_echo", { text = "hi" })))
            if add then
              assert.equal("Unknown tool: m_add", select(2, client:call_tool "m_add"))
            else
              assert.same({}, client:list_resources())
            end
            assert.equal("up", front:mounted()[1].state)
            -- The list is read again, and the entry raises again.
            backend:tool "more" (function() return "x" end)
            helper.wait_until(function() return names_of(client):find "more" end, "the new list")
            backend:remove("tool", "more")
          end)
          assert.equal(1, count(lines, 'error: mount "m": ' .. wanted), wanted .. "\n" .. lines)
          assert.equal(1, count(lines, "\n") + 1, lines)
          assert.equal(era == "app" and 0 or 1, opened)
          front:unmount "m"
        end
      end)

      it("that no longer fits what the server has leaves the entry out", function()
        local client <close> = connect(era, { transform = transform.fix { add = { b = 2 } } })
        assert.equal("m_add m_echo", names_of(client))
        assert.equal("3", text_of(client:call_tool("m_add", { a = 1 })))
        local lines = helper.logged(function()
          backend:remove("tool", "add")
          backend:tool "add" { input = { a = "number", c = "number" } } (function() return "x" end)
          helper.wait_until(function() return names_of(client) == "m_echo" end, "the new list")
          assert.equal("Unknown tool: m_add", select(2, client:call_tool("m_add", { a = 1 })))
        end)
        assert.equal(1, count(lines, 'm_add is left out: fix: tool "m_add": unknown argument "b"'))
        backend:remove("tool", "add")
        backend:tool "add" { input = { a = "number", b = "number" } } (function(args)
          return tostring(args.a * args.b)
        end)
        helper.wait_until(function() return names_of(client) == "m_echo m_add" end, "the list")
        assert.equal("6", text_of(client:call_tool("m_add", { a = 3 })))
      end)

      it("that names what does not exist is reported once the lists are known", function()
        local lines = helper.logged(function()
          local client <close> = connect(era, { transform = {
            transform.hide { "ecko", "list_*" }, transform.rename { add = "plus", ad = "minus" },
            transform.describe { add = "Adds", plus = "Adds", ["n://a"] = "A" },
            transform.fix { ech = { text = "x" } }, transform.tag { ["n://b"] = "x" },
          } })
          assert.equal("m_plus m_echo", names_of(client))
          client:list_resources()
          backend:tool "more" (function() return "x" end)
          helper.wait_until(function() return names_of(client):find "more" end, "the new list")
        end)
        local wanted = {
          'hide: unknown entry "ecko", did you mean "echo"?',
          'rename: unknown entry "ad", did you mean "add"?',
          'describe: unknown entry "add", expected one of ',
          'fix: unknown entry "ech", did you mean "echo"?',
          'tag: unknown entry "n://b", did you mean "n://a"?',
        }
        for _, text in ipairs(wanted) do
          assert.equal(1, count(lines, 'warning: mount "m": mcp.transform.' .. text), lines)
        end
        assert.equal(#wanted, count(lines, "\n") + 1, lines)
      end)

      it("that names what others have taken out, or what is registered later, is right", function()
        local lines = helper.logged(function()
          front:mount("m", backend, { era = era ~= "app" and era or nil, transform = {
            transform.only { "add", "late" },
            transform.describe { echo = "Echoes", late = "Late" },
            function(entry) return entry.name ~= "add" and entry or nil end,
            transform.tag { add = "x" } } })
          backend:tool "late" (function() return "x" end)
          local client <close> = assert(mcp.connect(front))
          assert.equal("m_late", names_of(client))
        end)
        assert.equal("", lines)
      end)
    end)
  end

  it("of an app in a mounted app names what does not exist, too", function()
    local middle = mcp.server "middle"
    middle:mount("in", backend, { transform = transform.rename { ad = "plus" } })
    front:mount("out", middle, { transform = transform.hide { "in_ecko" } })
    local lines = helper.logged(function()
      local client <close> = assert(mcp.connect(front))
      assert.equal("out_in_add out_in_echo", names_of(client))
    end)
    assert.matches('mount "in": mcp.transform.rename: unknown entry "ad", did you mean "add"?',
      lines, 1, true)
    assert.matches('mount "out": mcp.transform.hide: unknown entry "in_ecko", did you mean '
      .. '"in_echo"?', lines, 1, true)
    middle:unmount "in"
  end)

  it("is not needed for an error that ends the attempt: the mount is down, and tries again",
    function()
      local pause = upstream.PAUSE
      upstream.PAUSE = 0.02
      front:tool "own" (function() return "own" end)
      local clients, broken, client = {}, true, nil
      local lines = helper.logged(function()
        front:mount("m", backend, { era = "legacy" })
        local mounts, up = front.mounts, front.mounts.by_name.m.upstream
        local real, rebuild = up.connect, mounts.rebuild
        local tried = false
        function up.connect(more)
          if not tried then
            tried = true
            error "a mistake of the transport"
          end
          local made, text, code = real(more)
          clients[#clients + 1] = made
          return made, text, code
        end
        function mounts.rebuild(...)
          if broken then error "a mistake" end
          return rebuild(...)
        end
        local began = core.now()
        client = assert(mcp.connect(front))
        assert.equal("own", names_of(client))
        local _, text = client:call_tool "m_add"
        assert.matches('the mounted server "m" cannot be reached: .*a mistake', text)
        assert.is_true(core.now() - began < 4)
        assert.same({ "down", true }, { front:mounted()[1].state,
          front:mounted()[1].text:find("a mistake", 1, true) ~= nil })
        helper.wait_until(function() return #clients >= 3 end, "further attempts")
        for i = 1, #clients - 1 do assert.equal("closed", clients[i].state) end
        broken = false
        helper.wait_until(function() return front:mounted()[1].state == "up" end, "the server")
        assert.equal("own m_add m_echo", names_of(client))
      end)
      assert.matches('"m": cannot be reached, the next attempt is in 0.02 s: ', lines, 1, true)
      client:close()
      upstream.PAUSE = pause
    end)

  it("when an error ends the reading of a list again, leaves the last list", function()
    local client <close> = connect("legacy", {})
    assert.equal("m_add m_echo", names_of(client))
    local made = front.mounts.by_name.m
    function made.transform() error "a mistake" end
    local lines = helper.logged(function()
      backend:tool "more" (function() return "x" end)
      helper.wait_until(function() return not made.refreshing end, "the end of the reading")
      mcp.sleep(0.02)
      assert.equal("m_add m_echo", names_of(client))
      assert.equal("3", text_of(client:call_tool("m_add", { a = 1, b = 2 })))
    end)
    assert.matches('mount "m": the last list is kept: .*a mistake', lines)
  end)

  it("is not needed for a rule for clashes that raises: the first entry stays", function()
    for _, era in ipairs { "app", "legacy" } do
      front = mcp.server "front"
      front:tool "m_add" (function() return "own" end)
      local lines = helper.logged(function()
        local client <close> = connect(era, { on_clash = function() error "a mistake" end })
        assert.equal("m_add m_echo", names_of(client))
        assert.equal("own", text_of(client:call_tool "m_add"))
        backend:tool "more" (function() return "x" end)
        helper.wait_until(function() return names_of(client):find "more" end, "the new list")
        backend:remove("tool", "more")
        assert.equal("up", front:mounted()[1].state)
      end)
      assert.equal(1, count(lines, 'error: mount "m": on_clash: spec/mcp/mount/'), lines)
      assert.equal(1, count(lines, 'tool "m_add": it is '), lines)
      assert.equal(2, count(lines, "\n") + 1, lines)
      front:unmount "m"
    end
  end)
end)
