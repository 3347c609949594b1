/* SPDX-License-Identifier: MIT
 * peers.h: one share of the account for each address that has connections to
 * us, so that one address cannot take what is there for all. An address is an
 * IPv4 address, or the /64 network of an IPv6 address; all that come through
 * socket files are one. */
#ifndef MCP_NET_PEERS_H
#define MCP_NET_PEERS_H

#include "base/account.h"
#include "net/loop.h"

struct sockaddr;

/* The share of `address` (NULL: a socket file), created if it does not exist.
 * The caller holds it until mcp_share_drop. It lives as long as anything is
 * charged to it. NULL when there is no memory. */
mcp_share_t *mcp_peers_hold(mcp_loop_t *loop, const struct sockaddr *address);

#endif
