/* SPDX-License-Identifier: MIT
 * exchange.h: an exchange is one message that arrived, and the response path
 * for its answer. It is created when the message arrives and refers to its
 * transport, so answering needs no lookup. What a message means is not known
 * here.
 *
 * Lifetime: a transport creates it and hands it up with on_arrival. The upper
 * side ends it exactly once, by mcp_exchange_commit(MCP_OUT_ANSWER) or
 * mcp_exchange_drop, now or later. Before that it may send notices. If the
 * response path is lost first, the transport calls on_gone, and the exchange
 * must not be used after that call. After its end it belongs to the transport.
 */
#ifndef MCP_TRANSPORT_EXCHANGE_H
#define MCP_TRANSPORT_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/stream.h"
#include "transport/large.h"
#include "wire/json.h"
#include "wire/rpc.h"

/* A client that sends without waiting: requests in progress per connection and
 * in the whole process. Further ones are answered "busy". */
#define MCP_EXCHANGE_PER_LINK    64
#define MCP_EXCHANGE_PER_PROCESS 1024
/* A client that subscribes again and again: exchanges kept per connection. */
#define MCP_EXCHANGE_KEPT_PER_LINK 64
/* A listener that does not read: bytes queued for it before no more is sent. */
#define MCP_EXCHANGE_QUEUE (1u << 20)
/* Retry-After of a 503, in seconds. */
#define MCP_EXCHANGE_RETRY 5

typedef struct mcp_exchange mcp_exchange_t;
typedef struct mcp_link mcp_link_t;

typedef enum {
  MCP_OUT_NOTICE, /* a message before the answer: notification or request */
  MCP_OUT_ANSWER  /* the answer: the exchange is over */
} mcp_out_t;

typedef enum {
  MCP_ARRIVAL_MESSAGE,
  MCP_ARRIVAL_BATCH,   /* an array of messages; only in 2025-03-26 */
  MCP_ARRIVAL_GET,     /* HTTP: the client opens an event stream */
  MCP_ARRIVAL_DELETE,  /* HTTP: the client ends a session */
  MCP_ARRIVAL_UPGRADE, /* HTTP: the client asks for a WebSocket or HTTP+SSE */
  MCP_ARRIVAL_POST,    /* HTTP+SSE: a message for a link, not yet parsed */
  MCP_ARRIVAL_ROUTE,   /* HTTP: a request for a path of the upper side's own,
                          which answers with `respond` */
  MCP_ARRIVAL_HEAD     /* HTTP: the head of a POST, before its body is read.
                          Dropped with status 0: the body is read; a message or
                          a status answers it, and the connection ends */
} mcp_arrival_kind_t;

/* What arrived. `doc` and `rpc` are valid during on_arrival only. */
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
  void (*on_forget)(void *up,
                    void *memo); /* see `memo` of HTTP, mcp_link_memo */
} mcp_upper_t;

/* What only exchanges that came by HTTP can do. */
typedef struct {
  void (*cut)(mcp_exchange_t *x); /* ends the connection */
  /* Does the client accept more than the answer? If not, no notice is begun. */
  bool (*can_stream)(mcp_exchange_t *x);
  int (*open_stream)(mcp_exchange_t *x); /* 0, MCP_ENOSTREAM, or a code */
  /* A field of the request. False if it is absent; `twice` if it is repeated.
   * As in HTTP/2, ":path" is the path, here without its query, which is
   * ":query". */
  bool (*header)(mcp_exchange_t *x, mcp_slice_t name, mcp_slice_t *value,
                 bool *twice);
  /* Field `i` of the request. Returns how many there are. */
  size_t (*each_header)(mcp_exchange_t *x, size_t i, mcp_slice_t *name,
                        mcp_slice_t *value);
  /* Where the upper side may keep what it knows of requests with the header
   * fields of this one, which begins with a mcp_incoming_known_t: it is given
   * back to on_forget with the first that has others. `repeated`: the request
   * before this one had the same. */
  void **(*memo)(mcp_exchange_t *x, bool *repeated);
  /* What a link that the request becomes needs for the access log; `method` is
   * static. NULL: there is none. */
  struct mcp_link_access *(*access)(mcp_exchange_t *x, const char *method);
  /* Writes the address of the client, see mcp_stream_peer. */
  void (*peer)(mcp_exchange_t *x, char *out, size_t size);
  /* Adds a field to the answer. 0, MCP_EHTTP if it is not valid, or a code. */
  int (*set_header)(mcp_exchange_t *x, mcp_slice_t name, mcp_slice_t value);
  /* Accepts MCP_ARRIVAL_UPGRADE to a WebSocket. 0: the exchange is over; its
   * stream, and the bytes that followed the request, are the caller's. */
  int (*upgrade)(mcp_exchange_t *x, mcp_stream_t **stream, mcp_buf_t *early);
  /* Does MCP_ARRIVAL_UPGRADE ask for HTTP+SSE? */
  bool (*wants_events)(mcp_exchange_t *x);
  /* Accepts that; `id` as of mcp_http_sse_open. 0: the exchange is over; or a
   * code. */
  int (*open_events)(mcp_exchange_t *x, mcp_slice_t id,
                     const mcp_upper_t *upper, void *up, mcp_link_t **link);
  /* Hands the message of MCP_ARRIVAL_POST to its link. 0; MCP_EBUSY; the error
   * of a text that is not a message; or MCP_ECLOSED for a message without a
   * link, which `request` gives then. */
  int (*feed)(mcp_exchange_t *x);
  /* Of MCP_ARRIVAL_ROUTE and MCP_ARRIVAL_POST: method, path and query as they
   * came, of the head, and the body, which is valid until `forget_body`. */
  void (*request)(mcp_exchange_t *x, mcp_slice_t parts[4]);
  void (*forget_body)(mcp_exchange_t *x);
  /* Answers MCP_ARRIVAL_ROUTE: `status`, the fields that were set, and `body`,
   * which a HEAD does not get, and 204, 205 and 304 do not have. The exchange
   * is over, whatever is returned. */
  int (*respond)(mcp_exchange_t *x, unsigned status, mcp_slice_t body);
} mcp_exchange_http_ops_t;

