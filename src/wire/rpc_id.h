/* SPDX-License-Identifier: MIT
 * rpc_id.h: the id of a JSON-RPC message: which ids are the same, and finding
 * one in a text that is not valid JSON.
 *
 * Two numbers are the same id if they have the same value: 7, 7.0 and 7e0 are
 * one id, as they are one number to most JSON readers. Numbers beyond 64 bits
 * are compared as doubles. Two strings are the same id if they are equal with
 * their escapes undone. A number and a string never are: 7 is not "7"
 * (JSON-RPC 2.0, 4 and 5). An id always goes back byte for byte. */
#ifndef MCP_WIRE_RPC_ID_H
#define MCP_WIRE_RPC_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Ids are kept with every request in flight. In bytes of JSON text. */
#define MCP_RPC_ID_LENGTH 128

/* Room for the key of any id. */
#define MCP_RPC_KEY_LENGTH MCP_RPC_ID_LENGTH

/* Writes the key of an id, given as JSON text, to `key`, which has
 * MCP_RPC_KEY_LENGTH bytes; returns its length. Two ids are the same exactly if
 * their keys are equal. The key of a string is a quote and the string with its
 * escapes undone; the key of a number is its decimal digits. */
size_t mcp_rpc_id_key(mcp_slice_t id, char *key);

/* The same for a number that has been read. 0 if `n` is not an integer: then it
 * is no id. */
size_t mcp_rpc_id_key_of_double(double n, char *key);

/* Are these two, given as JSON texts, the same id? */
bool mcp_rpc_id_equal(mcp_slice_t a, mcp_slice_t b);

typedef struct {
  mcp_slice_t id;   /* as it stands in the text; empty if none can be read */
  bool is_response; /* it has a result or an error, and no method */
  bool is_call;     /* it has a method */
} mcp_rpc_id_found_t;

/* Looks for the id of a message that the JSON parser or the JSON-RPC reader
 * refused. It reads the members of the outermost object as far as they can be
 * separated, in one pass; the text may be the beginning of a message. An id
 * that occurs twice, is neither a string nor an integer, or is too long, is
 * ignored. */
mcp_rpc_id_found_t mcp_rpc_id_find(mcp_slice_t text);

#endif
