/* SPDX-License-Identifier: MIT
 * ws.c: see ws.h. wslay 1.1.1 reads heads, unmasks, and refuses lengths that
 * are not minimal and control frames that are too long or fragmented. All else
 * is here: reserved bits and opcodes, masks by role, the order of fragments,
 * sizes over fragments, UTF-8 over fragments, what close frames say.
 *
 * wslay unmasks a byte at a time, so of a long payload it gets the beginning
 * only, and the rest is unmasked here; and it never gets bytes after the
 * current frame. Its context takes 4 KiB, which it clears, and exists only
 * while a frame is being read: idle connections do not pay for it. One that has
 * read whole frames serves the next reader of the thread. */
#include "wire/ws.h"

#include <wslay/wslay.h>

#include "base/crypto.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

/* Capacity that stays with an idle reader. */
#define KEEP 4096

/* How much of a payload goes through wslay: all of a control frame. */
#define THROUGH_WSLAY 512

/* The longest head: lengths of eight bytes, and a key. */
#define HEAD 14

/* What most messages need for a head: two bytes of length, and a key. */
#define SERVER_ROOM 4
#define CLIENT_ROOM 8

struct mcp_ws {
  mcp_ws_t *self; /* a context of its own gets the address of this */
  mcp_ws_options_t options;
  wslay_frame_context_ptr frames; /* NULL between frames, and beyond wslay */
  mcp_slice_t rest;               /* what was fed and has not been taken; empty
                                     once `next` has said MORE, and at the end */
  uint8_t head[HEAD];             /* of the frame, as far as wslay took it */
  size_t taken;                   /* bytes of the frame that wslay took */
  mcp_buf_t message; /* what has come of it, if it came in pieces */
  size_t checked;    /* how much of it is known to be UTF-8 */
  unsigned fragments;
  uint64_t left;     /* of the frame's payload */
  uint64_t promised; /* the frame's whole payload */
  uint8_t opcode;    /* of the frame */
  bool in_frame, fin;
  bool in_message, binary;
  bool given;  /* `message` was handed out by the last event */
  bool closed; /* after a close frame, or a failure */
  int code;
  unsigned status;
  const char *reason;
  uint8_t control_length;
  char control[MCP_WS_CONTROL_LENGTH];
};

/* A context that is between two frames, or NULL; or that `user` borrows. It
 * goes with the last reader. */
static _Thread_local struct {
  wslay_frame_context_ptr context;
  mcp_ws_t *user;
  size_t readers;
} spare;

static size_t head_size(size_t payload, bool masked) {
  return 2 +
         (payload > 65535 ? 8u
          : payload > 125 ? 2u
                          : 0u) +
         (masked ? 4u : 0u);
}

/* Eight bytes at a time: the key repeats every four. */
static void mask(char *bytes, size_t len, const char key[4]) {
  uint64_t twice, word;
  size_t i = 0;
  memcpy(&twice, key, 4);
  memcpy((char *)&twice + 4, key, 4);
  for (; i + 8 <= len; i += 8) {
    memcpy(&word, bytes + i, 8);
    word ^= twice;
    memcpy(bytes + i, &word, 8);
  }
  for (; i < len; i++) bytes[i] = (char)(bytes[i] ^ key[i % 4]);
}

/* How far wslay may read into the frame: its head, then the beginning of its
 * payload. Fewer than two bytes do not give the length. */
static size_t reach(const mcp_ws_t *ws) {
  size_t payload, head;
  if (ws->taken < 2) return 2;
  payload = ws->head[1] & 127u;
  if (payload == 127) payload = 65536; /* or more */
  head = head_size(payload, (ws->head[1] & 128u) != 0);
  if (ws->taken < head) return head;
  if (payload == 126) payload = (size_t)ws->head[2] << 8 | ws->head[3];
  return head + (payload < THROUGH_WSLAY ? payload : THROUGH_WSLAY);
}

static ssize_t take(uint8_t *to, size_t len, int flags, void *arg) {
  mcp_ws_t *ws = *(mcp_ws_t **)arg;
  size_t n = reach(ws) - ws->taken;
  (void)flags;
  if (n > len) n = len;
  if (n > ws->rest.len) n = ws->rest.len;
  if (n == 0) return -1;
  memcpy(to, ws->rest.data, n);
  for (size_t i = 0; i < n && ws->taken + i < HEAD; i++)
    ws->head[ws->taken + i] = to[i];
  ws->rest.data += n;
  ws->rest.len -= n;
  ws->taken += n;
  return (ssize_t)n;
}

