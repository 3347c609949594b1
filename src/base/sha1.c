/* SPDX-License-Identifier: MIT
 * sha1.c: see sha1.h. */
#include "base/sha1.h"

#include <stdint.h>

#define BLOCK 64

static uint32_t turn(uint32_t word, unsigned by) {
  return word << by | word >> (32 - by);
}

static void digest_block(uint32_t state[5], const unsigned char *block) {
  uint32_t w[80];
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (size_t i = 0; i < 16; i++) {
    const unsigned char *at = block + 4 * i;
    w[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
           (uint32_t)at[2] << 8 | at[3];
  }
  for (size_t i = 16; i < 80; i++)
    w[i] = turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  for (size_t i = 0; i < 80; i++) {
    uint32_t f, k, next;
    if (i < 20) {
      f = (b & c) | (~b & d);
      k = 0x5A827999;
    } else if (i < 40) {
      f = b ^ c ^ d;
      k = 0x6ED9EBA1;
    } else if (i < 60) {
      f = (b & c) | (b & d) | (c & d);
      k = 0x8F1BBCDC;
    } else {
      f = b ^ c ^ d;
      k = 0xCA62C1D6;
    }
    next = turn(a, 5) + f + e + k + w[i];
    e = d;
    d = c;
    c = turn(b, 30);
    b = a;
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

void mcp_sha1(mcp_slice_t text, unsigned char *digest) {
  uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476,
                       0xC3D2E1F0};
  unsigned char tail[2 * BLOCK] = {0};
  size_t whole = text.len - text.len % BLOCK, left = text.len - whole;
  size_t size = left + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
  uint64_t bits = (uint64_t)text.len * 8;
  for (size_t at = 0; at < whole; at += BLOCK)
    digest_block(state, (const unsigned char *)text.data + at);
  /* What is left, a one bit, zeros, and the length in bits. */
  if (left > 0) memcpy(tail, text.data + whole, left);
  tail[left] = 0x80;
  for (size_t i = 0; i < 8; i++)
    tail[size - 1 - i] = (unsigned char)(bits >> 8 * i);
  for (size_t at = 0; at < size; at += BLOCK) digest_block(state, tail + at);
  for (size_t i = 0; i < MCP_SHA1_SIZE; i++)
    digest[i] = (unsigned char)(state[i / 4] >> (24 - 8 * (i % 4)));
}
