/* SPDX-License-Identifier: MIT
 * http.h: HTTP/1.1 messages (RFC 9110, RFC 9112) as events, pulled:
 * feed(bytes), then next(&event) until it wants more. llhttp reads the grammar;
 * what it would read otherwise than a front proxy is refused before and after
 * it. */
#ifndef MCP_WIRE_HTTP_H
#define MCP_WIRE_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/http_media.h"

/* Slow or endless request lines: 414 in other servers at the same size. */
#define MCP_HTTP_TARGET_LENGTH 8192
/* Header floods; room for tokens and Mcp-Param-* headers. */
#define MCP_HTTP_HEAD_LENGTH  32768
#define MCP_HTTP_HEADER_COUNT 100
/* llhttp takes any number of leading CRLF pairs and any chunk extension. */
#define MCP_HTTP_LEADING_CRLF     2
#define MCP_HTTP_EXTENSION_LENGTH 1024
#define MCP_HTTP_TRAILER_LENGTH   4096
/* A head longer than this is read in full each time, and its buffer is freed
 * when the next message begins. */
#define MCP_HTTP_HEAD_KEPT 4096
/* Interim 1xx responses a client waits through. */
#define MCP_HTTP_INTERIM_COUNT 8

typedef enum {
  MCP_HTTP_OTHER, /* a valid token we have no name for; never CONNECT, PRI */
  MCP_HTTP_GET,
  MCP_HTTP_HEAD,
  MCP_HTTP_POST,
  MCP_HTTP_PUT,
  MCP_HTTP_DELETE,
  MCP_HTTP_OPTIONS
} mcp_http_method_t;

typedef enum {
  MCP_HTTP_MORE,  /* nothing further in what was fed */
  MCP_HTTP_START, /* the whole head has been read: see mcp_http_head */
  MCP_HTTP_BODY,  /* a piece of the body, borrowed from what was fed */
  MCP_HTTP_END    /* the message is complete; the next may follow */
} mcp_http_event_kind_t;

typedef struct {
  mcp_http_event_kind_t kind;
  mcp_slice_t body; /* of MCP_HTTP_BODY */
} mcp_http_event_t;

typedef struct {
  mcp_slice_t name;  /* as it came */
  mcp_slice_t value; /* trimmed */
} mcp_http_header_t;

/* The head of the message now being read. Slices point into the decoder and
 * stay valid until mcp_http_next meets the first byte of another message, or
 * mcp_http_shrink: from then on it is empty (method OTHER, no fields). */
typedef struct {
  mcp_http_method_t method; /* request */
  mcp_slice_t method_name;  /* request */
  mcp_slice_t target;       /* request, as it came (absolute-form included) */
  mcp_slice_t path;         /* request: target without authority and query,
                               "*" of OPTIONS as it is; never empty */
  mcp_slice_t query;        /* request: without '?'; empty if none */
  mcp_slice_t host;         /* request: the one Host, host[:port]; empty only
                               in HTTP/1.0 */
  unsigned status;          /* response */
  bool http_1_0;
  bool keep_alive; /* may another message follow? If not, bytes after END are
                      an error */
  bool chunked;
  bool upgrade;           /* request: Upgrade and Connection ask for one;
                             response: 101, which ends HTTP here */
  bool expect_continue;   /* Expect: 100-continue */
  bool expect_other;      /* any other expectation: 417 */
  bool repeated;          /* the bytes of the message before it, but for
                             content_length */
  int64_t content_length; /* -1 if not given */
  const mcp_http_header_t *headers;
  size_t header_count;
} mcp_http_head_t;

typedef struct mcp_http mcp_http_t;

/* A decoder of requests, or of responses. NULL when there is no memory. */
mcp_http_t *mcp_http_new(bool responses);
void mcp_http_free(mcp_http_t *http);

/* Charges it, and what it will keep of heads and trailers, to `share`. Before
 * the first bytes. 0 or MCP_EBUDGET. */
int mcp_http_charge(mcp_http_t *http, mcp_share_t *share);

/* For responses: the next final one answers HEAD, so it has no body. */
void mcp_http_expect_no_body(mcp_http_t *http);

/* Heads from now on may be so long; 0 for MCP_HTTP_HEAD_LENGTH. */
void mcp_http_limit_head(mcp_http_t *http, size_t length);

/* Hands over bytes. They are borrowed until `next` has said MORE or failed;
 * feeding before that is a programming error. A caller that stops pulling
 * earlier (one message at a time, say) keeps mcp_http_rest, takes the bytes
 * back by feeding nothing, and feeds what it kept later. */
void mcp_http_feed(mcp_http_t *http, mcp_slice_t bytes);

/* The next event. 0, or a negative code, which is final:
 * MCP_EHTTP (bad grammar, ambiguous framing, no or two Hosts …),
 * MCP_EHEADERS, MCP_ETARGET, MCP_EVERSION, MCP_ENOMEM, MCP_EBUDGET. Nothing of
 * a message is read before its predecessor's END was taken. Interim responses
 * (1xx but 101) are passed over. */
int mcp_http_next(mcp_http_t *http, mcp_http_event_t *event);

/* The connection has ended; all that was fed has been pulled. What does its
 * end mean? 0: idle, or the body ends with the connection (an END event is
 * then pending in mcp_http_next); a negative code: cut short, or failed
 * before. */
int mcp_http_finish(mcp_http_t *http);

/* Why the last call failed, a static line such as "two Host fields". */
const char *mcp_http_error_text(const mcp_http_t *http);

/* The head; valid from START on, empty before that. */
const mcp_http_head_t *mcp_http_head(const mcp_http_t *http);

/* Value of the header `name` (any case); `found` false when absent; `twice`
 * (may be NULL) true when there is more than one field of that name. */
mcp_slice_t mcp_http_header(const mcp_http_head_t *head, mcp_slice_t name,
                            bool *found, bool *twice);

/* Has any byte of a message been read by `next` whose END has not been taken?
 * (header deadline; leading CRLFs do not count) */
bool mcp_http_begun(const mcp_http_t *http);

/* What is left of the fed bytes. After the END of a message with `upgrade`
 * they are the next protocol's, if the upgrade is granted; if not, go on with
 * mcp_http_next. */
mcp_slice_t mcp_http_rest(const mcp_http_t *http);

/* Do the request's Accept fields together accept `essence`? True if there is no
 * such field (RFC 9110 12.5.1). mcp_http_accepts judges one field. */
bool mcp_http_head_accepts(const mcp_http_head_t *head, mcp_slice_t essence);

/* Frees what an idle decoder does not need, the head included. Does nothing in
 * the middle of a message. For idle connections: a busy one would only allocate
 * the memory again. */
void mcp_http_shrink(mcp_http_t *http);

#endif
