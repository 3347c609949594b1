-- SPDX-License-Identifier: MIT
-- arrival: a message as C hands it to a front (push_message in src/lua/lexchange.c). It is a flat
-- list, because a table for each request would cost more than most requests need. This file alone
-- knows the order:
--
--   kind, id, method, params        of the message
--   meta                            the text of params._meta
--   claim, capabilities, client, level, token
--                                   the members of _meta that protocol.WATCHED names
--   version, mcp_method, mcp_name, session_id
--                                   header fields, over HTTP only; nil: absent, false: sent twice
--   repeated                        of a request: what x:remember is given gets the next that is
--                                   like it (src/lua/lrepeat.h), if there are such. What looks at
--                                   requests or results passes nil on
--
-- The receivers of the fronts have these parameters in this order, after the exchange and the link;
-- a spec compares them. Functions with `...`, or a table of details, cost a twentieth of a whole
-- call.
local arrival = {}

---The names of the parameters of a receiver.
arrival.ORDER = { "x", "link", "kind", "id", "method", "params", "meta", "claim", "capabilities",
  "client", "level", "token", "version", "mcp_method", "mcp_name", "session_id", "repeated" }

-- Members of a message in a batch, which is an array in the same order; without header fields.
local TOKEN, CLAIM = 10, 6

---Bytes of a method and the text of a _meta, together, that a connection remembers between its
---requests. Longer ones are checked each time: a client may have many idle connections.
arrival.KEPT = 2048

---Are requests like this one remembered with their connection?
---@param method string
---@param meta string|nil
---@return boolean
function arrival.is_kept(method, meta) return #method + (meta and #meta or 0) <= arrival.KEPT end

---Kind, id, method, params, the text of _meta and the progress token of a message of a batch.
---@param message table
function arrival.unpack(message)
  return message[1], message[2], message[3], message[4], message[5], message[TOKEN]
end

---Does a message of a batch carry an envelope?
---@param message table
---@return boolean
function arrival.has_claim(message) return message[CLAIM] ~= nil end

---@param message table of a batch
---@return boolean
function arrival.is_request(message) return message[1] == "request" end

return arrival
