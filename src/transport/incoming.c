/* SPDX-License-Identifier: MIT
 * incoming.c: see incoming.h. */
#include "transport/incoming.h"

#include <stdio.h>

#include "base/err.h"

int mcp_incoming_read(mcp_incoming_t *in, mcp_slice_t text) {
  mcp_json_fault_t fault = {0};
  int code;
  in->arrival = (mcp_arrival_t){.kind = MCP_ARRIVAL_MESSAGE, .doc = &in->doc};
  in->rpc = (mcp_rpc_t){.kind = MCP_RPC_REQUEST};
  in->stand_in = (mcp_buf_t){0};
  mcp_json_doc_init(&in->doc);
  code = mcp_json_parse(&in->doc, text, &mcp_json_default_limits, &fault);
  if (code == MCP_ENOMEM) return code;
  if (code < 0) {
    in->about = mcp_rpc_id_find(text);
    in->error = MCP_RPC_PARSE_ERROR;
    snprintf(in->reason, sizeof in->reason, "Parse error: %s at byte %zu",
             fault.what ? fault.what : mcp_err_text(code), fault.offset);
    return code;
  }
  if (in->doc.tokens[0].kind == MCP_JSON_ARRAY) {
    in->arrival.kind = MCP_ARRIVAL_BATCH;
    return 0;
  }
  mcp_rpc_read(&in->doc, 0, &in->rpc);
  in->arrival.rpc = &in->rpc;
  if (in->rpc.kind != MCP_RPC_INVALID) return 0;
  in->about =
      (mcp_rpc_id_found_t){in->rpc.id, in->rpc.payload_at && !in->rpc.method_at,
                           in->rpc.method_at != 0};
  in->error = MCP_RPC_INVALID_REQUEST;
  snprintf(in->reason, sizeof in->reason, "%s", in->rpc.reason);
  return MCP_ERPC;
}

int mcp_incoming_stand_in(mcp_incoming_t *in) {
  mcp_json_doc_deinit(&in->doc);
  in->arrival = (mcp_arrival_t){
      .kind = MCP_ARRIVAL_MESSAGE, .doc = &in->doc, .rpc = &in->rpc};
  return mcp_rpc_stand_in(&in->doc, &in->stand_in, &in->rpc, in->about,
                          in->error, in->reason);
}

int mcp_incoming_check(mcp_slice_t text) {
  mcp_incoming_t in;
  int code = mcp_incoming_read(&in, text);
  mcp_incoming_deinit(&in);
  return code;
}

void mcp_incoming_deinit(mcp_incoming_t *in) {
  mcp_json_doc_deinit(&in->doc);
  mcp_buf_deinit(&in->stand_in);
}
