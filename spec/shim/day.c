/* SPDX-License-Identifier: MIT */
/* A time of day that a spec moves: preloaded into a program under test.
 *
 *   MCP_SPEC_DAY   a file with the seconds to add, read at each question */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

time_t time(time_t *out) {
  const char *path = getenv("MCP_SPEC_DAY");
  struct timespec now = {0};
  char text[24] = "";
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  if (file >= 0) {
    if (read(file, text, sizeof text - 1) > 0) now.tv_sec += atoll(text);
    close(file);
  }
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
