# SPDX-License-Identifier: MIT
# mcp/openssl.so: what needs OpenSSL, as a module of its own that is loaded when
# it is first needed. The program and core.so never load libcrypto.

OPENSSL_SRC := $(sort $(wildcard src/openssl/module/*.c))
# Copies of its own of what it uses of base: the module hides its symbols.
OPENSSL_OBJ := $(OPENSSL_SRC:src/%.c=$(BUILD)/obj/%.o) \
               $(addprefix $(BUILD)/obj/base/,buf.o crypto.o mem.o)
OPENSSL     := $(BUILD)/mcp/openssl.so
MODULES     += $(OPENSSL)

# Whoever builds, or tests, wants the modules.
build: $(OPENSSL)

$(OPENSSL): $(OPENSSL_OBJ)
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $^ \
	  $(shell pkg-config --libs libcrypto)
