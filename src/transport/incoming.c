/* SPDX-License-Identifier: MIT
 * incoming.c: see incoming.h. */
#include "transport/incoming.h"

#include <stdio.h>

#include "base/err.h"

static int read_within(mcp_incoming_t *in, mcp_slice_t text,
                       mcp_json_limits_t limits) {
  mcp_json_fault_t fault = {0};
  int code;
  in->arrival = (mcp_arrival_t){.kind = MCP_ARRIVAL_MESSAGE, .doc = &in->doc};
  in->rpc = (mcp_rpc_t){.kind = MCP_RPC_REQUEST};
  in->stand_in = (mcp_buf_t){0};
  mcp_json_doc_init(&in->doc);
  limits.undo = true;
  code = mcp_json_parse(&in->doc, text, &limits, &fault);
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

int mcp_incoming_read(mcp_incoming_t *in, mcp_slice_t text) {
  return read_within(in, text, mcp_json_default_limits);
}

bool mcp_incoming_is_like(const mcp_json_doc_t *doc, const mcp_rpc_t *rpc,
                          const mcp_incoming_known_t *known) {
  uint32_t meta = rpc->meta_at;
  if (rpc->kind != MCP_RPC_REQUEST ||
      !mcp_json_string_is(doc, rpc->method_at, known->method))
    return false;
  if (!meta) return known->meta.text.len == 0;
  return meta == doc->known ||
         (doc->tokens[meta].kind == MCP_JSON_OBJECT &&
          mcp_slice_equal(mcp_json_raw(doc, meta), known->meta.text));
}

int mcp_incoming_read_like(mcp_incoming_t *in, mcp_slice_t text,
                           const mcp_incoming_known_t *known) {
  mcp_json_limits_t limits = mcp_json_default_limits;
  int code;
  if (!known || known->meta.nodes == 0) return mcp_incoming_read(in, text);
  limits.known = &known->meta;
  code = read_within(in, text, limits);
  /* Nothing else may look into that one token. */
  if (in->doc.known == 0 ||
      (code == 0 && in->arrival.rpc && in->rpc.meta_at == in->doc.known &&
       mcp_incoming_is_like(&in->doc, &in->rpc, known)))
    return code;
  mcp_incoming_deinit(in);
  return mcp_incoming_read(in, text);
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
