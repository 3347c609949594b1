/* SPDX-License-Identifier: MIT
 * exchange.h: the central noun. An exchange is one message that came in, and
 * the way back for its answer. It is made when the message arrives and knows
 * how it came, so answering needs no lookup and no question "which transport
 * was that?". What a message means is not known here.
 *
 * Life: a transport makes it and hands it up with on_arrival. The upper side
 * then owes it exactly one end: mcp_exchange_commit(MCP_OUT_ANSWER) or
 * mcp_exchange_drop, now or later. Before that it may send notices. If the way
 * back dies first, the transport says on_gone, and nobody may touch the
 * exchange after that call. After its end it is the transport's again. */
#ifndef MCP_TRANSPORT_EXCHANGE_H
#define MCP_TRANSPORT_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/stream.h"
#include "wire/json.h"
#include "wire/rpc.h"

/* A client that fires without waiting: requests under way per connection and
 * in the whole process. More are answered "busy". */
#define MCP_EXCHANGE_PER_LINK    64
#define MCP_EXCHANGE_PER_PROCESS 1024
/* A client that subscribes again and again: exchanges kept per connection. */
#define MCP_EXCHANGE_KEPT_PER_LINK 64
/* A listener that does not read: bytes queued for it before it gets no more. */
#define MCP_EXCHANGE_QUEUE (1u << 20)
/* When to come again after a 503, in seconds. */
#define MCP_EXCHANGE_RETRY 5

typedef struct mcp_exchange mcp_exchange_t;
typedef struct mcp_link mcp_link_t;

typedef enum {
  MCP_OUT_NOTICE, /* a message before the answer: notification or request */
  MCP_OUT_ANSWER  /* the answer: the exchange is over */
} mcp_out_t;

typedef enum {
  MCP_ARRIVAL_MESSAGE,
  MCP_ARRIVAL_BATCH,   /* an array of messages; only 2025-03-26 knows them */
  MCP_ARRIVAL_GET,     /* HTTP: somebody wants to listen */
  MCP_ARRIVAL_DELETE,  /* HTTP: somebody ends a session */
  MCP_ARRIVAL_UPGRADE, /* HTTP: somebody wants a WebSocket, or HTTP+SSE */
  MCP_ARRIVAL_POST,    /* HTTP+SSE: a message for a link, as yet unread */
  MCP_ARRIVAL_HEAD     /* HTTP: the head of a POST whose body is still to come:
                          may it? Dropped with status 0 it may; a message or a
                          status is the answer to it, and the connection ends */
} mcp_arrival_kind_t;

/* What came. `doc` and `rpc` are valid during on_arrival only. */
typedef struct {
  mcp_arrival_kind_t kind;
  const mcp_json_doc_t *doc;
  const mcp_rpc_t *rpc; /* of MCP_ARRIVAL_MESSAGE */
  mcp_link_t *link;     /* of MCP_ARRIVAL_POST; NULL: there is no such link */
  bool is_post;         /* of MCP_ARRIVAL_HEAD: will be MCP_ARRIVAL_POST */
} mcp_arrival_t;

/* The table that the room above fills; `up` is its own. */
typedef struct {
  void (*on_arrival)(void *up, mcp_exchange_t *x, const mcp_arrival_t *arrival);
  void (*on_gone)(void *up, mcp_exchange_t *x);
  void (*on_drain)(void *up, mcp_exchange_t *x);     /* see `congested` */
  void (*on_link_ended)(void *up, mcp_link_t *link); /* nothing more comes */
  void (*on_link_closed)(void *up, mcp_link_t *link, int code); /* its last */
} mcp_upper_t;

/* What only exchanges that came by HTTP can do. */
typedef struct {
  void (*cut)(mcp_exchange_t *x); /* ends the connection */
  /* Does the client accept more than the answer? If not, no notice is begun. */
  bool (*can_stream)(mcp_exchange_t *x);
  int (*open_stream)(mcp_exchange_t *x); /* 0, MCP_ENOSTREAM, or a code */
  /* A field of the request. False if it is absent; `twice` if it is repeated.
   */
  bool (*header)(mcp_exchange_t *x, mcp_slice_t name, mcp_slice_t *value,
                 bool *twice);
  /* Field `i` of the request. Returns how many there are. */
  size_t (*each_header)(mcp_exchange_t *x, size_t i, mcp_slice_t *name,
                        mcp_slice_t *value);
  /* Adds a field to the answer. 0, MCP_EHTTP if it is not valid, or a code. */
  int (*set_header)(mcp_exchange_t *x, mcp_slice_t name, mcp_slice_t value);
  /* Accepts MCP_ARRIVAL_UPGRADE to a WebSocket. 0: the exchange is over; its
   * stream, and the bytes that followed the request, are the caller's. */
  int (*upgrade)(mcp_exchange_t *x, mcp_stream_t **stream, mcp_buf_t *early);
  /* Does MCP_ARRIVAL_UPGRADE ask for HTTP+SSE? */
  bool (*wants_events)(mcp_exchange_t *x);
  /* Accepts that. 0: the exchange is over; or a code. */
  int (*open_events)(mcp_exchange_t *x, const mcp_upper_t *upper, void *up,
                     mcp_link_t **link);
  /* Hands the message of MCP_ARRIVAL_POST to its link. 0; MCP_ECLOSED if there
   * is none; MCP_EBUSY; or the error of a text that is not a message. */
  int (*feed)(mcp_exchange_t *x);
} mcp_exchange_http_ops_t;

