/* SPDX-License-Identifier: MIT
 * number.c: see number.h. */
#include "wire/number.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Powers of ten that a double holds exactly. */
static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define EXACT_POWER   22
#define EXACT_INTEGER 9007199254740992u /* 2^53 */

/* A power of ten that the digits of a text of this length cannot offset. */
#define ENDLESS 100000

/* Digits that a uint64 surely holds. */
#define WORD_DIGITS 19

/* An x87 would round twice. */
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD == 0
#define ROUNDS_ONCE true
#else
#define ROUNDS_ONCE false
#endif

#ifdef __SIZEOF_INT128__
#define WIDE
typedef unsigned __int128 wide_t;

/* Powers of ten that 64 bits hold. */
static const uint64_t tens[] = {1u,
                                10u,
                                100u,
                                1000u,
                                10000u,
                                100000u,
                                1000000u,
                                10000000u,
                                100000000u,
                                1000000000u,
                                10000000000u,
                                100000000000u,
                                1000000000000u,
                                10000000000000u,
                                100000000000000u,
                                1000000000000000u,
                                10000000000000000u,
                                100000000000000000u,
                                1000000000000000000u,
                                10000000000000000000u};
#define WIDE_POWER 19

/* The double nearest to whole / 10^places: a quotient of 63 bits or more, its
 * last bit set if something is left over, rounds as the exact one would. */
static double divide(uint64_t whole, int places) {
  int up = __builtin_clzll(whole), down = __builtin_clzll(tens[places]);
  wide_t dividend = (wide_t)(whole << up) << 63;
  uint64_t divisor = tens[places] << down;
  uint64_t quotient = (uint64_t)(dividend / divisor);
  if ((wide_t)quotient * divisor != dividend) quotient |= 1;
  return ldexp((double)quotient, down - up - 63);
}
#endif

/* The double nearest to digits * 10^power. Without a point in it, the text
 * means the same to strtod in every locale. */
static double convert(const char *digits, size_t count, int power) {
  char text[MCP_NUMBER_LENGTH + 16];
  memcpy(text, digits, count);
  snprintf(text + count, sizeof text - count, "e%d", power);
  return strtod(text, NULL);
}

double mcp_number_read(mcp_slice_t text) {
  const char *p = text.data, *end = p + text.len;
  char digits[MCP_NUMBER_LENGTH];
  size_t count = 0;
  int power = 0, exponent = 0;
  uint64_t whole = 0;
  bool negative = *p == '-', fraction = false, shrink;
  double n;
  if (negative) p++;
  for (; p < end && *p != 'e' && *p != 'E'; p++) {
    if (*p == '.') {
      fraction = true;
      continue;
    }
    if (fraction) power--;
    if (count == 0 && *p == '0') continue;
    if (count == sizeof digits) break; /* longer than promised */
    if (count < WORD_DIGITS) whole = whole * 10 + (uint64_t)(*p - '0');
    digits[count++] = *p;
  }
  if (p < end) {
    p++;
    shrink = *p == '-';
    if (*p == '-' || *p == '+') p++;
    for (; p < end; p++)
      if (exponent < ENDLESS) exponent = exponent * 10 + (*p - '0');
    power += shrink ? -exponent : exponent;
  }
  if (count == 0) return negative ? -0.0 : 0.0;
  if (ROUNDS_ONCE && count <= WORD_DIGITS && whole <= EXACT_INTEGER &&
      power >= -EXACT_POWER && power <= EXACT_POWER) {
    n = power < 0 ? (double)whole / powers[-power]
                  : (double)whole * powers[power];
#ifdef WIDE
  } else if (ROUNDS_ONCE && count <= WORD_DIGITS && power < 0 &&
             power >= -WIDE_POWER) {
    n = divide(whole, -power);
#endif
  } else {
    n = convert(digits, count, power);
  }
  return negative ? -n : n;
}

static size_t write_whole(char *to, uint64_t n) {
  char digits[20], *first = digits + sizeof digits;
  size_t count;
  do {
    *--first = (char)('0' + n % 10);
    n /= 10;
  } while (n > 0);
  count = (size_t)(digits + sizeof digits - first);
  memcpy(to, first, count);
  return count;
}

size_t mcp_number_write_integer(char *to, int64_t n) {
  if (n >= 0) return write_whole(to, (uint64_t)n);
  *to = '-';
  return 1 + write_whole(to + 1, 0 - (uint64_t)n);
}

/* Digits (without leading or trailing zeros) and where the point stands:
 * the value is 0.ddd * 10^point. */
typedef struct {
  char digits[24];
  int count;
  int point;
} decimal_t;

static void strip(decimal_t *d) {
  while (d->count > 1 && d->digits[d->count - 1] == '0') d->count--;
}

/* `n` to `count` significant digits, correctly rounded by the C library. */
static void round_to(decimal_t *d, double n, int count) {
  char text[40];
  const char *p = text;
  snprintf(text, sizeof text, "%.*e", count - 1, n);
  for (d->count = 0; *p != 'e'; p++)
    if (*p >= '0' && *p <= '9') d->digits[d->count++] = *p;
  d->point = 1 + atoi(p + 1);
}

