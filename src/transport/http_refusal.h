/* SPDX-License-Identifier: MIT
 * http_refusal.h: a refused request: the reason in one line, for the body of
 * the answer and for the log, and the header fields of the answer. */
#ifndef MCP_TRANSPORT_HTTP_REFUSAL_H
#define MCP_TRANSPORT_HTTP_REFUSAL_H

#include "transport/http_gate.h"

/* Bytes of a foreign value that are shown. */
#define MCP_HTTP_REFUSAL_VALUE 200
#define MCP_HTTP_REFUSAL_LINE  512

/* No new work while memory is short. */
extern const mcp_http_verdict_t mcp_http_refusal_busy;

/* The status for a code of the decoder. */
unsigned mcp_http_refusal_status(int code);

/* Writes the line, with a NUL: what is expected, what came, and which option
 * would allow it. Characters that cannot be printed are shown as '?'. */
void mcp_http_refusal_write(const mcp_http_verdict_t *verdict,
                            char line[MCP_HTTP_REFUSAL_LINE]);

/* Logs it, at `info`. */
void mcp_http_refusal_log(unsigned status, const char *line);

/* Appends the header fields that the verdict asks for, each with its CRLF;
 * those of a page replace what is there. 0 or the errors of mcp_buf_reserve. */
int mcp_http_refusal_write_fields(const mcp_http_verdict_t *verdict,
                                  const mcp_http_guard_t *guard,
                                  const mcp_http_head_t *head, mcp_buf_t *out);

#endif