mcp_ws_t *mcp_ws_new(const mcp_ws_options_t *options) {
  mcp_ws_t *ws = mcp_mem_zalloc(sizeof *ws);
  if (!ws) return NULL;
  spare.readers++;
  ws->self = ws;
  ws->options = *options;
  if (ws->options.message_limit == 0)
    ws->options.message_limit = MCP_WS_MESSAGE_LENGTH;
  if (ws->options.fragments == 0) ws->options.fragments = MCP_WS_FRAGMENTS;
  return ws;
}

static void free_frames(mcp_ws_t *ws) {
  if (ws->frames) wslay_frame_context_free(ws->frames);
  ws->frames = NULL;
  if (spare.user != ws) return;
  spare.context = NULL;
  spare.user = NULL;
}

/* The same between two frames. */
static void return_frames(mcp_ws_t *ws) {
  if (spare.user != ws) {
    free_frames(ws);
    return;
  }
  spare.user = NULL;
  ws->frames = NULL;
}

void mcp_ws_free(mcp_ws_t *ws) {
  if (!ws) return;
  free_frames(ws);
  if (--spare.readers == 0 && spare.context) {
    wslay_frame_context_free(spare.context);
    spare.context = NULL;
  }
  mcp_buf_deinit(&ws->message);
  mcp_mem_free(ws);
}

void mcp_ws_set_share(mcp_ws_t *ws, mcp_share_t *share) {
  ws->message.share = share;
}

mcp_slice_t mcp_ws_take_rest(mcp_ws_t *ws) {
  mcp_slice_t rest = ws->rest;
  ws->rest = (mcp_slice_t){0};
  return rest;
}

void mcp_ws_feed(mcp_ws_t *ws, mcp_slice_t bytes) {
  ws->rest = bytes;
}

unsigned mcp_ws_status(const mcp_ws_t *ws) {
  return ws->status;
}

const char *mcp_ws_error_text(const mcp_ws_t *ws) {
  return ws->reason ? ws->reason : "";
}

static int fail(mcp_ws_t *ws, int code, unsigned status, const char *reason) {
  ws->closed = true;
  ws->rest = (mcp_slice_t){0};
  ws->code = code;
  ws->status = status;
  ws->reason = reason;
  free_frames(ws);
  mcp_buf_deinit(&ws->message);
  return code;
}

static int break_rule(mcp_ws_t *ws, const char *reason) {
  return fail(ws, MCP_EFRAME, MCP_WS_PROTOCOL, reason);
}

static int no_memory(mcp_ws_t *ws) {
  return fail(ws, MCP_ENOMEM, MCP_WS_FAILED, "out of memory");
}

/* Keeps a piece of a message. */
static int keep(mcp_ws_t *ws, const char *data, size_t len) {
  int code = mcp_buf_append(&ws->message, data, len);
  if (code == 0) return 0;
  return fail(ws, code, MCP_WS_FAILED,
              code == MCP_EBUDGET ? "memory limit reached, try again later"
                                  : "out of memory");
}

static bool is_control(uint8_t opcode) {
  return (opcode & 8) != 0;
}

/* How many bytes of a head give the length, and where the head has them. */
static size_t length_size(const mcp_ws_t *ws) {
  unsigned form = ws->head[1] & 127u;
  return form == 127 ? 8 : form == 126 ? 2 : 0;
}

/* Has enough of a head arrived to give the frame's length? */
static bool is_length_known(const mcp_ws_t *ws) {
  return ws->taken >= 2 && ws->taken >= 2 + length_size(ws);
}

/* The length that a head claims. */
static uint64_t length_of(const mcp_ws_t *ws) {
  size_t extra = length_size(ws);
  uint64_t size = 0;
  if (extra == 0) return ws->head[1] & 127u;
  for (size_t i = 0; i < extra; i++) size = size << 8 | ws->head[2 + i];
  return size;
}

/* A frame's length is known: judges the frame before any of its payload (or
 * its masking key) has come. A peer that claims too much and then sends
 * nothing would otherwise hold the connection. */
