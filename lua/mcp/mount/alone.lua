-- SPDX-License-Identifier: MIT
-- alone: what is special about an app that is one other server (mount/single.lua): it has the
-- description of that server, and where the server changes a list for one client, that client gets
-- the server's own list.
local bus = require "mcp.server.bus"
local entries = require "mcp.mount.entries"
local identity = require "mcp.server.identity"
local value = require "mcp.value"

local alone = {}

-- The other server may have sent anything.
local function text_of(given) return type(given) == "string" and given ~= "" and given or nil end

---The app says of itself what the other server says.
---@param app mcp.App
---@param client mcp.Client of that server
function alone.identify(app, client)
  local about = value.object(client.server)
  identity.set(app, {
    name = text_of(about.name) or app.name, version = text_of(about.version) or "0.0.0",
    title = text_of(about.title), description = text_of(about.description),
    websiteUrl = text_of(about.websiteUrl),
    icons = value.is_array(about.icons) and about.icons or nil,
  }, text_of(client.instructions))
end

local METHODS = { tools = "notifications/tools/list_changed",
  prompts = "notifications/prompts/list_changed",
  resources = "notifications/resources/list_changed" }

---The server has changed a list for one client alone: that one is asked from now on.
---@param self mcp.mount.Server
---@param made mcp.mount.Link of that client
---@param what string
function alone.on_change(self, made, what)
  if not bus.is_kind(what) or not made.session then return end
  made.changed = made.changed or {}
  made.changed[what] = true
  self.mounts.app.bus:announce(made.session, METHODS[what], nil)
end

local LISTS = { ["tools/list"] = "tools", ["prompts/list"] = "prompts",
  ["resources/list"] = "resources", ["resources/templates/list"] = "resources" }

-- The connection of this client, if its lists of this kind are not those of the app.
local function own_link(made, ctx, what)
  local session = ctx.own_session
  local own = session and made.upstream.of[session]
  -- What is pinned is pinned for all.
  return own and own.changed and own.changed[what] and not own.client.pins and own or nil
end

---Puts what asks the server itself around the lists.
---@param made mcp.mount.Server
---@param handlers table<string, function>
function alone.adapt(made, handlers)
  for method, what in pairs(LISTS) do
    local listed = handlers[method]
    handlers[method] = listed and function(app, ctx, params)
      if not own_link(made, ctx, what) then return listed(app, ctx, params) end
      return app:cacheable(ctx.revision, (made:request(ctx, method, { cursor = params.cursor })))
    end
  end
end

---The entry for a tool or prompt that only this client's list has.
---@param made mcp.mount.Server
---@param ctx mcp.Context
---@param kind "tools"|"prompts"
---@param name any
---@return table|nil entry
function alone.find(made, ctx, kind, name)
  if type(name) ~= "string" or not own_link(made, ctx, kind) then return nil end
  return entries.named(made, kind, name)
end

return alone
