-- SPDX-License-Identifier: MIT
-- A store in Redis: the common cases against a real server, and what a server may refuse.
local cases = require "spec.mcp.store.cases"
local redis_server = require "spec.mcp.store.redis_server"
local store = require "mcp.store"

local in_task, logged, wait_for = cases.in_task, cases.logged, cases.wait_for

if redis_server.is_missing(_ENV, "a store in Redis") then return end

local node, tidy = redis_server.node, redis_server.tidy
local server

local function connected(address)
  local made = store.open(address)
  assert.is_true(made:connect())
  return made
end

describe("Redis over TCP", function()
  setup(function() server = redis_server.begin() end)
  teardown(tidy)
  cases.declare(_ENV, "Redis over TCP", function() return connected(server.url) end,
    function() in_task(function() server:ask "FLUSHALL" end)() end)
end)

describe("Redis over a socket file", function()
  setup(function() server = redis_server.begin() end)
  teardown(tidy)
  cases.declare(_ENV, "Redis over a socket file",
    function() return connected(server.unix_url .. "?db=3&prefix=mine:") end,
    function() in_task(function() server:ask "FLUSHALL" end)() end)
end)

describe("a store in Redis", function()
  local function it_does(what, fn)
    it(what, in_task(fn))
  end

  describe("with a password", function()
    before_each(function()
      server = redis_server.begin({ "--requirepass", "secret word" }, { login = "secret word" })
    end)
    after_each(tidy)

    local function address(login)
      return ("redis://%s127.0.0.1:%d"):format(login, server.port)
    end

    it_does("accepts it, also with a user", function()
      assert.is_true(node(address ":secret%20word@"):connect())
      assert.is_true(node(address "default:secret%20word@"):connect())
    end)

    it_does("refuses a wrong one, and none", function()
      for login, pattern in pairs {
        [":wrong@"] = "^redis 127%.0%.0%.1:%d+: away: the user or the password is wrong: WRONGPASS",
        ["other:wrong@"] = "^redis 127%.0%.0%.1:%d+: away: the user or the password is wrong: ",
        [""] = "^redis 127%.0%.0%.1:%d+: away: the server wants a password: redis://:password@host",
      } do
        local a = node(address(login))
        logged(function()
          local ok, text, code = a:connect()
          assert.is_nil(ok)
          assert.matches(pattern, text)
          assert.equal("EAUTH", code)
        end)
        assert.is_nil(tostring(a):find("wrong", 1, true))
        a:close()
      end
    end)

    it_does("needs no more than the commands that the docs name", function()
      local file <close> = assert(io.open "docs/scale.md")
      local rule = file:read("a"):match "ACL SETUSER luamcp (on .-)\n\n"
      local words = {}
      for word in rule:gmatch "%S+" do words[#words + 1] = word end
      assert.equal("OK", server:ask("ACL", "SETUSER", "luamcp", table.unpack(words)))
      local a, b = node(address "luamcp:password@" .. "/1"), node(address "luamcp:password@")
      assert.is_true(a:connect())
      assert.is_true(b:connect())
      local limits = { ttl = 60, events = 1 }
      local got
      local subscription = a:subscribe("t", function(text) got = text end)
      assert.is_true(b:publish("t", "x"))
      for _, ok in ipairs { a:put("k", "x", 60), a:touch("k", 60), a:get "k", a:take "k",
        a:add("k", "x", 60), a:delete "k", a:add("k", "x", 60), a:release("k", "x"),
        a:count("n", 1, 60), a:append("l", "e1", "x", limits),
        a:append("l", "e2", "x", limits), a:range "l", a:bucket("b", 1, 1), a:nodes() } do
        assert.is_truthy(ok)
      end
      b:close()
      subscription:close()
      assert.is_nil(got)
    end)

    it_does("says what a user may not do", function()
      server:ask("ACL", "SETUSER", "small", "on", ">pw", "~other:*", "&*", "+@all")
      local a = node(address "small:pw@")
      logged(function()
        local ok, text, code = a:connect()
        assert.is_nil(ok)
        assert.matches("NOPERM", text)
        assert.equal("EAUTH", code)
      end)
    end)
  end)

  describe("refuses", function()
    after_each(tidy)

    it_does("a password where there is none, and a database that does not exist", function()
      server = redis_server.begin()
      for address, want in pairs {
        [server.unix_url:gsub("//", "//:pw@", 1)] =
          { "the address has a password, and the server has none: ERR AUTH", "EAUTH" },
        [server.url .. "/99"] = { "database 99: ERR DB index is out of range", "EREDIS" },
        [server.url:gsub("^redis:", "rediss:")] =
          { "no answer within 0.3 s (does it speak TLS? Else the address is redis://)",
            "EUNAVAILABLE" },
      } do
        logged(function()
          local ok, text, code = node(address):connect()
          assert.is_nil(ok)
          assert.matches(want[1], text, 1, true)
          assert.equal(want[2], code)
        end)
      end
    end)

    it_does("a cluster", function()
      server = redis_server.begin { "--cluster-enabled", "yes", "--cluster-config-file",
        "FOLDER/nodes.conf" }
      -- It has half of the slots, and says that another server has the rest.
      server:ask("CLUSTER", "ADDSLOTSRANGE", "0", "8191")
      server:ask("CONFIG", "SET", "cluster-require-full-coverage", "no")
      local a = node()
      logged(function()
        local ok, text, code
        for i = 1, 20 do
          ok, text, code = a:put("k" .. i, "x", 60)
          if not ok then break end
        end
        assert.is_nil(ok)
        assert.matches("CLUSTERDOWN", text)
        assert.equal("EUNAVAILABLE", code)
      end)
    end)
  end)

  describe("over TLS", function()
    local folder

    local function certificates()
      folder = os.tmpname()
      os.remove(folder)
      assert(os.execute(("mkdir -m 700 '%s' && openssl req -x509 -newkey ec -pkeyopt "
        .. "ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext "
        .. "subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout '%s/key.pem' -out '%s/cert.pem' "
        .. "2>/dev/null"):format(folder, folder, folder)))
    end

    after_each(function()
      tidy()
      os.execute("rm -rf '" .. folder .. "'")
    end)

    it_does("is known by its certificate", function()
      certificates()
      server = redis_server.begin({ "--tls-port", "PORT", "--tls-cert-file", folder .. "/cert.pem",
        "--tls-key-file", folder .. "/key.pem", "--tls-ca-cert-file", folder .. "/cert.pem",
        "--tls-auth-clients", "no" }, { tls = true })
      local address = ("rediss://127.0.0.1:%d"):format(server.port)
      local a = node(address .. "?ca=" .. folder .. "/cert.pem", { timeout = 2 })
      local b = node(address, { timeout = 2, tls = { ca = folder .. "/cert.pem" } })
      assert.is_true(a:connect())
      local got = {}
      b:subscribe("t", function(text) got[#got + 1] = text end)
      a:publish("t", ("x"):rep(100000))
      wait_for(function() return got[1] end, "the text")
      assert.equal(100000, #got[1])
      assert.is_true(a:put("k", "x", 60))
      assert.equal("x", b:get "k")
      logged(function()
        local ok, text, code = node(address, { timeout = 2 }):connect()
        assert.is_nil(ok)
        assert.matches("away: .*certificate", text)
        assert.equal("ETLSISSUER", code)
        ok, text = node((address:gsub("rediss", "redis")), { timeout = 1 }):connect()
        assert.is_nil(ok)
        assert.matches("does it expect TLS: rediss://", text, 1, true)
      end)
    end)
  end)
end)
