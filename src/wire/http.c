/* SPDX-License-Identifier: MIT
 * http.c: see http.h. Three readers work one after the other on a message:
 *
 *   collect     gathers a head, or the trailers of a chunked body, up to the
 *               empty line; knows lines and limits only
 *   http_head   scans the gathered bytes and interprets them
 *   llhttp      reads the same head, must come to the same framing, and then
 *               cuts the body out of the bytes that follow
 *
 * A head that repeats the one before it is taken as read: http_repeat.
 *
 * llhttp never sees a byte beyond the head before http_head has agreed to it,
 * is reset for each message, and its callbacks only note what they saw. */
#include "wire/http.h"

#include <llhttp.h>

#include "base/err.h"
#include "base/mem.h"
#include "wire/http_head.h"
#include "wire/http_repeat.h"

/* A request line that is not over yet cannot be longer: target and the rest. */
#define FIRST_LINE_LENGTH (MCP_HTTP_TARGET_LENGTH + 64)
/* What a chunk costs beside its data: 16 digits and two line ends. */
#define CHUNK_OVERHEAD 20
/* The table of header fields, as large as most heads make it. */
#define TABLE_COST (16 * sizeof(mcp_http_header_t))

typedef enum {
  READ_HEAD,
  READ_BODY,
  READ_TRAILER,
  GIVE_END, /* all of the message is read */
  CLOSED,   /* after the last message: nothing may follow */
  SWITCHED, /* after 101: the following bytes belong to another protocol */
  FAILED
} state_t;

/* Lines being gathered up to an empty one. */
typedef struct {
  mcp_buf_t bytes;
  size_t line;    /* where the unfinished line begins */
  unsigned lines; /* finished ones */
} gathered_t;

/* A head, and what it means: `table` and `view` point into `text`, so the three
 * are freed together, by drop_head alone. */
typedef struct {
  gathered_t text;
  mcp_http_table_t table;
  mcp_http_head_t view;
} head_t;

/* What llhttp reported during one execution, and about the whole head. */
typedef struct {
  mcp_slice_t piece;
  bool headers, complete, last_chunk;
  uint16_t flags;
  uint64_t length;
} noted_t;

struct mcp_http {
  llhttp_t parser;
  mcp_slice_t
      in; /* fed and not yet read; empty once `next` has returned MORE */
  head_t head;
  mcp_http_repeat_t repeat;
  gathered_t trailer;
  noted_t noted;
  const char *reason;
  size_t head_limit;
  int failure;
  state_t state;
  bool charged; /* to the share of the buffers */
  bool responses;
  bool answers_head; /* the next final response has no body */
  bool bodiless;     /* this one has none */
  bool until_close;  /* its body ends with the connection */
  bool over;         /* `head` is still that of the message before */
  bool leading_cr;   /* half of a leading CRLF was read */
  unsigned leading;  /* leading CRLFs */
  unsigned interim;  /* interim responses */
  uint64_t received; /* bytes of body */
  uint64_t overhead, chunks, extension; /* of a chunked body */
};

static int fail(mcp_http_t *http, int code, const char *reason) {
  http->state = FAILED;
  http->in = (mcp_slice_t){0};
  http->failure = code;
  http->reason = reason;
  return code;
}

/* ---- llhttp ------------------------------------------------------------ */

static int on_headers_complete(llhttp_t *parser) {
  mcp_http_t *http = parser->data;
  http->noted.headers = true;
  http->noted.flags = parser->flags;
  http->noted.length = parser->content_length;
  return http->bodiless ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
  mcp_http_t *http = parser->data;
  /* One piece per execution: on_chunk_complete pauses after it. */
  if (http->noted.piece.len > 0) return HPE_USER;
  http->noted.piece = mcp_slice(at, len);
  return 0;
}

static int on_chunk_extension(llhttp_t *parser, const char *at, size_t len) {
  mcp_http_t *http = parser->data;
  (void)at;
  http->extension += len;
  return http->extension > MCP_HTTP_EXTENSION_LENGTH ? HPE_USER : 0;
}

/* The last chunk hands over to the trailers, which are gathered and scanned
 * before llhttp may see them. */
static int on_chunk_header(llhttp_t *parser) {
  mcp_http_t *http = parser->data;
  http->chunks++;
  if (parser->content_length > 0) return 0;
  http->noted.last_chunk = true;
  return HPE_PAUSED;
}

