-- SPDX-License-Identifier: MIT
-- An explorer of an SQLite database. A query can take long, and the library blocks while it does:
-- it runs in a worker (sqlite_worker.lua), so other calls go on, and cancelling ends it.
--
--   luamcp run examples/sqlite.lua shop.db
--
-- Needs LuaSQL's driver: apt-get install lua-sql-sqlite3, or luarocks install luasql-sqlite3.
local mcp = require "mcp"

local path = arg and arg[1]
if not path then
  io.stderr:write "usage: luamcp run sqlite.lua DATABASE\n"
  os.exit(2)
end

local app = mcp.server {
  name = "sqlite",
  version = "1.0.0",
  instructions = "Look at the tables first. A query shows 100 rows at most.",
}

-- Two queries at a time; one that takes longer than ten seconds is stopped. They are processes,
-- since a query inside the library cannot be stopped otherwise.
local database = mcp.worker {
  "sqlite_worker.lua", process = true, threads = 2, queue = 20, budget = { time = 10 },
}

app:tool "query" {
  description = "Run one SELECT statement and return its rows.",
  input = {
    sql = mcp.string { description = "The statement, such as SELECT name FROM author" },
    limit = mcp.integer { min = 1, max = 100, default = 100, description = "Rows at most" },
  },
  annotations = { read_only = true },
} (function(args)
  return database:query(path, args.sql, args.limit)
end)

app:resource "sqlite://tables" {
  name = "tables",
  description = "The tables and the statements that made them",
  mime = "application/json",
} (function() return database:tables(path) end)

app:run()
