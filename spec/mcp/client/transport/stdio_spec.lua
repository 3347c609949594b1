-- SPDX-License-Identifier: MIT
-- stdio_spec.lua: lua/mcp/client/transport/stdio.lua: a server that is a child of ours.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
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

local function alive(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  if not file then return false end
  return not file:read "a":find "%) Z "
end

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
    assert.is_true(alive(pid))
    local code
    mcp.spawn(function() code = select(3, client:call_tool "sleep") end)
    client:close()
    -- Outside of tasks it waits for that.
    assert.is_false(alive(pid))
    helper.wait_until(function() return code end)
    assert.equal("ECLOSED", code)
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
      return not alive(pids[1]) and not alive(pids[2])
    end, "the end of the children")
    helper.wait_until(function() return core.task_count() == 0 end)
  end)

  it("tells who waits that it has died, and starts it again (IO-24)", function()
    for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
      local client <close> = connect { revision = revision }
      local pid = client.transport.host:pid()
      local _, text, code = client:call_tool "die"
      assert.is_true(code == "EGONE" or code == "EPIPE", code)
      assert.matches("stdio: the connection is lost", text, 1, true)
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
end)
