# SPDX-License-Identifier: MIT
# mcp/zlib.so: what needs zlib, as a module of its own that is loaded when the
# first compressed response arrives. The program and core.so never load libz.

ZLIB_OBJ := $(patsubst src/%.c,$(BUILD)/obj/%.o,$(sort $(wildcard src/zlib/*.c)))
ZLIB     := $(BUILD)/mcp/zlib.so
MODULES  += $(ZLIB)

# Builds and tests need the modules.
build: $(ZLIB)

$(ZLIB): $(ZLIB_OBJ)
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs zlib)
