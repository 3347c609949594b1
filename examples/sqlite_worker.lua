-- SPDX-License-Identifier: MIT
-- The worker of sqlite.lua: what blocks. Each process opens the database once.
local driver = require "luasql.sqlite3"

local environment = driver.sqlite3()
local connections = {}

local function connection(path)
  if not connections[path] then
    local opened = assert(environment:connect(path))
    -- Clients may only read.
    assert(opened:execute "PRAGMA query_only = ON")
    connections[path] = opened
  end
  return connections[path]
end

local function rows_of(path, sql, limit)
  local cursor, reason = connection(path):execute(sql)
  if type(cursor) ~= "userdata" then return nil, reason or "not a statement that returns rows" end
  local rows, row = {}, cursor:fetch({}, "a")
  while row and #rows < limit do
    rows[#rows + 1] = row
    row = cursor:fetch({}, "a")
  end
  cursor:close()
  return { rows = rows, more = row ~= nil }
end

return {
  query = rows_of,
  tables = function(path)
    return assert(rows_of(path, "SELECT name, sql FROM sqlite_schema WHERE type = 'table'", 1000))
  end,
}
