# SPDX-License-Identifier: MIT
# make bench: figures as ratios to the bare limit; bench/README.md explains.
#   make bench [QUICK=1] [ROUNDS=n] [SECONDS=n] [CONNS=16,64] [ONLY=word] [STRICT=1]

BENCH_CC  = $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)
BENCH_OUT := $(addprefix $(BUILD)/bench/,limit echo talk relay drive.so codec.so count.so)

$(BUILD)/bench/limit: bench/limit.c $(LLHTTP_OBJ)
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ $^ $(LUA_LIBS) $(LIBS) $(LLHTTP_LIBS)

$(BUILD)/bench/echo: bench/echo.c
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ $^ $(LUA_LIBS)

$(BUILD)/bench/talk: bench/talk.c bench/load.h
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ $<

$(BUILD)/bench/relay: bench/hop/relay.c
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ $^

$(BUILD)/bench/drive.so: bench/drive.c bench/load.h
	@mkdir -p $(@D)
	$(BENCH_CC) -shared -o $@ $<

# It stays loaded until the state is closed, and a little longer.
$(BUILD)/bench/count.so: bench/count.c
	@mkdir -p $(@D)
	$(BENCH_CC) -shared -Wl,-z,nodelete -o $@ $<

$(BUILD)/bench/codec.so: bench/codec.c $(PURE_OBJ)
	@mkdir -p $(@D)
	$(BENCH_CC) -shared -o $@ $^ $(LIBS) $(LLHTTP_LIBS)

.PHONY: bench bench-programs
bench-programs: $(BENCH_OUT)

bench: $(PROGRAM) bench-programs
	@scripts/deps bench
	@BUILD=$(BUILD) PROGRAM=$(PROGRAM) QUICK=$(QUICK) $(LUA) bench/run.lua
