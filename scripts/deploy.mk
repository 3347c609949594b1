# SPDX-License-Identifier: MIT
# make deploy-check: what docs/deploy.md says, tried: systemd reads the unit, and clients of both
# eras call a server through nginx and Caddy (scripts/deps deploy installs them).

.PHONY: deploy-check
deploy-check: $(PROGRAM)
	@$(PROGRAM) run scripts/deploy.lua $(PROGRAM) $(BUILD)/deploy
