# SPDX-License-Identifier: MIT
# make host: a C program with a loop of its own that has the core linked in.
HOST     := $(BUILD)/host
HOST_OBJ := $(BUILD)/obj/examples/host.o

host: $(HOST)

$(HOST): $(CORE_OBJ) $(HOST_OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -rdynamic -o $@ $^ $(LUA_IN) $(LIBS) $(LLHTTP_LIBS) -lm -ldl

$(HOST_OBJ): examples/host/host.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

.PHONY: host
