-- SPDX-License-Identifier: MIT
-- content: what a handler can return to a model: text, pictures, sound, links,
-- whole resources. Binary data is given as bytes; Base64 happens here.
local check = require("mcp.options").check
local core = require "mcp.core"

local content = {}

-- Marks a table as content, so that a handler may return it bare or in a list.
-- The encoder does not look at this metatable.
local Content = { __name = "mcp.content" }

local function need(kind, what, value, index)
  if type(value) ~= kind then
    error(("mcp.%s: argument %d: expected a %s, got %s"):format(what, index, kind, type(value)), 3)
  end
end

-- As the protocol has them: seconds become a time, and one role a list.
local function annotations_of(given)
  if type(given) ~= "table" then return given end
  local out = {}
  for key, member in pairs(given) do out[key] = member end
  if out.last_modified ~= nil then
    out.lastModified, out.last_modified = out.last_modified, nil
  end
  if type(out.lastModified) == "number" then
    out.lastModified = require("mcp.time").text(out.lastModified)
  end
  if type(out.audience) == "string" then out.audience = { out.audience } end
  return out
end

-- Copies options to the members of an item. `known` has the name of each option's member, or false
-- if the caller reads the option. Called as a tail call, so that level 2 is the user.
local function extra(item, what, options, known)
  if options ~= nil then
    local types = {}
    for key in pairs(known) do types[key] = "any" end
    check("mcp." .. what, options, types, 2)
    for key, value in pairs(options) do
      if key == "annotations" then value = annotations_of(value) end
      if known[key] then item[known[key]] = value end
    end
  end
  return setmetatable(item, Content)
end

local COMMON = { annotations = "annotations", meta = "_meta" }

---@param text string UTF-8
---@param options table|nil annotations, meta
function content.text(text, options)
  need("string", "text", text, 1)
  return extra({ type = "text", text = text }, "text", options, COMMON)
end

---@param bytes string the picture itself
---@param mime string|nil its media type, "image/png" if not given
---@param options table|nil annotations, meta
function content.image(bytes, mime, options)
  need("string", "image", bytes, 1)
  return extra({ type = "image", data = core.base64(bytes), mimeType = mime or "image/png" },
    "image", options, COMMON)
end

---@param bytes string the sound itself
---@param mime string|nil its media type, "audio/wav" if not given
---@param options table|nil annotations, meta
function content.audio(bytes, mime, options)
  need("string", "audio", bytes, 1)
  return extra({ type = "audio", data = core.base64(bytes), mimeType = mime or "audio/wav" },
    "audio", options, COMMON)
end

---A reference that the client may read by itself.
---@param uri string
---@param options table|nil name (the uri if not given), title, description, mime, size,
---annotations, icons, meta
function content.resource_link(uri, options)
  need("string", "resource_link", uri, 1)
  return extra({ type = "resource_link", uri = uri, name = uri }, "resource_link", options, {
    name = "name", title = "title", description = "description", mime = "mimeType",
    size = "size", annotations = "annotations", icons = "icons", meta = "_meta",
  })
end

---A resource with its content, embedded.
---@param uri string
---@param body string text, or bytes if `mime` is no text type, if `blob` is set, or if they are not
---UTF-8 and there is no `mime`
---@param options table|nil mime, blob (boolean), annotations, meta
function content.embedded(uri, body, options)
  need("string", "embedded", uri, 1)
  need("string", "embedded", body, 2)
  options = options or {}
  local resource, message = content.contents(uri, body, options.mime, options.blob)
  if not resource then error("mcp.embedded: " .. message, 2) end
  return extra({ type = "resource", resource = resource }, "embedded", options,
    { annotations = "annotations", meta = "_meta", mime = false, blob = false })
end

---Bytes as the content of a resource.
---@param bytes string
---@param mime string|nil "application/octet-stream" if not given
function content.blob(bytes, mime)
  need("string", "blob", bytes, 1)
  return setmetatable({ type = "blob", blob = core.base64(bytes),
    mimeType = mime or "application/octet-stream" }, Content)
