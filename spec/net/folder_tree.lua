-- SPDX-License-Identifier: MIT
-- folder_tree: the folders that folder_spec.lua and folder_write_spec.lua find:
--
--   top/outside.txt  top/elsewhere/secret.txt
--   top/root/        a.txt  notes/b.md  empty/
local assert = require "luassert"
local codec = require "codecs.folder"

local tree = {}

---@param path string
---@param text string
function tree.write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

---Makes them.
---@return string top
---@return string root
function tree.make()
  local top = os.tmpname()
  os.remove(top)
  local root = top .. "/root"
  for _, path in ipairs { top, top .. "/elsewhere", root, root .. "/notes", root .. "/empty" } do
    codec.make_folder(path)
  end
  tree.write(top .. "/outside.txt", "outside")
  tree.write(top .. "/elsewhere/secret.txt", "secret")
  tree.write(root .. "/a.txt", "alpha\n")
  tree.write(root .. "/notes/b.md", "# b\n")
  return top, root
end

---Makes links in the root that lead out of it: file, dir, up and absolute.
---@param top string
function tree.link_out(top)
  for name, target in pairs { file = "../outside.txt", dir = "../elsewhere", up = "..",
    absolute = top .. "/outside.txt" } do
    codec.make_link(target, top .. "/root/" .. name)
  end
end

---@param top string
function tree.remove(top) assert(os.execute("rm -rf '" .. top .. "'")) end

---What a method has returned has to be this error.
---@param code string
function tree.refused(code, ...)
  local value, text, got = ...
  assert.is_nil(value)
  assert.is_string(text)
  assert.equal(code, got, text)
end

return tree
