-- SPDX-License-Identifier: MIT
-- media.lua: which media type of an operation is used, and how its bodies are written.
local media = {}

---The type without its parameters, in lower case.
---@param text string
---@return string
function media.essence(text) return (text:match "^%s*([^;%s]*)" or ""):lower() end

---@param text string
---@return boolean
function media.is_json(text)
  local essence = media.essence(text)
  return essence:find "[/+]json$" ~= nil or essence == "text/json"
end

local TEXT = { ["application/xml"] = true, ["application/yaml"] = true,
  ["application/javascript"] = true, ["application/x-ndjson"] = true, ["application/jsonl"] = true,
  ["application/x-yaml"] = true, ["application/graphql"] = true, ["application/sql"] = true,
  ["application/x-www-form-urlencoded"] = true }

---Is the content text, going by the name?
---@param text string
---@return boolean
function media.is_text(text)
  local essence = media.essence(text)
  return essence:find "^text/" ~= nil or TEXT[essence] == true or essence:find "%+xml$" ~= nil
    or media.is_json(essence)
end

---How a body of a media type is written.
---@param text string
---@return "json"|"form"|"multipart"|"raw"
function media.kind(text)
  local essence = media.essence(text)
  if media.is_json(essence) or essence == "*/*" or essence == "application/*" then return "json" end
  if essence == "application/x-www-form-urlencoded" then return "form" end
  if essence == "multipart/form-data" or essence == "multipart/*" then return "multipart" end
  return "raw"
end

-- JSON itself first, then its relatives, then what has members, then text.
local function rank(name)
  local essence = media.essence(name)
  if essence == "application/json" then return 1 end
  local kind = media.kind(name)
  if kind == "json" then return 2 end
  if kind == "multipart" then return 3 end
  if kind == "form" then return 4 end
  return media.is_text(name) and 5 or 6
end

---The media type that is used, of those that a body or response may have.
---@param content table<string, any>
---@return string name
---@return any type_of the media type object
function media.choose(content)
  local best
  for name in next, content do
    if type(name) == "string" then
      if not best or rank(name) < rank(best) or rank(name) == rank(best) and name < best then
        best = name
      end
    end
  end
  return best or "application/json", content[best]
end

return media
