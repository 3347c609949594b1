-- SPDX-License-Identifier: MIT
-- names.lua: the names of tools, made from operations: the operationId, or method and path.
-- Letters, digits and underscores only, which every host accepts.
local names = {}

-- Hosts put a prefix of their own before a name, and most models take 64 characters.
names.LENGTH = 56

-- A text as a name: "repos/list-for-org" and "List for org" become list_for_org-like words.
local function word(text)
  return (text:gsub("[^%w]+", "_"):gsub("^_+", ""):gsub("_+$", ""))
end

-- GET /pets/{id}/toys: get_pets_by_id_toys
local function of_path(op)
  local path = op.path:gsub("{([^{}]+)}", "by_%1")
  return (op.method:lower() .. "_" .. word(path)):gsub("_+$", "")
end

-- FastAPI appends path and method to the name of the function: read_item_items__item_id__get.
local function without_route(op)
  local suffix = op.path:gsub("%W", "_") .. "_" .. op.method:lower()
  if #op.id > #suffix and op.id:sub(-#suffix) == suffix then return op.id:sub(1, -#suffix - 1) end
  return op.id
end

local function cut(name, length)
  return #name <= length and name or (name:sub(1, length):gsub("_+$", ""))
end

---What an operation is called, unless a setting says otherwise.
---@param op mcp.openapi.Operation
---@param reserved integer bytes that a prefix takes
---@return string
function names.of(op, reserved)
  local name = op.id and word(without_route(op)) or ""
  if name == "" then name = of_path(op) end
  return cut(name, math.max(names.LENGTH - reserved, 8))
end

---The same name, or the first one with a number that is not taken.
---@param name string
---@param taken fun(name: string): any
---@return string
function names.free(name, taken)
  if not taken(name) then return name end
  local n = 2
  while true do
    local other = ("%s_%d"):format(cut(name, names.LENGTH - #tostring(n) - 1), n)
    if not taken(other) then return other end
    n = n + 1
  end
end

return names
