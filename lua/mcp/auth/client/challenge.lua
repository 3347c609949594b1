-- SPDX-License-Identifier: MIT
-- challenge: what a WWW-Authenticate field says (RFC 9110 11.6.1): one or more challenges, each a
-- scheme with parameters or with one token68. Several fields are joined by commas before.
local challenge = {}

---More than that is not looked at. In bytes.
challenge.LENGTH = 8192

local TOKEN = "^([!#$%%&'*+%-.^_`|~%w]+)()"
local TOKEN68 = "^([%w%-._~+/]+=*)%s*()"

-- A value at `at`: its text and the place after it; nil if there is none.
local function value_at(text, at)
  if text:sub(at, at) ~= '"' then return text:match(TOKEN, at) end
  local parts, from = {}, at + 1
  while true do
    local plain, mark, next_at = text:match('^([^"\\]*)(["\\])()', from)
    if not plain then return nil end
    parts[#parts + 1] = plain
    if mark == '"' then return table.concat(parts), next_at end
    local escaped = text:sub(next_at, next_at)
    if escaped == "" then return nil end
    parts[#parts + 1] = escaped
    from = next_at + 1
  end
end

-- The parameter `name = value` at `at`, and the place after it; nil if it is something else.
local function parameter_at(text, at)
  local name, after = text:match(TOKEN, at)
  local equals = name and text:match("^[ \t]*=[ \t]*()", after)
  if not equals then return nil end
  local value, next_at = value_at(text, equals)
  if not value then return nil end
  return name:lower(), value, next_at
end

---@class mcp.auth.Challenge
---@field scheme string in lower case
---@field token68 string|nil
---@field params table<string, string> by lower-case name; the first of two alike counts

---Reads a field. What cannot be read ends it; what came before counts.
---@param text string
---@return mcp.auth.Challenge[]
function challenge.parse(text)
  local list, at, current = {}, 1, nil
  text = text:sub(1, challenge.LENGTH)
  while true do
    at = text:match("^[ \t,]*()", at)
    if at > #text then return list end
    local name, value, next_at
    if current then name, value, next_at = parameter_at(text, at) end
    if name then
      if current.params[name] == nil then current.params[name] = value end
    else
      local scheme
      scheme, next_at = text:match(TOKEN, at)
      -- What an equals sign follows is a parameter that cannot be read.
      if not scheme or text:find("^[ \t]*=", next_at) then return list end
      current = { scheme = scheme:lower(), params = {} }
      list[#list + 1] = current
      local blank = text:match("^[ \t]+()", next_at)
      if blank then
        next_at = blank
        if not parameter_at(text, blank) then
          local token, after = text:match(TOKEN68, blank)
          -- A token68 stands alone: what follows is the end or a comma.
          if token and (after > #text or text:sub(after, after) == ",") then
            current.token68, next_at = token, after
          end
        end
      end
    end
    at = next_at
  end
end

---The challenge that is ours to answer.
---@param text string|nil
---@param liked string|nil "dpop": that rather than Bearer where there are both
---@return mcp.auth.Challenge|nil bearer or DPoP
function challenge.bearer(text, liked)
  local found = {}
  for _, item in ipairs(text and challenge.parse(text) or {}) do
    found[item.scheme] = found[item.scheme] or item
  end
  return liked and found[liked] or found.bearer or found.dpop
end

return challenge
