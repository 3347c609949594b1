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

/* Does a page of ours ask, which has a key? A browser sends no Authorization
 * with a WebSocket: the key is among the subprotocols. */
static bool has_page_key(const mcp_http_guard_t *guard,
                         const mcp_http_head_t *head) {
  const mcp_http_page_t *page = guard->pages;
  mcp_slice_t name = MCP_SLICE("mcp.page.");
  bool found;
  mcp_slice_t value =
      mcp_http_header(head, MCP_SLICE("sec-websocket-protocol"), &found, NULL);
  while (page && page->path && !page->type) page++;
  if (!page || !page->path) return false;
  for (size_t at = 0; at + name.len <= value.len; at++)
    if (memcmp(value.data + at, name.data, name.len) == 0) return true;
  return false;
}

unsigned mcp_http_guard_judge(const mcp_http_guard_t *guard,
                              const mcp_http_head_t *head) {
  bool found;
  if (!guard->challenge) return 0;
  (void)mcp_http_header(head, MCP_SLICE("authorization"), &found, NULL);
  if (!found) return has_page_key(guard, head) ? 0 : 401;
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

static int write_type(const mcp_http_page_t *page, mcp_buf_t *out) {
  const char *type = page->type ? page->type : "application/json";
  int code = mcp_buf_append_literal(out, "Content-Type: ");
  if (code == 0) code = mcp_buf_append(out, type, strlen(type));
  if (code == 0) code = mcp_buf_append_literal(out, "\r\n");
  return code;
}

int mcp_http_guard_write_page(const mcp_http_page_t *page,
                              const mcp_http_head_t *head, mcp_buf_t *out) {
  char text[320];
  int length, code;
  bool preflight = head->method == MCP_HTTP_OPTIONS && !page->fields;
  code = preflight ? 0 : write_type(page, out);
  if (code < 0) return code;
  if (page->fields)
    return mcp_buf_append(out, page->fields, strlen(page->fields));
  length = preflight ? snprintf(text, sizeof text,
                                "Access-Control-Allow-Origin: *\r\n"
                                "Access-Control-Allow-Methods: GET\r\n"
                                "Access-Control-Allow-Headers: Accept, "
                                "Content-Type, MCP-Protocol-Version\r\n"
                                "Access-Control-Max-Age: %d\r\n",
                                MCP_HTTP_GUARD_TIME)
                     : snprintf(text, sizeof text,
                                "Access-Control-Allow-Origin: *\r\n"
                                "Cache-Control: public, max-age=%d\r\n",
                                MCP_HTTP_GUARD_TIME);
  return mcp_buf_append(out, text, (size_t)length);
}