/* The operations of a transport. */
typedef struct {
  const char *name; /* "stdio", "http", …: for logs */
  mcp_buf_t *(*begin)(mcp_exchange_t *x, mcp_out_t out);
  int (*commit)(mcp_exchange_t *x, mcp_out_t out);
  /* See mcp_exchange_send_file; NULL: files are written whole. */
  int (*send_file)(mcp_exchange_t *x, const mcp_large_file_t *file);
  void (*abandon)(mcp_exchange_t *x);
  void (*drop)(mcp_exchange_t *x);
  /* There is no memory for an answer that is owed: ends the exchange, and the
   * connection, so that the peer does not wait for it. */
  void (*lose)(mcp_exchange_t *x);
  bool (*congested)(mcp_exchange_t *x);
  bool (*full)(mcp_exchange_t *x); /* MCP_EXCHANGE_QUEUE is reached */
  int (*keep)(mcp_exchange_t *x);
  /* Sets the members that follow in the request's line in the access log. */
  void (*note)(mcp_exchange_t *x, mcp_slice_t text);
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
  void *up;           /* the upper side's */
  mcp_link_t *link;   /* the duplex connection it arrived on; NULL: HTTP */
  mcp_share_t *share; /* of the peer: memory kept for the exchange */
  unsigned status;    /* HTTP: of the answer, 0 for the usual one */
  bool wants_answer;  /* a request, a GET, a DELETE */
  bool survives;      /* losing the response path does not cancel it */
  bool waits_drain;   /* on_drain is to be called once */
  bool kept;          /* see mcp_exchange_keep */
  /* HTTP: the same for MCP_ARRIVAL_HEAD and the message after it, and otherwise
   * unique. 0: the head arrived with its message. */
  uint64_t ticket;
  /* HTTP: when an exchange that only listens ends, in ms of the loop's clock; a
   * link that it becomes ends then, or when nothing is in progress any more.
   * 0: never. */
  uint64_t ends_at;
  /* HTTP: goes with the message that is begun next, or NULL. */
  const mcp_exchange_event_t *event;
  uint8_t id_length;
  char id[MCP_RPC_ID_LENGTH]; /* of a request, as in its text */
};

static inline mcp_slice_t mcp_exchange_id(const mcp_exchange_t *x) {
  return (mcp_slice_t){x->id, x->id_length};
}

/* Copies the id of a request; any other message leaves it empty. */
void mcp_exchange_take_id(mcp_exchange_t *x, const mcp_rpc_t *rpc);

/* Is `key` the key of the id of `x` (see mcp_rpc_id_key)? */
bool mcp_exchange_has_key(const mcp_exchange_t *x, mcp_slice_t key);

/* The buffer to append one whole JSON text to; then commit it, or abandon it.
 * Nothing else may be sent in between. NULL when there is no memory. */
static inline mcp_buf_t *mcp_exchange_begin(mcp_exchange_t *x, mcp_out_t out) {
  return x->ops->begin(x, out);
}

/* Sends what was appended since begin. After MCP_OUT_ANSWER the exchange is no
 * longer the caller's, whatever is returned: 0, or a code if the
 * connection is broken. */
static inline int mcp_exchange_commit(mcp_exchange_t *x, mcp_out_t out) {
  return x->ops->commit(x, out);
}

/* Sends what was appended since begin as an answer, with the content of a file
 * in it, which is read as the peer takes it. 0: the exchange is no longer the
 * caller's. Or MCP_ENOMEM, and nothing was sent: what was appended is
 * discarded. Only where ops->send_file is set. */
static inline int mcp_exchange_send_file(mcp_exchange_t *x,
                                         const mcp_large_file_t *file) {
  return x->ops->send_file(x, file);
}

/* Discards what was appended since begin. */
static inline void mcp_exchange_abandon(mcp_exchange_t *x) {
  x->ops->abandon(x);
}

/* Ends the exchange without a message: a notification, or a request that was
 * cancelled. The exchange is no longer the caller's. */
static inline void mcp_exchange_drop(mcp_exchange_t *x) {
  x->ops->drop(x);
}

/* Its handler has returned and it only listens: it no longer counts as in
 * progress, does not delay closing, and its header fields are freed. Over HTTP
 * its stream has been opened. 0, or MCP_EBUSY if the connection has too many.
 */
static inline int mcp_exchange_keep(mcp_exchange_t *x) {
  int code = x->ops->keep(x);
  if (code == 0) x->kept = true;
  return code;
}

/* Answers with a JSON-RPC error made of constants and a short text. Needs no
 * Lua. The exchange is no longer the caller's. */
void mcp_exchange_fail(mcp_exchange_t *x, int code, const char *text);

#endif
