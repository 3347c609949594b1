-- SPDX-License-Identifier: MIT
-- folder.lua: files and folders below one folder, and nowhere else. The core keeps every path and
-- link inside (src/net/folder.h) and does the work on threads; here are the options.
local core = require "mcp.core"
local options = require "mcp.options"

---A folder that its paths cannot leave. Paths are relative, with "/" between names; "" is the
---folder itself. ".." and absolute paths are refused, as are links that lead out. Methods wait for
---the disk while other handlers run. They return nil, a text and a code when they fail: "ENOENT",
---"EOUTSIDE", "ETOOBIG", "EACCES", "ENOSPC", "ECANCELED", …
---@class mcp.Folder
local methods = {}

local metatable = { __name = "mcp.folder", __index = methods }

local OPEN = { limit = "number", create = "boolean" }
local WRITE = { sync = "boolean", new = "boolean", private = "boolean", limit = "number" }
local READ = { limit = "number", from = "number", length = "number" }
local RENAME = { new = "boolean" }
local MAKE = { parents = "boolean" }

local function check_bytes(what, name, n)
  if n ~= nil and (math.type(n) ~= "integer" or n < 0) then
    error(("%s: option %q: expected a number of bytes, got %s"):format(what, name, n), 3)
  end
end

local function core_of(self, method)
  local folder = type(self) == "table" and rawget(self, "core")
  if not folder then
    error(("folder.%s: expected a folder, got %s; call it as folder:%s(…)"):format(method,
      type(self), method), 3)
  end
  return folder
end

local function check_text(method, name, value)
  if type(value) ~= "string" and type(value) ~= "number" then
    error(("folder:%s: %s: expected a string, got %s"):format(method, name, type(value)), 3)
  end
  return value
end

---@class mcp.FolderReadOptions
---@field limit? integer bytes; more is "ETOOBIG"; the limit of the folder if not given
---@field from? integer how many bytes of the file to leave out
---@field length? integer how many bytes to read at most; to the end if not given

---The bytes of a file, or a part of them: "" from the end on.
---@param path string
---@param how? mcp.FolderReadOptions|integer a number is the limit
---@return string? bytes
---@return string? message
---@return string? code
function methods:read(path, how)
  local folder = core_of(self, "read")
  check_text("read", "path", path)
  if type(how) ~= "table" then
    if how ~= nil and math.type(how) ~= "integer" then
      error(("folder:read: expected a number of bytes or a table of options, got %s"):format(
        type(how) == "number" and how or type(how)), 2)
    end
    check_bytes("folder:read", "limit", how)
    return folder:read(path, how or self.limit)
  end
  options.check("folder:read", how, READ, 2)
  for name, n in pairs(how) do check_bytes("folder:read", name, n) end
  return folder:read(path, how.limit or self.limit, how.from, how.length)
end

---Opens a file, for a resource to return: `return folder:file(path)`. A large one is sent as it is
---read, so it may be larger than the memory. The answer closes it.
---@param path string
---@return mcp.File? file
---@return string? message
---@return string? code as of `read`
function methods:file(path)
  local folder = core_of(self, "file")
  return folder:open(check_text("file", "path", path))
end

---What is in a folder, sorted by name. Links are not followed.
---@param path? string the folder itself if not given
---@return mcp.FolderEntry[]? entries
---@return string? message
---@return string? code
function methods:list(path)
  local folder = core_of(self, "list")
  if path ~= nil then check_text("list", "path", path) end
  return folder:list(path)
end

---@class mcp.FolderEntry
---@field name string? only in a list
---@field kind "file"|"folder"|"link"|"other"
---@field size integer bytes of a file
---@field modified number seconds since 1970

---What a path is. Links are followed.
---@param path string
---@return mcp.FolderEntry? entry
---@return string? message
---@return string? code "ENOENT" if there is nothing
function methods:stat(path)
  local folder = core_of(self, "stat")
  return folder:stat(check_text("stat", "path", path))
end

