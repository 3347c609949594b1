/* SPDX-License-Identifier: MIT
 * pieces.c: see pieces.h. While a piece is being read the reader's thread has
 * the buffers to itself. */
#include "transport/pieces.h"

#include "base/crypto.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "net/work.h"
#include "wire/json.h"

struct mcp_pieces {
  mcp_loop_t *loop;
  mcp_pieces_fn fn; /* NULL once it is freed, or not yet attached */
  void *owner;
  mcp_share_t *share;
  mcp_file_t *file;
  uint64_t size, sent; /* `sent`: of the file, handed over */
  mcp_pieces_as_t as;
  mcp_buf_t raw, piece;
  bool begun; /* the first piece has been handed over */
  bool reading;
  bool rewound; /* the piece on its way is not the next one any more */
  bool wanted;  /* and after it the first one is */
  /* Of the reader's thread. */
  uint64_t from;
  size_t length;
  int code;
};

static void destroy(mcp_pieces_t *p) {
  mcp_file_unref(p->file);
  mcp_buf_deinit(&p->raw);
  mcp_buf_deinit(&p->piece);
  mcp_mem_free(p);
}

mcp_pieces_t *mcp_pieces_new(mcp_loop_t *loop, mcp_file_t *file,
                             mcp_pieces_as_t as) {
  mcp_pieces_t *p = mcp_mem_zalloc(sizeof *p);
  if (!p) return NULL;
  p->loop = loop;
  p->file = mcp_file_ref(file);
  p->size = mcp_file_size(file);
  p->as = as;
  return p;
}

uint64_t mcp_pieces_size(const mcp_pieces_t *p) {
  return p->size;
}

void mcp_pieces_attach(mcp_pieces_t *p, mcp_share_t *share, mcp_pieces_fn fn,
                       void *owner) {
  p->share = share;
  p->fn = fn;
  p->owner = owner;
}

bool mcp_pieces_is_done(const mcp_pieces_t *p) {
  return p->sent == p->size && (p->begun || p->as == MCP_PIECES_BYTES);
}

/* Bytes to read when `left` are left. */
static size_t length_of(mcp_pieces_as_t as, uint64_t left) {
  size_t most = MCP_PIECES_SIZE - (as == MCP_PIECES_BASE64);
  return left < most ? (size_t)left : most;
}

/* `text` without a character that its end cuts: the next piece begins with it.
 */
static size_t whole_letters(mcp_slice_t text) {
  for (size_t i = 1; i < 4 && i <= text.len; i++) {
    unsigned char c = (unsigned char)text.data[text.len - i];
    size_t needed = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (c < 0x80) break;
    if (c >= 0xC0) return needed > i ? text.len - i : text.len;
  }
  return text.len;
}

/* Reads *length bytes from `from` on into `raw`, and writes them to `piece`,
 * which is empty, as a part of a string: with its quote if they are the first,
 * and if they are the last. *length becomes what was used. 0 or a code. */
static int read_string(const mcp_file_t *file, mcp_pieces_as_t as,
                       uint64_t from, size_t *length, char *raw,
                       mcp_buf_t *piece) {
  uint64_t size = mcp_file_size(file);
  bool last = from + *length == size;
  int code = mcp_file_read(file, from, raw, *length);
  mcp_slice_t read = mcp_slice(raw, *length);
  if (code == MCP_EGONE || (code == 0 && !mcp_file_is_same(file)))
    code = MCP_ECHANGED;
  if (code < 0) return code;
  if (as == MCP_PIECES_TEXT) {
    if (!last) *length = read.len = whole_letters(read);
    code = mcp_json_write_string(piece, read);
    if (code < 0) return code;
    if (!last) piece->len--;
    if (from > 0) mcp_buf_consume(piece, 1);
    return 0;
  }
  if (from == 0) code = mcp_buf_append_char(piece, '"');
  if (code == 0) code = mcp_crypto_write_base64(piece, read);
  if (code == 0 && last) code = mcp_buf_append_char(piece, '"');
  return code;
}

