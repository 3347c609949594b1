/* SPDX-License-Identifier: MIT
 * http_gate.c: see http_gate.h. Rules HL-02, HL-03, HL-06 to HL-08 and HM-02,
 * HM-09 of the transport rules; protocol order of the front end. */
#include "transport/http_gate.h"

#include "wire/ws_open.h"

static mcp_slice_t text(const char *s) {
  return mcp_slice(s, strlen(s));
}

/* Cuts ":port" off. False if what stands there is no port. */
static bool cut_port(mcp_slice_t *host) {
  size_t i = host->len;
  while (i > 0 && host->data[i - 1] >= '0' && host->data[i - 1] <= '9') i--;
  if (i == 0 || host->data[i - 1] != ':') {
    /* No port: fine, unless this is an IPv6 address without brackets. */
    return host->len > 0 &&
           (host->data[0] == '[' || !memchr(host->data, ':', host->len));
  }
  if (host->len - i > 5) return false;
  host->len = i - 1;
  return host->len > 0 &&
         (host->data[0] == '[' ? host->data[host->len - 1] == ']'
                               : !memchr(host->data, ':', host->len));
}

static bool cut_end(mcp_slice_t *s, mcp_slice_t end) {
  if (s->len < end.len) return false;
  if (!mcp_slice_equal(mcp_slice(s->data + s->len - end.len, end.len), end))
    return false;
  s->len -= end.len;
  return true;
}

bool mcp_http_host_allowed(const mcp_http_gate_t *gate, mcp_slice_t host) {
  mcp_slice_t whole = host;
  if (!cut_port(&host)) return false;
  if (mcp_slice_equal_nocase(host, MCP_SLICE("localhost")) ||
      mcp_slice_equal(host, MCP_SLICE("127.0.0.1")) ||
      mcp_slice_equal(host, MCP_SLICE("[::1]"))) {
    return true;
  }
  for (const char **name = gate->hosts; name && *name; name++) {
    mcp_slice_t ours = text(*name);
    (void)cut_end(&ours, MCP_SLICE(":*"));
    if (mcp_slice_equal_nocase(host, ours) ||
        mcp_slice_equal_nocase(whole, ours))
      return true;
  }
  return false;
}

static bool is_port(mcp_slice_t s) {
  if (s.len < 2 || s.len > 6 || s.data[0] != ':') return false;
  for (size_t i = 1; i < s.len; i++)
    if (s.data[i] < '0' || s.data[i] > '9') return false;
  return true;
}

static bool is_listed(const mcp_http_gate_t *gate, mcp_slice_t origin) {
  for (const char **name = gate->origins; name && *name; name++) {
    mcp_slice_t ours = text(*name), rest = origin;
    bool any_port = cut_end(&ours, MCP_SLICE(":*"));
    if (mcp_slice_equal_nocase(origin, ours)) return true;
    if (!any_port || origin.len < ours.len ||
        !mcp_slice_equal_nocase(mcp_slice(origin.data, ours.len), ours))
      continue;
    rest.data += ours.len;
    rest.len -= ours.len;
    if (is_port(rest)) return true;
  }
  return false;
}

bool mcp_http_origin_allowed(const mcp_http_gate_t *gate, mcp_slice_t origin,
                             mcp_slice_t host) {
  mcp_slice_t rest = origin;
  mcp_slice_t http =
      gate->secure ? MCP_SLICE("https://") : MCP_SLICE("http://");
  if (is_listed(gate, origin)) return true;
  if (origin.len <= http.len ||
      !mcp_slice_equal_nocase(mcp_slice(origin.data, http.len), http)) {
    return false;
  }
  rest.data += http.len;
  rest.len -= http.len;
  return mcp_slice_equal_nocase(rest, host);
}

#define REFUSE(code, line)                                                     \
  return (mcp_http_verdict_t) {                                                \
    .status = (code), .text = (line)                                           \
  }
#define REFUSE_METHOD(code, line, methods)                                     \
  return (mcp_http_verdict_t) {                                                \
    .status = (code), .text = (line), .allow = (methods)                       \
  }

#define METHODS         "GET, POST, DELETE, OPTIONS"
#define MESSAGE_METHODS "POST, OPTIONS"

/* A POST may be answered either way, so both must be acceptable (HL-06). What
 * clients send is mostly this. */
