/* SPDX-License-Identifier: MIT
 * http_request.c: see http_request.h. */
#include "wire/http_request.h"

#include "base/err.h"
#include "wire/http.h"
#include "wire/http_head.h"

static int refuse(const char **reason, const char *text) {
  *reason = text;
  return MCP_EHTTP;
}

/* There is room for it. */
static void append_authority(mcp_buf_t *out, mcp_slice_t host, int port) {
  bool v6 = host.len > 0 && memchr(host.data, ':', host.len) != NULL;
  if (v6) mcp_buf_append_char(out, '[');
  mcp_buf_append_slice(out, host);
  if (v6) mcp_buf_append_char(out, ']');
  if (port > 0) {
    mcp_buf_append_char(out, ':');
    mcp_buf_append_uint(out, (unsigned long long)port);
  }
}

int mcp_http_request_begin(mcp_buf_t *out, mcp_slice_t method,
                           mcp_slice_t target, mcp_slice_t host, int port,
                           bool absolute, const char **reason) {
  if (!mcp_http_head_is_token(method))
    return refuse(reason, "the method is not a token");
  if (mcp_slice_equal(method, MCP_SLICE("CONNECT")))
    return refuse(reason, "the method CONNECT is not supported");
  if (target.len == 0 ||
      (target.data[0] != '/' && !mcp_slice_equal(target, MCP_SLICE("*"))))
    return refuse(reason, "the target does not begin with /");
  if (target.len > MCP_HTTP_TARGET_LENGTH)
    return refuse(reason, "the target is too long");
  if (!mcp_http_head_is_target(target))
    return refuse(reason, "the target contains a byte that must be "
                          "percent-encoded");
  if (!mcp_http_head_is_name(host))
    return refuse(reason, "the host contains an invalid byte");
  if (mcp_buf_reserve(out, method.len + target.len + 2 * host.len + 96) < 0)
    return MCP_ENOMEM;
  mcp_buf_append_slice(out, method);
  mcp_buf_append_char(out, ' ');
  if (absolute) {
    mcp_buf_append_literal(out, "http://");
    append_authority(out, host, port);
  }
  mcp_buf_append_slice(out, target);
  mcp_buf_append_literal(out, " HTTP/1.1\r\nHost: ");
  append_authority(out, host, port);
  mcp_buf_append_literal(out, "\r\n");
  return 0;
}

int mcp_http_request_tunnel(mcp_buf_t *out, mcp_slice_t host, int port,
                            const char *authorization, const char **reason) {
  if (!mcp_http_head_is_name(host))
    return refuse(reason, "the host contains an invalid byte");
  if (mcp_buf_reserve(out, 2 * host.len + 96) < 0) return MCP_ENOMEM;
  mcp_buf_append_literal(out, "CONNECT ");
  append_authority(out, host, port);
  mcp_buf_append_literal(out, " HTTP/1.1\r\nHost: ");
  append_authority(out, host, port);
  mcp_buf_append_literal(out, "\r\n");
  if (authorization) {
    int code = mcp_http_request_field(
        out, MCP_SLICE("Proxy-Authorization"),
        mcp_slice(authorization, strlen(authorization)), reason);
    if (code < 0) return code;
  }
  return mcp_buf_append_literal(out, "\r\n");
}

/* Fields that define the end of the message, and hop-by-hop fields. */
static bool is_ours(mcp_slice_t name) {
  static const mcp_slice_t names[] = {
      {"Host", 4},
      {"Content-Length", 14},
      {"Transfer-Encoding", 17},
      {"Connection", 10},
      {"Keep-Alive", 10},
      {"Proxy-Connection", 16},
      {"Upgrade", 7},
      {"TE", 2},
      {"Trailer", 7},
      {"Expect", 6},
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (mcp_slice_equal_nocase(name, names[i])) return true;
  return false;
}

int mcp_http_request_field(mcp_buf_t *out, mcp_slice_t name, mcp_slice_t value,
                           const char **reason) {
  if (!mcp_http_head_is_token(name))
    return refuse(reason, "a field name is not a token");
  if (is_ours(name))
    return refuse(reason, "reserved header field: the client sets it");
  value = mcp_slice_trim(value);
  if (!mcp_http_head_is_value(value))
    return refuse(reason, "a field value holds a control character");
  if (mcp_buf_reserve(out, name.len + value.len + 4) < 0) return MCP_ENOMEM;
  mcp_buf_append_slice(out, name);
  mcp_buf_append_literal(out, ": ");
  mcp_buf_append_slice(out, value);
  mcp_buf_append_literal(out, "\r\n");
  return 0;
}

int mcp_http_request_end(mcp_buf_t *out, mcp_slice_t method, mcp_slice_t body,
                         bool has_body) {
  if (mcp_buf_reserve(out, body.len + 64) < 0) return MCP_ENOMEM;
  /* RFC 9110 8.6: a method that anticipates content says that the content is
   * empty. */
  if (has_body || mcp_slice_equal(method, MCP_SLICE("POST")) ||
      mcp_slice_equal(method, MCP_SLICE("PUT")) ||
      mcp_slice_equal(method, MCP_SLICE("PATCH"))) {
    mcp_buf_append_literal(out, "Content-Length: ");
    mcp_buf_append_uint(out, body.len);
    mcp_buf_append_literal(out, "\r\n");
  }
  mcp_buf_append_literal(out, "\r\n");
  mcp_buf_append_slice(out, body);
  return 0;
}

int mcp_http_request_end_before(mcp_buf_t *out, uint64_t length) {
  if (mcp_buf_reserve(out, 64) < 0) return MCP_ENOMEM;
  mcp_buf_append_literal(out, "Content-Length: ");
  mcp_buf_append_uint(out, length);
  return mcp_buf_append_literal(out, "\r\n\r\n");
}

bool mcp_http_request_is_idempotent(mcp_slice_t method) {
  static const mcp_slice_t names[] = {{"GET", 3}, {"HEAD", 4},   {"OPTIONS", 7},
                                      {"PUT", 3}, {"DELETE", 6}, {"TRACE", 5}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (mcp_slice_equal(method, names[i])) return true;
  return false;
}
