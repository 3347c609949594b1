-- SPDX-License-Identifier: MIT
-- replace: the mounts of an app that is reloaded. A server that is mounted as before keeps its
-- connections; the others are opened when they are first needed, as any mount.
local same = require "mcp.same"

local replace = {}

-- Are two targets or options the same? A function may do something else each time it is made.
local function as_given(a, b)
  if a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" or getmetatable(a) or getmetatable(b) then
    return false
  end
  return nil
end

local function empty() return { tools = {}, prompts = {}, resources = {}, templates = {} } end

-- It is in no list any more. Its connections are for calls that are in progress.
local function leave(each)
  if each.mortal then
    each.gone, each.lists = true, empty()
    return true
  end
  each:close()
  return false
end

---Gives an app the mounts of another, in place of its own.
---@param app mcp.App
---@param made mcp.App
---@return table[] gone what has connections and is mounted no more, for the caller to close
function replace.take(app, made)
  local old, new = app.mounts or nil, made.mounts or nil
  local gone, carried = {}, {}
  if new and old then
    local mortal = {}
    for _, each in ipairs(new.mortal) do mortal[each] = true end
    local list, mortals, by_name = {}, {}, {}
    for i, each in ipairs(new.list) do
      local there, is_mortal = old.by_name[each.name], mortal[each]
      if there and same(there.given, each.given, as_given) then
        each:close()
        carried[there] = true
        each = there
      else
        each:move(old)
      end
      list[i], by_name[each.name] = each, each
      if is_mortal then mortals[#mortals + 1] = each end
    end
    for _, each in ipairs(old.list) do
      if not carried[each] and leave(each) then gone[#gone + 1] = each end
    end
    old.list, old.mortal, old.by_name, old.noted = list, mortals, by_name, {}
    old.deadline, old.shown = new.deadline, setmetatable({}, { __mode = "k" })
    old.unreported = old.unreported or new.unreported
    return gone
  end
  for _, each in ipairs(old and old.list or {}) do
    if leave(each) then gone[#gone + 1] = each end
  end
  if new then new.app = app end
  app.mounts = new or false
  return gone
end

return replace
