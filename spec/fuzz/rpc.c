/* SPDX-License-Identifier: MIT
 * rpc.c: every value of any document as a JSON-RPC message. Its id can be
 * answered, and comes back byte for byte. */
#include "wire/rpc.h"

#include "target.h"

static void answer(const mcp_rpc_t *rpc) {
  mcp_buf_t out = {0};
  mcp_json_doc_t doc;
  mcp_rpc_t again;
  MUST(rpc->id.len <= MCP_RPC_ID_LENGTH);
  MUST(mcp_rpc_write_error(&out, rpc->id, -32600, "no \"text\"") == 0);
  mcp_json_doc_init(&doc);
  MUST(mcp_json_parse(&doc, mcp_buf_slice(&out), &mcp_json_default_limits,
                      NULL) == 0);
  mcp_rpc_read(&doc, 0, &again);
  MUST(again.kind == MCP_RPC_ERROR);
  MUST(mcp_slice_equal(again.id, rpc->id));
  mcp_json_doc_deinit(&doc);
  mcp_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mcp_json_doc_t doc;
  mcp_json_doc_init(&doc);
  if (mcp_json_parse(&doc, input(data, size), &mcp_json_default_limits, NULL) ==
      0) {
    for (uint32_t at = 0; at < doc.count; at++) {
      mcp_rpc_t rpc;
      mcp_rpc_read(&doc, at, &rpc);
      if (rpc.kind == MCP_RPC_INVALID) MUST(rpc.reason);
      if (rpc.kind == MCP_RPC_REQUEST) MUST(rpc.id.len > 0 && rpc.method_at);
      answer(&rpc);
    }
  }
  mcp_json_doc_deinit(&doc);
  return 0;
}
