-- SPDX-License-Identifier: MIT
-- errors: the codes of JSON-RPC errors, by name. C has its own names for those that it sends
-- (src/wire/rpc.h, src/transport/exchange.h, src/lua/lclock.h).

return {
  -- JSON-RPC 2.0.
  PARSE_ERROR = -32700,
  INVALID_REQUEST = -32600,
  METHOD_NOT_FOUND = -32601,
  INVALID_PARAMS = -32602,
  INTERNAL_ERROR = -32603,

  -- MCP.
  HEADER_MISMATCH = -32020,
  MISSING_CAPABILITY = -32021,
  UNSUPPORTED_VERSION = -32022,
  ---Pages have to be visited before the request is repeated (`data.elicitations`): 2025-11-25.
  PAGES_REQUIRED = -32042,
  ---A resource that does not exist, in the revisions with sessions; later ones use INVALID_PARAMS.
  RESOURCE_NOT_FOUND = -32002,

  -- From the range that JSON-RPC leaves to implementations.
  ---Too much at once; the client may try again later.
  BUSY = -32000,
  ---The request took too long. Other implementations use this code, too.
  TIMED_OUT = -32001,
  ---The session does not exist. Deployed servers use this code; clients go by HTTP's status.
  SESSION_NOT_FOUND = -32001,
  ---The request was cancelled, where a response is owed all the same.
  CANCELLED = -32800,
}
