/* SPDX-License-Identifier: MIT
 * log.h: lines on standard error, `luamcp: warning: text`.
 *
 * MCP_LOG in the environment says from which level on: debug, info, notice,
 * warning (the default), error, off; `wire` is debug and the bytes as well.
 * What a peer sent may stand in the text: controls go out as \xNN, so it can
 * neither begin a line of its own nor steer a terminal. */
#ifndef MCP_BASE_LOG_H
#define MCP_BASE_LOG_H

#include "base/buf.h"

/* The longest line, prefix and LF included. A pipe takes up to PIPE_BUF bytes
 * (512 in POSIX, 4096 on Linux) in one piece, so lines of several processes do
 * not mix; and a peer cannot fill the log with one message. */
#define MCP_LOG_LINE 2048

/* The order and the names are those of the levels of MCP_LOG. */
typedef enum {
  MCP_LOG_WIRE,
  MCP_LOG_DEBUG,
  MCP_LOG_INFO,
  MCP_LOG_NOTICE,
  MCP_LOG_WARNING,
  MCP_LOG_ERROR,
  MCP_LOG_OFF
} mcp_log_level_t;

typedef enum { MCP_LOG_IN, MCP_LOG_OUT } mcp_log_direction_t;

/* What mcp_log_wire remembers of one direction of one connection, because a
 * secret may be cut anywhere. All zero is the start. */
typedef struct {
  char word[28];
  unsigned char len;
  unsigned char mode;
  bool inside; /* the word did not begin at the start of a line */
} mcp_log_wire_t;

/* Whether a line of this level would be written; to spare the making of it. */
bool mcp_log_enabled(mcp_log_level_t level);

/* Writes one line (DEBUG to ERROR). The text is cut with an ellipsis where it
 * is too long. Never fails, leaves errno alone. */
void mcp_log(mcp_log_level_t level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Under MCP_LOG=wire writes what came or goes, a line for each line of it:
 * `luamcp: wire: < text` (in) or `> text` (out). The values of header fields,
 * JSON members and form fields that hold secrets (Authorization, Cookie,
 * Mcp-Session-Id, access_token, ...) are shown as [hidden]. */
void mcp_log_wire(mcp_log_wire_t *wire, mcp_log_direction_t direction,
                  mcp_slice_t bytes);

#endif
