-- SPDX-License-Identifier: MIT
-- scratch.lua: an empty folder for the files of a spec, which removes it in the end.

local Folder = { __name = "spec.scratch" }
Folder.__index = Folder

---Writes a file into it.
---@param name string
---@param text string
---@return string path
function Folder:write(name, text)
  local path = self.path .. "/" .. name
  local out <close> = assert(io.open(path, "wb"))
  out:write(text)
  return path
end

---Removes it and all that is in it.
function Folder:remove() os.execute("rm -r " .. self.path) end
Folder.__close = Folder.remove

---@return table folder with `path`
return function()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkdir " .. path))
  return setmetatable({ path = path }, Folder)
end
