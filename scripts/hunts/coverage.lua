-- SPDX-License-Identifier: MIT
-- coverage.lua: sums up a run of `make coverage`: lines and branches of src by gcov, lines of
-- lua/mcp by what spec/hunts/lines.c wrote down. A table, the least covered files of each, and the
-- sums.
--   lua scripts/hunts/coverage.lua BUILD
local build = arg[1]
local LEAST = 12

local function lines_of(command)
  local pipe = assert(io.popen(command))
  return function()
    local line = pipe:read "l"
    if not line then pipe:close() end
    return line
  end
end

local function percent(part, whole) return whole == 0 and 100 or part / whole * 100 end

local function report(title, files, kinds)
  table.sort(files, function(a, b)
    return percent(a[kinds[1]].hit, a[kinds[1]].all) < percent(b[kinds[1]].hit, b[kinds[1]].all)
  end)
  local sums = {}
  for _, kind in ipairs(kinds) do sums[kind] = { hit = 0, all = 0 } end
  for i, file in ipairs(files) do
    local shown = {}
    for _, kind in ipairs(kinds) do
      local sum, own = sums[kind], file[kind]
      sum.hit, sum.all = sum.hit + own.hit, sum.all + own.all
      shown[#shown + 1] = ("%s %5.1f %%"):format(kind, percent(file[kind].hit, file[kind].all))
    end
    if i <= LEAST then print(("  %-40s %s"):format(file.name, table.concat(shown, "  "))) end
  end
  local shown = {}
  for _, kind in ipairs(kinds) do
    shown[#shown + 1] = ("%s %.1f %% of %d"):format(kind, percent(sums[kind].hit, sums[kind].all),
      sums[kind].all)
  end
  print(("%s: %d files, %s"):format(title, #files, table.concat(shown, ", ")))
end

-- --- C -------------------------------------------------------------------------------------------

local c_files, current = {}, nil
local function part(line)
  local share, count = line:match ":(%d+%.%d+)%% of (%d+)"
  count = math.tointeger(tonumber(count))
  return { hit = math.floor(tonumber(share) / 100 * count + 0.5), all = count }
end
-- The same sources are compiled into the module, the program and the specs' codecs from one object
-- each, so every file comes once.
local seen = {}
for line in lines_of(("find %s/obj -name '*.gcda' | xargs gcov -b -n 2>&1"):format(build)) do
  local name = line:match "^File '(.-)'"
  if name then
    current = nil
    if name:find "^src/.*%.c$" and not seen[name] then
      seen[name] = true
      current = { name = name, lines = { hit = 0, all = 0 }, branches = { hit = 0, all = 0 } }
      c_files[#c_files + 1] = current
    end
  elseif current and line:find "^Lines executed" then
    current.lines = part(line)
  elseif current and line:find "^Taken at least once" then
    current.branches = part(line)
  elseif line:find "^Calls executed" or line == "No calls" then
    -- That ends a file. What follows the last one is a sum.
    current = nil
  end
end
report("C", c_files, { "branches", "lines" })

-- --- Lua -----------------------------------------------------------------------------------------

local ran = {}
for line in lines_of(("cat %s/lines/* 2>/dev/null | sort -u"):format(build)) do
  local name, number = line:match "(lua/mcp/.*):(%d+)$"
  if name then
    ran[name] = ran[name] or {}
    ran[name][tonumber(number)] = true
  end
end
local lua_files = {}
for name in lines_of "find lua -name '*.lua' -not -name '*.types.lua' | sort" do
  local file = { name = name, lines = { hit = 0, all = 0 } }
  local counted = {}
  for line in lines_of(("luac5.4 -p -l %s"):format(name)) do
    local number, op = line:match "^\t%d+\t%[(%d+)%]\t(%u+)"
    number = tonumber(number)
    -- What a hook never sees: the return that every function ends with, and varargs.
    if number and not counted[number] and op ~= "RETURN" and op ~= "RETURN0"
      and op ~= "VARARGPREP" then
      counted[number] = true
      file.lines.all = file.lines.all + 1
      if ran[name] and ran[name][number] then file.lines.hit = file.lines.hit + 1 end
    end
  end
  lua_files[#lua_files + 1] = file
end
report("Lua", lua_files, { "lines" })
