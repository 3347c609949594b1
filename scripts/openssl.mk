# SPDX-License-Identifier: MIT
# mcp/openssl.so: what needs OpenSSL, as a module of its own that is loaded when
# it is first needed. The program and core.so never load libcrypto.

OPENSSL_SRC := $(sort $(wildcard src/openssl/*.c))
# Copies of its own of what it uses of base: the module hides its symbols.
OPENSSL_OBJ := $(OPENSSL_SRC:src/%.c=$(BUILD)/obj/%.o) \
               $(addprefix $(BUILD)/obj/base/,account.o buf.o crypto.o mem.o)
OPENSSL     := $(BUILD)/mcp/openssl.so
MODULES     += $(OPENSSL)

# Specs see streams from below, TLS over them too (spec/c/stream.c), and make the
# certificates for it (spec/c/certificate.c).
$(CODECS): LIBS += $(shell pkg-config --libs libssl libcrypto)
$(CODECS): $(addprefix $(BUILD)/obj/net/,gather.o listener.o loop.o memory.o peers.o socket.o stream.o tally.o tls.o)

# Builds and tests need the modules.
build: $(OPENSSL)

$(OPENSSL): $(OPENSSL_OBJ)
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $^ \
	  $(shell pkg-config --libs libssl libcrypto)
