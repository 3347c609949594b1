-- SPDX-License-Identifier: MIT
-- http_pull.lua: what the specs of the HTTP decoder share: feed bytes, pull events.
local http = require "codecs.http"

local M = {}

---Pulls until the decoder wants more. Pieces of one body become one event.
---@return string? code the error's name
local function drain(decoder, result)
  while true do
    local kind, piece, borrowed = decoder:next()
    if not kind then
      result.code, result.why = piece, decoder:why()
      return piece
    elseif kind == "more" then
      return nil
    elseif kind == "start" then
      table.insert(result, { head = decoder:head(), body = "", pieces = 0 })
    elseif kind == "body" then
      local message = result[#result]
      message.body = message.body .. piece
      message.pieces = message.pieces + 1
      result.copied = result.copied or not borrowed
    else
      result[#result].ended = true
    end
  end
end

---Decodes `bytes`, fed in pieces of `step` bytes, or cut once at `cut`, then ends the connection.
---@param bytes string
---@param options? { step: integer?, cut: integer?, responses: boolean?, no_body: boolean? }
---@return table result messages { head, body, pieces, ended }; code and why when it failed;
---  finish: true or an error's name; copied: a body piece that lay outside what was fed
function M.decode(bytes, options)
  options = options or {}
  local decoder = http.new(options.responses)
  local result = {}
  if options.no_body then decoder:expect_no_body() end
  local step = options.cut or options.step or math.max(#bytes, 1)
  local first = 1
  while first <= #bytes do
    decoder:feed(bytes:sub(first, first + step - 1))
    if drain(decoder, result) then return result end
    first = first + step
    if options.cut then step = #bytes end
  end
  local ok, code = decoder:finish()
  result.finish = ok or code
  if ok then drain(decoder, result) end
  return result
end

local function flat(result)
  local out = {}
  for _, message in ipairs(result) do
    local head = message.head
    local fields = {}
    for _, field in ipairs(head.headers) do
      fields[#fields + 1] = field[1] .. "=" .. field[2]
    end
    out[#out + 1] = table.concat({
      head.method_name, head.target, tostring(head.status), tostring(head.keep_alive),
      table.concat(fields, "&"), message.body, tostring(message.ended),
    }, "|")
  end
  return table.concat(out, "\n")
end

---Everything a result says, as text, for comparing results.
function M.text(result)
  return ("%s\n%s %s"):format(flat(result), tostring(result.code), tostring(result.finish))
end

---The same without how it went on after the messages.
function M.messages(result)
  return flat(result)
end

return M
