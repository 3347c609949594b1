# Hunts: what the specs cannot see. Each builds into a folder of its own and
# ends with a failure if it finds something.
#   make failalloc [SHALLOW=1]   every allocation fails once, alone and onward
#   make gcstress [GC_SPECS=…]   conversations and specs, the collector never resting
#   make valgrind                conversations and start-up under memcheck
#   make hunts [SHALLOW=1]       attacks on the whole program: spec/hunts
#   make tsan [SHALLOW=1] [TSAN_SPECS=…]   specs of threads under ThreadSanitizer
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
# a task: what is used without being held does not survive. Time limits of the
# specs are multiplied by MCP_SLOW, see spec/pace.lua. Each file has a process of its
# own: a collection takes as long as all that is held. SHALLOW=1 takes fewer specs.
GC_SLOW  ?= 20
GC_SPECS ?= spec/mcp/server/front spec/mcp/server/feature spec/mcp/server/ask spec/mcp/message \
            spec/lua/lexchange_spec.lua spec/regress/clients_leave_nothing_spec.lua \
            $(addprefix spec/mcp/,$(addsuffix _spec.lua,async content url \
              $(addprefix server/,context dispatch init session listen/init listen/serve) \
              $(addprefix client/,cache call fields http input_required pages serve \
                tools verbs transport/duplex transport/memory transport/sse \
                transport/websocket)))
GC_SHALLOW := $(addprefix spec/mcp/,$(addsuffix _spec.lua,server/front/duplex \
                server/front/legacy server/front/modern server/ask/live server/session \
                client/call client/transport/memory))
GC_CHOSEN  := $(if $(SHALLOW),$(GC_SHALLOW),$(GC_SPECS))
gcstress: faults-build
	@for f in $(GC_CHOSEN); do test -e $$f || { echo "gcstress: there is no $$f"; exit 1; }; done
	@$(FAULTS_ENV) MCP_SLOW=$(GC_SLOW) MCP_GC_STRESS=1 MCP_LOG=off $(FAULTS)/luamcp \
	  spec/torture/run.lua once
	@$(FAULTS_ENV) MCP_SLOW=$(GC_SLOW) MCP_GC_STRESS=1 MCP_LOG=off \
	  $(LUA) spec/run.lua $(JOBS) '$(BUSTED)' $(GC_CHOSEN)

# Errors anywhere, and blocks that nothing points to any more when the program
# has ended. SHALLOW=1 fails fewer allocations, and in whole clients none; they all
# hold their conversation once.
VALGRIND_SLOW  ?= 100
VALGRIND_SHARE := $(if $(SHALLOW),0.005,0.04)
VALGRIND := valgrind -q --error-exitcode=99 --leak-check=full \
            --errors-for-leak-kinds=definite --show-leak-kinds=definite \
            --log-file=$(FAULTS)/valgrind-%p.log
# Its remarks on system calls it does not know begin with dashes.
valgrind: faults-build
	@rm -f $(FAULTS)/valgrind-*.log
	@export MCP_LOG=off MCP_SLOW=$(VALGRIND_SLOW) $(FAULTS_ENV); \
	  { $(VALGRIND) $(FAULTS)/luamcp spec/torture/run.lua once && \
	  MCP_SLOW=20 TORTURE_CLIENTS=$(if $(SHALLOW),no) \
	    $(VALGRIND) $(FAULTS)/luamcp spec/torture/run.lua failalloc $(VALGRIND_SHARE) && \
	  $(LUA) spec/torture/start.lua "$(VALGRIND) $(FAULTS)/luamcp" $(FAULTS) 0.001; } || \
	  { grep -hv '^--' $(FAULTS)/valgrind-*.log; exit 1; }

