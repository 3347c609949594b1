/* SPDX-License-Identifier: MIT
 * http_client.h: requests over HTTP/1.1, and the connections that are kept for
 * the next ones. A pool has connections by origin; a call is one request and
 * what has come of its answer so far. Knows nothing of what bodies mean.
 *
 * Nobody is called back from inside a function of this file, but from the loop
 * only. Never is a request sent before the answer to the one before is whole.
 */
#ifndef MCP_TRANSPORT_HTTP_CLIENT_H
#define MCP_TRANSPORT_HTTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/connect.h"
#include "net/loop.h"
#include "net/tls.h"
#include "wire/http.h"

/* Connections to one origin at once: an event stream holds one for as long as
 * it goes on, so there are more than a browser has. */
#define MCP_HTTP_CLIENT_CONNECTIONS 32
/* Idle connections are closed before most servers do it. In milliseconds, like
 * all times here. */
#define MCP_HTTP_CLIENT_IDLE_TIME 30000
/* Addresses that do not answer. */
#define MCP_HTTP_CLIENT_CONNECT_TIME 10000
/* Servers that never answer: until the head has come, waiting for a free
 * connection included. */
#define MCP_HTTP_CLIENT_HEAD_TIME 60000
/* Bodies that stop coming. */
#define MCP_HTTP_CLIENT_BODY_TIME 30000
/* Bodies larger than any message means to be. */
#define MCP_HTTP_CLIENT_BODY_LENGTH (4u << 20)
/* What nobody has read yet: beyond this the socket is not read. */
#define MCP_HTTP_CLIENT_UNREAD (256u << 10)
/* A kept connection that ends so soon after a request was written to it had
 * been closed by the server before, and the request was not read. */
#define MCP_HTTP_CLIENT_STALE_TIME 1000

typedef struct mcp_http_pool mcp_http_pool_t;
typedef struct mcp_http_call mcp_http_call_t;

/* 0 takes the default above. */
typedef struct {
  unsigned connections;
  uint64_t idle_time, connect_time;
} mcp_http_pool_options_t;

typedef enum {
  MCP_HTTP_AGAIN_STALE, /* when the server cannot have read it */
  MCP_HTTP_AGAIN_YES,   /* it means the same sent twice */
  MCP_HTTP_AGAIN_NEVER
} mcp_http_again_t;

/* Strings are copied. */
typedef struct {
  const char *host; /* a name or an address, IPv6 without brackets */
  int port;
  const char *unix_path;   /* or NULL; then instead of host and port */
  mcp_tls_t *tls;          /* or NULL */
  const char *server_name; /* of TLS; NULL: the host */
  unsigned flags;          /* MCP_CONNECT_PUBLIC … */
  mcp_http_again_t again;
  bool no_body;       /* the answer to HEAD */
  size_t head_limit;  /* 0: MCP_HTTP_HEAD_LENGTH */
  uint64_t head_time; /* UINT64_MAX: no limit */
} mcp_http_call_options_t;

/* Each is called last, from the loop. */
typedef struct {
  void (*on_change)(void *owner); /* the head, more of the body, or the end */
  void (*on_alarm)(void *owner);  /* the time of mcp_http_call_alarm has come */
} mcp_http_call_events_t;

/* What has come so far. */
typedef enum {
  MCP_HTTP_CALL_WAITING, /* no head */
  MCP_HTTP_CALL_BODY,    /* the head, and more of the body may come */
  MCP_HTTP_CALL_DONE,    /* all of it */
  MCP_HTTP_CALL_FAILED
} mcp_http_call_state_t;

/* A pool on `loop`, or NULL: no memory. */
mcp_http_pool_t *mcp_http_pool_new(mcp_loop_t *loop,
                                   const mcp_http_pool_options_t *options);

/* Closes every connection; calls that are not done fail with MCP_ECLOSED, and
 * new ones do so at once. May be called twice. */
void mcp_http_pool_close(mcp_http_pool_t *pool);

/* Closes it, and frees it when its last call is. NULL is accepted. */
void mcp_http_pool_free(mcp_http_pool_t *pool);

typedef struct {
  size_t open, idle, waiting; /* connections, and calls without one */
} mcp_http_pool_facts_t;

mcp_http_pool_facts_t mcp_http_pool_facts(const mcp_http_pool_t *pool);

/* Sends `request`, a whole one (wire/http_request.h), which is taken over, on
 * a connection that is free, or a new one, or when there is a free one. 0,
 * MCP_ENOMEM or MCP_ECLOSED; everything else is told by a change. */
int mcp_http_call_start(mcp_http_pool_t *pool,
                        const mcp_http_call_options_t *options,
                        mcp_buf_t *request,
                        const mcp_http_call_events_t *events, void *owner,
                        mcp_http_call_t **call);

/* Gives it up and frees it; nobody is called any more. Its connection is
 * closed unless the answer is whole. NULL is accepted. */
void mcp_http_call_free(mcp_http_call_t *call);

/* Ends it, if it is not over, as failed with MCP_ECLOSED: what has come of it
 * stays. */
void mcp_http_call_stop(mcp_http_call_t *call);

mcp_http_call_state_t mcp_http_call_state(const mcp_http_call_t *call);

/* Why it failed: a code, and a line that may say more, or NULL, valid as long
 * as the call. */
int mcp_http_call_failure(const mcp_http_call_t *call, const char **why);

/* The head, from BODY on: `status`, `headers`, `header_count` and
 * `content_length` are filled. Valid as long as the call. */
const mcp_http_head_t *mcp_http_call_head(const mcp_http_call_t *call);

/* What has come of the body and has not been taken. Valid until the next turn
 * of the loop. */
mcp_slice_t mcp_http_call_body(const mcp_http_call_t *call);

/* What is kept of its answer is charged to this, which lives as long as the
 * call or anything that is charged to it. */
mcp_share_t *mcp_http_call_share(const mcp_http_call_t *call);

/* Takes all of that; the result owns it. The socket is read again. */
mcp_buf_t mcp_http_call_take(mcp_http_call_t *call);

/* So much may lie there untaken from now on. */
void mcp_http_call_allow(mcp_http_call_t *call, size_t bytes);

/* Lets on_alarm be called `after_ms` from now, once; UINT64_MAX: not at all. */
void mcp_http_call_alarm(mcp_http_call_t *call, uint64_t after_ms);

#endif
