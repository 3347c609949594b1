# luamcp: build, test, hunt. `make` builds the module and the program in
# build/; docs/contributing.md says what every other target is for.

comma    := ,
LUA      ?= lua5.4
LUA_PC   ?= $(firstword $(shell for p in lua5.4 lua-5.4 lua54; do \
              pkg-config --exists $$p 2>/dev/null && echo $$p; done) lua5.4)
BUILD    ?= build
# The only place that says it; rockspecs, man page and packages follow.
VERSION  := $(shell sed -n 's/^.define MCP_VERSION "\(.*\)"$$/\1/p' src/base/version.h)
PREFIX   ?= /usr/local
CC       ?= cc
SPEC     ?= spec
WERROR   ?=

WARN     := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wvla $(if $(WERROR),-Werror)
OPT      ?= -O2 -g
PKGS     := $(LUA_PC) libuv libpcre2-8
HARDEN   := -D_GNU_SOURCE -fstack-protector-strong
override CPPFLAGS += -Isrc $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(HARDEN)
override CFLAGS   += -std=c11 -fPIC -fvisibility=hidden $(WARN) $(OPT)
LIBS     := $(shell pkg-config --libs libuv libpcre2-8 2>/dev/null) -lwslay
LUA_LIBS := $(shell pkg-config --libs $(LUA_PC) 2>/dev/null)
# The program takes Lua in whole where there is an archive of it, as Debian's
# own lua5.4 does: it starts sooner, and C modules find Lua's functions in it.
LUA_A    := $(firstword $(wildcard $(addprefix $(shell pkg-config \
              --variable=libdir $(LUA_PC) 2>/dev/null)/lib,lua5.4.a lua-5.4.a)))
LUA_IN   := $(if $(LUA_A),-Wl$(comma)--whole-archive $(LUA_A) \
              -Wl$(comma)--no-whole-archive,$(LUA_LIBS))

# llhttp: the system's library where there is one, else the C sources that
# Debian's node-llhttp installs, compiled strict (their default is loose).
LLHTTP_SRC ?= /usr/share/llhttp
ifeq ($(shell pkg-config --exists libllhttp 2>/dev/null && echo yes),yes)
LLHTTP_LIBS := $(shell pkg-config --libs libllhttp)
else
override CPPFLAGS += -isystem /usr/share/include/llhttp -DLLHTTP_STRICT_MODE=1
LLHTTP_OBJ := $(patsubst %,$(BUILD)/obj/llhttp/%.o,api http llhttp)
endif

