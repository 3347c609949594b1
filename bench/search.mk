# SPDX-License-Identifier: MIT
# make bench-search: how often a search finds the tool that is wanted, among the tools of other
# people's servers. They are installed below $(BUILD)/bench/search (needs the network once), and
# only asked for their lists.

BENCH_SEARCH = $(BUILD)/bench/search

$(BENCH_SEARCH)/tools.json: bench/search/servers.lua bench/search/collect.lua $(PROGRAM)
	@mkdir -p $(@D)
	@cd $(@D) && PUPPETEER_SKIP_DOWNLOAD=1 npm install --silent --no-save --ignore-scripts \
	  --no-audit --no-fund $$($(LUA) -e 'for _, s in ipairs(dofile "$(CURDIR)/bench/search/servers.lua") \
	  do io.write(s.package, "@", s.version, " ") end')
	@$(PROGRAM) run bench/search/collect.lua $(@D) $@

.PHONY: bench-search
bench-search: $(BENCH_SEARCH)/tools.json
	@$(PROGRAM) run bench/search/run.lua $<
