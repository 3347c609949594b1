# Does the suite notice a wrong edit? See scripts/mutate.lua.
#   make mutate [COUNT=20] [SEED=…] [FILES=src/net] [NEAR=1] [REST=n] [AGAIN=1] [PART=1/2]
.PHONY: mutate
mutate:
	@mkdir -p build/mutate
	@COUNT="$(COUNT)" SEED="$(SEED)" FILES="$(FILES)" NEAR="$(NEAR)" REST="$(REST)" AGAIN="$(AGAIN)" \
	  PART="$(PART)" $(LUA) scripts/mutate.lua
