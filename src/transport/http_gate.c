/* SPDX-License-Identifier: MIT
 * http_gate.c: see http_gate.h. Rules HL-02, HL-03, HL-06 to HL-08 and HM-02,
 * HM-09 of the transport rules; protocol order of the front end. */
#include "transport/http_gate.h"

#include "wire/origin.h"
#include "wire/ws_handshake.h"

static mcp_slice_t text(const char *s) {
  return mcp_slice(s, strlen(s));
}

/* A trailing slash makes no difference. */
static bool is_path(mcp_slice_t path, const char *ours) {
  mcp_slice_t own = text(ours);
  if (own.len > 1 && own.data[own.len - 1] == '/') own.len--;
  if (path.len > 1 && path.data[path.len - 1] == '/') path.len--;
  return mcp_slice_equal(path, own);
}

static bool is_ours(const mcp_http_gate_t *gate, mcp_slice_t path) {
  if (is_path(path, gate->path)) return true;
  for (const char **other = gate->paths; other && *other; other++)
    if (is_path(path, *other)) return true;
  return false;
}

/* A Host without a port means that of http or of https: which one is unknown,
 * for a proxy may have terminated TLS. */
static bool is_port(int ours, int port) {
  if (ours < 0 || ours == port) return true;
  return port == MCP_ORIGIN_NO_PORT && (ours == 80 || ours == 443);
}

/* Is it 127.0.0.1, as most clients of a local server write it, with a port or
 * without one? Only saves reading it: false decides nothing. */
static bool is_plain_loopback(mcp_slice_t host) {
  static const char name[] = "127.0.0.1";
  size_t at = sizeof name - 1;
  unsigned port = 0;
  if (host.len < at || memcmp(host.data, name, at) != 0) return false;
  if (at == host.len) return true;
  if (host.data[at++] != ':' || at == host.len || host.len - at > 5)
    return false;
  while (at < host.len && host.data[at] >= '0' && host.data[at] <= '9')
    port = port * 10 + (unsigned)(host.data[at++] - '0');
  return at == host.len && port <= 65535;
}

bool mcp_http_host_allowed(const mcp_http_gate_t *gate, mcp_slice_t host) {
  mcp_origin_t origin, ours;
  if (is_plain_loopback(host)) return true;
  if (!mcp_origin_read_host(host, false, &origin)) return false;
  if (mcp_slice_equal_nocase(origin.host, MCP_SLICE("localhost")) ||
      mcp_slice_equal(origin.host, MCP_SLICE("127.0.0.1")) ||
      mcp_slice_equal(origin.host, MCP_SLICE("[::1]"))) {
    return true;
  }
  for (const char **name = gate->hosts; name && *name; name++) {
    if (mcp_origin_read_host(text(*name), true, &ours) &&
        mcp_slice_equal_nocase(origin.host, ours.host) &&
        is_port(ours.port, origin.port))
      return true;
  }
  return false;
}

static bool is_listed(const mcp_http_gate_t *gate, mcp_slice_t value) {
  mcp_origin_t origin, ours;
  bool good = mcp_origin_read(value, false, &origin);
  for (const char **name = gate->origins; name && *name; name++) {
    /* "null" is not an origin, but may be listed. */
    if (mcp_origin_read(text(*name), true, &ours)
            ? good && mcp_origin_same(&ours, &origin)
            : mcp_slice_equal_nocase(value, text(*name)))
      return true;
  }
  return false;
}

bool mcp_http_origin_allowed(const mcp_http_gate_t *gate, mcp_slice_t origin,
                             mcp_slice_t host) {
  mcp_origin_t theirs, own;
  if (is_listed(gate, origin)) return true;
  if (!mcp_origin_read(origin, false, &theirs) ||
      !mcp_origin_read_host(host, false, &own))
    return false;
  own.scheme = gate->secure ? MCP_SLICE("https") : MCP_SLICE("http");
  if (own.port == MCP_ORIGIN_NO_PORT)
    own.port = mcp_origin_default_port(own.scheme);
  return mcp_origin_same(&own, &theirs);
}

