/* SPDX-License-Identifier: MIT
 * service.h: what a process does as a service of the system: it notifies the
 * service manager of its state (sd_notify(3), without libsystemd), and gives up
 * the rights of root. */
#ifndef MCP_NET_SERVICE_H
#define MCP_NET_SERVICE_H

#include <stddef.h>

/* How long a notification may wait for the manager to read, in ms. */
#define MCP_SERVICE_NOTIFY_TIME 1000

/* Sends `text`, lines such as "READY=1", as one datagram to the socket at
 * `address`: a path, or with @ in front the name of an abstract socket. 0 or a
 * libuv code; UV_EINVAL for another address. */
int mcp_service_notify(const char *address, const char *text, size_t size);

/* A user and a group by name or number. */
typedef struct {
  unsigned uid, gid;
  char name[64]; /* of the user, for its other groups; empty if it has none */
} mcp_service_user_t;

/* Finds the user `user` and the group `group`, either of which may be NULL: by
 * default the group is the user's own, and the user is this process's. 0, or
 * UV_ENOENT with `*unknown` the one that does not exist. */
int mcp_service_find_user(const char *user, const char *group,
                          mcp_service_user_t *found, const char **unknown);

/* Lets all threads of the process go on as this user: its groups, then the
 * group, then the user; and checks that root cannot be had back. UV_EPERM if
 * the process may not do that. Where one step fails the process is neither the
 * one nor the other, and must end. */
int mcp_service_become(const mcp_service_user_t *user);

#endif
