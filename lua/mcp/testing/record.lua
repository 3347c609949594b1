-- SPDX-License-Identifier: MIT
-- record: keeps a conversation with a server in a file, for replay.lua. A file has a line of JSON
-- for each event, in order, so that it can be read, edited and compared:
--
--   { "recording": 1, "target": "…" }                    the first line
--   { "at": s, "call": n, "method": …, "params": … }     a request of the client
--   { "at": s, "answer": n, "result": … | "error": … }   what came back
--   { "at": s, "lost": n, "text": …, "code": … }         that nothing came back
--   { "at": s, "tell": …, "params": … }                  a notification of the client
--   { "at": s, "notice": …, "params": … }                one of the server
--   { "at": s, "ask": n, "method": …, "params": … }      a request of the server
--   { "at": s, "reply": n, "result": … | "error": … }    and the client's reply
--
-- It records between the client and its transport, where ids, framing and retries are not visible:
-- a recording over HTTP replays as one over a pipe.
local core = require "mcp.core"

local record = {}

---The version of the format.
record.FORMAT = 1

local Recorder = { __name = "mcp.testing.recorder" }
Recorder.__index = Recorder

local REDACTED = "(redacted)"

-- A copy without what was asked to be left out: members of these names, at any depth.
local function redact(given, names)
  if type(given) ~= "table" then return given end
  local out, changed = {}, false
  for key, member in next, given do
    local copied = names[key] and REDACTED or redact(member, names)
    changed = changed or copied ~= member
    out[key] = copied
  end
  return changed and setmetatable(out, getmetatable(given)) or given
end

function Recorder:write(event)
  if not self.file then return end
  event.at = core.now() - self.began
  if next(self.redact) then event = redact(event, self.redact) end
  local line = core.encode(event, true)
  if not line then
    line = core.encode({ at = event.at, unreadable = event.method or "message" }, true)
  end
  self.file:write(line, "\n")
  self.file:flush()
end

function Recorder:close()
  if self.file then self.file:close() end
  self.file = nil
end

-- The client's callbacks with a note of each message of the server.
local function peer_of(self, peer)
  local out = setmetatable({}, { __index = peer })
  function out.notice(method, params, call)
    self:write { notice = method, params = params }
    return peer.notice(method, params, call)
  end
  function out.serve(method, params, x, call)
    self.asks = self.asks + 1
    local n = self.asks
    self:write { ask = n, method = method, params = params }
    local result, err = peer.serve(method, params, x, call)
    self:write { reply = n, result = result,
      error = err and { code = err.code, message = err.message, data = err.data } or nil }
    return result, err
  end
  return out
end

---A transport that passes everything on, and writes it down.
---@param transport table
---@return table transport
function Recorder:wrap(transport)
  local recorder = self
  local own = {}
  function own.open(_, peer) return transport:open(peer_of(recorder, peer)) end
  function own.request(_, id, method, params, call)
    recorder.calls = recorder.calls + 1
    local n = recorder.calls
    recorder:write { call = n, method = method, params = params }
    local reply, text, code = transport:request(id, method, params, call)
    if reply then
      recorder:write { answer = n, result = reply.result, error = reply.error }
    else
      recorder:write { lost = n, text = text, code = code }
    end
    return reply, text, code
  end
  function own.notify(_, method, params, ...)
    recorder:write { tell = method, params = params }
    return transport:notify(method, params, ...)
  end
  -- Everything else is the transport's: its methods get it as self, not this table.
  return setmetatable({}, {
    __name = "mcp.transport",
    __index = function(_, name)
      local found = own[name]
      if found then return found end
      found = transport[name]
      if type(found) ~= "function" then return found end
      return function(_, ...) return found(transport, ...) end
    end,
    __newindex = transport,
  })
end

---A recorder that writes to a new file.
---@param path string
---@param target string what is recorded, for readers
---@param options table|nil redact: names of members that are replaced, at any depth
---@return table|nil recorder
---@return string|nil text
function record.new(path, target, options)
  local file, text = io.open(path, "wb")
  if not file then return nil, text end
  local names = {}
  for _, name in ipairs(options and options.redact or {}) do names[name] = true end
  local self = setmetatable({ file = file, began = core.now(), calls = 0, asks = 0,
    redact = names }, Recorder)
  file:write(core.encode({ recording = record.FORMAT, target = target }, true), "\n")
  return self
end

return record
