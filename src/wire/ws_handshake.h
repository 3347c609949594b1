/* SPDX-License-Identifier: MIT
 * ws_handshake.h: the opening handshake of WebSocket (RFC 6455 4), both sides:
 * what the heads of a request and its answer must say. MCP's subprotocol is
 * "mcp" (WS-01). No extension is ever agreed on, so none compresses (WS-14). */
#ifndef MCP_WIRE_WS_HANDSHAKE_H
#define MCP_WIRE_WS_HANDSHAKE_H

#include "wire/http.h"

/* 16 random bytes in Base64, and the digest that answers them. */
#define MCP_WS_KEY_LENGTH    24
#define MCP_WS_ACCEPT_LENGTH 28

/* Does this GET ask for a WebSocket, rightly or wrongly? */
bool mcp_ws_is_wanted(const mcp_http_head_t *head);

/* 0: it may become one. Else the status that refuses it, with `*reason`, a
 * static line: 426 for another version, 400. `any_protocol`: even if it does
 * not offer "mcp". */
unsigned mcp_ws_judge(const mcp_http_head_t *head, bool any_protocol,
                      const char **reason);

/* Appends the header fields that grant the request. 0, MCP_ENOMEM. */
int mcp_ws_write_answer(mcp_buf_t *out, const mcp_http_head_t *request);

/* A new key; 0, or the codes of mcp_crypto_random. */
int mcp_ws_make_key(char key[MCP_WS_KEY_LENGTH]);

/* Appends the header fields that ask for a WebSocket with `key`. */
int mcp_ws_write_request(mcp_buf_t *out, const char key[MCP_WS_KEY_LENGTH]);

/* Does this answer, a 101, grant what was asked with `key`? Else `*reason` is a
 * static line. */
bool mcp_ws_is_granted(const mcp_http_head_t *head,
                       const char key[MCP_WS_KEY_LENGTH], bool any_protocol,
                       const char **reason);

/* The digest for `key`, of whatever length. */
void mcp_ws_accept(mcp_slice_t key, char accept[MCP_WS_ACCEPT_LENGTH]);

#endif
