-- SPDX-License-Identifier: MIT
-- auth_client.lua: our client with a user, against an authorization server that is not ours. The
-- browser comes back to the listener on loopback.
--
--   luamcp run scripts/interop/auth_client.lua BROWSER REVISION URL
--
-- BROWSER is a command; the URL is appended to it.
local mcp = require "mcp"

local BROWSER, REVISION, URL = arg[1], arg[2], arg[3]

local shown = {}
local function show(address)
  shown[#shown + 1] = address
  assert(os.execute(("%s '%s' </dev/null >/dev/null 2>&1 &"):format(BROWSER, address)))
end

local path = os.tmpname()
os.remove(path)
local _ <close> = setmetatable({}, { __close = function() os.remove(path) end })

local function connect()
  local store = mcp.auth.file_store(path)
  return assert(mcp.connect(URL, {
    revision = REVISION,
    auth = mcp.auth.oauth { client_name = "luamcp interop", store = store,
      loopback = { show = show, time = 20 } },
  })), store
end

local function said(session, name, arguments)
  return assert(session:call_tool(name, arguments)).content[1].text
end

-- What is kept for the server; the store has one issuer.
local function tokens_of(store)
  for key, value in pairs(store.values) do
    if key:find "^issuer " then return value.tokens[URL] end
  end
end

do
  local session <close>, store = connect()
  assert(said(session, "whoami", {}) == "ada notes")
  assert(#shown == 1 and not shown[1]:find "notes%%3Awrite", shown[1])
  -- A token that is no good: another is fetched without the user.
  local tokens = tokens_of(store)
  local before = assert(tokens.refresh)
  tokens.access = "e30.e30.bm9uZQ"
  assert(said(session, "whoami", {}) == "ada notes")
  assert(tokens_of(store).refresh ~= before and #shown == 1)
  -- One that lacks a scope: the user is asked for that too.
  assert(said(session, "write", { text = "tea" }) == "noted: tea")
  assert(#shown == 2 and shown[2]:find("notes%%3Awrite"))
end

-- What was kept is good for the next process.
local session <close> = connect()
assert(said(session, "whoami", {}):find "^ada notes")
assert(#shown == 2)
