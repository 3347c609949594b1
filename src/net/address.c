/* SPDX-License-Identifier: MIT
 * address.c: see address.h. */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

typedef struct {
  unsigned char bytes[16];
  unsigned bits;
} range_t;

/* IPv4 that is not of the public internet (RFC 6890 and the IANA registry of
 * special-purpose addresses). */
static const range_t private4[] = {
    {{0}, 8},                /* this network, unspecified */
    {{10}, 8},               /* private */
    {{100, 64}, 10},         /* shared by a carrier's customers (RFC 6598) */
    {{127}, 8},              /* loopback */
    {{169, 254}, 16},        /* link-local: where clouds keep their secrets */
    {{172, 16}, 12},         /* private */
    {{192, 0, 0}, 24},       /* protocol assignments */
    {{192, 0, 2}, 24},       /* documentation */
    {{192, 31, 196}, 24},    /* AS112 */
    {{192, 52, 193}, 24},    /* AMT */
    {{192, 88, 99}, 24},     /* 6to4 relays, given up */
    {{192, 168}, 16},        /* private */
    {{192, 175, 48}, 24},    /* AS112 */
    {{198, 18}, 15},         /* benchmarks */
    {{198, 51, 100}, 24},    /* documentation */
    {{203, 0, 113}, 24},     /* documentation */
    {{224}, 4},              /* multicast */
    {{240}, 4},              /* reserved, broadcast */
    {{168, 63, 129, 16}, 32} /* a cloud's host, at a public address */
};

/* For IPv6 the list is inverted: public is 2000::/3, except these. */
static const range_t public6 = {{0x20}, 3};
static const range_t private6[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments, Teredo, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x26, 0x20, 0, 0x4f, 0x80}, 48}, /* AS112 */
    {{0x3f, 0xff}, 20},                /* documentation (RFC 9637) */
    {{0x3f, 0xfe}, 16}                 /* 6bone, returned */
};

/* IPv6 that carries an IPv4 address `at` some byte, and is a way to it. */
typedef struct {
  range_t range;
  unsigned at;
} carrier_t;

static const carrier_t carriers[] = {
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, 12}, /* mapped */
    {{{0, 0x64, 0xff, 0x9b}, 96}, 12}, /* NAT64 (RFC 6052) */
    {{{0x20, 0x02}, 16}, 2}            /* 6to4 */
};

static bool within(const unsigned char *bytes, const range_t *range) {
  unsigned whole = range->bits / 8, rest = range->bits % 8;
  if (memcmp(bytes, range->bytes, whole) != 0) return false;
  return rest == 0 || ((bytes[whole] ^ range->bytes[whole]) >> (8 - rest)) == 0;
}

static bool is_public4(const unsigned char *bytes) {
  for (size_t i = 0; i < sizeof private4 / sizeof *private4; i++)
    if (within(bytes, &private4[i])) return false;
  return true;
}

static bool is_public6(const unsigned char *bytes) {
  for (size_t i = 0; i < sizeof carriers / sizeof *carriers; i++)
    if (within(bytes, &carriers[i].range))
      return is_public4(bytes + carriers[i].at);
  if (!within(bytes, &public6)) return false;
  for (size_t i = 0; i < sizeof private6 / sizeof *private6; i++)
    if (within(bytes, &private6[i])) return false;
  /* ISATAP (RFC 5214): any prefix, 0:5efe or 200:5efe, an IPv4 address. */
  if ((bytes[8] & 0xfd) == 0 && bytes[9] == 0 && bytes[10] == 0x5e &&
      bytes[11] == 0xfe)
    return is_public4(bytes + 12);
  return true;
}

static bool is_loopback6(const unsigned char *bytes) {
  static const unsigned char one[16] = {[15] = 1};
  if (within(bytes, &carriers[0].range)) return bytes[12] == 127;
  return memcmp(bytes, one, sizeof one) == 0;
}

static const unsigned char *bytes_of(const struct sockaddr *address) {
  const void *at = address;
  if (address->sa_family == AF_INET)
    return (const void *)&((const struct sockaddr_in *)at)->sin_addr;
  if (address->sa_family == AF_INET6)
    return (const void *)&((const struct sockaddr_in6 *)at)->sin6_addr;
  return NULL;
}

bool mcp_address_is_public(const struct sockaddr *address) {
  const unsigned char *bytes = bytes_of(address);
  if (!bytes) return false;
  return address->sa_family == AF_INET ? is_public4(bytes) : is_public6(bytes);
}

bool mcp_address_is_loopback(const struct sockaddr *address) {
  const unsigned char *bytes = bytes_of(address);
  if (!bytes) return false;
  return address->sa_family == AF_INET ? bytes[0] == 127 : is_loopback6(bytes);
}

bool mcp_address_text_is_public(const char *text) {
  unsigned char bytes[16];
  if (inet_pton(AF_INET, text, bytes) == 1) return is_public4(bytes);
  return inet_pton(AF_INET6, text, bytes) == 1 && is_public6(bytes);
}