#define REFUSE(code, ...)                                                      \
  return (mcp_http_verdict_t) {                                                \
    .status = (code), __VA_ARGS__                                              \
  }

#define METHODS         "GET, POST, DELETE, OPTIONS"
#define MESSAGE_METHODS "POST, OPTIONS"
#define ROUTE_METHODS   "GET, HEAD, POST, OPTIONS"

/* The first Accept field, for an error text. */
static mcp_slice_t accept_of(const mcp_http_head_t *head) {
  bool found;
  return mcp_http_header(head, MCP_SLICE("accept"), &found, NULL);
}

/* The answer to a POST must be JSON or an event stream (HL-06); most clients
 * accept both. */
static mcp_http_verdict_t judge_accept(const mcp_http_head_t *head) {
  mcp_http_verdict_t verdict = {0};
  bool found, twice;
  mcp_slice_t value =
      mcp_http_header(head, MCP_SLICE("accept"), &found, &twice);
  if (!found ||
      (!twice && mcp_slice_equal(value, MCP_SLICE("application/json, "
                                                  "text/event-stream")))) {
    return verdict;
  }
  verdict.no_json = !mcp_http_head_accepts(head, MCP_SLICE("application/json"));
  verdict.no_events =
      !mcp_http_head_accepts(head, MCP_SLICE("text/event-stream"));
  if (verdict.no_json && verdict.no_events)
    REFUSE(406,
           .text = "Accept: expected application/json or text/event-stream",
           .value = value);
  return verdict;
}

static bool is_json(const mcp_http_head_t *head) {
  mcp_slice_t json = MCP_SLICE("application/json");
  bool found, twice;
  mcp_slice_t value =
      mcp_http_header(head, MCP_SLICE("content-type"), &found, &twice);
  return found && !twice &&
         (mcp_slice_equal(value, json) || mcp_http_media_is(value, json));
}

/* The body of a POST must be JSON without a content coding. */
static mcp_http_verdict_t judge_body(const mcp_http_head_t *head) {
  bool found;
  mcp_slice_t value;
  if (!is_json(head)) {
    value = mcp_http_header(head, MCP_SLICE("content-type"), &found, NULL);
    REFUSE(415, .text = "Content-Type: expected application/json",
           .value = value);
  }
  value = mcp_http_header(head, MCP_SLICE("content-encoding"), &found, NULL);
  if (found && !mcp_slice_equal_nocase(value, MCP_SLICE("identity")))
    REFUSE(415, .text = "Content-Encoding: expected identity", .value = value);
  return (mcp_http_verdict_t){0};
}

mcp_http_verdict_t mcp_http_judge_length(const mcp_http_gate_t *gate,
                                         const mcp_http_head_t *head) {
  if (head->content_length > 0 &&
      (uint64_t)head->content_length > gate->body_limit)
    REFUSE(413, .text = MCP_HTTP_TOO_LARGE, .option = "limits.body");
  return (mcp_http_verdict_t){0};
}

/* A document. One with fields of its own takes no preflight. */
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
    if (page->fields)
      REFUSE(405, .text = "method: expected GET or HEAD",
             .value = head->method_name, .allow = "GET, HEAD");
    verdict.status = 204;
    break;
  default:
    REFUSE(405, .text = "method: expected GET or HEAD",
           .value = head->method_name,
           .allow = page->fields ? "GET, HEAD" : "GET, HEAD, OPTIONS");
  }
  return verdict;
}

