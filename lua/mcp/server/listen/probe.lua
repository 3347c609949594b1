-- SPDX-License-Identifier: MIT
-- probe: paths for what watches a server: is it alive (`health`), should it get requests (`ready`),
-- and its figures (`metrics`). Probes of orchestrators send an address as Host, so the first two
-- answer whatever Host says: they tell nothing.
local metrics = require "mcp.later" "mcp.server.listen.metrics"

local probe = {}

---The paths, unless the options name others.
probe.PATHS = { health = "/healthz", ready = "/readyz", metrics = "/metrics" }

local function health() return "ok" end

-- Ready until it drains, and while the program's own function says so.
local function ready_of(app, fn)
  return function()
    if app.draining then return "draining", { status = 503 } end
    if app.shared and not app.shared:is_ready() then
      return "the store that the processes share cannot be reached", { status = 503 }
    end
    if not fn then return "ready" end
    local ok, reason = fn()
    if ok then return "ready" end
    return tostring(reason or "not ready"), { status = 503 }
  end
end

local function path_of(name, given)
  if given == true or type(given) == "function" then return probe.PATHS[name] end
  if type(given) ~= "string" or not given:find "^/[%w/._~-]*$" then
    error(("%s: expected true or a path such as %q, got %s"):format(name, probe.PATHS[name],
      type(given) == "string" and ("%q"):format(given) or type(given)), 0)
  end
  return given
end

---Declares what the options of app:run ask for. Raises (level 0) what is wrong with them.
---@param app mcp.App
---@param given table health, ready, metrics, paths
function probe.add(app, given)
  local route = require "mcp.server.front.route"
  local function add(name, fn, any_host, kind)
    local path = path_of(name, given[name])
    local there = app.routes and app.routes[path]
    -- The same app may be opened again, with another function.
    if there and there.probe == name then
      there.fn = fn or there.fn
      return
    end
    if there and there.probe then
      error(("%s: %q is the path of %s"):format(name, path, there.probe), 0)
    end
    route.add(app, path, { any_host = any_host, type = kind }, fn or metrics.of(app, given.paths))
    app.routes[path].probe = name
  end
  if given.health then add("health", health, true) end
  if given.ready then
    add("ready", ready_of(app, type(given.ready) == "function" and given.ready or nil), true)
  end
  if given.metrics then add("metrics", nil, false, metrics.TYPE) end
end

return probe
