/* SPDX-License-Identifier: MIT
 *
 * load.h: what the programs and modules that are a load share: the clock, and
 * the number that stands in a request in place of ID_MARK, new for each and
 * always of the same length. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stddef.h>
#include <time.h>

#define ID_MARK   "__ID__"
#define ID_SIZE   (sizeof ID_MARK - 1) /* of the mark */
#define ID_DIGITS 7
#define FIRST_ID  1000000

/* Seconds. */
static inline double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Writes the number of request `i` as ID_DIGITS digits. */
static inline void write_id(char *digits, size_t i) {
  size_t id = FIRST_ID + i % (9 * FIRST_ID);
  for (int d = ID_DIGITS; d--; id /= 10) digits[d] = (char)('0' + id % 10);
}

#endif
