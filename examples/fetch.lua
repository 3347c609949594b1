-- SPDX-License-Identifier: MIT
-- fetch.lua: reads web pages for a model. The URL comes from the model, so only addresses of the
-- public internet are allowed, and time and size are limited.
--
--   luamcp run examples/fetch.lua
--   luamcp run examples/fetch.lua any      private addresses as well, in development
local mcp = require "mcp"

local ONLY = arg[1] ~= "any" and "public" or nil

-- Bytes of a page that are read, and of these the bytes that are returned at a time.
local LIMIT, PART = 1 << 20, 20000

local URL = mcp.string { description = "An http or https URL", max_length = 2000 }
local READABLE = { "^text/", "json", "xml", "^$" }

local app = mcp.server { name = "fetch", version = "1.0.0" }

local function is_readable(kind)
  for _, pattern in ipairs(READABLE) do
    if kind:find(pattern) then return true end
  end
  return false
end

app:tool "fetch" {
  description = "Read a page or another text from the web",
  input = { url = URL, from = mcp.integer { description = "Continue at this byte", min = 0,
    default = 0 } },
  annotations = { read_only = true, open_world = true },
} (function(args)
  local response <close>, text = mcp.fetch(args.url, {
    stream = true, only = ONLY, timeout = 15, limit = LIMIT,
    headers = { Accept = "text/plain, text/html;q=0.9, application/json;q=0.9, */*;q=0.1" },
  })
  if not response then return nil, text end
  if response.status ~= 200 then
    return nil, ("%s: status %d"):format(response.url, response.status)
  end
  -- Before anything of the body is read: a film is not downloaded to find out that it is one.
  local kind = response.headers["Content-Type"] or ""
  if not is_readable(kind) then
    return nil, ("%s: expected text, got %s"):format(response.url, kind)
  end
  local body
  body, text = response:text()
  if not body then return nil, text end
  local part = body:sub(args.from + 1, args.from + PART)
  local after = args.from + #part
  if after < #body then
    part = ("%s\n\n(%d bytes are left: from = %d)"):format(part, #body - after, after)
  end
  return part
end)

app:tool "size" {
  description = "Download a file from the web and tell how large it is",
  input = { url = URL },
} (function(args, ctx)
  local size = 0
  local response, text = mcp.fetch(args.url, { only = ONLY, timeout = 60, limit = 100 << 20,
    on_data = function(chunk)
      size = size + #chunk
      ctx:progress(size)
    end })
  if not response then return nil, text end
  return ("%d bytes, status %d"):format(size, response.status)
end)

app:run()
