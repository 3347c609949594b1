# SPDX-License-Identifier: MIT
# make interop: other people's clients and servers, and ours.
# make interop-gateway: our gateway between clients and servers of other people.

.PHONY: interop interop-gateway
interop: $(PROGRAM)
	@MCP_BUILD=$(BUILD) PROGRAM=$(PROGRAM) $(LUA) scripts/interop.lua $(ONLY)

interop-gateway: $(PROGRAM)
	@BUILD=$(BUILD) scripts/deps interop
	@mkdir -p $(BUILD)/interop $(BUILD)/node/interop
	@cp scripts/interop/small.mjs scripts/interop/gateway/client.mjs $(BUILD)/node/interop
	@PROGRAM=$(PROGRAM) $(PROGRAM) run scripts/interop/gateway/run.lua $(BUILD) $(ONLY)
