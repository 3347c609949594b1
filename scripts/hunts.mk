# Hunts: what the specs cannot see. Each builds into a folder of its own and
# ends with a failure if it finds something.
#   make failalloc [SHALLOW=1]   every allocation fails once, alone and onward
#   make gcstress [GC_SPECS=…]   conversations and specs, the collector never resting
#   make valgrind                conversations and start-up under memcheck
#   make fuzz [SECONDS=20] [RUNS=…] [TARGETS="json http_request …"]

FAULTS      := build/faults
FAULTS_MAKE  = $(MAKE) BUILD=$(FAULTS) OPT="-O1 -g -DMCP_MEM_FAULTS"
FAULTS_ENV   = MCP_BUILD=$(CURDIR)/$(FAULTS) \
               LUA_CPATH="$(CURDIR)/$(FAULTS)/?.so;$(CURDIR)/$(FAULTS)/spec/?.so;;"
# How much of the points is walked.
SHARE       := $(if $(SHALLOW),0.1,1)


faults-build:
	@$(FAULTS_MAKE) build $(FAULTS)/spec/codecs.so

failalloc: faults-build
	@$(FAULTS_ENV) MCP_LOG=off $(FAULTS)/luamcp spec/torture/run.lua failalloc $(SHARE) || \
	  { echo "the last point: $$(cat $(FAULTS)/torture.at)"; exit 1; }
	@$(FAULTS_ENV) $(LUA) spec/torture/start.lua $(FAULTS)/luamcp $(FAULTS) $(SHARE)

# The conversations, and the specs of the Lua side that do not measure time, with
# the collector at work all the time and a full collection before every step of
# a task: what is used without being held does not survive.
GC_SPECS ?= spec/mcp/front spec/mcp/feature spec/mcp/ask spec/lua/lexchange_spec.lua \
            $(addprefix spec/mcp/,$(addsuffix _spec.lua,ask async content context \
              dispatch listen server session url)) \
            $(addprefix spec/mcp/client/,$(addsuffix _spec.lua,cache call fields http \
              mirror pages rounds serve tools verbs transport/duplex transport/memory \
              transport/sse transport/websocket)) \
            spec/regress/hunts_client_spec.lua
gcstress: faults-build
	@$(FAULTS_ENV) MCP_GC_STRESS=1 MCP_LOG=off $(FAULTS)/luamcp spec/torture/run.lua once
	@MCP_GC_STRESS=1 MCP_LOG=off $(FAULTS_MAKE) SPEC="$(GC_SPECS)" test

# Errors anywhere, and blocks that nothing points to any more when the program
# has ended.
VALGRIND := valgrind -q --error-exitcode=99 --leak-check=full \
            --errors-for-leak-kinds=definite --show-leak-kinds=definite \
            --log-file=$(FAULTS)/valgrind-%p.log
# Its remarks on system calls it does not know begin with dashes.
valgrind: faults-build
	@rm -f $(FAULTS)/valgrind-*.log
	@{ $(FAULTS_ENV) MCP_LOG=off $(VALGRIND) $(FAULTS)/luamcp spec/torture/run.lua once && \
	  $(FAULTS_ENV) MCP_LOG=off $(VALGRIND) $(FAULTS)/luamcp spec/torture/run.lua failalloc 0.04 && \
	  $(FAULTS_ENV) $(LUA) spec/torture/start.lua "$(VALGRIND) $(FAULTS)/luamcp" $(FAULTS) 0.001; } || \
	  { grep -hv '^--' $(FAULTS)/valgrind-*.log; exit 1; }

# libFuzzer, so clang. New inputs are kept in build/fuzz/corpus, what fails in
# build/fuzz; the seeds in spec/fuzz/corpus are ours and few.
FUZZ       := build/fuzz
FUZZ_CC    ?= clang
FUZZ_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SECONDS    ?= 20
RUNS       ?= -1
TARGETS    ?= $(sort $(basename $(notdir $(wildcard spec/fuzz/*.lua) \
                $(filter-out spec/fuzz/lua.c,$(wildcard spec/fuzz/*.c)))))
# A number of runs takes as long as it takes.
FUZZ_LIMIT  = $(if $(filter -1,$(RUNS)),-max_total_time=$(SECONDS),-runs=$(RUNS))

fuzz:
	@$(MAKE) BUILD=$(FUZZ) CC=$(FUZZ_CC) TARGETS="$(TARGETS)" \
	  OPT="-O1 -g $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link" fuzz-targets
	@bad=; for t in $(TARGETS); do \
	  mkdir -p $(FUZZ)/corpus/$$t; \
	  MCP_LOG=off ASAN_OPTIONS=detect_leaks=0 $(FUZZ)/target/$$t $(FUZZ_LIMIT) -timeout=10 \
	    -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
	    -artifact_prefix=$(FUZZ)/$$t- $(FUZZ)/corpus/$$t spec/fuzz/corpus/$$t \
	    >$(FUZZ)/$$t.log 2>&1 || { bad=1; echo "FOUND by $$t:"; tail -40 $(FUZZ)/$$t.log; }; \
	  printf "%-14s %s runs\n" $$t "$$(sed -n 's/^stat::number_of_executed_units: *//p' \
	    $(FUZZ)/$$t.log)"; \
	done; test -z "$$bad"

.PHONY: fuzz-targets faults-build
fuzz-targets: $(TARGETS:%=$(FUZZ)/target/%)

FUZZ_LINK = $(CC) $(CPPFLAGS) -Ispec/fuzz $(CFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer -rdynamic \
            -o $@ $(filter %.c %.o,$^) $(LUA_IN) $(LIBS) $(LLHTTP_LIBS) -lm -ldl

$(FUZZ)/target/%: spec/fuzz/%.c $(CORE_OBJ) $(wildcard spec/fuzz/*.h)
	@mkdir -p $(@D)
	$(FUZZ_LINK)

$(FUZZ)/target/%: spec/fuzz/lua.c $(CORE_OBJ) spec/fuzz/%.lua $(wildcard spec/fuzz/*.h)
	@mkdir -p $(@D)
	$(FUZZ_LINK) -DTARGET='"spec/fuzz/$*.lua"'
