-- SPDX-License-Identifier: MIT
-- The script wrk runs (in its own LuaJIT):
--   wrk ... -s bench/load.lua URL -- BODYFILE ["Header: value" ...]
-- POSTs the file's text, with __ID__ replaced by a number that is new for each
-- request and always seven digits long. Ends with one line that starts "load".

-- luacheck: globals wrk init request done
local before, after
local id = 1000000

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local body = file:read("*a")
  file:close()
  local from, to = body:find("__ID__", 1, true)
  local head = {
    "POST " .. wrk.path .. " HTTP/1.1",
    "Host: " .. wrk.host .. ":" .. wrk.port,
    "Content-Length: " .. #body + 7 - 6,
  }
  for i = 2, #args do head[#head + 1] = args[i] end
  before = table.concat(head, "\r\n") .. "\r\n\r\n" .. body:sub(1, from - 1)
  after = body:sub(to + 1)
end

function request()
  id = id < 9999999 and id + 1 or 1000000
  return before .. id .. after
end

function done(summary, latency)
  local errors = summary.errors
  print(("load requests=%d seconds=%.4f p50=%d p99=%d bytes=%d refused=%d broken=%d"):format(
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
