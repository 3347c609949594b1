/* SPDX-License-Identifier: MIT
 * http_gate.h: accepts or refuses a request by its head alone, in one place and
 * in one order, before a byte of the body is read. Pure: no stream, no clock,
 * no memory. */
#ifndef MCP_TRANSPORT_HTTP_GATE_H
#define MCP_TRANSPORT_HTTP_GATE_H

#include "transport/http_guard.h"
#include "wire/http.h"

/* What a listener accepts. Strings are borrowed from its owner. */
typedef struct {
  const char *path;   /* that it answers at, "/mcp" */
  const char **paths; /* further ones; NULL-terminated or NULL */
  /* HTTP+SSE: where messages are POSTed, "/mcp/message"; NULL for nowhere. */
  const char *message_path;
  bool check_host;      /* against DNS rebinding */
  bool check_origin;    /* against pages of other sites */
  bool websocket;       /* GET may ask for one */
  bool any_protocol;    /* even without the subprotocol "mcp" */
  bool secure;          /* over TLS: its own pages are https */
  const char **hosts;   /* more names; NULL-terminated or NULL. With ":port"
                           that port only (http's and https's are the same as
                           none), else (or with ":*") any */
  const char **origins; /* "https://host[:port]", likewise; ":*" is any port */
  const char **headers; /* further fields that pages may send, likewise */
  size_t body_limit;    /* bytes */
  const char *prefix;   /* that a proxy removes from our paths, or NULL */
  bool forwarded;       /* the proxy names it in X-Forwarded-Prefix */
  mcp_http_guard_t guard; /* authorization */
} mcp_http_gate_t;

/* Huge request bodies. 4 MiB, as in the Python, Go and Rust SDKs. */
#define MCP_HTTP_BODY_LENGTH (4u << 20)

/* The longest prefix that a proxy may name. */
#define MCP_HTTP_PREFIX_LENGTH 256

typedef struct {
  unsigned status;    /* 0: accepted */
  const char *text;   /* the reason; static */
  mcp_slice_t value;  /* the value that was refused, of the head; or empty */
  const char *option; /* the option that decides, or NULL; static */
  const char *allow;  /* the methods for Allow, or NULL */
  bool upgrade;       /* accepted: becomes a WebSocket */
  bool events;        /* accepted: becomes the stream of HTTP+SSE */
  bool no_json;       /* accepted, without application/json in Accept */
  bool no_events;     /* accepted, without text/event-stream in Accept */
  bool challenge;     /* the answer needs WWW-Authenticate */
  bool later;         /* the answer needs Retry-After */
  bool route;         /* accepted: for a path of the upper side's own */
  const mcp_http_page_t *page; /* the answer is this */
} mcp_http_verdict_t;

#define MCP_HTTP_TOO_LARGE "the body is larger than this server's limit"

/* Judges a head: version and Host (421), Origin (403), path (404; a public
 * document 200), a token that is missing (401, 400), method
 * (405, and OPTIONS 204), media types (406, 415), length (413, 411),
 * expectation (417). */
mcp_http_verdict_t mcp_http_judge(const mcp_http_gate_t *gate,
                                  const mcp_http_head_t *head);

/* The same of a head that repeats one which was accepted, but for the length of
 * its body. */
mcp_http_verdict_t mcp_http_judge_length(const mcp_http_gate_t *gate,
                                         const mcp_http_head_t *head);

/* Is `host` (a Host field, with or without port) one of ours? Loopback names
 * are, and those in `hosts`. */
bool mcp_http_host_allowed(const mcp_http_gate_t *gate, mcp_slice_t host);

/* Is `origin` the same as where the request went, or one of `origins`? */
bool mcp_http_origin_allowed(const mcp_http_gate_t *gate, mcp_slice_t origin,
                             mcp_slice_t host);

/* CORS (Fetch, 3.3): may a page of another origin read our answers? Only those
 * in `origins`, each by its name and never by "*"; pages of our own origin need
 * no CORS. */
typedef enum {
  MCP_HTTP_CORS_NONE,  /* no origin may read anything */
  MCP_HTTP_CORS_VARY,  /* this one may not, another might */
  MCP_HTTP_CORS_SHARE, /* this origin may read it */
  MCP_HTTP_CORS_ASK    /* a preflight */
} mcp_http_cors_t;

/* `origin` is set if the answer names one. */
mcp_http_cors_t mcp_http_judge_cors(const mcp_http_gate_t *gate,
                                    const mcp_http_head_t *head,
                                    mcp_slice_t *origin);

/* May a page send a header field of that name? Those of MCP, and those in
 * `headers`. */
bool mcp_http_field_allowed(const mcp_http_gate_t *gate, mcp_slice_t name);

/* The methods that pages may use at the path of the request. */
const char *mcp_http_shared_methods(const mcp_http_gate_t *gate,
                                    const mcp_http_head_t *head);

/* The prefix of our paths as the client sees them, "/tools", or empty. A value
 * of X-Forwarded-Prefix that is not a plain path is ignored. */
mcp_slice_t mcp_http_prefix(const mcp_http_gate_t *gate,
                            const mcp_http_head_t *head);

/* Did the request go to the path of HTTP+SSE messages? */
bool mcp_http_is_message_path(const mcp_http_gate_t *gate,
                              const mcp_http_head_t *head);

#endif
