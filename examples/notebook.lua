-- SPDX-License-Identifier: MIT
-- notebook.lua: a server with an extension of the protocol: three methods, and a notification for
-- each note that changes. examples/client_notebook.lua is a client of it.
--
--   luamcp run examples/notebook.lua --http 8000
local mcp = require "mcp"
local app = mcp.server "notebook"

local notes = { tea = "Steep for three minutes." }

local function note_of(params)
  local text = notes[params.name]
  if not text then error(mcp.error(-32602, ("unknown note: %s"):format(params.name))) end
  return text
end

local extension
extension = app:extension {
  id = "io.example/notebook",
  settings = { writable = true },
  listen = {
    -- The names of the notes whose changes the client wants.
    noteNames = function(_, names)
      if type(names) ~= "table" then
        return nil, mcp.error(-32602, "noteNames: expected a list of names")
      end
      return names
    end,
  },
  methods = {
    ["notebook/list"] = function()
      local names = mcp.array()
      for name in pairs(notes) do names[#names + 1] = name end
      table.sort(names)
      return { names = names }
    end,
    ["notebook/get"] = { target = "name", handler = function(_, params)
      return { text = note_of(params) }
    end },
    ["notebook/put"] = { target = "name", handler = function(_, params)
      notes[params.name] = params.text
      extension:notify("notifications/notebook/changed", { name = params.name },
        { filter = "noteNames", value = params.name, sessions = true })
    end },
  },
}

-- What is there for clients without the extension.
app:tool "read_note" { description = "Read a note", input = { name = "string" } } (function(args)
  return note_of(args)
end)

app:run()
