-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local listen = require "mcp.listen"
local mcp = require "mcp"

describe("listen", function()
  after_each(helper.leftovers)

  local function address(given)
    local a = listen.address(given)
    return ("%s %d %s"):format(a.host, a.port, a.path)
  end

  it("reads addresses", function()
    local cases = {
      [8000] = "127.0.0.1 8000 /mcp", ["8000"] = "127.0.0.1 8000 /mcp",
      ["0"] = "127.0.0.1 0 /mcp", [0] = "127.0.0.1 0 /mcp", [true] = "127.0.0.1 8000 /mcp",
      ["127.0.0.1:9"] = "127.0.0.1 9 /mcp", ["localhost:9"] = "localhost 9 /mcp",
      ["[::1]:8000"] = "::1 8000 /mcp", ["[::]:80/x"] = ":: 80 /x",
      [":8000"] = "127.0.0.1 8000 /mcp",
      ["*:8000"] = "0.0.0.0 8000 /mcp", ["localhost:8000/mcp"] = "localhost 8000 /mcp",
      ["8000/a/b"] = "127.0.0.1 8000 /a/b", ["http://h:80/"] = "h 80 /mcp",
      ["http://h:80/p"] = "h 80 /p", ["h:65535"] = "h 65535 /mcp", ["h:080"] = "h 80 /mcp",
    }
    for given, expected in pairs(cases) do
      assert.equal(expected, address(given), tostring(given))
    end
    assert.equal("h 1 /p", address { host = "h", port = 1, path = "/p" })
    assert.equal("127.0.0.1 8000 /mcp", address {})
  end)

  it("says what is wrong with one", function()
    local cases = { { "x", "is no address" }, { "", "is no address" }, { "h:", "is no address" },
      { "h:x", "is no address" }, { "a b:80", "is no address" }, { "::1:80", "is no address" },
      { "h:-1", "is no address" }, { "h:65536", "over 65535" }, { 70000, "over 65535" },
      { -1, "is no address" }, { 1.5, "got number" }, { print, "got function" }, { false, "got" },
      { "99999999999999999999", "over 65535" },
      { { prot = 1 }, 'did you mean "port"?' }, { { port = "1" }, "port: number expected" },
      { { host = 1 }, "host: string expected" }, { { port = 65536 }, "65535" },
      { { port = -1 }, "port" }, { { port = 1.5 }, "port" }, { { path = "mcp" }, "path" } }
    for _, case in ipairs(cases) do
      local ok, err = pcall(listen.address, case[1])
      assert.is_false(ok, tostring(case[1]))
      assert.matches(case[2], err, 1, true)
      assert.matches("^http", err:gsub("^unknown ", ""))
    end
  end)

  local function refused(options)
    local ok, err = pcall(listen.open, mcp.server "spec", options)
    assert.is_false(ok)
    return err
  end

  it("refuses options it does not know, naming the nearest", function()
    assert.matches('unknown option "htpp", did you mean "http"?', refused { htpp = 1 }, 1, true)
    assert.matches('unknown security option "allowed_host"',
      refused { http = 0, security = { allowed_host = {} } }, 1, true)
    assert.matches("allowed_hosts: table expected",
      refused { http = 0, security = { allowed_hosts = "x" } }, 1, true)
    assert.matches("allowed_origins[2]: string expected, got number",
      refused { http = 0, security = { allowed_origins = { "x", 5 } } }, 1, true)
    assert.matches('unknown limit "bodyy", did you mean "body"?',
      refused { http = 0, limits = { bodyy = 1 } }, 1, true)
    assert.matches("limits: body: a number, 0 or more, expected",
      refused { http = 0, limits = { body = -1 } }, 1, true)
    assert.matches("limits: body", refused { http = 0, limits = { body = "1" } }, 1, true)
  end)

  it("security and limits of the wrong type are refused in words", function()
    assert.matches("security: table expected, got boolean",
      refused { http = 0, security = true }, 1, true)
    assert.matches("limits: table expected, got number", refused { http = 0, limits = 5 }, 1, true)
  end)

  it("listens, says where, and closes", function()
    local app = mcp.server "spec"
    local listening <close> = app:listen { http = 0 }
    assert.is_true(listening.port > 0)
    assert.same({ ("http://127.0.0.1:%d/mcp"):format(listening.port) }, listening.urls)
    assert.equal(("mcp.listening (%s)"):format(listening.urls[1]), tostring(listening))
    assert.is_true(listening:is_open())
    assert.is_false(listening:is_gone())
    listening:close()
    assert.is_false(listening:is_open())
    helper.wait_until(function() return listening:is_gone() end, "the listener to be gone")
    listening:close()
    assert.is_nil(next(app.listening))
  end)

  it("a port that is taken is an error that says what to do", function()
    local app = mcp.server "spec"
    local listening <close> = app:listen { http = 0 }
    local ok, err = pcall(function() app:listen { http = listening.port } end)
    assert.is_false(ok)
    assert.matches(("listen_spec.lua:%%d+: cannot listen on 127.0.0.1 port %d: ")
      :format(listening.port), err)
    assert.matches("choose another", err, 1, true)
  end)

  it("one app can listen at several places", function()
    local app = mcp.server "spec"
    local one <close> = app:listen { http = 0 }
    local two <close> = app:listen { http = { path = "/other", port = 0 } }
    assert.not_equal(one.port, two.port)
    assert.matches("/other$", two.urls[1])
  end)

  it("a listener that fails leaves nothing open", function()
    local app = mcp.server "spec"
    assert.is_false(pcall(function()
      app:listen { http = { host = "no host of that name can exist", port = 0 } }
    end))
    assert.is_nil(next(app.listening))
  end)
end)
