-- SPDX-License-Identifier: MIT
local LEVELS = { "debug", "info", "notice", "warning", "error" }

--- Runs `script` in a process of its own, because MCP_LOG is read once in a
--- process. What it prints comes back line by line; `capture(f)` in it prints
--- what each write(2) to standard error wrote, with the borders shown.
local function run(level, script, redirection)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  assert(file:write([[
    local log = require "codecs.log"
    local function capture(f)
      for _, packet in ipairs(log.capture(f)) do
        io.write((packet:gsub("[\n%%]", { ["\n"] = "%n", ["%"] = "%%" })), "\n")
      end
    end
  ]], script))
  file:close()
  local setting = level and ("MCP_LOG='%s'"):format(level) or "env -u MCP_LOG"
  local command = { setting, os.getenv "LUA" or "lua5.4", path, redirection or "2>&1" }
  local child = assert(io.popen(table.concat(command, " ")))
  local lines = {}
  for text in child:lines() do lines[#lines + 1] = text end
  local ok = child:close()
  os.remove(path)
  assert.is_true(ok, table.concat(lines, "\n"))
  return lines
end

local EACH = [[
  capture(function()
    for _, level in ipairs { "debug", "info", "notice", "warning", "error" } do
      log.write(level, "text")
    end
    log.wire("in", "bytes\n")
  end)
]]

--- What EACH prints when lines go out from the nth level on.
local function from(n)
  local lines = {}
  for i = n, #LEVELS do lines[#lines + 1] = "luamcp: " .. LEVELS[i] .. ": text%n" end
  return lines
end

describe("base/log levels", function()
  it("are warning and error without MCP_LOG", function()
    assert.same(from(4), run(nil, EACH))
    assert.same(from(4), run("", EACH))
  end)

  it("are those from MCP_LOG on", function()
    for i, level in ipairs(LEVELS) do assert.same(from(i), run(level, EACH)) end
    assert.same({}, run("off", EACH))
  end)

  it("begin with the time, of ISO 8601 in UTC, unless MCP_LOG_TIME is 0", function()
    local before = os.time()
    -- `make` sets it for the specs.
    local lines = run("wire' MCP_LOG_TIME='", EACH)
    assert.equal(#LEVELS + 1, #lines)
    for i, line in ipairs(lines) do
      local year, month, day, hour, min, sec, rest =
        line:match "^(%d%d%d%d)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)%.%d%d%dZ (.*)$"
      assert.is_not_nil(rest, line)
      assert.equal(LEVELS[i] and "luamcp: " .. LEVELS[i] .. ": text%n"
        or "luamcp: wire: < bytes\\x0A%n", rest)
      local time = os.time { year = year, month = month, day = day, hour = hour, min = min,
        sec = sec, isdst = false }
      local here = os.time(os.date("!*t", before))
      assert.is_true(time >= here - 3600 - 1 and time <= here + 3660, line)
    end
    assert.same(from(4), run("' MCP_LOG_TIME='0", EACH))
  end)

  it("are all with MCP_LOG=wire, and the bytes too", function()
    local expected = from(1)
    expected[#expected + 1] = "luamcp: wire: < bytes\\x0A%n"
    assert.same(expected, run("wire", EACH))
  end)

  it("are the default with a word that is none, which is said once", function()
    local expected = from(4)
    table.insert(expected, 1, "luamcp: warning: MCP_LOG: expected wire, debug, info, notice, "
      .. "warning, error or off, got loud\\x1B%n")
    assert.same(expected, run("loud\x1B", EACH))
  end)

  it("can be asked for, and are read once", function()
    local answers = [[
      local function ask()
        local said = {}
        for _, level in ipairs { "wire", "debug", "info", "notice", "warning", "error", "off" } do
          said[#said + 1] = tostring(log.enabled(level))
        end
        print(table.concat(said, " "))
      end
      ask()
      log.setenv "debug"
      ask()
    ]]
    local line = "false false false true true true false"
    assert.same({ line, line }, run("notice", answers))
    line = "false false false false false false false"
    assert.same({ line, line }, run("off", answers))
  end)
end)

describe("base/log as JSON", function()
  local json = require "cjson.safe"

  -- Runs a script with MCP_LOG_FORMAT=json; the lines, decoded.
  local function decoded(level, script)
    local out = {}
    for i, line in ipairs(run(level .. "' MCP_LOG_FORMAT='json", script)) do
      assert.equal("%n", line:sub(-2), line)
      out[i] = assert(json.decode((line:sub(1, -3))))
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", out[i].time)
      out[i].time = nil
    end
    return out
  end

  it("is an object a line, with time, level and message", function()
    assert.same({ { level = "warning", message = "text" }, { level = "error", message = "text" } },
      decoded("warning", EACH))
    assert.same({ { level = "wire", message = "< bytes\n" } }, decoded("wire",
      [[capture(function() log.wire("in", "bytes\n") end)]]))
  end)

  it("keeps what a reader of JSON gets back, and escapes the rest", function()
    assert.same({ { level = "info",
      message = 'a\r\n"b"\\c\t\27[2J\127é€𝄞 \\xFF \\xE2\\x80\\xAE' } },
      decoded("info", [[capture(function()
        log.write("info", 'a\r\n"b"\\c\t\27[2J\127é€𝄞 \xFF \u{202E}')
      end)]]))
  end)

  it("cuts what is too long, within a string that is still one", function()
    for _, unit in ipairs { "x", '"', "\n", "€", "\xFF" } do
      local script = ([[capture(function() log.write("info", (%q):rep(3000)) end)]]):format(unit)
      local line = decoded("info", script)[1]
      assert.equal("…", line.message:sub(-3))
    end
    for _, line in ipairs(decoded("wire", [[capture(function()
      log.wire("in", ("\1"):rep(2000) .. "\n")
    end)]])) do
      assert.is_nil(line.message:find("…", 1, true))
    end
  end)

  it("has the request and what serves it, where they are known", function()
    assert.same({
      { level = "error", request = 'a"1', tool = 'x"y', message = "one\n\ttwo" },
      { level = "error", request = 7, message = "text" },
      { level = "error", tool = ("x"):rep(100), message = "text" },
    }, decoded("warning", [[capture(function()
      log.about("error", "one\n\ttwo", '"a\\"1"', "tool", 'x"y')
      log.about("error", "text", "7")
      log.about("error", "text", ("1"):rep(300), "tool", ("x"):rep(100))
    end)]]))
    local long = decoded("warning", [[capture(function()
      log.about("error", "text", "7", "tool", ("€"):rep(1000))
    end)]])[1]
    assert.same({ 7, "text", "…" }, { long.request, long.message, long.tool:sub(-3) })
  end)

  it("is a line of text for each line otherwise, with tabs as spaces", function()
    assert.same({ "luamcp: error: one%n", "luamcp: error:   two b%n", "luamcp: error: %n" },
      run("warning", [[capture(function()
        log.about("error", "one\n\ttwo\tb\n", "7", "tool", "x")
        log.about("error", "", "7", "tool", "x")
      end)]]))
  end)
end)

describe("base/log lines", function()
  it("go to standard error, nothing to standard output", function()
    local script = [[
      log.write("error", "one")
      log.write("debug", "two")
      log.wire("out", "three")
      io.stdout:write "out\n"
    ]]
    assert.same({ "out" }, run("wire", script, "2>/dev/null"))
    assert.same(
      { "luamcp: error: one", "luamcp: debug: two", "luamcp: wire: > three" },
      run("wire", script, "2>&1 >/dev/null"))
  end)

  it("are formatted like printf", function()
    assert.same({ "luamcp: info: n=-7 s=50% %d%n" },
      { (run("info", [[capture(function() log.formatted("info", -7, "50% %d") end)]])[1]
        :gsub("%%%%", "%%")) })
  end)

  it("cannot be forged: CR, LF, ESC and other controls are escaped", function()
    local lines = run("info", [[capture(function()
      log.write("info", "a\r\nluamcp: error: forged\27[2J\t\1\127b")
      log.write("info", "C1 \u{85}\u{9B}31m \x9B31m kept é€𝄞\u{A0}")
      log.write("info", "bad \xFF\xC0\x80 \xE2\x82")
      log.write("info", "")
    end)]])
    assert.same({
      "luamcp: info: a\\x0D\\x0Aluamcp: error: forged\\x1B[2J \\x01\\x7Fb%n",
      "luamcp: info: C1 \\xC2\\x85\\xC2\\x9B31m \\x9B31m kept é€𝄞\u{A0}%n",
      "luamcp: info: bad \\xFF\\xC0\\x80 \\xE2\\x82%n",
      "luamcp: info: %n",
    }, lines)
  end)

  it("look like what they are: what turns the direction of a text is escaped (SEC-64)", function()
    local lines = run("info", [[capture(function()
      log.write("info", "a\u{202E}b\u{2066}c\u{2069}\u{200F}\u{61C}\u{2028}d")
      log.write("info", "kept \u{2027}\u{202F}\u{2065}\u{206A}\u{200D}\u{61B}\u{2010}")
    end)]])
    assert.same({
      "luamcp: info: a\\xE2\\x80\\xAEb\\xE2\\x81\\xA6c\\xE2\\x81\\xA9"
        .. "\\xE2\\x80\\x8F\\xD8\\x9C\\xE2\\x80\\xA8d%n",
      "luamcp: info: kept \u{2027}\u{202F}\u{2065}\u{206A}\u{200D}\u{61B}\u{2010}%n",
    }, lines)
  end)

  it("are one write each, of at most 2 KiB, cut with an ellipsis", function()
    local lines = run("info", [[
      for _, unit in ipairs { "x", "é", "€", "𝄞", "\n", "\u{85}", "xé\n" } do
        for shift = 0, 8 do
          local packets = log.capture(function()
            log.write("info", ("y"):rep(shift) .. unit:rep(10000))
          end)
          local line = packets[1]
          assert(#packets == 1, "not one write")
          assert(#line <= log.LINE and #line >= log.LINE - 10, #line)
          assert(log.LINE == 2048)
          assert(line:sub(-4) == "…\n" and utf8.len(line), "cut badly")
          assert(not line:sub(1, -2):find "%c")
          assert(line:sub(1, -5):gsub("\\x%x%x", ""):find "\\" == nil, "an escape was cut")
        end
      end
      print "ok"
    ]])
    assert.same({ "ok" }, lines)
  end)

  it("are not cut while they fit", function()
    local lines = run("info", [[
      local room = log.LINE - #"luamcp: info: " - 1
      for _, n in ipairs { room - 1, room, room + 1 } do
        local line = log.capture(function() log.write("info", ("x"):rep(n)) end)[1]
        print(#line, line:sub(-4) == "…\n")
      end
    ]])
    assert.same({ "2047\tfalse", "2048\tfalse", "2048\ttrue" }, lines)
  end)
end)

describe("base/log wire", function()
  --- For each list of pieces the lines that it makes, all in one process.
  local function wires(direction, lists)
    local script, results = {}, {}
    for i, pieces in ipairs(lists) do
      local quoted = { ("%q"):format(direction) }
      for _, piece in ipairs(pieces) do
        quoted[#quoted + 1] = '"' .. piece:gsub("[^%w]", function(c)
          return ("\\%03d"):format(c:byte())
        end) .. '"'
      end
      script[i] = ("capture(function() log.wire(%s) end) print '--'\n")
        :format(table.concat(quoted, ","))
      results[i] = {}
    end
    local i = 1
    for _, line in ipairs(run("wire", table.concat(script))) do
      if line == "--" then i = i + 1 else table.insert(results[i], line) end
    end
    assert.equal(#lists + 1, i)
    return results
  end

  local function wire(direction, ...) return wires(direction, { { ... } })[1] end

  it("is a line for each line, with its direction", function()
    assert.same({
      "luamcp: wire: < POST /mcp HTTP/1.1\\x0D\\x0A%n",
      "luamcp: wire: < Host: a\\x0D\\x0A%n",
      "luamcp: wire: < \\x0D\\x0A%n",
      "luamcp: wire: < {}%n",
    }, wire("in", "POST /mcp HTTP/1.1\r\nHost: a\r\n\r\n{}"))
    assert.same({ "luamcp: wire: > \\x81\\x00\\xFF%n" }, wire("out", "\x81\0\xFF"))
    assert.same({}, wire("out", ""))
  end)

  it("leaves no byte out of a long line", function()
    local text = ""
    for _, part in ipairs(wire("in", ("0123456789\1"):rep(500) .. "\n")) do
      assert.is_true(#part <= 2048)
      text = text .. part:match "^luamcp: wire: < (.*)%%n$"
    end
    assert.equal(("0123456789\\x01"):rep(500) .. "\\x0A", text)
  end)

  local hides = {
    ["Authorization: Bearer SECRET\r\nHost: a\r\n"] = "Authorization:|\r\nHost: a\r\n",
    ["GET / HTTP/1.1\r\nAUTHORIZATION:SECRET\nHost: a\n"] =
      "GET / HTTP/1.1\r\nAUTHORIZATION:|\nHost: a\n",
    ["Authorization: Basic SECRET\r\n SECRET\r\n\tSECRET\r\nHost: a"] =
      "Authorization:|\r\n|\r\n|\r\nHost: a",
    ["proxy-authorization: SECRET\r\n\r\nbody"] = "proxy-authorization:|\r\n\r\nbody",
    ["Authorization: SECRET\r\nCookie: a=SECRET; b=SECRET\r\n\r\n"] =
      "Authorization:|\r\nCookie:|\r\n\r\n",
    ["Set-Cookie: s=SECRET\r\nMcp-Session-Id: SECRET\r\n"] = "Set-Cookie:|\r\nMcp-Session-Id:|\r\n",
    ['{"access_token":"SECRET","expires_in":5}'] = '{"access_token":"|","expires_in":5}',
    ['{"refresh_token" : "SEC\\"RET\\\\","x":"y"}'] = '{"refresh_token" : "|","x":"y"}',
    ["GET /x?a=1&api_key=SECRET&b=2 HTTP/1.1\r\nX-API-Key: SECRET\r\n"] =
      "GET /x?a=1&api_key=|&b=2 HTTP/1.1\r\nX-API-Key:|\r\n",
    ["grant_type=a&refresh_token=SECRET&client_secret=SECRET"] =
      "grant_type=a&refresh_token=|&client_secret=|",
    ["GET /callback?code=SECRET&state=a HTTP/1.1\r\nDPoP: SECRET\r\n"] =
      "GET /callback?code=|&state=a HTTP/1.1\r\nDPoP:|\r\n",
    ["subject_token=SECRET&subject_token_type=a"] = "subject_token=|&subject_token_type=a",
    ['{"registration_access_token":"SECRET","code":"a"}'] =
      '{"registration_access_token":"|","code":"a"}',
    ["POST /messages?sessionId=SECRET HTTP/1.1\r\n"] = "POST /messages?sessionId=| HTTP/1.1\r\n",
    ["data: /messages?session_id=SECRET\r\n\r\n"] = "data: /messages?session_id=|\r\n\r\n",
  }

  it("hides secrets in header fields, JSON and forms, wherever they are cut", function()
    for bytes, shown in pairs(hides) do
      local expected = shown:gsub("\r", "\\x0D"):gsub("\n", "\\x0A"):gsub("|", "[hidden]")
      local lists, single = { { bytes } }, {}
      for i = 1, #bytes do
        single[i] = bytes:sub(i, i)
        lists[i + 1] = { bytes:sub(1, i), bytes:sub(i + 1) }
      end
      lists[#lists + 1] = single
      for _, lines in ipairs(wires("in", lists)) do
        for i, line in ipairs(lines) do lines[i] = line:match "^luamcp: wire: < (.*)%%n$" end
        -- Each piece shows again that it hides something.
        local text = table.concat(lines):gsub("%[hidden%]", "\0"):gsub("%z+", "[hidden]")
        assert.equal(expected, text)
      end
    end
  end)

  it("shows what only looks like one", function()
    local lists = {}
    for i, bytes in ipairs {
      "X-Authorization: a", "Authorization-X: a", "x Authorization: a",
      '{"authorization":5,"b":"c"}', '{"tokens":"a"}', "mytoken=a",
      "averyveryveryveryveryverylongname: a",
      "aclient_assertion=a", "cookiecookiecookiecookie: a",
    } do
      lists[i] = { bytes }
    end
    for i, lines in ipairs(wires("in", lists)) do
      assert.same({ "luamcp: wire: < " .. lists[i][1] .. "%n" }, lines)
    end
  end)
end)
