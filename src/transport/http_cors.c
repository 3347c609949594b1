/* SPDX-License-Identifier: MIT
 * http_cors.c: see http_cors.h. */
#include "transport/http_cors.h"

#include <stdio.h>

/* Appends the requested names that may be sent, as they were spelt. */
static int write_known(const mcp_http_gate_t *gate, mcp_buf_t *out,
                       mcp_slice_t names) {
  bool first = true;
  while (names.len > 0) {
    const char *comma = memchr(names.data, ',', names.len);
    size_t length = comma ? (size_t)(comma - names.data) : names.len;
    mcp_slice_t name = {names.data, length};
    size_t step = comma ? length + 1 : length;
    int code = 0;
    names.data += step;
    names.len -= step;
    while (name.len > 0 && (name.data[0] == ' ' || name.data[0] == '\t')) {
      name.data++;
      name.len--;
    }
    while (name.len > 0 &&
           (name.data[name.len - 1] == ' ' || name.data[name.len - 1] == '\t'))
      name.len--;
    if (!mcp_http_field_allowed(gate, name)) continue;
    if (!first) code = mcp_buf_append_literal(out, ", ");
    if (code == 0) code = mcp_buf_append_slice(out, name);
    if (code < 0) return code;
    first = false;
  }
  return 0;
}

/* The answer to a preflight: methods of the path, and allowed fields. */
static int write_preflight(const mcp_http_gate_t *gate,
                           const mcp_http_head_t *head, mcp_buf_t *out) {
  const char *methods = mcp_http_shared_methods(gate, head);
  bool found, twice;
  mcp_slice_t names = mcp_http_header(
      head, MCP_SLICE("access-control-request-headers"), &found, &twice);
  char age[64];
  int length = snprintf(age, sizeof age, "\r\nAccess-Control-Max-Age: %d\r\n",
                        MCP_HTTP_CORS_TIME);
  int code = mcp_buf_append_literal(out, "Access-Control-Allow-Methods: ");
  if (code == 0) code = mcp_buf_append(out, methods, strlen(methods));
  if (code == 0 && found && !twice) {
    code = mcp_buf_append_literal(out, "\r\nAccess-Control-Allow-Headers: ");
    if (code == 0) code = write_known(gate, out, names);
  }
  if (code == 0) code = mcp_buf_append(out, age, (size_t)length);
  return code;
}

int mcp_http_cors_write(const mcp_http_gate_t *gate,
                        const mcp_http_head_t *head, mcp_buf_t *out) {
  size_t before = out->len;
  mcp_slice_t origin = {0};
  mcp_http_cors_t cors = mcp_http_judge_cors(gate, head, &origin);
  int code;
  if (cors == MCP_HTTP_CORS_NONE) return 0;
  code = mcp_buf_append_literal(out, "Vary: Origin\r\n");
  if (code == 0 && cors != MCP_HTTP_CORS_VARY) {
    code = mcp_buf_append_literal(out, "Access-Control-Allow-Origin: ");
    if (code == 0) code = mcp_buf_append_slice(out, origin);
    if (code == 0) code = mcp_buf_append_literal(out, "\r\n");
  }
  if (code == 0 && cors == MCP_HTTP_CORS_SHARE)
    code = mcp_buf_append_literal(
        out, "Access-Control-Expose-Headers: Mcp-Session-Id, "
             "WWW-Authenticate, DPoP-Nonce, MCP-Protocol-Version\r\n");
  if (code == 0 && cors == MCP_HTTP_CORS_ASK)
    code = write_preflight(gate, head, out);
  if (code < 0) out->len = before;
  return code;
}
