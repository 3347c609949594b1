/* SPDX-License-Identifier: MIT
 * service.c: see service.h. */
#include "net/service.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

int mcp_service_notify(const char *address, const char *text, size_t size) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  struct timeval limit = {.tv_sec = MCP_SERVICE_NOTIFY_TIME / 1000};
  size_t length = strlen(address);
  socklen_t used;
  int fd, code = 0;
  if ((address[0] != '/' && address[0] != '@') || length < 2) return UV_EINVAL;
  if (length >= sizeof to.sun_path) return UV_ENAMETOOLONG;
  memcpy(to.sun_path, address, length);
  used = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  if (address[0] == '@')
    to.sun_path[0] = 0;
  else
    used++;
  fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (sendto(fd, text, size, MSG_NOSIGNAL, (const struct sockaddr *)&to, used) <
      0)
    code = -errno;
  close(fd);
  return code;
}

/* A number that is an id. */
static bool read_id(const char *text, unsigned *id) {
  char *end;
  unsigned long number;
  if (text[0] < '0' || text[0] > '9') return false;
  errno = 0;
  number = strtoul(text, &end, 10);
  /* The highest one stands for "no change". */
  if (*end || errno || number >= 0xffffffffu) return false;
  *id = (unsigned)number;
  return true;
}

int mcp_service_find_user(const char *user, const char *group,
                          mcp_service_user_t *found, const char **unknown) {
  const struct passwd *entry = NULL;
  *found = (mcp_service_user_t){.uid = getuid(), .gid = getgid()};
  if (user) {
    entry = getpwnam(user);
    if (!entry && read_id(user, &found->uid)) entry = getpwuid(found->uid);
    if (!entry && (!read_id(user, &found->uid) || !group)) {
      *unknown = user;
      return UV_ENOENT;
    }
  }
  if (entry) {
    size_t size = strlen(entry->pw_name);
    found->uid = entry->pw_uid;
    found->gid = entry->pw_gid;
    if (size < sizeof found->name) memcpy(found->name, entry->pw_name, size);
  }
  if (group) {
    const struct group *named = getgrnam(group);
    if (named) {
      found->gid = named->gr_gid;
    } else if (!read_id(group, &found->gid)) {
      *unknown = group;
      return UV_ENOENT;
    }
  }
  return 0;
}

int mcp_service_become(const mcp_service_user_t *user) {
  gid_t gid = user->gid;
  if (geteuid() != 0) {
    if (user->uid == geteuid() && gid == getegid()) return 0;
    return UV_EPERM;
  }
  if (user->name[0] ? initgroups(user->name, gid) < 0 : setgroups(1, &gid) < 0)
    return -errno;
  if (setgid(gid) < 0 || setuid(user->uid) < 0) return -errno;
  if (user->uid != 0 && (setuid(0) == 0 || geteuid() != user->uid))
    return UV_EPERM;
  return getegid() == gid ? 0 : UV_EPERM;
}