/* The operations of a transport. */
typedef struct {
  const char *name; /* "stdio", "http", …: for logs */
  mcp_buf_t *(*begin)(mcp_exchange_t *x, mcp_out_t out);
  int (*commit)(mcp_exchange_t *x, mcp_out_t out);
  void (*abandon)(mcp_exchange_t *x);
  void (*drop)(mcp_exchange_t *x);
  /* There is no memory for an answer that is owed: ends the exchange, and the
   * connection, so that the peer does not wait for it. */
  void (*lose)(mcp_exchange_t *x);
  bool (*congested)(mcp_exchange_t *x);
  bool (*full)(mcp_exchange_t *x); /* MCP_EXCHANGE_QUEUE is reached */
  int (*keep)(mcp_exchange_t *x);
  const mcp_exchange_http_ops_t *http; /* NULL for other transports */
} mcp_exchange_ops_t;

/* HTTP: what a message carries beside its text, in an event stream. */
typedef struct {
  mcp_slice_t id;   /* one line, or empty */
  int64_t retry_ms; /* < 0 for none */
  bool is_message;  /* false: no message, it is there for id and retry */
} mcp_exchange_event_t;

struct mcp_exchange {
  const mcp_exchange_ops_t *ops;
  void *up;           /* whatever the room above keeps for it */
  mcp_link_t *link;   /* the duplex connection it came by, or NULL (HTTP) */
  mcp_share_t *share; /* of the peer: what the exchange makes us keep */
  unsigned status;    /* HTTP: of the answer, 0 for the usual one */
  bool wants_answer;  /* a request, a GET, a DELETE */
  bool survives;      /* losing the way back does not cancel its handler */
  bool waits_drain;   /* on_drain is wanted once */
  bool kept;          /* see mcp_exchange_keep */
  /* HTTP: what MCP_ARRIVAL_HEAD and the message behind it have in common, and
   * nothing else has. 0: the head came with its message. */
  uint64_t ticket;
  /* HTTP: one that only listens ends then, in ms of the loop's clock; so does a
   * link that it becomes, once nothing is under way there. 0: never. */
  uint64_t ends_at;
  /* HTTP: what goes with the message that is begun next, or NULL. */
  const mcp_exchange_event_t *event;
  uint8_t id_length;
  char id[MCP_RPC_ID_LENGTH]; /* of a request, as it stood in the text */
};

static inline mcp_slice_t mcp_exchange_id(const mcp_exchange_t *x) {
  return (mcp_slice_t){x->id, x->id_length};
}

/* Takes over the id of a request; any other message leaves it empty. */
void mcp_exchange_take_id(mcp_exchange_t *x, const mcp_rpc_t *rpc);

/* Is `key` the key of the id of `x` (see mcp_rpc_id_key)? */
bool mcp_exchange_has_key(const mcp_exchange_t *x, mcp_slice_t key);

/* The buffer to append one whole JSON text to; then commit it, or abandon it.
 * Nothing else may be sent in between. NULL when there is no memory. */
static inline mcp_buf_t *mcp_exchange_begin(mcp_exchange_t *x, mcp_out_t out) {
  return x->ops->begin(x, out);
}

/* Sends what was appended since begin. After MCP_OUT_ANSWER the exchange is no
 * longer the caller's, whatever is returned: 0, or a code when the way back
 * turned out to be broken. */
static inline int mcp_exchange_commit(mcp_exchange_t *x, mcp_out_t out) {
  return x->ops->commit(x, out);
}

/* Forgets what was appended since begin. */
static inline void mcp_exchange_abandon(mcp_exchange_t *x) {
  x->ops->abandon(x);
}

/* Ends the exchange without a message: what a notification gets, and a request
 * that was cancelled. The exchange is no longer the caller's. */
static inline void mcp_exchange_drop(mcp_exchange_t *x) {
  x->ops->drop(x);
}

/* Nobody works on it any more, it only listens: it does not count as under way
 * and holds up no closing, and its header fields are forgotten. Over HTTP its
 * stream has been opened. 0, or MCP_EBUSY when the connection has too many. */
static inline int mcp_exchange_keep(mcp_exchange_t *x) {
  int code = x->ops->keep(x);
  if (code == 0) x->kept = true;
  return code;
}

/* Answers with a JSON-RPC error made of constants and a short text. Needs no
 * Lua. The exchange is no longer the caller's. */
void mcp_exchange_fail(mcp_exchange_t *x, int code, const char *text);

#endif
