-- SPDX-License-Identifier: MIT
-- bundle: a script with its modules and files at the end of the program: the contents one after
-- another, a list of them, and a trailer with a mark. The program looks for the mark when it starts
-- (src/main.c) and opens the bundle in every Lua state, in those of workers as well.
local bundle = {}

---The last bytes of a program with a bundle; the C side knows the same.
bundle.MARK = "luamcp bundle 1\n"

-- How many bytes of contents, how many of the list, the mark.
local TRAILER = "<I8I8c16"

-- An entry of the list: kind, name, path, bytes.
local ENTRY = "<Bs4s4I8"
local SCRIPT, MODULE, FILE = 1, 2, 3

---What a bundle consists of.
---@class mcp.BundleFile
---@field kind "script"|"module"|"file"
---@field name string of a module as `require` has it; of a file its path from the script's folder
---@field path string what error messages call it
---@field text string the contents

local KIND = { script = SCRIPT, module = MODULE, file = FILE }

---The bytes that follow the program's own.
---@param files mcp.BundleFile[]
---@return string bytes
function bundle.pack(files)
  local contents, list = {}, {}
  for i, each in ipairs(files) do
    contents[i] = each.text
    list[i] = ENTRY:pack(KIND[each.kind], each.name, each.path, #each.text)
  end
  local all, listed = table.concat(contents), table.concat(list)
  return all .. listed .. TRAILER:pack(#all, #listed, bundle.MARK)
end

---Has this program a bundle?
bundle.opened = false

-- The program's path, and its entries by kind and name: { path =, at =, size = }.
local program, script
local modules, files = {}, {}

local function text_of(entry)
  local file <close> = assert(io.open(program, "rb"))
  file:seek("set", entry.at)
  local text = entry.size == 0 and "" or file:read(entry.size)
  if not text or #text ~= entry.size then error(program .. ": the program is damaged", 0) end
  return text
end

-- A package.searchers entry.
local function search(name)
  local entry = modules[name]
  if not entry then return ("no module '%s' in the bundle"):format(name) end
  local chunk, text = load(text_of(entry), "@" .. entry.path, "t")
  if not chunk then error(text, 0) end
  return chunk, entry.path
end

local function read_list(path)
  local file <close> = assert(io.open(path, "rb"))
  local size = file:seek("end")
  file:seek("end", -TRAILER:packsize())
  local contents, listed = TRAILER:unpack(file:read "a")
  local at = size - TRAILER:packsize() - listed - contents
  file:seek("set", at + contents)
  local list, position = file:read(listed), 1
  while position <= listed do
    local kind, name, own, length
    kind, name, own, length, position = ENTRY:unpack(list, position)
    local entry = { name = name, path = own, at = at, size = length }
    if kind == SCRIPT then script = entry end
    if kind == MODULE then modules[name] = entry end
    if kind == FILE then files[name] = entry end
    at = at + length
  end
end

---Opens the bundle at the end of this program: `require` finds its modules from now on, before
---those of the machine. Raises if it is damaged.
---@param path string of the program
function bundle.open(path)
  program = path
  if not pcall(read_list, path) or not script then
    error(path .. ": the bundle is damaged; make it again", 0)
  end
  table.insert(package.searchers, 3, search)
  bundle.opened = true
end

---The script of the bundle that was opened.
---@return string path
---@return string text
function bundle.script()
  return script.path, text_of(script)
end

---The folder of the script, where there is no bundle; testing.load sets it. nil: that of arg[0].
---@type string|nil
bundle.folder = nil

-- "templates/page.html", or nil if the path is absolute or leaves the script's folder.
local function inside(path)
  local parts = {}
  if path == "" or path:sub(1, 1) == "/" then return nil end
  for part in path:gmatch "[^/]+" do
    if part == ".." then return nil end
    if part ~= "." then parts[#parts + 1] = part end
  end
  return table.concat(parts, "/")
end

-- The folder that the paths of a script begin at, where there is no bundle.
local function folder_of_script()
  if bundle.folder then return bundle.folder end
  local own = type(_G.arg) == "table" and _G.arg[0]
  return type(own) == "string" and own:match "^(.*)/[^/]*$" or "."
end

---Where a file that belongs to the script is on the disk.
---@param path string relative to the script's folder
---@return string|nil place nil: the program contains it, or it is not below the script's folder
function bundle.place(path)
  local name = not script and inside(path)
  return name and folder_of_script() .. "/" .. name or nil
end

---Reads a file that belongs to the script: from the program if `luamcp bundle --file` put it there,
---else from below the script's folder.
---@param path string relative to the script's folder, with "/" between names
---@return string|nil text the bytes
---@return string|nil message
---@return string|nil code "ENOENT", or "EOUTSIDE": expected a path below the script's folder
function bundle.asset(path)
  if type(path) ~= "string" then
    error("mcp.asset: expected a path, got " .. type(path), 2)
  end
  local name = inside(path)
  if not name then
    return nil, ("asset %q: expected a path below the script's folder"):format(path), "EOUTSIDE"
  end
  if script then
    if files[name] then return text_of(files[name]) end
    return nil, ("asset %q: no such file in this program; add it when you build it: luamcp bundle "
      .. "--file %s"):format(path, name), "ENOENT"
  end
  local file <close>, text = io.open(folder_of_script() .. "/" .. name, "rb")
  local bytes = file and file:read "a"
  if not bytes then
    return nil, ("asset %q: %s"):format(path, text or "cannot be read"), "ENOENT"
  end
  return bytes
end

return bundle
