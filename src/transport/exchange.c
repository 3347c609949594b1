/* SPDX-License-Identifier: MIT
 * exchange.c: see exchange.h. */
#include "transport/exchange.h"

#include "base/log.h"

void mcp_exchange_take_id(mcp_exchange_t *x, const mcp_rpc_t *rpc) {
  x->id_length = 0;
  if (rpc->kind != MCP_RPC_REQUEST && rpc->kind != MCP_RPC_BAD_REQUEST) return;
  if (rpc->id.len == 0 || rpc->id.len > sizeof x->id) return;
  memcpy(x->id, rpc->id.data, rpc->id.len);
  x->id_length = (uint8_t)rpc->id.len;
}

bool mcp_exchange_has_key(const mcp_exchange_t *x, mcp_slice_t key) {
  mcp_slice_t id = mcp_exchange_id(x);
  char own[MCP_RPC_KEY_LENGTH];
  if (id.len == 0) return false;
  return mcp_slice_equal(mcp_slice(own, mcp_rpc_id_key(id, own)), key);
}

void mcp_exchange_fail(mcp_exchange_t *x, int code, const char *text) {
  mcp_buf_t *out = mcp_exchange_begin(x, MCP_OUT_ANSWER);
  if (!out || mcp_rpc_write_error(out, mcp_exchange_id(x), code, text) < 0) {
    mcp_log(MCP_LOG_ERROR, "no memory for an answer: connection closed");
    x->ops->lose(x);
    return;
  }
  mcp_exchange_commit(x, MCP_OUT_ANSWER);
}
