/* SPDX-License-Identifier: MIT
 * connect.h: connecting to a TCP address or a socket file. What comes of it is
 * a stream. Independent of the protocol on it.
 *
 * A name may have many addresses: they are tried one after the other, IPv6 and
 * IPv4 in turn, each with a head start of MCP_CONNECT_HEAD_START, and the first
 * that answers is used (RFC 8305, simplified). The name is resolved once, and
 * MCP_CONNECT_PUBLIC checks the very address that is connected to: a name that
 * resolves differently the next time (DNS rebinding) gains nothing. */
#ifndef MCP_NET_CONNECT_H
#define MCP_NET_CONNECT_H

#include <stdint.h>

#include "net/loop.h"
#include "net/stream.h"

/* Milliseconds until the next address is tried in parallel with one that has
 * not answered. */
#define MCP_CONNECT_HEAD_START 250
/* Addresses of one name that are tried: a name with thousands of addresses
 * would cause thousands of attempts. */
#define MCP_CONNECT_ADDRESSES 16
/* The longest host name (RFC 1035 2.3.4), in bytes. */
#define MCP_CONNECT_NAME_SIZE 253

/* Only addresses of the public internet: a name supplied by a peer must not
 * reach hosts inside our own network. */
#define MCP_CONNECT_PUBLIC 1u
/* Only this machine. */
#define MCP_CONNECT_LOOPBACK 2u

/* One attempt in progress. */
typedef struct mcp_connect mcp_connect_t;

/* Called once, from the loop and never from inside the function that started
 * it: `code` 0 and a stream, which the callee then owns, or a negative code and
 * NULL. The attempt has been freed by then. */
typedef void (*mcp_connect_fn)(void *owner, int code, mcp_stream_t *stream);

/* Connects to `host`, a name or an address (IPv6 without brackets), and `port`.
 * `flags`: MCP_CONNECT_… or 0. `timeout_ms` covers the whole attempt; 0 for no
 * timeout. Returns 0: fn will be called, with 0, MCP_ETIMEDOUT, MCP_ENOTPUBLIC
 * or MCP_ENOTLOCAL if the flags leave no address, MCP_ENOMEM, or a libuv code
 * (the lookup's begin with UV_EAI_). Returns UV_EINVAL for an invalid host or
 * port, or MCP_ENOMEM; `*op` is not set then. */
int mcp_tcp_connect(mcp_loop_t *loop, const char *host, int port,
                    unsigned flags, uint64_t timeout_ms, mcp_connect_fn fn,
                    void *owner, mcp_connect_t **op);

/* Connects to the socket file `path`. As above; returns UV_EINVAL for an empty
 * path and UV_ENAMETOOLONG for one that is too long for the system. */
int mcp_unix_connect(mcp_loop_t *loop, const char *path, uint64_t timeout_ms,
                     mcp_connect_fn fn, void *owner, mcp_connect_t **op);

/* Cancels the attempt: fn will not be called. Valid only before fn was called;
 * NULL is accepted. */
void mcp_connect_cancel(mcp_connect_t *op);

#endif
