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
  account_t *account;  /* where it was made: modules have their own copy */
  size_t held;
  unsigned part;
  unsigned refs; /* owners, and the shares below */
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
    mcp_share_t *parent = share->parent;
    if (share->gone) share->gone(share->arg);
    mcp_mem_free(share);
    if (parent) parent->refs--;
    share = parent;
  }
}

void mcp_share_drop(mcp_share_t *share) {
  if (!share) return;
  share->refs--;
  free_unused(share);
}

int mcp_share_charge(mcp_share_t *share, size_t bytes) {
  size_t limit;
  int code;
  if (!share) return 0;
  limit = load(&share->account->limit);
  for (const mcp_share_t *s = share; s; s = s->parent) {
    size_t most = limit >> s->part;
    if (s->held > most || bytes > most - s->held) return refuse(share->account);
  }
  code = charge_account(share->account, limit, bytes);
  if (code < 0) return code;
  for (; share; share = share->parent) share->held += bytes;
  return 0;
}

void mcp_share_force(mcp_share_t *share, size_t bytes) {
  if (!share) return;
  atomic_fetch_add_explicit(&share->account->held, bytes, memory_order_relaxed);
  for (; share; share = share->parent) share->held += bytes;
}

void mcp_share_release(mcp_share_t *share, size_t bytes) {
  if (!share) return;
  atomic_fetch_sub_explicit(&share->account->held, bytes, memory_order_relaxed);
  for (mcp_share_t *s = share; s; s = s->parent) s->held -= bytes;
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
