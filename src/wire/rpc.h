/* SPDX-License-Identifier: MIT
 * rpc.h: the JSON-RPC 2.0 envelope, read as token positions in a parsed text.
 * The meaning of a method, and whether its params are valid, is decided
 * elsewhere.
 *
 *   request       {"jsonrpc":"2.0","id":ID,"method":"…","params":{…}}
 *   notification  the same without id
 *   result        {"jsonrpc":"2.0","id":ID,"result":…}
 *   error         {"jsonrpc":"2.0","id":ID,"error":{"code":…,"message":"…"}}
 *
 * An id is a string or an integer, never null; it goes back byte for byte. */
#ifndef MCP_WIRE_RPC_H
#define MCP_WIRE_RPC_H

#include <stdint.h>

#include "base/buf.h"
#include "wire/json.h"
#include "wire/rpc_errors.h"
#include "wire/rpc_id.h"

typedef enum {
  MCP_RPC_INVALID,
  MCP_RPC_REQUEST,
  MCP_RPC_NOTIFICATION,
  MCP_RPC_RESULT,
  MCP_RPC_ERROR,
  /* Not a valid message, but its id could be read: see mcp_rpc_stand_in. */
  MCP_RPC_BAD_REQUEST,
  MCP_RPC_BAD_RESPONSE
} mcp_rpc_kind_t;

/* Objects around params._meta. */
#define MCP_RPC_META_DEPTH 2

typedef struct {
  mcp_rpc_kind_t kind;
  mcp_slice_t id; /* as it stands in the text, quotes included; or empty */
  uint32_t id_at; /* tokens; 0 where the message has no such member */
  uint32_t method_at;
  uint32_t params_at;  /* an object, where there is one */
  uint32_t meta_at;    /* its _meta, of whatever kind */
  uint32_t payload_at; /* the result, or the error object, if no method */
  const char *reason;  /* of MCP_RPC_INVALID: a static line */
} mcp_rpc_t;

/* Reads the message whose value is token `at`. Never fails: anything that is
 * not a message is MCP_RPC_INVALID, with `id` set if it could be read. */
void mcp_rpc_read(const mcp_json_doc_t *doc, uint32_t at, mcp_rpc_t *rpc);

/* Makes a message in place of a refused one, so that the code waiting for it
 * learns the reason: MCP_RPC_BAD_RESPONSE or MCP_RPC_BAD_REQUEST, with that id,
 * and { code, message } as its payload. `text` holds its bytes and must outlive
 * `doc`, which must be empty. 0 or MCP_ENOMEM. */
int mcp_rpc_stand_in(mcp_json_doc_t *doc, mcp_buf_t *text, mcp_rpc_t *rpc,
                     mcp_rpc_id_found_t about, int code, const char *reason);

/* Appends {"jsonrpc":"2.0","id":ID,"result": or …"error": — the caller appends
 * the value and '}'. An empty id is written as null. 0 or MCP_ENOMEM. */
int mcp_rpc_begin_result(mcp_buf_t *out, mcp_slice_t id);
int mcp_rpc_begin_error(mcp_buf_t *out, mcp_slice_t id);

/* Appends a whole error message. `text` is plain text. 0 or MCP_ENOMEM. */
int mcp_rpc_write_error(mcp_buf_t *out, mcp_slice_t id, int code,
                        const char *text);

#endif
