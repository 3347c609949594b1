/* SPDX-License-Identifier: MIT
 * http_exchange.h: the operations of an exchange that came by HTTP. */
#ifndef MCP_TRANSPORT_HTTP_EXCHANGE_H
#define MCP_TRANSPORT_HTTP_EXCHANGE_H

#include "transport/exchange.h"

/* For the first member of a mcp_http_connection_t (http_connection.h). */
extern const mcp_exchange_ops_t mcp_http_exchange_ops;

#endif
