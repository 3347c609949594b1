-- SPDX-License-Identifier: MIT
-- show: prints what a server gave: on standard output, and nothing else there.
local core = require "mcp.core"
local foreign = require "mcp.foreign"
local terminal = require "mcp.cli.terminal"

local show = {}

---Prints one JSON document.
---@param given any
function show.json(given)
  io.stdout:write(terminal.clean_json(assert(core.encode(given, true))), "\n")
end

local EXTENSION = { ["image/png"] = "png", ["image/jpeg"] = "jpg", ["image/gif"] = "gif",
  ["image/webp"] = "webp", ["image/svg+xml"] = "svg", ["audio/wav"] = "wav",
  ["audio/mpeg"] = "mp3", ["audio/ogg"] = "ogg", ["application/pdf"] = "pdf" }

-- Writes bytes to a new file in the working directory; its name, or nil and a text.
local function save(bytes, mime)
  local extension = mime and EXTENSION[mime] or "bin"
  local folder <close>, text = require("mcp.folder").open "."
  if not folder then return nil, text end
  for i = 1, 1000 do
    local path = ("luamcp-%d.%s"):format(i, extension)
    -- Never over a file, nor through a link.
    local ok, reason, code = folder:write(path, bytes, { new = true, limit = #bytes })
    if ok then return path end
    if code ~= "EEXIST" then return nil, reason end
  end
  return nil, "there are a thousand such files already"
end

-- Shows a picture where the terminal can, and saves it elsewhere.
local function binary(kind, bytes, mime)
  if not bytes then
    io.stdout:write(("[%s: not Base64]\n"):format(kind))
    return
  end
  if kind == "image" and require("mcp.cli.picture").draw(bytes, mime) then return end
  local path, text = save(bytes, mime)
  io.stdout:write(("[%s, %s, %d bytes: %s]\n"):format(kind, terminal.line(mime or "?"), #bytes,
    path and "saved as " .. path or text))
end

local function print_text(text)
  io.stdout:write(terminal.clean(text))
  if text:sub(-1) ~= "\n" then io.stdout:write "\n" end
end

-- The bytes of a Base64 text, or nil.
local function decoded(text) return type(text) == "string" and core.unbase64(text) or nil end

-- The contents of a resource, as resources/read or an embedded resource has them.
local function contents(item)
  if type(item.text) == "string" then return print_text(item.text) end
  binary("resource", decoded(item.blob), foreign.string(item.mimeType))
end

local BLOCKS = {}

function BLOCKS.text(block) print_text(tostring(block.text)) end

function BLOCKS.image(block)
  binary("image", decoded(block.data), foreign.string(block.mimeType))
end

function BLOCKS.audio(block)
  binary("audio", decoded(block.data), foreign.string(block.mimeType))
end

function BLOCKS.resource(block) contents(foreign.object(block.resource)) end

function BLOCKS.resource_link(block)
  io.stdout:write(("%s  %s\n"):format(terminal.line(foreign.first(block.uri, "?")),
    terminal.line(foreign.first(block.title, block.name) or "")))
end

---Prints one block of content. An unknown type is printed as JSON.
---@param block any
function show.block(block)
  local how = BLOCKS[foreign.string(foreign.object(block).type) or ""]
  if how then how(block) else show.json(block) end
end

---Prints the contents of a resource. A single binary one goes to a pipe as it is.
---@param given any
function show.contents(given)
  local list = foreign.objects(given)
  if #list == 1 and type(list[1].blob) == "string" and not terminal.is_terminal(1) then
    io.stdout:write(core.unbase64(list[1].blob) or "")
    return
  end
  for _, item in ipairs(list) do
    if #list > 1 then
      io.stdout:write(terminal.paint(1, "bold", terminal.line(foreign.first(item.uri, "?"))), "\n")
    end
    contents(item)
  end
end

return show
