/* SPDX-License-Identifier: MIT
 * http_sse.c: see http_sse.h. Rules HS-01 to HS-09 of the transport rules. */
#include "transport/http_sse.h"

#include "base/crypto.h"
#include "base/err.h"
#include "base/mem.h"
#include "transport/link.h"

/* Ids are random, so a character of one spreads them evenly. */
#define BUCKETS 64

struct mcp_http_sse_table {
  mcp_list_t buckets[BUCKETS];
};

struct mcp_http_sse {
  mcp_http_connection_t *conn; /* of the stream */
  mcp_link_t *link;
  mcp_list_t of_table;
  uint64_t opened; /* ms */
  bool fed;        /* a message has been POSTed */
  uint8_t id_length;
  char id[MCP_LINK_ID_LONGEST];
};

mcp_http_sse_table_t *mcp_http_sse_table_new(void) {
  mcp_http_sse_table_t *table = mcp_mem_alloc(sizeof *table);
  for (size_t i = 0; table && i < BUCKETS; i++)
    mcp_list_init(&table->buckets[i]);
  return table;
}

void mcp_http_sse_table_free(mcp_http_sse_table_t *table) {
  mcp_mem_free(table);
}

static mcp_list_t *bucket(mcp_http_sse_table_t *table, const char *id) {
  return &table->buckets[(unsigned char)id[0] % BUCKETS];
}

/* --- the link's messages: events of the stream -----------------------------
 */

static mcp_buf_t *begin(void *maker) {
  mcp_http_connection_t *conn = maker;
  return mcp_exchange_begin(&conn->x, MCP_OUT_NOTICE);
}

static void abandon(void *maker) {
  mcp_http_connection_t *conn = maker;
  mcp_exchange_abandon(&conn->x);
}

static int commit(void *maker) {
  mcp_http_connection_t *conn = maker;
  if (conn->state == MCP_HTTP_CLOSING) {
    /* What is being flushed must not be cut for a message that comes late. */
    mcp_exchange_abandon(&conn->x);
    return MCP_ECLOSED;
  }
  return mcp_exchange_commit(&conn->x, MCP_OUT_NOTICE);
}

static size_t queued(void *maker) {
  mcp_http_connection_t *conn = maker;
  return conn->stream->queued;
}

static int admit(void *maker, uint64_t ends_at) {
  mcp_http_connection_t *conn = maker;
  if (conn->state == MCP_HTTP_CLOSING) return MCP_ECLOSED;
  if (conn->stream->queued > MCP_EXCHANGE_QUEUE) return MCP_EBUSY;
  if (ends_at) conn->x.ends_at = ends_at;
  conn->sse->fed = true;
  return 0;
}

static void close_stream(void *maker, bool flush) {
  mcp_http_connection_t *conn = maker;
  /* The end of the stream tells the client. */
  if (flush && conn->reply.streaming && conn->state != MCP_HTTP_CLOSING)
    (void)mcp_http_reply_end(&conn->reply);
  mcp_http_connection_close(conn, flush);
}

static const mcp_link_sink_t sink = {.begin = begin,
                                     .commit = commit,
                                     .abandon = abandon,
                                     .queued = queued,
                                     .admit = admit,
                                     .close = close_stream};

/* --- sessions ------------------------------------------------------------- */

static void set_id(mcp_http_sse_t *sse, mcp_slice_t id) {
  sse->id_length = (uint8_t)id.len;
  memcpy(sse->id, id.data, id.len);
}

static mcp_slice_t id_of(const mcp_http_sse_t *sse) {
  return mcp_slice(sse->id, sse->id_length);
}

static int make_id(mcp_http_sse_t *sse) {
  unsigned char bits[16];
  mcp_buf_t text = {0};
  int code = mcp_crypto_random(bits, sizeof bits);
  if (code == 0)
    code = mcp_crypto_write_base64url(
        &text, mcp_slice((const char *)bits, sizeof bits));
  if (code == 0) set_id(sse, mcp_slice(text.data, MCP_HTTP_SSE_ID_LENGTH));
  mcp_buf_deinit(&text);
  return code;
}

