/* SPDX-License-Identifier: MIT
 * output.c: see output.h. */
#include "lua/output.h"

/* Memory that an output keeps once all is read. In bytes. */
#define KEPT 65536u

void mcp_output_add(mcp_output_t *o, mcp_slice_t bytes) {
  /* Only here, not for every line: the rest is moved. */
  mcp_buf_consume(&o->bytes, o->from);
  o->from = 0;
  o->code = mcp_buf_append_slice(&o->bytes, bytes);
}

bool mcp_output_find_line(mcp_output_t *o, size_t longest, mcp_slice_t *line,
                          size_t *used) {
  mcp_slice_t rest = mcp_output_rest(o);
  /* The two bytes of its end do not count. */
  size_t most = rest.len < longest + 2 ? rest.len : longest + 2;
  const char *end = NULL;
  *line = rest;
  *used = 0;
  if (rest.len == 0) return false;
  if (most > o->searched)
    end = memchr(rest.data + o->searched, '\n', most - o->searched);
  if (end) {
    line->len = (size_t)(end - rest.data);
    *used = line->len + 1;
    if (line->len > 0 && end[-1] == '\r') line->len--;
    if (line->len <= longest) return true;
  }
  if (!end) o->searched = most;
  *used = line->len = rest.len < longest ? rest.len : longest;
  return rest.len >= longest + 2 || mcp_output_is_over(o);
}

void mcp_output_use(mcp_output_t *o, size_t n) {
  o->from += n;
  o->searched = 0;
  if (mcp_output_held(o) > 0) return;
  mcp_buf_reset(&o->bytes, KEPT);
  o->from = 0;
}

void mcp_output_drop(mcp_output_t *o) {
  mcp_buf_deinit(&o->bytes);
  o->from = o->searched = 0;
}
