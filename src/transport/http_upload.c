/* SPDX-License-Identifier: MIT
 * http_upload.c: see http_upload.h. While a piece is being read the reader's
 * thread has the buffer to itself. */
#include "transport/http_upload.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/work.h"

struct mcp_http_upload {
  mcp_loop_t *loop;
  mcp_http_upload_fn fn; /* NULL once it is freed, or not yet attached */
  void *owner;
  mcp_share_t *share;
  int fd;
  uint64_t size, sent; /* `sent`: handed over */
  mcp_buf_t piece;
  bool reading;
  bool rewound; /* the piece on its way is not the next one any more */
  bool wanted;  /* and after it the first one is */
  /* Of the reader's thread. */
  uint64_t from;
  size_t length;
  int code;
};

static void destroy(mcp_http_upload_t *u) {
  close(u->fd);
  mcp_buf_deinit(&u->piece);
  mcp_mem_free(u);
}

int mcp_http_upload_open(mcp_loop_t *loop, const char *path,
                         mcp_http_upload_t **out) {
  mcp_http_upload_t *u = mcp_mem_zalloc(sizeof *u);
  struct stat facts;
  int code = MCP_ENOMEM;
  if (!u) return code;
  /* A FIFO would wait for its writer. */
  u->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (u->fd < 0) {
    code = -errno;
    mcp_mem_free(u);
    return code;
  }
  code = fstat(u->fd, &facts) < 0 ? -errno : 0;
  if (code == 0 && S_ISDIR(facts.st_mode)) code = -EISDIR;
  if (code == 0 && !S_ISREG(facts.st_mode)) code = -EINVAL;
  if (code < 0) {
    destroy(u);
    return code;
  }
  u->loop = loop;
  u->size = (uint64_t)facts.st_size;
  *out = u;
  return 0;
}

uint64_t mcp_http_upload_size(const mcp_http_upload_t *u) {
  return u->size;
}

void mcp_http_upload_attach(mcp_http_upload_t *u, mcp_share_t *share,
                            mcp_http_upload_fn fn, void *owner) {
  u->share = share;
  u->fn = fn;
  u->owner = owner;
}

bool mcp_http_upload_is_done(const mcp_http_upload_t *u) {
  return u->sent == u->size;
}

/* On the reader's thread. */
static void read_piece(void *arg) {
  mcp_http_upload_t *u = arg;
  size_t had = 0;
  u->code = 0;
  while (had < u->length) {
    ssize_t n = pread(u->fd, u->piece.data + had, u->length - had,
                      (off_t)(u->from + had));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) u->code = -errno;
    if (n <= 0) break;
    had += (size_t)n;
  }
  /* It is shorter than it was: what was promised cannot be sent. */
  if (u->code == 0 && had < u->length) u->code = MCP_EGONE;
}

static void on_read(void *arg) {
  mcp_http_upload_t *u = arg;
  u->reading = false;
  if (!u->fn) {
    destroy(u);
    return;
  }
  if (u->rewound) {
    u->rewound = false;
    if (u->wanted) {
      int code = mcp_http_upload_next(u);
      u->wanted = false;
      if (code < 0) u->fn(u->owner, code, NULL);
    }
    return;
  }
  u->piece.len = u->length;
  if (u->code == 0) u->sent += u->length;
  u->fn(u->owner, u->code, &u->piece);
}

void mcp_http_upload_rewind(mcp_http_upload_t *u) {
  u->sent = 0;
  u->rewound = u->reading;
  u->wanted = false;
}

int mcp_http_upload_next(mcp_http_upload_t *u) {
  uint64_t left = u->size - u->sent;
  mcp_work_t *work;
  int code;
  if (u->rewound) {
    u->wanted = true;
    return 0;
  }
  if (u->reading || left == 0) return 0;
  u->piece.len = 0;
  u->piece.share = u->share;
  code = mcp_buf_reserve(&u->piece, MCP_HTTP_UPLOAD_PIECE);
  if (code < 0) return code;
  u->from = u->sent;
  u->length =
      left < MCP_HTTP_UPLOAD_PIECE ? (size_t)left : MCP_HTTP_UPLOAD_PIECE;
  code = mcp_work_start(u->loop, read_piece, on_read, u, &work);
  u->reading = code == 0;
  return code;
}

void mcp_http_upload_free(mcp_http_upload_t *u) {
  if (!u) return;
  u->fn = NULL;
  /* A share stays as long as something is charged to it. */
  if (!u->reading) destroy(u);
}
