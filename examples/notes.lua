-- SPDX-License-Identifier: MIT
-- notes.lua: notes in a folder as an MCP server, to read, write, search and remove.
--
--   luamcp run examples/notes.lua FOLDER
--
-- Each note is a text file of the folder, FOLDER/NAME.md, and the resource notes:///NAME. Clients
-- that have subscribed to a note hear of its changes, and all hear when one comes or goes. Writing
-- replaces a file whole or not at all, and nothing leaves the folder: `mcp.folder` sees to that.
local mcp = require "mcp"

-- Larger notes are neither kept nor read: a model could not use them.
local NOTE_SIZE = 1 << 20
-- A line of a table is as good as a note.
local LINE_LENGTH = 200
local SUFFIX = ".md"

local folder <close> = assert(mcp.folder(arg[1] or error("usage: notes.lua FOLDER", 0),
  { create = true, limit = NOTE_SIZE }))

local app = mcp.server { name = "notes", version = "1.0.0",
  instructions = "Notes of the user. Search before writing a new one." }

local function uri_of(name) return "notes:///" .. mcp.uri.escape(name) end

local NAME = mcp.string { min_length = 1, max_length = 100, pattern = "^[^./\\\\][^/\\\\]*$",
  description = "The name of the note, without / and not beginning with a point" }
local TEXT = mcp.string { description = "Markdown" }

-- name, file and time of each note, sorted by name.
local function notes()
  local list = {}
  for _, entry in ipairs(assert(folder:list())) do
    local name = entry.name:match "^([^.].*)%.md$"
    if name and entry.kind == "file" and utf8.len(name) then
      list[#list + 1] = { name = name, file = entry.name, size = entry.size,
        modified = entry.modified }
    end
  end
  return list
end

-- The text of a note. A missing one is nil; what the disk says otherwise is an error.
local function read(name)
  local text, message, code = folder:read(name .. SUFFIX)
  if text then return text end
  if code == "ENOENT" or code == "EOUTSIDE" or code == "EINVAL" then return nil end
  error(message, 0)
end

local function no_note(name) return nil, ("no note %q; search or list first"):format(name) end

local function complete_name(text)
  local found = {}
  for _, note in ipairs(notes()) do
    if note.name:sub(1, #text) == text then found[#found + 1] = note.name end
  end
  return found
end

app:resource "notes:///{name}" {
  name = "note", description = "A note, by its name", mime = "text/markdown",
  complete = { name = complete_name },
  list = function()
    local list = mcp.array {}
    for i, note in ipairs(notes()) do
      list[i] = { uri = uri_of(note.name), name = note.name, size = note.size,
        mime = "text/markdown", annotations = { last_modified = note.modified } }
    end
    return list
  end,
} (function(vars) return read(vars.name) end)

app:tool "write_note" {
  description = "Write a note. An existing note of that name is replaced.",
  input = { name = NAME, text = TEXT },
  annotations = { idempotent = true, destructive = true, open_world = false },
} (function(args)
  local file = args.name .. SUFFIX
  local is_new = not folder:exists(file)
  local ok, message = folder:write(file, args.text, { sync = true })
  if not ok then return nil, message end
  app:resource_updated(uri_of(args.name))
  if is_new then app:changed "resources" end
  return (is_new and "created %s" or "replaced %s"):format(uri_of(args.name))
end)

app:tool "append_to_note" {
  description = "Add a paragraph to the end of a note, which is made if there is none.",
  input = { name = NAME, text = TEXT },
  annotations = { destructive = false, open_world = false },
} (function(args)
  local file = args.name .. SUFFIX
  local is_new = not folder:exists(file)
  local ok, message = folder:append(file, (is_new and "" or "\n\n") .. args.text)
  if not ok then return nil, message end
  app:resource_updated(uri_of(args.name))
  if is_new then app:changed "resources" end
  return "added to " .. uri_of(args.name)
end)

app:tool "read_note" {
  description = "Read a note.",
  input = { name = NAME },
  annotations = { read_only = true, open_world = false },
} (function(args)
  local text = read(args.name)
  if not text then return no_note(args.name) end
  return text
end)

app:tool "delete_note" {
  description = "Remove a note for good.",
  input = { name = NAME },
  annotations = { destructive = true, open_world = false },
} (function(args)
  local ok, message, code = folder:remove(args.name .. SUFFIX)
  if code == "ENOENT" then return no_note(args.name) end
  if not ok then return nil, message end
  app:resource_updated(uri_of(args.name))
  app:changed "resources"
  return "removed " .. uri_of(args.name)
end)

app:tool "list_notes" {
  description = "List all notes with their sizes and times.",
  annotations = { read_only = true, open_world = false },
} (function()
  local list = mcp.array {}
  for i, note in ipairs(notes()) do
    list[i] = { name = note.name, uri = uri_of(note.name), bytes = note.size,
      modified = mcp.timestamp(note.modified) }
  end
  return { notes = list }
end)

app:tool "search_notes" {
  description = "Find the lines of notes that contain a text. Case makes no difference (in ASCII).",
  input = {
    query = mcp.string { min_length = 1, description = "The text to look for" },
    limit = mcp.integer { min = 1, max = 100, default = 20, description = "Lines, at most" },
  },
  annotations = { read_only = true, open_world = false },
} (function(args, ctx)
  local query, matches, all = args.query:lower(), mcp.array {}, notes()
  for i, note in ipairs(all) do
    local number = 0
    for line in (read(note.name) or ""):gmatch "([^\n]*)\n?" do
      number = number + 1
      if line:lower():find(query, 1, true) and utf8.len(line) then
        if #line > LINE_LENGTH then
          line = line:sub(1, utf8.offset(line, 0, LINE_LENGTH + 1) - 1) .. "…"
        end
        matches[#matches + 1] = { name = note.name, line = number, text = line }
        if #matches == args.limit then return { matches = matches } end
      end
    end
    ctx:progress(i, #all, note.name)
  end
  return { matches = matches }
end)

app:run()
