/* SPDX-License-Identifier: MIT
 *
 * crowd: thousands of HTTP connections at once, as a module for
 * bench/growth/run.lua. A group opens them, sends each its requests, and holds
 * them; streams that stay open are read while other groups are the load. Of
 * HTTP it knows where an answer ends. It knows nothing of MCP, except that
 * `__ID__` in a request stands for a number that is new each time.
 *
 *   crowd.files()                  raises the limit of descriptors; returns it
 *   crowd.open(ports, count, from) -> group; `from` is the last byte of the
 *                                  first address that it connects from
 *   group:ask(texts, window, opens) -> list of answers, each up to KEPT bytes;
 *                                  `opens`: an answer ends with its head (1),
 *                                  or with an event (2); a stream follows
 *   group:load(texts, seconds, window, streams) -> figures
 *   group:drain(quiet, wanted)     -> events, bytes: reads streams until there
 *                                  were so many events, or none has sent
 *                                  anything for so many seconds
 *   group:close()
 *
 * Request number k is texts[k]; a list that is shorter than the load begins
 * again. At most `window` answers are waited for at a time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../load.h"

#define GROUP       "crowd.group"
#define KEPT        4096      /* of an answer */
#define REQUEST     (1 << 16) /* the longest */
#define PIECE       (1 << 18) /* of one read */
#define PATIENCE_MS 60000
#define PER_ADDRESS 10000 /* connections, before their ports run out */

typedef struct {
  int fd, busy;
  size_t which;     /* number of its request */
  size_t got, body; /* bytes of the answer; where its body begins, or 0 */
  int64_t length;   /* of the body; -1: chunks */
  char tail[5];     /* its last bytes */
  char *kept;
} peer_t;

typedef struct {
  int poll;
  size_t count, id;
  peer_t *peers;
  size_t *ready; /* a ring: the peers that wait for nothing */
  size_t first, idle;
} group_t;

typedef struct {
  const char *bytes;
  size_t size, at; /* where __ID__ is; `size` if it is not there */
} text_t;

static char piece[PIECE];

static int fail(lua_State *L, const char *what) {
  return luaL_error(L, "%s: %s", what, strerror(errno));
}

static int l_files(lua_State *L) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files)) return fail(L, "getrlimit");
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  lua_pushinteger(L, (lua_Integer)files.rlim_cur);
  return 1;
}

/* -- a group -------------------------------------------------------------- */

static group_t *check_group(lua_State *L, int index) {
  group_t *group = luaL_checkudata(L, index, GROUP);
  luaL_argcheck(L, group->peers, index, "the group is closed");
  return group;
}

static int l_close(lua_State *L) {
  group_t *group = luaL_checkudata(L, 1, GROUP);
  for (size_t i = 0; group->peers && i < group->count; i++) {
    if (group->peers[i].fd >= 0) close(group->peers[i].fd);
    free(group->peers[i].kept);
  }
  free(group->peers);
  free(group->ready);
  if (group->poll >= 0) close(group->poll);
  *group = (group_t){.poll = -1};
  return 0;
}

static void rest(group_t *group, peer_t *peer) {
  group->ready[(group->first + group->idle++) % group->count] =
      (size_t)(peer - group->peers);
  peer->busy = 0;
}

static int dial(lua_State *L, uint16_t port, uint32_t from) {
  struct sockaddr_in a = {.sin_family = AF_INET};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  if (fd < 0) return fail(L, "socket");
  /* Or the port would be taken for one that may listen, too. */
  setsockopt(fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &one,
             sizeof one);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + from);
  if (bind(fd, (struct sockaddr *)&a, sizeof a)) {
    close(fd);
    return fail(L, "bind");
  }
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.sin_port = htons(port);
  if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
    close(fd);
    return fail(L, "connect");
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

static int l_open(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t ports = lua_rawlen(L, 1), count = (size_t)luaL_checkinteger(L, 2);
  uint32_t from = (uint32_t)luaL_optinteger(L, 3, 1);
  group_t *group = lua_newuserdatauv(L, sizeof *group, 0);
  *group = (group_t){.poll = -1};
  luaL_setmetatable(L, GROUP);
  group->poll = epoll_create1(EPOLL_CLOEXEC);
  group->peers = calloc(count, sizeof *group->peers);
  group->ready = calloc(count, sizeof *group->ready);
  if (group->poll < 0 || !group->peers || !group->ready)
    return fail(L, "crowd.open");
  group->count = count;
  for (size_t i = 0; i < count; i++) group->peers[i].fd = -1;
  for (size_t i = 0; i < count; i++) {
    peer_t *peer = &group->peers[i];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    lua_rawgeti(L, 1, (lua_Integer)(i % ports) + 1);
    peer->fd = dial(L, (uint16_t)lua_tointeger(L, -1),
                    from + (uint32_t)(i / PER_ADDRESS));
    lua_pop(L, 1);
    if (epoll_ctl(group->poll, EPOLL_CTL_ADD, peer->fd, &event))
      return fail(L, "epoll_ctl");
    rest(group, peer);
  }
  return 1;
}

