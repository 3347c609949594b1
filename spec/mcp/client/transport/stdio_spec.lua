-- SPDX-License-Identifier: MIT
-- stdio_spec.lua: lua/mcp/client/transport/stdio.lua: a server that is a child of ours.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local process_facts = require "spec.process_facts"
local stdio = require "mcp.client.transport.stdio"
local system = require "codecs.system"

-- A server of few lines that answers as a shell script does: slowly, and with a banner.
local SERVER = [[
local mcp = require "mcp"
local app = mcp.server "child"
app:tool "sleep" (function(_, ctx) ctx:sleep(30) end)
app:tool "die" (function() os.exit(7) end)
app:tool "pid" (function() return (io.open "/proc/self/stat":read "n") end)
return app
]]

describe("a transport to a child", function()
  local path
  before_each(function() path = helper.file(SERVER, ".lua") end)
  after_each(function()
    helper.remove_files()
    helper.leftovers()
  end)

  local function connect(options)
    return assert(mcp.connect({ helper.program(), path, stderr = "null" }, options))
  end

  it("ends it when it is closed, also with a call in flight (IO-20)", function()
    local client = connect()
    local pid = client.transport.host:pid()
    assert.is_true(process_facts.is_running(pid))
    local code
    mcp.spawn(function() code = select(3, client:call_tool "sleep") end)
    client:close()
    -- Outside of tasks it waits for that.
    assert.is_false(process_facts.is_running(pid))
    helper.wait_until(function() return code end)
    assert.equal("ECLOSED", code)
  end)

  it("lets it end by itself after its input has", function()
    local ended = helper.file ""
    local script = helper.file(([[
      require "mcp".server "slow end":run_stdio()
      require "mcp".sleep(0.1)
      io.open(%q, "a"):write("ended"):close()]]):format(ended), ".lua")
    local client = assert(mcp.connect(script, { program = helper.program() }))
    client:close()
    local function text()
      local file <close> = assert(io.open(ended))
      return file:read "a"
    end
    helper.wait_until(function() return text() == "ended" end, "the end of the program")
  end)

  it("ends it when it is closed in a task, and when the client is dropped", function()
    local pids = {}
    mcp.run(function()
      local client <close> = connect()
      pids[1] = client.transport.host:pid()
    end)
    do
      local client = connect()
      pids[2] = client.transport.host:pid()
      client = nil -- luacheck: ignore
    end
    helper.wait_until(function()
      collectgarbage()
      return not process_facts.is_running(pids[1]) and not process_facts.is_running(pids[2])
    end, "the end of the children")
    helper.wait_until(function() return core.task_count() == 0 end)
  end)

  it("tells who waits that it has died, and starts it again (IO-24)", function()
    for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
      local client <close> = connect { revision = revision }
      local pid = client.transport.host:pid()
      local _, text, code = client:call_tool "die"
      assert.equal("EGONE", code)
      assert.matches("^stdio: connection lost: the process ended with status %d+$", text)
      assert.is_false(client:is_open())
      assert(client:initialize())
      assert.is_true(client:ping())
      assert.is_not_equal(pid, client.transport.host:pid())
    end
  end)

  it("hands it messages and nothing else, and one child serves all of them (IO-04, IO-68)",
    function()
      local heard = helper.file("", ".txt")
      local script = helper.file(('tee %s | exec "$@"\n'):format(helper.quote(heard)), ".sh")
      for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
        local client <close> = assert(mcp.connect({ "sh", script, helper.program(), path,
          stderr = "null" }, { revision = revision }))
        local pids = mcp.all {
          function() return assert(client:call_tool "pid").content[1].text end,
          function() return assert(client:call_tool "pid").content[1].text end,
        }
        local stop = mcp.canceller()
        core.spawn(function() client:call_tool("sleep", {}, { cancel = stop }) end)
        core.spawn(stop.cancel, stop, "line one\nline two")
        assert(client:list_tools())
        assert.equal(pids[1], pids[2])
        assert.equal(pids[1], assert(client:call_tool "pid").content[1].text)
      end
      local count = 0
      for line in io.lines(heard) do
        count = count + 1
        assert.equal("2.0", assert(core.decode(line)).jsonrpc)
      end
      assert.is_true(count >= 6)
    end)

  it("bears what it says before its first message, and what is no message (IO-08)", function()
    local script = helper.file([=[
echo "Starting up..."
echo '{"level":"info","msg":"ready"}'
exec "$@"
]=], ".sh")
    local client <close> = assert(mcp.connect { "sh", script, helper.program(), path,
      stderr = "null" })
    assert.is_true(client:ping())
    -- The log shows a banner; what looks like a message is nobody else's business.
    local caller = helper.file(([=[
      local mcp = require "mcp"
      assert(mcp.connect { "sh", %q, %q, %q }):close()]=]):format(script, helper.program(), path),
      ".lua")
    local log = helper.shell(helper.quote(helper.program()) .. " " .. caller .. " 2>&1")
    assert.matches("at byte 0: Starting up...\n", log, 1, true)
    assert.is_nil(log:find("ready", 1, true))
  end)

  it("goes back to initialize for one that ends over server/discover (3.7)", function()
    -- An older server that exits when the first message is not what it expects.
    local script = helper.file([=[
read -r line
case "$line" in
  *'"initialize"'*) ;;
  *) exit 1 ;;
esac
id=$(printf %s "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
echo '{"jsonrpc":"2.0","id":'"$id"',"result":{"protocolVersion":"2024-11-05",' \
  '"capabilities":{},"serverInfo":{"name":"sh","version":"1"}}}'
while read -r line; do :; done
]=], ".sh")
    for round = 1, 2 do
      -- The second time it is known.
      local client <close> = assert(mcp.connect({ "sh", script }, {}))
      assert.equal("2024-11-05", client.revision)
      assert.equal("sh", client.server.name)
      assert.equal(round == 1 and 2 or 1, client.last_id)
    end
  end)

  it("reads what is given into what the core wants", function()
    assert.same({ command = "a", args = { "b", "c", "3" }, env = { X = "1", HOME = false },
      cwd = "/", stderr = "null" }, stdio.child("x", { command = { "a", "b" }, args = { "c", 3 },
        env = { X = 1, HOME = false }, cwd = "/", stderr = "null" }))
    assert.same({ command = "a", args = { "b" }, env = {}, stderr = "inherit" },
      stdio.child("x", { "a", "b" }))
    assert.error(function() mcp.stdio_client() end)
    assert.error(function() mcp.stdio_client { command = 5 } end)
    assert.error(function() mcp.stdio_client { command = "a\0b" } end)
  end)

  it("leaves no descriptor behind", function()
    local function round()
      local client = connect()
      client:close()
      helper.settle()
    end
    round()
    collectgarbage()
    local before = system.fd_count "self"
    for _ = 1, 3 do round() end
    collectgarbage()
    assert.equal(before, system.fd_count "self")
  end)

  -- A shell script as a server: how often it was started, and what mcp.connect returned.
  local function run(script, options)
    local count = helper.file ""
    script = helper.file(("echo x >>%s\n%s\n"):format(helper.quote(count), script), ".sh")
    local target = { "sh", script, stderr = options and options.stderr or "null" }
    local got
    helper.logged(function()
      got = table.pack(mcp.connect(target, { timeout = 2,
        probe_timeout = options and options.probe }))
    end)
    local file <close> = assert(io.open(count))
    return #file:read "a" // 2, got[2], got[3]
  end

  it("is started once if it ends without reading, and its last words are in the error", function()
    local words = '; its standard error ends with: "boom"'
    assert.same({ 1, "stdio: connection lost: the process ended with status 3" .. words, "EGONE" },
      { run "echo boom >&2; exit 3" })
    assert.same({ 1, "stdio: connection lost: the process was ended by signal 9" .. words,
      "EGONE" }, { run "echo boom >&2; kill -9 $$" })
    local lines = {}
    assert.same({ 1, "stdio: connection lost: the process ended with status 3" .. words, "EGONE" },
      { run("echo boom >&2; exit 3", { stderr = function(line) lines[#lines + 1] = line end }) })
    assert.same({ "boom" }, lines)
  end)

  it("is started once more if it ends having read the probe, and then no more", function()
    assert.same({ 2, 'stdio: connection lost: the process ended with status 4; its standard error '
      .. 'ends with: "read"', "EGONE" }, { run "read line; echo read >&2; exit 4" })
  end)

  it("that closes its input and goes on does not keep the client waiting", function()
    -- Waits until the pipe has no reader, so that the write of the probe fails.
    local child <close> = assert(core.connect_child({ command = "sh",
      args = { "-c", "exec <&-; exec sleep 60" } }, function() end))
    local sender = child:sender()
    local text, code
    child:on_closed(function(...) text, code = ... end)
    local deadline = core.now() + helper.LIMIT
    repeat
      sender:send("ping", {}, 1)
      core.sleep(0.01)
    until text or core.now() > deadline
    assert.same({ "broken pipe", "EPIPE" }, { text, code })
  end)

  it("that prints something else is quoted: the first lines, within bounds", function()
    local noise = '; not a message on its standard output: "Starting", "Port 8000"'
    assert.same({ 1, "initialize: no answer within 2 s" .. noise, "ETIMEDOUT" },
      { run("echo Starting; echo Port 8000; while read x; do :; done", { probe = 0.1 }) })
    assert.same({ 1, "stdio: connection lost: the process ended with status 2" .. noise, "EGONE" },
      { run "echo Starting; echo Port 8000; exit 2" })
    local _, text = run [[
i=0
while [ $i -lt 500 ]; do echo "line $i of noise" | tee /dev/stderr; i=$((i+1)); done
exit 1]]
    assert.matches('standard output: "line 0 of noise", "line 1 of noise"', text, 1, true)
    assert.matches('"line 499 of noise"$', text)
    assert.is_true(#text < 256 + 1024 + 600, #text .. " bytes")
  end)
end)
