-- SPDX-License-Identifier: MIT
-- origin.lua: a web server with one empty page, on a free port: an origin for scripts to run in.
local core = require "mcp.core"

local host = assert(core.listen_http({ host = "127.0.0.1", port = 0, guard = false },
  function() end))
host:protect(nil, { ["/"] = { type = "text/html; charset=utf-8", fields = "",
  body = "<!doctype html><title>a page</title><link rel=icon href='data:,'>" } })
io.stderr:write(("an origin answers at http://127.0.0.1:%d/\n"):format(host:port()))
core.catch_signals(function() host:close() end)
while host:is_open() do core.step() end
