# SPDX-License-Identifier: MIT
# make bench-growth: how the cost of a call grows with sessions, tools, subscriptions, sizes,
# workers; and the memory of idle streams. Prints the tables of docs/scale.md.
#   make bench-growth [QUICK=1] [ROUNDS=n] [SECONDS=n] [ONLY=word]

$(BUILD)/bench/crowd.so: bench/growth/crowd.c bench/load.h
	@mkdir -p $(@D)
	$(BENCH_CC) -shared -o $@ $<

.PHONY: bench-growth
bench-growth: $(PROGRAM) $(BUILD)/bench/drive.so $(BUILD)/bench/crowd.so
	@BUILD=$(BUILD) PROGRAM=$(PROGRAM) QUICK=$(QUICK) $(PROGRAM) run bench/growth/run.lua