# mcp/openssl.so, mcp/zlib.so, mcp/libyaml.so and mcp/hiredis.so are modules of
# their own: scripts/openssl.mk, scripts/zlib.mk, scripts/yaml.mk, scripts/hiredis.mk.
CORE_SRC := $(sort $(filter-out src/openssl/% src/zlib/% src/yaml/% src/hiredis/%, \
              $(wildcard src/*/*.c)))
CORE_OBJ := $(CORE_SRC:src/%.c=$(BUILD)/obj/%.o) $(LLHTTP_OBJ)
PURE_OBJ := $(filter $(BUILD)/obj/base/% $(BUILD)/obj/wire/%,$(CORE_OBJ)) \
            $(LLHTTP_OBJ) $(BUILD)/obj/lua/value.o \
            $(BUILD)/obj/lua/value_fault.o $(BUILD)/obj/lua/copy.o \
            $(BUILD)/obj/lua/lkind.o
SPEC_SRC := $(sort $(wildcard spec/c/*.c))
SPEC_OBJ := $(SPEC_SRC:spec/%.c=$(BUILD)/obj/spec/%.o)
LUA_SRC  := $(sort $(shell find lua -name '*.lua' -not -name '*.types.lua'))
# The inspect page: files that Lua modules read, installed and embedded too.
LUA_DATA := $(sort $(shell find lua -name '*.html' -o -name '*.css' -o -name '*.js'))
# The command-line parser of the program: a library, embedded like our own files.
# LuaRocks keeps its rocks where Lua may not look.
ARGPARSE := $(shell $(LUA) -e 'print(assert(package.searchpath("argparse", \
              package.path .. ";$(ROCKS_LUADIR)/?.lua")))' 2>/dev/null)
CORE     := $(BUILD)/mcp/core.so
CODECS   := $(BUILD)/spec/codecs.so
PROGRAM  := $(BUILD)/luamcp
PROGRAM_OBJ := $(addprefix $(BUILD)/obj/,main.o embedded.o)

export LUA_PATH  := $(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;$(CURDIR)/?.lua;;
export LUA_CPATH := $(CURDIR)/$(BUILD)/?.so;$(CURDIR)/$(BUILD)/spec/?.so;;
export MCP_BUILD := $(CURDIR)/$(BUILD)
# Specs compare lines of the log.
export MCP_LOG_TIME := 0

export LUA

.PHONY: all build deps clean test check lint format-check format demo asan \
        valgrind gcstress failalloc tsan fuzz conformance interop bench gdb

all: build
build: $(CORE) $(PROGRAM)

$(CORE): $(CORE_OBJ)
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(LLHTTP_LIBS)

$(CODECS): $(PURE_OBJ) $(SPEC_OBJ)
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(LLHTTP_LIBS)

ifndef STATIC # else scripts/static.mk links it
$(PROGRAM): $(CORE_OBJ) $(PROGRAM_OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -rdynamic -o $@ $^ $(LUA_IN) $(LIBS) $(LLHTTP_LIBS) -lm -ldl
endif

# The Lua side, compiled and put into the program, so that it starts without
# looking for a file.
$(BUILD)/embedded.c: scripts/embed.lua scripts/slim.lua $(LUA_SRC) $(LUA_DATA) $(ARGPARSE)
	@mkdir -p $(@D)
	$(LUA) scripts/embed.lua lua $(LUA_SRC) $(LUA_DATA) \
	  $(ARGPARSE:%=argparse=%) > $@.new && mv $@.new $@

$(BUILD)/obj/embedded.o: $(BUILD)/embedded.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/spec/%.o: spec/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/llhttp/%.o: $(LLHTTP_SRC)/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -std=c11 -fPIC -fvisibility=hidden $(OPT) -w -c -o $@ $<

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# --- set-up -----------------------------------------------------------------
# Before a developer's goal, what is missing is installed; make then reads this
# file again, and so asks pkg-config again.
DEV_GOALS := demo test lint format check asan valgrind gcstress failalloc tsan fuzz \
             conformance interop interop-gateway bench hunts hunt-%
ifneq ($(filter $(DEV_GOALS),$(MAKECMDGOALS)),)
include $(BUILD)/deps.mk
endif
$(BUILD)/deps.mk: scripts/deps
	@scripts/deps
	@mkdir -p $(@D) && : > $@

deps:
	@scripts/deps

# --- trying and testing -----------------------------------------------------
demo: build
	@$(PROGRAM) run scripts/demo.lua

include scripts/order.mk
BUSTED := busted --lua=$(LUA) --output=spec/report.lua $(SPEC_ORDER)
# Spec files at a time.
JOBS   ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)

# make test SPEC=spec/wire/json_spec.lua runs one file, with its output as it comes.
test: build $(CODECS) $(BUILD)/host $(BUILD)/spec/resolver.so $(BUILD)/spec/day.so \
  $(SPEC_SHIM)
	@$(SPEC_ENV) $(if $(SHUFFLE)$(filter %.lua,$(SPEC)),$(BUSTED) $(SPEC), \
	  $(LUA) spec/run.lua $(JOBS) '$(BUSTED)' $(SPEC))

gdb: build $(CODECS)
	gdb --args $(LUA) $$(command -v busted) --ignore-lua $(SPEC)

lint:
	@luacheck -q lua spec examples bench scripts
	@command -v node >/dev/null || exit 0; \
	for file in $(filter %.js,$(LUA_DATA)); do node --check $$file || exit 1; done

C_FILES := $(shell find src spec/c spec/shim bench examples -name '*.[ch]' 2>/dev/null)

format-check:
	@clang-format --dry-run -Werror $(C_FILES)

format:
	@clang-format -i $(C_FILES)

# All three run, whatever the first one says; the end names what to run next.
check:
	@red=; for goal in lint format-check test; do \
	  $(MAKE) --no-print-directory $$goal || red="$$red $$goal"; \
	done; \
	for goal in $$red; do case $$goal in \
	  lint) echo "check: lint is red; after the change: make lint";; \
	  format-check) echo "check: the layout of C files differs; mend it: make format";; \
	  test) echo "check: specs are red; one file alone: make test SPEC=spec/..._spec.lua";; \
	esac; done; [ -z "$$red" ]

# --- hunts: the same suite, built or driven to find what hides ----------------
ASAN_LIBS = $(shell $(CC) -print-file-name=libasan.so):$(shell $(CC) -print-file-name=libubsan.so)

# Address and undefined behaviour, in the module under test. Leaks are the
# business of failalloc, which counts our own bytes.
asan:
	@$(MAKE) BUILD=build/asan OPT="-O1 -g -fsanitize=address,undefined \
	  -fno-omit-frame-pointer -fno-sanitize-recover=undefined" \
	  build build/asan/spec/codecs.so
	@ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	  LD_PRELOAD=$(ASAN_LIBS) $(MAKE) BUILD=build/asan OPT="-O1 -g \
	  -fsanitize=address,undefined -fno-omit-frame-pointer \
	  -fno-sanitize-recover=undefined" SPEC=$(SPEC) test

include scripts/openssl.mk
include scripts/zlib.mk
include scripts/yaml.mk
include scripts/hiredis.mk
include scripts/static.mk
include bench/bench.mk
include bench/peers.mk
include bench/growth.mk
include bench/search.mk
include bench/code_mode.mk
include scripts/embedding.mk
include scripts/install.mk
include scripts/deb.mk
include scripts/elsewhere.mk
include scripts/hunts.mk
include scripts/mutate.mk
include scripts/conformance.mk
include scripts/interop.mk
include scripts/openapi.mk
include scripts/autobahn.mk
include scripts/browser.mk
include scripts/site.mk
include scripts/tracing.mk
include scripts/deploy.mk

clean:
	rm -rf build
