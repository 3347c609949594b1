/* SPDX-License-Identifier: MIT
 * http_gate.h: may this request in? Everything that can be told from the head
 * alone, decided in one place and in one order, before a byte of the body is
 * read. Pure: no stream, no clock, no memory. */
#ifndef MCP_TRANSPORT_HTTP_GATE_H
#define MCP_TRANSPORT_HTTP_GATE_H

#include "wire/http.h"

/* What a listener lets in. Strings are borrowed from its owner. */
typedef struct {
  const char *path;     /* the one path it answers at, "/mcp" */
  bool check_host;      /* against DNS rebinding */
  bool check_origin;    /* against other sites' pages */
  const char **hosts;   /* more names, without port; NULL-terminated or NULL */
  const char **origins; /* "https://host[:port]", likewise */
  size_t body_limit;    /* bytes */
} mcp_http_gate_t;

/* The request body of a client that means no harm is smaller. 4 MiB, as the
 * Python, Go and Rust SDKs have it. */
#define MCP_HTTP_BODY_LENGTH (4u << 20)

typedef struct {
  unsigned status;  /* 0: let it in */
  const char *text; /* for the person who reads it; static */
  bool allow;       /* the answer must name the methods we know (Allow) */
} mcp_http_verdict_t;

/* Judges a head: version and Host (421), Origin (403), path (404), method
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

#endif