static int begin_frame(mcp_ws_t *ws) {
  uint64_t size = length_of(ws);
  uint8_t opcode = ws->head[0] & 15u;
  bool masked = (ws->head[1] & 128u) != 0;
  bool first = opcode == MCP_WS_OP_TEXT || opcode == MCP_WS_OP_BINARY;
  ws->in_frame = true;
  ws->opcode = opcode;
  ws->fin = (ws->head[0] & 128u) != 0;
  ws->left = ws->promised = size;
  if (ws->head[0] & 112u) return break_rule(ws, "a reserved bit is set");
  if (masked && ws->options.client)
    return break_rule(ws, "masked frame from a server");
  if (!masked && !ws->options.client)
    return break_rule(ws, "unmasked frame from a client");
  if (is_control(ws->opcode)) {
    if (ws->opcode > MCP_WS_OP_PONG)
      return break_rule(ws, "unknown control opcode");
    ws->control_length = 0;
    return 0;
  }
  if (!first && ws->opcode != 0) return break_rule(ws, "unknown opcode");
  if (first == ws->in_message)
    return break_rule(ws, first ? "new message inside a fragmented message"
                                : "continuation frame without a message");
  if (first) {
    ws->in_message = true;
    ws->binary = ws->opcode == MCP_WS_OP_BINARY;
    ws->fragments = 0;
    ws->checked = 0;
    if (ws->binary && !ws->options.binary)
      return fail(ws, MCP_EFRAME, MCP_WS_KIND,
                  "unexpected binary message: expected text");
  }
  if (++ws->fragments > ws->options.fragments)
    return fail(ws, MCP_ETOOBIG, MCP_WS_TOO_BIG,
                "the message has too many fragments");
  if (size > ws->options.message_limit - ws->message.len)
    return fail(ws, MCP_ETOOBIG, MCP_WS_TOO_BIG,
                "the message is larger than the limit");
  return 0;
}

/* Can these one to three bytes begin a character? The bytes allowed in each
 * place form a range, so testing both ends of it is enough. */
static bool may_begin(mcp_slice_t tail) {
  char low[4], high[4];
  memset(low, 0x80, sizeof low);
  memset(high, 0xBF, sizeof high);
  memcpy(low, tail.data, tail.len);
  memcpy(high, tail.data, tail.len);
  return mcp_utf8_step(mcp_slice(low, 4)) > tail.len ||
         mcp_utf8_step(mcp_slice(high, 4)) > tail.len;
}

/* How many bytes at the end of `text` are a character cut short, if any. */
static size_t cut_short(mcp_slice_t text) {
  for (size_t n = 1; n <= 3 && n <= text.len; n++) {
    unsigned char c = (unsigned char)text.data[text.len - n];
    if (c < 0x80) return 0;
    if (c < 0xC0) continue;
    return (c >= 0xF0 ? 4u : c >= 0xE0 ? 3u : 2u) > n ? n : 0;
  }
  return 0;
}

/* Looks at what has come since the last look; `last`: that is all of it. */
static bool is_utf8(mcp_ws_t *ws, mcp_slice_t text, bool last) {
  mcp_slice_t fresh;
  size_t tail;
  if (text.len == ws->checked) return true;
  fresh = mcp_slice(text.data + ws->checked, text.len - ws->checked);
  tail = cut_short(fresh);
  if (tail > 0) {
    if (last || !may_begin(mcp_slice(fresh.data + fresh.len - tail, tail)))
      return false;
    fresh.len -= tail;
  }
  if (!mcp_utf8_valid(fresh)) return false;
  ws->checked += fresh.len;
  return true;
}

static int not_utf8(mcp_ws_t *ws) {
  return fail(ws, MCP_EUTF8, MCP_WS_TEXT, "text is not valid UTF-8");
}

/* `text` is what there is of a message; at its end it is the event. */
static int look(mcp_ws_t *ws, mcp_slice_t text, mcp_ws_event_t *event) {
  bool last = ws->fin && ws->left == 0;
  if (!ws->binary && !is_utf8(ws, text, last)) return not_utf8(ws);
  if (!last) return 0;
  ws->in_message = false;
  ws->given = ws->message.len > 0;
  event->kind = MCP_WS_MESSAGE;
  event->text = text;
  event->binary = ws->binary;
  return 0;
}

/* A piece of a data frame's payload. */
static int add(mcp_ws_t *ws, mcp_slice_t piece, mcp_ws_event_t *event) {
  int code;
  /* One frame that wslay has in one piece is not copied again. */
  if (ws->fin && ws->left == 0 && ws->message.len == 0)
    return look(ws, piece, event);
  code = keep(ws, piece.data, piece.len);
  if (code < 0) return code;
  return look(ws, mcp_buf_slice(&ws->message), event);
}

