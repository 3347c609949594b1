-- SPDX-License-Identifier: MIT
-- check.lua: what the errands of our client have in common: how they connect, and how they say what
-- is not as it should be.
local mcp = require "mcp"
local core = require "mcp.core"

local check = {}

-- What has not happened by then will not.
local PATIENCE = 10 -- seconds
-- An errand takes a few.
local LIMIT = 60 -- seconds
-- A child that has to be killed takes two.
local CLOSING = 1.5 -- seconds

local function show(value)
  if type(value) ~= "table" then return tostring(value) end
  local out = {}
  for k, v in pairs(value) do out[#out + 1] = ("%s = %s"):format(k, show(v)) end
  table.sort(out)
  return "{ " .. table.concat(out, ", ") .. " }"
end

local function alike(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for k, v in pairs(a) do
    if not alike(v, b[k]) then return false end
  end
  for k in pairs(b) do
    if a[k] == nil then return false end
  end
  return true
end

---Raises if `value` is not what was expected; tables are compared by what they hold.
function check.same(value, expected)
  if alike(value, expected) then return end
  error(("got %s, expected %s"):format(show(value), show(expected)), 2)
end

---Raises if `text` has no `part` in it, a plain text.
function check.has(text, part)
  if type(text) == "string" and text:find(part, 1, true) then return end
  error(("%q is not in %s"):format(part, show(text):sub(1, 300)), 2)
end

---Waits until `fn` returns something true, and returns it; raises when it does not.
function check.soon(what, fn)
  local deadline = os.time() + PATIENCE
  repeat
    local value = fn()
    if value then return value end
    mcp.sleep(0.01)
  until os.time() > deadline
  error("did not happen: " .. what, 2)
end

---The first text of a tool's result; raises if the tool failed.
function check.text(result)
  if result.isError then error("the tool failed: " .. show(result.content), 2) end
  return result.content[1].text
end

---Says that the server does not declare `what`, so that it was not tried. interop.lua shows it.
function check.leave(what) print("left out: " .. what) end

---The names in a list of tools or the like, as a set.
function check.set(list, key)
  local out = {}
  for _, item in ipairs(list) do out[item[key or "name"]] = true end
  return out
end

---Opens a client of the server that the script's arguments name: an era, then a URL or the words
---of a command, which gets the variables `env`.
function check.open(options, env)
  options.era = arg[1]
  local target = arg[2]
  if not target:find "^%a+:" then
    target = { command = arg[2], args = { table.unpack(arg, 3) } }
    -- By this the children that are left behind are found.
    target.env = { INTEROP_MARK = os.getenv "INTEROP_MARK" }
    for name, value in pairs(env or {}) do target.env[name] = value end
  end
  local client = assert(mcp.connect(target, options))
  if options.era ~= "auto" then check.same(client.era, options.era) end
  return client
end

---Has `run(client)` do its errand with such a client, and closes it.
function check.errand(options, run, env)
  mcp.spawn(function()
    mcp.sleep(LIMIT)
    io.stderr:write(("still not done after %d seconds\n"):format(LIMIT))
    os.exit(1)
  end)
  local client = check.open(options, env)
  run(client)
  local closing = core.now()
  client:close()
  closing = core.now() - closing
  if closing > CLOSING then error(("closing took %.1f seconds"):format(closing), 0) end
end

return check
