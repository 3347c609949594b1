/* SPDX-License-Identifier: MIT
 * ws.h: WebSocket messages (RFC 6455 5 to 7), pulled: feed(bytes), then
 * next(&event) until it wants more. A frame:
 *
 *   byte 1    FIN 1 bit, reserved 3 bits (0), opcode 4 bits: 0 continuation,
 *             1 text, 2 binary, 8 close, 9 ping, 10 pong
 *   byte 2    MASK 1 bit, length 7 bits: up to 125, or 126: two bytes follow,
 *             127: eight bytes
 *   4 bytes   the mask's key, if MASK: from clients always, from servers never
 *   payload   each byte xor the key's, in turn
 *
 * wslay takes frames apart; what they may say, all together, is judged here.
 * Knows no stream and no clock: how many pings are too many, say, is the
 * transport's to know. */
#ifndef MCP_WIRE_WS_H
#define MCP_WIRE_WS_H

#include <stdint.h>

#include "base/buf.h"

/* One message, all its fragments together: memory. 4 MiB, as for a line. */
#define MCP_WS_MESSAGE_LENGTH (4u << 20)
/* Fragments of one message: many that carry nothing cost the reader only. */
#define MCP_WS_FRAGMENTS 1024
/* RFC 6455 5.5; of a close frame two bytes are its status. */
#define MCP_WS_CONTROL_LENGTH 125
#define MCP_WS_REASON_LENGTH  123

/* Close codes (RFC 6455 7.4.1). */
#define MCP_WS_NORMAL     1000
#define MCP_WS_GOING_AWAY 1001
#define MCP_WS_PROTOCOL   1002
#define MCP_WS_KIND       1003
#define MCP_WS_NO_STATUS  1005
#define MCP_WS_TEXT       1007
#define MCP_WS_POLICY     1008
#define MCP_WS_TOO_BIG    1009
#define MCP_WS_FAILED     1011

typedef enum {
  MCP_WS_MORE,    /* nothing further in what was fed */
  MCP_WS_MESSAGE, /* text, which is UTF-8; or, if allowed, `binary` */
  MCP_WS_PING,    /* must be answered with a pong of the same text */
  MCP_WS_PONG,
  MCP_WS_CLOSE /* `status` (MCP_WS_NO_STATUS if none) and `text`, its reason;
                  what follows is not read */
} mcp_ws_event_kind_t;

typedef struct {
  mcp_ws_event_kind_t kind;
  mcp_slice_t text; /* valid until the next call */
  unsigned status;
  bool binary;
} mcp_ws_event_t;

typedef struct {
  bool client;          /* we are: what comes must not be masked */
  bool binary;          /* binary messages are taken, too */
  size_t message_limit; /* bytes; 0: MCP_WS_MESSAGE_LENGTH */
  unsigned fragments;   /* of a message; 0: MCP_WS_FRAGMENTS */
} mcp_ws_options_t;

typedef struct mcp_ws mcp_ws_t;

/* NULL when there is no memory. */
mcp_ws_t *mcp_ws_new(const mcp_ws_options_t *options);
void mcp_ws_free(mcp_ws_t *ws);

/* What is kept of a message is charged to `share`. Before the first bytes. */
void mcp_ws_set_share(mcp_ws_t *ws, mcp_share_t *share);

/* Hands over bytes, borrowed until `next` has said MORE, given a CLOSE, or
 * failed, or until mcp_ws_take_rest. */
void mcp_ws_feed(mcp_ws_t *ws, mcp_slice_t bytes);

/* Takes back what has not been read, to be fed later. */
mcp_slice_t mcp_ws_take_rest(mcp_ws_t *ws);

/* The next event. 0, or a code, which is final: MCP_EFRAME (see
 * mcp_ws_status), MCP_EUTF8, MCP_ETOOBIG, MCP_ENOMEM, MCP_EBUDGET. */
int mcp_ws_next(mcp_ws_t *ws, mcp_ws_event_t *event);

/* Which close code the last failure asks for, and why, a static line. */
unsigned mcp_ws_status(const mcp_ws_t *ws);
const char *mcp_ws_error_text(const mcp_ws_t *ws);

/* May a close frame say `status`? */
bool mcp_ws_may_say(unsigned long status);

typedef enum {
  MCP_WS_OP_TEXT = 1,
  MCP_WS_OP_BINARY = 2,
  MCP_WS_OP_CLOSE = 8,
  MCP_WS_OP_PING = 9,
  MCP_WS_OP_PONG = 10
} mcp_ws_op_t;

/* Begins a frame at the end of `out`: leaves room for its head. Append the
 * payload, then write the head with mcp_ws_end; `from` is where `out` ended
 * before. The payload is moved only if the room does not fit, and masked where
 * it lies. 0, MCP_ENOMEM, or the codes of mcp_crypto_random: `out` is then as
 * it was at `from`. */
int mcp_ws_begin(mcp_buf_t *out, bool client);
int mcp_ws_end(mcp_buf_t *out, size_t from, mcp_ws_op_t op, bool client);

/* The head of a server's frame whose payload of `length` bytes follows. 0 or
 * MCP_ENOMEM. */
int mcp_ws_write_head(mcp_buf_t *out, mcp_ws_op_t op, uint64_t length);

/* A whole frame. */
int mcp_ws_write(mcp_buf_t *out, mcp_ws_op_t op, mcp_slice_t payload,
                 bool client);

/* A close frame; MCP_WS_NO_STATUS writes an empty one. A reason over
 * MCP_WS_REASON_LENGTH is cut between characters. */
int mcp_ws_write_close(mcp_buf_t *out, unsigned status, mcp_slice_t reason,
                       bool client);

#endif