---Is there anything at this path? Links are followed.
---@param path string
---@return boolean? exists
---@return string? message when it cannot be found out
---@return string? code
function methods:exists(path)
  local folder = core_of(self, "exists")
  local entry, text, code = folder:stat(check_text("exists", "path", path))
  if entry then return true end
  if code == "ENOENT" or code == "ENOTDIR" then return false end
  return nil, text, code
end

local function write_with(self, method, path, text, how)
  local folder = core_of(self, method)
  local what = "folder:" .. method
  check_text(method, "path", path)
  check_text(method, "text", text)
  if how == nil then return folder[method](folder, path, text, self.limit) end
  options.check(what, how, WRITE, 2)
  check_bytes(what, "limit", how.limit)
  return folder[method](folder, path, text, how.limit or self.limit, how.sync, how.new,
    how.private)
end

---@class mcp.FolderWriteOptions
---@field sync? boolean returns when the disk has it: the file survives a power failure
---@field new? boolean the file must not exist yet ("EEXIST")
---@field private? boolean only the owner of the process can read and write the file
---@field limit? integer bytes of the file; the limit of the folder if not given

---Writes a file, in place of the old one if there is one. A reader finds the old file or the new
---one, whole, and so does the next start after a failure. The permissions of the old file stay.
---@param path string
---@param text string the bytes
---@param how? mcp.FolderWriteOptions
---@return true? written
---@return string? message
---@return string? code "ETOOBIG", "EISDIR", "ELOOP": it is a link; "EACCES", "ENOSPC", "EDQUOT", …
function methods:write(path, text, how)
  return write_with(self, "write", path, text, how)
end

---Adds to the end of a file, making it if there is none.
---@param path string
---@param text string the bytes
---@param how? mcp.FolderWriteOptions
---@return true? written
---@return string? message
---@return string? code as of `write`
function methods:append(path, text, how)
  return write_with(self, "append", path, text, how)
end

---Removes a file, a link (not what it leads to), or an empty folder.
---@param path string
---@return true? removed
---@return string? message
---@return string? code "ENOENT", "ENOTEMPTY", …
function methods:remove(path)
  local folder = core_of(self, "remove")
  return folder:remove(check_text("remove", "path", path))
end

---Renames a file or folder, in place of a file that has the new name.
---@param from string
---@param to string
---@param how? { new: boolean? } new: nothing may have the name ("EEXIST")
---@return true? renamed
---@return string? message
---@return string? code
function methods:rename(from, to, how)
  local folder = core_of(self, "rename")
  check_text("rename", "from", from)
  check_text("rename", "to", to)
  if how ~= nil then options.check("folder:rename", how, RENAME, 2) end
  return folder:rename(from, to, how and how.new)
end

---Makes a folder.
---@param path string
---@param how? { parents: boolean? } parents: also the folders above it; one that exists is no error
---@return true? made
---@return string? message
---@return string? code "EEXIST", …
function methods:make_folder(path, how)
  local folder = core_of(self, "make_folder")
  check_text("make_folder", "path", path)
  if how ~= nil then options.check("folder:make_folder", how, MAKE, 2) end
  return folder:make(path, how and how.parents)
end

---Closes it. Operations in progress end as if it were open.
function methods:close()
  core_of(self, "close"):close()
end

metatable.__close = methods.close

function metatable:__tostring()
  return tostring(self.core)
end

local folder = {}

---Opens a folder. The path is trusted: links in it are followed.
---@param path string
---@param given? { limit: integer?, create: boolean? } limit: bytes of a file that is read or
---written (4 MiB); create: makes the folder, but not those above it, if it is missing
---@return mcp.Folder? folder
---@return string? message
---@return string? code
function folder.open(path, given)
  if type(path) ~= "string" then
    error(("mcp.folder: path: expected a string, got %s"):format(type(path)), 2)
  end
  if given ~= nil then
    options.check("mcp.folder", given, OPEN, 2)
    check_bytes("mcp.folder", "limit", given.limit)
  end
  local opened, text, code = core.folder(path, given and given.create)
  if not opened then return nil, text, code end
  return setmetatable({ core = opened, limit = given and given.limit }, metatable)
end

return folder
