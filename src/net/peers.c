/* SPDX-License-Identifier: MIT
 * peers.c: see peers.h. A hash table, seeded so that clients cannot choose
 * addresses that fall into one bucket. */
#include "net/peers.h"

#include <netinet/in.h>
#include <string.h>

#include "base/crypto.h"
#include "base/list.h"
#include "base/mem.h"

#define BUCKETS  256
#define KEY_SIZE 17

typedef struct {
  mcp_list_t of_bucket;
  mcp_share_t *share;
  unsigned char key[KEY_SIZE]; /* the family, then the address */
} peer_t;

struct mcp_peers {
  uint64_t seed;
  mcp_list_t buckets[BUCKETS];
};

static void write_key(unsigned char *key, const struct sockaddr *address) {
  static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
  memset(key, 0, KEY_SIZE);
  if (!address) return;
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *in = (const void *)address;
    key[0] = 4;
    memcpy(key + 1, &in->sin_addr, 4);
  } else if (address->sa_family == AF_INET6) {
    const struct sockaddr_in6 *in = (const void *)address;
    const unsigned char *bytes = in->sin6_addr.s6_addr;
    bool is_mapped = memcmp(bytes, mapped, sizeof mapped) == 0;
    key[0] = is_mapped ? 4 : 6;
    memcpy(key + 1, is_mapped ? bytes + 12 : bytes, is_mapped ? 4 : 8);
  }
}

static mcp_list_t *bucket(mcp_peers_t *peers, const unsigned char *key) {
  uint64_t hash = peers->seed;
  for (size_t i = 0; i < KEY_SIZE; i++) {
    hash = (hash ^ key[i]) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
  }
  return &peers->buckets[hash % BUCKETS];
}

static mcp_peers_t *new_peers(void) {
  mcp_peers_t *peers = mcp_mem_alloc(sizeof *peers);
  if (!peers) return NULL;
  if (mcp_crypto_random(&peers->seed, sizeof peers->seed) < 0) peers->seed = 1;
  for (size_t i = 0; i < BUCKETS; i++) mcp_list_init(&peers->buckets[i]);
  return peers;
}

static void on_gone(void *arg) {
  peer_t *peer = arg;
  mcp_list_remove(&peer->of_bucket);
  mcp_mem_free(peer);
}

static peer_t *new_peer(void) {
  peer_t *peer = mcp_mem_alloc(sizeof *peer);
  if (!peer) return NULL;
  peer->share = mcp_share_new(NULL, MCP_SHARE_ADDRESS);
  if (!peer->share) {
    mcp_mem_free(peer);
    return NULL;
  }
  mcp_share_on_gone(peer->share, on_gone, peer);
  return peer;
}

/* Shares that are still in use outlive the table. */
static void free_peers(mcp_peers_t *peers) {
  mcp_list_t *it, *after;
  for (size_t i = 0; i < BUCKETS; i++) {
    MCP_LIST_EACH(&peers->buckets[i], it, after) {
      mcp_list_remove(it);
    }
  }
  mcp_mem_free(peers);
}

mcp_share_t *mcp_peers_hold(mcp_loop_t *loop, const struct sockaddr *address) {
  mcp_peers_t *peers = mcp_loop_peers(loop);
  unsigned char key[KEY_SIZE];
  mcp_list_t *in;
  peer_t *peer;
  if (!peers) {
    peers = new_peers();
    if (!peers) return NULL;
    mcp_loop_set_peers(loop, peers, free_peers);
  }
  write_key(key, address);
  in = bucket(peers, key);
  for (mcp_list_t *it = in->next; it != in; it = it->next) {
    peer = MCP_LIST_MEMBER(it, peer_t, of_bucket);
    if (memcmp(peer->key, key, KEY_SIZE) == 0)
      return mcp_share_hold(peer->share);
  }
  peer = new_peer();
  if (!peer) return NULL;
  memcpy(peer->key, key, KEY_SIZE);
  mcp_list_append(in, &peer->of_bucket);
  return peer->share;
}
