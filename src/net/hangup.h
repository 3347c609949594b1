/* SPDX-License-Identifier: MIT
 * hangup.h: keeps a SIGHUP that comes before the loop catches signals. For a
 * process that reads something again at SIGHUP once it serves: until then the
 * signal would end it. */
#ifndef MCP_NET_HANGUP_H
#define MCP_NET_HANGUP_H

/* From here on SIGHUP is kept, unless it is ignored or has a handler. It ends
 * the process as before if its terminal has been closed. Children that it
 * starts get the default. */
void mcp_hangup_keep(void);

/* Sends the one that was kept, if any, to this process. Called once the loop
 * catches it. */
void mcp_hangup_pass_on(void);

#endif
