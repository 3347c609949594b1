/* SPDX-License-Identifier: MIT
 * http_reply.h: writes the answers of one HTTP connection: status line, header
 * fields, and a body or the events of a stream. It knows neither the state of
 * the connection nor what an answer means. */
#ifndef MCP_TRANSPORT_HTTP_REPLY_H
#define MCP_TRANSPORT_HTTP_REPLY_H

#include "base/log.h"
#include "net/loop.h"
#include "net/stream.h"
#include "wire/http.h"

typedef struct {
  mcp_loop_t *loop;
  mcp_stream_t *stream; /* NULL once it was given away */
  mcp_log_wire_t *wire; /* by direction; NULL unless MCP_LOG=wire */
  mcp_buf_t fields;     /* header fields of the answer, each with its CRLF */
  uint64_t last_sent;   /* ms */
  uint64_t sent;        /* bytes, of all answers */
  /* Assigned only in http_reply.c. */
  unsigned status; /* of the last head that was written */
  bool keep_alive; /* the connection goes on after the answer */
  bool http_1_0;
  bool streaming; /* the head of an event stream was sent, its end was not */
} mcp_http_reply_t;

/* Takes the version and the wish for another request from a request's head. */
void mcp_http_reply_follow(mcp_http_reply_t *reply,
                           const mcp_http_head_t *head);

/* The connection ends after the answer, which says so. */
void mcp_http_reply_close_after(mcp_http_reply_t *reply);

/* The buffer to append a body or the text of an event to; NULL when there is no
 * memory. `fields` must not change until it is sent. */
mcp_buf_t *mcp_http_reply_begin(mcp_http_reply_t *reply);

/* Discards what was appended since begin. */
void mcp_http_reply_abandon(mcp_http_reply_t *reply);

/* Sends what was appended since begin: as a JSON document, or as part of an
 * event stream (`last`: its end). The stream's head is sent first if it has not
 * been. An empty buffer sends just the head or the end. 0 or a code. */
int mcp_http_reply_send_json(mcp_http_reply_t *reply, unsigned status);
int mcp_http_reply_send_event(mcp_http_reply_t *reply, bool last);

/* Sends what was appended since begin as the beginning of a JSON document, of
 * which `more` bytes follow: by mcp_http_reply_send_more, which may take the
 * memory of `part`. 0 or a code. */
int mcp_http_reply_begin_json(mcp_http_reply_t *reply, unsigned status,
                              uint64_t more);
int mcp_http_reply_send_more(mcp_http_reply_t *reply, mcp_buf_t *part);

/* A short plain text (`no_body`: the answer to HEAD). 0 or a code. */
int mcp_http_reply_text(mcp_http_reply_t *reply, unsigned status,
                        const char *text, bool no_body);

/* The same for a document whose Content-Type is in `fields`. */
int mcp_http_reply_page(mcp_http_reply_t *reply, unsigned status,
                        const char *text, bool no_body);

/* Any bytes, whose Content-Type is in `fields`. 0 or a code. */
int mcp_http_reply_bytes(mcp_http_reply_t *reply, unsigned status,
                         mcp_slice_t body, bool no_body);

/* A JSON-RPC error. 0 or a code. */
int mcp_http_reply_error(mcp_http_reply_t *reply, unsigned status,
                         mcp_slice_t id, int code, const char *text);

/* 100: the client may send its body. 0 or a code. */
int mcp_http_reply_continue(mcp_http_reply_t *reply);

/* 101, the answer to a WebSocket handshake. 0 or a code. */
int mcp_http_reply_upgrade(mcp_http_reply_t *reply,
                           const mcp_http_head_t *head);

/* One event of an event stream. 0 or a code. */
int mcp_http_reply_event(mcp_http_reply_t *reply, mcp_slice_t name,
                         mcp_slice_t data);

/* A comment on an open event stream; the end of one. 0 or a code. */
int mcp_http_reply_heartbeat(mcp_http_reply_t *reply);
int mcp_http_reply_end(mcp_http_reply_t *reply);

#endif
