/* SPDX-License-Identifier: MIT */
/* A resolver that a spec controls, and a public address that is this machine:
 * preloaded into a program under test.
 *
 *   MCP_SPEC_RESOLVER   addresses with commas between; each lookup of a name
 *                       below "test.example" takes the next one, at last always
 *                       the last
 *   8.8.8.8             connections to it go to 127.0.0.1 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef int lookup_fn(const char *, const char *, const struct addrinfo *,
                      struct addrinfo **);
typedef int connect_fn(int, const struct sockaddr *, socklen_t);

static int looked_up; /* lookups so far; the loop asks for them in turn */

/* POSIX has no other way to make a function of what dlsym returns. */
static void find(const char *name, void *fn) {
  void *found = dlsym(RTLD_NEXT, name);
  memcpy(fn, &found, sizeof found);
}

static void take_address(char *out, size_t size) {
  const char *list = getenv("MCP_SPEC_RESOLVER"), *end;
  int n = looked_up++;
  if (!list) list = "127.0.0.1";
  while (n-- > 0 && (end = strchr(list, ',')) != NULL) list = end + 1;
  snprintf(out, size, "%.*s", (int)strcspn(list, ","), list);
}

int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **result) {
  static const char below[] = "test.example";
  size_t length = node ? strlen(node) : 0, tail = sizeof below - 1;
  char address[64];
  lookup_fn *real;
  find("getaddrinfo", &real);
  if (length >= tail && strcmp(node + length - tail, below) == 0) {
    take_address(address, sizeof address);
    node = address;
  }
  return real(node, service, hints, result);
}

int connect(int fd, const struct sockaddr *to, socklen_t length) {
  struct sockaddr_in address;
  connect_fn *real;
  find("connect", &real);
  if (to->sa_family == AF_INET && length >= sizeof address) {
    memcpy(&address, to, sizeof address);
    if (address.sin_addr.s_addr == htonl(0x08080808)) {
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      return real(fd, (struct sockaddr *)&address, sizeof address);
    }
  }
  return real(fd, to, length);
}
