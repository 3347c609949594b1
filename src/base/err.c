/* SPDX-License-Identifier: MIT
 * err.c: see err.h. The one file outside src/net that asks libuv anything:
 * the names of its errors, as a list. uv_strerror and uv_err_name allocate a
 * text for a code they do not know, which nobody frees. */
#include "base/err.h"

#include <uv.h>

const char *mcp_err_name(int code) {
  switch (code) {
#define CASE(name, number, text)                                               \
  case number: return #name;
    MCP_ERR_LIST(CASE)
#undef CASE
#define CASE(name, text)                                                       \
  case UV_##name: return #name;
    UV_ERRNO_MAP(CASE)
#undef CASE
  default: return "EUNKNOWN";
  }
}

const char *mcp_err_text(int code) {
  switch (code) {
#define CASE(name, number, text)                                               \
  case number: return text;
    MCP_ERR_LIST(CASE)
#undef CASE
#define CASE(name, text)                                                       \
  case UV_##name: return text;
    UV_ERRNO_MAP(CASE)
#undef CASE
  case 0: return "no error";
  default: return "unknown error";
  }
}
