# SPDX-License-Identifier: MIT
# make site: README.md and docs/ as a static site in build/site, with a search and llms.txt. It
# fails if a link leads nowhere. With build/pictures, which make pictures fills, the picture of the
# inspect page is part of it.
# make pictures: what the pictures show is run, and the pictures are made from that.

.PHONY: site pictures
site:
	@scripts/deps site
	@rm -rf $(BUILD)/site
	@$(LUA) scripts/site.lua $(BUILD)/site $(wildcard $(BUILD)/pictures)

pictures: $(PROGRAM)
	@scripts/deps browser
	@MCP_BUILD=$(BUILD) PROGRAM=$(PROGRAM) $(LUA) scripts/pictures.lua --browser
	@$(PROGRAM) run scripts/pictures/growth.lua
