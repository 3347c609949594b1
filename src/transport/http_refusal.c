/* SPDX-License-Identifier: MIT
 * http_refusal.c: see http_refusal.h. */
#include "transport/http_refusal.h"

#include <stdio.h>

#include "base/log.h"

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
  mcp_log(MCP_LOG_INFO, "http: request refused with %u: %s", status, line);
}