/* On the reader's thread. */
static void read_piece(void *arg) {
  mcp_pieces_t *p = arg;
  if (p->as == MCP_PIECES_BYTES) {
    p->code = mcp_file_read(p->file, p->from, p->piece.data, p->length);
    p->piece.len = p->length;
  } else {
    p->code = read_string(p->file, p->as, p->from, &p->length, p->raw.data,
                          &p->piece);
  }
}

static void on_read(void *arg) {
  mcp_pieces_t *p = arg;
  p->reading = false;
  if (!p->fn) {
    destroy(p);
    return;
  }
  if (p->rewound) {
    p->rewound = false;
    if (p->wanted) {
      int code = mcp_pieces_next(p);
      p->wanted = false;
      if (code < 0) p->fn(p->owner, code, NULL);
    }
    return;
  }
  if (p->code == 0) p->code = mcp_buf_charge(&p->piece, p->share);
  if (p->code == 0) {
    p->sent += p->length;
    p->begun = true;
  }
  p->fn(p->owner, p->code, &p->piece);
}

void mcp_pieces_rewind(mcp_pieces_t *p) {
  p->sent = 0;
  p->begun = false;
  p->rewound = p->reading;
  p->wanted = false;
}

/* A share belongs to the loop's thread: what another thread may let grow is
 * charged when it is back. */
static int make_room(mcp_pieces_t *p) {
  mcp_buf_t *read = p->as == MCP_PIECES_BYTES ? &p->piece : &p->raw;
  p->piece.len = 0;
  read->share = p->share;
  if (read != &p->piece) (void)mcp_buf_charge(&p->piece, NULL);
  return mcp_buf_reserve(read, MCP_PIECES_SIZE);
}

int mcp_pieces_next(mcp_pieces_t *p) {
  mcp_work_t *work;
  int code;
  if (p->rewound) {
    p->wanted = true;
    return 0;
  }
  if (p->reading || mcp_pieces_is_done(p)) return 0;
  code = make_room(p);
  if (code < 0) return code;
  p->from = p->sent;
  p->length = length_of(p->as, p->size - p->sent);
  code = mcp_work_start(p->loop, read_piece, on_read, p, &work);
  p->reading = code == 0;
  return code;
}

void mcp_pieces_free(mcp_pieces_t *p) {
  if (!p) return;
  p->fn = NULL;
  /* A share stays as long as something is charged to it. */
  if (!p->reading) destroy(p);
}

/* Reads the whole of a file, and appends its string to `out` unless that is
 * NULL. 0 with the length of it, or a code. */
static int read_all(const mcp_file_t *file, mcp_pieces_as_t as,
                    const mcp_folder_stop_t *stop, mcp_buf_t *out,
                    uint64_t *total) {
  uint64_t size = mcp_file_size(file), from = 0, length = 0;
  mcp_buf_t piece = {0};
  char *raw = mcp_mem_alloc(MCP_PIECES_SIZE);
  int code = raw ? 0 : MCP_ENOMEM;
  while (code == 0 && (from < size || length == 0)) {
    size_t n = length_of(as, size - from);
    piece.len = 0;
    code = read_string(file, as, from, &n, raw, &piece);
    if (code == MCP_EUTF8) length = from + mcp_utf8_prefix(mcp_slice(raw, n));
    if (code == 0 && out)
      code = mcp_buf_append_slice(out, mcp_buf_slice(&piece));
    if (code == 0 && stop && atomic_load(&stop->flag)) code = MCP_ECANCELED;
    if (code < 0) break;
    length += piece.len;
    from += n;
  }
  mcp_buf_deinit(&piece);
  mcp_mem_free(raw);
  *total = length;
  return code;
}

int mcp_pieces_measure(const mcp_file_t *file, mcp_pieces_as_t as,
                       const mcp_folder_stop_t *stop, uint64_t *length) {
  uint64_t size = mcp_file_size(file);
  if (as == MCP_PIECES_TEXT) return read_all(file, as, stop, NULL, length);
  *length = as == MCP_PIECES_BYTES ? size : (size + 2) / 3 * 4 + 2;
  return 0;
}

int mcp_pieces_write(const mcp_file_t *file, mcp_pieces_as_t as,
                     mcp_buf_t *out) {
  uint64_t length;
  return read_all(file, as, NULL, out, &length);
}
