-- SPDX-License-Identifier: MIT
-- collector: one request to a collector of OpenTelemetry: OTLP over HTTP in its JSON encoding. It
-- knows neither spans nor metrics.
local fetch = require "mcp.fetch"

local collector = {}

-- The longest answer that is read, in bytes.
local ANSWER = 64 << 10
-- Statuses after which the same request is sent again (OTLP/HTTP, "Retryable Response Codes").
local AGAIN = { [429] = true, [502] = true, [503] = true, [504] = true }

---Posts a body.
---@param settings table headers, timeout
---@param address string
---@param body string
---@param pool userdata
---@param left number seconds that it may take
---@return table|nil partial what the collector has refused (`partialSuccess`), empty if nothing
---@return string|nil text why it was not taken
---@return number|nil wait seconds until it may be sent again; nil: it must not
function collector.post(settings, address, body, pool, left)
  local fields = { { "Content-Type", "application/json" } }
  for name, text in pairs(settings.headers) do fields[#fields + 1] = { name, text } end
  local answer, text = fetch.request(address, { method = "POST", body = body, headers = fields,
    timeout = math.min(settings.timeout, left), redirects = 0, pool = pool, limit = ANSWER })
  if not answer then return nil, text, 0 end
  if answer.status >= 200 and answer.status < 300 then
    local reply = answer:json()
    local partial = type(reply) == "table" and reply.partialSuccess
    return type(partial) == "table" and partial or {}
  end
  text = ("%s answers with status %d"):format(address, answer.status)
  if not AGAIN[answer.status] then return nil, text end
  return nil, text, tonumber(answer.headers["retry-after"]) or 0
end

return collector
