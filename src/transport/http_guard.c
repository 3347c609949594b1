/* SPDX-License-Identifier: MIT
 * http_guard.c: see http_guard.h. */
#include "transport/http_guard.h"

#include <stdio.h>

const mcp_http_page_t *mcp_http_guard_page(const mcp_http_guard_t *guard,
                                           const mcp_http_head_t *head) {
  for (const mcp_http_page_t *page = guard->pages; page && page->path; page++)
    if (mcp_slice_equal(head->path, mcp_slice(page->path, strlen(page->path))))
      return page;
  return NULL;
}

/* Is there a parameter access_token? Percent-encoded spellings do not count. */
static bool has_token(mcp_slice_t query) {
  mcp_slice_t name = MCP_SLICE("access_token");
  size_t at = 0;
  while (at < query.len) {
    mcp_slice_t rest = {query.data + at, query.len - at};
    const char *end = memchr(rest.data, '&', rest.len);
    if (rest.len >= name.len &&
        mcp_slice_equal(mcp_slice(rest.data, name.len), name) &&
        (rest.len == name.len || rest.data[name.len] == '=' ||
         rest.data[name.len] == '&'))
      return true;
    if (!end) return false;
    at += (size_t)(end - rest.data) + 1;
  }
  return false;
}

unsigned mcp_http_guard_judge(const mcp_http_guard_t *guard,
                              const mcp_http_head_t *head) {
  bool found;
  if (!guard->challenge) return 0;
  (void)mcp_http_header(head, MCP_SLICE("authorization"), &found, NULL);
  if (!found) return 401;
  return has_token(head->query) ? 400 : 0;
}

int mcp_http_guard_write_challenge(const mcp_http_guard_t *guard,
                                   unsigned status, mcp_buf_t *out) {
  size_t before = out->len;
  int code = mcp_buf_append_literal(out, "WWW-Authenticate: Bearer ");
  if (code == 0 && status == 400)
    code = mcp_buf_append_literal(out, "error=\"invalid_request\", ");
  if (code == 0)
    code = mcp_buf_append(out, guard->challenge, strlen(guard->challenge));
  if (code == 0) code = mcp_buf_append_literal(out, "\r\n");
  if (code < 0) out->len = before;
  return code;
}

static int write_own(const mcp_http_page_t *page, mcp_buf_t *out) {
  int code = mcp_buf_append_literal(out, "Content-Type: ");
  if (code == 0) code = mcp_buf_append(out, page->type, strlen(page->type));
  if (code == 0) code = mcp_buf_append_literal(out, "\r\n");
  if (code == 0) code = mcp_buf_append(out, page->fields, strlen(page->fields));
  return code;
}

int mcp_http_guard_write_page(const mcp_http_page_t *page,
                              const mcp_http_head_t *head, mcp_buf_t *out) {
  char text[320];
  int length;
  if (page->type) return write_own(page, out);
  length = head->method == MCP_HTTP_OPTIONS
               ? snprintf(text, sizeof text,
                          "Access-Control-Allow-Origin: *\r\n"
                          "Access-Control-Allow-Methods: GET\r\n"
                          "Access-Control-Allow-Headers: Accept, "
                          "MCP-Protocol-Version\r\n"
                          "Access-Control-Max-Age: %d\r\n",
                          MCP_HTTP_GUARD_TIME)
               : snprintf(text, sizeof text,
                          "Content-Type: application/json\r\n"
                          "Access-Control-Allow-Origin: *\r\n"
                          "Cache-Control: max-age=%d\r\n",
                          MCP_HTTP_GUARD_TIME);
  return mcp_buf_append(out, text, (size_t)length);
}
