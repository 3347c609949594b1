/* SPDX-License-Identifier: MIT
 * inflate.c: see inflate.h. "deflate" is the zlib format (RFC 9110 8.4.1.2),
 * but some servers send the bare data of RFC 1951: the first two bytes show
 * which of them it is. */
#include "zlib/inflate.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#include "base/err.h"

/* Added to the window's size: which format inflateInit2 is to read. */
#define GZIP 16

#define HEAD 2

struct mcp_decoder {
  z_stream stream;
  const mcp_decoder_memory_t *memory;
  mcp_coding_t coding;
  bool ready; /* the stream is initialized */
  bool ended; /* and its data has ended */
  unsigned char head[HEAD];
  unsigned had; /* bytes of `head` */
};

static void *take(void *opaque, unsigned count, unsigned size) {
  const mcp_decoder_memory_t *memory = opaque;
  return memory->alloc((size_t)count * size);
}

static void give_back(void *opaque, void *block) {
  const mcp_decoder_memory_t *memory = opaque;
  memory->free(block);
}

static mcp_decoder_t *begin(mcp_coding_t coding,
                            const mcp_decoder_memory_t *memory) {
  mcp_decoder_t *d = memory->alloc(sizeof *d);
  if (!d) return NULL;
  memset(d, 0, sizeof *d);
  d->memory = memory;
  d->coding = coding;
  d->stream.zalloc = take;
  d->stream.zfree = give_back;
  d->stream.opaque = (void *)(size_t)(const void *)memory;
  return d;
}

static void end(mcp_decoder_t *d) {
  if (d->ready) inflateEnd(&d->stream);
  d->memory->free(d);
}

static bool is_zlib(const unsigned char *head) {
  return (head[0] & 0x0f) == Z_DEFLATED && (head[0] * 256 + head[1]) % 31 == 0;
}

/* Feeds `in`, or the bytes of the head that were held back, to inflate. */
static int run(mcp_decoder_t *d, mcp_slice_t *in, char *out, size_t room,
               size_t *made) {
  unsigned size = room > UINT_MAX ? UINT_MAX : (unsigned)room;
  unsigned len = in->len > UINT_MAX ? UINT_MAX : (unsigned)in->len;
  int code;
  d->stream.next_in = (unsigned char *)(size_t)(const void *)in->data;
  d->stream.avail_in = len;
  d->stream.next_out = (unsigned char *)out;
  d->stream.avail_out = size;
  code = inflate(&d->stream, Z_NO_FLUSH);
  *made = size - d->stream.avail_out;
  *in = mcp_slice(in->data + (len - d->stream.avail_in),
                  in->len - (len - d->stream.avail_in));
  return code;
}

/* Reads the head, as far as it has come, and prepares zlib for the format. 0 or
 * MCP_ENOMEM. */
static int prepare(mcp_decoder_t *d, mcp_slice_t *in) {
  int bits = MAX_WBITS + GZIP;
  if (d->coding == MCP_CODING_DEFLATE) {
    while (d->had < HEAD && in->len > 0) {
      d->head[d->had++] = (unsigned char)in->data[0];
      *in = mcp_slice(in->data + 1, in->len - 1);
    }
    if (d->had < HEAD) return 0;
    bits = is_zlib(d->head) ? MAX_WBITS : -MAX_WBITS;
  }
  if (inflateInit2(&d->stream, bits) != Z_OK) return MCP_ENOMEM;
  d->ready = true;
  return 0;
}

static int step(mcp_decoder_t *d, mcp_slice_t *in, char *out, size_t room,
                size_t *made, const char **reason) {
  int code = d->ready ? 0 : prepare(d, in);
  *made = 0;
  if (code < 0 || !d->ready) return code;
  if (d->ended) {
    if (in->len == 0) return MCP_DECODER_END;
    if (d->coding != MCP_CODING_GZIP || inflateReset(&d->stream) != Z_OK) {
      *reason = "data after the end of the compressed body";
      return MCP_ECODING;
    }
    d->ended = false;
  }
  if (d->had > 0) {
    mcp_slice_t head = mcp_slice((const char *)d->head, d->had);
    code = run(d, &head, out, room, made);
    memmove(d->head, d->head + (d->had - head.len), head.len);
    d->had = (unsigned)head.len;
  } else {
    code = run(d, in, out, room, made);
  }
  switch (code) {
  case Z_STREAM_END: d->ended = true; return MCP_DECODER_END;
  case Z_OK:
  case Z_BUF_ERROR: return 0; /* more input is needed, or more room */
  case Z_MEM_ERROR: return MCP_ENOMEM;
  default:
    *reason = d->coding == MCP_CODING_GZIP ? "invalid gzip data"
                                           : "invalid deflate data";
    return MCP_ECODING;
  }
}

const mcp_decoder_ops_t mcp_inflate_ops = {begin, step, end};
