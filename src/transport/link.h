/* SPDX-License-Identifier: MIT
 * link.h: a duplex connection of JSON-RPC messages. All its exchanges write to
 * the one pipe; messages of one read are answered with one write. How messages
 * are put into the connection is one of three framings:
 *   lines      a message a line, over any stream: our standard input and
 *              output, a child's, a socket, or another end in memory
 *   WebSocket  a text message each, either side (RFC 6455)
 *   fed        they are handed over one by one, and go out through functions
 *              of whoever made it: HTTP with one stream of events back */
#ifndef MCP_TRANSPORT_LINK_H
#define MCP_TRANSPORT_LINK_H

#include "net/stream.h"
#include "transport/exchange.h"

/* A peer that keeps sending lines over the limit has lost the thread. */
#define MCP_LINK_LONG_LINES 8

/* WebSocket, in milliseconds: how often a ping goes out, how long a peer may
 * be silent, leave unread what we send, and take to answer our close. */
#define MCP_LINK_PING_TIME  30000
#define MCP_LINK_DEAD_TIME  60000
#define MCP_LINK_STALL_TIME 30000
#define MCP_LINK_CLOSE_TIME 5000
/* A message that comes at fewer bytes a second is no sign of life until it is
 * whole: one in trickling bytes would hold its connection for ever. */
#define MCP_LINK_MESSAGE_RATE 240
/* Control frames cost the peer two bytes: so many a second in the long run,
 * and so many at once. */
#define MCP_LINK_CONTROL_RATE  10
#define MCP_LINK_CONTROL_BURST 100
/* What fits into a close frame. */
#define MCP_LINK_REASON_LENGTH 123

/* Opens a link of lines over `stream`, which it takes. `name` is static
 * ("stdio"). `up` is handed to `upper`'s functions. `line_limit` in bytes, 0
 * for MCP_LINE_LENGTH. 0 or a code; the stream is closed then. If `*link` has
 * been set, on_link_closed will still come. */
int mcp_link_open(mcp_stream_t *stream, const char *name, size_t line_limit,
                  const mcp_upper_t *upper, void *up, mcp_link_t **link);

typedef struct {
  bool client;          /* we opened it: what we send is masked */
  size_t message_limit; /* bytes; 0: MCP_WS_MESSAGE_LENGTH */
  unsigned fragments;   /* of one message; 0: MCP_WS_FRAGMENTS */
  unsigned control_rate, control_burst; /* 0: the constants above */
  uint64_t ping_time, dead_time, stall_time, close_time; /* ms; the same */
  uint64_t ends_at; /* ms of the loop's clock: closed with 1008 from then on, as
                       soon as nothing is under way; 0: never */
  /* Takes each message in place of JSON-RPC; binary ones come then, too. For
   * programs that try WebSocket itself. NULL: none. */
  void (*on_message)(void *up, mcp_link_t *link, mcp_slice_t message,
                     bool binary);
} mcp_link_ws_t;

/* Opens a link over `stream`, which it takes, on which the opening handshake
 * has been done. `early` are bytes that came behind it; they are moved out.
 * As mcp_link_open otherwise. */
int mcp_link_open_ws(mcp_loop_t *loop, mcp_stream_t *stream,
                     const mcp_link_ws_t *options, mcp_buf_t *early,
                     const mcp_upper_t *upper, void *up, mcp_link_t **link);

/* Sends a message that is no JSON-RPC. 0 or a code. */
int mcp_link_ws_send(mcp_link_t *link, mcp_slice_t message, bool binary);

/* What the maker of a fed link does for it. None of these may call
 * mcp_link_fed_closed from inside. */
typedef struct {
  /* The buffer to append one JSON text to, NULL when there is no memory; then
   * commit (0, or a code, and it is taken back) or abandon. */
  mcp_buf_t *(*begin)(void *maker);
  int (*commit)(void *maker);
  void (*abandon)(void *maker);
  /* Bytes that the peer has left unread. */
  size_t (*queued)(void *maker);
  /* The link ends: mcp_link_fed_closed is to be called, later. May be called
   * again with `flush` false: in a hurry. */
  void (*close)(void *maker, bool flush);
} mcp_link_sink_t;

