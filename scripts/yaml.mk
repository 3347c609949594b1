# SPDX-License-Identifier: MIT
# mcp/libyaml.so: what needs libyaml, as a module of its own that is loaded when
# the first YAML is read. The program and core.so never load libyaml.

YAML_OBJ := $(patsubst src/%.c,$(BUILD)/obj/%.o,$(sort $(wildcard src/yaml/*.c)))
YAML     := $(BUILD)/mcp/libyaml.so
MODULES  += $(YAML)

# Builds and tests need the modules.
build: $(YAML)

$(YAML): $(YAML_OBJ)
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs yaml-0.1)
