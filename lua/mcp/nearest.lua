-- SPDX-License-Identifier: MIT
-- nearest.lua: the known name that was most likely meant. Edit distance with transposed
-- neighbours counting as one, on bytes, bounded in length so that a hostile name costs nothing.

local cut = require("mcp.text").cut

local byte, lower, min, abs = string.byte, string.lower, math.min, math.abs

-- Names longer than this are not compared: the work is their product. In bytes.
local LENGTH = 64
-- More candidates than this are not looked at.
local CANDIDATES = 500

-- Names of the protocol and of other libraries, in lower case, and ours.
local SYNONYMS = {
  mimetype = { "mime" }, args = { "arguments", "input" }, params = { "input", "arguments" },
  parameters = { "input", "arguments" }, schema = { "input" }, inputschema = { "input" },
  input_schema = { "input" }, outputschema = { "output" }, output_schema = { "output" },
  arguments = { "input", "args" }, desc = { "description" }, summary = { "description" },
  allow_origins = { "allowed_origins" }, origins = { "allowed_origins" },
  hosts = { "allowed_hosts" }, token = { "auth" }, dir = { "cwd" }, workdir = { "cwd" },
  resourceuri = { "uri" }, resource_uri = { "uri" }, connectdomains = { "connect" },
  resourcedomains = { "resource" }, framedomains = { "frame" }, baseuridomains = { "base_uri" },
}

local nearest = {}

-- The distance between a and b, or `limit + 1` as soon as it is known to be more than `limit`.
local function distance(a, b, limit)
  local la, lb = #a, #b
  if abs(la - lb) > limit then return limit + 1 end
  local before, last, row = {}, {}, {}
  for j = 0, lb do last[j] = j end
  for i = 1, la do
    local ca, best = byte(a, i), i
    row[0] = i
    for j = 1, lb do
      local cb = byte(b, j)
      local d = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (ca == cb and 0 or 1))
      if i > 1 and j > 1 and ca == byte(b, j - 1) and byte(a, i - 1) == cb then
        d = min(d, before[j - 2] + 1)
      end
      row[j] = d
      if d < best then best = d end
    end
    if best > limit then return limit + 1 end
    before, last, row = last, row, before
  end
  return last[lb]
end

--- The number of edits between two strings, letters compared without case.
---@param a string
---@param b string
---@return integer
function nearest.distance(a, b)
  return distance(lower(a), lower(b), #a + #b)
end

--- The candidate nearest to `name`, if one is near enough to be meant: at most a third of its
--- letters differ, or one. The first one in order wins a tie.
---@param name any
---@param candidates any[]  others than strings are passed over
---@return string?
function nearest.find(name, candidates)
  if type(name) ~= "string" or name == "" or #name > LENGTH then return nil end
  local wanted, found = lower(name), nil
  local limit = #name > 1 and math.max(1, #name // 3) or 0
  for i = 1, min(#candidates, CANDIDATES) do
    local candidate = candidates[i]
    if type(candidate) == "string" and #candidate <= LENGTH then
      local d = distance(wanted, lower(candidate), limit)
      if d <= limit and candidate ~= name then
        found, limit = candidate, d - 1
        if limit < 0 then break end
      end
    end
  end
  return found
end

-- The candidate that a name of the protocol or of another library stands for.
local function synonym(name, candidates)
  for _, ours in ipairs(type(name) == "string" and SYNONYMS[lower(name)] or {}) do
    for i = 1, min(#candidates, CANDIDATES) do
      if candidates[i] == ours then return ours end
    end
  end
  return nil
end

--- The string keys of a table, sorted.
nearest.keys = require "mcp.keys"

--- Some of `names` in words: `a, b, c` or `a, b, c and 4 more`.
---@param names any[]
---@param most? integer  10 if absent
---@return string
function nearest.list(names, most)
  local shown = {}
  for i = 1, min(#names, most or 10) do shown[i] = tostring(names[i]) end
  local text = table.concat(shown, ", ")
  if #names > #shown then text = text .. (" and %d more"):format(#names - #shown) end
  return text
end

--- The message for an unknown name: `unknown option "mni", did you mean "min"?`, or with what
--- would have been right.
---@param what string  "option", "argument"
---@param name any
---@param known string[]
---@return string
function nearest.unknown(what, name, known)
  local shown = tostring(name)
  local text = ('unknown %s "%s"'):format(what, cut(shown, LENGTH))
  local meant = nearest.find(name, known) or synonym(name, known)
  if meant then return ('%s, did you mean "%s"?'):format(text, meant) end
  if #known == 0 then return text .. ", there is none" end
  return ("%s, expected one of %s"):format(text, nearest.list(known))
end

return nearest
