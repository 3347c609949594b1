/* SPDX-License-Identifier: MIT
 * json_keys.h: no key twice in one object (RFC 8259 4: what follows from it is
 * unpredictable, and two readers make two meanings of it). Keys are compared
 * as they read, so "a" is "\u0061". Honest objects cost linear time, and no
 * choice of keys makes it worse than n log n. */
#ifndef MCP_WIRE_JSON_KEYS_H
#define MCP_WIRE_JSON_KEYS_H

#include <stdint.h>

#include "wire/json.h"

/* Compares the keys of the object at `object` of a document that may still be
 * in the making; its members must be complete, its own `next` need not be.
 * 0; MCP_EDUPLICATE, with *again the token of the first key in the text that
 * repeats an earlier one; or MCP_ENOMEM. */
int mcp_json_keys_check(const mcp_json_doc_t *doc, uint32_t object,
                        uint32_t *again);

#endif
