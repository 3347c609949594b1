-- SPDX-License-Identifier: MIT
-- words.lua: finds the words that only the authors of this tree understand. spec/words_spec.lua
-- allows no hits but the legitimate uses in spec/words_left.lua.
--   lua scripts/words.lua            the number of hits of each file, and the total
--   lua scripts/words.lua FILE...    every hit in these files, with its line
--   lua scripts/words.lua --write    writes spec/words_left.lua; each use then needs its reason
local words = {}

-- Searched in lower case, line by line. `%f[%w_]` and `%f[^%w_]` are the borders of a word.
local function word(text) return "%f[%w_]" .. text .. "%f[^%w_]" end

---The patterns, each with what to write instead. A phrase of `allowed` (a pattern too) is removed
---from the line before the search.
words.LIST = {
  { "ways%->", "ops->" }, { word "[%w_]*_ways_t", "..._ops_t" }, { word "ways", "ops, or forms",
    -- "In two ways", "both ways" and "ways to" are plain English.
    allowed = { "both ways", "two ways", "three ways", "four ways", "ways to ", "ways of " } },
  { "way back", "response path, reply" },
  { word "anew", "again, new, reconnect" },
  { word "behind", "after",
    -- A server is behind a proxy, a call waits behind another one, a child leaves files behind.
    allowed = { "behind an? [%w%- ]*proxy", "behind [%w%- ]*prox", "behind a load balancer",
      "behind a network bridge", "behind one address", "wait%a* behind", "behind the calls",
      "behind slow ones", "leav%a*[%w%- ]+ behind", "left behind", "left [%w]+ behind" } },
  { word "is none", "unknown X, unsupported X", allowed = { "there is none" } },
  { word "are none", "unknown X", allowed = { "there are none" } },
  { word "nobody", "no one, no client, not authorized", allowed = { '"nobody%."' } },
  { word "somebody", "a client, a caller, a user" }, { word "anybody", "any client" },
  { word "everybody", "every client, all" }, { word "whoever", "the caller, the client" },
  { word "who", "the caller that, which",
    -- Persons are "who"; so is a caller, where authorization is meant.
    allowed = { "person who", "people who", "users? who", "someone who", "anyone who",
      "everyone who", "those who", "all who", "no one who", "callers? who", "operators? who",
      "authors? who", "readers? who", "owners? who", "administrators? who", "developers? who",
      "{who}", "who is there", "who may ", "who sees ", "decides? who ", "see who " } },
  { word "whom", "the caller that, to which" },
  { "bad luck", "runtime error" }, { word "misus%a*", "programming error" },
  { word "lane[s_t]*", "slot" }, { word "mcp_ward[%w_]*", "mcp_loop_cleanup" },
  { word "ward[s]*", "loop cleanup" }, { word "dog", "watchdog", allowed = { "lazy dog" } },
  { word "farewell%a*", "last message" },
  { word "told", "reported, notified, sent; cancel_seen" }, { word "doomed", "close_on_yield" },
  { word "[%w_]*http_catch[%w_]*", "redirect_listener" }, { word "lcatch[%w_]*",
    "lredirect" },
  { word "door[s]*", "entry into Lua, entry point" },
  { "without a word", "without closing, without a message" },
  { "under way", "in progress" },
  { "what is no ", "values that are not" },
  { word "http_why[%w_]*", "error_text, reason" }, { "%*why%f[^%w_]", "reason" },
  { "local [%w_, ]-%f[%w_]why%f[^%w_]", "reason" }, { ", why[,%)]", "reason" },
  { "local one%f[^%w_]", "a noun: session, task, call" }, { ", one in ", "a noun" },
  { "%f[%w_]one%.%a", "a noun" }, { "one%->", "a noun" }, { "%*one%f[^%w_]", "a noun" },
}

-- The longest literal part of a pattern: a plain search for it first is much faster.
for _, entry in ipairs(words.LIST) do
  entry.key = ""
  for text in entry[1]:gsub("%%f%b[]", "."):gsub("%b[]", "."):gsub("%%.", "."):gmatch "[%l_, ]+" do
    if #text > #entry.key then entry.key = text end
  end
end

---Finds the hits in a text.
---@param text string
---@return { line: integer, found: string, instead: string }[]
function words.hits(text)
  local out, number, list = {}, 0, {}
  text = text:lower()
  for _, entry in ipairs(words.LIST) do
    if text:find(entry.key, 1, true) then list[#list + 1] = entry end
  end
  if not list[1] then return out end
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    for _, entry in ipairs(list) do
      if line:find(entry.key, 1, true) then
        local rest = line
        for _, phrase in ipairs(entry.allowed or {}) do rest = rest:gsub(phrase, " ") end
        for found in rest:gmatch(entry[1]) do
          out[#out + 1] = { line = number, found = found, instead = entry[2] }
        end
      end
    end
  end
  return out
end

-- The files that a user or a contributor reads.
local FIND = "find src lua docs examples scripts bench README.md Makefile -type f "
  .. [[\( -name '*.[ch]' -o -name '*.lua' -o -name '*.md' -o -name '*.mk' -o -name Makefile ]]
  .. [[-o -name '*.js' -o -name '*.css' -o -name '*.html' \) | LC_ALL=C sort]]

-- These name the words: the list, and its numbers.
local OWN = { ["scripts/words.lua"] = true }

local function output_of(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

---Counts the hits of every file, and of what the program prints for --help where it is built.
---@param program? string path of luamcp
---@return table<string, integer> counts of the files with hits
---@return integer total
function words.count(program)
  local counts, total = {}, 0
  local function add(name, text)
    local n = #words.hits(text)
    if n > 0 then counts[name], total = n, total + n end
  end
  for path in output_of(FIND):gmatch "[^\n]+" do
    local file <close> = assert(io.open(path, "rb"))
    if not OWN[path] then add(path, file:read "a") end
  end
  if program then add("luamcp --help", output_of(program .. " --help 2>&1")) end
  return counts, total
end

local function sorted(counts)
  local names = {}
  for name in pairs(counts) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local HEAD = [[
-- SPDX-License-Identifier: MIT
-- Legitimate uses of the words in scripts/words.lua: the number of hits in a file, and the reason.
-- Better rewrite the sentence. `lua scripts/words.lua --write` renews the numbers.
return {
]]

local function write(counts)
  local left = dofile "spec/words_left.lua"
  local file <close> = assert(io.open("spec/words_left.lua", "w"))
  file:write(HEAD)
  for _, name in ipairs(sorted(counts)) do
    local known = left[name]
    file:write(("  [%q] = { %d, %q },\n"):format(name, counts[name], known and known[2] or ""))
  end
  file:write "}\n"
end

local function main(...)
  local first = ...
  if first and first ~= "--write" then
    for _, path in ipairs { ... } do
      local file <close> = assert(io.open(path, "rb"))
      for _, hit in ipairs(words.hits(file:read "a")) do
        print(("%s:%d: %q, rather: %s"):format(path, hit.line, hit.found, hit.instead))
      end
    end
    return
  end
  local build = os.getenv "MCP_BUILD" or "build"
  local built <close> = io.open(build .. "/luamcp")
  local counts, total = words.count(built and build .. "/luamcp")
  if first == "--write" then write(counts) end
  for _, name in ipairs(sorted(counts)) do print(counts[name], name) end
  print(total, "in all")
end

if arg and arg[0] and arg[0]:find "scripts/words%.lua$" then main(...) end

return words
