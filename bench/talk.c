/* SPDX-License-Identifier: MIT
 *
 * The load where wrk cannot go: WebSocket, and HTTP over a socket file. Each
 * connection asks, waits for the answer, and asks again, as with wrk.
 *
 *   talk http|websocket PORT|PATH CONNECTIONS SECONDS BODYFILE [HEADER…]
 *
 * POSTs the file's text, or sends it as a message, with __ID__ replaced by a
 * number that is new for each request and always seven digits long. Ends with
 * one line as that of load.lua. It checks in an answer what the load has to
 * know: where it ends, and that it is not an error. Of WebSocket it knows just
 * that servers send whole messages; nothing here is shared with what it loads.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "load.h"

#define ROOM        (1 << 16) /* of an answer, and of a request */
#define KEPT        (1 << 20) /* waits, for the percentiles */
#define PATIENCE_MS 10000

/* The same for all frames: it need not be random for a server of ours. */
static const unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};

typedef struct {
  int fd;
  double asked;
  size_t have;
  char room[ROOM];
} peer_t;

typedef struct {
  int websocket;
  const char *place;
  int port; /* 0: `place` is a path */
  char head[ROOM / 2], body[ROOM / 2];
  size_t head_size, body_size, id_at; /* where in the body the digits begin */
  unsigned long requests, bytes, refused, broken;
  double *waits;
} load_t;

static void die(const char *what) {
  fprintf(stderr, "talk: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int dial(const load_t *load) {
  struct sockaddr_un path = {.sun_family = AF_UNIX};
  struct sockaddr_in address = {.sin_family = AF_INET};
  int fd = socket(load->port ? AF_INET : AF_UNIX, SOCK_STREAM, 0), failed;
  if (load->port) {
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)load->port);
    failed = connect(fd, (struct sockaddr *)&address, sizeof address);
  } else {
    snprintf(path.sun_path, sizeof path.sun_path, "%s", load->place);
    failed = connect(fd, (struct sockaddr *)&path, sizeof path);
  }
  if (fd < 0 || failed) die("connect");
  return fd;
}

