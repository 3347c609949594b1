/* SPDX-License-Identifier: MIT
 * http_borrower.h: between http_pool.c, which keeps connections and lends them,
 * and http_call.c, which borrows one for a request. The pool knows a call only
 * by the operations below. No other file includes this one.
 *
 * A connection is connecting, busy with one borrower, or idle; a borrower waits
 * for a connection of its origin, has one, or is over. Borrowers wait only
 * while all the connections that are allowed are busy. */
#ifndef MCP_TRANSPORT_HTTP_BORROWER_H
#define MCP_TRANSPORT_HTTP_BORROWER_H

#include "base/list.h"
#include "base/log.h"
#include "net/stream.h"
#include "net/tls.h"
#include "transport/dial.h"
#include "transport/http_pool.h"
#include "wire/http.h"

typedef struct mcp_http_origin mcp_http_origin_t;
typedef struct mcp_http_borrower mcp_http_borrower_t;

/* Where a request goes; see mcp_http_call_options_t. */
typedef struct {
  const char *host;
  int port;
  const char *unix_path;
  mcp_tls_t *tls;
  const char *server_name;
  unsigned flags;
  const char *proxy_host; /* of a tunnel, or NULL; see dial.h */
  int proxy_port;
  const char *proxy_authorization;
} mcp_http_target_t;

/* A connection of the pool. */
typedef struct {
  mcp_http_pool_t *pool;
  mcp_http_origin_t *origin; /* NULL once it is closing */
  mcp_list_t of_origin;
  mcp_dial_t *op;                /* while connecting */
  mcp_stream_t *stream;          /* NULL while connecting */
  mcp_http_t *http;              /* the decoder of answers */
  mcp_http_borrower_t *borrower; /* NULL while idle */
  uint64_t idle_due;             /* ms; while idle */
  uint64_t sent_at;              /* ms; when the request was sent */
  bool started;                  /* the stream will report its end */
  bool used;                     /* it has served a borrower before this one */
  bool heard; /* a byte has arrived since the request was sent */
  mcp_log_wire_t wire_in, wire_out;
} mcp_http_pooled_t;

typedef struct {
  /* The connection is ready: send the request. */
  void (*send)(mcp_http_borrower_t *borrower);
  /* Bytes were fed to the decoder. */
  void (*read)(mcp_http_borrower_t *borrower);
  /* All that was sent has been written. */
  void (*drain)(mcp_http_borrower_t *borrower);
  /* The connection ended; `code` as in mcp_stream_events_t. */
  void (*end)(mcp_http_borrower_t *borrower, int code);
  /* It is over: `reason` is static, or NULL. Its connection must be discarded.
   */
  void (*fail)(mcp_http_borrower_t *borrower, int code, const char *reason);
  /* It was marked: calls its owner. May free the borrower. */
  void (*notify)(mcp_http_borrower_t *borrower);
} mcp_http_borrower_ops_t;

struct mcp_http_borrower {
  const mcp_http_borrower_ops_t *ops;
  mcp_http_pool_t *pool;
  mcp_http_origin_t *origin; /* NULL once it is over */
  mcp_http_pooled_t *conn;   /* NULL while it waits for one */
  mcp_list_t of_pool, of_waiting, of_dirty;
  uint64_t due, alarm; /* ms; of the answer's head; its owner's; UINT64_MAX:
                          never */
  bool rang;           /* the alarm is due */
};

/* Adds `borrower`, whose `ops`, `due` and `alarm` are set, and lends it a
 * connection now or later. 0, MCP_ENOMEM or MCP_ECLOSED. */
int mcp_http_pool_borrow(mcp_http_pool_t *pool, const mcp_http_target_t *target,
                         mcp_http_borrower_t *borrower);

/* Takes `borrower`, which is over, out of the pool, which may be freed then. */
void mcp_http_pool_leave(mcp_http_borrower_t *borrower);

/* The answer is complete: keeps the connection for the next borrower. */
void mcp_http_pool_keep(mcp_http_pooled_t *conn);

/* Closes the connection and serves those that wait. It may be freed then. */
void mcp_http_pool_discard(mcp_http_pooled_t *conn);

/* Closes the connection and opens another one for its borrower. */
void mcp_http_pool_reopen(mcp_http_pooled_t *conn);

/* Frees an origin if it is unused. */
void mcp_http_pool_release(mcp_http_origin_t *origin);

/* Has `notify` called, from the loop. */
void mcp_http_pool_mark(mcp_http_borrower_t *borrower);

/* The same, but not before the next turn of the loop: others go first. */
void mcp_http_pool_mark_later(mcp_http_borrower_t *borrower);

/* Checks deadlines no later than `at`. */
void mcp_http_pool_set_clock(mcp_http_pool_t *pool, uint64_t at);

mcp_loop_t *mcp_http_pool_loop(const mcp_http_pool_t *pool);
uint64_t mcp_http_pool_now(const mcp_http_pool_t *pool);

/* `at` plus `ms`; UINT64_MAX stays. */
uint64_t mcp_http_pool_later(uint64_t at, uint64_t ms);

#endif
