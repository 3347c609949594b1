-- SPDX-License-Identifier: MIT
-- content: what a handler can return to a model: text, pictures, sound, links,
-- whole resources. Binary data is given as bytes; Base64 happens here.
local core = require "mcp.core"

local content = {}

-- Marks a table as content, so that a handler may return it bare or in a list.
-- The encoder does not look at this metatable.
local Content = { __name = "mcp.content" }

local function need(kind, what, value, index)
  if type(value) ~= kind then
    error(("mcp.%s: argument %d: %s expected, got %s"):format(what, index, kind, type(value)), 3)
  end
end

-- Called last, so the function that calls it has left no frame (a tail call):
-- level 2 is its caller.
local function extra(item, what, options, known)
  for key, value in pairs(options or {}) do
    if known[key] == nil then
      error(("mcp.%s: unknown option %q"):format(what, tostring(key)), 2)
    end
    if known[key] then item[known[key]] = value end
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
---@param body string text, or bytes if they are not UTF-8 or `blob` is set
---@param options table|nil mime, blob (boolean), annotations, meta
function content.embedded(uri, body, options)
  need("string", "embedded", uri, 1)
  need("string", "embedded", body, 2)
  options = options or {}
  return extra({ type = "resource",
    resource = content.contents(uri, body, options.mime, options.blob) }, "embedded", options,
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
  ["application/javascript"] = true, ["application/yaml"] = true, ["application/toml"] = true }

-- Media types whose content is text, going by the name.
local function is_text(mime)
  local essence = mime:match("^%s*([^;%s]+)") or mime
  return essence:find("^text/") ~= nil or TEXT[essence] == true
    or essence:find("%+json$") ~= nil or essence:find("%+xml$") ~= nil
end

---One entry of the `contents` of a resource.
---@param uri string
---@param body string
---@param mime string|nil
---@param blob boolean|nil as bytes whatever it looks like
---@return table
function content.contents(uri, body, mime, blob)
  if blob == nil then blob = mime ~= nil and not is_text(mime) end
  if blob or not utf8.len(body) then
    return { uri = uri, mimeType = mime or "application/octet-stream", blob = core.base64(body) }
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
      error(("mcp.%s: string or content expected, got %s"):format(role, type(value)), 2)
    end
    return { role = role, content = value }
  end
end

---A message of a prompt, said by the user or by the assistant.
content.user = message "user"
content.assistant = message "assistant"

return content
