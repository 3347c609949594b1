/* SPDX-License-Identifier: MIT
 * incoming.h: one text from a peer, read as a JSON-RPC message: parse, read the
 * envelope, and make the arrival to hand up, or say what is wrong with it. */
#ifndef MCP_TRANSPORT_INCOMING_H
#define MCP_TRANSPORT_INCOMING_H

#include "transport/exchange.h"

/* The longest reason that mcp_incoming_t gives, with its NUL. */
#define MCP_INCOMING_REASON 256

typedef struct {
  mcp_arrival_t arrival; /* refers to `doc` and `rpc`: must not be copied */
  mcp_json_doc_t doc;
  mcp_rpc_t rpc;
  mcp_buf_t stand_in;
  /* Of a text that is not a message. */
  mcp_rpc_id_found_t about; /* the id that could be read, if any */
  int error;                /* a JSON-RPC code */
  char reason[MCP_INCOMING_REASON];
} mcp_incoming_t;

/* A request that the upper side has accepted: its method and, if nodes > 0, its
 * params._meta. */
typedef struct {
  mcp_slice_t method;
  mcp_json_known_t meta;
} mcp_incoming_known_t;

/* Reads `text`, which must outlive `in`. 0, and `arrival` is complete;
 * MCP_ENOMEM; otherwise the code of mcp_json_parse, or MCP_ERPC, and `about`,
 * `error` and `reason` are set. Call mcp_incoming_deinit in any case. */
int mcp_incoming_read(mcp_incoming_t *in, mcp_slice_t text);

/* The same where texts like `known`, which may be NULL, came before. The _meta
 * of a request that has this method and _meta is not read again: it is one
 * token. */
int mcp_incoming_read_like(mcp_incoming_t *in, mcp_slice_t text,
                           const mcp_incoming_known_t *known);

/* Is `rpc`, read from `doc`, a request with the method and the _meta of
 * `known`? `doc` was read like it, or like nothing. */
bool mcp_incoming_is_like(const mcp_json_doc_t *doc, const mcp_rpc_t *rpc,
                          const mcp_incoming_known_t *known);

/* After a refusal with a readable id: replaces the arrival by one that tells
 * the upper side, so that a caller that waits for this message, or is owed an
 * error, does not wait in vain. 0 or MCP_ENOMEM. */
int mcp_incoming_stand_in(mcp_incoming_t *in);

/* Is `text` a message, or a batch? 0, or as mcp_incoming_read. */
int mcp_incoming_check(mcp_slice_t text);

void mcp_incoming_deinit(mcp_incoming_t *in);

#endif
