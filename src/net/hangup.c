/* SPDX-License-Identifier: MIT
 * hangup.c: see hangup.h. */
#include "net/hangup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

static volatile sig_atomic_t kept;
static volatile sig_atomic_t had_terminal;

static bool has_terminal(void) {
  int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return false;
  close(fd);
  return true;
}

/* What raise() sends stays pending until the handler has returned. */
static void on_hangup(int number) {
  int saved = errno;
  if (had_terminal && !has_terminal()) {
    signal(number, SIG_DFL);
    raise(number);
  } else {
    kept = 1;
  }
  errno = saved;
}

void mcp_hangup_keep(void) {
  struct sigaction action;
  if (sigaction(SIGHUP, NULL, &action) < 0 || action.sa_handler != SIG_DFL)
    return;
  had_terminal = has_terminal();
  action.sa_handler = on_hangup;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  (void)sigaction(SIGHUP, &action, NULL);
}

void mcp_hangup_pass_on(void) {
  if (!kept) return;
  kept = 0;
  raise(SIGHUP);
}
