-- SPDX-License-Identifier: MIT
-- folder_spec.lua: lua/mcp/folder.lua, and how its methods wait.
local codec = require "codecs.folder"
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local top

local function put(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

-- Without a process: ThreadSanitizer lets this one start none.
local function remove_tree(folder, path)
  for _, entry in ipairs(assert(folder:list(path))) do
    local below = path == "" and entry.name or path .. "/" .. entry.name
    if entry.kind == "folder" then remove_tree(folder, below) end
    assert(folder:remove(below))
  end
end

describe("mcp.folder", function()
  local folder
  before_each(function()
    top = os.tmpname()
    os.remove(top)
    folder = assert(mcp.folder(top, { create = true }))
    assert(folder:write("a.txt", "alpha\n"))
  end)
  after_each(function()
    remove_tree(folder, "")
    folder:close()
    assert(os.remove(top))
  end)

  it("reads, writes, lists and removes", function()
    assert.is_true(folder:make_folder("deep/er", { parents = true }))
    assert.is_true(folder:write("deep/er/b.txt", "beta", { new = true, sync = true }))
    assert.is_true(folder:append("deep/er/b.txt", "!", { private = true }))
    assert.equal("beta!", folder:read "deep/er/b.txt")
    assert.is_true(folder:rename("deep/er/b.txt", "b.txt", { new = true }))
    assert.is_true(folder:exists "b.txt")
    assert.is_false(folder:exists "deep/er/b.txt")
    assert.is_false(folder:exists "a.txt/b")
    assert.equal("EOUTSIDE", select(3, folder:exists "../x"))
    assert.equal(5, folder:stat("b.txt").size)
    assert.is_true(folder:remove "deep/er")
    local names = {}
    for i, entry in ipairs(folder:list()) do names[i] = entry.name .. ":" .. entry.kind end
    assert.same({ "a.txt:file", "b.txt:file", "deep:folder" }, names)
    assert.equal("mcp.folder: " .. top, tostring(folder))
  end)

  it("has a limit for its files, and one for each call", function()
    local small <close> = assert(mcp.folder(top, { limit = 6 }))
    assert.equal("alpha\n", small:read "a.txt")
    assert.equal("ETOOBIG", select(3, small:read("a.txt", 5)))
    assert.equal("ETOOBIG", select(3, small:append("a.txt", "x")))
    assert.is_true(small:append("a.txt", "x", { limit = 7 }))
    assert.equal("ETOOBIG", select(3, small:read "a.txt"))
    assert.equal("alpha\nx", small:read("a.txt", 7))
    assert.equal("ETOOBIG", select(3, small:write("b", "1234567")))
  end)

  it("reads parts of files, also of those over the limit", function()
    local text = ("0123456789"):rep(300000)
    assert(folder:write("big", text))
    local small <close> = assert(mcp.folder(top, { limit = 1000 }))
    assert.same({ nil, '"big": larger than its limit (limit = 1000 bytes)', "ETOOBIG" },
      { small:read "big" })
    assert.equal("34567", small:read("big", { from = 3, length = 5 }))
    assert.equal("789", small:read("big", { from = #text - 3 }))
    assert.equal("789", small:read("big", { from = #text - 3, length = 1 << 40 }))
    assert.equal("", small:read("big", { from = #text }))
    assert.equal("", small:read("big", { from = math.maxinteger, length = 10 }))
    assert.equal("", small:read("big", { length = 0 }))
    assert.equal("ETOOBIG", select(3, small:read("big", { from = 1, length = 1001 })))
    assert.equal("ETOOBIG", select(3, small:read("big", { from = #text - 1001 })))
    assert.equal(1001, #small:read("big", { from = #text - 1001, limit = 1001 }))
    local pieces, at = {}, 0
    repeat
      local piece = assert(small:read("big", { from = at, length = 1000 }))
      pieces[#pieces + 1], at = piece, at + #piece
    until piece == ""
    assert.is_true(table.concat(pieces) == text)
    -- Files whose size the system does not know.
    local proc <close> = assert(mcp.folder "/proc/self")
    local whole = assert(proc:read "status")
    assert.equal(whole:sub(1, 5), proc:read("status", { length = 5 }))
    assert.equal(whole:sub(3, 7), proc:read("status", { from = 2, length = 5 }))
  end)

  it("names what is wrong with a call, at the caller's line", function()
    local function complains(text, fn, ...)
      local ok, message = pcall(fn, ...)
      assert.is_false(ok)
      assert.truthy(message:find(text, 1, true), message)
      assert.truthy(message:find("folder_spec.lua:", 1, true), message)
    end
    complains('folder:write: unknown option "snyc", did you mean "sync"?',
      function() folder:write("b", "x", { snyc = true }) end)
    complains('folder:rename: unknown option', function() folder:rename("a", "b", { x = 1 }) end)
    complains('folder:make_folder: expected a table', function() folder:make_folder("a", true) end)
    complains('mcp.folder: unknown option', function() mcp.folder(top, { mode = 1 }) end)
    complains('mcp.folder: option "limit": expected a number of bytes, got -1',
      function() mcp.folder(top, { limit = -1 }) end)
    complains('folder:read: expected a number of bytes or a table of options, got 1.5',
      function() folder:read("a.txt", 1.5) end)
    complains('folder:read: option "from": expected a number of bytes, got -1',
      function() folder:read("a.txt", { from = -1 }) end)
    complains('folder:read: unknown option', function() folder:read("a.txt", { start = 1 }) end)
    complains("folder:write: text: expected a string, got nil", function() folder:write "a" end)
    complains("folder:read: path: expected a string, got table", function() folder:read {} end)
    complains("call it as folder:read(…)", function() folder.read "a.txt" end)
    complains("mcp.folder: path: expected a string, got nil", function() mcp.folder() end)
    local closed = assert(mcp.folder(top))
    closed:close()
    closed:close()
    assert.error_matches(function() closed:read "a.txt" end, "closed folder")
    assert.equal("ENOENT", select(3, mcp.folder(top .. "/nothing")))
  end)

  it("lets others run while it waits for the disk", function()
    local log = {}
    local waiter = core.waiter()
    for name, operation in pairs {
      read = function() return folder:read "a.txt" end,
      list = function() return folder:list() end,
      stat = function() return folder:stat "a.txt" end,
      write = function() return folder:write("b", "b") end,
      append = function() return folder:append("c", "c") end,
      make = function() return folder:make_folder "d" end,
      rename = function() return folder:rename("nothing", "e") == nil end,
      remove = function() return folder:remove "nothing" == nil end,
    } do
      waiter:spawn(function()
        assert(operation())
        log[#log + 1] = name
      end)
      log[#log + 1] = "other"
    end
    assert.is_true(waiter:wait(5))
    assert.equal("other other other other other other other other",
      table.concat(log, " ", 1, 8))
    assert.equal(16, #log)
  end)

  it("waits in the order of the handler, whatever runs beside it", function()
    local waiter = core.waiter()
    for i = 1, 20 do
      waiter:spawn(function()
        local name = "f" .. i
        for round = 1, 20 do
          assert(folder:write(name, ("%d"):format(round)))
          assert(folder:append(name, "!"))
          assert.equal(("%d!"):format(round), folder:read(name))
        end
      end)
    end
    assert.is_true(waiter:wait(helper.LIMIT))
    assert.equal(21, #folder:list())
  end)

  it("works at once where no wait is possible", function()
    assert.equal("alpha\n", coroutine.wrap(function() return folder:read "a.txt" end)())
    local waiter = core.waiter()
    local seen
    waiter:spawn(function()
      -- The usual way to write a generator: a coroutine inside a handler.
      for name in coroutine.wrap(function()
        for _, entry in ipairs(folder:list()) do coroutine.yield(entry.name) end
      end) do
        seen = name
      end
      local sorted = { "a.txt", "b.txt" }
      table.sort(sorted, function(a, b)
        return (folder:exists(a) and 0 or 1) < (folder:exists(b) and 0 or 1)
      end)
      assert.equal("a.txt", sorted[1])
    end)
    assert.is_true(waiter:wait(5))
    assert.equal("a.txt", seen)
    -- A finalizer, and what cleans up for a cancelled handler.
    do local _ = setmetatable({}, { __gc = function() folder:write("finalized", "x") end }) end
    collectgarbage()
    collectgarbage()
    assert.is_true(folder:exists "finalized")
    local cancelled = core.waiter()
    cancelled:spawn(function()
      assert(folder:write("partial", "x"))
      local _ <close> = setmetatable({}, { __close = function() folder:remove "partial" end })
      mcp.sleep(60)
      mcp.sleep(60)
    end)
    helper.wait_until(function()
      local found
      local probe = core.waiter()
      probe:spawn(function() found = folder:exists "partial" end)
      probe:wait(5)
      return found
    end, "the file")
    for _ = 1, 20 do core.step(0) end
    cancelled:cancel()
    assert.is_true(cancelled:wait(5))
    assert.is_false(folder:exists "partial")
  end)

  it("ends with its handler's time", function()
    local app = mcp.server "slow"
    local code
    app:tool "read" { timeout = 0.02 } (function()
      -- More than can be read in that time.
      for _ = 1, 1000000 do
        code = select(3, folder:read "a.txt")
        if code then break end
      end
      return "late"
    end)
    local client <close> = assert(mcp.connect(app))
    local result, text = client:call_tool "read"
    assert.truthy(result and result.isError or text)
    helper.wait_until(function() return code end, "the end of the read")
    assert.equal("ETIMEDOUT", code)
  end)

  it("leaves nothing after 200 cancellations", function()
    -- Big enough to be caught in the middle.
    put(top .. "/big", ("x"):rep(8 << 20))
    local big = ("y"):rep(8 << 20)
    local before = codec.descriptors()
    local function round(operation)
      local waiter = core.waiter()
      local got
      waiter:spawn(function()
        local result, _, code = operation()
        got = result and "done" or code
      end)
      if math.random(2) == 1 then core.step(0.0005) end
      waiter:cancel()
      assert.is_true(waiter:wait(5))
      return got
    end
    local outcomes = {}
    for i = 1, 200 do
      local got = round(({
        function() return folder:read("big", 16 << 20) end,
        function() return folder:write("big", big, { limit = 16 << 20 }) end,
        function() return folder:append("log", "line\n") end,
        function() return folder:list() end,
      })[i % 4 + 1])
      outcomes[got] = (outcomes[got] or 0) + 1
    end
    assert.is_true((outcomes.ECANCELED or 0) > 50)
    assert.is_nil(outcomes.ENOENT)
    -- What had begun ends by itself.
    helper.wait_until(function()
      return codec.descriptors() == before and core.task_count() == 0
    end, "the descriptors")
    for _, entry in ipairs(folder:list()) do assert.is_nil(entry.name:match "^%.mcp") end
    local size = folder:stat("big").size
    assert.equal(8 << 20, size)
    assert.equal("", (assert(folder:read("log")):gsub("line\n", "")))
  end)

  it("works in a worker, whose calls can be cancelled in the middle", function()
    local worker <close> = mcp.worker { function()
      local inner = require "mcp"
      local open = function(path) return assert(inner.folder(path)) end
      return {
        copy = function(path)
          local text = assert(open(path):read "a.txt")
          return open(path):write("b.txt", text)
        end,
        hold = function(path)
          local held = open(path)
          while true do assert(held:write("b.txt", "beta\n")) end
        end,
      }
    end }
    assert.is_true(worker:copy(top))
    assert.equal("alpha\n", folder:read "b.txt")
    local code
    local waiter = core.waiter()
    waiter:spawn(function() code = select(3, worker:hold(top)) end)
    while folder:read "b.txt" ~= "beta\n" do core.step(0.001) end
    waiter:cancel()
    assert.is_true(waiter:wait(5))
    assert.equal("ECANCELED", code)
    assert.is_true(worker:copy(top))
    assert.equal("alpha\n", folder:read "b.txt")
    for _, entry in ipairs(folder:list()) do assert.is_nil(entry.name:match "^%.mcp") end
  end)

  it("does no harm where a handler closes the state", function()
    if (os.getenv "LD_PRELOAD" or ""):find("tsan", 1, true) then
      pending "SKIPPED: ThreadSanitizer lets this process start none"
      return
    end
    local path = helper.file(([[
      local mcp = require "mcp"
      local folder = assert(mcp.folder(%q))
      for i = 1, 8 do mcp.spawn(function() folder:write("f" .. i, ("x"):rep(1 << 20)) end) end
      mcp.spawn(function()
        mcp.sleep(0.001)
        os.exit(5, true)
      end)
      mcp.sleep(60)]]):format(top), ".lua")
    for _, program in ipairs { os.getenv "LUA" or "lua5.4", helper.quote(helper.program())
      .. " run" } do
      local out, status = helper.shell(("timeout 20 %s %s 2>&1"):format(program, path))
      assert.equal(5, status, out)
    end
    helper.remove_files()
  end)

  it("can be closed while it works", function()
    local before = codec.descriptors()
    local waiter = core.waiter()
    local text
    waiter:spawn(function()
      local other = assert(mcp.folder(top))
      mcp.spawn(function() text = other:read "a.txt" end)
      other:close()
    end)
    assert.is_true(waiter:wait(5))
    helper.wait_until(function() return text end, "the text")
    assert.equal("alpha\n", text)
    helper.wait_until(function() return codec.descriptors() == before end, "the descriptors")
  end)
end)
