/* SPDX-License-Identifier: MIT
 * address.h: what kind of address an IP address is. Pure: no lookups.
 *
 * An IPv6 address that embeds an IPv4 address and leads to it (mapped, 6to4,
 * NAT64, ISATAP) is judged by the IPv4 address. */
#ifndef MCP_NET_ADDRESS_H
#define MCP_NET_ADDRESS_H

#include <stdbool.h>

struct sockaddr;

/* Is it an address of the public internet: not private, loopback, link-local,
 * unique local, carrier-grade NAT, multicast, unspecified, reserved or
 * documentation? False if that cannot be determined. */
bool mcp_address_is_public(const struct sockaddr *address);

/* The same of the text of an address, IPv6 without brackets. False for a name.
 */
bool mcp_address_text_is_public(const char *text);

/* Does it lead to this machine? */
bool mcp_address_is_loopback(const struct sockaddr *address);

#endif
