/* SPDX-License-Identifier: MIT
 * http_call.h: one request over HTTP/1.1, on a connection of a pool, and what
 * has arrived of its answer. It does not know what bodies mean.
 *
 * Events are called from the loop only, never from inside a function of this
 * file. A request is never sent before the answer to the one before it on the
 * same connection is complete. */
#ifndef MCP_TRANSPORT_HTTP_CALL_H
#define MCP_TRANSPORT_HTTP_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/connect.h"
#include "net/tls.h"
#include "transport/http_pool.h"
#include "transport/pieces.h"
#include "wire/decoder.h"
#include "wire/http.h"

/* Servers that never answer: until the head has come, waiting for a free
 * connection included. */
#define MCP_HTTP_CLIENT_HEAD_TIME 60000
/* Bodies that stop coming. */
#define MCP_HTTP_CLIENT_BODY_TIME 30000
/* Bodies larger than any message means to be. */
#define MCP_HTTP_CLIENT_BODY_LENGTH (4u << 20)
/* Bytes of a body that the owner has not taken; beyond this the socket is not
 * read. */
#define MCP_HTTP_CLIENT_UNREAD (256u << 10)
/* Bytes that are decoded before others have their turn. */
#define MCP_HTTP_CLIENT_DECODE (1u << 20)
/* A kept connection that ends so soon after a request was written to it had
 * been closed by the server before, and the request was not read. */
#define MCP_HTTP_CLIENT_STALE_TIME 1000

typedef struct mcp_http_call mcp_http_call_t;

typedef enum {
  MCP_HTTP_AGAIN_STALE, /* when the server cannot have read it */
  MCP_HTTP_AGAIN_YES,   /* it is idempotent */
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
  const char *proxy_host;  /* of a tunnel, or NULL; see dial.h */
  int proxy_port;
  const char *proxy_authorization; /* or NULL */
  mcp_http_again_t again;
  bool no_body;         /* the answer to HEAD */
  mcp_pieces_t *upload; /* or NULL; belongs to the call if it starts */
  size_t head_limit;    /* 0: MCP_HTTP_HEAD_LENGTH */
  uint64_t head_time;   /* UINT64_MAX: no limit */
} mcp_http_call_options_t;

/* Each is called last, from the loop. */
typedef struct {
  void (*on_change)(void *owner); /* the head, more of the body, or the end */
  void (*on_alarm)(void *owner);  /* set by mcp_http_call_alarm */
} mcp_http_call_events_t;

/* What has come so far. */
typedef enum {
  MCP_HTTP_CALL_WAITING, /* no head */
  MCP_HTTP_CALL_BODY,    /* the head, and more of the body may come */
  MCP_HTTP_CALL_DONE,    /* all of it */
  MCP_HTTP_CALL_FAILED
} mcp_http_call_state_t;

/* Sends `request`, a complete one (wire/http_request.h), which is taken, on an
 * idle connection or a new one, or once one becomes free. Its body may follow
 * from options->upload. 0, MCP_ENOMEM or
 * MCP_ECLOSED, and then `request` is not taken; later failures are reported by
 * on_change. */
int mcp_http_call_start(mcp_http_pool_t *pool,
                        const mcp_http_call_options_t *options,
                        mcp_buf_t *request,
                        const mcp_http_call_events_t *events, void *owner,
                        mcp_http_call_t **call);

/* Ends and frees it; its events are not called any more. Its connection is
 * closed unless the answer is complete. NULL is accepted. */
void mcp_http_call_free(mcp_http_call_t *call);

/* Fails it with MCP_ECLOSED, if it is not over. What has arrived stays. */
void mcp_http_call_stop(mcp_http_call_t *call);

mcp_http_call_state_t mcp_http_call_state(const mcp_http_call_t *call);

/* The error of a failed call: a code, and in `reason` a text with more detail,
 * or NULL, valid as long as the call. */
int mcp_http_call_failure(const mcp_http_call_t *call, const char **reason);

/* The head, from BODY on: `status`, `headers`, `header_count` and
 * `content_length` are filled. Valid as long as the call. */
const mcp_http_head_t *mcp_http_call_head(const mcp_http_call_t *call);

/* The part of the body that has arrived and was not taken. Valid until the next
 * turn of the loop. */
mcp_slice_t mcp_http_call_body(const mcp_http_call_t *call);

/* The account of what is kept of the answer; it lives as long as the call or
 * anything that is charged to it. */
mcp_share_t *mcp_http_call_share(const mcp_http_call_t *call);

/* Moves that part out. The socket is read again. */
mcp_buf_t mcp_http_call_take(mcp_http_call_t *call);

/* Has the body decoded, as long as none of it was taken: what lies untaken is
 * decoded then, and bytes are counted after decoding. Once; a second call
 * changes nothing. 0, MCP_ENOMEM or MCP_EBUDGET; a body that cannot be decoded
 * fails the call with MCP_ECODING. */
int mcp_http_call_decode(mcp_http_call_t *call, const mcp_decoder_ops_t *ops,
                         mcp_coding_t coding);

/* Is it decoded? Then the length of the body is not known beforehand. */
bool mcp_http_call_is_decoded(const mcp_http_call_t *call);

/* Sets how many bytes may lie untaken before the socket is not read. */
void mcp_http_call_allow(mcp_http_call_t *call, size_t bytes);

/* Calls on_alarm once, `after_ms` from now; UINT64_MAX: never. */
void mcp_http_call_alarm(mcp_http_call_t *call, uint64_t after_ms);

#endif
