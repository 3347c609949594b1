/* SPDX-License-Identifier: MIT
 * http_gate.c: see http_gate.h. Rules HL-02, HL-03, HL-06 to HL-08 and HM-02,
 * HM-09 of the transport rules; protocol order of the front end. */
#include "transport/http_gate.h"

static mcp_slice_t text(const char *s) {
  return mcp_slice(s, strlen(s));
}

/* Cuts ":port" off. False if what stands there is no port. */
static bool cut_port(mcp_slice_t *host) {
  size_t i = host->len;
  while (i > 0 && host->data[i - 1] >= '0' && host->data[i - 1] <= '9') i--;
  if (i == 0 || host->data[i - 1] != ':') {
    /* No port: fine, unless this is an IPv6 address without brackets. */
    return host->len > 0 &&
           (host->data[0] == '[' || !memchr(host->data, ':', host->len));
  }
  if (host->len - i > 5) return false;
  host->len = i - 1;
  return host->len > 0 &&
         (host->data[0] == '[' ? host->data[host->len - 1] == ']'
                               : !memchr(host->data, ':', host->len));
}

bool mcp_http_host_allowed(const mcp_http_gate_t *gate, mcp_slice_t host) {
  if (!cut_port(&host)) return false;
  if (mcp_slice_equal_nocase(host, MCP_SLICE("localhost")) ||
      mcp_slice_equal(host, MCP_SLICE("127.0.0.1")) ||
      mcp_slice_equal(host, MCP_SLICE("[::1]"))) {
    return true;
  }
  for (const char **name = gate->hosts; name && *name; name++)
    if (mcp_slice_equal_nocase(host, text(*name))) return true;
  return false;
}

bool mcp_http_origin_allowed(const mcp_http_gate_t *gate, mcp_slice_t origin,
                             mcp_slice_t host) {
  mcp_slice_t rest = origin, http = MCP_SLICE("http://");
  for (const char **name = gate->origins; name && *name; name++)
    if (mcp_slice_equal_nocase(origin, text(*name))) return true;
  if (origin.len <= http.len ||
      !mcp_slice_equal_nocase(mcp_slice(origin.data, http.len), http)) {
    return false;
  }
  rest.data += http.len;
  rest.len -= http.len;
  return mcp_slice_equal_nocase(rest, host);
}

#define REFUSE(code, line)                                                     \
  return (mcp_http_verdict_t) {                                                \
    .status = (code), .text = (line)                                           \
  }
#define REFUSE_METHOD(code, line)                                              \
  return (mcp_http_verdict_t) {                                                \
    .status = (code), .text = (line), .allow = true                            \
  }

/* A POST may be answered either way, so both must be acceptable (HL-06). What
 * clients send is mostly this. */
static bool accepts_both(const mcp_http_head_t *head) {
  bool found, twice;
  mcp_slice_t value =
      mcp_http_header(head, MCP_SLICE("accept"), &found, &twice);
  if (!found ||
      (!twice && mcp_slice_equal(value, MCP_SLICE("application/json, "
                                                  "text/event-stream")))) {
    return true;
  }
  return mcp_http_head_accepts(head, MCP_SLICE("application/json")) &&
         mcp_http_head_accepts(head, MCP_SLICE("text/event-stream"));
}

static bool is_json(const mcp_http_head_t *head) {
  mcp_slice_t json = MCP_SLICE("application/json");
  bool found, twice;
  mcp_slice_t value =
      mcp_http_header(head, MCP_SLICE("content-type"), &found, &twice);
  return found && !twice &&
         (mcp_slice_equal(value, json) || mcp_http_media_is(value, json));
}

mcp_http_verdict_t mcp_http_judge(const mcp_http_gate_t *gate,
                                  const mcp_http_head_t *head) {
  bool found, twice;
  mcp_slice_t value;
  if (gate->check_host && !mcp_http_host_allowed(gate, head->host))
    REFUSE(421, "This server does not answer for that Host.");
  value = mcp_http_header(head, MCP_SLICE("origin"), &found, &twice);
  if (found && gate->check_origin &&
      (twice || !mcp_http_origin_allowed(gate, value, head->host))) {
    REFUSE(403, "This server does not answer pages of that Origin.");
  }
  if (!mcp_slice_equal(head->path, text(gate->path))) {
    if (head->method == MCP_HTTP_OPTIONS &&
        mcp_slice_equal(head->path, MCP_SLICE("*")))
      REFUSE_METHOD(204, "");
    REFUSE(404, "There is nothing here. An MCP server answers at its own "
                "path, usually /mcp.");
  }
  if (head->expect_other) REFUSE(417, "Only Expect: 100-continue is known.");
  switch (head->method) {
  case MCP_HTTP_OPTIONS: REFUSE_METHOD(204, "");
  case MCP_HTTP_GET:
    if (!mcp_http_head_accepts(head, MCP_SLICE("text/event-stream"))) {
      REFUSE(406, "This is an MCP endpoint: GET opens an event stream, so "
                  "Accept must allow text/event-stream.");
    }
    break;
  case MCP_HTTP_DELETE: break;
  case MCP_HTTP_POST:
    if (!is_json(head)) REFUSE(415, "Content-Type must be application/json.");
    if (!accepts_both(head)) {
      REFUSE(406, "Accept must allow application/json and text/event-stream.");
    }
    value = mcp_http_header(head, MCP_SLICE("content-encoding"), &found, NULL);
    if (found && !mcp_slice_equal_nocase(value, MCP_SLICE("identity")))
      REFUSE(415, "Content-Encoding is not supported.");
    break;
  default: REFUSE_METHOD(405, "The methods known here are in Allow.");
  }
  if (head->content_length > 0 &&
      (uint64_t)head->content_length > gate->body_limit)
    REFUSE(413, "The body is larger than this server's limit.");
  return (mcp_http_verdict_t){0};
}
