/* SPDX-License-Identifier: MIT
 * link.c: what all links have in common: exchanges, and the buffer they write
 * to. It does not know how messages lie in the bytes: see link_framing.h. */
#include "transport/link.h"

#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "transport/incoming.h"
#include "transport/link_framing.h"

typedef struct {
  mcp_exchange_t base;
  mcp_list_t of_link;          /* live, or spare */
  mcp_link_request_t *request; /* in the access log, or NULL */
  bool sending;                /* its answer is in link->large */
  const mcp_buf_t *out;        /* while a message is written: its buffer, */
  size_t from;                 /* and where in that it begins */
} slot_t;

int mcp_link_flush(mcp_link_t *link) {
  int code;
  link->out.len = link->mark;
  link->mark = 0;
  if (link->out.len == 0) return 0;
  if (!link->stream) {
    link->out.len = 0;
    return MCP_ECLOSED;
  }
  code = mcp_stream_send(link->stream, &link->out, 0);
  mcp_buf_reset(&link->out, MCP_LINK_GATHER);
  if (link->stream->queued > MCP_STREAM_HIGH_WATER)
    mcp_stream_pause(link->stream, true);
  return code;
}

/* A peer that cannot be written to is gone. */
static int flush_or_end(mcp_link_t *link) {
  int code = mcp_link_flush(link);
  if (code < 0 && !link->closing) {
    link->code = code;
    mcp_link_close(link, false);
  }
  return code;
}

void mcp_link_cork(mcp_link_t *link) {
  link->corked++;
}

void mcp_link_uncork(mcp_link_t *link) {
  if (--link->corked == 0) (void)flush_or_end(link);
}

int mcp_link_put(mcp_link_t *link) {
  mcp_log_wire(
      &link->wire_out, MCP_LOG_OUT,
      mcp_slice(link->out.data + link->mark, link->out.len - link->mark));
  link->mark = link->out.len;
  if (link->corked > 0 && link->out.len < link->gather) return 0;
  return flush_or_end(link);
}

mcp_buf_t *mcp_link_begin(mcp_link_t *link) {
  return link->framing->begin(link);
}

void mcp_link_abandon(mcp_link_t *link) {
  link->framing->abandon(link);
}

int mcp_link_commit(mcp_link_t *link) {
  return link->framing->commit(link);
}

static slot_t *take_slot(mcp_link_t *link) {
  slot_t *slot;
  if (mcp_list_empty(&link->spare)) {
    if (mcp_share_charge(link->share, sizeof *slot) < 0) return NULL;
    slot = mcp_mem_alloc(sizeof *slot);
    if (!slot) {
      mcp_share_release(link->share, sizeof *slot);
      return NULL;
    }
    slot->sending = false;
  } else {
    slot = MCP_LIST_MEMBER(link->spare.next, slot_t, of_link);
    mcp_list_remove(&slot->of_link);
  }
  slot->base =
      (mcp_exchange_t){.ops = &link->ops, .link = link, .share = link->share};
  slot->request = NULL;
  mcp_list_append(&link->live, &slot->of_link);
  link->busy++;
  return slot;
}

static void give_slot(slot_t *slot) {
  mcp_link_t *link = slot->base.link;
  if (slot->request) mcp_link_access_end(link->access, slot->request);
  slot->request = NULL;
  mcp_list_remove(&slot->of_link);
  if (slot->base.kept) {
    link->kept--;
  } else {
    link->busy--;
  }
  mcp_list_append(&link->spare, &slot->of_link);
}

static mcp_buf_t *begin(mcp_exchange_t *x, mcp_out_t out) {
  slot_t *slot = (slot_t *)x;
  mcp_buf_t *buf = mcp_link_begin(x->link);
  (void)out;
  slot->out = buf;
  slot->from = buf ? buf->len : 0;
  return buf;
}

