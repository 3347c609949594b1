-- SPDX-License-Identifier: MIT
-- What luamcp writes at a terminal only: pictures and a bar of progress. The streams and the
-- environment are stubs; `make terminal` shows the same in a real one.
-- luacheck: ignore 122
local core = require "mcp.core"
local picture = require "mcp.cli.picture"
local progress = require "mcp.cli.progress"
local terminal = require "mcp.cli.terminal"

-- What `fn` writes to both streams, at a terminal 40 columns wide with these variables.
local function written(variables, fn)
  local getenv, stdout, stderr = os.getenv, io.stdout, io.stderr
  local is_terminal, width = terminal.is_terminal, terminal.width
  local out = {}
  local stream = { write = function(_, ...)
    for _, each in ipairs { ... } do out[#out + 1] = tostring(each) end
  end }
  terminal.is_terminal = function() return not variables.none end
  terminal.width = function() return 40 end
  os.getenv = function(name) return variables[name] end
  io.stdout, io.stderr = stream, stream
  local ok, err = pcall(fn)
  os.getenv, io.stdout, io.stderr = getenv, stdout, stderr
  terminal.is_terminal, terminal.width = is_terminal, width
  assert(ok, err)
  return table.concat(out)
end

describe("at a terminal", function()
  -- Base64 of three bytes is four.
  local PNG = ("abc"):rep(picture.CHUNK // 2)

  local function drawn(variables, bytes, mime)
    local result
    local text = written(variables, function() result = picture.draw(bytes, mime) end)
    assert.equal(text ~= "", result)
    return text
  end

  it("of kitty a picture is written in pieces, of which all but the last announce more", function()
    for _, variables in ipairs { { KITTY_WINDOW_ID = "1" }, { TERM = "xterm-kitty" },
      { TERM_PROGRAM = "ghostty" } } do
      local pieces, text = {}, drawn(variables, PNG, "image/png")
      for keys, piece in text:gmatch "\27_G([^;]*);([^\27]*)\27\\" do
        pieces[#pieces + 1] = piece
        assert.equal(#pieces == 1 and "a=T,f=100,m=1" or #pieces == 2 and "m=0", keys)
        assert.equal(picture.CHUNK, #piece)
      end
      assert.equal(core.base64(PNG), table.concat(pieces))
      assert.equal("\n", text:sub(-1))
      local small = drawn(variables, "abc", "image/png")
      assert.equal("\27_Ga=T,f=100,m=0;YWJj\27\\\n", small)
      assert.equal("", drawn(variables, PNG, "image/jpeg"))
    end
  end)

  it("of iTerm a picture of any kind is written at once", function()
    for _, variables in ipairs { { TERM_PROGRAM = "iTerm.app" }, { TERM_PROGRAM = "WezTerm" },
      { WEZTERM_PANE = "0" } } do
      assert.equal("\27]1337;File=inline=1;size=3:YWJj\7\n", drawn(variables, "abc", "image/jpeg"))
    end
  end)

  it("without pictures, and in a pipe, none is written", function()
    assert.equal("", drawn({}, "abc", "image/png"))
    assert.equal("", drawn({ TERM = "xterm", TERM_PROGRAM = "other" }, "abc", "image/png"))
    assert.equal("", drawn({ KITTY_WINDOW_ID = "1", none = true }, "abc", "image/png"))
  end)

  it("progress is a bar that is drawn over and removed", function()
    local text = written({ TERM = "xterm" }, function()
      local on_progress, clear = progress.new()
      clear()
      on_progress(1, 4, "first")
      on_progress(2, 4, ("long "):rep(20))
      clear()
      clear()
    end)
    local first, second, rest = text:match "^\r([^\r]*)\27%[K\r([^\r]*)\27%[K(.*)$"
    assert.matches("^%[##+ +%] .*first", first)
    assert.equal(39, utf8.len(second))
    assert.equal("\r\27[K", rest)
  end)

  it("that is dumb, and in a pipe, progress is lines, not too many", function()
    for _, variables in ipairs { { TERM = "dumb" }, { none = true, TERM = "xterm" } } do
      local text = written(variables, function()
        local on_progress, clear = progress.new()
        for i = 1, 1000 do on_progress(i, 1000, "step") end
        clear()
      end)
      local count = select(2, text:gsub("step\n", ""))
      assert.is_nil(text:find "[\r\27]")
      assert.equal(1 + math.floor((1 - 1 / 1000) / progress.PART), count)
    end
  end)
end)
