-- SPDX-License-Identifier: MIT
-- mcp: the front door. `local mcp = require "mcp"`.
--
-- What a server needs is here at once; the rest is loaded when it is first
-- asked for, so that starting stays a matter of milliseconds.
local async = require "mcp.async"
local content = require "mcp.content"
local core = require "mcp.core"
local failure = require "mcp.failure"
local server = require "mcp.server"
local value = require "mcp.value"

local mcp = {
  _VERSION = "luamcp " .. core.version,
  server = server.new,
  error = failure.new,

  -- JSON: what Lua has no word for
  null = value.null,
  array = value.array,

  -- what handlers return
  text = content.text,
  image = content.image,
  audio = content.audio,
  resource_link = content.resource_link,
  embedded = content.embedded,
  blob = content.blob,
  user = content.user,
  assistant = content.assistant,

  -- several things at once
  run = async.run,
  spawn = async.spawn,
  sleep = async.sleep,
  all = async.all,
  step = async.step,
  fd = async.fd,
  timeout = async.timeout,

  -- files below one folder, and nowhere else
  folder = core.folder,
}

---The options that describe an argument: mcp.integer { min = 1 }, mcp.enum { "a", "b" }, …
local SCHEMA = {
  string = true, number = true, integer = true, boolean = true, object = true, enum = true,
  any = true, list = "array",
}

---What a client needs: the module, and the member of it that it is (true: the module itself).
local CLIENT = {
  connect = { "mcp.client.connect", "open" },
  session = { "mcp.client.connect", "session" },
  stdio_client = { "mcp.client.transport.stdio", "new" },
  websocket_client = { "mcp.client.transport.websocket", "new" },
  canceller = { "mcp.client.call", "canceller" },
  client_cache = { "mcp.client.cache", "new" },
  streamable_http_client = { "mcp.client.transport.http", "new" },
  sse_client = { "mcp.client.transport.sse", "new" },
  auth = { "mcp.auth", true },
  -- not a client's, and as rarely needed
  worker = { "mcp.worker", "open" },
}

---Questions to the client: ctx:ask { name = mcp.elicit("Your name?", { name = "string" }) }, …
local QUESTION = { elicit = true, elicit_url = true, sample = true, roots = true }

-- Loaded at the first read of a field that does not exist.
local misspelt

local function names()
  local list = { "middleware" }
  for _, members in ipairs { mcp, SCHEMA, CLIENT, QUESTION } do
    for name in pairs(members) do list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

return setmetatable(mcp, {
  __index = function(_, key)
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
    local later = CLIENT[key]
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
      misspelt = misspelt or require("mcp.misspelt").index("mcp", names)
      return misspelt(mcp, key)
    end
    local found = require("mcp.schema")[name == true and key or name]
    rawset(mcp, key, found)
    return found
  end,
})
