-- SPDX-License-Identifier: MIT
-- examples/notes.lua and examples/job.lua, by the program.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"

local function new_folder()
  local path = os.tmpname()
  os.remove(path)
  return path
end

describe("examples/notes.lua", function()
  local path, client
  before_each(function()
    path = new_folder()
    client = assert(mcp.connect({ command = helper.program(),
      args = { "run", "examples/notes.lua", path } }, { timeout = 10 }))
  end)
  after_each(function()
    client:close()
    os.execute("rm -rf '" .. path .. "'")
  end)

  local function call(name, arguments)
    local result = assert(client:call_tool(name, arguments))
    return result.content[1].text, result.isError or false, result.structuredContent
  end

  it("writes, reads, lists, searches and removes", function()
    assert.equal("created notes:///green%20tea",
      (call("write_note", { name = "green tea", text = "Boil water.\nWait." })))
    assert.equal("replaced notes:///green%20tea",
      (call("write_note", { name = "green tea", text = "Boil Water.\nWait." })))
    assert.equal("added to notes:///green%20tea",
      (call("append_to_note", { name = "green tea", text = "Drink." })))
    assert.equal("added to notes:///h%C3%B6he",
      (call("append_to_note", { name = "höhe", text = "3 m" })))
    assert.equal("Boil Water.\nWait.\n\nDrink.", (call("read_note", { name = "green tea" })))
    local file <close> = assert(io.open(path .. "/green tea.md"))
    assert.equal("Boil Water.\nWait.\n\nDrink.", file:read "a")

    local _, _, listed = call "list_notes"
    assert.equal("green tea", listed.notes[1].name)
    assert.equal(25, listed.notes[1].bytes)
    assert.equal("höhe", listed.notes[2].name)
    local _, _, found = call("search_notes", { query = "WATER" })
    assert.same({ { name = "green tea", line = 1, text = "Boil Water." } },
      helper.plain(found.matches))

    local resources = assert(client:list_resources())
    assert.equal("notes:///green%20tea", resources[1].uri)
    assert.equal(listed.notes[1].modified, resources[1].annotations.lastModified)
    assert.equal("Boil Water.\nWait.\n\nDrink.",
      assert(client:read_resource "notes:///green%20tea").contents[1].text)

    assert.equal("removed notes:///green%20tea", (call("delete_note", { name = "green tea" })))
    local text, failed = call("delete_note", { name = "green tea" })
    assert.equal('no note "green tea"; search or list first', text)
    assert.is_true(failed)
    assert.is_nil((client:read_resource "notes:///green%20tea"))
    assert.equal(1, #assert(client:list_resources()))
  end)

  it("keeps to its folder", function()
    for _, name in ipairs { "..", "../x", "/etc/x", ".hidden", "a/b", "a\\b", "a\nb" } do
      local _, failed = call("write_note", { name = name, text = "x" })
      assert.is_true(failed, name)
    end
    assert(os.execute(("ln -s /etc/passwd '%s/link.md'"):format(path)))
    local _, failed = call("write_note", { name = "link", text = "x" })
    assert.is_true(failed)
    assert.equal('no note "link"; search or list first', (call("read_note", { name = "link" })))
    local text
    text, failed = call("write_note", { name = "big", text = ("x"):rep((1 << 20) + 1) })
    assert.is_true(failed)
    assert.equal('"big.md": larger than its limit (limit = 1048576 bytes)', text)
  end)

  it("tells who subscribed to a note of its changes", function()
    local heard = {}
    call("write_note", { name = "a", text = "1" })
    assert(client:subscribe("notes:///a", function(uri)
      heard[#heard + 1] = uri
    end))
    call("write_note", { name = "a", text = "2" })
    helper.wait_until(function() return heard[1] end, "the notice")
    assert.equal("notes:///a", heard[1])
  end)
end)

describe("examples/job.lua", function()
  local path, server
  before_each(function()
    path = new_folder()
    server = support.start("nil", { [3] = "examples/job.lua", [4] = "--http", [5] = "0",
      [6] = path })
    server.port = math.tointeger(server:wait_said "answers at http://[^%s]-:(%d+)/")
  end)
  after_each(function()
    support.stop_all()
    os.execute("rm -rf '" .. path .. "'")
  end)

  local TASKS = { ["io.modelcontextprotocol/clientCapabilities"] =
    { extensions = { ["io.modelcontextprotocol/tasks"] = {} } } }

  -- A request of the stateless era on a connection of its own.
  local function ask(method, params, name)
    local client <close> = support.client(server)
    local answer = client:ask(support.request("POST", {
      ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = method, ["Mcp-Name"] = name },
      support.modern_body(1, method, params, TASKS)))
    return assert(answer.json and answer.json.result, answer.body)
  end

  -- Asks again and again: no event of our loop says that it is so.
  local function poll(condition)
    for _ = 1, 100 * helper.LIMIT do
      if condition() then return end
      mcp.sleep(0.01)
    end
    error("waited in vain", 2)
  end

  local function last_report(id)
    local result = ask("tools/call", { name = "report", arguments = { id = id } }, "report")
    return result.structuredContent
  end

  it("gives the result of a task to any later connection", function()
    local created = ask("tools/call", { name = "count",
      arguments = { id = "one", to = 5, pause = 0.02 } }, "count")
    local id = assert(created.taskId, core.encode(created))
    local task
    poll(function()
      task = ask("tasks/get", { taskId = id }, id)
      return task.status == "completed"
    end)
    assert.equal("counted to 5", task.result.content[1].text)
    assert.equal("done", last_report("one").state)
    local reports = ask("resources/read", { uri = "report:///one" }, "report:///one")
    assert.equal(7, select(2, reports.contents[1].text:gsub("\n", "")))
  end)

  it("gives the rest of its events to a session that comes back", function()
    local sid
    do
      local client <close> = support.client(server)
      sid = client:initialize()
    end
    local last, steps = nil, {}
    local function take(client)
      local message = client:event()
      if not message then return nil end
      last = client.last_id or last
      if message.method then steps[#steps + 1] = message.params.progress end
      return message
    end
    do
      local client <close> = support.client(server)
      client:send(support.legacy(sid, support.legacy_body(7, "tools/call", { name = "count",
        arguments = { id = "two", to = 6, pause = 0.02 }, _meta = { progressToken = 1 } })))
      assert.equal("text/event-stream", client:head().fields["content-type"])
      take(client)
      take(client)
    end
    local client <close> = support.client(server)
    client:send(support.request("GET", { ["Mcp-Session-Id"] = sid, ["Last-Event-ID"] = last,
      ["MCP-Protocol-Version"] = "2025-11-25" }))
    assert.equal(200, client:head().status)
    local result
    repeat result = assert(take(client)) until result.result
    assert.equal("counted to 6", result.result.content[1].text)
    assert.same({ 1, 2, 3, 4, 5, 6 }, steps)
  end)

  it("leaves a report that outlives it", function()
    ask("tools/call", { name = "count", arguments = { id = "three", to = 1000, pause = 0.01 } },
      "count")
    -- There is no report before the task has run its first step.
    poll(function()
      local found = last_report "three"
      return found and found.done > 2
    end)
    server.process:kill "KILL"
    server.process:wait(5)
    local folder <close> = assert(mcp.folder(path))
    local text = assert(folder:read "three.jsonl")
    local lines = 0
    for line in text:gmatch "([^\n]*)\n" do
      local record = assert(mcp.json.decode(line))
      assert.equal("working", record.state)
      assert.equal(lines, record.done)
      lines = lines + 1
    end
    assert.is_true(lines > 2)
  end)
end)
