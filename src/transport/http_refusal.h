/* SPDX-License-Identifier: MIT
 * http_refusal.h: why a request is refused, in one line: for the client in the
 * body of the answer, for the owner in the log. */
#ifndef MCP_TRANSPORT_HTTP_REFUSAL_H
#define MCP_TRANSPORT_HTTP_REFUSAL_H

#include "transport/http_gate.h"

/* So much of a foreign value is shown, in bytes. */
#define MCP_HTTP_REFUSAL_VALUE 200
#define MCP_HTTP_REFUSAL_LINE  512

/* Writes the line, with a NUL: what is expected, what came, and which option
 * would allow it. What cannot be printed is shown as '?'. */
void mcp_http_refusal_write(const mcp_http_verdict_t *verdict,
                            char line[MCP_HTTP_REFUSAL_LINE]);

/* Logs it, at `info`. */
void mcp_http_refusal_log(unsigned status, const char *line);

#endif
