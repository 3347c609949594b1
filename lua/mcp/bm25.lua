-- SPDX-License-Identifier: MIT
-- bm25: an index of documents, and the documents that fit a query best, by BM25 over fields that
-- count differently (Robertson, Zaragoza: "The Probabilistic Relevance Framework", 2009). Knows
-- nothing of tools.
local terms = require "mcp.terms"

local bm25 = {}

---How fast further occurrences of a word stop counting.
bm25.K1 = 1.2
---How much longer documents count less: 0 not at all, 1 in proportion.
bm25.B = 0.75
---What a word that means about the same as one of the query counts, of what that one would.
bm25.ALIKE = 0.4

-- Verbs that a tool may be named with where a query has another one.
local GROUPS = {}
for line in ([[
add create insert make new
delete drop erase remove
enumerate list show
fetch get read retrieve
change edit modify rename set update
find lookup query search
execute launch run start
send post publish
close end stop
picture image photo
folder directory
]]):gmatch "[^\n]+" do
  local group = terms.of(line)
  for _, term in ipairs(group) do GROUPS[term] = group end
end

local Index = { __name = "mcp.bm25" }
Index.__index = {}

function Index.__tostring(self) return ("mcp.bm25 (%d)"):format(self.count) end

---@return table
function bm25.new()
  return setmetatable({ keys = {}, lengths = {}, count = 0, length = 0, postings = {},
    known = {} }, Index)
end

---Adds a document.
---@param key any what `find` gives for it
---@param fields table[] each { text, weight }
function Index.__index:add(key, fields)
  local frequency, length = {}, 0
  for _, field in ipairs(fields) do
    local weight = field[2]
    for _, term in ipairs(terms.of(field[1], self.known)) do
      frequency[term] = (frequency[term] or 0) + weight
      length = length + weight
    end
  end
  local n = self.count + 1
  self.count, self.keys[n], self.lengths[n], self.length = n, key, length, self.length + length
  for term, occurrences in pairs(frequency) do
    local posting = self.postings[term]
    if not posting then
      posting = {}
      self.postings[term] = posting
    end
    posting[#posting + 1] = n
    posting[#posting + 1] = occurrences
  end
end

-- The words of a query, each once, and what each counts. In a fixed order: sums of floats depend on
-- it.
local function weighed(query)
  local list, weights = {}, {}
  local function add(term, weight)
    if weights[term] then return end
    weights[term] = weight
    list[#list + 1] = term
  end
  local given = terms.of(query)
  for _, term in ipairs(given) do add(term, 1) end
  for _, term in ipairs(given) do
    for _, other in ipairs(GROUPS[term] or {}) do add(other, bm25.ALIKE) end
  end
  return list, weights
end

---No more documents follow: forgets what only adding them needs.
function Index.__index:close() self.known = {} end

---The keys of the documents that have any word of the query, best first; those that fit equally
---in the order in which they were added.
---@param query string
---@return any[] keys
function Index.__index:find(query)
  local scores, found = {}, {}
  local average = self.length / math.max(1, self.count)
  local k1, b = bm25.K1, bm25.B
  local list, weights = weighed(query)
  for _, term in ipairs(list) do
    local posting = self.postings[term] or {}
    local with = #posting // 2
    local rarity = weights[term] * math.log(1 + (self.count - with + 0.5) / (with + 0.5))
    for i = 1, #posting, 2 do
      local n, occurrences = posting[i], posting[i + 1]
      if not scores[n] then found[#found + 1] = n end
      scores[n] = (scores[n] or 0) + rarity * occurrences * (k1 + 1)
        / (occurrences + k1 * (1 - b + b * self.lengths[n] / average))
    end
  end
  table.sort(found, function(one, other)
    if scores[one] ~= scores[other] then return scores[one] > scores[other] end
    return one < other
  end)
  for i, n in ipairs(found) do found[i] = self.keys[n] end
  return found
end

return bm25
