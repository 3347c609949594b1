-- SPDX-License-Identifier: MIT
-- examples/sqlite.lua: a real database, a real client, and a query that never ends.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"

describe("examples/sqlite.lua", function()
  local found, driver = pcall(require, "luasql.sqlite3")
  local test = found and it or function(name)
    pending(name .. ": SKIPPED, LuaSQL is not installed (Debian: lua-sql-sqlite3)")
  end

  -- A recursion without an end: inside the library, where no hook of Lua's runs.
  local ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
    .. "SELECT count(*) FROM c"

  local path, session
  before_each(function()
    if not found then return end
    path = os.tmpname()
    local environment = driver.sqlite3()
    local connection = assert(environment:connect(path))
    assert(connection:execute "CREATE TABLE author (id INTEGER, name TEXT)")
    assert(connection:execute "INSERT INTO author VALUES (1, 'Ada'), (2, 'Grace')")
    connection:close()
    environment:close()
    session = mcp.session(mcp.stdio_client {
      command = helper.program(), args = { "examples/sqlite.lua", path },
    }, { timeout = 10 })
    assert(session:initialize())
  end)
  after_each(function()
    if session then session:close() end
    if path then os.remove(path) end
    session, path = nil, nil
    helper.leftovers()
  end)

  local function query(sql, more)
    local arguments = more or {}
    arguments.sql = sql
    return assert(session:call_tool("query", arguments))
  end

  test("answers queries, and refuses what writes", function()
    assert.same({ rows = { { id = 1, name = "Ada" }, { id = 2, name = "Grace" } }, more = false },
      helper.plain(query("SELECT * FROM author").structuredContent))
    assert.same({ rows = { { name = "Ada" } }, more = true },
      helper.plain(query("SELECT name FROM author", { limit = 1 }).structuredContent))
    local result = query "DELETE FROM author"
    assert.is_true(result.isError)
    assert.matches("readonly", result.content[1].text, 1, true)
    assert.matches("syntax error", query("SELECT oops oops oops").content[1].text, 1, true)
    local tables = assert(session:read_resource "sqlite://tables")
    assert.matches("CREATE TABLE author", tables.contents[1].text, 1, true)
  end)

  test("answers others while a query goes on, and a cancelled one frees its worker", function()
    mcp.run(function()
      local waiter, ended = core.waiter(), 0
      for _ = 1, 2 do
        waiter:spawn(function()
          session:call_tool("query", { sql = ENDLESS })
          ended = ended + 1
        end)
      end
      mcp.sleep(0.2)
      local began, slowest = support.system.now(), 0
      for _ = 1, 50 do
        local before = support.system.now()
        assert(session:ping())
        slowest = math.max(slowest, support.system.now() - before)
      end
      assert.is_true(slowest < 0.5, ("a ping took %.3f s"):format(slowest))
      assert.equal(0, ended)
      waiter:cancel()
      waiter:wait()
      assert.is_true(support.system.now() - began < 5)
    end)
    assert.equal("Ada", query("SELECT name FROM author").structuredContent.rows[1].name)
  end)
end)
