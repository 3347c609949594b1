-- SPDX-License-Identifier: MIT
-- Legitimate uses of the words in scripts/words.lua: the number of hits in a file, and the reason.
-- Better rewrite the sentence. `lua scripts/words.lua --write` renews the numbers.
return {
  ["bench/search/queries.lua"] = { 3, "what people write into a search, measured as it stands" },
}
