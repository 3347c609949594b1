-- SPDX-License-Identifier: MIT
-- server.lua: tools with pages, good and bad ones, for the inspect page as a host of MCP Apps. The
-- declarations are written past the checks of app:ui, which would refuse the bad ones. The pages
-- are the files beside this one. Its word is the folder with the public package for pages.
local mcp = require "mcp"

local FOLDER = arg[0]:match "^(.*/)" or "./"
local MIME = "text/html;profile=mcp-app"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return (file:read "a")
end

local app = mcp.server { name = "garden", title = "The garden", version = "3.1" }

-- A page and the tool that shows it.
local function page(name, options)
  local uri = "ui://garden/" .. name
  app:resource(uri) { mime = MIME } (function()
    local text = options.text or read(FOLDER .. name .. ".html")
    -- The hostile page tries to reach the server itself.
    text = text:gsub("{{server}}", next(app.listening).urls[1]:match "^%a+://[^/]+")
    return { uri = uri, mimeType = options.mime or MIME, text = text,
      _meta = not options.listed and { ui = options.ui or { prefersBorder = true } } or nil }
  end)
  local definition = app.resources.by_name[uri].definition
  definition.mimeType = options.mime or MIME
  if options.listed then definition._meta = { ui = options.listed } end
end

local function tool(name, options)
  app:tool(name) { title = options.title, description = options.description, input = options.input,
    annotations = options.annotations } (options.handler or function() return "done" end)
  app.tools.by_name[name].definition._meta = { ui = options.ui }
end

local READS = { read_only = true }

-- --- the garden plan ---

local days = { "Monday", "Friday" }
page("plan", {})
tool("watering", { title = "When to water", description = "The days on which a bed is watered",
  input = { bed = "string" }, annotations = READS, ui = { resourceUri = "ui://garden/plan" },
  handler = function() return { days = days } end })
tool("move", { description = "Moves a day", input = { from = "string", to = "string" },
  ui = { visibility = { "app" } }, handler = function(args)
    for i, day in ipairs(days) do if day == args.from then days[i] = args.to end end
    return { days = days }
  end })
tool("grow", { input = { steps = "integer" }, annotations = READS, handler = function(args, ctx)
  for i = 1, args.steps do
    ctx:progress(i, args.steps, "leaf " .. i)
    if not ctx:sleep(0.05) then return nil, "cancelled" end
  end
  return "grown"
end })
tool("secret", { annotations = READS, ui = { visibility = { "model" } } })
tool("slow", { ui = { resourceUri = "ui://garden/plan" }, handler = function(_, ctx)
  ctx:sleep(60)
  return "late"
end })
tool("broken", { ui = { resourceUri = "ui://garden/plan" }, handler = function()
  return nil, "the tap is broken"
end })

-- --- a page with the public package ---

local package = arg[1] and read(arg[1] .. "/app-with-deps.js")
if package then
  -- An inline script exports nothing: what the last statement names becomes a global.
  local body, names = package:match "^(.*)export%s*(%b{});?%s*$"
  assert(body, "the package has no export at its end")
  local app_name = assert(names:match "([%w_$]+) as App[,}]", "the package exports no App")
  page("package", { text = (read(FOLDER .. "package.html"):gsub("{{package}}", function()
    return body .. ";globalThis.App=" .. app_name
  end)) })
  tool("package", { input = { bed = "string" }, annotations = READS,
    ui = { resourceUri = "ui://garden/package" }, handler = function() return { days = days } end })
end

-- --- a page that asks for things ---

page("asks", { listed = { csp = { connectDomains = { "https://api.example",
  "http://127.0.0.1:9" } }, permissions = { camera = {} } } })
tool("asks", { ui = { resourceUri = "ui://garden/asks" } })
tool("change", { annotations = READS, handler = function()
  app:tool "changed" (function() return "new" end)
  return "changed"
end })
tool("rewrite", { annotations = READS, handler = function()
  app:resource_updated "ui://garden/asks"
  return "rewritten"
end })

-- --- hostile ones ---

page("hostile", { ui = { csp = {
  connectDomains = { "https://api.example", "http://127.0.0.1:1", "http://localhost:9",
    "https://a.example; script-src *", "'unsafe-eval'", "*", "https://*.com",
    "http://0x7f000001", "http://192.168.1.1", "data:",
    "https://user@b.example", "https://c.example/path", "wss://live.example:8443" },
  resourceDomains = { "https://*.static.example" }, frameDomains = "https://d.example",
}, permissions = { camera = {} } } })
tool("hostile", { ui = { resourceUri = "ui://garden/hostile" } })
for _, name in ipairs { "flood", "spin", "elsewhere", "again", "form", "silent" } do
  page(name, {})
  tool(name, { ui = { resourceUri = "ui://garden/" .. name } })
end

-- --- mistakes ---

tool("missing", { ui = { resourceUri = "ui://garden/nowhere" } })
page("typed", { mime = "text/html+mcp", text = "<p>A page of an old type</p>" })
tool("typed", { ui = { resourceUri = "ui://garden/typed", csp = { connectDomains = {} },
  visibility = "app" } })
tool("dumb", { ui = { resourceUri = "ui://garden/plan" },
  handler = function() end })
tool("foreign", { ui = { resourceUri = "https://evil.example/" } })

app:run { http = { port = 0 }, inspect = true }
