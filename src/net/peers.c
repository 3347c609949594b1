/* SPDX-License-Identifier: MIT
 * peers.c: see peers.h. A hash table, seeded so that clients cannot choose
 * addresses that fall into one bucket. */
#include "net/peers.h"

#include <netinet/in.h>
#include <string.h>

#include "base/crypto.h"
#include "base/list.h"
#include "base/mem.h"

#define BUCKETS 256
/* The family, then the address. */
#define ADDRESS_SIZE 17

typedef struct {
  mcp_list_t of_bucket;
  mcp_share_t *share;
  bool is_principal;
  size_t len;
  char key[];
} peer_t;

struct mcp_peers {
  uint64_t seed;
  mcp_list_t buckets[BUCKETS];
};

static void write_key(unsigned char *key, const struct sockaddr *address) {
  static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
  memset(key, 0, ADDRESS_SIZE);
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

static mcp_list_t *bucket(mcp_peers_t *peers, mcp_slice_t key) {
  uint64_t hash = peers->seed;
  for (size_t i = 0; i < key.len; i++) {
    hash = (hash ^ (unsigned char)key.data[i]) * 0x9e3779b97f4a7c15u;
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

static peer_t *new_peer(bool is_principal, mcp_slice_t key) {
  peer_t *peer = mcp_mem_alloc(sizeof *peer + key.len);
  if (!peer) return NULL;
  peer->share = mcp_share_new(NULL, is_principal ? MCP_SHARE_PRINCIPAL
                                                 : MCP_SHARE_ADDRESS);
  if (!peer->share) {
    mcp_mem_free(peer);
    return NULL;
  }
  mcp_share_on_gone(peer->share, on_gone, peer);
  peer->is_principal = is_principal;
  peer->len = key.len;
  memcpy(peer->key, key.data, key.len);
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

static mcp_share_t *hold(mcp_loop_t *loop, bool is_principal, mcp_slice_t key) {
  mcp_peers_t *peers = mcp_loop_peers(loop);
  mcp_list_t *in;
  peer_t *peer;
  if (!peers) {
    peers = new_peers();
    if (!peers) return NULL;
    mcp_loop_set_peers(loop, peers, free_peers);
  }
  in = bucket(peers, key);
  for (mcp_list_t *it = in->next; it != in; it = it->next) {
    peer = MCP_LIST_MEMBER(it, peer_t, of_bucket);
    if (peer->is_principal == is_principal && peer->len == key.len &&
        memcmp(peer->key, key.data, key.len) == 0)
      return mcp_share_hold(peer->share);
  }
  peer = new_peer(is_principal, key);
  if (!peer) return NULL;
  mcp_list_append(in, &peer->of_bucket);
  return peer->share;
}

mcp_share_t *mcp_peers_hold(mcp_loop_t *loop, const struct sockaddr *address) {
  unsigned char key[ADDRESS_SIZE];
  write_key(key, address);
  return hold(loop, false, mcp_slice((const char *)key, sizeof key));
}

mcp_share_t *mcp_peers_hold_principal(mcp_loop_t *loop, mcp_slice_t key) {
  if (key.len > MCP_PEERS_KEY) key.len = MCP_PEERS_KEY;
  return hold(loop, true, key);
}
