/* SPDX-License-Identifier: MIT
 * ws_handshake.c: see ws_handshake.h. */
#include "wire/ws_handshake.h"

#include "base/crypto.h"
#include "base/sha1.h"

/* RFC 6455 1.3 */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

#define KEY      MCP_SLICE("sec-websocket-key")
#define VERSION  MCP_SLICE("sec-websocket-version")
#define PROTOCOL MCP_SLICE("sec-websocket-protocol")

/* Longer keys are only ever hashed for a client that sends one. */
#define KEY_MAX 128

/* Is `token` in the list that all fields `name` make? */
static bool has_token(const mcp_http_head_t *head, mcp_slice_t name,
                      mcp_slice_t token, bool nocase) {
  for (size_t i = 0; i < head->header_count; i++) {
    mcp_slice_t rest = head->headers[i].value;
    if (!mcp_slice_equal_nocase(head->headers[i].name, name)) continue;
    while (rest.len > 0) {
      const char *comma = memchr(rest.data, ',', rest.len);
      size_t length = comma ? (size_t)(comma - rest.data) : rest.len;
      mcp_slice_t item = mcp_slice_trim(mcp_slice(rest.data, length));
      if (nocase ? mcp_slice_equal_nocase(item, token)
                 : mcp_slice_equal(item, token))
        return true;
      if (comma) length++;
      rest.data += length;
      rest.len -= length;
    }
  }
  return false;
}

static bool offers_mcp(const mcp_http_head_t *head) {
  return has_token(head, PROTOCOL, MCP_SLICE("mcp"), false);
}

bool mcp_ws_is_wanted(const mcp_http_head_t *head) {
  return head->method == MCP_HTTP_GET &&
         has_token(head, MCP_SLICE("upgrade"), MCP_SLICE("websocket"), true);
}

/* The one key, if it is 16 bytes in Base64. */
static bool find_key(const mcp_http_head_t *head, mcp_slice_t *key) {
  bool found, twice, good;
  mcp_buf_t bytes = {0};
  *key = mcp_http_header(head, KEY, &found, &twice);
  if (!found || twice || key->len != MCP_WS_KEY_LENGTH) return false;
  good = mcp_crypto_read_base64(&bytes, *key) == 0 && bytes.len == 16;
  mcp_buf_deinit(&bytes);
  return good;
}

unsigned mcp_ws_judge(const mcp_http_head_t *head, bool any_protocol,
                      const char **reason) {
  mcp_slice_t value;
  bool found, twice;
  value = mcp_http_header(head, VERSION, &found, &twice);
  if (head->http_1_0 || !head->upgrade) {
    *reason = "Connection: Upgrade over HTTP/1.1 expected for a WebSocket";
    return 400;
  }
  if (!found || twice || !mcp_slice_equal(value, MCP_SLICE("13"))) {
    *reason = "Sec-WebSocket-Version: 13 expected";
    return 426;
  }
  if (!find_key(head, &value)) {
    *reason = "Sec-WebSocket-Key: 16 bytes in Base64 expected, once";
    return 400;
  }
  if (!any_protocol && !offers_mcp(head)) {
    *reason =
        "expected Sec-WebSocket-Protocol: mcp (security.any_subprotocol allows "
        "others)";
    return 400;
  }
  return 0;
}

