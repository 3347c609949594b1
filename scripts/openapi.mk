# SPDX-License-Identifier: MIT
# make openapi: public OpenAPI documents imported, and an API called in every style; FastMCP beside.
.PHONY: openapi
openapi: $(PROGRAM)
	@sh scripts/openapi/fetch.sh $(BUILD)/openapi
	@$(PROGRAM) run scripts/openapi/compare.lua $(BUILD)/openapi
