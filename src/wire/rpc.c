/* SPDX-License-Identifier: MIT
 * rpc.c: see rpc.h. */
#include "wire/rpc.h"

#include <math.h>

#include "base/err.h"

static void invalid(mcp_rpc_t *rpc, const char *reason) {
  rpc->kind = MCP_RPC_INVALID;
  rpc->reason = reason;
}

static mcp_json_kind_t kind_of(const mcp_json_doc_t *doc, uint32_t at) {
  return (mcp_json_kind_t)doc->tokens[at].kind;
}

/* Takes the id over if it is one. Integers of any size are: they arrive as
 * doubles when they do not fit 64 bits, and go back as text. */
static const char *read_id(const mcp_json_doc_t *doc, mcp_rpc_t *rpc) {
  mcp_slice_t raw = mcp_json_raw(doc, rpc->id_at);
  switch (kind_of(doc, rpc->id_at)) {
  case MCP_JSON_STRING: /* its quotes stand around it in the text */
    raw.data--;
    raw.len += 2;
    break;
  case MCP_JSON_INTEGER: break;
  case MCP_JSON_DOUBLE: {
    double n = mcp_json_double(doc, rpc->id_at);
    if (n != floor(n)) return "id must be a string or an integer";
    break;
  }
  default: return "id must be a string or an integer";
  }
  if (raw.len > MCP_RPC_ID_LENGTH) return "id is longer than 128 bytes";
  rpc->id = raw;
  return NULL;
}

void mcp_rpc_read(const mcp_json_doc_t *doc, uint32_t at, mcp_rpc_t *rpc) {
  const mcp_json_token_t *t = &doc->tokens[at];
  uint32_t version_at = 0, result_at = 0, error_at = 0, key = at + 1;
  const char *bad_id = NULL;
  *rpc = (mcp_rpc_t){0};
  if (t->kind != MCP_JSON_OBJECT) {
    invalid(rpc, "a message must be an object");
    return;
  }
  while (key < t->next) {
    uint32_t value = key + 1;
    const mcp_json_token_t *k = &doc->tokens[key];
    mcp_slice_t name = mcp_json_raw(doc, key);
    /* An escaped spelling of a name is the name too (RFC 8259 8.3). */
#define NAMED(literal)                                                         \
  (k->escaped ? mcp_json_reads(name, MCP_SLICE(literal))                       \
              : mcp_slice_equal(name, MCP_SLICE(literal)))
    if (NAMED("jsonrpc")) {
      version_at = value;
    } else if (NAMED("id")) {
      rpc->id_at = value;
    } else if (NAMED("method")) {
      rpc->method_at = value;
    } else if (NAMED("params")) {
      rpc->params_at = value;
    } else if (NAMED("result")) {
      result_at = value;
    } else if (NAMED("error")) {
      error_at = value;
    }
#undef NAMED
    key = doc->tokens[value].next;
  }
  if (!rpc->method_at) rpc->payload_at = result_at ? result_at : error_at;
  if (rpc->id_at) bad_id = read_id(doc, rpc);
  /* JSON-RPC would allow null nowhere and arrays too; clients send null where
   * they mean nothing, and MCP has no positional params. */
  if (rpc->params_at && kind_of(doc, rpc->params_at) == MCP_JSON_NULL)
    rpc->params_at = 0;
  if (!version_at || !mcp_json_string_is(doc, version_at, MCP_SLICE("2.0"))) {
    invalid(rpc, "jsonrpc must be \"2.0\"");
    return;
  }
  if (rpc->method_at) {
    if (result_at || error_at) {
      invalid(rpc, "a message has a method, or a result or error, not both");
    } else if (kind_of(doc, rpc->method_at) != MCP_JSON_STRING) {
      invalid(rpc, "method must be a string");
    } else if (bad_id) {
      invalid(rpc, bad_id);
    } else if (rpc->params_at &&
               kind_of(doc, rpc->params_at) != MCP_JSON_OBJECT) {
      invalid(rpc, "params must be an object");
    } else {
      rpc->kind = rpc->id_at ? MCP_RPC_REQUEST : MCP_RPC_NOTIFICATION;
      if (rpc->params_at)
        rpc->meta_at = mcp_json_member(doc, rpc->params_at, MCP_SLICE("_meta"));
    }
    return;
  }
  if (result_at && error_at) {
    invalid(rpc, "a response has a result or an error, not both");
  } else if (result_at) {
    if (!rpc->id_at) {
      invalid(rpc, "a result needs the id of its request");
    } else if (bad_id) {
      invalid(rpc, bad_id);
    } else {
      rpc->kind = MCP_RPC_RESULT;
    }
  } else if (error_at) {
    /* An error about an unreadable request has a null id, or no id. */
    if (bad_id && kind_of(doc, rpc->id_at) != MCP_JSON_NULL) {
      invalid(rpc, bad_id);
    } else if (kind_of(doc, error_at) != MCP_JSON_OBJECT) {
      invalid(rpc, "error must be an object");
    } else {
      rpc->kind = MCP_RPC_ERROR;
    }
  } else {
    invalid(rpc, "a message needs a method, a result or an error");
  }
}

static int begin(mcp_buf_t *out, mcp_slice_t id, mcp_slice_t member) {
  static const char first[] = "{\"jsonrpc\":\"2.0\",\"id\":";
  size_t before = sizeof first - 1;
  char *to;
  int code;
  if (id.len == 0) id = MCP_SLICE("null");
  if ((code = mcp_buf_reserve(out, before + id.len + member.len)) < 0)
    return code;
  to = out->data + out->len;
  memcpy(to, first, before);
  memcpy(to + before, id.data, id.len);
  memcpy(to + before + id.len, member.data, member.len);
  out->len += before + id.len + member.len;
  return 0;
}

int mcp_rpc_begin_result(mcp_buf_t *out, mcp_slice_t id) {
  return begin(out, id, MCP_SLICE(",\"result\":"));
}

int mcp_rpc_begin_error(mcp_buf_t *out, mcp_slice_t id) {
  return begin(out, id, MCP_SLICE(",\"error\":"));
}

int mcp_rpc_write_error(mcp_buf_t *out, mcp_slice_t id, int error,
                        const char *text) {
  int code;
  if ((code = mcp_rpc_begin_error(out, id)) < 0) return code;
  if ((code = mcp_buf_append_literal(out, "{\"code\":")) < 0) return code;
  if ((code = mcp_json_write_integer(out, error)) < 0) return code;
  if ((code = mcp_buf_append_literal(out, ",\"message\":")) < 0) return code;
  code = mcp_json_write_string(out, mcp_slice(text, strlen(text)));
  if (code < 0) return code;
  return mcp_buf_append_literal(out, "}}");
}

int mcp_rpc_stand_in(mcp_json_doc_t *doc, mcp_buf_t *text, mcp_rpc_t *rpc,
                     mcp_rpc_id_found_t about, int code, const char *reason) {
  int result = mcp_rpc_write_error(text, about.id, code, reason);
  if (result == 0)
    result = mcp_json_parse(doc, mcp_buf_slice(text), &mcp_json_default_limits,
                            NULL);
  if (result < 0) return MCP_ENOMEM;
  mcp_rpc_read(doc, 0, rpc);
  rpc->kind = about.is_response ? MCP_RPC_BAD_RESPONSE : MCP_RPC_BAD_REQUEST;
  return 0;
}
