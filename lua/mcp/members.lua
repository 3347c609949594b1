-- SPDX-License-Identifier: MIT
-- members: what the public module has besides what every server uses: each is loaded at its first
-- use.
local members = {}

---The options that describe an argument: mcp.integer { min = 1 }, mcp.enum { "a", "b" }, …
local SCHEMA = {
  string = true, number = true, integer = true, boolean = true, object = true, enum = true,
  any = true, list = "array",
}

---What is loaded at its first use: the module, and the member of it that it is (true: the module
---itself).
local LATER = {
  -- several things at once
  run = { "mcp.async", "run" },
  spawn = { "mcp.async", "spawn" },
  sleep = { "mcp.async", "sleep" },
  all = { "mcp.async", "all" },
  step = { "mcp.async", "step" },
  fd = { "mcp.async", "fd" },
  timeout = { "mcp.async", "timeout" },
  -- what handlers return besides strings and tables
  text = { "mcp.content", "text" },
  image = { "mcp.content", "image" },
  audio = { "mcp.content", "audio" },
  resource_link = { "mcp.content", "resource_link" },
  embedded = { "mcp.content", "embedded" },
  blob = { "mcp.content", "blob" },
  user = { "mcp.content", "user" },
  assistant = { "mcp.content", "assistant" },
  -- what a client needs
  connect = { "mcp.client.connect", "open" },
  session = { "mcp.client.connect", "session" },
  connect_all = { "mcp.client.connect_all", true },
  config = { "mcp.client.config", "load" },
  stdio_client = { "mcp.client.transport.stdio", "new" },
  websocket_client = { "mcp.client.transport.websocket", "new" },
  canceller = { "mcp.client.call", "canceller" },
  client_cache = { "mcp.client.cache", "new" },
  streamable_http_client = { "mcp.client.transport.http", "new" },
  sse_client = { "mcp.client.transport.sse", "new" },
  auth = { "mcp.auth", true },
  -- not a client's, and as rarely needed
  transform = { "mcp.server.transform", true },
  worker = { "mcp.worker", "open" },
  process = { "mcp.process", true },
  fetch = { "mcp.fetch", "request" },
  folder = { "mcp.folder", "open" },
  asset = { "mcp.bundle", "asset" },
  chart = { "mcp.chart", "new" },
  json = { "mcp.json", true },
  ui = { "mcp.ui", true },
  uri = { "mcp.uri_tools", true },
  time = { "mcp.time", "now" },
  timestamp = { "mcp.time", "text" },
}

---Questions to the client: ctx:ask { name = mcp.elicit("Your name?", { name = "string" }) }, …
local QUESTION = { elicit = true, elicit_url = true, sample = true, roots = true }

-- Loaded at the first read of a field that does not exist.
local misspelt

---All names of the module.
---@param mcp table what is loaded
---@return string[]
function members.names(mcp)
  local list = { "middleware" }
  for _, known in ipairs { mcp, SCHEMA, LATER, QUESTION } do
    for name in pairs(known) do list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

---A member that the module has not got yet; raises for a name that it never has.
---@param mcp table the module, which keeps it
---@param key any
---@return any
function members.find(mcp, key)
  if key == "middleware" then
    local found = require "mcp.server.middleware"
    rawset(mcp, key, found)
    return found
  end
  if key == "limits" then
    local found = require("mcp.limits").set
    rawset(mcp, key, found)
    return found
  end
  local later = LATER[key]
  if later then
    local found = require(later[1])
    if later[2] ~= true then found = found[later[2]] end
    rawset(mcp, key, found)
    return found
  end
  if QUESTION[key] then
    local found = require("mcp.message.question")[key]
    rawset(mcp, key, found)
    return found
  end
  local name = SCHEMA[key]
  if not name then
    misspelt = misspelt or require("mcp.misspelt").index("mcp", function()
      return members.names(mcp)
    end)
    return misspelt(mcp, key)
  end
  local found = require("mcp.schema")[name == true and key or name]
  rawset(mcp, key, found)
  return found
end

return members
