-- SPDX-License-Identifier: MIT
-- extension: what both sides must know of an extension of the protocol: how its identifier is
-- written, and whether the other side's declaration makes it active. Pure: no state, no I/O.
local value = require "mcp.value"

local extension = {}

-- A label begins with a letter and ends with a letter or a digit.
local function is_label(text)
  return text:find "^%a$" ~= nil or text:find "^%a[%w-]*%w$" ~= nil
end

---What is wrong with an identifier, or nil. It is a key of `_meta` whose prefix is mandatory:
---labels, a slash, a name (protocol, 4.18).
---@param id any
---@return string|nil problem
function extension.problem(id)
  if type(id) ~= "string" then
    return ('expected an identifier such as "io.example/thing", got %s'):format(type(id))
  end
  local prefix, name = id:match "^([^/]*)/([^/]*)$"
  local wrong = not prefix and "a prefix, one slash and a name"
    or not (name:find "^%w$" or name:find "^%w[%w._-]*%w$")
    and "a name of letters, digits, hyphens, underscores and dots after the slash, with a letter "
      .. "or a digit at both ends"
  if not wrong then
    for label in (prefix .. "."):gmatch "([^.]*)%." do
      if not is_label(label) then
        wrong = "labels before the slash, separated by dots: letters, digits and hyphens, "
          .. "beginning with a letter and ending with a letter or a digit"
      end
    end
  end
  return wrong and ('expected an identifier such as "io.example/thing": %s; got %q'):format(wrong,
    id) or nil
end

---The settings that the other side has declared for an extension, if they make it active: a
---revision says that its messages are not those of others (SEP-3392).
---@param capabilities any of the other side; untrusted
---@param id string
---@param revision string|nil ours
---@return table|false settings
function extension.active(capabilities, id, revision)
  local settings = extension.declared(capabilities, id)
  if not settings then return false end
  local theirs = settings.revision
  if theirs == value.null then theirs = nil end
  return theirs == revision and settings
end

---The settings that the other side has declared, of whatever revision.
---@param capabilities any
---@param id string
---@return table|false settings
function extension.declared(capabilities, id)
  local all = value.is_object(capabilities) and capabilities.extensions
  local settings = value.is_object(all) and all[id]
  return value.is_object(settings) and settings
end

return extension
