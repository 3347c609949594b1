/* SPDX-License-Identifier: MIT
 * json.c: any bytes as JSON. What is read can be written, and reads back as
 * the same. */
#include "wire/json.h"

#include "target.h"

static void check_string(const mcp_json_doc_t *doc, uint32_t at) {
  mcp_slice_t raw = mcp_json_raw(doc, at);
  char *text = malloc(raw.len + 1);
  size_t length = mcp_json_unescape(raw, text);
  mcp_buf_t out = {0};
  mcp_json_doc_t again;
  MUST(length <= raw.len);
  MUST(mcp_json_string_is(doc, at, mcp_slice(text, length)));
  MUST(mcp_json_write_string(&out, mcp_slice(text, length)) == 0);
  mcp_json_doc_init(&again);
  MUST(mcp_json_parse(&again, mcp_buf_slice(&out), &mcp_json_default_limits,
                      NULL) == 0);
  MUST(mcp_json_string_is(&again, 0, mcp_slice(text, length)));
  mcp_json_doc_deinit(&again);
  mcp_buf_deinit(&out);
  free(text);
}

static void check_number(const mcp_json_doc_t *doc, uint32_t at) {
  bool integer = doc->tokens[at].kind == MCP_JSON_INTEGER;
  mcp_buf_t out = {0};
  mcp_json_doc_t again;
  int code = integer ? mcp_json_write_integer(&out, mcp_json_integer(doc, at))
                     : mcp_json_write_double(&out, mcp_json_double(doc, at));
  MUST(code == 0);
  mcp_json_doc_init(&again);
  MUST(mcp_json_parse(&again, mcp_buf_slice(&out), &mcp_json_default_limits,
                      NULL) == 0);
  MUST(again.tokens[0].kind == doc->tokens[at].kind);
  if (integer) {
    MUST(mcp_json_integer(&again, 0) == mcp_json_integer(doc, at));
  } else {
    double one = mcp_json_double(&again, 0), two = mcp_json_double(doc, at);
    MUST(memcmp(&one, &two, sizeof one) == 0);
  }
  mcp_json_doc_deinit(&again);
  mcp_buf_deinit(&out);
}

/* The input within a string that is long: undone on the way or afterwards, it
 * reads the same, and what is wrong is wrong in the same place. */
static void check_undone(mcp_slice_t inside) {
  mcp_json_limits_t limits = mcp_json_default_limits;
  mcp_json_fault_t one = {0}, two = {0};
  mcp_json_doc_t plain, undone;
  mcp_buf_t text = {0};
  int code;
  MUST(mcp_buf_append_literal(&text, "[\"") == 0);
  for (int i = 0; i < 300; i++)
    MUST(mcp_buf_append_literal(&text, "a line\\n") == 0);
  MUST(mcp_buf_append_slice(&text, inside) == 0);
  MUST(mcp_buf_append_literal(&text, "\"]") == 0);
  mcp_json_doc_init(&plain);
  mcp_json_doc_init(&undone);
  code = mcp_json_parse(&plain, mcp_buf_slice(&text), &limits, &one);
  limits.undo = true;
  MUST(mcp_json_parse(&undone, mcp_buf_slice(&text), &limits, &two) == code);
  MUST(one.offset == two.offset && plain.count == undone.count);
  MUST(plain.undone_at == 0);
  if (code == 0 && undone.undone_at > 0) {
    mcp_slice_t raw = mcp_json_raw(&plain, undone.undone_at);
    char *to = malloc(raw.len + 1);
    size_t length = mcp_json_unescape(raw, to);
    MUST(mcp_slice_equal(mcp_slice(to, length), mcp_buf_slice(&undone.undone)));
    free(to);
  }
  mcp_json_doc_deinit(&plain);
  mcp_json_doc_deinit(&undone);
  mcp_buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mcp_json_doc_t doc;
  mcp_json_fault_t fault = {0};
  mcp_json_doc_init(&doc);
  if (mcp_json_parse(&doc, input(data, size), &mcp_json_default_limits,
                     &fault) < 0) {
    MUST(fault.what && fault.offset <= size);
    MUST(doc.count == 0);
  } else {
    MUST(doc.tokens[0].next == doc.count);
    for (uint32_t at = 0; at < doc.count; at++) {
      const mcp_json_token_t *t = &doc.tokens[at];
      MUST(t->next > at && t->next <= doc.count);
      MUST((size_t)t->start + t->length <= size);
      if (t->kind == MCP_JSON_STRING) check_string(&doc, at);
      if (t->kind == MCP_JSON_INTEGER || t->kind == MCP_JSON_DOUBLE)
        check_number(&doc, at);
    }
  }
  mcp_json_doc_deinit(&doc);
  check_undone(input(data, size));
  return 0;
}