/* The first event: the address to POST to (HS-02), relative to the root, as in
 * other servers of that revision. */
static int send_endpoint(mcp_http_connection_t *conn,
                         const mcp_http_gate_t *gate, mcp_slice_t id) {
  mcp_buf_t address = {0};
  const char *path = gate->message_path;
  int code = mcp_buf_append_slice(
      &address, mcp_http_prefix(gate, mcp_http_head(conn->http)));
  if (code == 0) code = mcp_buf_append(&address, path, strlen(path));
  if (code == 0) code = mcp_buf_append_literal(&address, "?session_id=");
  if (code == 0) code = mcp_buf_append_slice(&address, id);
  if (code == 0)
    code = mcp_http_reply_event(&conn->reply, MCP_SLICE("endpoint"),
                                mcp_buf_slice(&address));
  mcp_buf_deinit(&address);
  return code;
}

int mcp_http_sse_open(mcp_http_connection_t *conn, mcp_http_sse_table_t *table,
                      const mcp_http_gate_t *gate, mcp_slice_t id,
                      const mcp_upper_t *upper, void *up, mcp_link_t **link) {
  mcp_http_sse_t *sse = mcp_mem_zalloc(sizeof *sse);
  int code = sse ? 0 : MCP_ENOMEM;
  if (sse && id.len > 0) {
    set_id(sse, id);
  } else if (sse) {
    code = make_id(sse);
  }
  if (code == 0)
    code = mcp_link_open_fed(&sink, conn, conn->share, "sse", upper, up,
                             &sse->link);
  if (code < 0) {
    mcp_mem_free(sse);
    return code;
  }
  sse->conn = conn;
  sse->opened = mcp_loop_now(conn->service->loop);
  mcp_list_append(bucket(table, sse->id), &sse->of_table);
  conn->sse = sse;
  *link = sse->link;
  /* The exchange of the GET is over: it carries the link's messages now. */
  conn->x.up = NULL;
  mcp_http_reply_close_after(&conn->reply);
  code = send_endpoint(conn, gate, id_of(sse));
  mcp_http_connection_listen(conn);
  (void)mcp_exchange_keep(&conn->x);
  /* Closing ends the link, later. */
  if (code < 0) mcp_http_connection_close(conn, false);
  return 0;
}

mcp_http_sse_t *mcp_http_sse_find(mcp_http_sse_table_t *table,
                                  mcp_slice_t query) {
  mcp_slice_t name = MCP_SLICE("session_id="), id;
  mcp_list_t *in;
  if (!table || query.len <= name.len ||
      !mcp_slice_equal(mcp_slice(query.data, name.len), name))
    return NULL;
  id = mcp_slice(query.data + name.len, query.len - name.len);
  in = bucket(table, id.data);
  for (mcp_list_t *it = in->next; it != in; it = it->next) {
    mcp_http_sse_t *sse = MCP_LIST_MEMBER(it, mcp_http_sse_t, of_table);
    if (mcp_crypto_equal(id_of(sse), id))
      return sse->conn->state == MCP_HTTP_CLOSING ? NULL : sse;
  }
  return NULL;
}

mcp_link_t *mcp_http_sse_link(const mcp_http_sse_t *sse) {
  return sse->link;
}

bool mcp_http_sse_is_forgotten(const mcp_http_sse_t *sse, uint64_t at,
                               uint64_t limit) {
  return !sse->fed && at - sse->opened >= limit;
}

static mcp_link_t *find_link(mcp_http_sse_table_t *table, mcp_slice_t query) {
  mcp_http_sse_t *sse = mcp_http_sse_find(table, query);
  return sse ? sse->link : NULL;
}

static void on_drained(mcp_http_sse_t *sse) {
  mcp_link_fed_drained(sse->link);
}

static void on_closed(mcp_http_sse_t *sse) {
  mcp_link_t *link = sse->link;
  sse->conn->sse = NULL;
  mcp_list_remove(&sse->of_table);
  mcp_mem_free(sse);
  mcp_link_fed_closed(link, 0);
}

const mcp_http_sse_hooks_t mcp_http_sse_hooks = {
    .find = find_link, .drained = on_drained, .closed = on_closed};
