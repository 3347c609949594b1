/* SPDX-License-Identifier: MIT
 * http_connection.h: one connection of the HTTP server: its state, reading
 * requests, keep-alive, and refusing. Answers are written by http_reply.c; what
 * may come in is decided by http_gate.c. */
#ifndef MCP_TRANSPORT_HTTP_CONNECTION_H
#define MCP_TRANSPORT_HTTP_CONNECTION_H

#include "base/list.h"
#include "base/log.h"
#include "net/stream.h"
#include "transport/exchange.h"
#include "transport/http_options.h"
#include "transport/http_reply.h"
#include "transport/large.h"
#include "wire/http.h"

/* The session of HTTP+SSE whose stream a connection is, and the table of all.
 */
typedef struct mcp_http_sse mcp_http_sse_t;
typedef struct mcp_http_sse_table mcp_http_sse_table_t;

/* What the access log is to say of a request. */
typedef struct mcp_http_access mcp_http_access_t;

/* What a connection needs of HTTP+SSE. */
typedef struct {
  /* The link of the session that a query names, or NULL. */
  mcp_link_t *(*find)(mcp_http_sse_table_t *table, mcp_slice_t query);
  void (*drained)(mcp_http_sse_t *sse); /* the stream has drained */
  void (*closed)(mcp_http_sse_t *sse);  /* the stream is closed */
} mcp_http_sse_hooks_t;

/* What the connections of one listener have in common. The listener fills it.
 */
typedef struct mcp_http_service mcp_http_service_t;
struct mcp_http_service {
  mcp_loop_t *loop;
  mcp_http_options_t options;
  const mcp_upper_t *upper;
  void *up;
  const mcp_exchange_ops_t *ops; /* of exchanges */
  const mcp_http_sse_hooks_t *sse_hooks;
  mcp_http_sse_table_t *sse; /* NULL before the first session */
  mcp_list_t connections;
  unsigned busy;    /* requests in progress */
  unsigned guards;  /* how often the gate has been changed */
  uint64_t tickets; /* the last one; they begin at a random number */
  bool closing;     /* no further request is taken */
  /* The stream of a connection is closed. Called last. */
  void (*released)(mcp_http_service_t *service);
};

typedef enum {
  MCP_HTTP_READING,
  MCP_HTTP_BUSY,
  MCP_HTTP_LINGERING,
  MCP_HTTP_GIVEN,
  MCP_HTTP_CLOSING
} mcp_http_state_t;

typedef struct {
  mcp_exchange_t x; /* of the request that is BUSY; first, so the address of the
                       exchange is that of the connection */
  mcp_http_service_t *service;
  mcp_stream_t *stream;
  mcp_http_t *http; /* NULL while its exchange is kept: nothing is read */
  mcp_http_reply_t reply;
  mcp_list_t of_service;
  mcp_share_t *share; /* the stream's */
  mcp_buf_t body;     /* of the request being read, unless `whole` */
  mcp_slice_t whole;  /* the body, where it lies in what was just read; empty
                         outside of read_bytes, whose caller has those bytes */
  mcp_buf_t pending;  /* bytes after the request that is BUSY */
  size_t body_size;
  uint64_t body_begun; /* ms */
  uint64_t ticket;     /* of the request being read, see exchange.h */
  uint64_t deadline;   /* ms, 0 for none */
  mcp_http_state_t state;
  bool head_timed; /* the deadline is that of the head being read */
  bool head_read;  /* the head of the request being read is complete */
  bool listening;  /* a GET: no answer will come */
  bool upgrading;  /* the request being read asks for a WebSocket */
  bool eventing;   /* the request being read asks for HTTP+SSE */
  bool routing;    /* the request being read is for a path of the upper side */
  bool no_json;    /* the client does not accept application/json */
  bool no_events;  /* the client does not accept text/event-stream */
  bool refused;    /* answered at its head; the END is still to come */
  bool at_head;    /* BUSY: the upper side decides whether the body may come */
  bool pumping;    /* inside read_bytes: answering must not re-enter it */
  bool passed;     /* the gate let the last head in, */
  unsigned guards; /* as it then was */
  void *memo;      /* the upper side's, of requests with this head, or NULL;
                      begins with a mcp_incoming_known_t */
  mcp_http_access_t *access; /* http_access.c's, or NULL */
  mcp_http_sse_t *sse;       /* the session whose stream it is, or NULL */
  mcp_large_t *large;        /* BUSY: what is left to send of the answer */
  mcp_log_wire_t wire[];     /* by direction; used only under MCP_LOG=wire */
} mcp_http_connection_t;

/* Makes a connection of `stream`, which is taken. If it cannot, the stream is
 * closed, and `released` is called as for any other. */
void mcp_http_connection_open(mcp_http_service_t *service,
                              mcp_stream_t *stream);

/* Closes it; its exchange is gone. Safe to call twice. */
void mcp_http_connection_close(mcp_http_connection_t *conn, bool flush);

/* Answers the request being read with an error and the option that decides, or
 * NULL. Unless it has been read to its end (`complete`), the connection ends.
 */
void mcp_http_connection_refuse(mcp_http_connection_t *conn, unsigned status,
                                const char *text, const char *option,
                                bool complete);

/* For the exchange: it is over; the connection reads again, or ends. */
void mcp_http_connection_done(mcp_http_connection_t *conn);

/* For the exchange: it is kept, and nothing is read meanwhile. */
void mcp_http_connection_keep(mcp_http_connection_t *conn);

/* For the exchange: it only listens, no answer will come. */
void mcp_http_connection_listen(mcp_http_connection_t *conn);

/* For the exchange of a head: the body may come; the connection reads on. */
void mcp_http_connection_admit(mcp_http_connection_t *conn);

/* For the exchange: answers 101 and hands over the stream and the bytes that
 * followed the request; the connection may be freed then. 0, MCP_ECLOSED while
 * the server closes, or another code. */
int mcp_http_connection_give(mcp_http_connection_t *conn, mcp_stream_t **stream,
                             mcp_buf_t *early);

/* Resets the header fields of the answer to those that every answer to this
 * request has (CORS). */
void mcp_http_connection_begin_fields(mcp_http_connection_t *conn);

#endif