static int on_chunk_complete(llhttp_t *parser) {
  mcp_http_t *http = parser->data;
  return http->noted.piece.len > 0 ? HPE_PAUSED : 0;
}

static int on_message_complete(llhttp_t *parser) {
  mcp_http_t *http = parser->data;
  http->noted.complete = true;
  return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_chunk_header = on_chunk_header,
    .on_chunk_complete = on_chunk_complete,
    .on_message_complete = on_message_complete,
};

/* Passes `bytes` to llhttp; `*used` is how many it took before it paused. */
static int execute(mcp_http_t *http, mcp_slice_t bytes, size_t *used) {
  llhttp_errno_t code = llhttp_execute(&http->parser, bytes.data, bytes.len);
  const char *reason;
  *used = bytes.len;
  if (code == HPE_OK) return 0;
  if (code == HPE_PAUSED || code == HPE_PAUSED_UPGRADE) {
    *used = (size_t)(llhttp_get_error_pos(&http->parser) - bytes.data);
    if (code == HPE_PAUSED)
      llhttp_resume(&http->parser);
    else
      llhttp_resume_after_upgrade(&http->parser);
    return 0;
  }
  if (http->extension > MCP_HTTP_EXTENSION_LENGTH)
    return fail(http, MCP_EHTTP, "chunk extensions too long");
  reason = llhttp_get_error_reason(&http->parser);
  return fail(http, MCP_EHTTP, reason ? reason : "refused by llhttp");
}

/* Does llhttp read the head as we did? */
static bool agrees(const mcp_http_t *http) {
  const mcp_http_head_t *head = &http->head.view;
  const noted_t *noted = &http->noted;
  bool chunked = (noted->flags & F_CHUNKED) != 0;
  bool length = (noted->flags & F_CONTENT_LENGTH) != 0;
  bool body = !http->bodiless &&
              (head->chunked || head->content_length > 0 || http->until_close);
  if (!noted->headers || noted->piece.len > 0 || http->chunks > 0) return false;
  if (noted->complete == body) return false;
  if (http->parser.http_minor != (head->http_1_0 ? 0 : 1)) return false;
  if (http->responses && http->parser.status_code != head->status) return false;
  if (chunked != head->chunked || length != (head->content_length >= 0))
    return false;
  return !length || noted->length == (uint64_t)head->content_length;
}

/* Shows the scanned head to llhttp. It knows a list of methods and treats some
 * of them apart; framing does not depend on them, so it is shown POST in place
 * of any that is not one of ours. */
static int consult(mcp_http_t *http) {
  mcp_slice_t bytes = mcp_buf_slice(&http->head.text.bytes);
  size_t used;
  int code;
  llhttp_reset(&http->parser);
  http->noted = (noted_t){0};
  http->received = http->overhead = http->chunks = http->extension = 0;
  if (!http->responses && http->head.view.method == MCP_HTTP_OTHER) {
    code = execute(http, MCP_SLICE("POST"), &used);
    if (code < 0) return code;
    bytes.data += http->head.view.method_name.len;
    bytes.len -= http->head.view.method_name.len;
  }
  code = execute(http, bytes, &used);
  if (code < 0) return code;
  if (used != bytes.len || !agrees(http))
    return fail(http, MCP_EHTTP, "ambiguous framing");
  return 0;
}

/* ---- gathering --------------------------------------------------------- */

/* Moves fed bytes to `to`, up to its empty line: then `*complete`. It stops
 * at `limit` bytes; if they are full and it is not complete, it is too long. */
static int collect(mcp_http_t *http, gathered_t *to, size_t limit,
                   bool *complete) {
  size_t base = to->bytes.len, room = limit - base, at;
  mcp_slice_t in = http->in;
  const char *next = in.data, *end, *lf;
  int code;
  *complete = false;
  end = in.data + (in.len < room ? in.len : room);
  while (!*complete && next < end) {
    bool after_cr;
    lf = memchr(next, '\n', (size_t)(end - next));
    if (!lf) {
      next = end;
      break;
    }
    after_cr = lf > in.data ? lf[-1] == '\r'
                            : base > 0 && to->bytes.data[base - 1] == '\r';
    if (!after_cr) return fail(http, MCP_EHTTP, "LF without CR");
    at = base + (size_t)(lf - in.data);
    next = lf + 1;
    *complete = at == to->line + 1;
    to->line = at + 1;
    to->lines++;
  }
  at = (size_t)(next - in.data);
  code = mcp_buf_append(&to->bytes, in.data, at);
  if (code < 0) return fail(http, code, mcp_err_text(code));
  http->in = mcp_slice(next, in.len - at);
  return 0;
}

