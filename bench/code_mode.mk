# SPDX-License-Identifier: MIT
# make bench-code-mode: tokens and turns of tasks of several calls, with and without run_lua.

.PHONY: bench-code-mode
bench-code-mode: $(PROGRAM)
	@$(PROGRAM) run bench/code_mode/run.lua
