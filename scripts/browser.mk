# SPDX-License-Identifier: MIT
# make browser: headless Chromium as a client, and the inspect page in it.

.PHONY: browser
browser: $(PROGRAM)
	@scripts/deps browser
	@MCP_BUILD=$(BUILD) PROGRAM=$(PROGRAM) $(LUA) scripts/browser.lua $(ONLY)
