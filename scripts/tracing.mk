# SPDX-License-Identifier: MIT
# make tracing-check: the spans of a server in a collector of OpenTelemetry, which is built with Go
# (needs the network once, and a few minutes), and /metrics as promtool of Prometheus reads it.

TRACING = $(BUILD)/tracing

$(TRACING)/collector: scripts/tracing/main.go scripts/tracing/go.mod
	@mkdir -p $(@D)
	@cp scripts/tracing/main.go scripts/tracing/go.mod $(@D)
	@cd $(@D) && go mod tidy >build.log 2>&1 && go build -p 2 -o collector . >>build.log 2>&1 || \
	  { tail -20 build.log; echo "make tracing-check needs Go 1.26 and the network"; exit 1; }

.PHONY: tracing-check
tracing-check: $(TRACING)/collector $(PROGRAM)
	@$(PROGRAM) run scripts/tracing.lua $(TRACING)/collector $(PROGRAM)
