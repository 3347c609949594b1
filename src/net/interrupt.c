/* SPDX-License-Identifier: MIT
 * interrupt.c: see interrupt.h. */
#include "net/interrupt.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

/* Read in a signal handler, where a lazily made thread-local variable could
 * need memory. */
#if defined(__GLIBC__)
#define STATIC_TLS __attribute__((tls_model("initial-exec")))
#else
#define STATIC_TLS
#endif

static _Thread_local mcp_interrupt_t *volatile first STATIC_TLS;
static struct sigaction previous;
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static void on_signal(int number, siginfo_t *info, void *context) {
  int saved = errno;
  mcp_interrupt_t *it = first;
  if (!it && previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(number, info, context);
  } else if (!it && previous.sa_handler != SIG_DFL &&
             previous.sa_handler != SIG_IGN) {
    previous.sa_handler(number);
  }
  for (; it; it = it->next) it->fn(it->arg);
  errno = saved;
}

#if defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
/* ThreadSanitizer's own sigaction puts a signal off until the thread enters a
 * function that it intercepts; a loop in Lua never does. */
extern int __sigaction(int, const struct sigaction *, struct sigaction *);
#define set_action __sigaction
#else
#define set_action sigaction
#endif

void mcp_interrupt_stay_loaded(void) {
  Dl_info info;
  if (dladdr(&prepared, &info) && info.dli_fname)
    (void)dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

static void prepare(void) {
  struct sigaction action = {.sa_sigaction = on_signal,
                             .sa_flags = SA_SIGINFO | SA_RESTART};
  sigemptyset(&action.sa_mask);
  (void)set_action(MCP_INTERRUPT_SIGNAL, &action, &previous);
  mcp_interrupt_stay_loaded();
}

void mcp_interrupt_prepare(void) {
  pthread_once(&prepared, prepare);
}

void mcp_interrupt_enter(mcp_interrupt_t *interrupt) {
  mcp_interrupt_prepare();
  interrupt->thread = pthread_self();
  interrupt->next = first;
  atomic_signal_fence(memory_order_release);
  first = interrupt;
}

bool mcp_interrupt_leave(mcp_interrupt_t *interrupt) {
  mcp_interrupt_t *before = NULL;
  for (mcp_interrupt_t *it = first; it != interrupt; it = it->next) {
    if (!it) {
      interrupt->arg = NULL;
      return false;
    }
    before = it;
  }
  if (before) {
    before->next = interrupt->next;
  } else {
    first = interrupt->next;
  }
  atomic_signal_fence(memory_order_seq_cst);
  return true;
}

void mcp_interrupt_send(const mcp_interrupt_t *interrupt) {
  (void)pthread_kill(interrupt->thread, MCP_INTERRUPT_SIGNAL);
}
