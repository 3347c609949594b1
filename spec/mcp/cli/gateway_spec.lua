-- SPDX-License-Identifier: MIT
-- luamcp gateway: every server of an mcpServers file at one URL, and each at one of its own.
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"

describe("luamcp gateway", function()
  after_each(function()
    support.stop_all()
    helper.remove_files()
  end)

  local SCRIPT = [[
    local mcp = require "mcp"
    local app = mcp.server "behind"
    app:tool "pid" (function() return (io.open("/proc/self/stat"):read "n") end)
    app:tool "slow" (function(arguments, ctx)
      ctx:sleep(arguments.seconds or %s)
      return "done"
    end)
    app:resource "notes://today" (function() return "Milk" end)
    app:run()]]

  -- Serves these servers, by name or as the text of a file.
  local function start(servers, ...)
    local path = helper.file(type(servers) == "string" and servers
      or assert(mcp.json.encode({ mcpServers = servers }, { sorted = true })), ".json")
    local words = { ("%q"):format(path), '"--http"', '"127.0.0.1:0"' }
    for _, word in ipairs { ... } do words[#words + 1] = ("%q"):format(word) end
    local process = support.start("{}", { script = ([[
      local words = { "gateway", %s }
      os.exit(require("mcp.cli.init")(words))]]):format(table.concat(words, ", ")) })
    local port = process:wait_said "answers at http://[^%s]-:(%d+)/"
    return ("http://127.0.0.1:%s"):format(port), process
  end

  local function script(seconds)
    local path = helper.file(SCRIPT:format(seconds or 0), ".lua")
    return { command = helper.program(), args = { "run", path } }
  end

  local function names_of(client)
    local out = {}
    for i, tool in ipairs(client:list_tools()) do out[i] = tool.name end
    return table.concat(out, " ")
  end

  it("has all servers at one URL, and each at its own, by one connection", function()
    local url = start { one = script(), ["two words"] = script(), dead = { command = "false" } }
    for _, era in ipairs { "legacy", "modern" } do
      local all <close> = assert(mcp.connect(url .. "/mcp", { era = era }))
      assert.equal("one_pid one_slow two-words_pid two-words_slow", names_of(all))
      local one <close> = assert(mcp.connect(url .. "/one/mcp/", { era = era }))
      assert.equal("pid slow", names_of(one))
      assert.equal(all:call_tool("one_pid").content[1].text, one:call_tool("pid").content[1].text)
      assert.equal("Milk", all:read_resource("two-words+notes://today").contents[1].text)
      assert.equal("Milk", one:read_resource("notes://today").contents[1].text)
      local _, text = all:call_tool "dead_x"
      assert.matches('server "dead" cannot be reached', text, 1, true)
      -- At its own path it is not an empty server that seems to be well.
      local dead, why = mcp.connect(url .. "/dead/mcp", { era = era })
      assert.is_nil(dead)
      assert.matches('the server "dead" cannot be reached', why, 1, true)
      assert.same({ "behind", "0.0.0" }, { one.server.name, one.server.version })
    end
    assert.is_nil((mcp.connect(url .. "/three/mcp")))
    assert.is_nil((mcp.connect(url:gsub("^http", "ws") .. "/one/mcp")))
  end)

  it("says in its figures and its access log what was called, of which server", function()
    local log = helper.file("", ".log")
    local url = start({ one = script(), two = script() }, "--metrics", "--health", "--ready",
      "--access-log", log, "--log-format", "json")
    local all <close> = assert(mcp.connect(url .. "/mcp", { era = "modern" }))
    local inner <close> = assert(mcp.connect(url .. "/one/mcp", { era = "modern" }))
    for _ = 1, 3 do assert(all:call_tool "two_pid") end
    for _ = 1, 2 do assert(inner:call_tool "pid") end
    local fetch = require "mcp.fetch"
    assert.equal(200, fetch.get(url .. "/healthz").status)
    assert.equal(200, fetch.get(url .. "/readyz").status)
    local text = fetch.get(url .. "/metrics").body
    local function calls(name, path)
      return text:match(('luamcp_requests_total{method="tools/call",name="%s",era="stateless",'
        .. 'outcome="ok"%s} (%%d+)\n'):format(name, path))
    end
    assert.same({ "3", "2" }, { calls("two_pid", ""), calls("pid", ',path="/one/mcp"') })
    assert.matches('mcp_server_operation_duration_seconds_count{method="tools/call",name="pid",'
      .. 'path="/one/mcp"} 2', text, 1, true)
    local file <close> = assert(io.open(log))
    local lines, tools = file:read "a", {}
    for line in lines:gmatch "[^\n]+" do
      local read = mcp.json.decode(line)
      if read.tool then tools[read.path .. " " .. read.tool] = read.outcome end
    end
    assert.same({ ["/mcp two_pid"] = "ok", ["/one/mcp pid"] = "ok" }, tools)
  end)

  it("needs a listener for what only a listener has, and a key for its certificate", function()
    local path = helper.file(mcp.json.encode { mcpServers = { one = script() } }, ".json")
    for words, text in pairs {
      ["--metrics"] = "--metrics needs --http, --sse, --websocket or --unix",
      ["--access-log x"] = "--access-log needs --http, --sse, --websocket or --unix",
      ["--http 0 --tls-cert x"] = "--tls-cert needs --tls-key beside it",
      ["--http 0 --tls-key x"] = "--tls-key needs --tls-cert beside it",
      ["--tls-cert x --tls-key y"] = "--tls-cert needs --http, --sse or --websocket" } do
      local command = { helper.program(), "gateway", path }
      for word in words:gmatch "%S+" do command[#command + 1] = word end
      command.stdin, command.timeout = "", helper.LIMIT
      local result = assert(mcp.process.run(command))
      assert.is_true(result.code ~= 0)
      assert.matches(text, result.stderr, 1, true)
    end
  end)

  it("loses no call of another server when one is killed, and starts that one again", function()
    local url = start { fine = script(0.002), shot = script(0.002) }
    local client <close> = assert(mcp.connect(url .. "/mcp", { era = "legacy" }))
    -- One call that is under way however fast the others are: it is lost.
    local lost
    mcp.spawn(function()
      local result = client:call_tool("shot_slow", { seconds = 60 })
      lost = not result or result.isError
    end)
    local first = client:call_tool("shot_pid").content[1].text
    local pid = first
    local ended, failed = { fine = 0, shot = 0 }, { fine = 0, shot = 0 }
    local calls = {}
    for i = 1, 16 do
      local name = i % 2 == 0 and "fine" or "shot"
      calls[i] = function()
        for _ = 1, 40 do
          local result = client:call_tool(name .. "_slow")
          ended[name] = ended[name] + 1
          if not result or result.isError then failed[name] = failed[name] + 1 end
          if ended.shot >= 40 and pid == first then
            pid = "shot"
            helper.shell("kill -9 " .. first)
          end
        end
        return true
      end
    end
    assert(mcp.all(calls))
    assert.same({ 320, 320, 0 }, { ended.fine, ended.shot, failed.fine })
    -- Its end may be reported after the others were served again.
    helper.wait_until(function() return lost ~= nil end, "the end of the call that is lost")
    assert.is_true(lost)
    assert.is_true(failed.shot <= 8, failed.shot)
    assert.is_not_equal(first, client:call_tool("shot_pid").content[1].text)
  end)

  it("accepts only what the lock file of an entry knows", function()
    local lock = helper.file('{ "version": 1, "servers": {} }', ".lock")
    local pinned = script()
    pinned.pinned = lock
    local url = start { one = script(), pinned = pinned }
    local all <close> = assert(mcp.connect(url .. "/mcp"))
    assert.equal("one_pid one_slow", names_of(all))
    local _, text = mcp.connect(url .. "/pinned/mcp")
    assert.matches('the server "pinned" cannot be reached', text, 1, true)
    assert.matches("no pins of pinned", text, 1, true)
    helper.shell(("timeout 10 %s pin pinned --config %s --file %s </dev/null 2>&1"):format(
      helper.program(), helper.file(assert(mcp.json.encode { mcpServers = { pinned = pinned } }),
        ".json"), lock))
    helper.wait_until(function()
      return names_of(all) == "one_pid one_slow pinned_pid pinned_slow"
    end, "the next attempt", 10)
  end)

  it("keeps names where it is told to, and takes only some servers", function()
    local url = start({ one = script(), two = script() }, "--no-prefix", "--only", "two")
    local client <close> = assert(mcp.connect(url .. "/mcp"))
    assert.equal("pid slow", names_of(client))
  end)

  it("serves what is left of a file, in its order, and names what is not served", function()
    local entry = assert(mcp.json.encode(script()))
    local off = script()
    off.disabled = true
    local url, process = start(([[{ "mcpServers": { "second": %s, "off": %s, "none": {},
      "unset": { "command": "${NOT_SET_X}" }, "pigeon": { "url": "x", "type": "pigeon" },
      "address": { "url": "carrier://x" }, "7": %s, "my srv": %s, "my-srv": %s,
      "first": %s } }]]):format(entry, assert(mcp.json.encode(off)), entry, entry, entry, entry))
    for _, text in ipairs { "off is disabled", 'none: expected "command" or "url"',
      "unset: command: the variable NOT_SET_X is not set", "pigeon: type: expected",
      "address: ", '"7": expected a name with a letter',
      '"my srv" and "my-srv" would both be "my-srv"' } do
      process:wait_said((text:gsub("%p", "%%%0")))
    end
    local all <close> = assert(mcp.connect(url .. "/mcp"))
    assert.equal("second_pid second_slow my-srv_pid my-srv_slow first_pid first_slow",
      names_of(all))
  end)

  it("without prefixes, the server that comes first in the file keeps a name", function()
    local function named(text)
      local path = helper.file(([[
        local app = require "mcp".server "x"
        app:tool "origin" (function() return %q end)
        app:run()]]):format(text), ".lua")
      return assert(mcp.json.encode { command = helper.program(), args = { "run", path } })
    end
    local url, process = start(([[{ "mcpServers": { "z": %s, "a": %s } }]]):format(named "z",
      named "a"), "--no-prefix")
    local client <close> = assert(mcp.connect(url .. "/mcp"))
    assert.equal("origin", names_of(client))
    assert.equal("z", client:call_tool("origin").content[1].text)
    process:wait_said "the second is left out"
  end)

  it("says what is wrong with the file", function()
    local function fails(path, ...)
      return (helper.shell(("timeout 10 %s gateway %s 2>&1 </dev/null"):format(helper.program(),
        table.concat({ path, ... }, " "))))
    end
    local path = helper.file('{ "mcpServers": { "a": { "command": "x" } } }', ".json")
    local empty = helper.file('{ "mcpServers": {} }', ".json")
    assert.matches("No such file", fails "/nowhere.json", 1, true)
    assert.matches("no servers", fails(empty), 1, true)
    local off = helper.file('{ "mcpServers": { "a": { "command": "x", "disabled": true } } }',
      ".json")
    assert.matches("a is disabled", fails(off), 1, true)
    assert.matches("no servers", fails(off), 1, true)
    assert.matches("--only: " .. off .. ": a is disabled", fails(off, "--only", "a"), 1, true)
    assert.matches("expected a name with a letter", fails(helper.file(
      '{ "mcpServers": { "7": { "command": "x" } } }', ".json")), 1, true)
    assert.matches('unknown server "b"', fails(path, "--only", "b"), 1, true)
  end)
end)