static bool accepts_both(const mcp_http_head_t *head) {
  bool found, twice;
  mcp_slice_t value =
      mcp_http_header(head, MCP_SLICE("accept"), &found, &twice);
  if (!found ||
      (!twice && mcp_slice_equal(value, MCP_SLICE("application/json, "
                                                  "text/event-stream")))) {
    return true;
  }
  return mcp_http_head_accepts(head, MCP_SLICE("application/json")) &&
         mcp_http_head_accepts(head, MCP_SLICE("text/event-stream"));
}

static bool is_json(const mcp_http_head_t *head) {
  mcp_slice_t json = MCP_SLICE("application/json");
  bool found, twice;
  mcp_slice_t value =
      mcp_http_header(head, MCP_SLICE("content-type"), &found, &twice);
  return found && !twice &&
         (mcp_slice_equal(value, json) || mcp_http_media_is(value, json));
}

/* The body of a POST must be JSON, and plain. */
static mcp_http_verdict_t judge_body(const mcp_http_head_t *head) {
  bool found;
  mcp_slice_t value;
  if (!is_json(head)) REFUSE(415, "Content-Type must be application/json.");
  value = mcp_http_header(head, MCP_SLICE("content-encoding"), &found, NULL);
  if (found && !mcp_slice_equal_nocase(value, MCP_SLICE("identity")))
    REFUSE(415, "Content-Encoding is not supported.");
  return (mcp_http_verdict_t){0};
}

static mcp_http_verdict_t judge_length(const mcp_http_gate_t *gate,
                                       const mcp_http_head_t *head) {
  if (head->content_length > 0 &&
      (uint64_t)head->content_length > gate->body_limit)
    REFUSE(413, "The body is larger than this server's limit.");
  return (mcp_http_verdict_t){0};
}

/* A document. Nobody asks for leave to read what has a type of its own. */
static mcp_http_verdict_t judge_page(const mcp_http_page_t *page,
                                     const mcp_http_head_t *head) {
  mcp_http_verdict_t verdict = {.page = page, .text = ""};
  switch (head->method) {
  case MCP_HTTP_GET:
  case MCP_HTTP_HEAD:
    verdict.status = 200;
    verdict.text = page->body;
    break;
  case MCP_HTTP_OPTIONS:
    if (page->type) REFUSE_METHOD(405, "This is to be read.", "GET, HEAD");
    verdict.status = 204;
    break;
  default:
    REFUSE_METHOD(405, "This is to be read.",
                  page->type ? "GET, HEAD" : "GET, HEAD, OPTIONS");
  }
  return verdict;
}

/* Is there a token? Whether it is any good turns out later. */
static mcp_http_verdict_t judge_token(const mcp_http_gate_t *gate,
                                      const mcp_http_head_t *head) {
  unsigned status = mcp_http_guard_judge(&gate->guard, head);
  if (status == 0) return (mcp_http_verdict_t){0};
  return (mcp_http_verdict_t){
      .status = status,
      .challenge = true,
      .text = status == 401 ? "An access token is needed; WWW-Authenticate "
                              "says where it is to be had."
                            : "The access token belongs into the field "
                              "Authorization, and nowhere else.",
  };
}

/* What answers to it goes out elsewhere, so Accept says nothing (HS-06). */
static mcp_http_verdict_t judge_message(const mcp_http_gate_t *gate,
                                        const mcp_http_head_t *head) {
  mcp_http_verdict_t verdict;
  if (head->method == MCP_HTTP_OPTIONS) REFUSE_METHOD(204, "", MESSAGE_METHODS);
  verdict = judge_token(gate, head);
  if (verdict.status) return verdict;
  if (head->expect_other) REFUSE(417, "Only Expect: 100-continue is known.");
  if (head->method != MCP_HTTP_POST)
    REFUSE_METHOD(405, "Messages are POSTed here.", MESSAGE_METHODS);
  verdict = judge_body(head);
  return verdict.status ? verdict : judge_length(gate, head);
}

bool mcp_http_is_message_path(const mcp_http_gate_t *gate,
                              const mcp_http_head_t *head) {
  return gate->message_path &&
         mcp_slice_equal(head->path, text(gate->message_path));
}

/* A client of 2024-11-05 begins with a GET. Those of later revisions send one
 * of these with it, or begin with a POST (3.4); and who wants a WebSocket does
 * not want this. */
static bool is_first_get(const mcp_http_head_t *head) {
  bool session, version;
  (void)mcp_http_header(head, MCP_SLICE("mcp-session-id"), &session, NULL);
  (void)mcp_http_header(head, MCP_SLICE("mcp-protocol-version"), &version,
                        NULL);
  return !session && !version && !mcp_ws_is_wanted(head);
}

