/* SPDX-License-Identifier: MIT
 * pipe.h: our own standard input and output as one stream, guarded. */
#ifndef MCP_NET_PIPE_H
#define MCP_NET_PIPE_H

#include "net/loop.h"
#include "net/stream.h"

/* Moves descriptors 0 and 1 to private ones that children do not inherit, puts
 * the null device at 0 and standard error at 1, so that neither print nor a C
 * library nor a child can write into the protocol, and makes a stream of the
 * private ones. Pipes, sockets, terminals and files are all accepted.
 * 0 or a libuv code. To be called once in a process. */
int mcp_pipe_stdio(mcp_loop_t *loop, mcp_stream_t **stream);

/* Opens something to read from that is at its end at once: the null device, or
 * in a container without /dev a pipe that nothing writes to. The descriptor, or
 * a negative code. */
int mcp_pipe_open_empty(void);

#endif
