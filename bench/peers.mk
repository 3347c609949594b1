# SPDX-License-Identifier: MIT
# make bench-peers: luamcp beside other MCP servers, in the same run; writes bench/RESULTS.md.
#   make bench-peers [QUICK=1] [ROUNDS=n] [SECONDS=n] [PEERS=rmcp,go-sdk]
# The servers are in bench/peers, their packages and builds below $(BUILD)/peers. What cannot be
# built is left out and named with the reason: the end of its build.log.

PEERS_OUT = $(BUILD)/peers

$(PEERS_OUT)/rmcp/peer: $(wildcard bench/peers/rmcp/Cargo.toml bench/peers/rmcp/src/*)
	@mkdir -p $(@D)
	@rm -f $@ && cp -r bench/peers/rmcp/. $(@D)
	@echo "bench-peers: building rmcp, which takes minutes"
	@cd $(@D) && { cargo build --release --target-dir target >build.log 2>&1 && \
	  cp target/release/peer peer || echo "bench-peers: rmcp could not be built"; }

$(PEERS_OUT)/%/peer: bench/peers/%/go.mod bench/peers/%/main.go
	@mkdir -p $(@D)
	@rm -f $@ && cp $^ $(@D)
	@echo "bench-peers: building $*"
	@cd $(@D) && { go mod tidy >build.log 2>&1 && go build -trimpath -o peer . >>build.log 2>&1 || \
	  echo "bench-peers: $* could not be built"; }

.PHONY: bench-peers bench-peers-build
bench-peers-build:
	@scripts/deps bench peers
	@$(MAKE) --no-print-directory -k $(foreach peer,rmcp go-sdk mcp-go,$(PEERS_OUT)/$(peer)/peer)
	@cp bench/peers/typescript/main.mjs $(PEERS_OUT)/typescript/

bench-peers: $(PROGRAM) bench-programs bench-peers-build
	@BUILD=$(BUILD) PROGRAM=$(PROGRAM) QUICK=$(QUICK) $(LUA) bench/peers/run.lua
