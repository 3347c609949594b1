# SPDX-License-Identifier: MIT
# make interop: other people's clients and servers, and ours.

.PHONY: interop
interop: $(PROGRAM)
	@MCP_BUILD=$(BUILD) PROGRAM=$(PROGRAM) $(LUA) scripts/interop.lua $(ONLY)