void mcp_ws_accept(mcp_slice_t key, char accept[MCP_WS_ACCEPT_LENGTH]) {
  static const char letters[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned char digest[MCP_SHA1_SIZE + 1] = {0};
  char text[KEY_MAX + sizeof GUID];
  size_t length = key.len < KEY_MAX ? key.len : KEY_MAX;
  if (length > 0) memcpy(text, key.data, length);
  memcpy(text + length, GUID, sizeof GUID - 1);
  mcp_sha1(mcp_slice(text, length + sizeof GUID - 1), digest);
  /* In place, since it cannot fail then: 20 bytes and a zero are 28 letters,
   * the last of them padding. */
  for (size_t i = 0; i < MCP_WS_ACCEPT_LENGTH; i++) {
    size_t bit = i * 6, at = bit / 8;
    unsigned pair =
        (unsigned)digest[at] << 8 | (at < MCP_SHA1_SIZE ? digest[at + 1] : 0u);
    accept[i] = letters[pair >> (10 - bit % 8) & 63];
  }
  accept[MCP_WS_ACCEPT_LENGTH - 1] = '=';
}

int mcp_ws_write_answer(mcp_buf_t *out, const mcp_http_head_t *request) {
  bool found;
  mcp_slice_t key = mcp_http_header(request, KEY, &found, NULL);
  char accept[MCP_WS_ACCEPT_LENGTH];
  size_t before = out->len;
  int code;
  mcp_ws_accept(key, accept);
  code = mcp_buf_append_literal(out, "Upgrade: websocket\r\n"
                                     "Connection: Upgrade\r\n"
                                     "Sec-WebSocket-Accept: ");
  if (code == 0) code = mcp_buf_append(out, accept, sizeof accept);
  if (code == 0) code = mcp_buf_append_literal(out, "\r\n");
  if (code == 0 && offers_mcp(request))
    code = mcp_buf_append_literal(out, "Sec-WebSocket-Protocol: mcp\r\n");
  if (code < 0) out->len = before;
  return code;
}

int mcp_ws_make_key(char key[MCP_WS_KEY_LENGTH]) {
  unsigned char bytes[16];
  mcp_buf_t out = {0};
  int code = mcp_crypto_random(bytes, sizeof bytes);
  if (code == 0)
    code =
        mcp_crypto_write_base64(&out, mcp_slice((char *)bytes, sizeof bytes));
  if (code == 0) memcpy(key, out.data, MCP_WS_KEY_LENGTH);
  mcp_buf_deinit(&out);
  return code;
}

int mcp_ws_write_request(mcp_buf_t *out, const char key[MCP_WS_KEY_LENGTH]) {
  int code = mcp_buf_append_literal(out, "Upgrade: websocket\r\n"
                                         "Connection: Upgrade\r\n"
                                         "Sec-WebSocket-Version: 13\r\n"
                                         "Sec-WebSocket-Protocol: mcp\r\n"
                                         "Sec-WebSocket-Key: ");
  if (code == 0) code = mcp_buf_append(out, key, MCP_WS_KEY_LENGTH);
  if (code == 0) code = mcp_buf_append_literal(out, "\r\n");
  return code;
}

bool mcp_ws_is_granted(const mcp_http_head_t *head,
                       const char key[MCP_WS_KEY_LENGTH], bool any_protocol,
                       const char **reason) {
  char accept[MCP_WS_ACCEPT_LENGTH];
  bool found, twice;
  mcp_slice_t value =
      mcp_http_header(head, MCP_SLICE("sec-websocket-accept"), &found, &twice);
  mcp_ws_accept(mcp_slice(key, MCP_WS_KEY_LENGTH), accept);
  if (!has_token(head, MCP_SLICE("upgrade"), MCP_SLICE("websocket"), true)) {
    *reason = "the server upgrades to something else than a WebSocket";
    return false;
  }
  if (!found || twice ||
      !mcp_slice_equal(value, mcp_slice(accept, sizeof accept))) {
    *reason = "Sec-WebSocket-Accept does not match the key";
    return false;
  }
  mcp_http_header(head, MCP_SLICE("sec-websocket-extensions"), &found, NULL);
  if (found) {
    *reason = "the server selected an extension that was not requested";
    return false;
  }
  value = mcp_http_header(head, PROTOCOL, &found, &twice);
  if (found ? twice || !mcp_slice_equal(value, MCP_SLICE("mcp"))
            : !any_protocol) {
    *reason = "the server does not choose the subprotocol mcp";
    return false;
  }
  return true;
}
