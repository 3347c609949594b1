-- SPDX-License-Identifier: MIT
-- folder_write_spec.lua: src/net/folder_write.c by src/lua/lfolder.c, with openat2 and, as
-- "walking", without it. Each test finds the tree of folder_tree.lua.
local codec = require "codecs.folder"
local core = require "mcp.core"
local tree = require "spec.net.folder_tree"

local top, root

local put, refused = tree.write, tree.refused

local function get(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function there(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

local function run(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read "a":gsub("\n$", ""))
end

local function mode_of(path) return run(("stat -c %%a '%s'"):format(path)) end

local function make_tree() top, root = tree.make() end

local function names(folder, path)
  local out = {}
  for i, entry in ipairs(assert(folder:list(path))) do out[i] = entry.name end
  return table.concat(out, " ")
end

local function common(walking)
  local folder
  before_each(function()
    make_tree()
    folder = assert(core.folder(root, false, walking))
  end)
  after_each(function()
    folder:close()
    assert.equal("outside", get(top .. "/outside.txt"))
    assert.equal("secret", get(top .. "/elsewhere/secret.txt"))
    tree.remove(top)
  end)

  it("writes new files and replaces old ones, byte for byte", function()
    assert.is_true(folder:write("new.txt", "new"))
    assert.is_true(folder:write("a.txt", "\0\xff\r\n"))
    assert.is_true(folder:write("notes/c.md", ""))
    assert.equal("new", get(root .. "/new.txt"))
    assert.equal("\0\xff\r\n", get(root .. "/a.txt"))
    assert.equal("", get(root .. "/notes/c.md"))
    local big = ("0123456789abcdef"):rep(200000)
    assert.is_true(folder:write("big", big, nil, true))
    assert.is_true(get(root .. "/big") == big)
    assert.equal("a.txt big empty new.txt notes", names(folder))
    assert.equal("b.md c.md", names(folder, "notes"))
  end)

  it("replaces in one step: who has the old file open keeps it whole", function()
    local old <close> = assert(io.open(root .. "/a.txt"))
    assert.is_true(folder:write("a.txt", "beta\n"))
    assert.equal("alpha\n", old:read "a")
    assert.equal("beta\n", get(root .. "/a.txt"))
  end)

  it("keeps the owner of a file if asked to, or does nothing", function()
    assert.is_true(folder:write("a.txt", "x", nil, false, false, false, true))
    assert.equal("x", get(root .. "/a.txt"))
    if run "id -u" ~= "0" then
      pending "needs root, to make a file of another user"
      return
    end
    run(("chown 65534:65533 '%s'; chmod 4640 '%s'"):format(root .. "/a.txt", root .. "/a.txt"))
    assert.is_true(folder:write("a.txt", "y", nil, false, false, false, true))
    assert.equal("65534:65533 640", run(("stat -c '%%u:%%g %%a' '%s'"):format(root .. "/a.txt")))
    assert.is_true(folder:write("a.txt", "z"))
    assert.equal("0:0", run(("stat -c '%%u:%%g' '%s'"):format(root .. "/a.txt")))
  end)

  it("keeps the permissions of a file, and gives new ones those of the umask", function()
    codec.set_mode(root .. "/a.txt", 384) -- 600
    assert.is_true(folder:write("a.txt", "x"))
    assert.equal("600", mode_of(root .. "/a.txt"))
    codec.set_mode(root .. "/a.txt", 493) -- 755
    assert.is_true(folder:write("a.txt", "x"))
    assert.equal("755", mode_of(root .. "/a.txt"))
    put(root .. "/by_umask", "")
    assert.is_true(folder:write("new", "x"))
    assert.equal(mode_of(root .. "/by_umask"), mode_of(root .. "/new"))
    assert.is_true(folder:append("newer", "x"))
    assert.equal(mode_of(root .. "/by_umask"), mode_of(root .. "/newer"))
    assert.is_true(folder:write("mine", "x", nil, false, false, true))
    assert.equal("600", mode_of(root .. "/mine"))
    assert.is_true(folder:write("a.txt", "x", nil, false, false, true))
    assert.equal("600", mode_of(root .. "/a.txt"))
    assert.is_true(folder:append("mine_too", "x", nil, false, false, true))
    assert.equal("600", mode_of(root .. "/mine_too"))
  end)

  it("does not replace what it must not write", function()
    if codec.is_root() then
      pending "SKIPPED: root may write everything"
      return
    end
    codec.set_mode(root .. "/a.txt", 292) -- 444
    refused("EACCES", folder:write("a.txt", "x"))
    refused("EACCES", folder:append("a.txt", "x"))
    refused("EACCES", folder:rename("notes/b.md", "a.txt"))
    codec.set_mode(root .. "/notes", 365) -- 555
    refused("EACCES", folder:write("notes/new", "x"))
    refused("EACCES", folder:write("notes/b.md", "x"))
    refused("EACCES", folder:remove "notes/b.md")
    refused("EACCES", folder:make "notes/new")
    codec.set_mode(root .. "/notes", 493)
    assert.equal("alpha\n", get(root .. "/a.txt"))
    assert.equal("b.md", names(folder, "notes"))
  end)

  it("makes only what is new, where asked", function()
    refused("EEXIST", folder:write("a.txt", "x", nil, false, true))
    refused("EEXIST", folder:write("notes", "x", nil, false, true))
    refused("EEXIST", folder:append("a.txt", "x", nil, false, true))
    refused("EEXIST", folder:rename("a.txt", "notes/b.md", true))
    refused("EEXIST", folder:rename("notes", "empty", true))
    assert.is_true(folder:write("new", "x", nil, false, true))
    assert.is_true(folder:append("newer", "x", nil, false, true))
    assert.is_true(folder:rename("new", "newest", true))
    assert.is_true(folder:rename("notes", "texts", true))
    assert.equal("a.txt empty newer newest texts", names(folder))
    assert.equal("alpha\n", get(root .. "/a.txt"))
  end)

  it("appends", function()
    assert.is_true(folder:append("a.txt", "beta\n"))
    assert.is_true(folder:append("a.txt", "", nil, true))
    assert.is_true(folder:append("log", "one\n", nil, true))
    assert.is_true(folder:append("log", "two\n"))
    assert.equal("alpha\nbeta\n", get(root .. "/a.txt"))
    assert.equal("one\ntwo\n", get(root .. "/log"))
  end)

  it("holds to the limit of a file, before anything is made", function()
    refused("ETOOBIG", folder:write("new", "12345", 4))
    refused("ETOOBIG", folder:append("new", "12345", 4))
    assert.is_false(there(root .. "/new"))
    assert.is_true(folder:append("new", "1234", 4))
    refused("ETOOBIG", folder:append("new", "5", 4))
    refused("ETOOBIG", folder:append("a.txt", "", 3))
    assert.equal("1234", get(root .. "/new"))
    refused("ETOOBIG", folder:write("new", ("x"):rep((4 << 20) + 1)))
    assert.is_true(folder:write("new", ("x"):rep(4 << 20)))
    refused("ETOOBIG", folder:append("new", "x"))
    assert.error_matches(function() folder:write("new", "x", -1) end, "expected a number of bytes")
  end)

  it("removes files, empty folders, and links instead of what they lead to", function()
    assert.is_true(folder:remove "notes/b.md")
    refused("ENOENT", folder:remove "notes/b.md")
    assert.is_true(folder:remove "empty")
    assert.is_true(folder:write("notes/c", ""))
    refused("ENOTEMPTY", folder:remove "notes")
    codec.make_link("../outside.txt", root .. "/out")
    codec.make_link("../elsewhere", root .. "/dir")
    codec.make_fifo(root .. "/fifo")
    for _, name in ipairs { "out", "dir", "fifo" } do assert.is_true(folder:remove(name)) end
    assert.equal("a.txt notes", names(folder))
    refused("EINVAL", folder:remove "")
  end)

  it("renames files and folders", function()
    assert.is_true(folder:rename("a.txt", "notes/c.txt"))
    assert.is_true(folder:rename("notes/c.txt", "notes/b.md"))
    assert.equal("alpha\n", get(root .. "/notes/b.md"))
    assert.is_true(folder:rename("notes", "empty"))
    assert.equal("b.md", names(folder, "empty"))
    refused("ENOENT", folder:rename("nothing", "x"))
    refused("ENOENT", folder:rename("empty", "nothing/x"))
    refused("EINVAL", folder:rename("empty", "empty/x"))
    refused("EINVAL", folder:rename("", "x"))
    refused("EINVAL", folder:rename("empty", ""))
    assert.is_true(folder:write("file", ""))
    refused("EISDIR", folder:rename("file", "empty"))
    refused("ENOTDIR", folder:rename("empty", "file"))
  end)

  it("makes folders", function()
    assert.is_true(folder:make "new")
    assert.is_true(folder:make "notes/new")
    refused("EEXIST", folder:make "new")
    refused("EEXIST", folder:make "a.txt")
    refused("ENOENT", folder:make "x/y")
    assert.is_true(folder:make("x/y/z", true))
    assert.is_true(folder:make("x/y/z", true))
    assert.is_true(folder:make("x", true))
    assert.is_true(folder:write("x/y/z/file", "1"))
    refused("EEXIST", folder:make("a.txt", true))
    refused("ENOTDIR", folder:make("a.txt/b", true))
    refused("EINVAL", folder:make "")
    -- Nothing of a path that is refused.
    refused("EOUTSIDE", folder:make("w/../../v", true))
    refused("EINVAL", folder:make("w//v", true))
    assert.is_nil(folder:stat "w")
  end)

  it("refuses every spelling of a way out", function()
    for _, path in ipairs { "..", "../x", "../outside.txt", "../root/a.txt", "a/../../x",
      "notes/..", "notes/../a.txt", "./../x", "/", "/etc/x", top .. "/outside.txt",
      root .. "/a.txt" } do
      refused("EOUTSIDE", folder:write(path, "x"))
      refused("EOUTSIDE", folder:append(path, "x"))
      refused("EOUTSIDE", folder:remove(path))
      refused("EOUTSIDE", folder:make(path))
      refused("EOUTSIDE", folder:make(path, true))
      refused("EOUTSIDE", folder:rename(path, "x"))
      refused("EOUTSIDE", folder:rename("a.txt", path))
    end
    for _, path in ipairs { ".", "./x", "x/", "x//y", "x/.", "x\0y" } do
      refused("EINVAL", folder:write(path, "x"))
      refused("EINVAL", folder:remove(path))
    end
  end)

  it("gives no name that a client could not be shown", function()
    for _, name in ipairs { "a\nb", "\27[2J", "tab\t", "del\127", "\xff", "\xc3",
      "\xed\xa0\x80" } do
      refused("EINVAL", folder:write(name, "x"))
      refused("EINVAL", folder:append(name, "x"))
      refused("EINVAL", folder:make(name))
      refused("EINVAL", folder:make(name .. "/x", true))
      refused("EINVAL", folder:rename("a.txt", name))
    end
    -- What has one already can be given a better one, or removed.
    put(root .. "/a\nb", "x")
    put(root .. "/\xff", "x")
    assert.is_true(folder:rename("a\nb", "b"))
    assert.is_true(folder:remove "\xff")
    assert.is_true(folder:write("höhe — ✓", "x"))
  end)

  it("never writes through a link", function()
    tree.link_out(top)
    codec.make_link("../made", root .. "/dangling")
    codec.make_link("a.txt", root .. "/inside")
    for _, path in ipairs { "file", "absolute", "dangling", "inside" } do
      refused("ELOOP", folder:write(path, "x"))
      refused("ELOOP", folder:append(path, "x"))
    end
    for _, path in ipairs { "dir/secret.txt", "dir/new", "up/outside.txt", "up/root/a.txt" } do
      refused("EOUTSIDE", folder:write(path, "x"))
      refused("EOUTSIDE", folder:append(path, "x"))
      refused("EOUTSIDE", folder:remove(path))
      refused("EOUTSIDE", folder:make(path))
      refused("EOUTSIDE", folder:rename(path, "x"))
      refused("EOUTSIDE", folder:rename("a.txt", path))
    end
    assert.equal("alpha\n", get(root .. "/a.txt"))
    assert.is_false(there(top .. "/made"))
    -- Renaming replaces the link.
    assert.is_true(folder:rename("a.txt", "file"))
    assert.equal("alpha\n", get(root .. "/file"))
  end)

  it("opens nothing but files", function()
    codec.make_fifo(root .. "/fifo")
    codec.make_socket(root .. "/socket")
    for _, name in ipairs { "fifo", "socket" } do
      refused("ENXIO", folder:write(name, "x"))
      refused("ENXIO", folder:append(name, "x"))
    end
    refused("EISDIR", folder:write("notes", "x"))
    refused("EISDIR", folder:append("notes", "x"))
    refused("EINVAL", folder:write("", "x"))
    refused("ENOENT", folder:write("nothing/x", "x"))
    refused("ENOTDIR", folder:write("a.txt/x", "x"))
    refused("ENAMETOOLONG", folder:write(("a"):rep(300), "x"))
  end)

  it("leaves no descriptor and no temporary file", function()
    codec.make_link("../outside.txt", root .. "/out")
    codec.make_fifo(root .. "/fifo")
    local before = codec.descriptors()
    for _, path in ipairs { "a.txt", "notes", "", "out", "fifo", "nothing/x", "../x", "new",
      "notes/b.md", "a.txt/b", ("a"):rep(300), "x\ny" } do
      folder:write(path, "x")
      folder:write(path, "x", nil, true, true)
      folder:append(path, "x", nil, true)
      folder:append(path, "x", 1)
      folder:make(path)
      folder:make(path, true)
      folder:rename(path, "newer")
      folder:rename("newer", path)
      folder:rename(path, "newest", true)
      folder:remove(path)
    end
    assert.equal(before, codec.descriptors())
    assert.equal("", run(("find '%s' -name '.mcp-*'"):format(top)))
  end)
end

describe("writing below a folder, with openat2 where it is", function() common(false) end)
describe("writing below a folder, walking", function() common(true) end)

describe("writing below a folder", function()
  before_each(make_tree)
  after_each(function() tree.remove(top) end)

  it("follows links that stay inside, up to the last name", function()
    local folder <close> = assert(core.folder(root))
    if not folder:follows() then
      pending "SKIPPED: no openat2 here, links are refused"
      return
    end
    codec.make_link("notes", root .. "/dir")
    assert.is_true(folder:write("dir/c.md", "c"))
    assert.equal("c", get(root .. "/notes/c.md"))
    assert.is_true(folder:remove "dir/c.md")
  end)

  it("makes the folder itself where asked, but none above it", function()
    refused("ENOENT", core.folder(top .. "/new"))
    refused("ENOENT", core.folder(top .. "/x/new", true))
    refused("ENOTDIR", core.folder(top .. "/outside.txt", true))
    for _ = 1, 2 do
      local folder <close> = assert(core.folder(top .. "/new", true))
      assert.is_true(folder:write("x", "x"))
    end
  end)

  -- Each in a process of its own, whose limit (ulimit -f, in blocks of 512 or 1024 bytes) ends it
  -- by a signal unless that is held off.
  local function limited(script)
    local path = top .. "/limited.lua"
    put(path, ("local folder = require('mcp.core').folder %q\n%s"):format(root, script))
    return run(("ulimit -f 64; %s '%s' 2>&1"):format(os.getenv "LUA" or "lua5.4", path))
  end

  it("reports that there is no room, and leaves the old file", function()
    assert.equal("EFBIG", limited [[
      print(select(3, folder:write("a.txt", ("x"):rep(1 << 20))))]])
    assert.equal("alpha\n", get(root .. "/a.txt"))
    assert.equal("", run(("find '%s' -name '.mcp-*'"):format(top)))
    -- From a coroutine it is written on another thread.
    assert.equal("EFBIG", limited [[
      local core = require "mcp.core"
      local waiter = core.waiter()
      waiter:spawn(function()
        print(select(3, folder:write("a.txt", ("x"):rep(1 << 20))))
      end)
      waiter:wait()]])
  end)

  it("reports a full disk, and leaves the old file", function()
    local path = top .. "/full.lua"
    put(path, ([[
      local folder = require("mcp.core").folder %q
      assert(folder:write("a", "old"))
      local codes = {}
      for _, method in ipairs { "write", "append" } do
        codes[#codes + 1] = select(3, folder[method](folder, "a", ("x"):rep(1 << 20)))
      end
      print(codes[1], codes[2], folder:read "a", #folder:list())]]):format(root .. "/empty"))
    -- A disk of its own, for which one must be allowed to mount.
    local result = run(("unshare -rm sh -c \"mount -t tmpfs -o size=256k none '%s/empty' && "
      .. "%s '%s'\" 2>/dev/null"):format(root, os.getenv "LUA" or "lua5.4", path))
    if result == "" then
      pending "SKIPPED: no disk can be mounted here"
      return
    end
    assert.equal("ENOSPC\tENOSPC\told\t1", result)
  end)

  it("cuts off again what an append wrote before there was no room", function()
    assert.equal("EFBIG", limited [[
      print(select(3, folder:append("a.txt", ("x"):rep(1 << 20))))]])
    assert.equal("alpha\n", get(root .. "/a.txt"))
    assert.equal("true", limited [[
      print(folder:append("a.txt", ("x"):rep(1 << 10)))]])
  end)

  it("stays inside while folders are exchanged for links (openat2)", function()
    local folder <close> = assert(core.folder(root))
    put(top .. "/swap.sh", ([[cd '%s' || exit 1
      while [ ! -e ../stop ]; do
        mv notes kept; ln -s ../elsewhere notes; rm notes; mv kept notes
      done]]):format(root))
    assert(os.execute(("sh '%s/swap.sh' 2>/dev/null &"):format(top)))
    local written = 0
    for i = 1, 2000 do
      if folder:write("notes/w" .. i, "x") then written = written + 1 end
      folder:remove("notes/w" .. i)
    end
    put(top .. "/stop", "")
    os.execute "sleep 0.1"
    assert.is_true(written > 0)
    assert.equal("secret.txt", run(("ls -A '%s/elsewhere'"):format(top)))
  end)
end)
