/* SPDX-License-Identifier: MIT
 * tally.h: how many connections each of several processes has that accept from
 * the same socket: a page of memory that they share, with a place for each. The
 * kernel hands the next connection to whichever process comes first, so a
 * process with more than another one lets that go first. */
#ifndef MCP_NET_TALLY_H
#define MCP_NET_TALLY_H

#include <stdbool.h>

/* The places of a page. */
#define MCP_TALLY_PLACES 1024u

typedef struct mcp_tally mcp_tally_t;

/* Makes a page that no process is in. The descriptor, or a negated errno. */
int mcp_tally_create(void);

/* Maps the page of a descriptor, which stays the caller's. `place` is that of
 * this process, or MCP_TALLY_PLACES: none. NULL: no memory, or it is no page.
 */
mcp_tally_t *mcp_tally_open(int fd, unsigned place);
void mcp_tally_close(mcp_tally_t *tally);

/* This process accepts from now on, or not any more. */
void mcp_tally_enter(mcp_tally_t *tally);
void mcp_tally_leave(mcp_tally_t *tally);

/* One more connection (1), or one less (-1). */
void mcp_tally_add(mcp_tally_t *tally, int change);

/* Has this process more connections than another one that accepts? */
bool mcp_tally_is_above(const mcp_tally_t *tally);

/* The process of a place has ended. */
void mcp_tally_clear(mcp_tally_t *tally, unsigned place);

#endif
