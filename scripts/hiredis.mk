# SPDX-License-Identifier: MIT
# mcp/hiredis.so: what needs hiredis, as a module of its own that is loaded when a
# server is given the address of a Redis. The program and core.so never load
# hiredis. Where it is not installed the module is left out.

HAS_HIREDIS := $(filter yes,$(shell pkg-config --exists hiredis 2>/dev/null && echo yes))
HIREDIS_OBJ := $(patsubst src/%.c,$(BUILD)/obj/%.o,$(sort $(wildcard src/hiredis/*.c)))
HIREDIS     := $(BUILD)/mcp/hiredis.so
ifneq ($(HAS_HIREDIS),)
MODULES     += $(HIREDIS)

# Builds and tests need the modules.
build: $(HIREDIS)
endif

$(HIREDIS): $(HIREDIS_OBJ)
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs hiredis)
