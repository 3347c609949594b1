/* SPDX-License-Identifier: MIT
 * orphan.c: see orphan.h. */
#include "transport/orphan.h"

void mcp_orphan_on_data(void *owner, mcp_slice_t bytes) {
  (void)owner;
  (void)bytes;
}

void mcp_orphan_on_end(void *owner, int code) {
  (void)owner;
  (void)code;
}

void mcp_orphan_ignore(void *owner) {
  (void)owner;
}