static int commit(mcp_exchange_t *x, mcp_out_t out) {
  mcp_link_t *link = x->link;
  slot_t *slot = (slot_t *)x;
  int code;
  if (slot->request)
    mcp_link_access_sent(slot->request, slot->out->len - slot->from,
                         out == MCP_OUT_ANSWER);
  if (out == MCP_OUT_ANSWER) give_slot(slot);
  code = mcp_link_commit(link);
  /* Without the connection the peer does not wait for the answer. */
  if (code < 0 && out == MCP_OUT_ANSWER) {
    if (!link->closing) link->code = code;
    mcp_link_close(link, true);
  }
  return code;
}

static int send_file(mcp_exchange_t *x, const mcp_large_file_t *file) {
  slot_t *slot = (slot_t *)x;
  int code;
  slot->sending = true;
  code = x->link->framing->large->add(x->link, x, slot->from, file);
  if (code < 0) slot->sending = false;
  return code;
}

void mcp_link_large_sent(mcp_exchange_t *x, size_t bytes, bool last) {
  mcp_link_request_t *request = ((slot_t *)x)->request;
  if (request) mcp_link_access_sent(request, bytes, last);
}

void mcp_link_large_over(mcp_exchange_t *x) {
  slot_t *slot = (slot_t *)x;
  slot->sending = false;
  give_slot(slot);
}

static void abandon(mcp_exchange_t *x) {
  mcp_link_abandon(x->link);
}

static void drop(mcp_exchange_t *x) {
  give_slot((slot_t *)x);
}

static void lose(mcp_exchange_t *x) {
  mcp_link_t *link = x->link;
  mcp_link_abandon(link);
  give_slot((slot_t *)x);
  mcp_link_close(link, true);
}

/* Bytes that wait for the peer, or for an answer in pieces. */
static size_t waiting(const mcp_link_t *link) {
  size_t queued = link->framing->queued(link);
  return link->large ? queued + link->mark : queued;
}

static bool congested(mcp_exchange_t *x) {
  return waiting(x->link) > MCP_STREAM_HIGH_WATER;
}

bool mcp_link_is_held_up(const mcp_link_t *link) {
  return !link->closing &&
         link->framing->queued(link) + link->mark > MCP_STREAM_HIGH_WATER;
}

bool mcp_link_is_full(const mcp_link_t *link) {
  return waiting(link) > MCP_EXCHANGE_QUEUE;
}

static bool full(mcp_exchange_t *x) {
  return mcp_link_is_full(x->link);
}

static int keep(mcp_exchange_t *x) {
  mcp_link_t *link = x->link;
  if (link->kept >= MCP_EXCHANGE_KEPT_PER_LINK) return MCP_EBUSY;
  link->kept++;
  link->busy--;
  return 0;
}

static void note(mcp_exchange_t *x, mcp_slice_t text) {
  slot_t *slot = (slot_t *)x;
  if (slot->request) mcp_link_access_note(slot->request, text);
}

static const mcp_exchange_ops_t link_ops = {.begin = begin,
                                            .commit = commit,
                                            .send_file = send_file,
                                            .abandon = abandon,
                                            .drop = drop,
                                            .lose = lose,
                                            .congested = congested,
                                            .full = full,
                                            .keep = keep,
                                            .note = note};

mcp_exchange_t *mcp_link_find(mcp_link_t *link, mcp_slice_t key) {
  for (mcp_list_t *it = link->live.next; it != &link->live; it = it->next) {
    slot_t *slot = MCP_LIST_MEMBER(it, slot_t, of_link);
    if (!slot->sending && mcp_exchange_has_key(&slot->base, key))
      return &slot->base;
  }
  return NULL;
}

/* Is a request with the same id in progress? The client could not tell which
 * one an answer belongs to. */
static bool is_under_way(mcp_link_t *link, mcp_slice_t id) {
  for (mcp_list_t *it = link->live.next; it != &link->live; it = it->next) {
    slot_t *slot = MCP_LIST_MEMBER(it, slot_t, of_link);
    if (mcp_rpc_id_equal(mcp_exchange_id(&slot->base), id)) return true;
  }
  return false;
}

