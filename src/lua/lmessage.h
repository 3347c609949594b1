/* SPDX-License-Identifier: MIT
 * lmessage.h: JSON-RPC messages as Lua values: what a message that came in is
 * to a handler, and how a message of Lua's is written. */
#ifndef MCP_LUA_LMESSAGE_H
#define MCP_LUA_LMESSAGE_H

#include <lua.h>

#include "lua/coroutine.h"
#include "lua/value.h"
#include "wire/rpc.h"

/* How many members of params._meta can be watched. */
#define MCP_LMESSAGE_WATCHED 8

/* Members of params._meta that every message is shown with, so that Lua needs
 * no table of all of them. */
typedef struct {
  unsigned count;
  const char *names[MCP_LMESSAGE_WATCHED]; /* owned by Lua strings */
} mcp_lmessage_watch_t;

/* How many values mcp_lmessage_push pushes, besides the watched ones. */
#define MCP_LMESSAGE_VALUES 5

/* Pushes kind, id, method, params, meta and the watched members:
 *   kind     "request", "notification", "result", "error", "bad request",
 *            "bad response" or "invalid"
 *   id       a string that is equal for equal ids, or nil
 *   params   the params without _meta, and of a request without members that
 *            are null; or the payload of a result or an error
 *   meta     the text of params._meta if it is an object. It stays text until
 *            Lua asks for the table: most handlers never do, and it is the
 *            larger part of a small request
 *   watched  strings and integers as they are, true for an object, false for
 *            anything else, nil if absent or null
 * Returns where params._meta is in the document, 0 if there is none.
 * [-0, +(5 + watched), m] */
uint32_t mcp_lmessage_push(lua_State *L, const mcp_lmessage_watch_t *watch,
                           const mcp_json_doc_t *doc, const mcp_rpc_t *rpc);

/* Pushes params alone, as above. Returns where _meta is if it is an object, or
 * 0. [-0, +1, m] */
uint32_t mcp_lmessage_push_params(lua_State *L, const mcp_json_doc_t *doc,
                                  const mcp_rpc_t *rpc);

/* Pushes a batch: "batch", nil, nil, and a list with an array for each message,
 * which has the values above, and the members raw_id and reason (why it is
 * invalid). [-0, +4, m] */
void mcp_lmessage_push_batch(lua_State *L, const mcp_lmessage_watch_t *watch,
                             const mcp_json_doc_t *doc);

/* Writes the message `method` with the params at `params` and the id at `id`,
 * an integer or a string; nil for none. 0 or a code; what could not be encoded
 * is in `fault`. [-0, +0, -] */
int mcp_lmessage_write(lua_State *L, mcp_buf_t *out, mcp_slice_t method,
                       int params, int id, mcp_value_fault_t *fault);

/* Pushes nil, text and the name of `code` of a message that could not be
 * written. Returns 3. [-0, +3, m] */
int mcp_lmessage_push_failure(lua_State *L, const char *method, int code,
                              const mcp_value_fault_t *fault);

/* Adds encode_message to the table at the top. [-0, +0, m] */
void mcp_lmessage_open(lua_State *L, mcp_runtime_t *rt);

#endif
