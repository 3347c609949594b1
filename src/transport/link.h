/* SPDX-License-Identifier: MIT
 * link.h: a duplex connection of JSON-RPC messages. All its exchanges write to
 * the one pipe; messages of one read are answered with one write. How messages
 * are put into the connection is one of three framings:
 *   lines      a message a line, over any stream: our standard input and
 *              output, a child's, a socket, or another end in memory
 *   WebSocket  a text message each, either side (RFC 6455)
 *   fed        they are handed over one by one, and sent through functions of
 *              the link's maker: HTTP+SSE */
#ifndef MCP_TRANSPORT_LINK_H
#define MCP_TRANSPORT_LINK_H

#include "net/stream.h"
#include "transport/exchange.h"
#include "transport/link_access.h"

/* A peer that sends more lines over the limit than this is disconnected. */
#define MCP_LINK_LONG_LINES 8

/* WebSocket, in milliseconds: the interval of pings, and how long a peer may
 * be silent, leave our messages unread, and take to answer our close. */
#define MCP_LINK_PING_TIME  30000
#define MCP_LINK_DEAD_TIME  60000
#define MCP_LINK_STALL_TIME 30000
#define MCP_LINK_CLOSE_TIME 5000
/* A message that arrives at fewer bytes per second does not count as a sign of
 * life until it is complete: otherwise a trickle would hold the connection. */
#define MCP_LINK_MESSAGE_RATE 240
/* A flood of control frames, which cost the peer two bytes each: the allowed
 * rate per second, and burst. */
#define MCP_LINK_CONTROL_RATE  10
#define MCP_LINK_CONTROL_BURST 100
/* Bytes of text in a close frame. */
#define MCP_LINK_REASON_LENGTH 123

/* HTTP+SSE: the longest id in the address of a stream, in characters. */
#define MCP_LINK_ID_LONGEST 64

/* Opens a link of lines over `stream`, which it takes. `name` is static
 * ("stdio"). `up` is handed to `upper`'s functions. `line_limit` in bytes, 0
 * for MCP_LINE_LENGTH. 0 or a code; the stream is closed then. If `*link` has
 * been set, on_link_closed will still come. */
int mcp_link_open(mcp_stream_t *stream, const char *name, size_t line_limit,
                  const mcp_upper_t *upper, void *up, mcp_link_t **link);

typedef struct {
  bool client;          /* our side opened it: what we send is masked */
  size_t message_limit; /* bytes; 0: MCP_WS_MESSAGE_LENGTH */
  unsigned fragments;   /* of one message; 0: MCP_WS_FRAGMENTS */
  unsigned control_rate, control_burst; /* 0: the constants above */
  uint64_t ping_time, dead_time, stall_time, close_time; /* ms; the same */
  uint64_t ends_at; /* ms of the loop's clock: closed with 1008 after that, as
                       soon as nothing is in progress; 0: never */
  /* Receives each message, binary ones too, in place of JSON-RPC. For programs
   * that test WebSocket itself. NULL for JSON-RPC. */
  void (*on_message)(void *up, mcp_link_t *link, mcp_slice_t message,
                     bool binary);
} mcp_link_ws_t;

/* Opens a link over `stream`, which it takes, after the opening handshake.
 * `early` are bytes that followed the handshake; they are moved out. As
 * mcp_link_open otherwise. */
int mcp_link_open_ws(mcp_loop_t *loop, mcp_stream_t *stream,
                     const mcp_link_ws_t *options, mcp_buf_t *early,
                     const mcp_upper_t *upper, void *up, mcp_link_t **link);

/* Sends a message that is not JSON-RPC. 0 or a code. */
int mcp_link_ws_send(mcp_link_t *link, mcp_slice_t message, bool binary);

/* The functions that the maker of a fed link provides. None of them may call
 * mcp_link_fed_closed. */
typedef struct {
  /* The buffer to append one JSON text to, NULL when there is no memory; then
   * commit (0, or a code, and it is discarded) or abandon. */
  mcp_buf_t *(*begin)(void *maker);
  int (*commit)(void *maker);
  void (*abandon)(void *maker);
  /* Bytes that the peer has left unread. */
  size_t (*queued)(void *maker);
  /* Before a message is handed over, after which the connection may last until
   * `ends_at` (ms of the loop's clock; 0: no change). 0, or a code that refuses
   * the message. */
  int (*admit)(void *maker, uint64_t ends_at);
  /* The link ends: the maker calls mcp_link_fed_closed later. May be called
   * again with `flush` false: without waiting. */
  void (*close)(void *maker, bool flush);
} mcp_link_sink_t;