void mcp_link_complain(mcp_link_t *link, mcp_slice_t id, int code,
                       const char *text) {
  mcp_buf_t *out;
  int result;
  if (link->client && code != MCP_RPC_BUSY) {
    mcp_log(link->skipped < MCP_LINK_SKIPPED ? MCP_LOG_WARNING : MCP_LOG_INFO,
            "%s: message skipped: %s", link->ops.name, text);
    if (link->skipped < MCP_LINK_SKIPPED) link->skipped++;
    return;
  }
  out = mcp_link_begin(link);
  result = out ? mcp_rpc_write_error(out, id, code, text) : MCP_ENOMEM;
  if (out && result < 0) mcp_link_abandon(link);
  if (result == 0) result = mcp_link_commit(link);
  if (result < 0) {
    if (!link->closing) link->code = result;
    mcp_link_close(link, true);
  }
}

static void hand_up(mcp_link_t *link, slot_t *slot, const mcp_incoming_t *in,
                    bool wants_answer) {
  slot->base.wants_answer = wants_answer;
  if (link->access && wants_answer)
    slot->request = mcp_link_access_begin(link->access);
  mcp_exchange_take_id(&slot->base, &in->rpc);
  link->upper->on_arrival(link->up, &slot->base, &in->arrival);
}

static void end_without_memory(mcp_link_t *link) {
  if (!link->closing) link->code = MCP_ENOMEM;
  mcp_link_close(link, true);
}

/* A message was refused. A response never gets an error back, and a client
 * knows only above whether a request of the server may be answered: if the id
 * could be read, the upper side gets an error in both cases. Otherwise its
 * caller and the server would wait until they time out. */
static void refuse(mcp_link_t *link, mcp_incoming_t *in, bool complain) {
  bool own = in->about.is_response || link->client;
  if (in->about.id.len > 0 && own && link->busy < MCP_EXCHANGE_PER_LINK) {
    slot_t *slot = NULL;
    mcp_log(MCP_LOG_INFO, "%s: invalid message: %s", link->ops.name,
            in->reason);
    if (mcp_incoming_stand_in(in) == 0) slot = take_slot(link);
    if (slot) {
      hand_up(link, slot, in, !in->about.is_response);
    } else {
      end_without_memory(link);
    }
  } else if (complain) {
    mcp_link_complain(link,
                      in->about.is_response ? MCP_SLICE("") : in->about.id,
                      in->error, in->reason);
  }
}

/* Why a request cannot be served now, or NULL. */
static const char *obstacle(mcp_link_t *link, const mcp_rpc_t *rpc, int *code) {
  *code = MCP_RPC_BUSY;
  if (rpc->kind != MCP_RPC_REQUEST) return NULL;
  if (link->draining) return "Closing: no further requests are accepted";
  if (link->busy >= MCP_EXCHANGE_PER_LINK)
    return "Busy: 64 requests of this connection are in progress";
  if (mcp_share_is_tight(link->share))
    return "Busy: memory is short, try again later";
  *code = MCP_RPC_INVALID_REQUEST;
  if (rpc->id.len > 0 && is_under_way(link, rpc->id))
    return "A request with this id is in progress";
  return NULL;
}

/* Serves a message, or answers that it cannot be served now. */
static void serve(mcp_link_t *link, const mcp_incoming_t *in) {
  int error;
  const char *reason = obstacle(link, &in->rpc, &error);
  slot_t *slot;
  if (reason) {
    mcp_link_complain(link, in->rpc.id, error, reason);
    return;
  }
  slot = take_slot(link);
  if (slot) {
    hand_up(link, slot, in, in->rpc.kind == MCP_RPC_REQUEST);
  } else if (link->client) {
    /* It may be an answer that a caller waits for. */
    end_without_memory(link);
  } else {
    mcp_link_complain(link, in->rpc.id, MCP_RPC_INTERNAL_ERROR,
                      "Out of memory");
  }
}

int mcp_link_arrive(mcp_link_t *link, mcp_slice_t text, bool complain) {
  mcp_incoming_t in;
  int code = mcp_incoming_read(&in, text);
  if (code == 0) {
    serve(link, &in);
  } else if (code != MCP_ENOMEM) {
    if (in.error == MCP_RPC_PARSE_ERROR) {
      mcp_link_quote(link, text, in.reason);
      mcp_link_keep_noise(link, text);
    }
    refuse(link, &in, complain);
  } else if (complain) {
    /* Its id is unknown, so the missing answer cannot be reported. */
    end_without_memory(link);
  }
  mcp_incoming_deinit(&in);
  return code;
}