/* -- requests ------------------------------------------------------------- */

/* The list at `index`; the strings stay in it. The memory is Lua's. */
static text_t *texts_of(lua_State *L, int index, size_t *count) {
  luaL_checktype(L, index, LUA_TTABLE);
  *count = lua_rawlen(L, index);
  luaL_argcheck(L, *count > 0, index, "it is empty");
  text_t *texts = lua_newuserdatauv(L, *count * sizeof *texts, 0);
  for (size_t i = 0; i < *count; i++) {
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    text_t *text = &texts[i];
    text->bytes = luaL_checklstring(L, -1, &text->size);
    const char *mark = strstr(text->bytes, ID_MARK);
    text->at = mark ? (size_t)(mark - text->bytes) : text->size;
    luaL_argcheck(L, text->size < REQUEST - ID_DIGITS, index, "too long");
    lua_pop(L, 1);
  }
  return texts;
}

static void ask(lua_State *L, group_t *group, const text_t *text,
                size_t which) {
  char room[REQUEST];
  peer_t *peer = &group->peers[group->ready[group->first]];
  const char *bytes = text->bytes;
  size_t size = text->size;
  group->first = (group->first + 1) % group->count;
  group->idle--;
  if (text->at < size) {
    size_t after = text->at + ID_SIZE;
    memcpy(room, bytes, text->at);
    write_id(room + text->at, group->id++);
    memcpy(room + text->at + ID_DIGITS, bytes + after, size - after);
    bytes = room;
    size += ID_DIGITS - ID_SIZE;
  }
  peer->busy = 1;
  peer->which = which;
  peer->got = peer->body = 0;
  peer->length = 0;
  if (!peer->kept && !(peer->kept = malloc(KEPT))) fail(L, "malloc");
  if (send(peer->fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size)
    fail(L, "send");
}

/* Reads the head, once it is whole. */
static void read_head(peer_t *peer) {
  size_t have = peer->got < KEPT ? peer->got : KEPT;
  char *end = memmem(peer->kept, have, "\r\n\r\n", 4), *field;
  if (!end) return;
  peer->body = (size_t)(end + 4 - peer->kept);
  peer->length = -1;
  *end = '\0';
  for (field = strstr(peer->kept, "\r\n"); field;
       field = strstr(field + 2, "\r\n"))
    if (strncasecmp(field, "\r\ncontent-length:", 17) == 0)
      peer->length = strtoll(field + 17, NULL, 10);
  if (memcmp(peer->kept + 9, "204", 3) == 0) peer->length = 0;
  *end = '\r';
}

/* One read: 1 when the answer is whole. */
static int hear(lua_State *L, peer_t *peer, int opens, size_t *bytes) {
  ssize_t n = recv(peer->fd, piece, PIECE, 0);
  if (n < 0 && errno == EAGAIN) return 0;
  if (n <= 0) return luaL_error(L, "the server closed a connection");
  size_t size = (size_t)n, room = peer->got < KEPT ? KEPT - peer->got : 0;
  memcpy(peer->kept + (KEPT - room), piece, size < room ? size : room);
  if (size >= sizeof peer->tail) {
    memcpy(peer->tail, piece + size - sizeof peer->tail, sizeof peer->tail);
  } else {
    memmove(peer->tail, peer->tail + size, sizeof peer->tail - size);
    memcpy(peer->tail + sizeof peer->tail - size, piece, size);
  }
  peer->got += size;
  *bytes += size;
  if (!peer->body) read_head(peer);
  if (!peer->body) return 0;
  if (opens) return opens == 1 || memcmp(peer->tail + 1, "\n\n\r\n", 4) == 0;
  if (peer->length >= 0) return peer->got - peer->body >= (size_t)peer->length;
  return memcmp(peer->tail, "0\r\n\r\n", 5) == 0;
}

static int is_good(const peer_t *peer) {
  size_t have = peer->got < KEPT ? peer->got : KEPT;
  return peer->kept[9] == '2' && !memmem(peer->kept, have, "\"error\":", 8) &&
         !memmem(peer->kept, have, "\"isError\":true", 14);
}

/* Reads what a group's streams have sent. */
static size_t swallow(group_t *group, size_t *events) {
  struct epoll_event ready[256];
  size_t bytes = 0;
  int n = epoll_wait(group->poll, ready, 256, 0);
  for (int i = 0; i < n; i++) {
    peer_t *peer = ready[i].data.ptr;
    ssize_t size = recv(peer->fd, piece, PIECE, 0);
    if (size <= 0) continue;
    bytes += (size_t)size;
    for (char *at = piece, *end = piece + size;
         (at = memmem(at, (size_t)(end - at), "data:", 5)); at += 5)
      ++*events;
  }
  return bytes;
}

static int l_ask(lua_State *L) {
  group_t *group = check_group(L, 1);
  size_t window = (size_t)luaL_checkinteger(L, 3), count;
  int opens = (int)luaL_optinteger(L, 4, 0);
  lua_settop(L, 4);
  text_t *texts = texts_of(L, 2, &count);
  size_t asked = 0, answered = 0, bytes = 0;
  lua_createtable(L, (int)count, 0);
  while (answered < count) {
    struct epoll_event events[64];
    while (asked < count && asked - answered < window && group->idle > 0) {
      ask(L, group, &texts[asked], asked);
      asked++;
    }
    int n = epoll_wait(group->poll, events, 64, PATIENCE_MS);
    if (n == 0) return luaL_error(L, "the server is silent");
    for (int i = 0; i < n; i++) {
      peer_t *peer = events[i].data.ptr;
      if (!peer->busy)
        return luaL_error(L, "the server sent what was not asked for");
      if (!hear(L, peer, opens, &bytes)) continue;
      lua_pushlstring(L, peer->kept, peer->got < KEPT ? peer->got : KEPT);
      lua_rawseti(L, -2, (lua_Integer)peer->which + 1);
      free(peer->kept);
      peer->kept = NULL;
      answered++;
      rest(group, peer);
    }
  }
  return 1;
}

static int l_load(lua_State *L) {
  group_t *group = check_group(L, 1);
  double length = luaL_checknumber(L, 3);
  size_t window = (size_t)luaL_checkinteger(L, 4), count;
  group_t *streams = lua_isnoneornil(L, 5) ? NULL : check_group(L, 5);
  lua_settop(L, 5);
  text_t *texts = texts_of(L, 2, &count);
  size_t asked = 0, answered = 0, bad = 0, bytes = 0, heard = 0;
  if (streams) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = streams};
    epoll_ctl(group->poll, EPOLL_CTL_ADD, streams->poll, &event);
  }
  double begun = now(), over = 0;
  for (;;) {
    struct epoll_event events[64];
    int going = !over && now() - begun < length;
    if (!going && !over) over = now();
    if (!going && answered == asked) break;
    while (going && asked - answered < window && group->idle > 0) {
      ask(L, group, &texts[asked % count], asked);
      asked++;
    }
    int n = epoll_wait(group->poll, events, 64, PATIENCE_MS);
    if (n == 0) return luaL_error(L, "the server is silent");
    for (int i = 0; i < n; i++) {
      peer_t *peer = events[i].data.ptr;
      if (events[i].data.ptr == streams) {
        swallow(streams, &heard);
      } else if (hear(L, peer, 0, &bytes)) {
        if (!is_good(peer)) bad++;
        answered++;
        rest(group, peer);
      }
    }
  }
  if (streams) epoll_ctl(group->poll, EPOLL_CTL_DEL, streams->poll, NULL);
  lua_createtable(L, 0, 5);
  lua_pushinteger(L, (lua_Integer)answered);
  lua_setfield(L, -2, "requests");
  lua_pushinteger(L, (lua_Integer)bad);
  lua_setfield(L, -2, "bad");
  lua_pushinteger(L, (lua_Integer)bytes);
  lua_setfield(L, -2, "bytes");
  lua_pushinteger(L, (lua_Integer)heard);
  lua_setfield(L, -2, "events");
  lua_pushnumber(L, now() - begun);
  lua_setfield(L, -2, "seconds");
  return 1;
}

static int l_drain(lua_State *L) {
  group_t *group = check_group(L, 1);
  double quiet = luaL_checknumber(L, 2), last = now();
  size_t wanted = (size_t)luaL_optinteger(L, 3, LUA_MAXINTEGER);
  size_t events = 0, bytes = 0;
  bytes += swallow(group, &events);
  while (events < wanted && now() - last < quiet) {
    size_t more = swallow(group, &events);
    struct timespec pause = {.tv_nsec = 1000000};
    bytes += more;
    if (more)
      last = now();
    else
      nanosleep(&pause, NULL);
  }
  lua_pushinteger(L, (lua_Integer)events);
  lua_pushinteger(L, (lua_Integer)bytes);
  return 2;
}

static const luaL_Reg methods[] = {{"ask", l_ask},
                                   {"load", l_load},
                                   {"drain", l_drain},
                                   {"close", l_close},
                                   {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"files", l_files}, {"open", l_open}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_crowd(lua_State *L);

int luaopen_crowd(lua_State *L) {
  luaL_newmetatable(L, GROUP);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, l_close);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, l_close);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
