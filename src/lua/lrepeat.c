/* SPDX-License-Identifier: MIT
 * lrepeat.c: see lrepeat.h. */
#include "lua/lrepeat.h"

#include <lauxlib.h>
#include <string.h>

#include "base/mem.h"
#include "lua/lexchange_handle.h"
#include "transport/incoming.h"
#include "transport/link.h"

typedef struct {
  mcp_incoming_known_t known; /* its texts lie in `text` */
  mcp_slice_t name;           /* so does this, which may be missing */
  mcp_share_t *share;         /* of the peer; it is charged */
  int function;               /* registry reference, or LUA_NOREF */
  mcp_lpass_t *pass;          /* or NULL; kept by */
  int pass_anchor;            /* registry reference, or LUA_NOREF */
  unsigned misses;
  bool survives;
  char text[];
} memo_t;

/* What a closure and its variables take in Lua, a context among them. */
#define CLOSURE_COST 1536

static size_t cost_of(const memo_t *memo) {
  return sizeof *memo + memo->known.method.len + memo->known.meta.text.len +
         memo->name.len + CLOSURE_COST;
}

static memo_t **memo_of(mcp_exchange_t *x, bool *repeated) {
  if (x->link) {
    *repeated = true;
    return (memo_t **)mcp_link_memo(x->link);
  }
  if (!x->ops->http || !x->ops->http->memo) return NULL;
  return (memo_t **)x->ops->http->memo(x, repeated);
}

/* Where the arguments are, if params has them, the name, and nothing else that
 * Lua is to see; else 0. */
static uint32_t arguments_of(const memo_t *memo, const mcp_json_doc_t *doc,
                             const mcp_rpc_t *rpc) {
  const mcp_json_token_t *tokens = doc->tokens;
  uint32_t arguments = 0, members = rpc->meta_at ? 3 : 2, key, value, end;
  bool named = false;
  if (!memo->name.data || !rpc->params_at ||
      tokens[rpc->params_at].count != members)
    return 0;
  end = tokens[rpc->params_at].next;
  for (key = rpc->params_at + 1; key < end; key = tokens[value].next) {
    mcp_slice_t member = mcp_json_raw(doc, key);
    value = key + 1;
    if (tokens[value].kind == MCP_JSON_OBJECT) {
      if (value != rpc->meta_at &&
          mcp_slice_equal(member, MCP_SLICE("arguments")))
        arguments = value;
    } else if (tokens[value].kind == MCP_JSON_STRING) {
      named = !tokens[value].escaped &&
              mcp_slice_equal(mcp_json_raw(doc, value), memo->name) &&
              mcp_slice_equal(member, MCP_SLICE("name"));
    }
  }
  return named ? arguments : 0;
}

bool mcp_lrepeat_push(lua_State *L, mcp_coroutine_t *co,
                      const mcp_arrival_t *arrival, mcp_lrepeat_t *takes) {
  bool repeated;
  mcp_exchange_t *x = co->exchange;
  memo_t **slot = memo_of(x, &repeated), *memo;
  if (!slot || !*slot || (*slot)->function == LUA_NOREF) return false;
  memo = *slot;
  if (!mcp_incoming_is_like(arrival->doc, arrival->rpc, &memo->known)) {
    if (arrival->rpc->kind == MCP_RPC_REQUEST) memo->misses++;
    return false;
  }
  takes->by_pass = memo->pass != NULL;
  if (takes->by_pass) {
    if (!mcp_lpass_use(memo->pass, mcp_loop_now(co->rt->loop))) return false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, memo->pass_anchor);
  }
  takes->alone_at = arguments_of(memo, arrival->doc, arrival->rpc);
  x->survives = memo->survives;
  lua_rawgeti(L, LUA_REGISTRYINDEX, memo->function);
  return true;
}

bool mcp_lrepeat_is_worth(mcp_exchange_t *x) {
  bool repeated = false;
  memo_t **slot = memo_of(x, &repeated);
  return slot && repeated &&
         (!*slot || (*slot)->misses < MCP_LREPEAT_MISSES ||
          (*slot)->misses % MCP_LREPEAT_AGAIN == 0);
}

void mcp_lrepeat_free(lua_State *L, void *of) {
  memo_t *memo = of;
  if (!memo) return;
  luaL_unref(L, LUA_REGISTRYINDEX, memo->function);
  luaL_unref(L, LUA_REGISTRYINDEX, memo->pass_anchor);
  mcp_share_release(memo->share, cost_of(memo));
  mcp_mem_free(memo);
}

/* How many tokens an object has, or 0 if that cannot be said now. */
static size_t nodes_of(mcp_slice_t object) {
  mcp_json_doc_t doc;
  size_t nodes;
  mcp_json_doc_init(&doc);
  nodes = mcp_json_parse(&doc, object, &mcp_json_default_limits, NULL) == 0 &&
                  doc.tokens[0].kind == MCP_JSON_OBJECT
              ? doc.count
              : 0;
  mcp_json_doc_deinit(&doc);
  return nodes;
}

/* A memo of these texts, without its function. NULL: there is no room. */
static memo_t *new_memo(mcp_share_t *share, mcp_slice_t method,
                        mcp_slice_t meta, mcp_slice_t name) {
  memo_t *memo = mcp_mem_alloc(sizeof *memo + method.len + meta.len + name.len);
  if (!memo) return NULL;
  *memo = (memo_t){
      .known = {.method = mcp_slice(memo->text, method.len),
                .meta = {.text = mcp_slice(memo->text + method.len, meta.len),
                         .depth = MCP_RPC_META_DEPTH,
                         .nodes = nodes_of(meta)}},
      .share = share,
      .function = LUA_NOREF,
      .pass_anchor = LUA_NOREF};
  if (name.data)
    memo->name = mcp_slice(memo->text + method.len + meta.len, name.len);
  if (mcp_share_charge(share, cost_of(memo)) < 0) {
    mcp_mem_free(memo);
    return NULL;
  }
  memcpy(memo->text, method.data, method.len);
  if (meta.len > 0) memcpy(memo->text + method.len, meta.data, meta.len);
  if (name.len > 0)
    memcpy(memo->text + method.len + meta.len, name.data, name.len);
  return memo;
}

int mcp_lrepeat_remember(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  mcp_slice_t method, meta, name;
  memo_t **slot, *memo;
  mcp_lpass_t *pass = mcp_lpass_at(L, 5);
  bool repeated;
  if (lua_isnoneornil(L, 2)) {
    slot = h->x ? memo_of(h->x, &repeated) : NULL;
    if (!slot) return 0;
    memo = *slot;
    *slot = NULL;
    mcp_lrepeat_free(L, memo);
    return 0;
  }
  luaL_checktype(L, 2, LUA_TFUNCTION);
  method.data = luaL_checklstring(L, 3, &method.len);
  meta.data = luaL_optlstring(L, 4, "", &meta.len);
  name.data = luaL_optlstring(L, 6, NULL, &name.len);
  slot = h->x ? memo_of(h->x, &repeated) : NULL;
  if (!slot) return 0;
  memo = new_memo(h->x->share, method, meta, name);
  if (!memo) return 0;
  memo->survives = h->x->survives;
  if (*slot) memo->misses = (*slot)->misses;
  mcp_lrepeat_free(L, *slot);
  *slot = memo;
  /* These may raise: what is in the slot goes with the connection. */
  if (pass) {
    lua_pushvalue(L, 5);
    memo->pass_anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    memo->pass = pass;
  }
  lua_pushvalue(L, 2);
  memo->function = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}
