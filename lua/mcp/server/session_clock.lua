-- SPDX-License-Identifier: MIT
-- session_clock: how long sessions last, for metrics. Loaded by servers that measure them. The
-- times are beside the sessions: with one field more, the table of each would be twice as large.
--
-- Where several processes serve a session, the one that began it measures it.
local core = require "mcp.core"
local sessions = require "mcp.server.session"

local session_clock = {}

-- What is known of each session that is measured: its app, transport and beginning.
local known = setmetatable({}, { __mode = "k" })

-- Called with each session that is closed.
local function ended(session)
  local of = known[session]
  if not of then return end
  known[session] = nil
  local now = core.now()
  -- Over HTTP it has ended with its last message, unless something of it is still there; a
  -- connection has ended now.
  if session.running and session.running:is_empty() and not sessions.stream_of(session) then
    now = sessions.last_used(session)
  end
  for _, fn in ipairs(of.app.session_clock) do
    fn(session, of.transport, math.max(0.0, now - of.began))
  end
end

---Measures the sessions of an app from now on: fn(session, transport, seconds) is called at the end
---of each.
---@param app table
---@param fn fun(session: table, transport: string, seconds: number)
function session_clock.watch(app, fn)
  app.session_clock = app.session_clock or {}
  table.insert(app.session_clock, fn)
  sessions.ended = ended
end

---A session begins.
---@param app table
---@param session table
---@param transport string
function session_clock.begin(app, session, transport)
  known[session] = { app = app, transport = transport, began = core.now() }
end

return session_clock
