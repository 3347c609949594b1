/* SPDX-License-Identifier: MIT
 * socket.h: a socket that listens and from which nothing was accepted yet: one
 * that this process has bound, or one that it was started with. listener.h
 * accepts from it; another process may do so instead. */
#ifndef MCP_NET_SOCKET_H
#define MCP_NET_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "net/loop.h"
#include "net/stream.h"
#include "net/tally.h"

/* The queue of connections the kernel keeps for us. */
#define MCP_SOCKET_BACKLOG 1024
/* The first descriptor that a process is started with beyond the standard ones
 * (sd_listen_fds(3)). */
#define MCP_SOCKET_FIRST_INHERITED 3
/* The most of them: LISTEN_FDS with a number that is a mistake. */
#define MCP_SOCKET_MOST_INHERITED 64

/* A value: it is moved by assignment, and the source emptied by
 * mcp_socket_clear. */
typedef struct {
  int fd;             /* -1: none */
  bool listens;       /* false: a connection, as of a socket pair */
  bool local;         /* of a file, or of a pair */
  bool loopback;      /* bound to a loopback address, or local */
  int port;           /* 0 if it has none */
  mcp_tally_t *tally; /* of the processes that accept from it, or NULL; alive as
                         long as a listener has the socket */
  char *path;         /* of the file that goes with it, or NULL */
  dev_t device;       /* and which file that is */
  ino_t inode;
} mcp_socket_t;

/* No socket. */
void mcp_socket_clear(mcp_socket_t *socket);

/* Listens on `host` (a name or address) and `port` (0: any free one). 0 or a
 * libuv code. */
int mcp_socket_listen(mcp_loop_t *loop, const char *host, int port,
                      mcp_socket_t *out);

/* Listens on the socket file `path`, which gets the permissions `mode` before
 * any client can connect. An existing socket file on which no process answers
 * is replaced; anything else is UV_EADDRINUSE. UV_EINVAL for an empty path,
 * UV_ENAMETOOLONG for one that is too long for the system, MCP_ENOMEM. */
int mcp_socket_listen_unix(const char *path, unsigned mode, mcp_socket_t *out);

/* How many descriptors this process was started with, from
 * MCP_SOCKET_FIRST_INHERITED on, by LISTEN_FDS; 0 if LISTEN_PID names another
 * process. `any_process`: LISTEN_PID need not be there, because what started
 * this process cannot know its number. -1: LISTEN_FDS is no such number. */
int mcp_socket_count_inherited(bool any_process);

/* Removes the variables, which are not for the children of this process. Must
 * not run while another thread reads the environment. */
void mcp_socket_forget_inherited(void);

/* Takes a descriptor, which children do not inherit from now on. 0, or a libuv
 * code: UV_ENOTSOCK, UV_EPROTOTYPE if it is no stream, UV_EBADF. */
int mcp_socket_inherit(int fd, mcp_socket_t *out);

/* Writes the address it is bound to as text: that of an interface, or the path
 * of a file (with "@" for the zero byte of an abstract one). 0 or a libuv code.
 */
int mcp_socket_address(const mcp_socket_t *socket, char *out, size_t size);

/* Two ends of a connection: the first here, the second for a child. 0 or a
 * libuv code. */
int mcp_socket_pair(mcp_socket_t *near, mcp_socket_t *far);

/* A stream over a connection. Takes `socket` in any case. 0, MCP_ENOMEM or a
 * libuv code. */
int mcp_socket_stream(mcp_loop_t *loop, mcp_socket_t *socket,
                      mcp_stream_t **out);

/* Removes its file if that is still ours: another process may have replaced it.
 */
void mcp_socket_remove_file(mcp_socket_t *socket);

/* Removes the file and closes the descriptor. For an empty one too. */
void mcp_socket_close(mcp_socket_t *socket);

#endif