static void forget(gathered_t *gathered, size_t keep) {
  mcp_buf_reset(&gathered->bytes, keep);
  gathered->line = 0;
  gathered->lines = 0;
}

/* Nothing points into the bytes that go here. Up to `keep` bytes of capacity
 * stay for the next head, and the table's. */
static void drop_head(mcp_http_t *http, size_t keep) {
  head_t *head = &http->head;
  http->repeat.digits = 0;
  head->view = (mcp_http_head_t){.content_length = -1};
  forget(&head->text, keep);
  if (keep > 0) return;
  mcp_mem_free(head->table.items);
  head->table = (mcp_http_table_t){0};
}

/* Passes over the CRLFs that may stand before a request (RFC 9112 2.2). */
static int skip_leading(mcp_http_t *http) {
  while (http->in.len > 0) {
    char c = http->in.data[0];
    if (http->leading_cr) {
      if (c != '\n') return fail(http, MCP_EHTTP, "CR without LF");
      http->leading_cr = false;
      http->leading++;
    } else if (c == '\r') {
      if (http->responses || http->leading == MCP_HTTP_LEADING_CRLF)
        return fail(http, MCP_EHTTP, "empty lines before a message");
      http->leading_cr = true;
    } else
      break;
    http->in.data++;
    http->in.len--;
  }
  return 0;
}

/* ---- the parts of a message -------------------------------------------- */

/* The head is gathered: interprets it. */
static int take_head(mcp_http_t *http) {
  mcp_http_head_t *head = &http->head.view;
  int code =
      mcp_http_head_scan(mcp_buf_slice(&http->head.text.bytes), http->responses,
                         head, &http->head.table, &http->reason);
  if (code < 0) return fail(http, code, http->reason);
  http->bodiless = false;
  http->until_close = false;
  if (http->responses) {
    bool final = head->status >= 200;
    http->bodiless = !final || head->status == 204 || head->status == 304 ||
                     http->answers_head;
    http->until_close =
        !http->bodiless && !head->chunked && head->content_length < 0;
    if (http->until_close) head->keep_alive = false;
    if (final) http->answers_head = false;
  }
  return consult(http);
}

/* What is noted of the head before stands. */
static bool repeat_head(mcp_http_t *http, mcp_http_event_kind_t *kind) {
  mcp_buf_t *text = &http->head.text.bytes;
  uint64_t length;
  if (!http->over || http->answers_head) return false;
  length = mcp_http_repeat_match(&http->repeat, http->in, text, &http->parser);
  if (length == 0) return false;
  http->in.data += text->len;
  http->in.len -= text->len;
  http->head.view.content_length = (int64_t)length;
  http->head.view.repeated = true;
  http->noted.complete = http->over = false;
  http->received = http->overhead = 0;
  http->state = READ_BODY;
  *kind = MCP_HTTP_START;
  return true;
}

static int read_head(mcp_http_t *http, mcp_http_event_kind_t *kind) {
  bool complete;
  int code;
  if (http->head.text.bytes.len == 0 || http->over) {
    code = skip_leading(http);
    if (code < 0 || http->in.len == 0) return code;
    if (repeat_head(http, kind)) return 0;
    /* A TLS greeting must not wait for a line end that never comes. */
    if (http->responses ? *http->in.data != 'H'
                        : *http->in.data <= ' ' || *http->in.data >= 0x7f)
      return fail(http, MCP_EHTTP,
                  http->responses ? "bad status line" : "bad method");
    drop_head(http, MCP_HTTP_HEAD_KEPT);
    http->over = false;
  }
  code = collect(http, &http->head.text, http->head_limit, &complete);
  if (code < 0) return code;
  if (!http->responses && http->head.text.lines == 0 &&
      http->head.text.bytes.len > FIRST_LINE_LENGTH)
    return fail(http, MCP_ETARGET, "request line too long");
  if (http->head.text.lines > MCP_HTTP_HEADER_COUNT + 2)
    return fail(http, MCP_EHEADERS, "too many header fields");
  if (!complete) {
    if (http->head.text.bytes.len < http->head_limit) return 0;
    return fail(http, MCP_EHEADERS, "header section too long");
  }
  code = take_head(http);
  if (code < 0) return code;
  if (http->responses && http->head.view.status < 200 &&
      http->head.view.status != 101) {
    if (++http->interim > MCP_HTTP_INTERIM_COUNT)
      return fail(http, MCP_EHTTP, "too many interim responses");
    http->over = true;
    return 0;
  }
  if (!http->bodiless)
    mcp_http_repeat_note(&http->repeat, &http->parser, &http->head.view,
                         mcp_buf_slice(&http->head.text.bytes));
  http->state = http->noted.complete ? GIVE_END : READ_BODY;
  *kind = MCP_HTTP_START;
  return 0;
}

