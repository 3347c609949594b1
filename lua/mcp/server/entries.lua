-- SPDX-License-Identifier: MIT
-- entries: what an app has, own and mounted, as one caller sees it, and calling one of its tools
-- from inside a handler. For handlers that offer other tools in another form, such as a search:
-- what they find and call is exactly what the client could list and call itself.
local context = require "mcp.server.context"
local dispatch = require "mcp.server.dispatch"
local gate = require "mcp.server.feature.gate"
local state = require "mcp.server.ask.state"

local entries = {}

local KINDS = { tools = true, prompts = true, resources = true, templates = true }

local function lacks_scopes(app, ctx, entry)
  return entry.scopes and app.auth and ctx.auth
    and require("mcp.auth.server.principal").lacks(ctx.auth, entry.scopes)
end

---The entries of one kind that the caller may see and whose scopes it has, in the order of the
---list. Waits until mounted servers have been read for the first time.
---@param app mcp.App
---@param ctx mcp.Context
---@param kind "tools"|"prompts"|"resources"|"templates"|nil "tools" by default
---@return table[] entries each with name, kind, definition (as the protocol names its members)
function entries.visible(app, ctx, kind)
  kind = kind or "tools"
  if not KINDS[kind] then
    error(('entries.visible: expected "tools", "prompts", "resources" or "templates", got %q')
      :format(tostring(kind)), 2)
  end
  if app.mounts then app.mounts:prepare(kind .. "/list") end
  local out = {}
  for _, entry in ipairs(app[kind].order) do
    if gate.sees(entry, ctx) and not lacks_scopes(app, ctx, entry) then out[#out + 1] = entry end
  end
  return out
end

-- The context of a call inside another: the same client, stream and questions, another entry.
local function inner(app, ctx)
  local made = context.new(rawget(ctx, "exchange"), ctx.revision, ctx.own_session, "tools/call",
    rawget(ctx, "meta_text"), app)
  for _, name in ipairs { "own_exchange", "auth", "task", "meta", "beats", "beaten", "level",
    "token" } do
    rawset(made, name, rawget(ctx, name))
  end
  -- Questions are numbered in the whole call, so that they find their answers when it runs again.
  rawset(made, "asking", state.of(ctx))
  return made
end

---Calls a tool as if the client had called it: scopes, middleware, visibility, the check of its
---arguments and the mending of its errors all apply. Progress, log messages and questions of the
---tool go to the client of `ctx`.
---@param app mcp.App
---@param ctx mcp.Context of the call that is in progress
---@param name string
---@param arguments table|nil
---@return table|nil result content, structuredContent, isError
---@return table|nil err an mcp.error: no such tool, a missing scope, a refusal of middleware
function entries.call(app, ctx, name, arguments)
  local params = { name = name, arguments = arguments or {} }
  if app.mounts then
    local err = app.mounts:prepare("tools/call", params)
    if err then return nil, err end
  end
  local made = inner(app, ctx)
  if app.auth and ctx.auth and app.scoped > 0 then
    local err = require("mcp.server.feature.scope").refusal(app, made, "tools/call", params)
    if err then return nil, err end
  end
  local handler = dispatch.handlers(app, ctx.revision.era)["tools/call"]
  if not handler then return nil, dispatch.unknown(ctx.revision.era, "tools/call") end
  local result, err = dispatch.judged(made, handler, app, made, params)
  -- A question of the stateless era has ended the call: that ends the outer one as well.
  local asking = rawget(ctx, "asking")
  if asking.result then require("mcp.server.ask.replay").check(asking) end
  return result, err
end

return entries