/* Opens a fed link, whose memory is charged to `share`; that outlives it. 0 or
 * MCP_ENOMEM. */
int mcp_link_open_fed(const mcp_link_sink_t *sink, void *maker,
                      mcp_share_t *share, const char *name,
                      const mcp_upper_t *upper, void *up, mcp_link_t **link);

/* One message for a fed link; `ends_at` is for `admit`. 0; the code of
 * mcp_json_parse, or MCP_ERPC, if it is not a message, and nothing is sent on
 * the link; that of `admit`; MCP_ECLOSED, also for links that are not fed. A
 * message that cannot be served (too many at once) is answered on the link. */
int mcp_link_feed(mcp_link_t *link, mcp_slice_t text, uint64_t ends_at);

/* For the maker: the bytes that `queued` counted were sent. */
void mcp_link_fed_drained(mcp_link_t *link);

/* For the maker: its connection is closed, by `close` or by itself (then `code`
 * is the reason). Exchanges are gone, on_link_closed is called, and the link is
 * freed. */
void mcp_link_fed_closed(mcp_link_t *link, int code);

/* Requests that arrive from now on have lines in the access log. Takes
 * `access`; NULL: they have none. */
void mcp_link_take_access(mcp_link_t *link, mcp_link_access_t *access);

/* A pointer for the upper side's own use. */
void **mcp_link_tag(mcp_link_t *link);

/* Where the upper side may keep what it knows of the link's requests: it is
 * given back to on_forget before on_link_closed. */
void **mcp_link_memo(mcp_link_t *link);

/* A server that prints to its standard output: so many of its lines are logged
 * as warnings, further ones at info. */
#define MCP_LINK_SKIPPED 3
/* How much of the lines that are not messages is kept, in bytes. */
#define MCP_LINK_NOISE 256

/* Our side is the client: a message that cannot be read is logged, not
 * answered, and a line over the limit (`message_limit` in bytes, 0: as it was
 * opened; WebSockets have theirs) ends the connection. */
void mcp_link_be_client(mcp_link_t *link, size_t message_limit);

/* Sends a message that is not an answer; begin (NULL: no memory),
 * append, commit as with an exchange. */
mcp_buf_t *mcp_link_begin(mcp_link_t *link);
int mcp_link_commit(mcp_link_t *link);
void mcp_link_abandon(mcp_link_t *link);

/* The exchange in progress whose id has this key, or NULL. */
mcp_exchange_t *mcp_link_find(mcp_link_t *link, mcp_slice_t key);

/* Ends every exchange but `x`, as the end of the connection would: on_gone is
 * called for them, and nothing more is sent. */
void mcp_link_end_others(mcp_link_t *link, const mcp_exchange_t *x);

/* Has the peer left so much unread (MCP_EXCHANGE_QUEUE) that only answers may
 * be sent? */
bool mcp_link_is_full(const mcp_link_t *link);

/* The number of exchanges in progress, without those kept, plus one if messages
 * wait because the peer does not read. */
unsigned mcp_link_busy(const mcp_link_t *link);

/* Is an answer with a file in it being sent, or waiting for that? */
bool mcp_link_sends_file(const mcp_link_t *link);

/* The time, by the loop's clock, until which waiting messages may delay
 * closing: `grace_ms` after the peer last read something. 0: no message waits.
 */
uint64_t mcp_link_reads_until(const mcp_link_t *link, uint64_t grace_ms);

/* Refuses further requests; those in progress go on. */
void mcp_link_drain(mcp_link_t *link);

/* WebSocket: sets the status (RFC 6455 7.4) and the text (UTF-8, cut at
 * MCP_LINK_REASON_LENGTH bytes) of the close frame. No effect on other links.
 * Call it right before closing. */
void mcp_link_set_status(mcp_link_t *link, unsigned status, mcp_slice_t reason);

/* May a close frame that we send have this status? */
bool mcp_link_is_close_status(long long status);

/* The reason it ended, as text; valid until on_link_closed returns. */
const char *mcp_link_reason(const mcp_link_t *link);

/* The first lines that a client got and that are no JSON, cut, separated by LF;
 * NULL if there were none. Valid as long as the link. */
const char *mcp_link_noise(const mcp_link_t *link);

/* Closes it: exchanges in progress are gone. It is freed after on_link_closed,
 * which is called once everything written was flushed, if `flush_first`. Safe
 * to call twice; a second call with `flush_first` false does not wait for a
 * peer that does not read. */
void mcp_link_close(mcp_link_t *link, bool flush_first);

#endif
