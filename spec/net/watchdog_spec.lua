-- SPDX-License-Identifier: MIT
-- Nothing keeps a process alive against its owner: not even a handler that computes for ever.
local core = require "mcp.core"
local process_facts = require "spec.process_facts"
local support = require "spec.support"
local system = require "codecs.system"

-- `wait` and `loop` of a server, whose times are short.
local SCRIPT = [[
  local mcp = require "mcp"
  local serve = require "mcp.server.listen.serve"
  serve.GRACE = tonumber(os.getenv "SPEC_GRACE" or serve.GRACE)
  local app = mcp.server { name = "spec" }
  app:tool "loop" (function()
    io.stderr:write "computing\n"
    while true do end
  end)
  app:tool "compute" { input = { seconds = "number" } } (function(args)
    io.stderr:write "computing\n"
    local over = os.clock() + args.seconds
    while os.clock() < over do end
    return "computed"
  end)
  app:tool "wait" (function(_, ctx)
    io.stderr:write "waiting\n"
    ctx:sleep(60)
  end)
  local core = require "mcp.core"
  app:tool "child" (function()
    local child = assert(core.connect_child({ command = "sh",
      args = { "-c", "trap '' HUP; echo child $$ >&2; while :; do sleep 0.1; done" },
      stderr = "inherit" }, function() end))
    held = child
    while true do end
  end)
  app:run(load("return " .. os.getenv "SPEC_OPTIONS")())
]]

describe("a handler that computes for ever", function()
  after_each(support.stop_all)

  local function http(env)
    return support.http(nil, { script = SCRIPT, env = env or {} })
  end

  -- Has a tool called, and returns once it computes.
  local function call(server, tool, said, arguments)
    local client = support.client(server)
    client:send(support.call(1, tool, arguments or {}))
    return server:wait_said(said or "computing")
  end

  -- How it ended, and after how long.
  local function time_end(server, limit)
    local begun = system.now()
    local how, status = server:wait_end(limit)
    return how, status, system.now() - begun
  end

  for name, number in pairs { TERM = 15, INT = 2 } do
    it(("is ended by a second SIG%s"):format(name), function()
      local server = http()
      call(server, "loop")
      server.process:kill(name)
      assert.same({ nil, "timeout" }, { server.process:wait(0.3) })
      server.process:kill(name)
      local how, status, took = time_end(server)
      assert.same({ "exit", 128 + number }, { how, status })
      assert.is_true(took < 1.5, took)
      server:wait_said "second signal while a handler is running: exiting"
    end)
  end

  it("is ended by one signal once the grace is over", function()
    local server = http { "SPEC_GRACE=0.3" }
    call(server, "loop")
    server.process:kill "TERM"
    local how, status, took = time_end(server)
    assert.same({ "exit", 143 }, { how, status })
    assert.is_true(took > 0.3 and took < 2, took)
    server:wait_said "the grace period is over and a handler is still running: exiting"
  end)

  it("is ended by the end of standard input, and its grace", function()
    for _, both in ipairs { false, true } do
      local server = support.stdio { script = SCRIPT }
      server:write(support.call_body(1, "loop", {}) .. "\n")
      server:wait_said "computing"
      server.process:close_stdin()
      if both then server.process:close_stdout() end
      local how, status, took = time_end(server)
      assert.same({ "exit", 1 }, { how, status })
      assert.is_true(took > 1 and took < 4, took)
      server:wait_said "standard input closed while a handler is running: exiting"
    end
  end)

  it("over standard input is ended by a second signal as well", function()
    local server = support.stdio { script = SCRIPT }
    server:write(support.call_body(1, "loop", {}) .. "\n")
    server:wait_said "computing"
    server.process:kill "TERM"
    server.process:kill "INT"
    local how, status, took = time_end(server)
    assert.equal("exit", how)
    assert.is_true(status == 143 or status == 130, status)
    assert.is_true(took < 1.5, took)
  end)

  it("leaves no child running", function()
    local server = http()
    local pid = call(server, "child", "child (%d+)")
    server.process:kill "TERM"
    server.process:wait(0.1) -- or the two would be one
    server.process:kill "TERM"
    assert.same({ "exit", 143 }, { server:wait_end() })
    local deadline = system.now() + support.LIMIT
    while process_facts.is_running(pid) and system.now() < deadline do core.sleep(0.02) end
    assert.is_false(process_facts.is_running(pid))
  end)
end)

describe("a loop that turns", function()
  after_each(support.stop_all)

  it("ends by itself, with its own status", function()
    local server = support.http(nil, { script = SCRIPT, env = { "SPEC_GRACE=0.3" } })
    local client = support.client(server)
    client:send(support.call(1, "wait", {}))
    server:wait_said "waiting"
    server.process:kill "TERM"
    assert.same({ "exit", 0 }, { server:wait_end() })
    assert.is_nil(server.said:find("exiting with status", 1, true))
  end)

  it("answers what was asked before the end of input, though it computes", function()
    local server = support.stdio { script = SCRIPT }
    -- Each of them well within the time, all together beyond it.
    local calls = {}
    for id = 1, 30 do
      calls[id] = support.call_body(id, "compute", { seconds = 0.1 }) .. "\n"
    end
    server:write(table.concat(calls))
    server.process:close_stdin()
    for id = 1, 30 do
      local answer = server:read_line(20)
      assert.equal(id, answer.id)
      assert.equal("computed", answer.result.content[1].text)
    end
    assert.same({ "exit", 0 }, { server:wait_end(10) })
  end)

  it("of a program that only listens leaves signals alone", function()
    local server = support.start("nil", { script = [[
      local mcp = require "mcp"
      local app = mcp.server "spec"
      app:listen { http = "127.0.0.1:0", quiet = true }
      io.stderr:write "ready\n"
      mcp.run()]] })
    server:wait_said "ready"
    server.process:kill "TERM"
    assert.same({ "signal", 15 }, { server:wait_end() })
  end)
end)
