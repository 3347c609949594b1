-- SPDX-License-Identifier: MIT
-- Without sessions a client listens by one long request. When it wants more or less, a second one
-- stands beside the first, and the first is ended only after the second has been acknowledged: no
-- change is missed in between.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"
local scripted = require "spec.scripted"
local value = require "mcp.value"

local TAG = helper.PREFIX .. "subscriptionId"
local DISCOVERY = { capabilities = { tools = {}, resources = { subscribe = true } } }

local function acknowledged(message)
  return { jsonrpc = "2.0", method = "notifications/subscriptions/acknowledged", params = {
    notifications = message.params.notifications, _meta = { [TAG] = message.id } } }
end

local function updated(id, uri)
  return { jsonrpc = "2.0", method = "notifications/resources/updated",
    params = { uri = uri, _meta = { [TAG] = id } } }
end

-- Subscribes twice, then drops one; `log` is what the server saw, in order; `hold` holds
-- acknowledgements back.
local function run(client, log, hold, notify)
  local heard = {}
  local function note(uri) heard[#heard + 1] = uri end
  assert(client:subscribe("r://a", note))
  assert.same({ "listen 1", "ack 1" }, log)
  hold.on = true
  local done = false
  core.spawn(function() done = client:subscribe("r://b", note) end)
  helper.wait_until(function() return log[3] end)
  assert.equal("listen 2", log[3])
  -- Not acknowledged: the first one still stands, and what it tells still counts.
  notify(1, "r://a")
  helper.wait_until(function() return heard[1] end)
  assert.equal(3, #log)
  hold.release()
  helper.wait_until(function() return done and log[5] end)
  assert.same({ "ack 2", "end 1" }, { log[4], log[5] })
  notify(2, "r://b")
  helper.wait_until(function() return heard[2] end)
  assert.same({ "r://a", "r://b" }, heard)
  -- The same when less is wanted.
  hold.on = false
  assert(client:unsubscribe "r://a")
  helper.wait_until(function() return log[8] end)
  assert.same({ "listen 3", "ack 3", "end 2" }, { log[6], log[7], log[8] })
end

describe("a second listen", function()
  after_each(scripted.leftovers)

  it("stands beside the first until it is acknowledged, over a connection", function()
    local log, hold, ids, nth_of, far = {}, { on = false }, {}, {}, nil
    local client = scripted.keep(mcp.session(scripted.transport(scripted.modern(function(f, m)
      far = f
      if m.method == "subscriptions/listen" then
        ids[#ids + 1] = m.id
        nth_of[m.id] = #ids
        log[#log + 1] = "listen " .. #ids
        local function acknowledge()
          log[#log + 1] = "ack " .. nth_of[m.id]
          f:send(acknowledged(m))
        end
        if hold.on then hold.release = acknowledge else acknowledge() end
      elseif m.method == "notifications/cancelled" then
        log[#log + 1] = "end " .. nth_of[m.params.requestId]
      end
    end, DISCOVERY))))
    assert(client:initialize())
    run(client, log, hold, function(nth, uri) far:send(updated(ids[nth], uri)) end)
  end)

  it("stands beside the first until it is acknowledged, over HTTP", function()
    local log, hold, streams = {}, { on = false }, {}
    local server <close> = raw_server.start(function(request, c)
      local message = request.message
      if message.method == "server/discover" then
        return c:json(200, { jsonrpc = "2.0", id = message.id,
          result = scripted.discovery(DISCOVERY) })
      elseif message.method ~= "subscriptions/listen" then
        return 202
      end
      streams[#streams + 1] = { connection = c, id = message.id }
      local nth = #streams
      log[#log + 1] = "listen " .. nth
      c:stream()
      local function acknowledge()
        log[#log + 1] = "ack " .. nth
        c:event(acknowledged(message))
      end
      if hold.on then hold.release = acknowledge else acknowledge() end
      c:wait_end()
      log[#log + 1] = "end " .. nth
    end)
    local client <close> = assert(mcp.connect(server.url))
    run(client, log, hold, function(nth, uri)
      streams[nth].connection:event(updated(streams[nth].id, uri))
    end)
  end)

  it("that the server refuses leaves the first one as it was", function()
    local count, ended, heard, far, first = 0, {}, nil, nil, nil
    local client = scripted.keep(mcp.session(scripted.transport(scripted.modern(function(f, m)
      far = f
      if m.method == "subscriptions/listen" then
        count = count + 1
        if count > 1 then return f:error(m.id, -32603, "Busy") end
        first = m.id
        f:send(acknowledged(m))
      elseif m.method == "notifications/cancelled" then
        ended[#ended + 1] = m.params.requestId
      end
    end, DISCOVERY))))
    assert(client:initialize())
    assert(client:subscribe("r://a", function(uri) heard = uri end))
    local ok, text, code = client:subscribe("r://b", function() end)
    assert.is_nil(ok)
    assert.matches("Busy", text, 1, true)
    assert.equal(-32603, code)
    far:send(updated(first, "r://a"))
    helper.wait_until(function() return heard end)
    assert.same(value.array {}, value.array(ended))
  end)
end)
