/* SPDX-License-Identifier: MIT
 * lsignal.c: see lsignal.h. */
#include "lua/lsignal.h"

#include <lauxlib.h>
#include <signal.h>
#include <string.h>

#define ENTRY(name)                                                            \
  { "SIG" #name, SIG##name }

static const struct {
  const char *name;
  int number;
} signals[] = {ENTRY(HUP),    ENTRY(INT),  ENTRY(QUIT),  ENTRY(ILL),
               ENTRY(TRAP),   ENTRY(ABRT), ENTRY(BUS),   ENTRY(FPE),
               ENTRY(KILL),   ENTRY(USR1), ENTRY(SEGV),  ENTRY(USR2),
               ENTRY(PIPE),   ENTRY(ALRM), ENTRY(TERM),  ENTRY(CHLD),
               ENTRY(CONT),   ENTRY(STOP), ENTRY(TSTP),  ENTRY(TTIN),
               ENTRY(TTOU),   ENTRY(URG),  ENTRY(XCPU),  ENTRY(XFSZ),
               ENTRY(VTALRM), ENTRY(PROF), ENTRY(WINCH), ENTRY(SYS)};

#define COUNT (sizeof signals / sizeof *signals)

void mcp_lsignal_push(lua_State *L, int number) {
  for (size_t i = 0; i < COUNT; i++) {
    if (signals[i].number != number) continue;
    lua_pushstring(L, signals[i].name);
    return;
  }
  lua_pushfstring(L, "SIG%d", number);
}

int mcp_lsignal_check(lua_State *L, int index) {
  const char *name;
  if (lua_type(L, index) == LUA_TNUMBER) {
    lua_Integer number = luaL_checkinteger(L, index);
    luaL_argcheck(L, number > 0 && number < NSIG, index,
                  "expected the number of a signal");
    return (int)number;
  }
  name = luaL_optstring(L, index, "SIGTERM");
  for (size_t i = 0; i < COUNT; i++)
    if (strcmp(signals[i].name, name) == 0 ||
        strcmp(signals[i].name + 3, name) == 0)
      return signals[i].number;
  return luaL_argerror(
      L, index,
      lua_pushfstring(L, "expected a signal such as \"SIGTERM\", got \"%s\"",
                      name));
}
