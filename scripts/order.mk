# A suite that does not depend on what ran before, nor on how long the machine is up.
#   make test SHUFFLE=1 [SEED=…]   files and tests in an order drawn from SEED, all in one process
#   make test CLOCK=4294960        the monotonic clock stands at so many seconds
SPEC_ORDER = $(if $(SHUFFLE),--shuffle $(if $(SEED),--seed=$(SEED)))

ifneq ($(CLOCK),)
SPEC_SHIM := $(BUILD)/spec/clock.so
SPEC_ENV   = MCP_CLOCK_START=$(CLOCK) \
             LD_PRELOAD=$${LD_PRELOAD:+$$LD_PRELOAD:}$(CURDIR)/$(SPEC_SHIM)
endif

$(BUILD)/spec/clock.so: spec/shim/clock.c
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) $(HARDEN) $(LDFLAGS) -o $@ $<

# Preloaded by the spec that turns a name round between two lookups.
$(BUILD)/spec/resolver.so: spec/shim/resolver.c
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) -fvisibility=default $(HARDEN) $(LDFLAGS) -o $@ $< -ldl

# Preloaded by the specs of TLS sessions, which move the time of day.
$(BUILD)/spec/day.so: spec/shim/day.c
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) -fvisibility=default $(HARDEN) $(LDFLAGS) -o $@ $<
