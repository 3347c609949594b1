/* SPDX-License-Identifier: MIT
 * err.c: see err.h. The one file outside src/net that asks libuv anything:
 * the names of its errors. */
#include "base/err.h"

#include <uv.h>

#define OURS(code) ((code) <= -20000)

const char *mcp_err_name(int code) {
  switch (code) {
#define CASE(name, number, text)                                               \
  case number: return #name;
    MCP_ERR_LIST(CASE)
#undef CASE
  default: return OURS(code) ? "EUNKNOWN" : uv_err_name(code);
  }
}

const char *mcp_err_text(int code) {
  switch (code) {
#define CASE(name, number, text)                                               \
  case number: return text;
    MCP_ERR_LIST(CASE)
#undef CASE
  default: return OURS(code) ? "unknown error" : uv_strerror(code);
  }
}
