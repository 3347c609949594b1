-- SPDX-License-Identifier: MIT
-- private_file_spec.lua: src/net/private_file.c and src/lua/lprivate.c: files with tokens in them,
-- which are their owner's only.
local core = require "mcp.core"
local helper = require "spec.helper"

describe("a private file", function()
  local folder, path

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -m 700 " .. folder))
    path = folder .. "/tokens"
  end)
  after_each(function() os.execute("rm -rf " .. helper.quote(folder)) end)

  local function shell(command) return (helper.shell(command:gsub("PATH", path))) end
  local function facts() return shell "stat -c '%a %h %s' PATH" end
  local function listing() return shell("ls -A " .. folder) end

  it("is read as it was written, whatever is in it", function()
    for _, bytes in ipairs { "", "x", "a\0b\r\n\xff", ("x"):rep(1 << 20) } do
      assert.is_true(core.write_private(path, bytes))
      assert.is_true(core.read_private(path) == bytes)
      assert.equal(("600 1 %d\n"):format(#bytes), facts())
      assert.equal("tokens\n", listing())
    end
  end)

  it("is its owner's only, whatever the mask and whatever was there", function()
    shell "umask 0; echo open > PATH; chmod 666 PATH"
    assert.is_true(core.write_private(path, "closed"))
    assert.equal("600 1 6\n", facts())
  end)

  it("is replaced whole: a process that has it open still reads the old one", function()
    assert.is_true(core.write_private(path, "old"))
    local before <close> = assert(io.open(path))
    assert.is_true(core.write_private(path, "new and longer"))
    assert.equal("old", before:read "a")
    assert.equal("new and longer", core.read_private(path))
  end)

  it("takes the place of a link, and leaves alone where that led", function()
    shell "echo precious > PATH.other; ln -s PATH.other PATH"
    assert.is_true(core.write_private(path, "secret"))
    assert.equal("precious\n", shell "cat PATH.other")
    assert.equal("600 1 6\n", facts())
    -- Nor does it write to a file that a crash, or another user, left beside it.
    shell "ln -s PATH.other PATH.new"
    assert.is_true(core.write_private(path, "secret 2"))
    assert.equal("precious\n", shell "cat PATH.other")
    assert.equal("secret 2", core.read_private(path))
    assert.equal("tokens\ntokens.other\n", listing())
  end)

  it("that others can read is not read", function()
    assert.is_true(core.write_private(path, "x"))
    for _, mode in ipairs { "640", "604", "601", "610", "620", "602", "666" } do
      shell("chmod " .. mode .. " PATH")
      local bytes, text, code = core.read_private(path)
      assert.same({ nil, "EFILEMODE" }, { bytes, code }, mode)
      assert.is_true(#text > 10)
    end
    for _, mode in ipairs { "600", "400" } do
      shell("chmod " .. mode .. " PATH")
      assert.equal("x", core.read_private(path))
    end
  end)

  it("is a file: no folder, no pipe that would be waited for", function()
    assert.equal("EFILEMODE", select(3, core.read_private(folder)))
    shell "mkfifo -m 600 PATH"
    assert.equal("EFILEMODE", select(3, core.read_private(path)))
    assert.equal("EFILEMODE", select(3, core.read_private "/dev/null"))
  end)

  it("has 1 MiB at most", function()
    shell "head -c 1048577 /dev/zero > PATH; chmod 600 PATH"
    assert.equal("ETOOBIG", select(3, core.read_private(path)))
    shell "head -c 1048576 /dev/zero > PATH"
    assert.equal(1 << 20, #core.read_private(path))
  end)

  it("that cannot be read or written says why, and leaves nothing", function()
    assert.same({ nil, "ENOENT" }, { select(1, core.read_private(path)),
      (select(3, core.read_private(path))) })
    assert.equal("ENOENT", select(3, core.write_private(folder .. "/none/tokens", "x")))
    -- What is to be replaced cannot be: a folder.
    shell "mkdir PATH"
    assert.equal("EISDIR", select(3, core.write_private(path, "x")))
    assert.equal("tokens\n", listing())
  end)

  it("that is not written to the end is not the file", function()
    assert.is_true(core.write_private(path, "old"))
    local program = helper.file(([[
      local core = require "mcp.core"
      io.write(tostring(select(3, core.write_private(%q, ("x"):rep(100000)))))
    ]]):format(path))
    -- No file of that shell may be longer than 8 KiB.
    local said = shell("trap '' XFSZ; ulimit -f 8; " .. helper.program() .. " run " .. program)
    helper.remove_files()
    assert.equal("EFBIG", said)
    assert.equal("old", core.read_private(path))
    assert.equal("tokens\n", listing())
  end)
end)
