-- SPDX-License-Identifier: MIT
-- client_notebook.lua: a client of the extension that examples/notebook.lua defines. With an
-- address it connects to a server that runs, without one it starts its own.
--
--   luamcp run examples/client_notebook.lua [http://127.0.0.1:8000/mcp] [legacy]
local mcp = require "mcp"

local ID = "io.example/notebook"
local changed = mcp.waiter()

local client <close> = assert(mcp.connect(arg[1] or "examples/notebook.lua", {
  era = arg[2],
  extensions = { {
    id = ID,
    methods = {
      ["notebook/get"] = { target = "name", idempotent = true },
      ["notebook/put"] = { target = "name" },
    },
    listen = { noteNames = { "jam" } },
    notifications = {
      ["notifications/notebook/changed"] = function(params) changed:wake(params.name) end,
    },
  } },
}))

local settings = client:extension(ID)
if not settings then error "this server has no notebook" end
print("writable:", settings.writable)

print("tea:", assert(client:request("notebook/get", { name = "tea" })).text)
assert(client:request("notebook/put", { name = "jam", text = "Boil, then stir." }))
print("changed:", changed:wait(5))
print("notes:", table.concat(assert(client:request "notebook/list").names, " "))

-- nil, a message and a code, as with any request.
local _, text, code = client:request("notebook/get", { name = "salt" })
print(code, text)
