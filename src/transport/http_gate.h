/* SPDX-License-Identifier: MIT
 * http_gate.h: may this request in? Everything that can be told from the head
 * alone, decided in one place and in one order, before a byte of the body is
 * read. Pure: no stream, no clock, no memory. */
#ifndef MCP_TRANSPORT_HTTP_GATE_H
#define MCP_TRANSPORT_HTTP_GATE_H

#include "transport/http_guard.h"
#include "wire/http.h"

/* What a listener lets in. Strings are borrowed from its owner. */
typedef struct {
  const char *path; /* the one path it answers at, "/mcp" */
  /* HTTP+SSE: where messages are POSTed, "/mcp/message"; NULL for nowhere. */
  const char *message_path;
  bool check_host;      /* against DNS rebinding */
  bool check_origin;    /* against other sites' pages */
  bool websocket;       /* GET may ask for one */
  bool any_protocol;    /* even without the subprotocol "mcp" */
  bool secure;          /* behind TLS: its own pages are https */
  const char **hosts;   /* more names; NULL-terminated or NULL. With ":port"
                           that port only (http's and https's are the same as
                           none), else (or with ":*") any */
  const char **origins; /* "https://host[:port]", likewise; ":*" is any port */
  const char **headers; /* further fields that pages may send, likewise */
  size_t body_limit;    /* bytes */
  const char *prefix;   /* what a proxy takes off before our paths, or NULL */
  bool forwarded;       /* it says so itself, by X-Forwarded-Prefix */
  mcp_http_guard_t guard; /* authorization */
} mcp_http_gate_t;

/* The request body of a client that means no harm is smaller. 4 MiB, as the
 * Python, Go and Rust SDKs have it. */
#define MCP_HTTP_BODY_LENGTH (4u << 20)

/* The longest prefix that a proxy may name. */
#define MCP_HTTP_PREFIX_LENGTH 256

typedef struct {
  unsigned status;    /* 0: let it in */
  const char *text;   /* for the person who reads it; static */
  mcp_slice_t value;  /* what came instead, of the head; or empty */
  const char *option; /* what would let it in, or NULL; static */
  const char *allow;  /* the methods that the answer must name, or NULL */
  bool upgrade;       /* let in: to become a WebSocket */
  bool events;        /* let in: to become the stream of HTTP+SSE */
  bool no_json;       /* let in, but takes no application/json */
  bool no_events;     /* let in, but takes no text/event-stream */
  bool challenge;     /* the answer must say which token is wanted */
  bool later;         /* the answer asks to come again later */
  const mcp_http_page_t *page; /* the answer is this */
} mcp_http_verdict_t;

#define MCP_HTTP_TOO_LARGE "the body is larger than this server's limit"

/* Judges a head: version and Host (421), Origin (403), path (404; a document
 * for everybody 200), a token that is missing (401, 400), method
 * (405, and OPTIONS 204), media types (406, 415), length (413, 411),
 * expectation (417). */
mcp_http_verdict_t mcp_http_judge(const mcp_http_gate_t *gate,
                                  const mcp_http_head_t *head);

/* Is `host` (a Host field, with or without port) one of ours? Loopback names
 * are, and those in `hosts`. */
bool mcp_http_host_allowed(const mcp_http_gate_t *gate, mcp_slice_t host);

/* Is `origin` the same as where the request went, or one of `origins`? */
bool mcp_http_origin_allowed(const mcp_http_gate_t *gate, mcp_slice_t origin,
                             mcp_slice_t host);

/* CORS (Fetch, 3.3): what pages of another origin may read of our answers.
 * Only those in `origins`, each by its name and never by "*"; our own pages
 * need no leave. */
typedef enum {
  MCP_HTTP_CORS_NONE,  /* nothing is ever shared here */
  MCP_HTTP_CORS_VARY,  /* not with this one, with another perhaps */
  MCP_HTTP_CORS_SHARE, /* it may be read */
  MCP_HTTP_CORS_ASK    /* a preflight: what may be sent is asked for */
} mcp_http_cors_t;

/* `origin` is set where there is one to name. */
mcp_http_cors_t mcp_http_judge_cors(const mcp_http_gate_t *gate,
                                    const mcp_http_head_t *head,
                                    mcp_slice_t *origin);

/* May a page send us a header field of that name? Those that MCP has, and those
 * in `headers`. */
bool mcp_http_field_allowed(const mcp_http_gate_t *gate, mcp_slice_t name);

/* The methods that pages may use at the path of the request. */
const char *mcp_http_shared_methods(const mcp_http_gate_t *gate,
                                    const mcp_http_head_t *head);

/* What stands before our paths where the client sees them: "/tools", or
 * nothing. Of X-Forwarded-Prefix only what is a path and nothing else counts.
 */
mcp_slice_t mcp_http_prefix(const mcp_http_gate_t *gate,
                            const mcp_http_head_t *head);

/* Did the request go to the path of HTTP+SSE messages? */
bool mcp_http_is_message_path(const mcp_http_gate_t *gate,
                              const mcp_http_head_t *head);

#endif