bool mcp_ws_may_say(unsigned long status) {
  return (status >= 1000 && status <= 1014 && status != 1004 &&
          status != 1005 && status != 1006) ||
         (status >= 3000 && status <= 4999);
}

static int end_control(mcp_ws_t *ws, mcp_ws_event_t *event) {
  event->text = mcp_slice(ws->control, ws->control_length);
  if (ws->opcode == MCP_WS_OP_CLOSE) {
    event->status = MCP_WS_NO_STATUS;
    if (event->text.len == 1)
      return break_rule(ws, "close frame with a payload of one byte");
    if (event->text.len > 1) {
      event->status = (unsigned)(unsigned char)ws->control[0] << 8 |
                      (unsigned char)ws->control[1];
      event->text.data += 2;
      event->text.len -= 2;
      if (!mcp_ws_may_say(event->status))
        return break_rule(ws, "invalid close code");
      if (!mcp_utf8_valid(event->text)) return not_utf8(ws);
    }
    event->kind = MCP_WS_CLOSE;
    ws->closed = true;
    ws->rest = (mcp_slice_t){0};
    free_frames(ws);
  } else {
    event->kind = ws->opcode == MCP_WS_OP_PING ? MCP_WS_PING : MCP_WS_PONG;
  }
  return 0;
}

/* Records that so many more bytes of the frame's payload have been read. */
static void pass(mcp_ws_t *ws, size_t size) {
  ws->left -= size;
  ws->in_frame = ws->left > 0;
  if (!ws->in_frame) ws->taken = 0;
}

/* Does the next byte belong to the part of a payload that bypasses wslay? */
static bool is_beyond(const mcp_ws_t *ws) {
  return ws->in_frame && ws->promised - ws->left >= THROUGH_WSLAY;
}

/* Reads the available bytes of that part, which includes the rest of the frame.
 */
static int read_beyond(mcp_ws_t *ws, mcp_ws_event_t *event) {
  uint64_t at = ws->promised - ws->left;
  size_t head = head_size((size_t)ws->promised, !ws->options.client);
  size_t n = ws->rest.len < ws->left ? ws->rest.len : (size_t)ws->left;
  int code;
  /* It would go on with this frame. */
  free_frames(ws);
  code = keep(ws, ws->rest.data, n);
  if (code < 0) return code;
  if (!ws->options.client) {
    char key[4];
    for (size_t i = 0; i < sizeof key; i++)
      key[i] = (char)ws->head[head - sizeof key + (at + i) % sizeof key];
    mask(ws->message.data + ws->message.len - n, n, key);
  }
  ws->rest.data += n;
  ws->rest.len -= n;
  pass(ws, n);
  return look(ws, mcp_buf_slice(&ws->message), event);
}

/* A piece of the frame now read has come. */
static int read_piece(mcp_ws_t *ws, const struct wslay_frame_iocb *frame,
                      mcp_ws_event_t *event) {
  mcp_slice_t piece = {(const char *)frame->data, frame->data_length};
  if (!ws->in_frame) {
    int code = begin_frame(ws);
    if (code < 0) return code;
  }
  pass(ws, piece.len);
  if (!is_control(ws->opcode)) return add(ws, piece, event);
  if (piece.len > 0)
    memcpy(ws->control + ws->control_length, piece.data, piece.len);
  ws->control_length = (uint8_t)(ws->control_length + piece.len);
  return ws->in_frame ? 0 : end_control(ws, event);
}

static int start(mcp_ws_t *ws) {
  static const struct wslay_frame_callbacks callbacks = {.recv_callback = take};
  ws->taken = 0;
  if (spare.user)
    return wslay_frame_context_init(&ws->frames, &callbacks, &ws->self);
  if (!spare.context) {
    int code =
        wslay_frame_context_init(&spare.context, &callbacks, &spare.user);
    if (code < 0) return code;
  }
  spare.user = ws;
  ws->frames = spare.context;
  return 0;
}

/* MORE: the bytes that were fed are the feeder's again. */
static int want_more(mcp_ws_t *ws) {
  ws->rest = (mcp_slice_t){0};
  return 0;
}

