/* SPDX-License-Identifier: MIT
 * http_conn.h: one connection of the HTTP server, shared by the two files that
 * serve it: http_server.c reads and rules, http_reply.c writes. */
#ifndef MCP_TRANSPORT_HTTP_CONN_H
#define MCP_TRANSPORT_HTTP_CONN_H

#include "base/list.h"
#include "base/log.h"
#include "net/stream.h"
#include "transport/exchange.h"
#include "transport/http_server.h"
#include "wire/http.h"

typedef enum {
  MCP_HTTP_READING,
  MCP_HTTP_BUSY,
  MCP_HTTP_LINGERING,
  MCP_HTTP_GIVEN, /* the stream is somebody else's: to be freed */
  MCP_HTTP_CLOSING
} mcp_http_state_t;

typedef struct {
  mcp_exchange_t x; /* of the request now BUSY; first, so it is the conn */
  mcp_http_server_t *server;
  mcp_stream_t *stream;
  mcp_http_t *http; /* NULL while its exchange is kept: nothing is read */
  mcp_list_t of_server;
  mcp_share_t *share; /* the stream's */
  mcp_buf_t body;     /* of the request now read, unless `whole` */
  mcp_slice_t whole;  /* the body, where it lies in what was just read; empty
                         outside of read_bytes, whose caller has those bytes */
  mcp_buf_t pending;  /* bytes behind the request that is BUSY */
  mcp_buf_t extra;    /* header fields of the answer, each with its CRLF */
  size_t body_size;
  uint64_t body_begun; /* ms */
  uint64_t ticket;     /* of the message now read, see exchange.h */
  uint64_t deadline;   /* ms, 0 for none */
  uint64_t last_sent;  /* ms; while streaming */
  mcp_http_state_t state;
  bool keep_alive, http_1_0;
  bool head_timed; /* the deadline is that of the head now read */
  bool head_read;  /* the head of the message now read is complete */
  bool streaming;  /* the head of an event stream has gone out */
  bool listening;  /* a GET: no answer will come */
  bool upgrading;  /* the message now read asks for a WebSocket */
  bool eventing;   /* the message now read asks for HTTP+SSE */
  bool no_json;    /* its sender takes no application/json */
  bool no_events;  /* its sender takes no text/event-stream */
  bool refused;    /* answered at its head; the END is still to come */
  bool at_head;    /* BUSY with the question whether the body may come */
  bool pumping;    /* inside read_messages: answering must not re-enter */
  bool logged;     /* `wire` is there */
  struct mcp_http_sse *sse; /* the session whose stream it is, or NULL */
  mcp_log_wire_t wire[];    /* by direction; only under MCP_LOG=wire */
} mcp_http_conn_t;

/* http_server.c */
mcp_loop_t *mcp_http_conn_loop(const mcp_http_conn_t *conn);
void mcp_http_conn_close(mcp_http_conn_t *conn, bool flush);
void mcp_http_conn_done(mcp_http_conn_t *conn);
int mcp_http_conn_keep(mcp_http_conn_t *conn);
/* The body may come: the connection goes on reading the message. */
void mcp_http_conn_admit(mcp_http_conn_t *conn);
/* Parts with the stream, and with what came behind the request; the connection
 * may be gone then. MCP_ECLOSED while the server closes. */
int mcp_http_conn_give(mcp_http_conn_t *conn, mcp_stream_t **stream,
                       mcp_buf_t *early);
void mcp_http_conn_begin_fields(mcp_http_conn_t *conn);
/* HTTP+SSE: what exchange.h says of open_events and feed. */
int mcp_http_conn_open_events(mcp_http_conn_t *conn, const mcp_upper_t *upper,
                              void *up, mcp_link_t **link);
int mcp_http_conn_feed(mcp_http_conn_t *conn);

/* http_reply.c: the ways of its exchanges */
extern const mcp_exchange_ops_t mcp_http_ways;

/* A short plain answer (`no_body`: to HEAD). 0 or a code of the stream. */
int mcp_http_reply_text(mcp_http_conn_t *conn, unsigned status,
                        const char *text, bool no_body);

/* The same of a document of JSON. */
int mcp_http_reply_page(mcp_http_conn_t *conn, unsigned status,
                        const char *text, bool no_body);

/* A JSON-RPC error outside any exchange. 0 or a code of the stream. */
int mcp_http_reply_error(mcp_http_conn_t *conn, unsigned status, mcp_slice_t id,
                         int code, const char *text);

/* 101: from here on it is a WebSocket. 0 or a code. */
int mcp_http_reply_upgrade(mcp_http_conn_t *conn);

/* An event of an event stream, whose head goes before it if it is the first. */
int mcp_http_reply_event(mcp_http_conn_t *conn, mcp_slice_t name,
                         mcp_slice_t data);

/* A comment on an open event stream; and the end of one. */
int mcp_http_reply_heartbeat(mcp_http_conn_t *conn);
int mcp_http_reply_end(mcp_http_conn_t *conn);

#endif
