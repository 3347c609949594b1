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
--
-- A front takes the first four by name and passes the others on as `...`, the details, for the
-- functions below.
local arrival = {}

-- Members of a message in a batch, which is an array in the same order; without header fields.
local COUNT, CLAIM = 10, 6

---The envelope and the text that it was read from.
---@return string|nil meta
---@return any claim the revision
---@return any capabilities true if they are an object
---@return any client true if it is an object
---@return any level
---@return any token the progress token
function arrival.envelope(meta, claim, capabilities, client, level, token)
  return meta, claim, capabilities, client, level, token
end

---What a request of a session has of _meta.
---@return string|nil meta the text of it
---@return any token the progress token
function arrival.meta(meta, _, _, _, _, token) return meta, token end

---What decides over HTTP who serves the message.
---@return string|false|nil version MCP-Protocol-Version
---@return string|false|nil session_id Mcp-Session-Id
---@return any claim
---@return any capabilities
function arrival.route(_, claim, capabilities, _, _, _, version, _, _, session_id)
  return version, session_id, claim, capabilities
end

---The header fields that repeat parts of the body.
---@return string|false|nil mcp_method Mcp-Method
---@return string|false|nil mcp_name Mcp-Name
function arrival.names(_, _, _, _, _, _, _, mcp_method, mcp_name) return mcp_method, mcp_name end

---Kind, id, method, params and details of a message of a batch.
---@param message table
function arrival.unpack(message) return table.unpack(message, 1, COUNT) end

---Does a message of a batch carry an envelope?
---@param message table
---@return boolean
function arrival.has_claim(message) return message[CLAIM] ~= nil end

---@param message table of a batch
---@return boolean
function arrival.is_request(message) return message[1] == "request" end

return arrival
