/* SPDX-License-Identifier: MIT
 * json_keys.c: see json_keys.h. */
#include "wire/json_keys.h"

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"

/* Up to so many keys are compared with each other, beyond they are sorted. */
#define FEW_KEYS 32

typedef struct {
  uint64_t hash;
  mcp_slice_t text;
  uint32_t token;
} member_t;

/* Not secret and not strong: keys chosen to collide only make the sort slower,
 * never worse than n log n. */
static uint64_t hash(mcp_slice_t s) {
  const uint64_t factor = 0x9e3779b97f4a7c15u;
  uint64_t h = s.len * factor, w;
  for (; s.len >= sizeof w; s.data += sizeof w, s.len -= sizeof w) {
    memcpy(&w, s.data, sizeof w);
    h = (h ^ w) * factor;
    h ^= h >> 29;
  }
  for (size_t i = 0; i < s.len; i++)
    h = (h ^ (unsigned char)s.data[i]) * factor;
  return h ^ h >> 32;
}

static int compare(const member_t *a, const member_t *b) {
  if (a->hash != b->hash) return a->hash < b->hash ? -1 : 1;
  if (a->text.len != b->text.len) return a->text.len < b->text.len ? -1 : 1;
  return memcmp(a->text.data, b->text.data, a->text.len);
}

/* Equal keys by their place, so that the later one is the duplicate. */
static bool less(const member_t *a, const member_t *b) {
  int order = compare(a, b);
  return order < 0 || (order == 0 && a->token < b->token);
}

/* Heapsort of indices into `keys`: no recursion and no bad case. */
static void sort(uint32_t *a, size_t n, const member_t *keys) {
  size_t start = n / 2, end = n;
  while (end > 1) {
    size_t hole, child;
    uint32_t x;
    if (start > 0) {
      x = a[--start];
    } else {
      x = a[--end];
      a[end] = a[0];
    }
    hole = start;
    while ((child = 2 * hole + 1) < end) {
      if (child + 1 < end && less(&keys[a[child]], &keys[a[child + 1]]))
        child++;
      if (!less(&keys[x], &keys[a[child]])) break;
      a[hole] = a[child];
      hole = child;
    }
    a[hole] = x;
  }
}

/* The first key of `keys` that repeats another one; 0 if all differ. The keys
 * are dealt into as many buckets as there are keys (`heads` has one more
 * place), then each bucket is sorted, so ordinary keys cost linear time. */
static uint32_t find_duplicate(const member_t *keys, uint32_t n,
                               uint32_t *order, uint32_t *heads) {
  uint32_t found = 0;
  memset(heads, 0, (n + (size_t)1) * sizeof *heads);
  for (uint32_t i = 0; i < n; i++) heads[keys[i].hash % n + 1]++;
  for (uint32_t b = 0; b < n; b++) heads[b + 1] += heads[b];
  /* Filled from the back: in the end bucket b begins at heads[b + 1]. */
  for (uint32_t i = n; i-- > 0;) order[--heads[keys[i].hash % n + 1]] = i;
  for (uint32_t b = 1; b <= n; b++) {
    uint32_t *bucket = order + heads[b];
    size_t size = (b < n ? heads[b + 1] : n) - heads[b];
    sort(bucket, size, keys);
    for (size_t i = 1; i < size; i++) {
      const member_t *x = &keys[bucket[i - 1]], *y = &keys[bucket[i]];
      if (compare(x, y) == 0 && (!found || y->token < found)) found = y->token;
    }
  }
  return found;
}

static int check_many(const mcp_json_doc_t *doc, uint32_t object,
                      uint32_t *again) {
  uint32_t n = doc->tokens[object].count, at = object + 1;
  size_t escaped = 0;
  uint32_t *order;
  member_t *keys;
  char *bytes;
  for (uint32_t i = 0; i < n; i++) {
    const mcp_json_token_t *t = &doc->tokens[at];
    if (t->escaped) escaped += t->length;
    at = doc->tokens[at + 1].next;
  }
  keys = mcp_mem_alloc(n * sizeof *keys + (2 * (size_t)n + 1) * sizeof *order +
                       escaped);
  if (!keys) return MCP_ENOMEM;
  order = (uint32_t *)(void *)(keys + n);
  bytes = (char *)(order + 2 * (size_t)n + 1);
  at = object + 1;
  for (uint32_t i = 0; i < n; i++) {
    mcp_slice_t text = mcp_json_raw(doc, at);
    if (doc->tokens[at].escaped) {
      text = mcp_slice(bytes, mcp_json_unescape(text, bytes));
      bytes += text.len;
    }
    keys[i] = (member_t){hash(text), text, at};
    at = doc->tokens[at + 1].next;
  }
  *again = find_duplicate(keys, n, order, order + n);
  mcp_mem_free(keys);
  return *again ? MCP_EDUPLICATE : 0;
}

/* Few keys mostly differ in length, first or last letter and so fall on
 * different bits of `seen`; only those that do not are compared. */
int mcp_json_keys_check(const mcp_json_doc_t *doc, uint32_t object,
                        uint32_t *again) {
  const mcp_json_token_t *tokens = doc->tokens;
  const char *text = doc->text.data;
  uint32_t n = tokens[object].count, at = object + 1, keys[FEW_KEYS];
  uint64_t seen = 0;
  if (n > FEW_KEYS) return check_many(doc, object, again);
  for (uint32_t i = 0; i < n; i++) {
    const mcp_json_token_t *t = &tokens[at];
    /* An empty key shows its quotes here, which is as good. */
    unsigned first = (unsigned char)text[t->start];
    unsigned last = (unsigned char)text[t->start + t->length - 1];
    uint64_t bit = (uint64_t)1 << ((t->length * 7 + first * 5 + last) & 63);
    if (t->escaped) return check_many(doc, object, again);
    if (seen & bit) {
      for (uint32_t j = 0; j < i; j++) {
        const mcp_json_token_t *u = &tokens[keys[j]];
        if (u->length == t->length &&
            memcmp(text + u->start, text + t->start, t->length) == 0) {
          *again = at;
          return MCP_EDUPLICATE;
        }
      }
    }
    seen |= bit;
    keys[i] = at;
    at = tokens[at + 1].next;
  }
  return 0;
}
