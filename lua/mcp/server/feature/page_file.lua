-- SPDX-License-Identifier: MIT
-- page_file: the file of a page (server/feature/ui.lua). It is read when the page is registered,
-- and again when it has changed: before each answer, and once a second while a client has a
-- subscription to the page. What cannot be a page, such as a file that is half written, is logged,
-- and the last good one stays.
local core = require "mcp.core"
local folders = require "mcp.later" "mcp.folder"
local ui = require "mcp.message.ui"

local page_file = {}

---Bytes of a page: hosts keep all of it, and a view's start waits for it.
page_file.SIZE = 4 << 20
---Seconds between two looks at the files of pages that clients have subscribed to.
page_file.PAUSE = 1

local File = { __name = "mcp.page_file" }
File.__index = {}

function File.__tostring(self) return ("mcp.page_file (%s)"):format(self.path) end

-- The text as it is sent, or nil and what is wrong with it.
local function made(text)
  if #text > page_file.SIZE then
    return nil, ("expected at most %d bytes, got %d"):format(page_file.SIZE, #text)
  end
  local problem = ui.html_problem(text)
  if problem then return nil, problem end
  return require("mcp.ui").with_kit(text)
end

-- All bytes of a file; waits for the disk as any other program does. For scripts that are loaded.
local function read_at_once(place)
  local file <close>, text = io.open(place, "rb")
  if not file then return nil, text end
  local bytes
  bytes, text = file:read(page_file.SIZE + 1)
  -- At the end of an empty file.
  if not bytes and not text then return "" end
  return bytes, text and ("%s: %s"):format(place, text)
end

---Reads the file of a page for the first time. Raises (level 0) what is wrong with it.
---@param path string as the script says it: from the script's folder, or absolute
---@return table file
function page_file.open(path)
  local bundle = require "mcp.bundle"
  local place = path:sub(1, 1) == "/" and path or bundle.place(path)
  local bytes, text
  if place then
    bytes, text = read_at_once(place)
    text = text and "file: " .. text
  else
    bytes, text = bundle.asset(path)
    text = text and "file: " .. text:gsub("^asset ", "")
  end
  if not bytes then error(text, 0) end
  local page, problem = made(bytes)
  if not page then error(("file: %s: %s"):format(path, problem), 0) end
  return setmetatable({ path = path, text = page, folder = place and place:match "^(.*)/[^/]*$",
    name = place and place:match "[^/]*$", modified = false, size = false, said = false }, File)
end

-- Each trouble is logged once, not at every look.
local function complain(self, text)
  if self.said == text then return end
  self.said = text
  core.log("warning", ("page file %s: %s; the last good page is served"):format(self.path, text))
end

---Looks whether the file has changed, and reads it then. Waits for the disk while others run.
---@return boolean changed
function File.__index:look()
  if not self.folder then return false end
  local folder <close>, text = folders.open(self.folder == "" and "/" or self.folder)
  local entry
  if folder then entry, text = folder:stat(self.name) end
  if not entry then
    complain(self, text)
    return false
  end
  if entry.modified == self.modified and entry.size == self.size then return false end
  local bytes
  bytes, text = folder:read(self.name, page_file.SIZE)
  if not bytes then
    complain(self, text)
    return false
  end
  self.modified, self.size = entry.modified, entry.size
  local page, problem = made(bytes)
  if not page then
    complain(self, problem)
    return false
  end
  self.said = false
  if page == self.text then return false end
  self.text = page
  return true
end

return page_file
