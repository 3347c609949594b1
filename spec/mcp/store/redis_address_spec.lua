-- SPDX-License-Identifier: MIT
-- Addresses of Redis servers.
local address = require "mcp.store.redis.address"

local function refused(text)
  local ok, message = pcall(address.read, text)
  assert.is_false(ok, text)
  return message
end

describe("the address of a Redis server", function()
  it("has a host, a port and a database", function()
    assert.same({ name = "redis localhost:6379", host = "localhost", port = 6379, db = 0,
      prefix = "luamcp:" }, address.read "redis://localhost")
    assert.same({ name = "redis 10.0.0.7:7000", host = "10.0.0.7", port = 7000, db = 3,
      prefix = "shop:" }, address.read "redis://10.0.0.7:7000/3?prefix=shop:")
    assert.same({ name = "redis [::1]:6379", host = "::1", port = 6379, db = 0,
      prefix = "luamcp:" }, address.read "REDIS://[::1]/")
    assert.equal(80, address.read("redis://localhost:80").port)
  end)

  it("has a user and a password", function()
    local read = address.read "redis://me:a%40b%3A%2f@localhost"
    assert.same({ "me", "a@b:/" }, { read.user, read.password })
    read = address.read "redis://:p@ss@localhost"
    assert.same({ "p@ss" }, { read.password, read.user })
  end)

  it("has a socket file", function()
    assert.same({ name = "redis /run/redis/a b.sock", unix = "/run/redis/a b.sock", db = 2,
      prefix = "luamcp:", password = "pw" },
      address.read "redis+unix://:pw@/run/redis/a%20b.sock?db=2")
  end)

  it("has options of TLS", function()
    local read = address.read "rediss://cache.example?ca=%2fca.pem&cert=c.pem&key=k.pem&verify=no"
    assert.same({ ca = "/ca.pem", cert = "c.pem", key = "k.pem", verify = false }, read.tls)
    assert.same({}, address.read("rediss://cache.example").tls)
  end)

  it("is refused with a reason, without its password", function()
    for text, reason in pairs {
      ["redis:localhost"] = "redis:localhost: expected redis://host:port or redis+unix:///path",
      ["redis://"] = "no host",
      ["redis://me:secret@"] = "no host",
      ["redis://me@localhost"] =
        "a user without a password: expected redis://user:password@… or redis://:password@…",
      ["redis://:@localhost"] = "the password is empty",
      ["redis://localhost:99999"] = "the port 99999 is not one",
      ["redis://localhost:x"] = "a port that is no number",
      ["redis://localhost/one"] = 'the database: expected a number, got "one"',
      ["redis://localhost/1?db=2"] = "two databases: /1 and db=2",
      ["redis://localhost?db=-1"] = 'the database: expected a number, got "-1"',
      ["redis://localhost?prefx=a"] = 'unknown parameter "prefx", did you mean "prefix"?',
      ["redis://localhost?prefix=a&prefix=b"] = 'the parameter "prefix" is given twice',
      ["redis://localhost?prefix="] = "prefix: expected 1 to 128 bytes, got 0",
      ["redis://localhost?prefix=" .. ("x"):rep(129)] = "prefix: expected 1 to 128 bytes, got 129",
      ["redis://localhost?ca=a.pem"] = '"ca" is for rediss://',
      ["rediss://localhost?verify=maybe"] = 'verify: expected yes or no, got "maybe"',
      ["redis://:a%4@localhost"] = "a % without two digits after it",
      ["redis://:a#b@localhost"] = "a # in it; write %23",
      ["redis+unix://run/redis.sock"] = "the path of a socket begins with /",
    } do
      local message = refused(text)
      assert.matches(reason, message, 1, true)
      assert.matches("^store: redis", message)
      assert.is_nil(message:find("secret", 1, true))
    end
    assert.equal("store: redis://(hidden)@localhost/x: the database: expected a number, got \"x\"",
      refused "redis://me:secret@localhost/x?prefix=y")
  end)
end)
