/* SPDX-License-Identifier: MIT
 * json_blocks_wide.c: see json_blocks.h. With AVX-512 a block of 64 bytes takes
 * the same few instructions however many escapes it has: a table of 128 bytes
 * maps all letters at once, and bytes are dropped by one instruction. */
#include "wire/json_blocks.h"

#include <stddef.h>
#include <stdint.h>

#include "wire/json_escape.h"

#if defined __x86_64__ && defined __GNUC__

#include <immintrin.h>

/* The C library knows what the processor has. The compiler's own function asks
 * it again when a process starts, which takes 20 us in a virtual machine. */
#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#define HAS(name, text) CPU_FEATURE_ACTIVE(name)
#else
#define HAS(name, text) __builtin_cpu_supports(text)
#endif

#define WIDE                                                                   \
  __attribute__((                                                              \
      target("avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt,bmi,bmi2")))

static WIDE inline __m512i load(const char *p) {
  return _mm512_loadu_si512((const void *)p);
}

static WIDE inline void store(char *to, __m512i v) {
  _mm512_storeu_si512((void *)to, v);
}

static WIDE inline uint64_t equals(__m512i v, char c) {
  return _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c));
}

/* Every byte mapped by a table of 128 bytes; one that is not ASCII as if its
 * highest bit were not set. */
static WIDE inline __m512i map(__m512i v, const char *table) {
  return _mm512_permutex2var_epi8(load(table), v, load(table + 64));
}

/* Which bytes are not 0? */
static WIDE inline uint64_t nonzero(__m512i v) {
  return _mm512_test_epi8_mask(v, v);
}

/* Which bytes are controls or not ASCII? Less 0x20 they are negative. */
static WIDE inline uint64_t find_other(__m512i v) {
  return _mm512_movepi8_mask(_mm512_subs_epi8(v, _mm512_set1_epi8(0x20)));
}

/* Which bytes come after a backslash that begins an escape: in a run of
 * backslashes every second one does. No escape reaches into the block. */
static inline uint64_t find_escaped(uint64_t slashes) {
  const uint64_t even = 0x5555555555555555u;
  uint64_t after = slashes << 1;
  /* A run that begins at an odd place is carried to its end by the sum. */
  uint64_t odd = slashes & ~even & ~after;
  return (even ^ (odd + slashes) << 1) & after;
}

/* skip, and read where there is an `out`.
 *
 * One byte more than a block: the last one may be a backslash. That is a case
 * of its own, so that the processor need not know all of a block before it
 * knows where the next one is. */
static WIDE inline __attribute__((always_inline)) const char *
pass(const char *p, const char *end, char **out) {
  char *to = out ? *out : NULL;
  while (end - p > 64) {
    __m512i v = load(p), bytes = map(v, mcp_escape_bytes);
    uint64_t slashes = equals(v, '\\'), letters = find_escaped(slashes);
    uint64_t good = nonzero(bytes), other = find_other(v);
    uint64_t bad = letters & (other | ~good), drop = slashes & ~letters;
    uint64_t stops = other | (equals(v, '"') & ~letters) | bad >> 1;
    if (out) {
      uint64_t keep = ~drop & ((stops & -stops) - 1);
      v = _mm512_mask_mov_epi8(v, letters, bytes);
      store(to, _mm512_maskz_compress_epi8(keep, v));
      to += __builtin_popcountll(keep);
    }
    if (stops) {
      p += __builtin_ctzll(stops);
      break;
    }
    if (drop >> 63) {
      char byte = mcp_escape_short(p[64]);
      if (!byte) {
        p += 63;
        break;
      }
      if (out) *to++ = byte;
      p++;
    }
    p += 64;
  }
  if (out) *out = to;
  return p;
}

static WIDE const char *skip(const char *p, const char *end) {
  return pass(p, end, NULL);
}

static WIDE const char *read(const char *p, const char *end, char **out) {
  return pass(p, end, out);
}

static WIDE const char *undo(const char *p, const char *end, char **out) {
  char *to = *out;
  while (end - p > 64) {
    __m512i v = load(p);
    uint64_t slashes = equals(v, '\\'), letters = find_escaped(slashes);
    uint64_t drop = slashes & ~letters, longer;
    longer = letters & equals(v, 'u');
    if (longer) drop |= ~(uint64_t)0 << (__builtin_ctzll(longer) - 1);
    v = _mm512_mask_mov_epi8(v, letters, map(v, mcp_escape_bytes));
    store(to, _mm512_maskz_compress_epi8(~drop, v));
    to += __builtin_popcountll(~drop);
    if (longer) {
      p += __builtin_ctzll(longer) - 1;
      break;
    }
    if (drop >> 63) {
      if (p[64] == 'u') {
        p += 63;
        break;
      }
      *to++ = mcp_escape_short(p++[64]);
    }
    p += 64;
  }
  *out = to;
  return p;
}

/* Writes the first 32 bytes of `v`, a backslash before those in `special`. */
static WIDE inline void write_half(char *to, __m512i v, uint32_t special) {
  const uint64_t slots = 0x5555555555555555u;
  uint64_t slashes = _pext_u64(slots, _pdep_u64(special, slots) | ~slots);
  store(to, _mm512_mask_expand_epi8(_mm512_set1_epi8('\\'), ~slashes, v));
}

static WIDE const char *write(const char *p, const char *end, char **out,
                              const char *room) {
  char *to = *out;
  /* A block of escapes becomes longer by 64 bytes. */
  while (end - p > 128 && room - to >= end - p + 64) {
    __m512i v = load(p);
    __m512i letters = map(v, mcp_escape_letters);
    uint64_t high = _mm512_movepi8_mask(v), special = nonzero(letters);
    uint64_t hard = (find_other(v) & ~special) | high;
    v = _mm512_mask_mov_epi8(v, special, letters);
    write_half(to, v, (uint32_t)special);
    write_half(to + 32 + __builtin_popcount((uint32_t)special),
               _mm512_shuffle_i64x2(v, v, 0xee), (uint32_t)(special >> 32));
    if (hard) {
      /* What comes before it does not depend on it or on what follows. */
      size_t n = (size_t)__builtin_ctzll(hard);
      to += n + (size_t)__builtin_popcountll(special & ((hard & -hard) - 1));
      p += n;
      break;
    }
    to += 64 + __builtin_popcountll(special);
    p += 64;
  }
  *out = to;
  return p;
}

static const mcp_json_blocks_t wide = {skip, read, undo, write};

const mcp_json_blocks_t *mcp_json_blocks_wide(void) {
  return HAS(BMI2, "bmi2") && HAS(AVX512BW, "avx512bw") &&
                 HAS(AVX512_VBMI, "avx512vbmi") &&
                 HAS(AVX512_VBMI2, "avx512vbmi2")
             ? &wide
             : NULL;
}

#else

const mcp_json_blocks_t *mcp_json_blocks_wide(void) {
  return NULL;
}

#endif
