# SPDX-License-Identifier: MIT
# make static: the program in one file that needs nothing of the system, for
# empty containers; make static TLS=0 leaves OpenSSL out. It is the ordinary
# build in a folder of its own, with archives in place of shared libraries.
STATIC_DIR := $(BUILD)/static$(if $(filter 0,$(TLS)),-without-tls)
TLS        ?= 1

.PHONY: static static-check

static:
	@scripts/deps static
	@scripts/wslay-source $(BUILD)/wslay
	@$(MAKE) --no-print-directory BUILD=$(STATIC_DIR) STATIC=1 TLS=$(TLS) \
	  WSLAY_SRC=$(BUILD)/wslay OPT="-Os -ffunction-sections -fdata-sections \
	  -fno-asynchronous-unwind-tables" \
	  $(STATIC_DIR)/luamcp

# Runs it in a folder that holds nothing else, and shows size and start.
static-check: static build
	@scripts/try-static $(STATIC_DIR)/luamcp $(TLS)

ifdef STATIC
# The modules that are loaded when they are needed are in here from the start.
WITH_TLS      := $(filter-out 0,$(TLS))
$(BUILD)/obj/main.o: CPPFLAGS += -DMCP_LINKED $(if $(WITH_TLS),-DMCP_LINKED_TLS) \
  $(if $(HAS_HIREDIS),-DMCP_LINKED_HIREDIS)

# wslay has no archive on Debian; half of its sources are used.
WSLAY_OBJ     := $(patsubst %,$(BUILD)/obj/wslay/%.o,wslay_frame wslay_net)
ifneq ($(wildcard $(WSLAY_SRC)/includes),)
override CPPFLAGS := -isystem $(WSLAY_SRC)/includes $(CPPFLAGS)
endif
$(BUILD)/obj/wslay/%.o: $(WSLAY_SRC)/%.c
	@mkdir -p $(@D)
	$(CC) -I$(WSLAY_SRC) -DHAVE_ARPA_INET_H -DHAVE_NETINET_IN_H $(CPPFLAGS) \
	  -std=c11 -fPIC $(OPT) -w -c -o $@ $<

archive = $(firstword $(foreach dir,$(shell $(CC) -print-search-dirs | \
  sed -n 's/^libraries: =//p' | tr : ' '),$(wildcard $(addprefix $(dir)/,$(1)))) \
  $(firstword $(1)))
STATIC_LIBS   := $(call archive,liblua5.4-cjson.a) $(call archive,libuv_a.a libuv.a) \
                 $(if $(LLHTTP_OBJ),,$(call archive,libllhttp.a)) -lpcre2-8 \
                 $(if $(WITH_TLS),$(shell pkg-config --static --libs openssl)) -lz -lyaml \
                 $(if $(HAS_HIREDIS),-lhiredis)
STATIC_OBJ    := $(sort $(CORE_OBJ) $(ZLIB_OBJ) $(YAML_OBJ) $(if $(WITH_TLS),$(OPENSSL_OBJ)) \
                 $(if $(HAS_HIREDIS),$(HIREDIS_OBJ)) $(WSLAY_OBJ) $(PROGRAM_OBJ))
# Said of the archives, and known: names of users and hosts need libc's own
# files at run time, where a system has configured more than files and DNS.
QUIET         := statically linked applications requires at runtime|in function|does not take linker
$(PROGRAM): $(STATIC_OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -static-pie -Wl,--gc-sections -Wl,-z,pack-relative-relocs -s -o $@ $^ \
	  $(LUA_IN) $(STATIC_LIBS) -lm 2> $@.log || { cat $@.log >&2; exit 1; }
	@grep -vE '$(QUIET)' $@.log >&2; [ -x $@ ]
endif