static bool reads_back(const decimal_t *d, double n) {
  return convert(d->digits, (size_t)d->count, d->point - d->count) == n;
}

/* The next larger decimal of as many digits. */
static void step_up(decimal_t *d) {
  int i = d->count - 1;
  while (i >= 0 && d->digits[i] == '9') d->digits[i--] = '0';
  if (i >= 0) {
    d->digits[i]++;
  } else {
    d->digits[0] = '1';
    d->point++;
  }
}

#ifdef WIDE

/* The digits that name `n` are those of a decimal between its neighbours. In
 * this range everything about it is exact in 128 bits, with 17 digits before
 * the point: n = m / 2^shift (m < 2^55), times 10^places (places <= 21). */
static bool find_wide(decimal_t *d, double n) {
  wide_t scale, low, high, middle, rest, half;
  uint64_t m, first, last, whole, unit = 1;
  int exponent, places, shift;
  bool even;
  if (n < 1e-5 || n >= 1e15) return false;
  m = (uint64_t)ldexp(frexp(n, &exponent), 53);
  even = (m & 1) == 0;
  shift = 53 + 2 - exponent;
  for (places = 1; places < 21 && n * powers[places] < 1e16;) places++;
  scale = (wide_t)tens[places < 19 ? places : 19];
  if (places > 19) scale *= tens[places - 19];
  middle = scale * (4 * m);
  high = middle + scale * 2;
  /* Below a power of two the doubles lie half as far apart. */
  low = middle - scale * (m == (uint64_t)1 << 52 ? 1 : 2);
  first = (uint64_t)(low >> shift);
  last = (uint64_t)(high >> shift);
  /* The ends of the interval read back as `n` only if it is even. */
  if ((wide_t)first << shift != low || !even) first++;
  if ((wide_t)last << shift == high && !even) last--;
  if (first > last) return false;
  while ((first + 9) / 10 <= last / 10) {
    first = (first + 9) / 10;
    last /= 10;
    unit *= 10;
    places--;
  }
  /* Of the decimals with so few digits, the nearest. */
  whole = (uint64_t)(middle >> shift) / unit;
  rest = middle - ((wide_t)(whole * unit) << shift);
  half = (wide_t)unit << (shift - 1);
  if (rest > half || (rest == half && (whole & 1))) whole++;
  if (whole < first) whole = first;
  if (whole > last) whole = last;
  d->count = (int)write_whole(d->digits, whole);
  d->point = d->count - places;
  return true;
}

#endif

/* The fewest digits that read back as `n`, which is positive and finite. */
static void find_shortest(decimal_t *d, double n) {
  int count = n < DBL_MIN ? 1 : DBL_DIG, exponent;
#ifdef WIDE
  if (find_wide(d, n)) return;
#endif
  for (; count < DBL_DECIMAL_DIG; count++) {
    round_to(d, n, count);
    if (reads_back(d, n)) return;
    /* Below a power of two doubles lie closer: the decimal above may do
     * where the nearest, which is below, does not. */
    if (frexp(n, &exponent) != 0.5) continue;
    step_up(d);
    if (reads_back(d, n)) return;
  }
  round_to(d, n, DBL_DECIMAL_DIG);
}

/* Exponents outside of these are written with an 'e'. */
#define LARGEST_PLAIN  17
#define SMALLEST_PLAIN (-5)

size_t mcp_number_write_double(char *to, double n) {
  decimal_t d;
  char *p = to;
  size_t before;
  if (signbit(n)) {
    *p++ = '-';
    n = -n;
  }
  if (n < (double)EXACT_INTEGER && n == (double)(uint64_t)n) {
    p += write_whole(p, (uint64_t)n);
    memcpy(p, ".0", 2);
    return (size_t)(p + 2 - to);
  }
  find_shortest(&d, n);
  strip(&d);
  if (d.point > LARGEST_PLAIN || d.point < SMALLEST_PLAIN) {
    *p++ = d.digits[0];
    if (d.count > 1) {
      *p++ = '.';
      memcpy(p, d.digits + 1, (size_t)d.count - 1);
      p += d.count - 1;
    }
    *p++ = 'e';
    return (size_t)(p - to) + mcp_number_write_integer(p, d.point - 1);
  }
  if (d.point <= 0) {
    memcpy(p, "0.00000", 7);
    p += 2 - d.point;
    memcpy(p, d.digits, (size_t)d.count);
    return (size_t)(p + d.count - to);
  }
  if (d.count <= d.point) {
    memcpy(p, d.digits, (size_t)d.count);
    memset(p + d.count, '0', (size_t)(d.point - d.count));
    memcpy(p + d.point, ".0", 2);
    return (size_t)(p + d.point + 2 - to);
  }
  before = (size_t)d.point;
  memcpy(p, d.digits, before);
  p[before] = '.';
  memcpy(p + before + 1, d.digits + before, (size_t)d.count - before);
  return (size_t)(p + d.count + 1 - to);
}
