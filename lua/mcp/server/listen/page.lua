-- SPDX-License-Identifier: MIT
-- page: puts the inspect page on a listener, and opens the listener of its proxy beside it: a
-- second origin, with one document and nothing that could be called.
local core = require "mcp.core"
local inspect = require "mcp.server.inspect"

local page = {}

---Connections to the listener of the proxy. A browser opens a few for each page.
page.CONNECTIONS = 64

-- The ways to write the address of a listener on loopback, for browsers. ::1 is called localhost: a
-- policy cannot name an address in brackets.
local function origins(place, port)
  local scheme = place.tls and "https" or "http"
  local names = place.host == "::1" and { "localhost" }
    or place.host == "localhost" and { "localhost", "127.0.0.1" } or { "127.0.0.1", "localhost" }
  for i, name in ipairs(names) do names[i] = ("%s://%s:%d"):format(scheme, name, port) end
  return names
end

local function nothing() return 404 end

local function listen(place, name, port)
  return core.listen_http({ host = name, port = port, tls = place.tls, body_limit = 1,
    connections = page.CONNECTIONS }, nothing)
end

-- The port beside that of the page, for those who forward ports; if it is taken, any that is free.
-- Pages are framed as localhost where the inspect page is 127.0.0.1: to a browser that is another
-- site, so a page that computes without end does not stop the inspect page. Then ::1 is ours too:
-- a browser could find another user's program there.
local function open_proxy(place, port)
  local text
  for _, number in ipairs { port < 65535 and port + 1 or 0, 0, 0, 0 } do
    local host, code
    host, text = listen(place, place.host, number)
    if host and place.host ~= "127.0.0.1" then return { host } end
    if host then
      local second
      second, text, code = listen(place, "::1", host:port())
      if second then return { host, second } end
      if code ~= "EADDRINUSE" then return { host } end -- no IPv6 here
      host:close()
    end
  end
  error("inspect: cannot listen for the frames of pages: " .. text, 0)
end

---Reads the files of the page. Raises (level 0) if one of them, or SHA-256, is missing.
---@param listening table mcp.Listening
---@param private boolean serve the page and no other clients
---@return table made `pages`: which of them may connect, where that is restricted
function page.read(listening, private)
  local app, made = listening.app, { page = inspect.new(listening.app.name) }
  if private and app.auth then
    error('inspect: expected true, got "private": with auth other clients need a token already', 0)
  end
  if private or app.auth then
    made.pages = require("mcp.server.inspect.admission").new(function(token)
      listening.inspect = made.address .. "#token=" .. token
      if listening.announce then listening.announce("inspect it at " .. listening.inspect) end
    end)
  end
  return made
end

---The page of a listener that has just been opened, and the proxy beside it. Raises (level 0) where
---that is impossible.
---@param made table as `read` has returned it
---@param host userdata the listener
---@param place table what it was opened with
---@param pages table<string, any> what the listener shows: the page is added
---@return userdata[] proxies the listeners of the proxy
---@return string address of the page
function page.open(made, host, place, pages)
  -- What localhost is, the system says.
  if not host:is_loopback() then
    error(("inspect: %s is not loopback on this machine"):format(place.host), 0)
  end
  local hosts = origins(place, host:port())
  local proxies, document = open_proxy(place, host:port()), inspect.proxy(hosts)
  for _, proxy in ipairs(proxies) do proxy:protect(nil, { [document.path] = document }) end
  local names = origins(place, proxies[1]:port())
  -- Its certificate may have one of the names only.
  if place.tls or place.host ~= "127.0.0.1" then names[2] = nil end
  local shown = made.page:document(place.path, hosts, names, made.pages ~= nil)
  pages[shown.path], made.address = shown, hosts[1] .. shown.path
  return proxies, made.address .. (made.pages and "#token=" .. made.pages.token or "")
end

return page
