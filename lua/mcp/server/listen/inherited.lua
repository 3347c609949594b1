-- SPDX-License-Identifier: MIT
-- inherited: sockets that this process was started with, as systemd starts a service that has a
-- socket unit (sd_listen_fds(3)), and a supervisor its workers. They listen already: app:run serves
-- them in place of opening its own.
local core = require "mcp.core"

local inherited = {}

---The sockets and their names; nil until `take`, and where there are none.
---@type { name: string, socket: mcp.core.Socket }[]|nil
inherited.sockets = nil

---In a worker: the connections of all workers.
---@type mcp.core.Tally|nil
inherited.tally = nil

---In a worker: the store that its supervisor keeps.
---@type mcp.Store|nil
inherited.store = nil

-- What was wrong with them, for app:run.
local wrong

-- A connection is what inetd and Accept=yes give.
local function check(list)
  for i, item in ipairs(list) do
    if not item.socket:is_listening() then
      return ("LISTEN_FDS: descriptor %d is a connection, expected a socket that listens "
        .. "(systemd: Accept=no)"):format(i + 2)
    end
  end
  return nil
end

---Takes them, once: before the script runs, so that its own children get none of them.
---@param given { name: string, socket: mcp.core.Socket }[]|nil nil: those of LISTEN_PID
function inherited.take(given)
  local list, text = given, nil
  if not given then list, text = core.inherited() end
  wrong = text or list and check(list)
  inherited.sockets = list
end

-- Where a socket is bound, as options of app:run name it.
local function place_of(socket)
  if socket:is_local() then return "unix", socket:address() end
  return "http", { host = socket:address(), port = socket:port() }
end

-- Which option a socket is for: the one that bears its name, or one of its kind.
local function option_of(item, options)
  local is_local = item.socket:is_local()
  if item.name == "unix" and is_local then return "unix" end
  for _, way in ipairs { "http", "sse", "websocket" } do
    local asked = options[way] and (way == "http" or options[way] ~= true)
    if item.name == way and asked and not is_local then return way end
  end
  return is_local and "unix" or "http"
end

---The options of app:run, with an address for each socket that has none. Raises (level 0) what is
---wrong with the sockets.
---@param options table
---@return table
function inherited.extend(options)
  if wrong then error(wrong, 0) end
  local out = {}
  for name, given in pairs(options) do out[name] = given end
  for _, item in ipairs(inherited.sockets or {}) do
    local what, place = place_of(item.socket)
    if option_of(item, out) == what and not out[what] then out[what] = place end
  end
  return out
end

---Puts the sockets into the list of what is opened, in place of what would be bound: a place for
---each of them.
---@param places table[] as server/listen/options.lua makes them
---@param options table
---@return table[] places
function inherited.assign(places, options)
  local by_option = {}
  for _, item in ipairs(inherited.sockets or {}) do
    local what = option_of(item, options)
    by_option[what] = by_option[what] or {}
    table.insert(by_option[what], item.socket)
  end
  local out = {}
  for _, place in ipairs(places) do
    for i, socket in ipairs(by_option[place.what] or { false }) do
      local with = place
      if i > 1 then
        with = {}
        for name, given in pairs(place) do with[name] = given end
      end
      if socket then
        with.socket, with.tally = socket, inherited.tally
        if not socket:is_local() then with.port = socket:port() end
      end
      out[#out + 1] = with
    end
  end
  inherited.sockets = nil
  return out
end

return inherited
