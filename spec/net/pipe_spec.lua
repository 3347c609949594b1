-- SPDX-License-Identifier: MIT
-- pipe_spec.lua: src/net/pipe.c through the program: what standard input and output may be, and who
-- else may touch them.
local support = require "spec.support"

local body = support.call_body

local line, echo = support.call_line, support.echo_line
local text_of, messages_of = support.text_of, support.messages_of

local server

local function ends_with(kind, number, limit)
  assert.same({ kind, number }, { server:wait_end(limit) })
end

-- End of input; then nothing more comes and it ends well.
local function finish()
  server.process:close_stdin()
  assert.is_false(server:read_line())
  ends_with("exit", 0, 1)
end

-- A file with that text; its path.
local function file_of(text)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "wb"))
  file:write(text or "")
  return path
end

local function content_of(path)
  local file <close> = assert(io.open(path, "rb"))
  local text = file:read "a"
  os.remove(path)
  return text
end

describe("standard output", function()
  after_each(support.stop_all)

  it("is the wire, and nothing else gets there; standard error takes it (IO-05)", function()
    server = support.stdio()
    server:write(line(1, "noise"))
    local answer = server:read_line()
    assert.equal("quiet", text_of(answer))
    -- At once, and in this order, for debugging by printing.
    server:wait_said "from print\nfrom io.write\nfrom io.stdout\nfrom a child\n"
    finish()
  end)

  it("cannot be reached by a child, nor standard input", function()
    server = support.stdio()
    server:write(line(1, "steal") .. echo(2, "not stolen"))
    assert.equal("child read 0 bytes", text_of(server:read_line()))
    assert.equal("not stolen", text_of(server:read_line()))
    finish()
  end)

  it("closed by its reader ends the process, a handler's late answer too (IO-25)", function()
    for _, seconds in ipairs { 0, 0.1 } do
      server = support.stdio()
      server:write(echo(1, "x"))
      server:read_line()
      server.process:close_stdout()
      server:write(line(2, "sleep", { seconds = 60, name = "other" })
        .. line(3, "sleep", { seconds = seconds }))
      ends_with("exit", 0)
      server:wait_said "closed other\n"
    end
  end)

  it("closed in the middle of an answer ends the process (IO-25)", function()
    for _, size in ipairs { 1, 1000, 65536, 200000 } do
      server = support.stdio()
      server:write(echo(1, ("x"):rep(1 << 20)))
      local got = 0
      while got < size do got = got + #assert(server.process:read()) end
      server.process:close_stdout()
      ends_with("exit", 0)
    end
  end)

  it("closed before the start ends the process at its first answer", function()
    server = support.stdio()
    server.process:close_stdout()
    server:write(echo(1, "x"))
    ends_with("exit", 0)
  end)

  it("may be a file, and standard input another", function()
    local from, to = file_of(echo(1, "a") .. line(2, "steps", { count = 2 })
      .. line(3, "sleep", { seconds = 0.1 }) .. body(4, "echo", { text = "last" })), file_of()
    server = support.stdio { stdin = from, stdout = to }
    ends_with("exit", 0)
    os.remove(from)
    local messages = messages_of(content_of(to))
    assert.equal(6, #messages)
    assert.equal("a", text_of(messages[1]))
    assert.equal(2, messages[3].params.progress)
    assert.equal("last", text_of(messages[5]))
    assert.equal("slept sleep", text_of(messages[6]))
  end)

  it("may be a file while standard input is a pipe", function()
    local to = file_of()
    server = support.stdio { stdout = to }
    server:write(echo(1, "a"))
    server.process:close_stdin()
    ends_with("exit", 0)
    assert.equal("a", text_of(messages_of(content_of(to))[1]))
  end)

  it("may be a pipe while standard input is a file, and be read late", function()
    local all = {}
    for i = 1, 20000 do all[i] = echo(i, "n" .. i) end
    local from = file_of(table.concat(all))
    server = support.stdio { stdin = from }
    server:wait_fd_count(100)
    local got = {}
    while true do
      local piece = server.process:read()
      if not piece then break end
      got[#got + 1] = piece
    end
    ends_with("exit", 0)
    os.remove(from)
    local messages = messages_of(table.concat(got))
    assert.equal(20000, #messages)
    assert.equal(20000, messages[20000].id)
  end)

  it("and input may be the null device", function()
    server = support.stdio { stdin = "/dev/null" }
    assert.is_false(server:read_line())
    ends_with("exit", 0, 1)
    server = support.stdio { stdout = "/dev/null" }
    server:write(echo(1, "x"))
    server.process:close_stdin()
    ends_with("exit", 0, 1)
    server = support.stdio { stdin = "/dev/null", stdout = "/dev/null", stderr = "/dev/null" }
    ends_with("exit", 0, 1)
  end)

  it("that is full is an error, not a loop", function()
    server = support.stdio { stdout = "/dev/full" }
    server:write(echo(1, "x"))
    ends_with("exit", 0)
  end)
end)