/* llhttp has cut something off the input, or reached the end of it. */
static int read_body(mcp_http_t *http, mcp_http_event_t *event) {
  size_t used, len;
  int code;
  http->noted.piece = mcp_slice(NULL, 0);
  code = execute(http, http->in, &used);
  if (code < 0) return code;
  len = http->noted.piece.len;
  http->in.data += used;
  http->in.len -= used;
  http->received += len;
  http->overhead += used - len;
  if (http->overhead >
      (http->chunks + 1) * CHUNK_OVERHEAD + MCP_HTTP_EXTENSION_LENGTH)
    return fail(http, MCP_EHTTP, "chunk sizes or extensions too long");
  if (http->noted.complete) {
    if (http->head.view.chunked ||
        http->received != (uint64_t)http->head.view.content_length)
      return fail(http, MCP_EHTTP, "body length does not match its framing");
    http->state = GIVE_END;
  } else if (http->noted.last_chunk) {
    forget(&http->trailer, 0);
    http->state = READ_TRAILER;
  }
  if (len > 0) {
    event->kind = MCP_HTTP_BODY;
    event->body = http->noted.piece;
  }
  return 0;
}

/* Trailers are read and dropped: no code needs them, and merged into the head
 * they could replace what was checked there (RFC 9110 6.5.1). */
static int read_trailer(mcp_http_t *http) {
  mcp_slice_t bytes;
  size_t used;
  int code;
  if (http->trailer.bytes.len == 0 && http->in.len >= 2 &&
      memcmp(http->in.data, "\r\n", 2) == 0) {
    bytes = mcp_slice(http->in.data, 2);
    http->in.data += 2;
    http->in.len -= 2;
  } else {
    bool complete;
    code = collect(http, &http->trailer, MCP_HTTP_TRAILER_LENGTH, &complete);
    if (code < 0) return code;
    if (!complete) {
      if (http->trailer.bytes.len < MCP_HTTP_TRAILER_LENGTH) return 0;
      return fail(http, MCP_EHTTP, "trailer section too long");
    }
    bytes = mcp_buf_slice(&http->trailer.bytes);
    code = mcp_http_head_scan_trailer(bytes, &http->reason);
    if (code < 0) return fail(http, code, http->reason);
  }
  code = execute(http, bytes, &used);
  if (code < 0) return code;
  if (!http->noted.complete || used != bytes.len)
    return fail(http, MCP_EHTTP, "body length does not match its framing");
  forget(&http->trailer, 0);
  http->state = GIVE_END;
  return 0;
}

static void end_message(mcp_http_t *http) {
  http->over = true;
  http->leading = 0;
  http->interim = 0;
  if (http->responses && http->head.view.upgrade)
    http->state = SWITCHED;
  else if (!http->head.view.keep_alive)
    http->state = CLOSED;
  else
    http->state = READ_HEAD;
}

/* ---- the face ---------------------------------------------------------- */

mcp_http_t *mcp_http_new(bool responses) {
  mcp_http_t *http = mcp_mem_zalloc(sizeof *http);
  if (!http) return NULL;
  http->responses = responses;
  drop_head(http, 0);
  http->reason = "";
  http->head_limit = MCP_HTTP_HEAD_LENGTH;
  llhttp_init(&http->parser, responses ? HTTP_RESPONSE : HTTP_REQUEST,
              &settings);
  http->parser.data = http;
  return http;
}

void mcp_http_free(mcp_http_t *http) {
  if (!http) return;
  drop_head(http, 0);
  mcp_buf_deinit(&http->trailer.bytes);
  if (http->charged)
    mcp_share_release(http->trailer.bytes.share, sizeof *http + TABLE_COST);
  mcp_mem_free(http);
}