int mcp_ws_next(mcp_ws_t *ws, mcp_ws_event_t *event) {
  *event = (mcp_ws_event_t){.kind = MCP_WS_MORE};
  if (ws->code < 0) return ws->code;
  if (ws->given) {
    mcp_buf_reset(&ws->message, KEEP);
    ws->given = false;
  }
  while (event->kind == MCP_WS_MORE && !ws->closed) {
    struct wslay_frame_iocb frame;
    ssize_t n;
    int code;
    if (ws->rest.len == 0 && (!ws->frames || is_beyond(ws)))
      return want_more(ws);
    if (is_beyond(ws)) {
      code = read_beyond(ws, event);
      if (code < 0) return code;
      continue;
    }
    if (!ws->frames && start(ws) < 0) return no_memory(ws);
    n = wslay_frame_recv(ws->frames, &frame);
    if (n == WSLAY_ERR_WANT_READ) {
      if (ws->taken == 0) return_frames(ws);
      if (!ws->in_frame && is_length_known(ws)) {
        code = begin_frame(ws);
        if (code < 0) return code;
      }
      return want_more(ws);
    }
    if (n < 0) return break_rule(ws, "invalid control frame or length");
    code = read_piece(ws, &frame, event);
    if (code < 0) return code;
  }
  return 0;
}

int mcp_ws_begin(mcp_buf_t *out, bool client) {
  size_t room = client ? CLIENT_ROOM : SERVER_ROOM;
  int code = mcp_buf_reserve(out, room);
  if (code == 0) out->len += room;
  return code;
}

/* Writes the two bytes of a head, and those of the size. */
static void put_head(char *at, mcp_ws_op_t op, uint64_t size, bool client) {
  at[0] = (char)(0x80 | op);
  at[1] = (char)((client ? 0x80 : 0) | (size > 65535 ? 127
                                        : size > 125 ? 126
                                                     : (int)size));
  if (size > 125)
    for (size_t i = size > 65535 ? 8 : 2, to = 2; i-- > 0; to++)
      at[to] = (char)(unsigned char)(size >> 8 * i);
}

int mcp_ws_write_head(mcp_buf_t *out, mcp_ws_op_t op, uint64_t length) {
  size_t size = head_size((size_t)length, false);
  int code = mcp_buf_reserve(out, size);
  if (code < 0) return code;
  put_head(out->data + out->len, op, length, false);
  out->len += size;
  return 0;
}

int mcp_ws_end(mcp_buf_t *out, size_t from, mcp_ws_op_t op, bool client) {
  size_t room = client ? CLIENT_ROOM : SERVER_ROOM;
  size_t len = out->len - from - room, head = head_size(len, client);
  char key[4] = {0};
  char *at;
  int code = client ? mcp_crypto_random(key, sizeof key) : 0;
  if (code == 0 && head > room) code = mcp_buf_reserve(out, head - room);
  if (code < 0) {
    out->len = from;
    return code;
  }
  at = out->data + from;
  if (head != room && len > 0) memmove(at + head, at + room, len);
  out->len = from + head + len;
  if (client) {
    mask(at + head, len, key);
    memcpy(at + head - 4, key, 4);
  }
  put_head(at, op, len, client);
  return 0;
}

int mcp_ws_write(mcp_buf_t *out, mcp_ws_op_t op, mcp_slice_t payload,
                 bool client) {
  size_t from = out->len;
  int code = mcp_ws_begin(out, client);
  if (code == 0) code = mcp_buf_append_slice(out, payload);
  if (code < 0) {
    out->len = from;
    return code;
  }
  return mcp_ws_end(out, from, op, client);
}

int mcp_ws_write_close(mcp_buf_t *out, unsigned status, mcp_slice_t reason,
                       bool client) {
  char text[MCP_WS_CONTROL_LENGTH];
  if (status == MCP_WS_NO_STATUS)
    return mcp_ws_write(out, MCP_WS_OP_CLOSE, MCP_SLICE(""), client);
  if (reason.len > MCP_WS_REASON_LENGTH) {
    reason.len = MCP_WS_REASON_LENGTH;
    reason.len -= cut_short(reason);
  }
  text[0] = (char)(unsigned char)(status >> 8);
  text[1] = (char)(unsigned char)(status & 255);
  if (reason.len > 0) memcpy(text + 2, reason.data, reason.len);
  return mcp_ws_write(out, MCP_WS_OP_CLOSE, mcp_slice(text, 2 + reason.len),
                      client);
}
