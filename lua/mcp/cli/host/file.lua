-- SPDX-License-Identifier: MIT
-- file: the configuration file of a host on the disk: read whole, replaced in one step, with a copy
-- kept before. Also what luamcp remembers of it, so that an entry can be taken out without a trace.
-- Links are followed to their target; mode and owner stay.
local core = require "mcp.core"

local file = {}

---The largest file that is changed, in bytes: Claude Code's holds its history.
file.SIZE = 16 << 20

---Copies kept for each host.
file.COPIES = 10

local function divide(path)
  local folder, base = path:match "^(.*)/([^/]+)$"
  return folder == "" and "/" or folder, base
end

---The working directory, as the shell names it.
---@return string
function file.here()
  local pwd, real = os.getenv "PWD", core.real_path "."
  if pwd and pwd:sub(1, 1) == "/" and core.real_path(pwd) == real then return pwd end
  return real or "."
end

---An absolute path. Links stay.
---@param path string
---@return string
function file.absolute(path)
  if path:sub(1, 1) ~= "/" then path = file.here() .. "/" .. path end
  local parts = {}
  for part in path:gmatch "[^/]+" do
    if part == ".." then
      -- Above a link is not where its text says: the system has to look.
      local real = core.real_path("/" .. table.concat(parts, "/"))
      parts = {}
      for each in (real or "/"):gmatch "[^/]+" do parts[#parts + 1] = each end
      parts[#parts] = nil
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return "/" .. table.concat(parts, "/")
end

---@param path string
---@return boolean
function file.exists(path) return core.real_path(path) ~= nil end

-- The folder of a path, and the name in it; nil, text, code.
local function open_folder_of(path)
  local folder, base = divide(path)
  local opened, text, code = core.folder(folder)
  if not opened then return nil, text, code end
  return opened, base
end

---@class mcp.cli.HostFile
---@field path string as it was asked for
---@field real string the same without links
---@field text string|nil the bytes; nil if there is no file

---@param path string absolute
---@return mcp.cli.HostFile|nil
---@return string|nil text
function file.read(path)
  local real, text, code = core.real_path(path)
  if not real then
    if code ~= "ENOENT" then return nil, text end
    local folder, base = divide(path)
    return { path = path, real = (core.real_path(folder) or folder):gsub("/$", "") .. "/" .. base }
  end
  local folder, base = open_folder_of(real)
  if not folder then return nil, base end
  local bytes
  bytes, text, code = folder:read(base, file.SIZE)
  folder:close()
  if not bytes then
    if code == "ETOOBIG" then text = ("%s: larger than %d bytes"):format(path, file.SIZE) end
    return nil, text
  end
  return { path = path, real = real, text = bytes }
end

-- Makes the folders that are missing; those made, the deepest first. Nil and a text.
local function make_folders(path)
  local missing, above = {}, path
  while above ~= "/" and not core.real_path(above) do
    table.insert(missing, 1, above:match "[^/]+$")
    above = divide(above)
  end
  local made = {}
  if #missing == 0 then return made end
  local folder, text = core.folder(above)
  if not folder then return nil, text end
  for i = 1, #missing do
    local relative = table.concat(missing, "/", 1, i)
    local ok
    ok, text = folder:make(relative)
    if not ok then
      folder:close()
      return nil, text
    end
    table.insert(made, 1, (above == "/" and "" or above) .. "/" .. relative)
  end
  folder:close()
  return made
end

---Writes a file, unless it has been changed since it was read.
---@param old mcp.cli.HostFile
---@param text string
---@param private boolean|nil a new file is for its owner only
---@return string[]|nil folders that were made for it, the deepest first
---@return string|nil message
function file.write(old, text, private)
  local now, wrong = file.read(old.path)
  if not now then return nil, wrong end
  if now.text ~= old.text or now.real ~= old.real then
    return nil, old.path .. ": it has been changed meanwhile; run the command again"
  end
  local is_new = old.text == nil
  local folders
  folders, wrong = make_folders((divide(old.real)))
  if not folders then return nil, wrong end
  local folder, base = open_folder_of(old.real)
  if not folder then return nil, base end
  local ok, message, code = folder:write(base, text, file.SIZE, true, is_new, is_new and private,
    not is_new)
  folder:close()
  if ok then return folders end
  if code == "EEXIST" then message = old.path .. ": it is a link to a file that does not exist" end
  if code == "EPERM" then
    message = old.path .. ": it belongs to another user, and would not any more"
  end
  return nil, message
end

---Removes a file and the folders that were made for it, as far as they are empty.
---@param old mcp.cli.HostFile
---@param folders string[]|nil
---@return true|nil
---@return string|nil message
function file.remove(old, folders)
  local folder, base = open_folder_of(old.real)
  if not folder then return nil, base end
  local ok, text = folder:remove(base)
  folder:close()
  if not ok then return nil, text end
  for _, path in ipairs(folders or {}) do
    local above, name = open_folder_of(path)
    if not above then break end
    local removed = above:remove(name)
    above:close()
    if not removed then break end
  end
  return true
end

---Where luamcp keeps what it remembers: tokens, copies, records.
---@return string folder
function file.state_folder()
  local home = os.getenv "XDG_STATE_HOME"
  if not home or home:sub(1, 1) ~= "/" then home = (os.getenv "HOME" or ".") .. "/.local/state" end
  return home .. "/luamcp"
end

-- Removes all but the newest copies.
local function prune(folder)
  local list = folder:list() or {}
  for i = 1, #list - file.COPIES do folder:remove(list[i].name) end
end

---Keeps a copy of a file, which only its owner can read.
---@param old mcp.cli.HostFile
---@param host table
---@return string|nil path
---@return string|nil message
function file.keep(old, host)
  local place = file.state_folder() .. "/backup/" .. host.id
  local made, text = make_folders(place)
  if not made then return nil, text end
  local folder
  folder, text = core.folder(place)
  if not folder then return nil, text end
  local stamp, _, base = os.date "!%Y%m%dT%H%M%SZ", divide(old.real)
  local name, ok, code
  for i = 1, 99 do
    name = ("%s-%02d-%s"):format(stamp, i, base)
    ok, text, code = folder:write(name, old.text, file.SIZE, true, true, true)
    if ok or code ~= "EEXIST" then break end
  end
  if ok then prune(folder) end
  folder:close()
  if not ok then return nil, text end
  return place .. "/" .. name
end

---@class mcp.cli.HostRecord
---@field undo table of the first entry that was put
---@field names table<string, boolean> the entries that were put
---@field created boolean|nil there was no file
---@field folders string[]|nil made for the file

-- Where the record of a file is.
local function record_path() return file.state_folder() .. "/installed.json" end

local function read_records()
  local bytes, text, code = core.read_private(record_path())
  if not bytes then
    if code == "ENOENT" then return {} end
    return nil, ("%s: %s"):format(record_path(), text)
  end
  local records, wrong = core.decode(bytes)
  if type(records) ~= "table" then return nil, ("%s: %s"):format(record_path(), wrong) end
  return records
end

---What luamcp remembers of a file.
---@param real string its path
---@return mcp.cli.HostRecord|nil record
---@return string|nil message
function file.record(real)
  local records, text = read_records()
  if not records then return nil, text end
  return records[real]
end

---Remembers something of a file; nil forgets it.
---@param real string
---@param record mcp.cli.HostRecord|nil
---@return true|nil
---@return string|nil message
function file.remember(real, record)
  local records, text = read_records()
  if not records then return nil, text end
  if record == nil and records[real] == nil then return true end
  records[real] = record
  if next(records) == nil then return os.remove(record_path()) end
  local made
  made, text = make_folders(file.state_folder())
  if not made then return nil, text end
  local ok
  ok, text = core.write_private(record_path(), assert(core.encode(records, true)))
  if not ok then return nil, ("%s: %s"):format(record_path(), text) end
  return true
end

return file
