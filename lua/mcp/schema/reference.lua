-- SPDX-License-Identifier: MIT
-- reference.lua: URI references (RFC 3986 section 5) and JSON pointers (RFC 6901), as far as
-- finding one schema from another needs them. Nothing is ever fetched.

local match, gsub, find, sub = string.match, string.gsub, string.find, string.sub

local reference = {}

-- Scheme, authority (with its slashes), path and query; each may be "".
local function split(uri)
  local scheme, rest = match(uri, "^(%a[%w+.-]*:)(.*)$")
  if not scheme then scheme, rest = "", uri end
  local authority, after = match(rest, "^(//[^/?]*)(.*)$")
  if not authority then authority, after = "", rest end
  local path, query = match(after, "^([^?]*)(.*)$")
  return scheme, authority, path, query
end

-- RFC 3986 5.2.4.
local function remove_dots(path)
  if not find(path, "./", 1, true) and not find(path, "/.", 1, true) then return path end
  local out, absolute = {}, sub(path, 1, 1) == "/"
  local open = false
  for segment in path:gmatch "[^/]+" do
    open = segment == "." or segment == ".."
    if segment == ".." then
      out[#out] = nil
    elseif segment ~= "." then
      out[#out + 1] = segment
    end
  end
  local joined = table.concat(out, "/")
  if #out > 0 and (open or sub(path, -1) == "/") then joined = joined .. "/" end
  return (absolute and "/" or "") .. joined
end

--- `ref` as seen from `base`, both without a fragment.
---@param base string
---@param ref string
---@return string uri
function reference.resolve(base, ref)
  if ref == "" then return base end
  local scheme, authority, path, query = split(ref)
  if scheme ~= "" then return scheme .. authority .. remove_dots(path) .. query end
  local base_scheme, base_authority, base_path, base_query = split(base)
  if authority ~= "" then return base_scheme .. authority .. remove_dots(path) .. query end
  if path == "" then
    return base_scheme .. base_authority .. base_path .. (query ~= "" and query or base_query)
  end
  if sub(path, 1, 1) ~= "/" then
    if base_authority ~= "" and base_path == "" then
      path = "/" .. path
    else
      path = (match(base_path, "^(.*/)") or "") .. path
    end
  end
  return base_scheme .. base_authority .. remove_dots(path) .. query
end

--- A reference without its fragment, and the fragment with its %XX undone ("" if there is none).
---@param ref string
---@return string uri
---@return string fragment
function reference.split(ref)
  local uri, fragment = match(ref, "^([^#]*)#(.*)$")
  if not uri then return ref, "" end
  return uri, (gsub(fragment, "%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- The steps of a JSON pointer that begins with "/".
---@param pointer string
---@return string[]
function reference.steps(pointer)
  local steps = {}
  for step in pointer:gmatch "/([^/]*)" do
    steps[#steps + 1] = gsub(gsub(step, "~1", "/"), "~0", "~")
  end
  return steps
end

--- One step of a JSON pointer, escaped.
---@param step string|integer
---@return string
function reference.escape(step)
  return (gsub(gsub(tostring(step), "~", "~0"), "/", "~1"))
end

return reference
