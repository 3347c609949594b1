# SPDX-License-Identifier: MIT
# make conformance: the official suite against spec/conformance/server.lua, and
# with spec/conformance/client.lua as its client; before it the gate without
# a server.

CONFORMANCE = MCP_BUILD=$(BUILD) PROGRAM=$(PROGRAM) $(LUA) scripts/conformance.lua

.PHONY: conformance
conformance: build
	@$(CONFORMANCE) --self-test
	@$(CONFORMANCE) $(LEG)
