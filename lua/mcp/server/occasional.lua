-- SPDX-License-Identifier: MIT
-- occasional: methods of apps that few scripts call. server/init.lua loads them when the first of
-- them is called: what every server starts with stays small.
local bus = require "mcp.server.bus"
local check_options = require("mcp.options").check
local core = require "mcp.core"

local occasional = {}

-- mcp.server and parts of it, set by `open`.
local server, check_call, check_self, here, key_of, refuse_twice, register, run

---@class mcp.App
local methods = {}

---Tools and resources from the operations of an OpenAPI document (3.0 or 3.1, JSON or YAML).
---@param source string|table a path, an address, or the decoded document
---@param options mcp.OpenApiOptions?
---@return mcp.OpenApiReport report what has become of each operation
function methods.openapi(app, source, options)
  check_self("openapi", app)
  return require("mcp.openapi").import(app, source, options, here(2))
end

---Puts a function around every request: `app:use(function(request, next) … end)`. The first one is
---outermost. `next(request)` gives the result, or nil and an mcp.error.
---@param fn fun(request: mcp.Request, next: fun(request: mcp.Request): table|nil, table|nil)
function methods.use(app, fn)
  check_self("use", app)
  return require("mcp.server.middleware").use(app, fn)
end

---A path of the program's own on its HTTP listeners:
---`app:route("/status", function(request) … end)`. The function returns a body (a string, or a
---table that is sent as JSON) and, if wanted, a table with status, type and headers; nil is 404.
---@param path string
---@param options table|function auth (the caller needs a token), any_host, type (of the body),
---timeout (seconds); or the function
---@param fn fun(request: mcp.RouteRequest): string|table|nil, table|nil
function methods.route(app, path, options, fn)
  check_self("route", app)
  return require("mcp.server.front.route").add(app, path, options, fn)
end

---Lists two tools in place of all: search_tools finds tools by what they do, call_tool calls one.
---@param options table|nil pinned (names, or a function of an entry: what stays in the list), limit
---(of the tools that one search returns)
function methods.search(app, options)
  check_self("search", app)
  return require("mcp.server.search").open(app, options, here(2))
end

---Lists one tool in place of all: run_lua runs a script of the model, which calls the others.
---@param options table|nil budget (time, memory, calls, parallel, output, code), pinned (names, or
---a function of an entry: what stays in the list), hide (false: all tools stay), timeout
---(seconds), scripts (at a time), program (for their processes)
function methods.code_mode(app, options)
  check_self("code_mode", app)
  return require("mcp.server.code_mode").open(app, options, here(2))
end

---Announces that a resource's content has changed to the subscribers of its URI.
---@param address string its URI
function methods.resource_updated(app, address)
  check_self("resource_updated", app)
  if type(address) ~= "string" or bus.is_kind(address) or not utf8.len(address) then
    error("app:resource_updated: expected a URI, got " .. (type(address) == "string"
      and ("%q"):format(address) or type(address)), 2)
  end
  app.bus:publish(address)
end

---Says that a list has changed for a reason that only the app knows, such as a template's `list`
---that finds something new. Registering and removing say so themselves.
---@param kind "tools"|"prompts"|"resources"
function methods.changed(app, kind)
  check_self("changed", app)
  if not bus.is_kind(kind) then
    error(('app:changed: expected "tools", "prompts" or "resources", got %s'):format(
      type(kind) == "string" and ("%q"):format(kind) or type(kind)), 2)
  end
  app.bus:publish(kind)
end

---Counts of what handlers did that they should not. `held`: how often one, of any app in the
---process, has held the loop longer than the option `watchdog` allows. `stopped`, `oversized`: how
---many calls of this app were over their budgets of time and output.
---@return { held: integer, stopped: integer, oversized: integer }
function methods.counters(app)
  check_self("counters", app)
  local counts = app.counts
  return { held = core.held_count(), stopped = counts.stopped, oversized = counts.oversized }
end

---A page of MCP Apps (docs/apps.md): `app:ui("ui://garden/plan", { file = "plan.html" })`. A tool
---shows it with its option `ui`.
---@param address string "ui://…"
---@param options table file or html (a text, or a function (ctx) that returns one), csp { connect,
---resource, frame, base_uri }, permissions, domain, prefers_border, listed, and of a resource name,
---title, description, annotations, icons, meta, cache, visible, timeout, scopes, budget
function methods.ui(app, address, options)
  check_self("ui", app)
  if type(address) ~= "string" or type(options) ~= "table" then
    error(('app:ui: expected an address and a table of options, as in app:ui("ui://garden/plan", '
      .. '{ file = "plan.html" }); got %s and %s'):format(type(address), type(options)), 2)
  end
  local what = ("page %q"):format(address)
  local feature = require "mcp.server.feature.ui"
  check_options(what, options, feature.options, 2)
  local there = app.resources.by_name[key_of("resource", address)]
  if there then refuse_twice(what, there, 2) end
  register({ app = app, kind = "resource", feature = feature, into = app.resources,
    name = address, at = here(2) }, options, nil, what)
end

