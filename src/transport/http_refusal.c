/* SPDX-License-Identifier: MIT
 * http_refusal.c: see http_refusal.h. */
#include "transport/http_refusal.h"

#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "transport/exchange.h"

#define TEXT(n)   #n
#define QUOTED(n) TEXT(n)
#define RETRY     QUOTED(MCP_EXCHANGE_RETRY)

const mcp_http_verdict_t mcp_http_refusal_busy = {
    .status = 503,
    .text = "busy: memory is short, try again later",
    .later = true};

unsigned mcp_http_refusal_status(int code) {
  switch (code) {
  case MCP_EHEADERS: return 431;
  case MCP_ETARGET: return 414;
  case MCP_EVERSION: return 505;
  case MCP_ENOMEM:
  case MCP_EBUDGET: return 503;
  default: return 400;
  }
}

void mcp_http_refusal_write(const mcp_http_verdict_t *verdict,
                            char line[MCP_HTTP_REFUSAL_LINE]) {
  char value[MCP_HTTP_REFUSAL_VALUE + 1];
  size_t length = verdict->value.len < MCP_HTTP_REFUSAL_VALUE
                      ? verdict->value.len
                      : MCP_HTTP_REFUSAL_VALUE;
  const char *option = verdict->option;
  for (size_t i = 0; i < length; i++) {
    char c = verdict->value.data[i];
    value[i] = (unsigned char)c < ' ' || (unsigned char)c > '~' ? '?' : c;
  }
  value[length] = '\0';
  snprintf(line, MCP_HTTP_REFUSAL_LINE, "%s%s%s%s%s%s%s", verdict->text,
           length > 0 ? ", got \"" : "", value, length > 0 ? "\"" : "",
           option ? " (the server's option " : "", option ? option : "",
           option ? " decides)" : "");
}

void mcp_http_refusal_log(unsigned status, const char *line) {
  mcp_log_refusal("http: request refused with %u: %s", status, line);
}

int mcp_http_refusal_write_fields(const mcp_http_verdict_t *verdict,
                                  const mcp_http_guard_t *guard,
                                  const mcp_http_head_t *head, mcp_buf_t *out) {
  const char *allow = verdict->allow;
  int code = 0;
  if (verdict->page) {
    out->len = 0;
    code = mcp_http_guard_write_page(verdict->page, head, out);
  } else if (verdict->challenge) {
    code = mcp_http_guard_write_challenge(guard, verdict->status, out);
  }
  if (allow) {
    size_t before = out->len;
    if (mcp_buf_append_literal(out, "Allow: ") < 0 ||
        mcp_buf_append(out, allow, strlen(allow)) < 0 ||
        mcp_buf_append_literal(out, "\r\n") < 0)
      out->len = before;
  }
  /* What the client should have asked for (RFC 9110 15.5.22, RFC 6455 4.4). */
  if (verdict->status == 426)
    (void)mcp_buf_append_literal(out, "Upgrade: websocket\r\n"
                                      "Connection: Upgrade\r\n"
                                      "Sec-WebSocket-Version: 13\r\n");
  if (verdict->later)
    (void)mcp_buf_append_literal(out, "Retry-After: " RETRY "\r\n");
  return code;
}
