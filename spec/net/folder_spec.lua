-- SPDX-License-Identifier: MIT
-- folder_spec.lua: src/net/folder.c by src/lua/lfolder.c, with openat2 and, as "walking", without
-- it. Each test finds the tree of folder_tree.lua, with notes/deep/c.md and bytes.bin.
local codec = require "codecs.folder"
local core = require "mcp.core"
local tree = require "spec.net.folder_tree"

-- The first job starts the threads of the pool and opens what the loop needs for them.
do
  local folder <close> = assert(core.folder "/")
  folder:stat ""
end

local top, root

local write, refused = tree.write, tree.refused

local function make_tree()
  top, root = tree.make()
  codec.make_folder(root .. "/notes/deep")
  write(root .. "/notes/deep/c.md", "# c\n")
  write(root .. "/bytes.bin", "\0\1\xff\r\n\0")
end

local function open_root(walking)
  return assert(core.folder(root, false, walking))
end

local function names(list)
  local out = {}
  for i, entry in ipairs(list) do out[i] = entry.name end
  return out
end

-- What has nothing to do with links is the same both ways.
local function common(walking)
  local folder
  before_each(function()
    make_tree()
    folder = open_root(walking)
  end)
  after_each(function()
    folder:close()
    tree.remove(top)
  end)

  it("reads files whole, byte for byte", function()
    assert.equal("alpha\n", folder:read "a.txt")
    assert.equal("# c\n", folder:read "notes/deep/c.md")
    assert.equal("\0\1\xff\r\n\0", folder:read "bytes.bin")
    write(root .. "/none", "")
    assert.equal("", folder:read "none")
    local big = ("0123456789abcdef"):rep(100000)
    write(root .. "/big", big)
    assert.is_true(folder:read "big" == big)
  end)

  it("refuses every spelling of a way out", function()
    for _, path in ipairs { "..", "../x", "../outside.txt", "../root/a.txt", "a/../../x",
      "notes/..",
      "notes/../a.txt", "notes/../../outside.txt", "notes/deep/../../../outside.txt",
      "./../outside.txt",
      "..//outside.txt", "notes/../", "/", "/etc/passwd", "//etc/passwd", top .. "/outside.txt",
      root .. "/a.txt" } do
      refused("EOUTSIDE", folder:read(path))
      refused("EOUTSIDE", folder:stat(path))
      refused("EOUTSIDE", folder:list(path))
    end
  end)

  it("knows one spelling of each name", function()
    for _, path in ipairs { ".", "./a.txt", "notes//b.md", "notes/./b.md", "a.txt/", "notes/",
      "notes/.",
      "a.txt\0", "\0", "notes/b.md\0.txt", "a\0/../x" } do
      for _, method in ipairs { "read", "stat", "list" } do
        local value, text, code = folder[method](folder, path)
        assert.is_nil(value, path)
        assert.is_string(text)
        assert.equal("EINVAL", code, path)
      end
    end
  end)

  it("takes for a name what only looks like a way out", function()
    for _, name in ipairs { "...", "..a", "a..", "..\\outside.txt", "%2e%2e", "~", "C:", " ",
      "-", "\n",
      "\xff\xfe", "日本.txt" } do
      write(root .. "/" .. name, "here")
      assert.equal("here", folder:read(name))
    end
  end)

  it("holds to the limit", function()
    assert.equal("alpha\n", folder:read("a.txt", 6))
    refused("ETOOBIG", folder:read("a.txt", 5))
    refused("ETOOBIG", folder:read("a.txt", 0))
    write(root .. "/most", ("x"):rep(4 << 20))
    assert.equal(4 << 20, #folder:read "most")
    write(root .. "/more", ("x"):rep((4 << 20) + 1))
    refused("ETOOBIG", folder:read "more")
    assert.equal((4 << 20) + 1, #folder:read("more", math.maxinteger))
    assert.error_matches(function() folder:read("a.txt", -1) end, "expected a number of bytes")
  end)

  it("lists entries sorted by name, with kind, size and time", function()
    local before = os.time()
    assert.same({ "a.txt", "bytes.bin", "empty", "notes" }, names(folder:list()))
    assert.same({ "a.txt", "bytes.bin", "empty", "notes" }, names(folder:list ""))
    assert.same({ "b.md", "deep" }, names(folder:list "notes"))
    assert.same({}, folder:list "empty")
    local entry = folder:list()[1]
    assert.equal("file", entry.kind)
    assert.equal(6, entry.size)
    assert.equal("float", math.type(entry.modified))
    assert.is_true(math.abs(entry.modified - before) < 60)
    assert.equal("folder", folder:list()[4].kind)
    for i = 0, 99 do write(("%s/empty/%03d"):format(root, 99 - i), "") end
    local list = names(folder:list "empty")
    assert.equal(100, #list)
    for i, name in ipairs(list) do assert.equal(("%03d"):format(i - 1), name) end
  end)

  it("can be walked by the caller", function()
    local found = {}
    local function visit(path)
      for _, entry in ipairs(assert(folder:list(path))) do
        local below = path == "" and entry.name or path .. "/" .. entry.name
        if entry.kind == "folder" then visit(below) else found[#found + 1] = below end
      end
    end
    visit ""
    assert.same({ "a.txt", "bytes.bin", "notes/b.md", "notes/deep/c.md" }, found)
  end)

  it("says what a path is", function()
    assert.equal("folder", folder:stat("").kind)
    assert.equal("folder", folder:stat("notes/deep").kind)
    local facts = folder:stat "notes/b.md"
    assert.equal("file", facts.kind)
    assert.equal(4, facts.size)
  end)

  it("says what went wrong", function()
    refused("ENOENT", folder:read "nothing")
    refused("ENOENT", folder:stat "notes/nothing")
    refused("ENOENT", folder:list "nothing/deep")
    refused("EISDIR", folder:read "notes")
    refused("EISDIR", folder:read "")
    refused("ENOTDIR", folder:list "a.txt")
    refused("ENOTDIR", folder:read "a.txt/b")
    refused("ENAMETOOLONG", folder:read(("a"):rep(300)))
    refused("ENAMETOOLONG", folder:read(("a/"):rep(5000) .. "a"))
    local _, text = folder:read "nothing"
    assert.equal('"nothing": no such file or directory', text)
  end)

  it("never opens what is no file", function()
    codec.make_fifo(root .. "/fifo")
    codec.make_socket(root .. "/socket")
    refused("ENXIO", folder:read "fifo")
    refused("ENXIO", folder:read "socket")
    refused("ENOTDIR", folder:list "fifo")
    assert.equal("other", folder:stat("fifo").kind)
    assert.equal("other", folder:list()[4].kind)
    local devices <close> = assert(core.folder("/dev", false, walking))
    refused("ENXIO", devices:read "null")
    refused("ENXIO", devices:read "zero")
  end)

  it("passes on that it may not read", function()
    if codec.is_root() then
      pending "SKIPPED: root may read everything"
      return
    end
    codec.set_mode(root .. "/a.txt", 0)
    codec.set_mode(root .. "/notes", 0)
    refused("EACCES", folder:read "a.txt")
    refused("EACCES", folder:read "notes/b.md")
    refused("EACCES", folder:list "notes")
    assert.equal("file", folder:stat("a.txt").kind)
    codec.set_mode(root .. "/notes", 511)
  end)

  it("lists links as links", function()
    codec.make_link("a.txt", root .. "/b")
    codec.make_link("../outside.txt", root .. "/c")
    codec.make_link("nowhere", root .. "/d")
    local kinds = {}
    for _, entry in ipairs(folder:list()) do kinds[entry.name] = entry.kind end
    assert.same({ ["a.txt"] = "file", b = "link", ["bytes.bin"] = "file", c = "link", d = "link",
      empty = "folder", notes = "folder" }, kinds)
  end)

  it("never follows a link out", function()
    tree.link_out(top)
    codec.make_link("/", root .. "/slash")
    codec.make_link("file", root .. "/chain")
    codec.make_link("../../outside.txt", root .. "/notes/deeper")
    codec.make_link("../root/a.txt", root .. "/out_and_back")
    codec.make_link(root .. "/a.txt", root .. "/absolute_inside")
    codec.make_link("../nowhere", root .. "/dangling")
    for _, path in ipairs { "file", "absolute", "chain", "notes/deeper", "dir/secret.txt",
      "up/outside.txt", "slash/etc/passwd", "up/root/a.txt", "out_and_back", "absolute_inside",
      "dangling" } do
      refused("EOUTSIDE", folder:read(path))
      refused("EOUTSIDE", folder:stat(path))
    end
    for _, path in ipairs { "dir", "up", "slash", "slash/etc", "up/root" } do
      refused("EOUTSIDE", folder:list(path))
    end
  end)

  it("sees what is new, and outlives a move of the folder itself", function()
    write(root .. "/new.txt", "new")
    assert.equal("new", folder:read "new.txt")
    assert(os.rename(root, top .. "/moved"))
    assert.equal("new", folder:read "new.txt")
    assert.equal(5, #folder:list())
  end)

  it("leaves no descriptor open", function()
    codec.make_link("../outside.txt", root .. "/out")
    codec.make_fifo(root .. "/fifo")
    local before = codec.descriptors()
    for _, path in ipairs { "a.txt", "notes", "", "out", "fifo", "nothing", "../x",
      "notes/deep/c.md",
      "notes/nothing", "a.txt/b", "notes/deep" } do
      folder:read(path)
      folder:read(path, 1)
      folder:stat(path)
      folder:list(path)
    end
    assert.equal(before, codec.descriptors())
  end)
end

describe("a folder that cannot be left", function()
  before_each(make_tree)
  after_each(function() tree.remove(top) end)

  it("is asked from the kernel where the kernel has it", function()
    local folder <close> = open_root()
    if not folder:follows() then
      pending "SKIPPED: no openat2 here, links are refused"
      return
    end
    codec.make_link("a.txt", root .. "/link")
    codec.make_link("link", root .. "/chain")
    codec.make_link("chain", root .. "/longer")
    codec.make_link("notes", root .. "/dir")
    codec.make_link("../a.txt", root .. "/notes/up")
    codec.make_link("loop", root .. "/loop")
    codec.make_link("pong", root .. "/ping")
    codec.make_link("ping", root .. "/pong")
    codec.make_link("nothing", root .. "/dangling")
    for _, path in ipairs { "link", "chain", "longer", "notes/up", "dir/up" } do
      assert.equal("alpha\n", folder:read(path))
      assert.same({ kind = "file", size = 6 }, { kind = folder:stat(path).kind,
        size = folder:stat(path).size })
    end
    assert.equal("# b\n", folder:read "dir/b.md")
    assert.same({ "b.md", "deep", "up" }, names(folder:list "dir"))
    refused("ELOOP", folder:read "loop")
    refused("ELOOP", folder:read "ping")
    refused("ELOOP", folder:list "loop")
    refused("ENOENT", folder:read "dangling")
  end)

  it("refuses the links of /proc that are more than links (RESOLVE_NO_MAGICLINKS)", function()
    local folder = core.folder "/proc/self"
    if not folder or not folder:follows() then
      pending "SKIPPED: no /proc or no openat2 here"
      return
    end
    refused("ELOOP", folder:read "exe")
    refused("ELOOP", folder:list "cwd")
    refused("ELOOP", folder:read "root/etc/passwd")
    assert.is_true(#folder:read "stat" > 0) -- its size is said to be 0
    folder:close()
  end)

  it("refuses all links where the path is walked", function()
    local folder <close> = open_root(true)
    codec.make_link("a.txt", root .. "/link")
    codec.make_link("notes", root .. "/dir")
    codec.make_link("loop", root .. "/loop")
    for _, path in ipairs { "link", "dir", "dir/b.md", "loop" } do
      refused("EOUTSIDE", folder:read(path))
      refused("EOUTSIDE", folder:stat(path))
      refused("EOUTSIDE", folder:list(path))
    end
  end)

  it("is opened by path, following links there", function()
    codec.make_link(root, top .. "/alias")
    local folder <close> = assert(core.folder(top .. "/alias"))
    assert.equal("alpha\n", folder:read "a.txt")
    refused("ENOENT", core.folder(top .. "/nothing"))
    refused("ENOTDIR", core.folder(root .. "/a.txt"))
    refused("ENOENT", core.folder "")
    refused("EINVAL", core.folder(root .. "\0x"))
    assert.error_matches(function() core.folder() end, "string expected")
  end)

  it("closes by close, by __close and by the collector, twice without harm", function()
    collectgarbage()
    local before = codec.descriptors()
    local kept
    do
      local folder <close> = assert(core.folder(root))
      kept = folder
      assert.equal(before + 1, codec.descriptors())
      assert.equal("mcp.folder: " .. root, tostring(folder))
    end
    assert.equal(before, codec.descriptors())
    assert.equal("mcp.folder: " .. root .. " (closed)", tostring(kept))
    kept:close()
    for _, method in ipairs { "read", "list", "stat" } do
      assert.error_matches(function() kept[method](kept, "a.txt") end, "closed folder")
    end
    assert(core.folder(root))
    collectgarbage()
    collectgarbage()
    assert.equal(before, codec.descriptors())
  end)

  it("names its type in the error for a wrong argument", function()
    local folder <close> = open_root()
    assert.error_matches(function() folder.read(io.stdout, "a.txt") end, "mcp.folder.core expected")
    assert.error_matches(function() folder:read {} end, "string expected")
    assert.equal("mcp.folder.core", getmetatable(folder).__name)
  end)
end)

describe("a folder, with openat2 where it is", function() common(false) end)
describe("a folder, walking", function() common(true) end)

describe("real_path", function()
  it("follows links, and says where one leads nowhere", function()
    local name = os.tmpname()
    local real = assert(core.real_path(name))
    os.execute(("ln -s '%s' '%s.link'; ln -s '%s.nothing' '%s.broken'"):format(name, name, name,
      name))
    assert.equal(real, core.real_path(name .. ".link"))
    assert.equal(real, core.real_path(name:match "^(.*)/" .. "/./" .. name:match "[^/]+$"))
    for _, path in ipairs { name .. ".broken", name .. ".nothing", "" } do
      local found, text, code = core.real_path(path)
      assert.is_nil(found)
      assert.matches(path, text, 1, true)
      assert.equal("ENOENT", code)
    end
    assert.equal("EINVAL", select(3, core.real_path(name .. "\0x")))
    assert.equal("ENAMETOOLONG", select(3, core.real_path(("x"):rep(5000))))
    for _, end_of in ipairs { "", ".link", ".broken" } do os.remove(name .. end_of) end
  end)
end)
