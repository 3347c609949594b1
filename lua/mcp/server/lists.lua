-- SPDX-License-Identifier: MIT
-- lists: what clients see of the lists of an app, to tell whether two apps have the same.
local core = require "mcp.core"

local lists = {}

---The lists of an app. A change of its templates is one of "resources" for clients.
lists.KINDS = { "tools", "prompts", "resources", "templates" }

-- Any key: what is compared is not secret.
local KEY = ("\0"):rep(16)

---What clients see of a list, as one text: equal texts are equal lists.
---@param app mcp.App
---@param kind string one of `lists.KINDS`
---@return string
function lists.text(app, kind)
  local out = {}
  for _, entry in ipairs(app[kind].order) do
    if kind ~= "tools" or not app.listed or app.listed(entry) then
      out[#out + 1] = rawget(entry, "text") or core.encode(entry.definition, true)
        or tostring(entry)
      if entry.lister then out[#out + 1] = "list" end
    end
  end
  for _, source in ipairs(kind == "resources" and app.skill_set and app.skill_set.sources or {}) do
    out[#out + 1] = table.concat(require("mcp.nearest").keys(source.by_uri), "\n")
  end
  return table.concat(out, "\n")
end

---A short text for each list, for another process to compare.
---@param app mcp.App
---@return table<string, string> digests by kind: "tools", "prompts", "resources"
function lists.digests(app)
  local siphash = require "mcp.server.siphash"
  local out = {}
  for _, kind in ipairs(lists.KINDS) do
    local tag = ("%016x"):format(siphash.tag(KEY, lists.text(app, kind)))
    if kind == "templates" then out.resources = out.resources .. tag else out[kind] = tag end
  end
  return out
end

---Which lists differ.
---@param before table<string, table<string, string>> digests of the apps at each path
---@param after table<string, table<string, string>>
---@return { path: string, kind: string }[] changes of the apps that both have
function lists.differing(before, after)
  local out = {}
  for path, digests in pairs(after) do
    for kind, digest in pairs(before[path] and digests or {}) do
      if before[path][kind] ~= digest then out[#out + 1] = { path = path, kind = kind } end
    end
  end
  return out
end

return lists
