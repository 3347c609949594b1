-- SPDX-License-Identifier: MIT
-- A gateway with MOUNTS mounts of one server, for the part "hop list":
--   URL=http://… MOUNTS=100 luamcp run bench/hop/mounts.lua --http PORT

local mcp = require "mcp"
local app = mcp.server { name = "bench", version = "1.0.0" }

for i = 1, tonumber(os.getenv "MOUNTS") do
  app:mount(("m%03d"):format(i), os.getenv "URL", { stream = false })
end

app:run()
