/* SPDX-License-Identifier: MIT
 * link_framing.h: a link from within, for link.c and the files that each know
 * one way to put messages into a connection: link_lines.c, link_ws.c,
 * link_fed.c. Nobody else includes it. */
#ifndef MCP_TRANSPORT_LINK_FRAMING_H
#define MCP_TRANSPORT_LINK_FRAMING_H

#include "base/list.h"
#include "base/log.h"
#include "transport/link.h"

/* How bytes become messages, and messages bytes. */
typedef struct {
  /* Bytes came: calls mcp_link_arrive for each message in them, until
   * mcp_link_is_held_up. What is not read then is its result. */
  mcp_slice_t (*read)(mcp_link_t *link, mcp_slice_t bytes);
  /* The input has ended, whole if `code` is 0. Returns whether answers may
   * still go out; if not it has closed the link. */
  bool (*end)(mcp_link_t *link, int code);
  /* The buffer to append a message to; NULL when there is no memory. */
  mcp_buf_t *(*begin)(mcp_link_t *link);
  /* What was appended is whole. 0 or a code: it is taken back then. */
  int (*commit)(mcp_link_t *link);
  void (*abandon)(mcp_link_t *link);
  /* Bytes that the peer has left unread. */
  size_t (*queued)(const mcp_link_t *link);
  /* What was written went out. NULL: nothing is to be done. */
  void (*drained)(mcp_link_t *link);
  /* All exchanges are gone: lets the carrier go, after a farewell if `flush`.
   * mcp_link_closed comes of it, later. May be called again with `flush`
   * false. */
  void (*close)(mcp_link_t *link, bool flush);
  /* Why it ended, if it knows more than a code. NULL: never. */
  const char *(*why)(const mcp_link_t *link);
  /* No message may be longer. NULL: its limit is set when it is opened. */
  void (*set_limit)(mcp_link_t *link, size_t bytes);
  /* Frees what is its own. */
  void (*deinit)(mcp_link_t *link);
} mcp_framing_t;

/* First member of what a framing keeps. */
struct mcp_link {
  const mcp_framing_t *framing;
  mcp_stream_t *stream; /* NULL once closed, or if there never was one */
  mcp_share_t *share;   /* of the peer; as long as the stream lives */
  mcp_buf_t unread; /* came behind what filled the queue: less than a read */
  bool end_waits;   /* the end of input lies behind that */
  mcp_buf_t out;    /* messages not yet handed to the stream */
  size_t mark;      /* how much of `out` is whole messages; behind it lies
                       what was begun and not committed, or never will be */
  mcp_exchange_ops_t ops;
  const mcp_upper_t *upper;
  void *up;
  void *tag;
  mcp_list_t live, spare; /* slots */
  unsigned busy, kept;
  unsigned corked; /* > 0: a later uncork flushes */
  bool closing, draining;
  bool client;      /* see mcp_link_be_client */
  unsigned skipped; /* messages that it warned of */
  mcp_log_wire_t wire_in, wire_out;
  int code;        /* why it ended */
  const char *why; /* the same in words, the stream's, or NULL */
};

/* Sets up a link that is all zero. */
void mcp_link_init(mcp_link_t *link, const mcp_framing_t *framing,
                   const char *name, const mcp_upper_t *upper, void *up);

/* Makes `link` the owner of `stream`, which is taken: started, or, where
 * somebody has read from it before, taken over from there. 0 or a code; the
 * link is closing then, and mcp_link_closed will come. */
int mcp_link_start(mcp_link_t *link, mcp_stream_t *stream);

/* Does the peer leave so much unread that no more of its messages are served?
 * They go on when it has read. */
bool mcp_link_is_held_up(const mcp_link_t *link);

/* One message. 0, or the code of what it is not: answered with an error on the
 * link itself if `complain`. */
int mcp_link_arrive(mcp_link_t *link, mcp_slice_t text, bool complain);

/* An error that answers no readable request. */
void mcp_link_complain(mcp_link_t *link, mcp_slice_t id, int code,
                       const char *text);

/* All of `out` is whole now: it goes to the stream, at once or when what is
 * being read has been. */
int mcp_link_put(mcp_link_t *link);

/* Until mcp_link_uncork, what is put is gathered for one write. */
void mcp_link_cork(mcp_link_t *link);
void mcp_link_uncork(mcp_link_t *link);

/* Reads what lies in `unread`. */
void mcp_link_read_on(mcp_link_t *link);

/* Hands all of `out` to the stream. 0 or a code. */
int mcp_link_flush(mcp_link_t *link);

/* The carrier has drained: wakes who waits for that. */
void mcp_link_drained(mcp_link_t *link);

/* The carrier is gone: says so, and frees the link. */
void mcp_link_closed(mcp_link_t *link);

#endif