int mcp_http_charge(mcp_http_t *http, mcp_share_t *share) {
  int code = mcp_share_charge(share, sizeof *http + TABLE_COST);
  if (code < 0) return code;
  http->charged = true;
  http->head.text.bytes.share = http->trailer.bytes.share = share;
  return 0;
}

void mcp_http_expect_no_body(mcp_http_t *http) {
  http->answers_head = true;
}

void mcp_http_limit_head(mcp_http_t *http, size_t length) {
  http->head_limit = length ? length : MCP_HTTP_HEAD_LENGTH;
}

void mcp_http_feed(mcp_http_t *http, mcp_slice_t bytes) {
  http->in = bytes;
}

/* MORE: the bytes that were fed are the feeder's again. */
static int want_more(mcp_http_t *http) {
  http->in = (mcp_slice_t){0};
  http->noted.piece = (mcp_slice_t){0};
  return 0;
}

int mcp_http_next(mcp_http_t *http, mcp_http_event_t *event) {
  *event = (mcp_http_event_t){.kind = MCP_HTTP_MORE};
  for (;;) {
    int code = 0;
    switch (http->state) {
    case FAILED: return http->failure;
    case SWITCHED: return 0;
    case GIVE_END:
      event->kind = MCP_HTTP_END;
      end_message(http);
      return 0;
    case CLOSED:
      if (http->in.len == 0) return want_more(http);
      return fail(http, MCP_EHTTP, "bytes after the last message");
    case READ_HEAD:
      if (http->in.len == 0) return want_more(http);
      code = read_head(http, &event->kind);
      break;
    case READ_BODY:
      if (http->in.len == 0) return want_more(http);
      code = read_body(http, event);
      break;
    case READ_TRAILER:
      if (http->in.len == 0) return want_more(http);
      code = read_trailer(http);
      break;
    }
    if (code < 0 || event->kind != MCP_HTTP_MORE) return code;
  }
}

int mcp_http_finish(mcp_http_t *http) {
  switch (http->state) {
  case FAILED: return http->failure;
  case GIVE_END:
  case CLOSED:
  case SWITCHED: return 0;
  case READ_HEAD:
    if (!mcp_http_begun(http) && !http->leading_cr) return 0;
    break;
  case READ_BODY:
    if (!http->until_close) break;
    llhttp_finish(&http->parser);
    if (!http->noted.complete) break;
    http->state = GIVE_END;
    return 0;
  case READ_TRAILER: break;
  }
  return fail(http, MCP_EHTTP, "connection closed in the middle of a message");
}

const char *mcp_http_error_text(const mcp_http_t *http) {
  return http->reason;
}

const mcp_http_head_t *mcp_http_head(const mcp_http_t *http) {
  return &http->head.view;
}

mcp_slice_t mcp_http_header(const mcp_http_head_t *head, mcp_slice_t name,
                            bool *found, bool *twice) {
  mcp_slice_t value = mcp_slice(NULL, 0);
  size_t count = 0;
  for (size_t i = 0; i < head->header_count; i++) {
    if (!mcp_slice_equal_nocase(head->headers[i].name, name)) continue;
    if (count++ == 0) value = head->headers[i].value;
  }
  *found = count > 0;
  if (twice) *twice = count > 1;
  return value;
}

bool mcp_http_head_accepts(const mcp_http_head_t *head, mcp_slice_t essence) {
  mcp_http_accept_t accept = {0};
  bool found = false;
  for (size_t i = 0; i < head->header_count; i++) {
    const mcp_http_header_t *field = &head->headers[i];
    if (!mcp_slice_equal_nocase(field->name, MCP_SLICE("Accept"))) continue;
    found = true;
    mcp_http_media_accept(&accept, field->value, essence);
  }
  return !found || accept.taken;
}

bool mcp_http_begun(const mcp_http_t *http) {
  switch (http->state) {
  case READ_HEAD: return http->head.text.bytes.len > 0 && !http->over;
  case READ_BODY:
  case READ_TRAILER:
  case GIVE_END: return true;
  case CLOSED:
  case SWITCHED:
  case FAILED: break;
  }
  return false;
}

mcp_slice_t mcp_http_rest(const mcp_http_t *http) {
  return http->in;
}

void mcp_http_shrink(mcp_http_t *http) {
  if (mcp_http_begun(http)) return;
  drop_head(http, 0);
  forget(&http->trailer, 0);
}
