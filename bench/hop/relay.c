/* SPDX-License-Identifier: MIT
 *
 * The bare limit of a gateway: passes the bytes of each connection on to a
 * server and back, without looking at them. One read and one write for each
 * direction of a call, as a gateway needs at least.
 *
 *   relay PORT SERVERPORT
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM  (1 << 16)
#define PEERS 32 /* connections at once; pairs of descriptors */

static void die(const char *what) {
  perror(what);
  exit(1);
}

static struct sockaddr_in loopback(const char *port) {
  return (struct sockaddr_in){.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)atoi(port)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int at_once(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int main(int argc, char **argv) {
  static char room[ROOM];
  struct pollfd fds[1 + 2 * PEERS];
  struct sockaddr_in own, server;
  nfds_t count = 1;
  int on = 1;
  if (argc < 3) return 2;
  own = loopback(argv[1]);
  server = loopback(argv[2]);
  fds[0] = (struct pollfd){socket(AF_INET, SOCK_STREAM, 0), POLLIN, 0};
  setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fds[0].fd, (struct sockaddr *)&own, sizeof own) ||
      listen(fds[0].fd, PEERS))
    die("listen");
  while (poll(fds, count, -1) > 0) {
    for (nfds_t i = 1; i < count; i++) {
      nfds_t other = i % 2 ? i + 1 : i - 1;
      ssize_t n;
      if (!fds[i].revents) continue;
      n = read(fds[i].fd, room, ROOM);
      if (n > 0 && write(fds[other].fd, room, (size_t)n) == n) continue;
      close(fds[i].fd);
      close(fds[other].fd);
      fds[i].fd = fds[other].fd = -1; /* poll() passes over these */
      fds[other].revents = 0;
    }
    if (fds[0].revents) {
      int fd = at_once(accept(fds[0].fd, NULL, NULL));
      int to = at_once(socket(AF_INET, SOCK_STREAM, 0));
      if (count + 2 > 1 + 2 * PEERS) die("too many connections");
      if (connect(to, (struct sockaddr *)&server, sizeof server))
        die("connect");
      fds[count++] = (struct pollfd){fd, POLLIN, 0};
      fds[count++] = (struct pollfd){to, POLLIN, 0};
    }
  }
  return 0;
}
