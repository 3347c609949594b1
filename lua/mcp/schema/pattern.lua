-- SPDX-License-Identifier: MIT
-- pattern.lua: regular expressions for "pattern" and "patternProperties". The engine is the core's;
-- this adds the bookkeeping: what a match costs is taken from the validation's steps.

local describe = require "mcp.schema.describe"

-- The pure codecs stand in for the core where only they are built, as in the specs.
local function find_regex()
  local found, core = pcall(require, "mcp.core")
  if found and type(core) == "table" and core.regex then return core.regex end
  return require "codecs.regex"
end

local regex = find_regex()

-- The engine counts finer: this many of its steps are one of ours.
local FINER = 8

local pattern = {}

--- A function that says whether a string matches somewhere; nil and a message if the pattern is
--- wrong.
---@param text string
---@param longest integer  bytes of pattern
---@return (fun(subject: string, state: table): boolean)?
---@return string? message
function pattern.compile(text, longest)
  local object, message = regex.compile(text, longest)
  if not object then return nil, message end
  local matches = object.matches
  return function(subject, state)
    local left = state.steps
    if left <= 0 then
      state.steps = -1
      return false
    end
    local matched, used = matches(object, subject, left < 125000 and left * FINER or nil)
    if matched == nil then
      state.steps, state.trouble = -1, ("pattern %s: %s"):format(describe.quote(text), used)
      return false
    end
    state.steps = left - 1 - used // FINER
    return matched
  end
end

return pattern