/* A path of the upper side's own. It reads any body, and checks any token. */
static mcp_http_verdict_t judge_route(const mcp_http_gate_t *gate,
                                      const mcp_http_head_t *head) {
  mcp_http_verdict_t verdict;
  switch (head->method) {
  case MCP_HTTP_GET:
  case MCP_HTTP_HEAD:
  case MCP_HTTP_POST: break;
  case MCP_HTTP_OPTIONS: REFUSE(204, .text = "", .allow = ROUTE_METHODS);
  default:
    REFUSE(405, .text = "method: expected GET, HEAD or POST",
           .value = head->method_name, .allow = ROUTE_METHODS);
  }
  if (head->expect_other) REFUSE(417, .text = "Expect: expected 100-continue");
  verdict = mcp_http_judge_length(gate, head);
  verdict.route = verdict.status == 0;
  return verdict;
}

/* Is there a token? It is validated later. */
static mcp_http_verdict_t judge_token(const mcp_http_gate_t *gate,
                                      const mcp_http_head_t *head) {
  unsigned status = mcp_http_guard_judge(&gate->guard, head);
  if (status == 0) return (mcp_http_verdict_t){0};
  return (mcp_http_verdict_t){
      .status = status,
      .challenge = true,
      .text = status == 401 ? "Authorization: expected an access token, got "
                              "none; WWW-Authenticate says where to get one"
                            : "query: unexpected access_token; send it in the "
                              "Authorization header",
  };
}

/* The response goes out on the event stream, so Accept is ignored (HS-06). */
static mcp_http_verdict_t judge_message(const mcp_http_gate_t *gate,
                                        const mcp_http_head_t *head) {
  mcp_http_verdict_t verdict;
  if (head->method == MCP_HTTP_OPTIONS)
    REFUSE(204, .text = "", .allow = MESSAGE_METHODS);
  verdict = judge_token(gate, head);
  if (verdict.status) return verdict;
  if (head->expect_other) REFUSE(417, .text = "Expect: expected 100-continue");
  if (head->method != MCP_HTTP_POST)
    REFUSE(405, .text = "method: expected POST", .value = head->method_name,
           .allow = MESSAGE_METHODS);
  verdict = judge_body(head);
  return verdict.status ? verdict : mcp_http_judge_length(gate, head);
}

bool mcp_http_is_message_path(const mcp_http_gate_t *gate,
                              const mcp_http_head_t *head) {
  return gate->message_path && is_path(head->path, gate->message_path);
}

/* A client of 2024-11-05 begins with a GET. The GET of later revisions names a
 * session (3.4); some clients of HTTP+SSE send MCP-Protocol-Version with their
 * first. A WebSocket handshake is also a GET. */
static bool is_first_get(const mcp_http_head_t *head) {
  bool session, event;
  (void)mcp_http_header(head, MCP_SLICE("mcp-session-id"), &session, NULL);
  /* The events of HTTP+SSE have no ids: an id belongs to a session. */
  (void)mcp_http_header(head, MCP_SLICE("last-event-id"), &event, NULL);
  return !session && !event && !mcp_ws_is_wanted(head);
}

