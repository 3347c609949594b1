-- SPDX-License-Identifier: MIT
-- measures: where the clients of this process report how long their requests and sessions took.
return {
  ---One that takes the times (lua/mcp/otlp/meter.lua); false: no times are taken.
  ---@type mcp.Meter|false
  meter = false,
}
