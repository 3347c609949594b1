-- SPDX-License-Identifier: MIT
-- posts: messages of HTTP+SSE that arrive at another process than the one which has their stream.
--
-- The address that a stream names has an id of three parts: random characters, the number of the
-- process that has the stream, and a tag that only the processes of the app can make. So any of
-- them knows where a message belongs, and an id that was made up costs nothing. A message is
-- checked where it arrives; whether its caller may use the stream, where the stream is.
local core = require "mcp.core"
local principal = require "mcp.later" "mcp.auth.server.principal"
local siphash = require "mcp.later" "mcp.server.siphash"

local posts = {}

---Bytes of messages that a process has passed to others and that wait for an answer, as they are
---sent: what is on its way must leave room for what others send.
posts.PASSING = 8 << 20
---Of these, the messages of one principal; and so the largest message.
posts.PASSING_PER_PRINCIPAL = 4 << 20
---How long a process counts as alive after its last answer, in seconds: it is not looked for then.
posts.HEARD = 1

-- The secret of the processes that tags are made with, and the bytes of it that are the key.
local SECRET, KEY = "stream", 16
local ID = "^([%w_-]+)%.(%d+)%.%x+$"
local QUERY = "^session_id=(.*)$"

local ENDED = "the process of the stream has ended"

local function id_of(random, number, key)
  local text = ("%s.%d"):format(random, number)
  return ("%s.%016x"):format(text, siphash.tag(key, text))
end

local function key_of(self)
  local secret, text, code = self.secrets[SECRET], nil, nil
  if not secret then secret, text, code = self:secret(SECRET) end
  return secret and secret:sub(1, KEY), text, code
end

---The id of a stream that is about to open at this process.
---@param self mcp.Shared
---@return string|nil id nil, text and code: the store cannot be reached
---@return string|nil text, string|nil code
function posts.name(self)
  local key, text, code = key_of(self)
  if not key then return nil, text, code end
  return id_of(core.random_id(), self.number, key)
end

---The stream is open.
---@param self mcp.Shared
---@param id string
---@param link table of its connection
function posts.open(self, id, link) self.links[id] = link end

-- The process that has the stream of a message; nil if there is none: with a code, if that is not
-- known.
local function holder(self, id)
  local random, number = id:match(ID)
  number = math.tointeger(tonumber(number))
  -- What this process has it would have found.
  if not number or number == self.number then return nil end
  local key, text, code = key_of(self)
  if not key then return nil, text, code end
  -- The one spelling that is issued is the only one that counts.
  return id_of(random, number, key) == id and number or nil
end

-- The header fields of a message, as another process can have them: a text that is not UTF-8 cannot
-- be part of JSON. The token stays here.
local function fields_of(x, auth)
  local fields = x:headers()
  if auth then fields.authorization = nil end
  for name, field in pairs(fields) do
    if not utf8.len(field) then fields[name] = nil end
  end
  return fields
end

local function facts_of(auth)
  return { subject = auth.subject, client = auth.client, issuer = auth.issuer,
    scopes = table.move(auth.scopes, 1, #auth.scopes, 1, {}), expires = auth.expires,
    claims = auth.claims }
end

-- The message is answered for, in whatever way.
local function land(room)
  local passing, key = room.passing, room.key
  passing.total = passing.total - room.bytes
  if not key then return end
  local left = passing.by[key] - room.bytes
  passing.by[key] = left > 0 and left or nil
end

local Room = { __close = land }

-- Makes room for a message of `bytes` to another process. `key`: of its principal, if it has one.
local function admit(passing, key, bytes)
  if bytes > posts.PASSING_PER_PRINCIPAL then
    return nil, ("%d bytes, where at most %d can be passed to another process; send it in parts, "
      .. "or over Streamable HTTP"):format(bytes, posts.PASSING_PER_PRINCIPAL), "ETOOBIG"
  end
  local own = key and passing.by[key] or 0
  if passing.total + bytes > posts.PASSING or own + bytes > posts.PASSING_PER_PRINCIPAL then
    return nil, "too many bytes are on the way to other processes", "EFULL"
  end
  passing.total = passing.total + bytes
  if key then passing.by[key] = own + bytes end
  return setmetatable({ passing = passing, key = key, bytes = bytes }, Room)
end

-- Has the process with this number ended? Asked of the store, unless it has answered just now.
local function has_ended(self, number)
  local heard = self.heard[number]
  if heard and core.now() - heard < posts.HEARD then return false end
  if self:is_alive(number) then return false end
  self.heard[number] = nil
  return true
end

---Passes a message to the process that has its stream.
---@param self mcp.Shared
---@param x userdata its exchange
---@param auth mcp.Principal|nil
---@return true|nil passed
---@return string|nil text
---@return string|nil code "ECLOSED": there is no such stream; "EUNAVAILABLE": the store is away;
---"ETIMEDOUT": the process has not answered; "ETOOBIG"; "EFULL": too many wait for an answer, or
---too many bytes; or as x:feed()
function posts.pass(self, x, auth)
  local id = (x:header ":query" or ""):match(QUERY)
  local number, text, code
  if id then number, text, code = holder(self, id) end
  if not number then return nil, text or "no such stream", code or "ECLOSED" end
  if has_ended(self, number) then return nil, ENDED, "ECLOSED" end
  text, code = select(2, x:feed())
  if code ~= "ECLOSED" then return nil, text, code end
  local message = { verb = "post", link = id, text = select(4, x:request()),
    fields = fields_of(x, auth), principal = auth and facts_of(auth) or nil,
    lasts = auth and self.app.auth:left(auth) or nil }
  if not message.text then return nil, "the client is gone", "ECLOSED" end
  local answer
  -- It is a part of two messages until it is sent, and waits in a queue then.
  local charged, reason, problem = x:charge(2 * #message.text)
  if not charged then return nil, reason, problem end
  answer, text, code = self:ask(number, message, function(bytes)
    message.text = nil
    return admit(self.passing, auth and auth.key, bytes)
  end)
  if answer then
    self.heard[number] = core.now()
    if answer.done then return true end
    return nil, answer.text, answer.code
  end
  if code == "EBUSY" then return nil, text, "EFULL" end
  if code ~= "ETIMEDOUT" or self:is_alive(number) then return nil, text, code end
  return nil, ENDED, "ECLOSED"
end

-- Asked by a process that a message has arrived at. The stream of another principal is unknown.
local function take(self, message)
  local link, auth = self.links[message.link], nil
  if message.principal then
    auth = principal.new(message.principal, self.app.auth and self.app.auth.includes)
  end
  if not link or auth and not (link.auth and link.auth.key == auth.key)
    or self.app.auth and not auth then
    return { text = "no such stream", code = "ECLOSED" }
  end
  link.auth, link.posted = auth, message.fields
  local done, text, code = link.sender:feed(message.text, message.lasts)
  link.posted = nil
  return { done = done, text = text, code = code }
end

---@param shared mcp.Shared
function posts.share(shared)
  -- Those that have ended go with the tables of their connections.
  shared.links = setmetatable({}, { __mode = "v" })
  shared.asked.post = take
  -- Messages to others: their bytes, by principal too; and when each has answered last.
  shared.passing, shared.heard = { total = 0, by = {} }, {}
end

return posts
