# SPDX-License-Identifier: MIT
# install, uninstall, rock. A person gives PREFIX and perhaps DESTDIR; LuaRocks
# gives the INST_ folders.

LUA_V        := 5.4
INST_PREFIX  ?= $(PREFIX)
INST_BINDIR  ?= $(INST_PREFIX)/bin
INST_LUADIR  ?= $(INST_PREFIX)/share/lua/$(LUA_V)
INST_LIBDIR  ?= $(INST_PREFIX)/lib/lua/$(LUA_V)
INST_CONFDIR ?= $(INST_PREFIX)/etc
ROCK         := $(BUILD)/rock
ROCKSPEC     := rockspec/luamcp-scm-1.rockspec

.PHONY: install uninstall rock

install: $(CORE) $(PROGRAM) $(MODULES)
	@for file in $(LUA_SRC) $(LUA_DATA); do \
	  install -D -m 644 $$file \
	    "$(DESTDIR)$(INST_LUADIR)/$${file#lua/}" || exit 1; \
	done
	install -D -m 755 $(CORE) "$(DESTDIR)$(INST_LIBDIR)/mcp/core.so"
	@for file in $(MODULES); do \
	  install -D -m 755 $$file \
	    "$(DESTDIR)$(INST_LIBDIR)/mcp/$${file##*/}" || exit 1; \
	done
	install -D -m 755 $(PROGRAM) "$(DESTDIR)$(INST_BINDIR)/luamcp"
	@env -u LUA_PATH -u LUA_CPATH $(LUA) -lcjson -e "" 2>/dev/null || \
	  echo "warning: luamcp needs lua-cjson and $(LUA) finds none:" \
	    "apt-get install lua-cjson, or luarocks install lua-cjson" >&2

uninstall:
	rm -rf "$(DESTDIR)$(INST_LUADIR)/mcp" "$(DESTDIR)$(INST_LIBDIR)/mcp"
	rm -f "$(DESTDIR)$(INST_BINDIR)/luamcp"

# What a stranger gets: a rock in an empty tree, used from an empty folder.
rock:
	@scripts/deps rock
	@rm -rf $(ROCK) && mkdir -p $(ROCK)/empty
	env -u LUA_PATH -u LUA_CPATH luarocks --lua-version $(LUA_V) \
	  make --tree="$(CURDIR)/$(ROCK)/tree" $(ROCKSPEC)
	@scripts/try-rock $(LUA) "$(CURDIR)/$(ROCK)"
