-- SPDX-License-Identifier: MIT
-- The option `extensions` of a client.
local mcp = require "mcp"

local ID = "io.example/thing"

describe("the option extensions", function()
  it("is refused with what is wrong in it, at the line of the caller", function()
    local app = mcp.server "spec"
    local ROWS = {
      { { thing = {} }, 'got "thing"' },
      { { [ID] = 1 }, "expected a table of settings, got number" },
      { { [ID] = { 1 } }, '"io.example/thing": settings: expected a table with names' },
      { { [ID] = { f = print } }, "settings: " },
      { { { id = "x" } }, 'extensions[1]: expected an identifier' },
      { { {} }, "extensions[1]: expected an identifier" },
      { { { id = ID, setings = {} } }, 'did you mean "settings"?' },
      { { { id = ID, settings = { revision = "1" } } }, "an option of its own" },
      { { { id = ID, methods = { ["tools/call"] = {} } } },
        '"tools/call" belongs to the protocol' },
      { { { id = ID, methods = { ["a/b"] = { taget = "x" } } } }, 'did you mean "target"?' },
      { { { id = ID, methods = { {} } } }, "expected the names of methods" },
      { { { id = ID, notifications = { ["notifications/x"] = 1 } } }, "expected a function" },
      { { { id = ID }, [ID] = {} }, "declared twice" },
      { { { id = ID, results = { ticket = true } } }, "results: expected a list of strings" },
      { { { id = ID, results = { 5 } } }, "results[1]: expected a string, got number" },
      { { { id = ID, notifications = { ["notifications/progress"] = print } } },
        '"notifications/progress" belongs to the protocol itself' },
      { { { id = ID, requests = { ["sampling/createMessage"] = print } } },
        '"sampling/createMessage" belongs to the protocol itself' },
      { { { id = ID, methods = { ["a/b"] = {} } },
        { id = "io.example/other", methods = { ["a/b"] = {} } } },
        '"a/b" belongs to the extension "io.example/thing"' },
    }
    for i = 1, #ROWS do
      local ok, text = pcall(mcp.connect, app, { extensions = ROWS[i][1] })
      assert.is_false(ok)
      assert.matches(ROWS[i][2], text, 1, true)
    end
    local ok, text = pcall(function()
      local client = mcp.connect(app, { extensions = { thing = {} } })
      return client
    end)
    assert.is_false(ok)
    assert.matches("extension_spec.lua:%d+: mcp.connect: extensions: ", text)
  end)

  it("takes in what the option capabilities declares", function()
    local app = mcp.server "spec"
    app:extension { id = ID, settings = { a = 1 } }
    app:extension { id = "io.example/other", settings = { b = 1 } }
    local client <close> = assert(mcp.connect(app, { extensions = { ["io.example/other"] = true },
      capabilities = { extensions = { [ID] = {} } } }))
    assert.equal(1, client:extension(ID).a)
    assert.equal(1, client:extension "io.example/other".b)
  end)

  it("names the caller's line for a notification that cannot be sent", function()
    local app = mcp.server "spec"
    app:extension { id = ID }
    local host <close> = app:listen { http = 0, quiet = true }
    for _, to in ipairs { app, ("http://127.0.0.1:%d/mcp"):format(host.port) } do
      for _, era in ipairs { "modern", "legacy" } do
        local client <close> = assert(mcp.connect(to, { era = era, extensions = { [ID] = {} } }))
        local ok, text = pcall(function()
          client:notify("notifications/x", { f = print })
          return true
        end)
        assert.is_false(ok)
        assert.matches("extension_spec.lua:%d+: notifications/x: params cannot be JSON: f", text)
      end
    end
  end)
end)
