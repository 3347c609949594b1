-- SPDX-License-Identifier: MIT
-- core_spec.lua: src/lua/core.c: the functions of mcp.core, and the end of a Lua state.
local core = require "mcp.core"
local system = require "codecs.system"

-- Runs Lua source in a state of its own; returns what it said, and how it ended.
local function run(source)
  local process <close> = system.spawn { os.getenv "LUA" or "lua5.4", "-e", source }
  local said = ""
  process:close_stdin()
  while true do
    local piece = process:read_error()
    if not piece then break end
    said = said .. piece
  end
  return said, process:wait()
end

describe("encode and decode", function()
  it("give back what they were given", function()
    for _, value in ipairs { 1, -1, 0.1, 1e300, math.maxinteger, math.mininteger, true, false, "",
      "\0\1\"\\\n\u{10FFFF}", core.null } do
      assert.equal(value, core.decode((core.encode(value))))
      assert.equal(math.type(value), math.type(core.decode((core.encode(value)))))
    end
    local value = { a = { 1, 2, { b = core.null } }, c = "x", d = { e = {} } }
    assert.same(value, core.decode((core.encode(value))))
  end)

  it("keep an empty array apart from an empty object", function()
    assert.equal("[]", (core.encode(core.decode "[]")))
    assert.equal("{}", (core.encode(core.decode "{}")))
    assert.equal("{}", (core.encode {}))
    assert.equal("[]", (core.encode(setmetatable({}, core.array_mt))))
  end)

  it("sort keys if asked to", function()
    assert.equal('{"a":1,"b":{"c":1,"d":2},"e":3}',
      (core.encode({ e = 3, b = { d = 2, c = 1 }, a = 1 }, true)))
  end)

  it("write a message with an id of either type, or without", function()
    assert.equal('{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":1}}',
      (core.encode_message("m", { a = 1 }, 7)))
    assert.equal('{"jsonrpc":"2.0","id":"7","method":"m"}', (core.encode_message("m", nil, "7")))
    assert.equal('{"jsonrpc":"2.0","id":7,"method":"m"}', (core.encode_message("m", nil, 7.0)))
    assert.equal('{"jsonrpc":"2.0","method":"m","params":{}}', (core.encode_message("m", {})))
    assert.same({ nil, "m: params cannot be JSON: a: function", "EENCODE" },
      { core.encode_message("m", { a = print }, 7) })
    assert.has_error(function() core.encode_message("m", nil, 7.5) end)
    assert.has_error(function() core.encode_message("m", nil, {}) end)
    assert.has_error(function() core.encode_message() end)
  end)

  it("return what is wrong, and where", function()
    local cyclic = {}
    cyclic[1] = cyclic
    for _, value in ipairs { print, 0 / 0, 1 / 0, { a = print }, { [{}] = 1 }, "\xff", cyclic,
      { 1, nil, 3 }, { 1, x = 2 }, coroutine.create(print) } do
      local text, message, code = core.encode(value)
      assert.is_nil(text)
      assert.is_string(message)
      assert.is_string(code)
    end
    for text, name in pairs { ["{"] = "EJSON", ["\"\xff\""] = "EUTF8", ['{"a":1,"a":1}']
      = "EDUPLICATE", [("["):rep(200)] = "EDEPTH", [""] = "EJSON", ["1 2"] = "EJSON" } do
      local value, message, code = core.decode(text)
      assert.is_nil(value)
      assert.matches("at byte %d+$", message)
      assert.equal(name, code, text)
    end
  end)

  it("read large texts, and give back their memory", function()
    local list = {}
    for i = 1, 20000 do list[i] = { id = i, name = "n" .. i } end
    local text = core.encode(list)
    local before = core.bytes_held()
    for _ = 1, 20 do assert.equal(20000, #core.decode(text)) end
    for _ = 1, 20 do core.decode(text:sub(1, -2)) end
    collectgarbage()
    assert.is_true(core.bytes_held() <= before + 65536)
  end)
end)

describe("raw", function()
  it("is written as it is", function()
    local raw = core.raw { b = 1, a = { "x" } }
    assert.equal('{"v":{"a":["x"],"b":1}}', (core.encode { v = raw }))
    assert.equal("[1, 2]", (core.encode(core.raw("[1, 2]", true))))
  end)

  it("refuses what is no JSON", function()
    assert.error(function() core.raw("[1, 2", true) end)
    assert.error_matches(function() core.raw(print) end, "cannot be JSON")
  end)
end)

describe("random_id", function()
  it("is 128 bits in base64url, and never the same", function()
    local seen, firsts = {}, {}
    for _ = 1, 20000 do
      local id = core.random_id()
      assert(#id == 22 and id:find "^[%w_-]+$", id)
      assert(not seen[id], "twice")
      seen[id] = true
      firsts[id:sub(1, 1)] = true
    end
    local count = 0
    for _ in pairs(firsts) do count = count + 1 end
    assert.equal(64, count)
  end)
end)

describe("base64", function()
  it("has the test vectors of RFC 4648 10", function()
    local plain = "foobar"
    local coded = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" }
    for i = 0, 6 do
      assert.equal(coded[i + 1], core.base64(plain:sub(1, i)))
      assert.equal(plain:sub(1, i), core.unbase64(coded[i + 1]))
    end
  end)

  it("carries any bytes, and many", function()
    local bytes = {}
    for i = 0, 255 do bytes[i + 1] = string.char(i) end
    local all = table.concat(bytes):rep(1000)
    assert.is_true(core.unbase64(core.base64(all)) == all)
  end)

  it("is read strictly (HM-33)", function()
    for _, text in ipairs { "Zg", "Zg=", "Zh==", "Zm9=", "Z", "====", "Zm9v\n", " Zm9v", "Zm9-",
      "Zm9_", "Zm9v=", "Zg==Zg==", "Zm\0v" } do
      assert.is_nil(core.unbase64(text), text)
    end
  end)
end)

describe("a Lua state", function()
  it("that ends closes its tasks: their <close> variables run", function()
    local said, kind, number = run [[
      local core = require "mcp.core"
      local function guard(name)
        return setmetatable({}, { __close = function() io.stderr:write("closed ", name, "\n") end })
      end
      core.spawn(function() local g <close> = guard "sleep"; core.sleep(60) end)
      core.spawn(function() local g <close> = guard "wait"; core.waiter():wait() end)
      core.spawn(function() local g <close> = guard "timed"; core.waiter():wait(60) end)
      core.spawn(function()
        local g <close> = setmetatable({}, { __close = function()
          -- There is no task any more that could wait.
          io.stderr:write("in close: ", tostring(pcall(core.sleep, 0)), "\n")
          io.stderr:write("spawn: ", tostring(pcall(core.spawn, print)), "\n")
        end })
        core.sleep(60)
      end)
      core.spawn(function()
        local g <close> = setmetatable({}, { __close = function() error "in close" end })
        core.sleep(60)
      end)
      KEEP = core.waiter()
      core.spawn(function() KEEP:wait() end)
    ]]
    assert.same({ "exit", 0 }, { kind, number })
    for _, text in ipairs { "closed sleep\n", "closed wait\n", "closed timed\n",
      "spawn: false\n" } do
      assert.is_truthy(said:find(text, 1, true), said)
    end
  end)

  it("that ends with listeners, connections and calls under way ends well", function()
    local said, kind, number = run [[
      local core = require "mcp.core"
      local system = require "codecs.system"
      local host = core.listen_http({ port = 0 }, function(x)
        local g <close> = setmetatable({}, { __close = function() io.stderr:write "closed\n" end })
        core.sleep(60)
      end)
      KEEP = { system.connect("127.0.0.1", host:port()), system.connect("127.0.0.1", host:port()),
        host, core.memory_pair(function() core.sleep(60) end) }
      KEEP[1]:send("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n")
      KEEP[2]:send("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" ..
        "Content-Length: 40\r\n\r\n" .. '{"jsonrpc":"2.0","id":1,"method":"ping"}')
      while core.task_count() == 0 do core.step(1) end
    ]]
    assert.same({ "exit", 0 }, { kind, number }, said)
    assert.is_truthy(said:find("closed\n", 1, true), said)
  end)

  it("that is ended by an error or by os.exit in a task ends well", function()
    for source, number in pairs {
      ['error "x"'] = 1, ["os.exit(3, true)"] = 3,
      ['require "mcp.core".spawn(function() os.exit(4, true) end)'] = 4 } do
      local said, kind, got = run([[local core = require "mcp.core"
        core.spawn(function() core.sleep(60) end) ]] .. source)
      assert.same({ "exit", number }, { kind, got }, said)
    end
  end)

  it("takes no signals unless it is asked to, and gives them back", function()
    local script = [[local core = require "mcp.core"
      %s
      io.stderr:write "ready\n"
      while not got do core.step(5) end]]
    local function try(source, signal, ...)
      local command = { ... }
      for _, word in ipairs { os.getenv "LUA" or "lua5.4", "-e", script:format(source) } do
        command[#command + 1] = word
      end
      local process <close> = system.spawn(command)
      assert.equal("ready\n", process:read_error())
      process:kill(signal)
      local how, number = process:wait(command[1] == "sh" and 0.2 or nil)
      return ("%s %s"):format(how, number)
    end
    assert.equal("signal 15", try "")
    assert.equal("exit 0", try "core.catch_signals(function(n) got = n == 15 end)")
    assert.equal("signal 15", try "core.catch_signals(print) core.catch_signals(nil)")
    assert.equal("signal 1", try("", "HUP"))
    assert.equal("exit 0", try("core.catch_signals(function(n) got = n == 1 end)", "HUP"))
    -- One that came before is kept if that was asked.
    local early = "core.keep_hangup() os.execute 'kill -HUP $PPID' "
    assert.equal("signal 15", try(early, "TERM"))
    assert.equal("exit 0", try(early .. "core.catch_signals(function(n) got = n == 1 end)", "CONT"))
    assert.equal("signal 1", try("core.keep_hangup() core.catch_signals(print) "
      .. "core.catch_signals(nil)", "HUP"))
    -- Who was started by nohup goes on.
    assert.equal("nil timeout", try("core.catch_signals(function(n) got = n == 1 end)", "HUP",
      "sh", "-c", 'trap "" HUP; exec "$0" "$@"'))
  end)
end)