/* Opens a fed link, whose memory is charged to `share`; that outlives it. 0 or
 * MCP_ENOMEM. */
int mcp_link_open_fed(const mcp_link_sink_t *sink, void *maker,
                      mcp_share_t *share, const char *name,
                      const mcp_upper_t *upper, void *up, mcp_link_t **link);

/* One message for a fed link. 0; the code of mcp_json_parse, or MCP_ERPC, when
 * it is none, and nothing is said about it on the link; MCP_ECLOSED. A message
 * that cannot be served (too many at once) is answered on the link. */
int mcp_link_feed(mcp_link_t *link, mcp_slice_t text);

/* For the maker: what `queued` counted has gone out. */
void mcp_link_fed_drained(mcp_link_t *link);

/* For the maker: the way out is gone, by our closing or by itself (then `code`
 * says why). Exchanges are gone, on_link_closed is called, the link is freed.
 */
void mcp_link_fed_closed(mcp_link_t *link, int code);

/* The loop's clock and the like are not the link's business: `tag` is whatever
 * the room above keeps for this link. */
void **mcp_link_tag(mcp_link_t *link);

/* A server that prints where its messages belong: so many of its lines are
 * warned of, the others show with MCP_LOG=info. */
#define MCP_LINK_SKIPPED 3

/* We are the one who asks on it. What cannot be read is not answered but
 * logged, and a line over the limit (`message_limit` in bytes, 0: as it was
 * opened; WebSockets have theirs) ends the connection. */
void mcp_link_be_client(mcp_link_t *link, size_t message_limit);

/* Sends one message of our own that answers nothing; begin (NULL: no memory),
 * append, commit as with an exchange. */
mcp_buf_t *mcp_link_begin(mcp_link_t *link);
int mcp_link_commit(mcp_link_t *link);
void mcp_link_abandon(mcp_link_t *link);

/* The exchange under way whose id means `key`, or NULL. */
mcp_exchange_t *mcp_link_find(mcp_link_t *link, mcp_slice_t key);

/* Ends every exchange but `x`, as the end of the connection would: their way
 * back is gone, and nothing more of them goes out. */
void mcp_link_end_others(mcp_link_t *link, const mcp_exchange_t *x);

/* Has the peer left so much unread that it must not get more than answers?
 * (MCP_EXCHANGE_QUEUE) */
bool mcp_link_is_full(const mcp_link_t *link);

/* How many exchanges are under way, those kept not counted, and one more if
 * messages lie unread because the peer does not read. */
unsigned mcp_link_busy(const mcp_link_t *link);

/* Until when, by the loop's clock, it may be waited for messages that lie
 * unread: so long after the peer has last read something. 0: there are none. */
uint64_t mcp_link_reads_until(const mcp_link_t *link, uint64_t grace_ms);

/* From now on requests are refused; what is under way goes on. */
void mcp_link_drain(mcp_link_t *link);

/* WebSocket: what the close frame will say in place of the usual: a status
 * (RFC 6455 7.4) and a text (UTF-8, cut at MCP_LINK_REASON_LENGTH bytes).
 * Nothing elsewhere. Call it right before closing. */
void mcp_link_set_status(mcp_link_t *link, unsigned status, mcp_slice_t why);

/* May it say that? */
bool mcp_link_is_close_status(long long status);

/* Why it has ended, for people; valid until on_link_closed returns. */
const char *mcp_link_reason(const mcp_link_t *link);

/* Closes it: exchanges under way are gone. Its memory lives until
 * on_link_closed has been called, which is after what was written has been
 * flushed if `flush_first`. Safe to call twice; a second call with
 * `flush_first` false does not wait for a peer that does not read. */
void mcp_link_close(mcp_link_t *link, bool flush_first);

#endif
