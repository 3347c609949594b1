-- SPDX-License-Identifier: MIT
-- transforms: the option `transform` of a mount. A function that raises for an entry leaves that
-- entry out, and names that the other server does not have are logged when its lists are known.
-- Knows neither connections nor registries.
local core = require "mcp.core"
local nearest = require "mcp.nearest"
local transform = require "mcp.server.transform"

local transforms = {}

---The functions of one mount, as one.
---@param list (fun(entry: mcp.transform.Entry): mcp.transform.Entry|nil)[]
---@return fun(mount: table, entry: table): table|nil, string|nil apply the entry; nil if one leaves
---it out; nil and a text if one raises
---@return fun(mount: table) report logs which of the names that the functions were given have not
---been seen; called once, when the lists are known
function transforms.new(list)
  -- For each function that was given names, until the report: those that it has been called with.
  local seen = {}
  for i, fn in ipairs(list) do seen[i] = transform.names(fn) and {} or false end

  local function note(first, last, name)
    for i = first, last do
      if seen[i] then seen[i][name] = true end
    end
  end

  local function apply(mount, entry)
    local named = entry.kind == "tool" or entry.kind == "prompt"
    local function rename(name)
      return named and mount.names:name(name) or mount.names:uri(name)
    end
    for i, fn in ipairs(list) do
      local name = entry.shown or entry.inner
      note(i, i, name)
      local ok, made = pcall(transform.apply, fn, entry, rename)
      if not ok or not made then
        -- It exists, though those that follow do not get it.
        note(i + 1, #list, name)
        return nil, not ok and tostring(made) or nil
      end
      entry = made
    end
    return entry
  end

  local function report(mount)
    for i, fn in ipairs(list) do
      if seen[i] then
        local what, names = transform.names(fn)
        local known = nearest.keys(seen[i])
        for _, name in ipairs(names) do
          if not seen[i][name] then
            core.log("warning", ("%s: mcp.transform.%s: %s"):format(mount.title, what,
              nearest.unknown("entry", name, known)))
          end
        end
        seen[i] = false
      end
    end
  end

  return apply, report
end

return transforms
