/* SPDX-License-Identifier: MIT
 * stream.h: what every carrier of bytes can do: read, write, close. TCP, pipes
 * and two ends back to back all look like this; TLS is one over another.
 *
 * Life: something opens a stream, the user starts it with a table of functions,
 * on_data comes any number of times, on_end at most once (nothing more will be
 * read; writing may go on), and after mcp_stream_close on_closed comes last,
 * never from inside that call. Then the stream is freed. */
#ifndef MCP_NET_STREAM_H
#define MCP_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/loop.h"

/* A peer that does not read: above the first mark senders should wait, at the
 * second the stream is closed. */
#define MCP_STREAM_HIGH_WATER (256u << 10)
#define MCP_STREAM_HARD_LIMIT (64u << 20)

typedef struct mcp_stream mcp_stream_t;

/* What the user of a stream fills. `bytes` is valid during the call. */
typedef struct {
  void (*on_data)(void *owner, mcp_slice_t bytes);
  void (*on_end)(void *owner, int code); /* 0: end of input, else a failure */
  void (*on_drain)(void *owner); /* the queue is empty after it was not */
  void (*on_closed)(void *owner);
} mcp_stream_events_t;

/* What each kind of stream fills. The first field of its struct is the
 * mcp_stream_t. */
typedef struct {
  int (*start)(mcp_stream_t *stream);
  void (*pause)(mcp_stream_t *stream, bool pause);
  int (*send)(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from);
  /* NULL: send */
  int (*send_soon)(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from);
  void (*close)(mcp_stream_t *stream, bool flush);
  bool (*is_quiet)(mcp_stream_t *stream); /* NULL: unknown */
  void (*peer)(mcp_stream_t *stream, char *out, size_t size); /* or NULL */
} mcp_stream_ops_t;

struct mcp_stream {
  const mcp_stream_ops_t *ops;
  const mcp_stream_events_t *events;
  void *owner;
  mcp_share_t *share;   /* of its peer: memory held for it is charged here */
  size_t queued;        /* bytes held for what is not yet written: capacities
                           and records, not only payload */
  uint64_t progress_ms; /* when a queued byte last went out */
  bool paused, closing;
  bool ended;         /* on_end has been called */
  const char *reason; /* details of the code of on_end, or NULL */
};

/* Begins reading. 0 or a code; then on_data and the rest go to `owner`. */
int mcp_stream_start(mcp_stream_t *stream, const mcp_stream_events_t *events,
                     void *owner);

/* Pauses or resumes reading. */
void mcp_stream_pause(mcp_stream_t *stream, bool pause);

/* Writes bytes->data[from…]. Writes what the system accepts at once; the rest
 * is queued: its memory is moved, or copied if most of that memory is unused.
 * Afterwards `bytes` is empty, and keeps its memory if that was not moved. 0,
 * MCP_ECLOSED, MCP_EBUSY at the hard limit (nothing is written then),
 * MCP_ENOMEM, MCP_EBUDGET, or a libuv code: the stream is unusable then. */
int mcp_stream_send(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from);

/* The same for bytes that need not go at once: on a loop that gathers they may
 * wait until every socket that is ready has been read, then all are written.
 * Such bytes do not count as queued, and a failure is an on_end. For the last
 * of an answer; not for what is sent while a handler goes on, which may compute
 * for seconds. What is sent later does not overtake them, and closing writes
 * them first. */
int mcp_stream_send_soon(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from);

/* From now on this loop gathers: for servers, which have many peers in a pass.
 * False: no memory; everything is sent at once as before. */
bool mcp_stream_gather(mcp_loop_t *loop);

/* Asks the system, not the loop: is the peer still there, and silent? False as
 * soon as its end or any byte has arrived, also before on_end or on_data. True
 * where the system cannot tell. */
bool mcp_stream_is_quiet(mcp_stream_t *stream);

/* Writes the address of the other end, without its port; "unix" for a socket
 * file, "-" where there is none. */
void mcp_stream_peer(mcp_stream_t *stream, char *out, size_t size);

/* Closes, after what is queued has been written if `flush`. Safe to call
 * twice; `flush` false overtakes a close that is still flushing. */
void mcp_stream_close(mcp_stream_t *stream, bool flush);

/* One line about a code of this stream, valid as long as the stream: the exact
 * cause if the stream knows it, else the text of the code. */
const char *mcp_stream_error_text(const mcp_stream_t *stream, int code);

/* For implementations of streams: calls on_end, unless it was called before. */
void mcp_stream_end(mcp_stream_t *stream, int code);

/* A stream over libuv handles that this call takes over: `in` is read, `out` is
 * written, they may be the same (a socket) or one of them NULL. Both were
 * allocated with mcp_mem_alloc and opened on `loop`. It gets a share of its
 * own, below `parent` (NULL: below the account). NULL when there is no memory,
 * or the account refuses the charge: the handles are closed and freed in that
 * case too. */
mcp_stream_t *mcp_stream_over(mcp_loop_t *loop, void *in, void *out,
                              mcp_share_t *parent);

/* Two streams back to back: what one sends the other reads, a turn later. 0 or
 * MCP_ENOMEM. */
int mcp_stream_pair(mcp_loop_t *loop, mcp_stream_t **left,
                    mcp_stream_t **right);

#endif
