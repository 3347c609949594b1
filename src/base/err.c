/* SPDX-License-Identifier: MIT
 * err.c: see err.h. The only file outside src/net that uses libuv: the list of
 * its error names. uv_strerror and uv_err_name leak the text they allocate for
 * an unknown code. */
#include "base/err.h"

#include <errno.h>
#include <uv.h>

/* Errors of disks that libuv has no name for. */
#ifdef UV__EDQUOT
#define QUOTA(X)
#else
#define QUOTA(X) X(EDQUOT, "disk quota exceeded")
#endif
#ifdef UV__ESTALE
#define STALE(X)
#else
#define STALE(X) X(ESTALE, "stale file handle")
#endif
#define SYSTEM_LIST(X) QUOTA(X) STALE(X)

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
#define CASE(name, text)                                                       \
  case -name: return #name;
    SYSTEM_LIST(CASE)
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
#define CASE(name, text)                                                       \
  case -name: return text;
    SYSTEM_LIST(CASE)
#undef CASE
  case 0: return "no error";
  default: return "unknown error";
  }
}
