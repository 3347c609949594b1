/* SPDX-License-Identifier: MIT
 * worker_confine.h: takes from a worker's process what the operating system
 * gives to every process: so that even an error in Lua that runs machine code
 * finds nothing to open, to connect to, or to start. */
#ifndef MCP_LUA_WORKER_CONFINE_H
#define MCP_LUA_WORKER_CONFINE_H

/* From now on this process opens no file, socket or process, and on Linux may
 * do little more than compute, read and write its open descriptors and end.
 * Where a part is not available, the others are done. Cannot be undone. */
void mcp_worker_confine(void);

#endif
