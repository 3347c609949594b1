/* SPDX-License-Identifier: MIT
 * err.c: see err.h. The only file outside src/net that uses libuv: the list of
 * its error names. uv_strerror and uv_err_name leak the text they allocate for
 * an unknown code. */
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
