/* SPDX-License-Identifier: MIT
 * peers.h: one share of the account for each address that has connections to
 * us, so that one address cannot take what is there for all. An address is an
 * IPv4 address, or the /64 network of an IPv6 address; all that come through
 * socket files are one.
 *
 * And one share for each principal, a group of the shares of connections: one
 * user with many addresses cannot take it either. */
#ifndef MCP_NET_PEERS_H
#define MCP_NET_PEERS_H

#include "base/account.h"
#include "base/buf.h"
#include "net/loop.h"

struct sockaddr;

/* The share of `address` (NULL: a socket file), created if it does not exist.
 * The caller holds it until mcp_share_drop. It lives as long as anything is
 * charged to it. NULL when there is no memory. */
mcp_share_t *mcp_peers_hold(mcp_loop_t *loop, const struct sockaddr *address);

/* The longest key of a principal, in bytes; of a longer one this much is used.
 * A peer's token may name a subject of kilobytes, and there is an entry for
 * each. */
#define MCP_PEERS_KEY 512

/* The same for the principal with that key. */
mcp_share_t *mcp_peers_hold_principal(mcp_loop_t *loop, mcp_slice_t key);

#endif