---The skills of a folder: each folder in it with a SKILL.md is one. They are read now, and again
---when clients ask and a file has changed.
---@param folder string from the script's own folder, or from where the process runs
---@param options table|nil prefix, visible, scopes, cache, timeout
---@return string[] uris of the skills
function methods.skills(app, folder, options)
  check_self("skills", app)
  local info = debug.getinfo(2, "S")
  local ok, uris = pcall(require("mcp.server.feature.skill").add, app, folder, options, here(2),
    info.source)
  if not ok then error(uris, 2) end
  return uris
end

---An extension of the protocol: methods that are served to the clients that declare it.
---@param given table id, settings, revision, methods, open, legacy, modern: see docs/extensions.md
---@return mcp.Extension handle
function methods.extension(app, given)
  check_self("extension", app)
  local ok, def = pcall(require("mcp.server.feature.extension").add, app, given, here(2))
  if not ok then error(def, 2) end
  return def
end

---Puts a function around all entries, those of mounted servers too: it gets a description of each,
---may change it, and returns it, or nothing to leave the entry out. See mcp.transform.
---@param fn fun(entry: mcp.transform.Entry): mcp.transform.Entry|nil
function methods.transform(app, fn)
  check_self("transform", app)
  return require("mcp.server.transform").add(app, fn, function(kind, entry)
    return key_of((kind == "resources" or kind == "templates") and "resource" or kind, entry.name)
  end)
end

---Takes a tool, resource or prompt away again.
---@param kind "tool"|"resource"|"prompt"
---@param name string
---@return boolean removed
function methods.remove(app, kind, name)
  check_self("remove", app)
  if kind == "tool" then return app.tools:remove(name) ~= nil end
  if kind == "prompt" then return app.prompts:remove(name) ~= nil end
  if kind ~= "resource" then
    error(('app:remove: expected "tool", "resource" or "prompt", got %q'):format(tostring(kind)), 2)
  end
  local key = type(name) == "string" and key_of(kind, name) or name
  local entry = app.resources:remove(key) or app.templates:remove(key)
  if entry and entry.lister then app.listers = app.listers - 1 end
  return entry ~= nil
end

-- Options of one listener: what is not said of the address is said of all.
local function one_listener(way, app, options)
  check_call("run_" .. way, app, options, "port = 8000", 3)
  local address, rest = {}, {}
  if options and options[way] ~= nil then
    error(("app:run_%s: unknown option %q: host, port and path say where"):format(way, way), 3)
  end
  for key, given in pairs(options or {}) do
    if key == "host" or key == "port" or key == "path" then
      address[key] = given
    else
      rest[key] = given
    end
  end
  rest[way] = address
  return rest
end

---Serves standard input and output.
---@param options table|nil it has none: what is given is refused
function methods.run_stdio(app, options)
  check_call("run_stdio", app, options, "", 2)
  if options and next(options) ~= nil then
    error(("app:run_stdio: unknown option %q: it takes no options")
      :format(tostring(next(options))), 2)
  end
  return run(app, { stdio = true })
end

---Serves Streamable HTTP, and at the same address whatever is not switched off.
---@param options table|nil host, port, path, sse, websocket, tls, security, limits, quiet
function methods.run_http(app, options) return run(app, one_listener("http", app, options)) end

---Serves HTTP+SSE, for clients of 2024-11-05. Streamable HTTP is answered at the same address.
---@param options table|nil host, port, path, tls, security, limits, quiet
function methods.run_sse(app, options) return run(app, one_listener("sse", app, options)) end

---Serves WebSocket. Streamable HTTP is answered at the same address.
---@param options table|nil host, port, path, tls, security, limits, quiet
function methods.run_websocket(app, options)
  return run(app, one_listener("websocket", app, options))
end

---Reads the certificates and keys of TLS again, of all that listens. A program of its own does it
---at SIGHUP. Where that fails, what was there goes on.
---@return true|nil reloaded
---@return string|nil message
function methods.reload_tls(app)
  check_self("reload_tls", app)
  local found, message = false, nil
  for listening in pairs(app.listening) do
    if listening.tls then
      found = true
      local ok, text = listening:reload_tls()
      if not ok then message = message or text end
    end
  end
  if not found then return nil, "this server has no TLS" end
  if message then return nil, message end
  return true
end

---Runs the script of the program again, or `fn`, which makes an app: what it registers replaces, in
---one step, what this app has. Sessions, streams and calls in progress go on. Where that fails,
---what was there goes on serving.
---@param fn (fun(): mcp.App)|nil needed unless `luamcp run` runs a script
---@return true|nil reloaded
---@return string|nil message
---@return string|nil code "EBUSY": a reload is in progress already
function methods.reload(app, fn)
  check_self("reload", app)
  if server.member and fn == nil then return server.member.roll() end
  if fn == nil and not app.script then
    error("app:reload: expected a function that makes an app: this program is not luamcp run, or "
      .. "the app does not serve yet", 2)
  elseif fn ~= nil and type(fn) ~= "function" then
    error("app:reload: expected a function that makes an app, got " .. type(fn), 2)
  end
  local of = getmetatable(app).of
  return require("mcp.server.reload").run(server, of or app, fn)
end

---The methods.
---@param of table mcp.server
---@return table<string, function>
function occasional.open(of)
  local parts = of.parts
  server, check_self = of, of.check_self
  check_call, here, key_of = parts.check_call, parts.here, parts.key_of
  refuse_twice, register, run = parts.refuse_twice, parts.register, parts.run
  return methods
end

return occasional
