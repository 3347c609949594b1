-- SPDX-License-Identifier: MIT
-- disk: every system call of each operation on a folder fails once with each error that a disk may
-- give, or does a single byte. The error is reported by its name, or the operation succeeds; no
-- descriptor and no temporary file is left, and a file has its old content or its new one.
local hunt = require "spec.hunts.hunt"

local ERRNO = { SHORT = 0, EINTR = 4, EIO = 5, EMFILE = 24, ENOSPC = 28, EDQUOT = 122 }

-- The calls, the errors that each may give, and whether it is tried again after EINTR.
local PLAN = {
  { "open", { "EINTR", "EIO", "EMFILE", "ENOSPC", "EDQUOT" } },
  { "pread", { "SHORT", "EINTR", "EIO" } },
  { "file_write", { "SHORT", "EINTR", "EIO", "ENOSPC", "EDQUOT" } },
  { "fsync", { "EINTR", "EIO", "ENOSPC", "EDQUOT" } },
  { "fchmod", { "EIO" } },
  { "close", { "EINTR", "EIO", "ENOSPC", "EDQUOT" } },
  { "rename", { "EIO", "ENOSPC", "EDQUOT" } },
  { "mkdir", { "EIO", "ENOSPC", "EDQUOT" } },
  { "unlink", { "EIO" } },
}

local OPERATIONS = {
  write = 'folder:write("a", NEW, nil, true)',
  create = 'folder:write("b", NEW, nil, true, true)',
  append = 'folder:append("a", "more", nil, true)',
  read = 'folder:read "a"',
  list = 'folder:list()',
  rename = 'folder:rename("a", "b")',
  remove = 'folder:remove "a"',
  make = 'folder:make("c/d", true)',
}

-- Says the code of the operation or "ok", the descriptors more than before, the names that are
-- left, and what is in the files.
local SCRIPT = [==[
local path, start, count = %q, %q, %q
local OLD, NEW = ("old "):rep(500), ("new "):rep(600000)
local core = require "mcp.core"
local folder = assert(core.folder(path, true))
local function descriptors()
  local own <close> = assert(core.folder "/proc/self/fd")
  return #assert(own:list())
end
local function state(name)
  local text = folder:read(name)
  return text and (text == OLD and "old" or text == NEW and "new"
    or text == OLD .. "more" and "more" or "PARTIAL") or "none"
end
for _, name in ipairs { "a", "b", "c/d", "c" } do folder:remove(name) end
assert(folder:write("a", OLD))
local before = descriptors()
assert(io.open(start, "w")):close()
local result, _, code = %s
local struck = io.open(count)
if not struck then print "missed" os.exit() end
struck:close()
local names = {}
for i, entry in ipairs(assert(folder:list())) do names[i] = entry.name end
print(result and "ok" or code, descriptors() - before,
  names[1] and table.concat(names, ",") or "-", state "a", state "b",
  type(result) == "string" and result ~= OLD and "SHORT" or "whole")
]==]

-- What the files may be after each operation, as "a b": when it succeeded, and when it failed. What
-- comes after the change (the folder is synced, a descriptor closed) may still fail.
local ALLOWED = {
  write = { ok = { ["new none"] = 1 }, failed = { ["old none"] = 1, ["new none"] = 1 } },
  create = { ok = { ["old new"] = 1 }, failed = { ["old none"] = 1, ["old new"] = 1 } },
  append = { ok = { ["more none"] = 1 }, failed = { ["old none"] = 1, ["more none"] = 1 } },
  rename = { ok = { ["none old"] = 1 }, failed = { ["old none"] = 1 } },
  remove = { ok = { ["none none"] = 1 }, failed = { ["old none"] = 1 } },
}
-- What they must not pass over: a disk may say only when a file is closed that it is full.
local REPORTED = { file_write = true, fsync = true, close = true }
local SAME = { ok = { ["old none"] = 1 }, failed = { ["old none"] = 1 } }

hunt.run("disk", function(h)
  local top = os.tmpname()
  os.remove(top)
  os.execute("mkdir " .. top)
  local start, count, script = top .. "/start", top .. "/count", top .. "/script.lua"
  local shim = os.getenv "MCP_BUILD" .. "/spec/shim.so"

  -- The words that the script says.
  local function try(operation, call, nth, name)
    os.remove(start)
    os.remove(count)
    local file <close> = assert(io.open(script, "w"))
    file:write(SCRIPT:format(top .. "/folder", start, count, OPERATIONS[operation]))
    file:close()
    local pipe <close> = assert(io.popen(("SHIM_CALL=%s SHIM_NTH=%d SHIM_ERROR=%d SHIM_START=%s "
      .. "SHIM_COUNT=%s LD_PRELOAD=%s %s %s 2>&1"):format(call, nth, ERRNO[name], start, count,
      shim, os.getenv "LUA" or "lua5.4", script)))
    local said, words = pipe:read "a", {}
    for word in said:gmatch "[^\t\n]+" do words[#words + 1] = word end
    return words, said
  end

  local function judge(operation, words)
    local code, more, names, a, b, whole = table.unpack(words)
    local files = (ALLOWED[operation] or SAME)[code == "ok" and "ok" or "failed"]
    if more ~= "0" then return ("%s descriptors more"):format(more) end
    if not names or names:find(".mcp", 1, true) then return "a temporary file: " .. names end
    if not files[a .. " " .. b] then return ("%s, and the files are %s, %s"):format(code, a, b) end
    if whole == "SHORT" then return "a part of the file" end
  end

  local struck = 0
  for operation in pairs(OPERATIONS) do
    for _, plan in ipairs(PLAN) do
      for _, name in ipairs(plan[2]) do
        local reported, first = false, struck
        for nth = 1, 8 do
          local what = ("%s: %s %d, %s"):format(operation, plan[1], nth, name)
          local words, said = try(operation, plan[1], nth, name)
          if words[1] == "missed" then break end
          struck = struck + 1
          if h:check(#words == 6, "%s: %s", what, said) then
            local fault = judge(operation, words)
            h:check(not fault, "%s: %s", what, fault)
            reported = reported or words[1] == name
            h:check(words[1] == "ok" or words[1] == name, "%s: reported as %s", what, words[1])
          end
        end
        if struck > first and OPERATIONS[operation]:find "NEW" and REPORTED[plan[1]]
          and name ~= "SHORT" and name ~= "EINTR" then
          h:check(reported, "%s: %s of a %s is never reported", operation, name, plan[1])
        end
      end
    end
  end
  h:check(struck > 50, "only %d calls were struck", struck)
  h:figure("%d calls struck", struck)
  os.execute("rm -r " .. top)
end)
