/* SPDX-License-Identifier: MIT
 * seldom.c: see seldom.h. */
#include "lua/seldom.h"

#include <lauxlib.h>

#include "lua/laccess.h"
#include "lua/lchild.h"
#include "lua/lconnect.h"
#include "lua/lfile.h"
#include "lua/lfile_watch.h"
#include "lua/lfolder.h"
#include "lua/lhttp_pool.h"
#include "lua/lmemory.h"
#include "lua/lmessage.h"
#include "lua/lprivate.h"
#include "lua/lprocess.h"
#include "lua/lredirect.h"
#include "lua/lregex.h"
#include "lua/lservice.h"
#include "lua/lskip.h"
#include "lua/lstream.h"
#include "lua/lwebsocket.h"

/* __index of the core's table: a name that is not there yet, or never. Where
 * memory runs out in between, the next one begins from the start. */
static int open_all(lua_State *L) {
  mcp_runtime_t *rt = lua_touserdata(L, lua_upvalueindex(1));
  lua_settop(L, 2);
  lua_pushvalue(L, 1);
  mcp_laccess_open(L, rt);
  mcp_lmemory_open(L, rt);
  mcp_lmessage_open(L, rt);
  mcp_lconnect_open(L, rt);
  mcp_lstream_open(L, rt);
  mcp_lchild_open(L, rt);
  mcp_lprocess_open(L, rt);
  mcp_lredirect_open(L, rt);
  mcp_lhttp_pool_open(L, rt);
  mcp_lskip_open(L, rt);
  mcp_lwebsocket_open(L, rt);
  mcp_lregex_open(L);
  lua_setfield(L, -2, "regex");
  mcp_lprivate_open(L);
  mcp_lfile_open(L);
  mcp_lfolder_open(L, rt);
  mcp_lfile_watch_open(L, rt);
  mcp_lservice_open(L);
  lua_pushnil(L);
  lua_setmetatable(L, 1);
  lua_pushvalue(L, 2);
  lua_rawget(L, 1);
  return 1;
}

void mcp_seldom_open(lua_State *L, mcp_runtime_t *rt) {
  lua_createtable(L, 0, 1);
  lua_pushlightuserdata(L, rt);
  lua_pushcclosure(L, open_all, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
}
