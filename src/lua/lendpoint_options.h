/* SPDX-License-Identifier: MIT
 * lendpoint_options.h: the tables of options and pages that endpoints take from
 * Lua. */
#ifndef MCP_LUA_LENDPOINT_OPTIONS_H
#define MCP_LUA_LENDPOINT_OPTIONS_H

#include <lua.h>

#include "transport/http_server.h"
#include "transport/link.h"

/* Reads the options of an HTTP listener from the table at 1, which keeps their
 * strings, and the limits of its WebSockets: see listen_http in lendpoint.c.
 * [-0, +0, e] */
void mcp_lendpoint_options_http(lua_State *L, mcp_http_options_t *options,
                                mcp_link_ws_t *ws);

/* Reads the limits of WebSockets from a table: message_limit, fragments,
 * control_rate, control_burst, and in seconds ping, silence, stall_timeout,
 * close_timeout. [-0, +0, e] */
void mcp_lendpoint_options_ws(lua_State *L, int table, mcp_link_ws_t *ws);

/* Reads the pages in the table at the top, argument `arg`, for the HTTP
 * server's guard. The array is kept under a key of the table at `keep`, and its
 * strings in the table itself. [-0, +0, m] */
const mcp_http_page_t *mcp_lendpoint_options_pages(lua_State *L, int arg,
                                                   int keep);

#endif
