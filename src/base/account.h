/* SPDX-License-Identifier: MIT
 * account.h: one budget of bytes for the process. Whatever a peer can make us
 * hold is charged to it before it is allocated, and released when it is freed:
 * capacities, write records, structs of connections, values made of messages.
 *
 * Two marks. At the soft one, three quarters of the limit, no new work is
 * accepted; at the hard one, the limit, work in progress is refused as well:
 * the connection that needs more memory is closed.
 *
 * A share is a part of the account with a limit of its own, a fraction of the
 * account's: connection, then address, then process. What is charged to a
 * share is charged to all above it. Integers only; charge when a capacity
 * changes, not for every byte.
 *
 * A share may also be in a group: another share, to which all that it holds is
 * charged as well, and which the account does not count again. Connections of
 * one user from many addresses are a group.
 *
 * The account may be charged by any thread. A share belongs to the thread of
 * its loop. */
#ifndef MCP_BASE_ACCOUNT_H
#define MCP_BASE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>

/* The limit of a process that sets none, in bytes. */
#define MCP_ACCOUNT_LIMIT (256u << 20)

/* The parts that shares get, as powers of two: 1 is a half. */
#define MCP_SHARE_WHOLE      0
#define MCP_SHARE_ADDRESS    1
#define MCP_SHARE_PRINCIPAL  1
#define MCP_SHARE_STORE      2
#define MCP_SHARE_CONNECTION 3

typedef struct mcp_share mcp_share_t;

/* Sets the limit in bytes; 0 for none. It counts from the next charge on. */
void mcp_account_set_limit(size_t bytes);
size_t mcp_account_limit(void);

/* Bytes now charged, and how many charges have been refused. */
size_t mcp_account_held(void);
unsigned long mcp_account_refused(void);

/* A new share of `parent`, NULL for the account itself, that may hold the
 * account's limit divided by 2^part. NULL when there is no memory. */
mcp_share_t *mcp_share_new(mcp_share_t *parent, unsigned part);

/* One more owner; returns it. */
mcp_share_t *mcp_share_hold(mcp_share_t *share);

/* An owner needs it no longer: it is freed once there is none, nothing is
 * charged to it and no share is left below it. NULL is accepted. */
void mcp_share_drop(mcp_share_t *share);

/* `gone(arg)` is called right before the share is freed. */
void mcp_share_on_gone(mcp_share_t *share, void (*gone)(void *), void *arg);

/* Moves `share`, with what it holds, to `group` (NULL: none) from the group
 * that it is in. `group` has neither parent nor group, and lives as long as its
 * shares. 0, or MCP_EBUDGET if `group` is at its soft mark or would be beyond
 * its limit: the share stays where it is. */
int mcp_share_join(mcp_share_t *share, mcp_share_t *group);

/* Charges `bytes`. 0, or MCP_EBUDGET if a limit would be passed: nothing is
 * charged then. NULL charges nothing. */
int mcp_share_charge(mcp_share_t *share, size_t bytes);

/* Releases bytes that were charged. */
void mcp_share_release(mcp_share_t *share, size_t bytes);

/* Charges what is held already, whatever the limits say: for the few bytes
 * that must go out, such as a refusal. */
void mcp_share_force(mcp_share_t *share, size_t bytes);

/* Is it, or a share above it, or the account, at its soft mark? */
bool mcp_share_is_tight(const mcp_share_t *share);

size_t mcp_share_held(const mcp_share_t *share);

/* How many shares of connections (MCP_SHARE_CONNECTION) are right below it. */
unsigned mcp_share_connections(const mcp_share_t *share);

#endif