mcp_http_verdict_t mcp_http_judge(const mcp_http_gate_t *gate,
                                  const mcp_http_head_t *head) {
  bool found, twice;
  mcp_slice_t value;
  mcp_http_verdict_t verdict;
  const mcp_http_page_t *page = mcp_http_guard_page(&gate->guard, head);
  if (gate->check_host && !mcp_http_host_allowed(gate, head->host))
    REFUSE(421, "This server does not answer for that Host.");
  if (page && !page->type) return judge_page(page, head);
  value = mcp_http_header(head, MCP_SLICE("origin"), &found, &twice);
  if (found && gate->check_origin &&
      (twice || !mcp_http_origin_allowed(gate, value, head->host))) {
    REFUSE(403, "This server does not answer pages of that Origin.");
  }
  if (page) return judge_page(page, head);
  if (mcp_http_is_message_path(gate, head)) return judge_message(gate, head);
  if (!mcp_slice_equal(head->path, text(gate->path))) {
    if (head->method == MCP_HTTP_OPTIONS &&
        mcp_slice_equal(head->path, MCP_SLICE("*")))
      REFUSE_METHOD(204, "", METHODS);
    REFUSE(404, "There is nothing here. An MCP server answers at its own "
                "path, usually /mcp.");
  }
  if (head->method == MCP_HTTP_OPTIONS) REFUSE_METHOD(204, "", METHODS);
  verdict = judge_token(gate, head);
  if (verdict.status) return verdict;
  if (head->expect_other) REFUSE(417, "Only Expect: 100-continue is known.");
  switch (head->method) {
  case MCP_HTTP_GET:
    if (gate->websocket && mcp_ws_is_wanted(head)) {
      unsigned status;
      const char *why;
      status = mcp_ws_judge(head, gate->any_protocol, &why);
      if (status) REFUSE(status, why);
      return (mcp_http_verdict_t){.upgrade = true};
    }
    if (!mcp_http_head_accepts(head, MCP_SLICE("text/event-stream"))) {
      REFUSE(406, "This is an MCP endpoint: GET opens an event stream, so "
                  "Accept must allow text/event-stream.");
    }
    if (gate->message_path && is_first_get(head))
      return (mcp_http_verdict_t){.events = true};
    break;
  case MCP_HTTP_DELETE: break;
  case MCP_HTTP_POST:
    verdict = judge_body(head);
    if (verdict.status) return verdict;
    if (!accepts_both(head)) {
      REFUSE(406, "Accept must allow application/json and text/event-stream.");
    }
    break;
  default: REFUSE_METHOD(405, "The methods known here are in Allow.", METHODS);
  }
  return judge_length(gate, head);
}

mcp_http_cors_t mcp_http_judge_cors(const mcp_http_gate_t *gate,
                                    const mcp_http_head_t *head,
                                    mcp_slice_t *origin) {
  bool found, twice, asks;
  mcp_slice_t value;
  if (!gate->origins) return MCP_HTTP_CORS_NONE;
  value = mcp_http_header(head, MCP_SLICE("origin"), &found, &twice);
  if (!found || twice || !is_listed(gate, value)) return MCP_HTTP_CORS_VARY;
  *origin = value;
  (void)mcp_http_header(head, MCP_SLICE("access-control-request-method"), &asks,
                        NULL);
  return head->method == MCP_HTTP_OPTIONS && asks ? MCP_HTTP_CORS_ASK
                                                  : MCP_HTTP_CORS_SHARE;
}

bool mcp_http_field_allowed(mcp_slice_t name) {
  static const mcp_slice_t known[] = {
      {"accept", 6},          {"authorization", 13},       {"content-type", 12},
      {"last-event-id", 13},  {"mcp-method", 10},          {"mcp-name", 8},
      {"mcp-session-id", 14}, {"mcp-protocol-version", 20}};
  mcp_slice_t param = MCP_SLICE("mcp-param-");
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (mcp_slice_equal_nocase(name, known[i])) return true;
  if (name.len <= param.len ||
      !mcp_slice_equal_nocase(mcp_slice(name.data, param.len), param))
    return false;
  /* It is sent back: letters, digits and hyphens say enough. */
  for (size_t i = param.len; i < name.len; i++) {
    char c = name.data[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
          (c >= '0' && c <= '9') || c == '-' || c == '_'))
      return false;
  }
  return true;
}

const char *mcp_http_shared_methods(const mcp_http_gate_t *gate,
                                    const mcp_http_head_t *head) {
  return mcp_http_is_message_path(gate, head) ? "POST" : "GET, POST, DELETE";
}
