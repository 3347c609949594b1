-- SPDX-License-Identifier: MIT
-- secrets: keeps values of secret variables out of configuration files: a shell may have put them
-- into the command line. A text of a server is a string, or a list of strings and variables
-- (lua/mcp/cli/host/hosts.lua).
local secrets = {}

---Shorter values are found in other texts by chance. In bytes.
secrets.LENGTH = 8

-- Names that look secret, as Gemini CLI has them, and those of personal access tokens.
local WORDS = { "TOKEN", "KEY", "SECRET", "PASS", "AUTH", "CREDENTIAL", "_PAT$", "^PAT$" }

---Does the name of a variable look secret?
---@param name string
---@return boolean
function secrets.is_secret(name)
  name = name:upper()
  for _, word in ipairs(WORDS) do
    if name:find(word) then return true end
  end
  return false
end

---The secret variables of the environment, the longest values first.
---@return { name: string, value: string }[]
function secrets.list()
  local list = {}
  local pipe <close> = io.popen "env"
  for line in pipe and pipe:lines() or function() end do
    local name = line:match "^([%a_][%w_]*)="
    local value = name and os.getenv(name)
    if value and #value >= secrets.LENGTH and value:sub(1, 1) ~= "/"
      and secrets.is_secret(name) then
      list[#list + 1] = { name = name, value = value }
    end
  end
  table.sort(list, function(a, b)
    if #a.value ~= #b.value then return #a.value > #b.value end
    return a.name < b.name
  end)
  return list
end

-- The one piece of a list with only one, if it is a string.
local function simple(parts)
  if #parts == 0 then return "" end
  return #parts == 1 and type(parts[1]) == "string" and parts[1] or parts
end

---A text of the command line: `${NAME}` in it is a variable.
---@param given string
---@return string|table text
function secrets.template(given)
  local parts, from = {}, 1
  for at, name, after in given:gmatch "()%${([%a_][%w_]*)}()" do
    if at > from then parts[#parts + 1] = given:sub(from, at - 1) end
    parts[#parts + 1] = { variable = name }
    from = after
  end
  if from <= #given then parts[#parts + 1] = given:sub(from) end
  return simple(parts)
end

---The text with values of secret variables replaced by the variables.
---@param text string|table
---@param list { name: string, value: string }[]
---@return string|table text
---@return string[] names of those found
function secrets.hide(text, list)
  local parts, names = type(text) == "string" and { text } or text, {}
  for _, secret in ipairs(list) do
    local out = {}
    for _, part in ipairs(parts) do
      local from = 1
      while type(part) == "string" do
        local at, last = part:find(secret.value, from, true)
        if not at then break end
        if at > from then out[#out + 1] = part:sub(from, at - 1) end
        out[#out + 1] = { variable = secret.name }
        names[#names + 1] = secret.name
        from = last + 1
      end
      if type(part) ~= "string" then
        out[#out + 1] = part
      elseif from <= #part then
        out[#out + 1] = part:sub(from)
      end
    end
    parts = out
  end
  return simple(parts), names
end

return secrets
