-- SPDX-License-Identifier: MIT
-- luamcp doctor: each step can fail, and says what to do.
local core = require "mcp.core"
local helper = require "spec.helper"
local support = require "spec.support"

local quote = helper.quote

describe("luamcp doctor", function()
  after_each(function()
    support.stop_all()
    helper.remove_files()
  end)

  -- The steps as { step = { ok, text, advice } }, their names in order, and the status.
  local function doctor(...)
    local list = { quote(helper.program()), "doctor", "--json" }
    for _, word in ipairs { ... } do list[#list + 1] = quote(word) end
    local out, status = helper.shell("timeout 20 " .. table.concat(list, " ") .. " 2>&1 </dev/null")
    local steps, names = {}, {}
    for i, step in ipairs(assert(core.decode(out), out).steps) do
      steps[step.step], names[i] = step, step.step
    end
    return steps, table.concat(names, " "), status
  end

  -- Is this the last step, and does it say so?
  local function failed(name, text, advice, ...)
    local steps, names, status = doctor(...)
    assert.equal(4, status)
    assert.equal(name, names:match "%S+$")
    assert.is_false(steps[name].ok)
    assert.matches(text, steps[name].text, 1, true)
    assert.matches(advice, steps[name].advice, 1, true)
  end

  it("finds a script healthy", function()
    local file = helper.file([[
      local app = require "mcp".server "fine"
      app:tool "t" (function() return "x" end)
      app:run()]], ".lua")
    local steps, names, status = doctor(file)
    assert.same({ "program handshake lists", 0 }, { names, status })
    assert.equal("fine 0.0.0, revision 2026-07-28", steps.handshake.text)
    assert.equal("1 tool", steps.lists.text)
  end)

  it("names the step that fails before there is a server", function()
    failed("program", "No such file", "check the path", "./not-there.lua")
    failed("handshake", "no such file", "start the command by hand", "--", "no-such-program-x")
    failed("connection", "connection refused", "no program listens there", "http://127.0.0.1:1/mcp")
    failed("connection", "cannot resolve", "check its spelling", "http://nosuchhost.invalid/mcp")
    failed("address", "", "write an address", "http://")
  end)

  it("names what is wrong with an address of a server", function()
    local started = support.http()
    local base = "127.0.0.1:" .. started.port
    local steps, names, status = doctor("http://" .. base .. "/mcp")
    assert.same({ "address connection status authorization handshake lists", 0 }, { names, status })
    assert.equal("none required", steps.authorization.text)
    failed("status", "status 404", "usually it is /mcp", "http://" .. base .. "/other")
    failed("connection", "does not speak TLS", "check the certificate",
      "https://" .. base .. "/mcp")
  end)

  it("sends the token that it is given", function()
    local file = helper.file([[
      local app = require "mcp".server { name = "guarded", auth = {
        authorization_servers = { "https://as.invalid" },
        verify = function(token, request)
          return token == "right" and { subject = "s", claims = { aud = request.resource } }
        end } }
      app:tool "t" (function() return "x" end)
      local listening = app:listen { http = { port = 0 }, quiet = true }
      io.stderr:write("answers at ", listening.urls[1], " \n")
      mcp_listening = listening
      require "mcp".run()]], ".lua")
    local background = dofile "scripts/background.lua"
    local log = helper.file ""
    local server = background.start({ "timeout", "20", helper.program(), "run", file }, log)
    local steps, names, status = doctor(server.url, "--auth", "right")
    local wrong, _, failure = doctor(server.url, "--auth", "wrong")
    server:stop()
    assert.same({ "address connection status authorization handshake lists", 0 }, { names, status })
    assert.equal("the token is accepted", steps.authorization.text)
    assert.equal(4, failure)
    assert.equal("401: the token is refused", wrong.authorization.text)
  end)
end)