# Data races, where there are threads of ours: the module is instrumented, the
# interpreter and libuv are not, so what they share with us is seen from our
# side. scripts/tsan.supp has the one suppression. busted's launcher is another
# Lua, which ThreadSanitizer keeps from starting anything: the interpreter runs
# it itself. SHALLOW=1 leaves out the tests that take longest.
TSAN       := build/tsan
TSAN_MAKE   = $(MAKE) BUILD=$(TSAN) OPT="-O1 -g -fsanitize=thread -fno-omit-frame-pointer"
TSAN_SPECS ?= spec/lua/copy_spec.lua spec/net/thread_spec.lua spec/mcp/folder_spec.lua \
              spec/mcp/worker_spec.lua spec/lua/lwatch_spec.lua \
              spec/mcp/server/feature/budget_spec.lua
TSAN_LEAST  = $(if $(SHALLOW),--filter-out="hostile set" --filter-out="200 times")
TSAN_ENV    = MCP_BUILD=$(CURDIR)/$(TSAN) TSAN_OPTIONS="second_deadlock_stack=1 suppressions=$(CURDIR)/scripts/tsan.supp" \
              LUA_CPATH="$(CURDIR)/$(TSAN)/?.so;$(CURDIR)/$(TSAN)/spec/?.so;;"
tsan:
	@$(TSAN_MAKE) build $(TSAN)/spec/codecs.so
	@for spec in $(TSAN_SPECS); do \
	  env $(TSAN_ENV) LD_PRELOAD=$$($(CC) -print-file-name=libtsan.so) \
	    $(LUA) $$(command -v busted) --ignore-lua --output=spec/report.lua \
	      $(TSAN_LEAST) $$spec || exit 1; \
	done

# libFuzzer, so clang. New inputs are kept in build/fuzz/corpus, what fails in
# build/fuzz; the seeds in spec/fuzz/corpus are ours and few. Targets in Lua are
# guided by the lines they run, see spec/fuzz/lua.c.
#   make fuzz-guidance [RUNS=100000]   what that brings, from the same seed
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
	  printf "%-14s %10s runs%s\n" $$t \
	    "$$(sed -n 's/^stat::number_of_executed_units: *//p' $(FUZZ)/$$t.log)" \
	    "$$(sed -n 's/^stat::lua_edges: /, edges of Lua: /p' $(FUZZ)/$$t.log)"; \
	done; test -z "$$bad"