mcp_http_verdict_t mcp_http_judge(const mcp_http_gate_t *gate,
                                  const mcp_http_head_t *head) {
  bool found, twice;
  mcp_slice_t value;
  mcp_http_verdict_t verdict, accepted = {0};
  const mcp_http_page_t *page = mcp_http_guard_page(&gate->guard, head);
  if (gate->check_host && !(page && page->any_host) &&
      !mcp_http_host_allowed(gate, head->host))
    REFUSE(421, .text = "Host: expected a name of this server",
           .value = head->host, .option = "security.allowed_hosts");
  if (page && !page->fields && !page->is_route) return judge_page(page, head);
  value = mcp_http_header(head, MCP_SLICE("origin"), &found, &twice);
  if (found && gate->check_origin &&
      (twice || !mcp_http_origin_allowed(gate, value, head->host))) {
    REFUSE(403,
           .text = "Origin: expected this server's own or an allowed origin",
           .value = value, .option = "security.allowed_origins");
  }
  if (page && page->is_route) return judge_route(gate, head);
  if (page) return judge_page(page, head);
  if (mcp_http_is_message_path(gate, head)) return judge_message(gate, head);
  if (!is_ours(gate, head->path)) {
    if (head->method == MCP_HTTP_OPTIONS &&
        mcp_slice_equal(head->path, MCP_SLICE("*")))
      REFUSE(204, .text = "", .allow = METHODS);
    REFUSE(404, .text = "path: expected the MCP endpoint (usually /mcp)",
           .value = head->path, .option = "http.path");
  }
  if (head->method == MCP_HTTP_OPTIONS)
    REFUSE(204, .text = "", .allow = METHODS);
  verdict = judge_token(gate, head);
  if (verdict.status) return verdict;
  if (head->expect_other) REFUSE(417, .text = "Expect: expected 100-continue");
  switch (head->method) {
  case MCP_HTTP_GET:
    if (gate->websocket && mcp_ws_is_wanted(head)) {
      unsigned status;
      const char *reason;
      status = mcp_ws_judge(head, gate->any_protocol, &reason);
      if (status) REFUSE(status, .text = reason);
      return (mcp_http_verdict_t){.upgrade = true};
    }
    if (!mcp_http_head_accepts(head, MCP_SLICE("text/event-stream"))) {
      REFUSE(406,
             .text = "Accept: expected text/event-stream, because GET opens "
                     "an event stream",
             .value = accept_of(head));
    }
    if (gate->message_path && is_first_get(head))
      return (mcp_http_verdict_t){.events = true};
    break;
  case MCP_HTTP_DELETE: break;
  case MCP_HTTP_POST:
    verdict = judge_body(head);
    if (verdict.status) return verdict;
    verdict = judge_accept(head);
    if (verdict.status) return verdict;
    accepted = verdict;
    break;
  default:
    REFUSE(405, .text = "method: expected GET, POST or DELETE",
           .value = head->method_name, .allow = METHODS);
  }
  verdict = mcp_http_judge_length(gate, head);
  return verdict.status ? verdict : accepted;
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

bool mcp_http_field_allowed(const mcp_http_gate_t *gate, mcp_slice_t name) {
  static const mcp_slice_t known[] = {
      {"accept", 6},          {"authorization", 13},       {"content-type", 12},
      {"last-event-id", 13},  {"mcp-method", 10},          {"mcp-name", 8},
      {"mcp-session-id", 14}, {"mcp-protocol-version", 20}};
  mcp_slice_t param = MCP_SLICE("mcp-param-");
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (mcp_slice_equal_nocase(name, known[i])) return true;
  for (const char **more = gate->headers; more && *more; more++)
    if (mcp_slice_equal_nocase(name, text(*more))) return true;
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

/* Letters, digits and what else needs no escape, between single slashes: it is
 * sent back, and must not be read as another host. */
static bool is_prefix(mcp_slice_t s) {
  if (s.len == 0 || s.len > MCP_HTTP_PREFIX_LENGTH || s.data[0] != '/')
    return false;
  for (size_t i = 1; i < s.len; i++) {
    char c = s.data[i];
    if (c == '/' && s.data[i - 1] == '/') return false;
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
          (c >= '0' && c <= '9') || memchr("/-._~", c, 5)))
      return false;
  }
  return true;
}

mcp_slice_t mcp_http_prefix(const mcp_http_gate_t *gate,
                            const mcp_http_head_t *head) {
  bool found = false, twice = false;
  mcp_slice_t prefix = MCP_SLICE("");
  if (gate->forwarded)
    prefix =
        mcp_http_header(head, MCP_SLICE("x-forwarded-prefix"), &found, &twice);
  if (!found && gate->prefix) prefix = text(gate->prefix);
  if (twice || !is_prefix(prefix)) return MCP_SLICE("");
  if (prefix.data[prefix.len - 1] == '/') prefix.len--;
  return prefix;
}
