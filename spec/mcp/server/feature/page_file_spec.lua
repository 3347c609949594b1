-- SPDX-License-Identifier: MIT
-- The file of a page: what is read at registration, what is noticed later, and what is served when
-- the file is not as it should be.
local bundle = require "mcp.bundle"
local helper = require "spec.helper"
local mcp = require "mcp"
local page_file = require "mcp.server.feature.page_file"

local PAGE = "<!doctype html><title>Plan</title><p>hello"

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

-- Looks in a coroutine, as a handler does; the result, and what was logged.
local function look(file)
  local changed
  local log = helper.logged(function() changed = mcp.run(function() return file:look() end) end)
  return changed, log
end

describe("the file of a page", function()
  local folder
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -p " .. helper.quote(folder .. "/pages")))
    bundle.folder = folder
  end)
  after_each(function()
    bundle.folder = nil
    os.execute("rm -rf " .. helper.quote(folder))
    helper.leftovers()
  end)

  it("stands below the script's folder, or at an absolute path", function()
    write(folder .. "/pages/plan.html", PAGE)
    for _, path in ipairs { "pages/plan.html", "./pages//plan.html",
      folder .. "/pages/plan.html" } do
      assert.equal(PAGE, page_file.open(path).text, path)
    end
    assert.equal("mcp.page_file (pages/plan.html)", tostring(page_file.open "pages/plan.html"))
  end)

  it("can have the view kit", function()
    write(folder .. "/a.html", "<!doctype html><!-- mcp.ui.kit -->")
    assert.equal("<!doctype html>" .. mcp.ui.kit, page_file.open("a.html").text)
  end)

  describe("is refused at registration", function()
    for path, expected in pairs {
      ["gone.html"] = "gone.html: No such file or directory",
      ["../a.html"] = 'file: "../a.html": expected a path below the script\'s folder',
      ["pages"] = "pages: Is a directory",
      ["empty.html"] = "file: empty.html: the page is empty",
      ["old.html"] = "file: old.html: expected <!doctype html>, got the doctype of an older HTML",
      ["latin.html"] = "file: latin.html: not valid UTF-8 at byte 19",
      ["fragment.html"] = "file: fragment.html: expected a complete document",
    } do
      it("as " .. path, function()
        write(folder .. "/empty.html", "")
        write(folder .. "/old.html", '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN">x')
        write(folder .. "/latin.html", "<!doctype html>caf\xe9")
        write(folder .. "/fragment.html", "<p>x")
        local ok, text = pcall(page_file.open, path)
        assert.is_false(ok)
        assert.matches(expected, text, 1, true)
      end)
    end

    it("as one that is too large", function()
      write(folder .. "/a.html", PAGE .. (" "):rep(page_file.SIZE - #PAGE))
      assert.equal(page_file.SIZE, #page_file.open("a.html").text)
      write(folder .. "/a.html", PAGE .. (" "):rep(page_file.SIZE - #PAGE + 1))
      local ok, text = pcall(page_file.open, "a.html")
      assert.is_false(ok)
      assert.matches("file: a.html: expected at most 4194304 bytes, got 4194305", text, 1, true)
    end)
  end)

  describe("is looked at", function()
    local path, file
    before_each(function()
      path = folder .. "/pages/plan.html"
      write(path, PAGE)
      file = page_file.open "pages/plan.html"
    end)

    it("and changed only if its text did", function()
      assert.is_false(look(file))
      write(path, PAGE .. "!")
      assert.is_true(look(file))
      assert.equal(PAGE .. "!", file.text)
      assert.is_false(look(file))
      -- Written again, the same.
      os.remove(path)
      write(path, PAGE .. "!")
      assert.is_false(look(file))
    end)

    it("also if it was replaced by another file", function()
      write(folder .. "/other", PAGE .. "?")
      assert(os.rename(folder .. "/other", path))
      assert.is_true(look(file))
      assert.equal(PAGE .. "?", file.text)
    end)

    for name, case in pairs {
      ["is gone"] = { nil, "no such file or directory" },
      ["is half written"] = { "<!doct", "expected a complete document" },
      ["is not UTF-8"] = { PAGE .. "\xff", "not valid UTF-8 at byte 43" },
      ["is too large"] = { PAGE .. (" "):rep(page_file.SIZE), "larger than its limit" },
    } do
      it("and the last good page stays while it " .. name .. ", which is logged once", function()
        if case[1] then write(path, case[1]) else os.remove(path) end
        local changed, log = look(file)
        assert.is_false(changed)
        assert.matches("warning: page file pages/plan.html: ", log, 1, true)
        assert.matches(case[2], log, 1, true)
        assert.matches("; the last good page is served", log, 1, true)
        assert.same({ false, "" }, { look(file) })
        assert.equal(PAGE, file.text)
        write(path, PAGE .. " new")
        assert.same({ true, "" }, { look(file) })
        assert.equal(PAGE .. " new", file.text)
      end)
    end

    it("and is not followed by a link that leads out of its folder", function()
      os.remove(path)
      write(folder .. "/outside.html", PAGE .. " outside")
      assert(os.execute(("ln -s ../outside.html %s"):format(helper.quote(path))))
      local changed, log = look(file)
      assert.is_false(changed)
      assert.is_true(#log > 0)
      assert.equal(PAGE, file.text)
    end)
  end)

  it("holds nothing open between two looks", function()
    write(folder .. "/a.html", PAGE)
    local file = page_file.open "a.html"
    local function count()
      collectgarbage()
      return math.tointeger(helper.shell "ls /proc/$PPID/fd | wc -l":match "%d+")
    end
    look(file) -- starts the threads
    local before = count()
    for _ = 1, 20 do look(file) end
    -- Others may have closed some meanwhile, and a thread may be about to close its own.
    helper.wait_until(function() return count() <= before end, "the descriptors to be closed")
  end)
end)
