-- SPDX-License-Identifier: MIT
-- shown: what a listener answers without a message: the inspect page, the card of the server,
-- routes and what authorization publishes. Loaded by servers that have any of it, and by those that
-- are open to the network.
local card = require "mcp.later" "mcp.server.listen.card"
local page = require "mcp.later" "mcp.server.listen.page"
local route = require "mcp.later" "mcp.server.front.route"
local timeout = require "mcp.server.timeout"

local shown = {}

---What a listener on a public address leaves open, in words, or nil.
---@param app mcp.App
---@param place table
---@param url string
---@return string|nil
function shown.warning(app, place, url)
  local open = {}
  if not app.auth then
    open[#open + 1] = "any client that reaches it can call everything (put authorization in front)"
  end
  if not place.tls then
    open[#open + 1] = "nothing is encrypted (tls, or a proxy that does it)"
  end
  if place.guard == false then
    open[#open + 1] = "neither Host nor Origin is checked (security.dns_rebinding_protection)"
  elseif not place.hosts and not place.guard then
    open[#open + 1] = "any Host is answered (name yours in security.allowed_hosts)"
  end
  if not open[1] then return nil end
  return ("%s is open to the network: %s"):format(url, table.concat(open, "; "))
end

-- What a listener answers without a message, beside what it has itself. Raises (level 0) for a path
-- that is taken.
local function pages_of(self, app, entry)
  local pages = {}
  for path, page_of in pairs(entry.own) do pages[path] = page_of end
  if self.card then
    local own = not entry.place.unix and entry.host:is_loopback()
      and entry.url:gsub("^ws", "http") or nil
    pages[card.path(entry.place.path)] = card.page(app, self.card, own)
  end
  if app.routes then route.pages(app, pages, entry.place.path) end
  return pages
end

local function show_pages(self, entry, again)
  local app, host = self.app, entry.host
  local pages = pages_of(self, app, entry)
  if app.auth then
    app.auth:protect(host, entry.place, entry.url, pages)
  elseif again or next(pages) then
    host:protect(nil, pages)
  end
end

---Shows what a listener answers without a message.
---@param self mcp.Listening
---@param entry table host, place, url, own (pages of its own, by path)
function shown.show(self, entry)
  local place = entry.place
  if place.inspect then
    local proxies
    -- The page knows nothing of other pages.
    proxies, self.inspect = page.open(self.page, entry.host, place, entry.own)
    table.move(proxies, 1, #proxies, #self.hosts + 1, self.hosts)
  end
  show_pages(self, entry)
end

---Raises (level 0) what keeps the listeners from showing the routes and the card of another app,
---which is to take the place of this one.
---@param listening mcp.Listening
---@param made mcp.App
function shown.check_pages(listening, made)
  for _, entry in ipairs(listening.shown) do pages_of(listening, made, entry) end
end

---The app has other routes, another name or other time limits than before.
---@param listening mcp.Listening
function shown.show_again(listening)
  for _, entry in ipairs(listening.shown) do
    if entry.host:is_open() then show_pages(listening, entry, true) end
  end
  for _, host in ipairs(listening.watched) do
    if host:is_open() then timeout.watch(listening.app, host) end
  end
end

return shown
