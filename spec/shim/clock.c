/* SPDX-License-Identifier: MIT */
/* A monotonic clock that starts where a spec run wants it: preloaded into the
 * specs and what they start by `make test CLOCK=seconds`. All processes of a
 * run share one clock. The time of day is left alone. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long offset; /* seconds */

static int real_time(clockid_t clock, struct timespec *out) {
  return (int)syscall(SYS_clock_gettime, clock, out);
}

__attribute__((constructor)) static void set_offset(void) {
  const char *known = getenv("MCP_CLOCK_OFFSET");
  const char *start = getenv("MCP_CLOCK_START");
  struct timespec now;
  char text[32];
  if (known) {
    offset = atoll(known);
  } else if (start && real_time(CLOCK_MONOTONIC, &now) == 0) {
    offset = atoll(start) - (long long)now.tv_sec;
    snprintf(text, sizeof text, "%lld", offset);
    setenv("MCP_CLOCK_OFFSET", text, 1);
  }
}

int clock_gettime(clockid_t clock, struct timespec *out);

int clock_gettime(clockid_t clock, struct timespec *out) {
  int code = real_time(clock, out);
  if (code == 0 && (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
                    clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME))
    out->tv_sec += (time_t)offset;
  return code;
}
