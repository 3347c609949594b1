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

INST_MANDIR  ?= $(INST_PREFIX)/share/man/man1
INST_BASHDIR ?= $(INST_PREFIX)/share/bash-completion/completions
INST_ZSHDIR  ?= $(INST_PREFIX)/share/zsh/site-functions
INST_FISHDIR ?= $(INST_PREFIX)/share/fish/vendor_completions.d
INST_DOCDIR  ?= $(INST_PREFIX)/share/doc/luamcp
# For editors: what the C module has. The Lua files carry their own types.
TYPES        := $(sort $(shell find lua -name '*.types.lua'))

.PHONY: install uninstall rock dist dist-check

# Made from the commands themselves: the man page, and what makes shells
# complete them.
SHELL_FILES := $(addprefix $(BUILD)/shell/,luamcp.1 luamcp.bash _luamcp luamcp.fish)

$(BUILD)/shell/luamcp.1: scripts/man.lua $(PROGRAM) $(CORE)
	@mkdir -p $(@D)
	$(LUA) scripts/man.lua > $@

$(BUILD)/shell/luamcp.bash $(BUILD)/shell/_luamcp $(BUILD)/shell/luamcp.fish: $(PROGRAM)
	@mkdir -p $(@D)
	$(PROGRAM) completion bash > $(BUILD)/shell/luamcp.bash
	$(PROGRAM) completion zsh > $(BUILD)/shell/_luamcp
	$(PROGRAM) completion fish > $(BUILD)/shell/luamcp.fish

install: $(CORE) $(PROGRAM) $(MODULES) $(SHELL_FILES)
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
	install -D -m 644 $(BUILD)/shell/luamcp.1 "$(DESTDIR)$(INST_MANDIR)/luamcp.1"
	install -D -m 644 $(BUILD)/shell/luamcp.bash "$(DESTDIR)$(INST_BASHDIR)/luamcp"
	install -D -m 644 $(BUILD)/shell/_luamcp "$(DESTDIR)$(INST_ZSHDIR)/_luamcp"
	install -D -m 644 $(BUILD)/shell/luamcp.fish "$(DESTDIR)$(INST_FISHDIR)/luamcp.fish"
	@for file in $(TYPES); do \
	  install -D -m 644 $$file \
	    "$(DESTDIR)$(INST_LUADIR)/$${file#lua/}" || exit 1; \
	done
	@for file in LICENSE README.md CHANGELOG.md SECURITY.md $(sort $(wildcard docs/*.md)); do \
	  install -D -m 644 $$file "$(DESTDIR)$(INST_DOCDIR)/$$file" || exit 1; \
	done

uninstall:
	rm -rf "$(DESTDIR)$(INST_LUADIR)/mcp" "$(DESTDIR)$(INST_LIBDIR)/mcp"
	rm -f "$(DESTDIR)$(INST_BINDIR)/luamcp" "$(DESTDIR)$(INST_MANDIR)/luamcp.1" \
	  "$(DESTDIR)$(INST_BASHDIR)/luamcp" "$(DESTDIR)$(INST_ZSHDIR)/_luamcp" \
	  "$(DESTDIR)$(INST_FISHDIR)/luamcp.fish"
	rm -rf "$(DESTDIR)$(INST_DOCDIR)"

# The release as one file. The same commit gives the same bytes.
DIST := $(BUILD)/luamcp-$(VERSION).tar.gz
dist:
	@mkdir -p $(BUILD)
	git archive --format=tar --prefix=luamcp-$(VERSION)/ HEAD | gzip -9n > $(DIST)
	@sha256sum $(DIST)

# Made again under other circumstances: the same bytes. And nothing is missing
# that git has.
dist-check: dist
	@cp $(DIST) $(DIST).first
	@(umask 077; TZ=Asia/Tokyo LC_ALL=C $(MAKE) -s dist) >/dev/null
	cmp $(DIST) $(DIST).first
	@rm $(DIST).first
	@tar tzf $(DIST) | grep -v '/$$' | sed 's|^luamcp-$(VERSION)/||' | sort > $(DIST).list
	@git ls-tree -r --name-only HEAD | sort | diff - $(DIST).list
	@rm $(DIST).list

# What a stranger gets: rocks in empty trees, used from an empty folder. The one
# of the clone; then that of the release, packed with the sources of `make dist`
# in place of those that its rockspec names, and installed from what was packed.
# Nothing is fetched.
RELEASE  := luamcp-$(VERSION)-1
LUAROCKS := env -u LUA_PATH -u LUA_CPATH luarocks --lua-version $(LUA_V)
rock: dist-check
	@scripts/deps rock
	@rm -rf $(ROCK) && mkdir -p $(ROCK)/empty
	@for spec in rockspec/*.rockspec; do $(LUAROCKS) lint $$spec || exit 1; done
	$(LUAROCKS) make --deps-mode=none --tree="$(CURDIR)/$(ROCK)/tree" $(ROCKSPEC)
	@scripts/try-rock $(LUA) "$(CURDIR)/$(ROCK)"
	@mkdir -p $(ROCK)/release
	@sed -e 's|url = "git+https.*|url = "file://$(CURDIR)/$(DIST)",|' \
	  -e 's|tag = .*|dir = "luamcp-$(VERSION)",|' rockspec/$(RELEASE).rockspec \
	  > $(ROCK)/release/$(RELEASE).rockspec
	cd $(ROCK)/release && $(LUAROCKS) pack $(RELEASE).rockspec
	cd $(ROCK)/release && $(LUAROCKS) install --deps-mode=none \
	  --tree="$(CURDIR)/$(ROCK)/release/tree" $(RELEASE).src.rock
	@scripts/try-rock $(LUA) "$(CURDIR)/$(ROCK)/release"
