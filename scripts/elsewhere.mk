# SPDX-License-Identifier: MIT
# The whole suite where the project is not developed: with another compiler, and
# on the next Debian with its newer libraries; and the command at a terminal.
.PHONY: clang debian13 terminal

clang:
	@scripts/deps hunts
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/clang CC=clang WERROR=1 \
	  SPEC=$(SPEC) test

# Only what is committed; as root. The system is made once, in build/debian13.
debian13:
	@command -v mmdebstrap >/dev/null || scripts/deps debian13
	@scripts/debian13 $(BUILD)/debian13 sh -c 'command -v make >/dev/null || { \
	  apt-get update -q && apt-get install -y -q --no-install-recommends make; }; \
	  scripts/deps && make WERROR=1 SPEC=$(SPEC) JOBS=$(JOBS) test'

# Progress, questions and Ctrl-C at a terminal, driven by keys.
terminal: build
	@command -v tmux >/dev/null || { echo "make terminal: tmux is not installed" >&2; exit 1; }
	@scripts/try-terminal $(PROGRAM)
