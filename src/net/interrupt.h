/* SPDX-License-Identifier: MIT
 * interrupt.h: lets one thread call a function on another one, inside a signal
 * handler there (SIGURG). The function may touch what belongs to its thread
 * without a lock, as far as a signal handler may. A thread can be the target of
 * several interrupts; a signal then calls them all. */
#ifndef MCP_NET_INTERRUPT_H
#define MCP_NET_INTERRUPT_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

/* The signal: ignored by default, and used by other runtimes for the same
 * purpose, so debuggers do not stop at it. */
#define MCP_INTERRUPT_SIGNAL SIGURG

/* Lives in its owner, which leaves before freeing it. */
typedef struct mcp_interrupt {
  struct mcp_interrupt *next; /* of the same thread */
  pthread_t thread;
  void (*fn)(void *arg); /* may be called when nothing was sent */
  void *volatile arg;
} mcp_interrupt_t;

/* What the process needs: the handler. Called before a thread is made that is
 * a target, and by mcp_interrupt_enter. */
void mcp_interrupt_prepare(void);

/* Makes the calling thread the target, and ends that. False: another thread is
 * the target, which still refers to the interrupt: it must not be freed, and
 * its function gets NULL from now on. */
void mcp_interrupt_enter(mcp_interrupt_t *interrupt);
bool mcp_interrupt_leave(mcp_interrupt_t *interrupt);

/* Keeps this module in memory until the process ends: a thread, or a signal
 * that was sent, may outlive the Lua state whose end unloads it. */
void mcp_interrupt_stay_loaded(void);

/* From any thread; the target must exist. */
void mcp_interrupt_send(const mcp_interrupt_t *interrupt);

#endif
