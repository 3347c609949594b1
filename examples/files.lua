-- SPDX-License-Identifier: MIT
-- files.lua: a folder of text files as an MCP server.
--
--   luamcp run examples/files.lua examples/library
--
-- Each text file is a resource, `search` finds lines, and the prompt `summarise` hands a file to
-- the model. Nothing is kept: files that come, change or go are seen at the next request.
--
-- Addresses look like folder:///garden/spring.md and not like file:///…: a file: URI names
-- a place on the server's machine, reveals its directories, and invites a client to open the file
-- itself, bypassing this server. folder: has no meaning but the one given here: a
-- path below the folder that was named at the start, percent-encoded. `mcp.folder` makes sure
-- that no such path leads out of it.
local mcp = require "mcp"

-- Larger files are neither shown nor searched: a model could not read them anyway.
local FILE_SIZE = 1 << 20
-- A line of minified script is as good as a file.
local LINE_LENGTH = 200

local MIME = {
  css = "text/css", csv = "text/csv", htm = "text/html", html = "text/html",
  ini = "text/plain", js = "text/javascript", json = "application/json",
  log = "text/plain", lua = "text/x-lua", md = "text/markdown",
  sql = "application/sql", svg = "image/svg+xml", toml = "application/toml",
  tsv = "text/tab-separated-values", txt = "text/plain", xml = "application/xml",
  yaml = "application/yaml", yml = "application/yaml",
}

local folder <close> = assert(mcp.folder(arg[1] or error("usage: files.lua FOLDER", 0)))

-- nil for what, by its name, is no text.
local function mime_of(path)
  local name = path:match("[^/]+$") or path
  local extension = name:match("%.([^.]+)$")
  if not extension then return "text/plain" end -- README, Makefile
  return MIME[extension:lower()]
end

local function uri_of(path)
  return "folder:///" .. path:gsub("[^A-Za-z0-9%-._~/]", function(c)
    return ("%%%02X"):format(c:byte())
  end)
end

-- The text of a file, or nil for files that are missing, too large or not text.
local function read_text(path)
  local text = mime_of(path) and folder:read(path, FILE_SIZE)
  if text and utf8.len(text) and not text:find("\0", 1, true) then return text end
  return nil
end

-- All text files below `path`, folder by folder. Hidden ones and links are left out.
local function each_file(path, visit)
  for _, entry in ipairs(folder:list(path) or {}) do
    local below = path == "" and entry.name or path .. "/" .. entry.name
    if entry.name:sub(1, 1) == "." or not utf8.len(entry.name) then
      goto continue
    elseif entry.kind == "folder" then
      if each_file(below, visit) == false then return false end
    elseif entry.kind == "file" and entry.size <= FILE_SIZE and mime_of(below) then
      if visit(below, entry) == false then return false end
    end
    ::continue::
  end
  return true
end

local app = mcp.server { name = "files", version = "1.0.0" }

app:resource "folder:///{+path}" {
  name = "file",
  description = "A text file of the folder, by its path",
  list = function()
    local files = mcp.array {}
    each_file("", function(path, entry)
      files[#files + 1] =
        { uri = uri_of(path), name = path, mime = mime_of(path), size = entry.size }
    end)
    return files
  end,
} (function(vars)
  local text = read_text(vars.path)
  if not text then return nil end -- no such resource
  return { contents = { { uri = uri_of(vars.path), mimeType = mime_of(vars.path), text = text } } }
end)

local function shorten(line)
  line = line:gsub("\r$", "")
  if #line <= LINE_LENGTH then return line end
  return line:sub(1, utf8.offset(line, 0, LINE_LENGTH + 1) - 1) .. "…"
end

app:tool "search" {
  description = "Find the lines of the folder's text files that contain a text. "
    .. "Case makes no difference (in ASCII).",
  input = {
    query = mcp.string { min_length = 1, description = "The text to look for" },
    limit = mcp.integer { min = 1, max = 100, default = 20, description = "How many at most" },
  },
  output_schema = {
    type = "object",
    required = { "matches" },
    properties = {
      matches = {
        type = "array",
        items = {
          type = "object",
          required = { "path", "line", "text" },
          properties = {
            path = { type = "string", description = "Where: the resource is folder:///PATH" },
            line = { type = "integer", minimum = 1 },
            text = { type = "string" },
          },
        },
      },
    },
  },
} (function(args)
  local query, matches = args.query:lower(), mcp.array {}
  each_file("", function(path)
    local text = read_text(path)
    if not text or not text:lower():find(query, 1, true) then return true end
    local number = 0
    for line in text:gmatch("([^\n]*)\n?") do
      number = number + 1
      if line:lower():find(query, 1, true) then
        matches[#matches + 1] = { path = path, line = number, text = shorten(line) }
        if #matches >= args.limit then return false end
      end
    end
  end)
  return { matches = matches }
end)

app:prompt "summarise" {
  description = "Summarise a text file of the folder",
  arguments = { path = "string" },
} (function(args)
  local text = read_text(args.path)
  if not text then error(mcp.error(-32602, ("no text file %q in the folder"):format(args.path))) end
  local file = { uri = uri_of(args.path), mimeType = mime_of(args.path), text = text }
  return {
    messages = {
      { role = "user", content = { type = "resource", resource = file } },
      { role = "user", content = { type = "text",
        text = "Summarise this file in three sentences. Say what it is before what it says." } },
    },
  }
end)

app:run()
