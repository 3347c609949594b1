-- SPDX-License-Identifier: MIT
-- script: the script that `luamcp run` runs, to be run again: in the same Lua state, with its own
-- modules loaded again. server/reload.lua puts what it makes in the place of what serves.
local loading = require "mcp.loading"
local core = require "mcp.core"

local script = {}

-- Is this module one of the script's: a Lua file in its folder, or below? Other modules, and those
-- in C, may hold what must not be there twice.
local function own_file(self, name)
  if name == "mcp" or name:find "^mcp%." then return nil end
  local path = package.searchpath(name, package.path)
  return path and path:sub(1, #self.folder + 1) == self.folder .. "/" and path or nil
end

-- The modules of the script that are loaded, by name.
local function own_modules(self)
  local out = {}
  for name in pairs(package.loaded) do
    if type(name) == "string" then out[name] = own_file(self, name) end
  end
  return out
end

---The files that make up the script: a change of one of them is a reason to run it again.
---@param self table
---@return table<string, boolean> paths
function script.files(self)
  local out = { [self.path] = true }
  for _, path in pairs(own_modules(self)) do out[path] = true end
  return out
end

-- Forgets the script's modules. Calling what is returned brings them back.
local function forget_modules(self)
  local kept = {}
  for name in pairs(own_modules(self)) do
    kept[name], package.loaded[name] = package.loaded[name], nil
  end
  return function()
    for name in pairs(own_modules(self)) do package.loaded[name] = nil end
    for name, module in pairs(kept) do package.loaded[name] = module end
  end
end

-- The coroutine of the script. `report(found, text)` is called when it serves, or has failed.
local function run(self, chunk, building, report)
  building.thread = coroutine.running()
  loading.script = { thread = building.thread, started = building.token.started }
  local waiter, serves = building.token.waiter, false
  function building.serve(app, options)
    building.thread, building.serve, loading.script, serves = nil, nil, nil, true
    report { app = app, options = options }
    -- Cancelled when the token of its entries is collected: what stands after app:run() runs, and
    -- its <close> variables are closed, once nothing of the script is in use any more.
    waiter:wait()
  end
  local ok, problem = xpcall(function(main)
    local result = main(table.unpack(self.args))
    if (type(result) == "table" and getmetatable(result) or {}).__name == "mcp.server"
      and not serves then
      result:run()
    end
  end, function(raised) return require "mcp.script_error"(raised) end, chunk)
  if serves then
    if not ok then core.log_lines("error", problem) end
  else
    report(nil, not ok and problem
      or self.path .. ": the script ends without app:run(), and returns no app")
  end
end

---Runs a script up to app:run().
---@param self table name, path, folder, args, read(), package_path, package_cpath
---@param building table the reload: token; gets serve while the script loads
---@return table|nil found app, options of app:run, finish(taken)
---@return string|nil message
function script.build(self, building)
  local chunk, text = self.read()
  if not chunk then return nil, text end
  local restore = forget_modules(self)
  package.path, package.cpath = self.package_path, self.package_cpath
  local ready, task, found, problem = core.waiter(), core.waiter(), nil, nil
  task:spawn(run, self, chunk, building, function(made, reason)
    found, problem = made, reason
    ready:wake()
  end)
  local limit = require("mcp.server.reload").LIMIT
  local ok, reason, code = ready:wait(limit)
  loading.script, building.serve = nil, nil
  if not ok then
    problem = code == "ETIMEDOUT" and ("%s: no app:run() within %g s"):format(self.path, limit)
      or reason
  end
  local waiter, started = building.token.waiter, building.token.started
  local function undo()
    waiter:wake(false)
    task:cancel()
    if started.tasks then started.tasks:cancel() end
    restore()
  end
  if not found then
    undo()
    return nil, problem
  end
  function found.finish(taken)
    if not taken then undo() end
  end
  return found
end

---Reloads an app whose script this is; the outcome goes to the log. What asks for it while the
---script is loaded has it loaded once more.
---@param self table
---@param app mcp.App
function script.again(self, app)
  self.asked = true
  if self.task then return end
  self.task = true
  local _ <close> = setmetatable({}, { __close = function() self.task = false end })
  while self.asked do
    self.asked = false
    local ok, text = app:reload()
    if ok then
      core.log("notice", ("%s reloaded"):format(self.name))
    else
      core.log_lines("error", ("%s not reloaded, what was there goes on serving: %s"):format(
        self.name, text))
    end
  end
end

return script
