-- SPDX-License-Identifier: MIT
-- mark.lua: which members or items of a value a node has evaluated, for the unevaluated keywords.
--
-- Nothing is noted while validating. A part that evaluates members or items has a mark function;
-- given that the node holds for the value, it enters what it evaluated in `seen`: a member by its
-- name, an item by its place, and in seen.upto how many items from the first one on. It returns
-- true when everything is.

--- Runs the mark functions of one kind ("mark_members", "mark_items") of a node's parts.
---@param node mcp.schema.Node  holds for `v`
---@param kind string
---@param v table
---@param state table
---@param seen table
---@param except? mcp.schema.Part
---@return boolean? all
local function mark(node, kind, v, state, seen, except)
  local parts = node.parts
  for i = 1, #parts do
    local part = parts[i]
    local note = part[kind]
    if note and part ~= except and note(part, v, state, seen) then return true end
  end
end

return mark
