/* SPDX-License-Identifier: MIT
 * log.h: lines on standard error,
 * `2026-11-30T01:20:00.123Z luamcp: warning: text`.
 *
 * MCP_LOG in the environment says from which level on: debug, info, notice,
 * warning (the default), error, off; `wire` is debug and the bytes as well.
 * MCP_LOG_TIME=0 leaves the time out. MCP_LOG_FORMAT=json makes each line an
 * object: time, level, message, and request, trace_id, span_id, tool (or
 * prompt, ...) where known.
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

/* What a line is about: the id of a request, as JSON, and what serves it, such
 * as "tool" and its name. Only JSON shows it; what is empty or NULL is not
 * known. `always`: whatever MCP_LOG says. */
typedef struct {
  mcp_slice_t request;
  const char *kind, *name;
  const char *trace, *span; /* W3C ids, in hex */
  bool always;
} mcp_log_about_t;

/* Writes a text that may have several lines, such as a traceback: a line of
 * the log for each of them, but one object as JSON. */
void mcp_log_about(mcp_log_level_t level, const mcp_log_about_t *about,
                   mcp_slice_t text);

/* Are lines JSON? */
bool mcp_log_is_json(void);

/* From now on they are, or not; in child processes as well. To be called
 * before there are threads. */
void mcp_log_set_json(bool json);

/* Lines about refused requests, a second; how many there were beyond is one
 * more line. Peers decide how many requests of theirs are refused, and must not
 * fill the log. */
#define MCP_LOG_REFUSALS 100

/* mcp_log for a refused request, at INFO. */
void mcp_log_refusal(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Under MCP_LOG=wire writes what came or goes, a line for each line of it:
 * `luamcp: wire: < text` (in) or `> text` (out). The values of header fields,
 * JSON members and form fields that hold secrets (Authorization, Cookie,
 * Mcp-Session-Id, access_token, ...) are shown as [hidden]. */
void mcp_log_wire(mcp_log_wire_t *wire, mcp_log_direction_t direction,
                  mcp_slice_t bytes);

#endif
