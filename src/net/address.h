/* SPDX-License-Identifier: MIT
 * address.h: what kind of address an IP address is. Pure: it asks nobody.
 *
 * An IPv6 address that carries an IPv4 one and is a way to it (mapped, 6to4,
 * NAT64, ISATAP) is judged by that one. */
#ifndef MCP_NET_ADDRESS_H
#define MCP_NET_ADDRESS_H

#include <stdbool.h>

struct sockaddr;

/* Is it of the public internet: none of private, loopback, link-local, unique
 * local, shared by a carrier, multicast, unspecified, reserved, documentation?
 * Where it cannot be told, it is not. */
bool mcp_address_is_public(const struct sockaddr *address);

/* Does it lead to this machine? */
bool mcp_address_is_loopback(const struct sockaddr *address);

#endif
