-- SPDX-License-Identifier: MIT
-- results.lua: what a response is to a model: structured content, text, a picture or bytes; and for
-- an error what went wrong and what can be done about it.
local content = require "mcp.content"
local core = require "mcp.core"
local cut = require("mcp.text").cut
local media = require "mcp.openapi.media"
local value = require "mcp.value"

local results = {}

-- How much of the body of an error a model is shown, in bytes. Pages of HTML are mostly noise.
results.ERROR_TEXT = 1000
-- A response is bounded in bytes, too.
local VALUES = 4000000
-- Shorter credentials would hide ordinary words.
local SECRET = 4

local REASONS = { [400] = "Bad Request", [401] = "Unauthorized", [402] = "Payment Required",
  [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed", [406] = "Not Acceptable",
  [409] = "Conflict", [410] = "Gone", [412] = "Precondition Failed", [413] = "Content Too Large",
  [415] = "Unsupported Media Type", [422] = "Unprocessable Content", [429] = "Too Many Requests",
  [500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway",
  [503] = "Service Unavailable", [504] = "Gateway Timeout" }

-- How long to wait, in words; nil if the response does not say.
local function wait_of(response)
  local after = response.headers["retry-after"]
  if not after then return nil end
  if after:find "^%d+$" then return ("try again in %s s"):format(after) end
  return ("try again after %s"):format(cut(after, 40))
end

-- What a model can do about a status.
local function hint_of(api, op, response)
  local status = response.status
  if status == 401 then
    local wanted = api.security:wanted(op)
    local sent = api.security:names(op)[1] ~= nil
    return sent and "the API did not accept this server's credentials; its operator has to change "
      .. "them" or ("the API requires credentials%s, which the operator of this server has to set")
      :format(wanted and " (" .. wanted .. ")" or "")
  elseif status == 403 then
    return "this server's credentials do not allow it; other arguments may be allowed"
  elseif status == 404 and op.path:find("{", 1, true) then
    return "check the arguments that name a thing: there is none at this path"
  elseif status == 400 or status == 409 or status == 422 then
    return "correct the arguments as the answer says"
  elseif status == 429 or status == 503 then
    return wait_of(response) or "try again later"
  elseif status >= 500 then
    return "the API failed; the same call may work later"
  elseif status >= 300 and status < 400 then
    return "the API redirects elsewhere, which was not followed"
  end
end

-- The body of an error on one line.
local function body_of(response)
  local text = response.body or ""
  local kind = response.headers["content-type"] or ""
  if media.is_json(kind) then
    local decoded = core.json_decode(text, nil, VALUES)
    if decoded ~= nil then text = core.encode(decoded, true) or text end
  elseif not media.is_text(kind) and kind ~= "" then
    return #text > 0 and ("(%d bytes of %s)"):format(#text, cut(kind, 60)) or ""
  end
  if text:find "^%s*<" then
    text = text:gsub("<script.-</script>", " "):gsub("<style.-</style>", " "):gsub("<[^>]*>", " ")
  end
  if not utf8.len(text) then text = text:gsub("[\128-\255]", "?") end
  text = text:gsub("[%c%s]+", " "):gsub("^ ", ""):gsub(" $", "")
  return cut(text, results.ERROR_TEXT, "…")
end

---Hides credentials that an API repeats.
---@param text string
---@param secrets string[]
---@return string
function results.hide(text, secrets)
  for _, secret in ipairs(secrets) do
    if #secret >= SECRET then
      text = text:gsub(secret:gsub("%p", "%%%0"), "[hidden]")
    end
  end
  return text
end

---An error of the API, for a model.
---@param api table
---@param op mcp.openapi.Operation
---@param response mcp.FetchResponse
---@param secrets string[]
---@return string
function results.failure(api, op, response, secrets)
  local status = response.status
  local out = { ("%s %s: status %d%s"):format(op.method, op.path, status,
    REASONS[status] and " " .. REASONS[status] or "") }
  local body, hint = body_of(response), hint_of(api, op, response)
  if body ~= "" then out[#out + 1] = ": " .. body end
  if hint then out[#out + 1] = "\n(" .. hint .. ")" end
  return results.hide(table.concat(out), secrets)
end

---A request that was not answered, for a model.
---@param op mcp.openapi.Operation
---@param text string
---@param code string?
---@param limit integer
---@return string
function results.unanswered(op, text, code, limit)
  local hint = ""
  if code == "ETOOBIG" then
    hint = ("\n(the answer is larger than %d bytes: ask for less)"):format(limit)
  elseif code == "ENOTPUBLIC" then
    hint = "\n(the operator of this server has to set base_url to allow it)"
  elseif code == "ETIMEDOUT" then
    hint = "\n(it is not known whether the API has done it)"
  end
  return ("%s %s: %s%s"):format(op.method, op.path, text, hint)
end

---The value of a response of JSON; nil if it is not JSON, or cannot be read.
---@param response mcp.FetchResponse
---@param promised boolean? the document says that it is JSON, whatever the response says
---@return any
function results.decode(response, promised)
  local kind = response.headers["content-type"] or ""
  if not media.is_json(kind) and not (promised and (kind == "" or media.is_text(kind))) then
    return nil
  end
  return (core.json_decode(response.body, nil, VALUES))
end

-- Content for what is not JSON.
local function item_of(response)
  local kind = response.headers["content-type"] or ""
  local essence, body = media.essence(kind), response.body
  if essence:find "^image/" and essence ~= "image/svg+xml" then
    return content.image(body, essence)
  end
  if essence:find "^audio/" then return content.audio(body, essence) end
  if utf8.len(body) and (essence == "" or media.is_text(essence)) then return content.text(body) end
  return content.embedded(response.url:gsub("%?.*$", ""), body,
    { mime = essence ~= "" and essence or nil, blob = true })
end

---A successful response as the result of a tool.
---@param op mcp.openapi.Operation
---@param response mcp.FetchResponse
---@param decoded any its JSON, or nil
---@param check? fun(v: any): boolean, table? of the output schema; nil if none was promised
---@param note? string
---@return table result
function results.success(op, response, decoded, check, note)
  local items = value.array()
  if decoded ~= nil then
    items[1] = content.text((assert(core.encode(decoded, true))))
  elseif response.body == "" then
    items[1] = content.text(("done: status %d without content"):format(response.status))
  else
    items[1] = item_of(response)
  end
  if note then items[2] = content.text(note) end
  if not check then return { content = items, structuredContent = decoded } end
  local fits, problems = false, nil
  if decoded ~= nil then fits, problems = check(decoded) end
  if fits then return { content = items, structuredContent = decoded } end
  -- The call has had its effect; a model that takes it for a failure repeats it.
  local reason = decoded == nil and "it is no JSON"
    or require("mcp.schema").explain(problems, decoded, nil, "member")
  core.log("warning", ("%s %s: the answer does not fit the document: %s"):format(op.method, op.path,
    reason))
  table.insert(items, 1, content.text(("%s %s was successful (status %d), but its answer is not "
    .. "what the API's document promises: %s"):format(op.method, op.path, response.status, reason)))
  return { content = items, isError = true }
end

---A successful response as the contents of a resource.
---@param uri string
---@param response mcp.FetchResponse
---@return table
function results.contents(uri, response)
  local essence = media.essence(response.headers["content-type"] or "")
  return { contents = { content.contents(uri, response.body, essence ~= "" and essence or nil) } }
end

return results