static void put(int fd, const char *bytes, size_t size) {
  if (send(fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size) die("send");
}

/* The opening handshake of RFC 6455, one answer of one read. */
static void upgrade(const load_t *load, peer_t *peer) {
  ssize_t n;
  put(peer->fd, load->head, load->head_size);
  n = recv(peer->fd, peer->room, ROOM, 0);
  if (n < 12 || memcmp(peer->room + 9, "101", 3) != 0) {
    fprintf(stderr, "talk: refused: %.*s\n", (int)(n > 0 ? n : 0), peer->room);
    exit(1);
  }
}

static void ask(load_t *load, peer_t *peer, unsigned long number) {
  char request[ROOM], *at = request, *body;
  size_t size = load->body_size;
  if (load->websocket) {
    *at++ = (char)0x81;
    *at++ = (char)(0x80 | (size > 125 ? 126 : size));
    if (size > 125) {
      *at++ = (char)(size >> 8);
      *at++ = (char)(size & 255);
    }
    memcpy(at, key, sizeof key);
    at += sizeof key;
  } else {
    memcpy(at, load->head, load->head_size);
    at += load->head_size;
  }
  body = at;
  memcpy(body, load->body, size);
  write_id(body + load->id_at, number);
  if (load->websocket)
    for (size_t i = 0; i < size; i++) body[i] = (char)(body[i] ^ key[i % 4]);
  peer->have = 0;
  peer->asked = now();
  put(peer->fd, request, (size_t)(body + size - request));
}

/* The value of a header field, or NULL; `end` is that of the head. */
static const char *field(const char *head, const char *end, const char *name) {
  size_t size = strlen(name);
  for (const char *at = head; at + size < end; at++)
    if (at[-(at > head)] == '\n' && strncasecmp(at, name, size) == 0)
      return at + size;
  return NULL;
}

/* How long the answer is, of which `have` bytes are there; 0: not yet known. */
static size_t answer_size(const load_t *load, const peer_t *peer) {
  const unsigned char *at = (const unsigned char *)peer->room;
  const char *end, *length;
  if (load->websocket) {
    if (peer->have < 4) return 0;
    return (at[1] & 127) < 126 ? 2u + at[1] : 4u + (at[2] << 8 | at[3]);
  }
  end = memmem(peer->room, peer->have, "\r\n\r\n", 4);
  if (!end) return 0;
  length = field(peer->room, end, "content-length:");
  if (length) return (size_t)(end + 4 - peer->room) + strtoul(length, NULL, 10);
  if (!field(peer->room, end, "transfer-encoding:")) return peer->have;
  if (memcmp(peer->room + peer->have - 5, "0\r\n\r\n", 5) != 0) return 0;
  return peer->have;
}

static int is_good(const load_t *load, const peer_t *peer) {
  if (load->websocket ? peer->room[0] != (char)0x81
                      : memcmp(peer->room + 9, "200", 3) != 0)
    return 0;
  return !memmem(peer->room, peer->have, "\"error\":", 8) &&
         !memmem(peer->room, peer->have, "\"isError\":true", 14);
}

/* Reads; 1 when the answer is whole. */
static int hear(load_t *load, peer_t *peer) {
  size_t size;
  ssize_t n =
      recv(peer->fd, peer->room + peer->have, ROOM - peer->have, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return 0;
  if (n <= 0) die("the server closed a connection");
  peer->have += (size_t)n;
  load->bytes += (unsigned long)n;
  size = answer_size(load, peer);
  if (size == 0 || peer->have < size) return 0;
  if (peer->have > size) load->broken++;
  if (!is_good(load, peer)) load->refused++;
  load->waits[load->requests++ % KEPT] = now() - peer->asked;
  return 1;
}

static void load_body(load_t *load, const char *name) {
  char text[ROOM / 4], *mark;
  FILE *file = fopen(name, "rb");
  size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
  if (!file) die(name);
  fclose(file);
  text[size] = '\0';
  mark = strstr(text, ID_MARK);
  if (!mark) die("no __ID__ in the body");
  load->id_at = (size_t)(mark - text);
  load->body_size = size - ID_SIZE + ID_DIGITS;
  memcpy(load->body, text, load->id_at);
  memcpy(load->body + load->id_at + ID_DIGITS, mark + ID_SIZE,
         size - load->id_at - ID_SIZE);
}

static void make_head(load_t *load, char **headers, int count) {
  char *at = load->head, *end = at + sizeof load->head;
  at +=
      snprintf(at, (size_t)(end - at),
               "%s /mcp HTTP/1.1\r\nHost: ", load->websocket ? "GET" : "POST");
  at += load->port
            ? snprintf(at, (size_t)(end - at), "127.0.0.1:%d\r\n", load->port)
            : snprintf(at, (size_t)(end - at), "localhost\r\n");
  if (load->websocket) {
    at += snprintf(at, (size_t)(end - at),
                   "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                   "Sec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                   "Sec-WebSocket-Protocol: mcp\r\n");
  } else {
    at += snprintf(at, (size_t)(end - at), "Content-Length: %zu\r\n",
                   load->body_size);
  }
  for (int i = 0; i < count; i++)
    at += snprintf(at, (size_t)(end - at), "%s\r\n", headers[i]);
  at += snprintf(at, (size_t)(end - at), "\r\n");
  load->head_size = (size_t)(at - load->head);
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void report(load_t *load, double seconds) {
  size_t kept = load->requests < KEPT ? load->requests : KEPT;
  qsort(load->waits, kept, sizeof *load->waits, compare);
  printf("load requests=%lu seconds=%.4f p50=%.0f p99=%.0f bytes=%lu "
         "refused=%lu broken=%lu\n",
         load->requests, seconds, load->waits[kept / 2] * 1e6,
         load->waits[kept * 99 / 100] * 1e6, load->bytes, load->refused,
         load->broken);
}

int main(int argc, char **argv) {
  load_t *load = calloc(1, sizeof *load);
  peer_t *peers;
  int poll = epoll_create1(0), count = argc > 3 ? atoi(argv[3]) : 0;
  double begun, length;
  unsigned long asked = 0;
  if (argc < 6 || count < 1) {
    fputs("usage: talk http|websocket PORT|PATH CONNECTIONS SECONDS BODYFILE "
          "[HEADER...]\n",
          stderr);
    return 2;
  }
  peers = calloc((size_t)count, sizeof *peers);
  if (!load || !peers || !(load->waits = calloc(KEPT, sizeof(double))))
    die("memory");
  load->websocket = strcmp(argv[1], "websocket") == 0;
  load->place = argv[2];
  load->port = atoi(argv[2]);
  length = atof(argv[4]);
  load_body(load, argv[5]);
  make_head(load, argv + 6, argc - 6);
  for (int i = 0; i < count; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &peers[i]};
    peers[i].fd = dial(load);
    if (load->websocket) upgrade(load, &peers[i]);
    epoll_ctl(poll, EPOLL_CTL_ADD, peers[i].fd, &event);
  }
  begun = now();
  for (int i = 0; i < count; i++) ask(load, &peers[i], asked++);
  while (now() - begun < length) {
    struct epoll_event events[64];
    int n = epoll_wait(poll, events, 64, PATIENCE_MS);
    if (n == 0) die("the server is silent");
    for (int i = 0; i < n; i++)
      if (hear(load, events[i].data.ptr))
        ask(load, events[i].data.ptr, asked++);
  }
  report(load, now() - begun);
  return 0;
}
