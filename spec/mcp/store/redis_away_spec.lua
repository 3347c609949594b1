-- SPDX-License-Identifier: MIT
-- A store in Redis whose server is away, comes back, loads its data, or is full.
local cases = require "spec.mcp.store.cases"
local core = require "mcp.core"
local redis_server = require "spec.mcp.store.redis_server"
local store = require "mcp.store"

if redis_server.is_missing(_ENV, "a store in Redis") then return end

local in_task, logged, wait_for = cases.in_task, cases.logged, cases.wait_for
local node, tidy = redis_server.node, redis_server.tidy
local server

describe("a store in Redis", function()
  local function it_does(what, fn)
    it(what, in_task(fn))
  end

  describe("that is away", function()
    before_each(function() server = redis_server.begin() end)
    after_each(tidy)

    it_does("comes back after a restart, and has its subscriptions again", function()
      local a, b = node(), node()
      local got, back = {}, 0
      b:subscribe("t", function(text) got[#got + 1] = text end)
      b:on_back(function() back = back + 1 end)
      assert.is_true(a:put("k", "1", 60))
      local log = logged(function()
        server:kill()
        wait_for(function() return not a:is_ready() and not b:is_ready() end, "the loss")
        local ok, text, code = a:publish("t", "lost")
        assert.is_nil(ok)
        assert.matches("^redis /.*: away: .*; nothing was sent$", text)
        assert.equal("EUNAVAILABLE", code)
        local begun = core.now()
        ok, text, code = a:get "k"
        assert.is_nil(ok)
        assert.matches("^redis /.*: away: ", text)
        assert.equal("EUNAVAILABLE", code)
        assert.is_true(core.now() - begun < 1)
        server:start()
        wait_for(function() return a:is_ready() and b:is_ready() and back == 1 end, "the return")
      end)
      assert.matches("warning: redis /%S+: away: the server closed the connection", log)
      assert.matches("warning: redis /%S+: back after %d%.%d s", log)
      assert.is_nil((a:get "k"))
      assert.is_true(a:publish("t", "again"))
      wait_for(function() return got[1] end, "the text")
      assert.same({ "again" }, got)
      assert.is_nil(log:find("error", 1, true))
      wait_for(function() return a:nodes()[b.node] end, "the other node")
    end)

    it_does("fails at once when it has been away for a while", function()
      local a = node()
      assert.is_true(a:connect())
      logged(function()
        server:kill()
        wait_for(function() return not a:is_ready() end, "the loss")
        a:get "k"
        core.sleep(0.35)
        local begun = core.now()
        for _ = 1, 20 do assert.equal("EUNAVAILABLE", (select(3, a:get "k"))) end
        assert.is_true(core.now() - begun < 0.2)
        server:start()
        wait_for(function() return a:is_ready() end, "the return")
      end)
    end)

    it_does("sends what was to be done later once it is back, in order", function()
      local a = node()
      assert.is_true(a:connect())
      logged(function()
        server:kill()
        wait_for(function() return not a:is_ready() end, "the loss")
        a:put_later("k", "1", 60)
        a:put_later("k", "2", 60)
        for i = 1, 3 do a:append_later("l", "e" .. i, "v", { ttl = 60 }) end
        server:start()
        wait_for(function() return a:is_ready() end, "the return")
      end)
      assert.equal("2", a:get "k")
      assert.equal(3, #a:range "l")
    end)

    it_does("loses what is too much to keep, and logs it once", function()
      local a = node()
      assert.is_true(a:connect())
      local log = logged(function()
        server:kill()
        wait_for(function() return not a:is_ready() end, "the loss")
        for i = 1, 20 do a:put_later("k" .. i, ("x"):rep(1 << 20), 60) end
        server:start()
        wait_for(function() return a:is_ready() end, "the return")
      end)
      local _, count = log:gsub("what was to be kept is lost: redis [^\n]*, and %d+ bytes wait", "")
      assert.equal(1, count)
      assert.is_string(a:get "k15")
      assert.is_nil((a:get "k20"))
    end)

    it_does("does nothing twice when the connection is lost again and again", function()
      local a, ids = node(), {}
      local sure, unsure = 0, 0
      local link = require "mcp.store.redis.link"
      local most = link.PAUSE_MAX
      link.PAUSE_MAX = 0.05
      logged(function()
        for i = 1, 60 do
          if i % 6 == 0 then server:ask("CLIENT", "KILL", "TYPE", "normal") end
          local count, _, code = a:count("n", 1, 60)
          if count then
            sure = sure + 1
          else
            assert.equal("EUNAVAILABLE", code)
            unsure = unsure + 1
          end
          a:append_later("l", "e" .. i, "v" .. i, { ttl = 60 })
          ids[i] = "e" .. i
        end
      end)
      link.PAUSE_MAX = most
      local n = tonumber(a:get "n")
      assert.is_true(n >= sure and n <= sure + unsure, ("%d, %d to %d"):format(n, sure,
        sure + unsure))
      local entries = a:range "l"
      assert.equal(60, #entries)
      for i, entry in ipairs(entries) do assert.equal(ids[i], entry[1]) end
    end)

    it_does("is waited for when it starts late", function()
      server:kill()
      local a = node()
      local ok, text, code
      logged(function()
        ok, text, code = a:connect()
        assert.is_nil(ok)
        assert.matches("^redis /.*: away: cannot be reached: ", text)
        assert.equal("EUNAVAILABLE", code)
        assert.is_false(a:is_ready())
        server:start()
        wait_for(function() return a:is_ready() end, "the connection")
      end)
      assert.is_true(a:connect())
      assert.is_true(a:put("k", "x", 1))
    end)

    it_does("has its scripts again after they were lost", function()
      local a = node()
      assert.equal(1, a:count("n", 1, 60))
      assert.equal("OK", server:ask("SCRIPT", "FLUSH"))
      assert.equal(2, a:count("n", 1, 60))
      assert.is_true(a:append("l", "e", "x", { ttl = 60 }))
      assert.equal(1, #a:range "l")
    end)

    it_does("is full", function()
      local a = node()
      assert.is_true(a:put("k", "x", 60))
      server:ask("CONFIG", "SET", "maxmemory", "1")
      local ok, text, code = a:put("k2", "x", 60)
      assert.is_nil(ok)
      assert.matches("^redis /.*: the store is full: OOM ", text)
      assert.equal("EBUDGET", code)
      server:ask("CONFIG", "SET", "maxmemory", "0")
      assert.is_true(a:put("k2", "x", 60))
    end)

    it_does("forgets a node that died in time", function()
      local a, b = node(), node()
      assert.is_true(a:connect())
      assert.is_true(b:connect())
      local nodes_key = "luamcp:nodes"
      assert.equal(2, server:ask("ZCARD", nodes_key))
      -- As if its last sign of life were long ago.
      server:ask("ZADD", nodes_key, "1", b.node)
      assert.is_nil(a:nodes()[b.node])
      assert.equal(1, server:ask("ZCARD", nodes_key))
    end)

    it_does("bounds each wait by 2 s unless the options say something else", function()
      local a = node(nil, {})
      assert.is_true(a:connect())
      server:freeze()
      local begun = core.now()
      local _, text, code = a:get "k"
      assert.matches("no answer within 2 s", text)
      assert.equal("EUNAVAILABLE", code)
      assert.is_true(core.now() - begun >= 1.9)
      logged(function() server:thaw() end)
      for given, message in pairs {
        [{ timeout = 0 }] = "store: timeout: expected more than 0 and at most 60 seconds, got 0",
        [{ timeout = 61 }] = "store: timeout: expected more than 0 and at most 60 seconds, got 61",
        [{ timout = 1 }] = 'store: unknown option "timout", did you mean "timeout"?',
        [{ tls = {} }] = "store: tls: expected the address to begin with rediss://",
      } do
        assert.same({ false, message }, { pcall(store.open, server.unix_url, given) })
      end
    end)

    it_does("says every 5 s that a node is alive, which holds for 15 s", function()
      local redis = require "mcp.store.redis"
      assert.same({ 5, 15 }, { redis.BEAT, redis.LIFE })
      redis.BEAT = 0.02
      local a = node()
      assert.is_true(a:connect())
      local first = tonumber((server:ask("ZSCORE", "luamcp:nodes", a.node)))
      local now = tonumber((server:ask "TIME")[1])
      assert.is_true(first / 1000 > now + 13 and first / 1000 <= now + 16)
      wait_for(function()
        return tonumber((server:ask("ZSCORE", "luamcp:nodes", a.node))) > first
      end, "the next sign of life")
      redis.BEAT = 5
    end)

    it_does("gives every key a time, and keeps to its prefix", function()
      local a = node(server.unix_url .. "?prefix=p:")
      a:put("v", "x", 60)
      a:count("n", 1, 60)
      a:append("l", "e", "x", { ttl = 60 })
      a:bucket("b", 1, 1)
      a:connect()
      local keys = server:ask("KEYS", "*")
      table.sort(keys)
      assert.same({ "p:k:b", "p:k:l", "p:k:n", "p:k:v", "p:nodes" }, keys)
      for _, key in ipairs(keys) do assert.is_true(server:ask("PTTL", key) > 0, key) end
    end)

    it_does("separates the topics of databases", function()
      local a, b = node(server.unix_url .. "?db=1"), node(server.unix_url .. "?db=2")
      local c = node(server.unix_url .. "?db=2")
      local got = {}
      b:subscribe("t", function(text) got[#got + 1] = text end)
      a:publish("t", "other database")
      a:get "k"
      c:publish("t", "same database")
      wait_for(function() return got[1] end, "the text")
      assert.same({ "same database" }, got)
    end)

    it_does("survives a server that speaks another protocol", function()
      local host = assert(core.listen_http({ host = "127.0.0.1", port = 0 }, function() end))
      local a = node(("redis://127.0.0.1:%d"):format(host:port()))
      logged(function()
        local ok, text, code = a:connect()
        assert.is_nil(ok)
        assert.matches("^redis 127%.0%.0%.1:%d+: away: the answer is not that of a Redis server: ",
          text)
        assert.equal("EUNAVAILABLE", code)
      end)
      host:close()
    end)
  end)

  describe("that loads its data", function()
    after_each(tidy)

    it_does("is waited for", function()
      server = redis_server.begin { "--loading-process-events-interval-bytes", "1024" }
      local a = node(server.unix_url)
      for i = 1, 3000 do a:put_later("k" .. i, "x", 600) end
      assert.equal("x", a:get "k3000")
      assert.equal("OK", server:ask "SAVE")
      table.move({ "--key-load-delay", "400" }, 1, 2, #server.more + 1, server.more)
      logged(function()
        server:kill()
        wait_for(function() return not a:is_ready() end, "the loss")
        server:start()
        wait_for(function()
          local _, text = a:get "k1"
          return text and text:find("away: it is loading its data: LOADING", 1, true)
        end, "the answer that it is loading")
        wait_for(function() return a:is_ready() end, "the return")
      end)
      assert.equal("x", a:get "k3000")
    end)
  end)
end)