void mcp_link_end_others(mcp_link_t *link, const mcp_exchange_t *x) {
  mcp_list_t *it = link->live.next;
  while (it != &link->live) {
    slot_t *slot = MCP_LIST_MEMBER(it, slot_t, of_link);
    if (&slot->base == x || slot->sending) {
      it = it->next;
      continue;
    }
    link->upper->on_gone(link->up, &slot->base);
    give_slot(slot);
    it = link->live.next; /* on_gone may have ended others */
  }
}

static void keep_unread(mcp_link_t *link, mcp_slice_t bytes) {
  int code = mcp_buf_append_slice(&link->unread, bytes);
  if (code == 0 || link->closing) return;
  link->code = code;
  mcp_link_close(link, true);
}

/* Lets the framing read, and keeps what it leaves. */
static void read_some(mcp_link_t *link, mcp_slice_t bytes) {
  mcp_link_cork(link);
  bytes = link->framing->read(link, bytes);
  if (bytes.len > 0 && !link->closing) keep_unread(link, bytes);
  mcp_link_uncork(link);
  if (link->unread.len > 0 && link->stream)
    mcp_stream_pause(link->stream, true);
}

static void take_end(mcp_link_t *link, int code);

void mcp_link_read_on(mcp_link_t *link) {
  mcp_buf_t bytes;
  if (link->unread.len == 0 || mcp_link_is_held_up(link)) return;
  bytes = mcp_buf_take(&link->unread);
  read_some(link, mcp_buf_slice(&bytes));
  mcp_buf_deinit(&bytes);
  if (link->unread.len > 0 || !link->end_waits) return;
  link->end_waits = false;
  if (!link->closing) take_end(link, 0);
}

static void on_data(void *owner, mcp_slice_t bytes) {
  mcp_link_t *link = owner;
  mcp_log_wire(&link->wire_in, MCP_LOG_IN, bytes);
  if (link->unread.len == 0) {
    read_some(link, bytes);
  } else {
    /* A stream that decrypts had more in hand when it was paused. */
    keep_unread(link, bytes);
    mcp_link_read_on(link);
  }
}

/* End of input. Unread messages are served as the peer reads; the upper side
 * decides how long that may take. */
static void on_end(void *owner, int code) {
  mcp_link_t *link = owner;
  if (code == 0 && link->unread.len > 0 && !link->closing) {
    link->end_waits = true;
    link->upper->on_link_ended(link->up, link);
  } else {
    take_end(link, code);
  }
}

/* Exchanges in progress may still be answered, until the upper side closes the
 * link. */
static void take_end(mcp_link_t *link, int code) {
  bool goes_on;
  mcp_link_cork(link);
  if (!link->closing) {
    link->code = code;
    link->reason = link->stream->reason;
  }
  goes_on = link->framing->end(link, code);
  mcp_link_uncork(link);
  if (goes_on && !link->closing) link->upper->on_link_ended(link->up, link);
}

void mcp_link_drained(mcp_link_t *link) {
  mcp_list_t *it, *after;
  MCP_LIST_EACH(&link->live, it, after) {
    slot_t *slot = MCP_LIST_MEMBER(it, slot_t, of_link);
    if (!slot->base.waits_drain) continue;
    slot->base.waits_drain = false;
    link->upper->on_drain(link->up, &slot->base);
    /* A handler that was resumed may have filled the queue or closed the link.
     */
    if (link->closing || congested(&slot->base)) return;
  }
}

void mcp_link_go_on(mcp_link_t *link) {
  mcp_stream_pause(link->stream, false);
  if (link->framing->drained) link->framing->drained(link);
  if (!link->closing) mcp_link_drained(link);
  mcp_link_read_on(link);
}

static void on_drain(void *owner) {
  mcp_link_t *link = owner;
  if (!link->large) {
    mcp_link_go_on(link);
    return;
  }
  /* Others go on after the answer in pieces; reading does if it may. */
  link->framing->large->go(link);
  if (link->closing || mcp_link_is_held_up(link)) return;
  mcp_stream_pause(link->stream, false);
  mcp_link_read_on(link);
}

