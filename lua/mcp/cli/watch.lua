-- SPDX-License-Identifier: MIT
-- watch: tells when a file of a script has changed, for `luamcp run --watch`. The folders of the
-- script and of its modules are watched, because editors replace files by renaming.
local core = require "mcp.core"
local files_of = require("mcp.cli.script").files

local watch = {}

---How long no further change must follow, in seconds: an editor makes several for each save.
watch.PAUSE = 0.08
---How long changes are gathered at most, in seconds.
watch.MOST = 1.6
---How often a file is looked at where the system cannot tell of changes, in seconds.
watch.POLL = 1

local Watch = { __name = "mcp.cli.watch" }
Watch.__index = {}

local function folder_of(path) return path:match "^(.*)/[^/]*$" or "." end

-- Calls `changed` once there has been no change for a moment.
local function gather(self)
  local seen
  repeat
    local began = core.now()
    repeat
      seen = self.noted
      if not core.sleep(watch.PAUSE) then return end
    until self.noted == seen or core.now() - began >= watch.MOST
    if self.closed then return end
    seen = self.noted
    self.changed()
    -- A new script may have other modules.
    if not self.closed then self:follow() end
  until self.noted == seen
  self.gathering = false
end

-- Is a change in the folder one of the script? Links that orchestrators turn are called ..data.
local function matters(self, folder, name)
  if not name or name:find "%.lua$" or name:sub(1, 6) == "..data" then return true end
  return self.files[folder .. "/" .. name] ~= nil
end

local function note(self)
  self.noted = self.noted + 1
  if self.gathering or self.closed then return end
  self.gathering = true
  core.spawn(gather, self)
end

-- Watches a folder or, where that is impossible, the files in it.
local function open(self, folder)
  local made, text, code = core.watch_path(folder, nil, function(name)
    if matters(self, folder, name) then note(self) end
  end)
  if made then return { made } end
  if not self.warned then
    core.log("warning", ("--watch: %s: %s (%s): its files are looked at once a second"):format(
      folder, text, code))
    self.warned = true
  end
  local list = {}
  for path in pairs(self.files) do
    if folder_of(path) == folder then
      list[#list + 1] = core.watch_path(path, watch.POLL, function() note(self) end)
    end
  end
  return list
end

---Watches what the script consists of now.
function Watch.__index:follow()
  self.files = files_of(self.script)
  local wanted = {}
  for path in pairs(self.files) do wanted[folder_of(path)] = true end
  for folder, list in pairs(self.folders) do
    if not wanted[folder] or #list ~= 1 then
      for _, each in ipairs(list) do each:close() end
      self.folders[folder] = nil
    end
  end
  for folder in pairs(wanted) do
    self.folders[folder] = self.folders[folder] or open(self, folder)
  end
end

---Ends it.
function Watch.__index:close()
  self.closed = true
  for _, list in pairs(self.folders) do
    for _, each in ipairs(list) do each:close() end
  end
  self.folders = {}
end

---Begins to watch.
---@param script table as mcp.cli.script has it
---@param changed fun() called after a change; may wait
---@return table watch
function watch.start(script, changed)
  local self = setmetatable({ script = script, changed = changed, files = {}, folders = {},
    noted = 0, gathering = false, closed = false, warned = false }, Watch)
  self:follow()
  return self
end

return watch
