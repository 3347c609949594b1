/* SPDX-License-Identifier: MIT
 * link_framing.h: the inside of a link, for link.c and the framings:
 * link_lines.c, link_ws.c and link_fed.c. No other file includes it. */
#ifndef MCP_TRANSPORT_LINK_FRAMING_H
#define MCP_TRANSPORT_LINK_FRAMING_H

#include "base/list.h"
#include "base/log.h"
#include "transport/link.h"

/* How answers with a file in them are sent: link_large.c. */
typedef struct {
  /* Sends what stands in link->out, from `from` on, as the answer of `x`, with
   * a file in it. 0, or MCP_ENOMEM: it is discarded. */
  int (*add)(mcp_link_t *link, mcp_exchange_t *x, size_t from,
             const mcp_large_file_t *file);
  void (*go)(mcp_link_t *link); /* drained; link->large is not NULL */
  /* When the last piece was sent; 0: none is on its way. */
  uint64_t (*progress)(const mcp_link_t *link);
  void (*drop)(mcp_link_t *link); /* the link closes */
} mcp_link_large_ops_t;

extern const mcp_link_large_ops_t mcp_link_large_ops;

typedef struct mcp_link_large mcp_link_large_t;

/* How bytes become messages, and messages bytes. */
typedef struct {
  /* Bytes arrived: calls mcp_link_arrive for each message in them, until
   * mcp_link_is_held_up. Returns the bytes that are left. */
  mcp_slice_t (*read)(mcp_link_t *link, mcp_slice_t bytes);
  /* The input has ended, whole if `code` is 0. Returns whether answers may
   * still go out; if not it has closed the link. */
  bool (*end)(mcp_link_t *link, int code);
  /* The buffer to append a message to; NULL when there is no memory. */
  mcp_buf_t *(*begin)(mcp_link_t *link);
  /* The message is complete. 0, or a code: it is discarded. */
  int (*commit)(mcp_link_t *link);
  void (*abandon)(mcp_link_t *link);
  /* Bytes that the peer has left unread. */
  size_t (*queued)(const mcp_link_t *link);
  /* For answers in pieces: &mcp_link_large_ops; NULL: there are none. What they
   * end with; and what stands before `length` bytes of one, NULL: nothing. */
  const mcp_link_large_ops_t *large;
  const char *large_end;
  int (*begin_large)(mcp_buf_t *out, uint64_t length);
  /* The stream has drained. NULL: there is nothing to do. */
  void (*drained)(mcp_link_t *link);
  /* All exchanges are gone: closes the carrier, with its closing handshake if
   * `flush`; mcp_link_closed is called later. May be called again with `flush`
   * false. */
  void (*close)(mcp_link_t *link, bool flush);
  /* The reason it ended, if there is more than a code. NULL: there never is. */
  const char *(*reason)(const mcp_link_t *link);
  /* Sets the longest message. NULL: it is set when the link is opened. */
  void (*set_limit)(mcp_link_t *link, size_t bytes);
  /* Frees what the framing owns. */
  void (*deinit)(mcp_link_t *link);
} mcp_framing_t;

/* Bytes of messages that are gathered for one write. */
#define MCP_LINK_GATHER 65536

/* First member of what a framing keeps. */
struct mcp_link {
  const mcp_framing_t *framing;
  mcp_stream_t *stream; /* NULL once closed, or if there never was one */
  mcp_share_t *share;   /* of the peer; as long as the stream lives */
  mcp_buf_t unread;     /* read after the queue was full; less than one read */
  bool end_waits;       /* the end of input follows `unread` */
  mcp_buf_t out;        /* messages not yet handed to the stream */
  size_t mark; /* bytes of `out` that are complete messages; one that was
                  begun and not committed may follow */
  mcp_exchange_ops_t ops;
  const mcp_upper_t *upper;
  void *up;
  void *tag, *memo;
  mcp_list_t live, spare; /* slots */
  unsigned busy, kept;
  unsigned corked;         /* > 0: a later uncork flushes */
  size_t gather;           /* or so many bytes: MCP_LINK_GATHER, or no limit */
  mcp_link_large_t *large; /* the answers in pieces, the first on its way */
  bool cut;                /* the last message was not sent to its end */
  bool closing, draining;
  bool client;      /* see mcp_link_be_client */
  unsigned skipped; /* messages that it warned of */
  mcp_log_wire_t wire_in, wire_out;
  int code;                  /* of its end */
  const char *reason;        /* the stream's text, or NULL */
  char *noise;               /* see mcp_link_noise; NULL: none */
  mcp_link_access_t *access; /* NULL: its requests have no lines */
};

/* Sets up a link that is all zero. */
void mcp_link_init(mcp_link_t *link, const mcp_framing_t *framing,
                   const char *name, const mcp_upper_t *upper, void *up);

/* Makes `link` the owner of `stream`, which is taken: started, or, if
 * it had another owner before, taken over. 0, or a code: the link is closing,
 * and mcp_link_closed will be called. */
int mcp_link_start(mcp_link_t *link, mcp_stream_t *stream);

/* Does the peer leave so much unread that its messages wait until it reads? */
bool mcp_link_is_held_up(const mcp_link_t *link);

/* One message. 0, or the code of its error, which is answered on the link if
 * `complain`. */
int mcp_link_arrive(mcp_link_t *link, mcp_slice_t text, bool complain);

/* An error that answers no readable request. */
void mcp_link_complain(mcp_link_t *link, mcp_slice_t id, int code,
                       const char *text);

/* All of `out` is complete: sends it, at once or after mcp_link_uncork. */
int mcp_link_put(mcp_link_t *link);

/* Gathers messages for one write until mcp_link_uncork. */
void mcp_link_cork(mcp_link_t *link);
void mcp_link_uncork(mcp_link_t *link);

/* --- link_noise.c: for a client --- */

/* A banner among a server's messages is found by its words; what looks like a
 * message is not quoted. */
void mcp_link_quote(const mcp_link_t *link, mcp_slice_t line, char *reason);

/* Keeps the first lines of a server's output that are no messages. */
void mcp_link_keep_noise(mcp_link_t *link, mcp_slice_t line);

/* For link_large.c: bytes of the answer of `x` were sent; all were. */
void mcp_link_large_sent(mcp_exchange_t *x, size_t bytes, bool last);
void mcp_link_large_over(mcp_exchange_t *x);

/* For link_large.c: the peer has read everything. */
void mcp_link_go_on(mcp_link_t *link);

/* Reads the bytes in `unread`. */
void mcp_link_read_on(mcp_link_t *link);

/* Hands all of `out` to the stream. 0 or a code. */
int mcp_link_flush(mcp_link_t *link);

/* The carrier has drained: calls on_drain for the exchanges that wait for it.
 */
void mcp_link_drained(mcp_link_t *link);

/* The carrier is gone: calls on_link_closed and frees the link. */
void mcp_link_closed(mcp_link_t *link);

#endif
