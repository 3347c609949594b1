/* SPDX-License-Identifier: MIT
 * http_coding.c: see http_coding.h. */
#include "wire/http_coding.h"

bool mcp_http_is_coded(const mcp_http_head_t *head, mcp_slice_t *coding) {
  bool found = false;
  if (head->content_length == 0 || head->status == 204 || head->status == 304)
    return false;
  for (size_t i = 0; i < head->header_count; i++) {
    const mcp_http_header_t *field = &head->headers[i];
    if (!mcp_slice_equal_nocase(field->name, MCP_SLICE("content-encoding")) ||
        field->value.len == 0 ||
        mcp_slice_equal_nocase(field->value, MCP_SLICE("identity")))
      continue;
    *coding = found ? MCP_SLICE("several codings") : field->value;
    found = true;
  }
  return found;
}

bool mcp_http_coding_kind(mcp_slice_t coding, mcp_coding_t *kind) {
  if (mcp_slice_equal_nocase(coding, MCP_SLICE("gzip")) ||
      mcp_slice_equal_nocase(coding, MCP_SLICE("x-gzip"))) {
    *kind = MCP_CODING_GZIP;
    return true;
  }
  *kind = MCP_CODING_DEFLATE;
  return mcp_slice_equal_nocase(coding, MCP_SLICE("deflate"));
}