# --- attacks on the whole program, one file each in spec/hunts -----------------
#   make hunt-churn [SHALLOW=1] [DEPTH=0.1] [SEED=n]     one of them
#   make hunts [SHALLOW=1] [DEPTH=…]                     all, and the table of results
HUNTS := $(filter-out hunt server proxy,$(basename $(notdir $(wildcard spec/hunts/*.lua))))
HUNT_ENV = SHALLOW="$(SHALLOW)" DEPTH="$(DEPTH)" SEED="$(SEED)"
# So long at most, in seconds: none of them has a reason to hang.
HUNT_LIMIT ?= 3600

hunt-build: build $(CODECS) $(BUILD)/spec/shim.so

.PHONY: hunts hunt-build
$(HUNTS:%=hunt-%): hunt-%: hunt-build
	@$(HUNT_ENV) timeout -k 5 $(HUNT_LIMIT) $(LUA) spec/hunts/$*.lua

hunts: hunt-build
	@bad=; for hunt in $(HUNTS); do \
	  $(MAKE) --no-print-directory hunt-$$hunt || bad="$$bad $$hunt"; \
	done; cat $(HUNTS:%=$(BUILD)/hunts/%.row); \
	test -z "$$bad" || { echo "hunts that found something:$$bad"; exit 1; }

# Makes chosen system calls of the program that loads it fail or come back short.
$(BUILD)/spec/shim.so: spec/hunts/shim.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -fvisibility=default -shared -o $@ $< -ldl

# Each target in Lua without and with guidance, from the seeds of the tree alone.
GUIDED := $(filter-out dispatch,$(sort $(basename $(notdir $(wildcard spec/fuzz/*.lua)))))
fuzz-guidance:
	@$(MAKE) BUILD=$(FUZZ) CC=$(FUZZ_CC) TARGETS="$(GUIDED)" \
	  OPT="-O1 -g $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link" fuzz-targets
	@for t in $(GUIDED); do for way in blind guided; do \
	  rm -rf $(FUZZ)/guidance; mkdir -p $(FUZZ)/guidance; \
	  env $$(test $$way = guided || echo MCP_FUZZ_BLIND=1) MCP_LOG=off ASAN_OPTIONS=detect_leaks=0 \
	    $(FUZZ)/target/$$t -runs=$(if $(filter -1,$(RUNS)),100000,$(RUNS)) -seed=1 -timeout=10 \
	    -max_len=4096 -artifact_prefix=$(FUZZ)/$$t- $(FUZZ)/guidance spec/fuzz/corpus/$$t \
	    >$(FUZZ)/guidance.log 2>&1 || { tail -40 $(FUZZ)/guidance.log; exit 1; }; \
	  printf "%-12s %-8s edges of Lua: %6s\n" $$t $$way \
	    "$$(sed -n 's/^stat::lua_edges: //p' $(FUZZ)/guidance.log)"; \
	done; done

# Lines and branches that the suite runs, of C by gcov and of Lua by a line hook.
# Not counted: what ends by _exit or a signal, such as guards and servers that specs kill.
COVERAGE      := build/coverage
COVERAGE_MAKE  = $(MAKE) BUILD=$(COVERAGE) OPT="-O0 -g --coverage" LDFLAGS=--coverage
coverage:
	@rm -rf $(COVERAGE)/lines; find $(COVERAGE) -name '*.gcda' -delete 2>/dev/null; \
	  mkdir -p $(COVERAGE)/lines
	@$(COVERAGE_MAKE) build $(COVERAGE)/spec/codecs.so $(COVERAGE)/host
	@$(CC) $(CPPFLAGS) $(CFLAGS) -shared -o $(COVERAGE)/lines.so spec/hunts/lines.c
	@MCP_SLOW=3 LUA_INIT='require "lines"' MCP_LINES=$(CURDIR)/$(COVERAGE)/lines \
	  $(COVERAGE_MAKE) SPEC="$(SPEC)" test || echo "coverage: the suite is red, see above"
	@$(LUA) scripts/hunts/coverage.lua $(COVERAGE)

# The suite, or SPEC, again and again until it fails, TIMES at most.
TIMES ?= 50
flake: build $(CODECS) $(BUILD)/host
	@for n in $$(seq $(TIMES)); do \
	  $(MAKE) --no-print-directory SPEC="$(SPEC)" test >$(BUILD)/flake.log 2>&1 || { \
	    tail -40 $(BUILD)/flake.log; echo "flake: run $$n of $(TIMES) failed"; exit 1; }; \
	done; echo "flake: $(TIMES) runs, none failed"

.PHONY: coverage flake fuzz-targets fuzz-guidance faults-build
fuzz-targets: $(TARGETS:%=$(FUZZ)/target/%)

FUZZ_LINK = $(CC) $(CPPFLAGS) -Ispec/fuzz $(CFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer -rdynamic \
            -o $@ $(filter %.c %.o,$^) $(LUA_IN) $(LIBS) $(LLHTTP_LIBS) -lm -ldl

$(FUZZ)/target/%: spec/fuzz/%.c $(CORE_OBJ) $(wildcard spec/fuzz/*.h)
	@mkdir -p $(@D)
	$(FUZZ_LINK)

$(FUZZ)/target/%: spec/fuzz/lua.c $(CORE_OBJ) spec/fuzz/%.lua $(wildcard spec/fuzz/*.h)
	@mkdir -p $(@D)
	$(FUZZ_LINK) -DTARGET='"spec/fuzz/$*.lua"'
