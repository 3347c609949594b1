/* SPDX-License-Identifier: MIT
 * account.c: see account.h. The account is a global because the budget is the
 * process's, however many Lua states and loops it has. */
#include "base/account.h"

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

typedef struct {
  atomic_size_t held, limit;
  atomic_ulong refused;
} account_t;

struct mcp_share {
  mcp_share_t *parent; /* NULL: the account is next */
  mcp_share_t *group;  /* or NULL */
  account_t *account;  /* where it was made: modules have their own copy */
  size_t held;
  unsigned part;
  unsigned refs;        /* owners, the shares below, and those of the group */
  unsigned connections; /* of the shares below, those of connections */
  void (*gone)(void *);
  void *arg;
};

static account_t process = {.limit = MCP_ACCOUNT_LIMIT};

static size_t load(const atomic_size_t *number) {
  return atomic_load_explicit(number, memory_order_relaxed);
}

static size_t soft(size_t limit) {
  return limit - limit / 4;
}

void mcp_account_set_limit(size_t bytes) {
  atomic_store_explicit(&process.limit, bytes ? bytes : SIZE_MAX,
                        memory_order_relaxed);
}

size_t mcp_account_limit(void) {
  return load(&process.limit);
}

size_t mcp_account_held(void) {
  return load(&process.held);
}

unsigned long mcp_account_refused(void) {
  return atomic_load_explicit(&process.refused, memory_order_relaxed);
}

static int refuse(account_t *account) {
  atomic_fetch_add_explicit(&account->refused, 1, memory_order_relaxed);
  return MCP_EBUDGET;
}

/* Charges the account alone. */
static int charge_account(account_t *account, size_t limit, size_t bytes) {
  size_t held = load(&account->held);
  do {
    if (held > limit || bytes > limit - held) return refuse(account);
  } while (!atomic_compare_exchange_weak_explicit(
      &account->held, &held, held + bytes, memory_order_relaxed,
      memory_order_relaxed));
  return 0;
}

mcp_share_t *mcp_share_new(mcp_share_t *parent, unsigned part) {
  mcp_share_t *share = mcp_mem_zalloc(sizeof *share);
  if (!share) return NULL;
  share->parent = parent;
  share->account = parent ? parent->account : &process;
  share->part = part;
  share->refs = 1;
  if (parent) parent->refs++;
  if (parent && part == MCP_SHARE_CONNECTION) parent->connections++;
  return share;
}

void mcp_share_on_gone(mcp_share_t *share, void (*gone)(void *), void *arg) {
  share->gone = gone;
  share->arg = arg;
}

mcp_share_t *mcp_share_hold(mcp_share_t *share) {
  share->refs++;
  return share;
}

static void free_unused(mcp_share_t *share) {
  while (share && share->refs == 0 && share->held == 0) {
    mcp_share_t *parent = share->parent, *group = share->group;
    if (parent && share->part == MCP_SHARE_CONNECTION) parent->connections--;
    if (share->gone) share->gone(share->arg);
    mcp_mem_free(share);
    mcp_share_drop(group);
    if (parent) parent->refs--;
    share = parent;
  }
}

void mcp_share_drop(mcp_share_t *share) {
  if (!share) return;
  share->refs--;
  free_unused(share);
}

static bool has_room(const mcp_share_t *share, size_t limit, size_t bytes) {
  size_t max = limit >> share->part;
  return share->held <= max && bytes <= max - share->held;
}

/* Adds to what a share, those above it and their groups hold. */
static void add(mcp_share_t *share, size_t bytes) {
  for (; share; share = share->parent) {
    share->held += bytes;
    if (share->group) share->group->held += bytes;
  }
}

int mcp_share_join(mcp_share_t *share, mcp_share_t *group) {
  mcp_share_t *before = share->group;
  if (group == before) return 0;
  if (group) {
    size_t limit = load(&share->account->limit);
    if (group->held >= soft(limit >> group->part) ||
        !has_room(group, limit, share->held))
      return refuse(share->account);
    group->refs++;
    group->held += share->held;
  }
  share->group = group;
  if (before) {
    before->held -= share->held;
    mcp_share_drop(before);
  }
  return 0;
}

int mcp_share_charge(mcp_share_t *share, size_t bytes) {
  size_t limit;
  int code;
  if (!share) return 0;
  limit = load(&share->account->limit);
  for (const mcp_share_t *s = share; s; s = s->parent)
    if (!has_room(s, limit, bytes) ||
        (s->group && !has_room(s->group, limit, bytes)))
      return refuse(share->account);
  code = charge_account(share->account, limit, bytes);
  if (code < 0) return code;
  add(share, bytes);
  return 0;
}

void mcp_share_force(mcp_share_t *share, size_t bytes) {
  if (!share) return;
  atomic_fetch_add_explicit(&share->account->held, bytes, memory_order_relaxed);
  add(share, bytes);
}

void mcp_share_release(mcp_share_t *share, size_t bytes) {
  if (!share) return;
  atomic_fetch_sub_explicit(&share->account->held, bytes, memory_order_relaxed);
  for (mcp_share_t *s = share; s; s = s->parent) {
    s->held -= bytes;
    if (s->group) s->group->held -= bytes;
  }
  if (share->refs == 0) free_unused(share);
}

bool mcp_share_is_tight(const mcp_share_t *share) {
  size_t limit;
  if (!share) return false;
  limit = load(&share->account->limit);
  if (load(&share->account->held) >= soft(limit)) return true;
  for (; share; share = share->parent)
    if (share->held >= soft(limit >> share->part)) return true;
  return false;
}

size_t mcp_share_held(const mcp_share_t *share) {
  return share ? share->held : 0;
}

unsigned mcp_share_connections(const mcp_share_t *share) {
  return share->connections;
}