end

local TEXT = { ["application/json"] = true, ["application/xml"] = true,
  ["application/javascript"] = true, ["application/yaml"] = true, ["application/toml"] = true,
  ["application/jsonl"] = true, ["application/x-ndjson"] = true, ["application/sql"] = true }

-- Media types whose content is text, going by the name.
local function is_text(mime)
  local essence = mime:match("^%s*([^;%s]+)") or mime
  return essence:find("^text/") ~= nil or TEXT[essence] == true
    or essence:find("%+json$") ~= nil or essence:find("%+xml$") ~= nil
end

--- Up to this size a file is read whole, and no different from a string. Larger ones are sent in
--- pieces.
content.WHOLE = 256 << 10

---@param value any
---@return boolean
function content.is_file(value)
  return type(value) == "userdata" and (getmetatable(value) or {}).__name == "mcp.file"
end

---The bytes of a small file; a large one itself. Waits for the disk.
---@param file mcp.File
---@return string|mcp.File|nil body
---@return string|nil message
---@return string|nil code
function content.of_file(file)
  if file:size() > content.WHOLE then return file end
  local bytes, message, code = file:bytes()
  file:close()
  return bytes, message, code
end

-- Is it UTF-8? As utf8.len says, for a file too: nil, a text and a code if it cannot be read.
local function check_text(body)
  if type(body) == "string" then return utf8.len(body) end
  return body:measure()
end

-- What goes out for the bytes.
local function base64(body)
  return type(body) == "string" and core.base64(body) or body
end

---One entry of the `contents` of a resource.
---@param uri string
---@param body string|mcp.File
---@param mime string|nil
---@param blob boolean|nil as bytes whatever it looks like; false: as text
---@return table|nil contents nil for text that is not UTF-8
---@return string|nil message
---@return string|nil code of a file that cannot be read
function content.contents(uri, body, mime, blob)
  local text = blob == false or mime ~= nil and is_text(mime)
  if blob == nil then blob = mime ~= nil and not text end
  local valid, at, code = nil, nil, nil
  -- A large file of bytes is not read for nothing.
  if not blob or type(body) == "string" then valid, at, code = check_text(body) end
  if type(at) == "string" then return nil, at, code end
  if text and not blob and not valid then
    return nil, ("%s is text, but it is not valid UTF-8 at byte %d: convert it, or give the bytes "
      .. "with mcp.blob(bytes, %q)"):format(mime or "text/plain", at, mime or "text/plain")
  end
  if blob or not valid then
    return { uri = uri, mimeType = mime or "application/octet-stream", blob = base64(body) }
  end
  return { uri = uri, mimeType = mime or "text/plain", text = body }
end

---@param value any
---@return boolean
function content.is(value) return getmetatable(value) == Content end

-- One content as a revision knows it.
local function adapted(facts, item)
  if item.type == "audio" and not facts.audio then
    return { type = "text", text = ("[audio, %s, not known to this protocol revision]")
      :format(tostring(item.mimeType)) }
  elseif item.type == "resource_link" and not facts.resource_link then
    return { type = "text", text = ("%s: %s"):format(tostring(item.name), tostring(item.uri)) }
  end
  return item
end
content.adapted = adapted

---What a revision has no content type for goes out as text.
---@param facts table
---@param items table[]
---@return table[]
function content.adapt(facts, items)
  if facts.audio and facts.resource_link then return items end
  for i, item in ipairs(items) do items[i] = adapted(facts, item) end
  return items
end

local function message(role)
  return function(value)
    if type(value) == "string" then value = content.text(value) end
    if not content.is(value) then
      error(("mcp.%s: expected a string or content, got %s"):format(role, type(value)), 2)
    end
    return { role = role, content = value }
  end
end

---A message of a prompt, said by the user or by the assistant.
content.user = message "user"
content.assistant = message "assistant"

return content
