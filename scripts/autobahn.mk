# SPDX-License-Identifier: MIT
# make autobahn: our WebSockets, listener and client, under the public Autobahn
# suite: all cases but those of compression, which is not offered. Takes half a
# minute. Needs Python 2.7 (PYTHON2=…), which the suite is written for; the
# suite itself goes into the build folder.

ECHO     := $(BUILD)/ws/echo
ECHO_OBJ := $(filter-out $(BUILD)/obj/lua/%,$(CORE_OBJ))

$(ECHO): spec/ws/echo.c $(ECHO_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(LLHTTP_LIBS)

.PHONY: autobahn
autobahn: build $(ECHO)
	@MCP_BUILD=$(BUILD) ECHO=$(ECHO) PYTHON2=$(PYTHON2) \
	  $(LUA) scripts/autobahn.lua