void mcp_link_closed(mcp_link_t *link) {
  mcp_list_t *it, *after;
  link->stream = NULL;
  if (link->memo) link->upper->on_forget(link->up, link->memo);
  link->upper->on_link_closed(link->up, link, link->code);
  MCP_LIST_EACH(&link->spare, it, after) {
    mcp_mem_free(MCP_LIST_MEMBER(it, slot_t, of_link));
    mcp_share_release(link->share, sizeof(slot_t));
  }
  link->framing->deinit(link);
  mcp_buf_deinit(&link->out);
  mcp_buf_deinit(&link->unread);
  mcp_mem_free(link->noise);
  mcp_link_access_free(link->access);
  mcp_mem_free(link);
}

static void on_closed(void *owner) {
  mcp_link_closed(owner);
}

static const mcp_stream_events_t stream_events = {on_data, on_end, on_drain,
                                                  on_closed};

void mcp_link_take_access(mcp_link_t *link, mcp_link_access_t *access) {
  link->access = access;
}

void mcp_link_init(mcp_link_t *link, const mcp_framing_t *framing,
                   const char *name, const mcp_upper_t *upper, void *up) {
  link->framing = framing;
  link->ops = link_ops;
  link->ops.name = name;
  if (!framing->large) link->ops.send_file = NULL;
  link->gather = MCP_LINK_GATHER;
  link->upper = upper;
  link->up = up;
  mcp_list_init(&link->live);
  mcp_list_init(&link->spare);
}

int mcp_link_start(mcp_link_t *link, mcp_stream_t *stream) {
  int code = 0;
  link->stream = stream;
  link->share = link->out.share = stream->share;
  if (link->unread.len > 0) {
    code = mcp_buf_charge(&link->unread, stream->share);
  } else {
    link->unread.share = stream->share;
  }
  if (stream->events) {
    stream->events = &stream_events;
    stream->owner = link;
    mcp_stream_pause(stream, false);
  } else {
    code = mcp_stream_start(stream, &stream_events, link);
  }
  if (code < 0) {
    link->code = code;
    mcp_link_close(link, false);
  }
  return code;
}

void **mcp_link_tag(mcp_link_t *link) {
  return &link->tag;
}

void **mcp_link_memo(mcp_link_t *link) {
  return &link->memo;
}

unsigned mcp_link_busy(const mcp_link_t *link) {
  return link->busy + (link->unread.len > 0);
}

bool mcp_link_sends_file(const mcp_link_t *link) {
  return link->large != NULL;
}

uint64_t mcp_link_reads_until(const mcp_link_t *link, uint64_t grace_ms) {
  uint64_t piece = link->large ? link->framing->large->progress(link) : 0;
  if ((link->unread.len == 0 && piece == 0) || !link->stream) return 0;
  if (piece < link->stream->progress_ms) piece = link->stream->progress_ms;
  return piece + grace_ms;
}

void mcp_link_be_client(mcp_link_t *link, size_t message_limit) {
  link->client = true;
  if (message_limit && link->framing->set_limit)
    link->framing->set_limit(link, message_limit);
}

void mcp_link_drain(mcp_link_t *link) {
  link->draining = true;
}

const char *mcp_link_reason(const mcp_link_t *link) {
  const char *reason =
      link->framing->reason ? link->framing->reason(link) : NULL;
  if (!reason) reason = link->reason;
  return reason ? reason
                : mcp_err_text(link->code < 0 ? link->code : MCP_ECLOSED);
}

void mcp_link_close(mcp_link_t *link, bool flush_first) {
  if (link->closing) {
    if (!flush_first) link->framing->close(link, false);
    return;
  }
  link->closing = true;
  while (!mcp_list_empty(&link->live)) {
    slot_t *slot = MCP_LIST_MEMBER(link->live.next, slot_t, of_link);
    link->upper->on_gone(link->up, &slot->base);
    slot->sending = false;
    give_slot(slot);
  }
  if (link->large) link->framing->large->drop(link);
  link->framing->close(link, flush_first);
}
