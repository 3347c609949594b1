-- SPDX-License-Identifier: MIT
-- make mutate: does the suite notice a wrong edit? One small edit at a time is made in a copy of
-- the tree, which is built, and the specs are run until one of them fails: first those beside the
-- edited file, then the rest, the likely ones first. An edit that no spec notices has lived, and is
-- listed. No survivor is excused: whether it changes anything that matters is for the reader.
--
-- What does not count as an edit is drawn again, and counted: what does not compile, and what
-- compiles to the same code. A spec file that fails without any edit judges nothing, and is
-- named. A failure counts when the same test fails in two of up to three runs, all of which fail,
-- so a spec that fails now and then, or because the machine is busy, kills nothing. A spec file
-- over its time limit has failed if it passes without the edit afterwards, and exceeds 20 s and
-- eight times that time with it. Only a spec file that fails is run without the edit as well; NEAR
-- and REST run none before that.
--
-- Settings, from the environment: COUNT, SEED, FILES (a Lua pattern for paths), NEAR=1 (only the
-- specs beside the file), REST=n (so many others beside those, instead of all), AGAIN=1 (survivors
-- are tried again with the specs of today), PART=2/3 (each third draw only, from the second on).
-- What is known is kept in build/mutate/SEED.tsv, and a further run goes on from there. Parts run
-- beside each other in clones of their own; a run without PART goes on from their joined lines.
local failure = require "scripts.mutate.failure"
local operators = require "scripts.mutate.operators"
local order = require "scripts.mutate.order"

local TREE = "build/mutate/tree"
-- A spec file may take so many seconds, and so many times what it takes without an edit.
local LIMIT, FACTOR = 20, 8
-- What a spec file is expected to take that has not been run without an edit.
local USUAL = 5
-- Edits of one seed that may be thrown away for each that counts.
local DRAWS = 20

local function setting(name, default)
  local text = os.getenv(name)
  return text and text ~= "" and text or default
end

local COUNT = assert(math.tointeger(tonumber(setting("COUNT", "20"))), "COUNT: expected an integer")
local SEED = assert(math.tointeger(tonumber(setting("SEED", tostring(os.time() % 1000000)))),
  "SEED: expected an integer")
local FILES = setting("FILES", ".")
local NEAR = setting("NEAR") ~= nil
local REST = math.tointeger(tonumber(setting("REST", "")))
local AGAIN = setting("AGAIN") ~= nil
local PART, PARTS = setting("PART", "1/1"):match "^(%d+)/(%d+)$"
PART = assert(math.tointeger(tonumber(PART)), "PART: expected two integers, such as 2/3")
PARTS = math.tointeger(tonumber(PARTS))

local function say(format, ...)
  io.write(format:format(...), "\n")
  io.flush()
end

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function lines_of(command)
  local out = {}
  local pipe <close> = assert(io.popen(command))
  for line in pipe:lines() do out[#out + 1] = line end
  return out
end

-- Where the large test suites are. The place that specs assume is relative, and from the copy there
-- is nothing: these specs would be skipped, and detect no edit.
local CORPORA = lines_of("cd \"${MCP_CORPORA:-../shared/corpora}\" 2>/dev/null && pwd -P")[1]

-- Runs a command in the copy, without what make hands down; true, or false and its exit status.
-- 124 and 137 are its time limit.
local function run(seconds, command, log)
  local _, _, status = os.execute(("cd %s && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD "
    .. "-u SPEC -u SEED MCP_CORPORA=%s timeout -k 5 %d %s >%s 2>&1 </dev/null"):format(TREE,
    quote(CORPORA or ""), seconds, command, log or "../log"))
  return status == 0, status
end

-- What a killed spec leaves behind: programs of the copy's own build, by their ids.
local function end_leftovers()
  local root = lines_of("cd " .. TREE .. " && pwd -P")[1]
  for _, line in ipairs(lines_of "ls -l /proc/[0-9]*/exe 2>/dev/null") do
    local pid, exe = line:match "/proc/(%d+)/exe %-> (.*)$"
    if pid and exe:sub(1, #root + 7) == root .. "/build/" then
      os.execute("kill -9 " .. pid .. " 2>/dev/null")
    end
  end
end

-- --- the copy ---------------------------------------------------------------

local function tree_files(root)
  return lines_of("cd " .. root .. " 2>/dev/null && find . -path ./build -prune -o -path ./.git "
    .. "-prune -o -type f -print | sort")
end

-- Makes the copy equal; only what differs is written, so that little is built.
local function copy()
  os.execute("mkdir -p " .. TREE)
  local here = {}
  for _, path in ipairs(tree_files ".") do
    here[path] = true
    local to = TREE .. "/" .. path:sub(3)
    if read(path) ~= read(to) then
      assert(os.execute(("mkdir -p %s && cp %s %s"):format(quote(to:match "^(.*)/"), quote(path),
        quote(to))))
    end
  end
  for _, path in ipairs(tree_files(TREE)) do
    if not here[path] then os.remove(TREE .. "/" .. path:sub(3)) end
  end
end

local BUILD = "make -j2 OPT=-O1 build build/spec/codecs.so build/host"

-- --- specs ------------------------------------------------------------------

local function fingerprint(text)
  local hash = 5381
  for i = 1, #text do hash = (hash * 33 + text:byte(i)) & 0xffffffffffff end
  return ("%x"):format(hash)
end

-- Runs one spec file: true, or false and what failure.of says.
local function passes(spec, seconds)
  local ok, status = run(seconds, ("make -s OPT=-O1 test SPEC=%s "
    .. "BUSTED='busted --lua=lua5.4 --output=spec/report.lua --no-keep-going'"):format(spec))
  if ok then return true end
  end_leftovers()
  return false, failure.of(status, read "build/mutate/log" or "")
end

-- What each spec file does without an edit: seconds, or false for red. Kept between runs.
local function baseline(sources)
  local path, known, lines, built = "build/mutate/baseline.tsv", {}, {}, true
  local self = { red = {} }

  local function learn(spec, seconds)
    known[spec] = seconds ~= "red" and tonumber(seconds) or false
    if seconds == "red" then self.red[#self.red + 1] = spec end
  end

  for line in (read(path) or ""):gmatch "[^\n]+" do
    local spec, print_of, seconds = line:match "^(%S+)\t(%S+)\t(%S+)$"
    local text = spec and read(TREE .. "/" .. spec)
    if text and print_of == fingerprint(sources .. text) and seconds ~= "red" then
      learn(spec, seconds)
      lines[#lines + 1] = line
    end
  end

  --- Says that the copy holds an edit, or has held one since it was built.
  function self.edited() built = false end

  --- Runs those that are not known yet. The copy must be without an edit.
  function self.of(specs)
    for _, spec in ipairs(specs) do
      if known[spec] == nil then
        if not built then assert(run(600, BUILD, "../build.log")) end
        built = true
        local begun = os.time()
        local seconds = "red"
        for _ = 1, 2 do
          if seconds == "red" and passes(spec, 300) then seconds = os.time() - begun end
        end
        say("     without an edit: %s %s", spec, seconds == "red" and "RED" or seconds .. " s")
        learn(spec, seconds)
        lines[#lines + 1] = ("%s\t%s\t%s"):format(spec,
          fingerprint(sources .. read(TREE .. "/" .. spec)), seconds)
        write(path, table.concat(lines, "\n") .. "\n")
      end
    end
  end

  --- Runs one again. The copy must be without an edit. Seconds that it takes now; nil if it fails.
  function self.again(spec, seconds)
    if not built then assert(run(600, BUILD, "../build.log")) end
    built = true
    local begun = os.time()
    return passes(spec, seconds) and os.time() - begun or nil
  end

  --- Seconds; false for red, nil for not known.
  function self.seconds(spec) return known[spec] end

  return self
end

-- --- draws ------------------------------------------------------------------

-- All sources, and a draw: a file by its length, an operator of those that apply, a place.
local function sources_of()
  local list, lines = {}, 0
  for _, path in ipairs(lines_of("cd " .. TREE .. " && find src lua/mcp -name '*.[ch]' "
    .. "-o -name '*.lua' | sort")) do
    if not path:find "%.types%.lua$" and path:find(FILES) then
      local text = read(TREE .. "/" .. path)
      local length = select(2, text:gsub("\n", ""))
      list[#list + 1] = { path = path, text = text, from = lines, length = length }
      lines = lines + length
    end
  end
  assert(lines > 0, "FILES: no source matches")
  return list, lines
end

local function draw(list, lines)
  local line = math.random(0, lines - 1)
  local source
  for _, each in ipairs(list) do
    if line >= each.from and line < each.from + each.length then source = each end
  end
  source.edits = source.edits or operators.edits(source.path, source.text)
  local named = {}
  for name in pairs(source.edits) do named[#named + 1] = name end
  table.sort(named)
  -- Drawn in any case, so that the draws to come do not depend on this file.
  local which, place = math.random(0, 1 << 30), math.random(0, 1 << 30)
  if #named == 0 then return nil end
  local edits = source.edits[named[which % #named + 1]]
  return source, edits[place % #edits + 1]
end

-- --- one edit ---------------------------------------------------------------

local function object_of(path)
  local name = path:match "^src/(.*)%.c$"
  return name and TREE .. "/build/obj/" .. name .. ".o"
end

-- All that is made of a header, to compare it with what was made without an edit.
local function program()
  local out = {}
  for _, path in ipairs(lines_of("ls " .. TREE .. "/build/luamcp " .. TREE .. "/build/mcp/*.so")) do
    out[#out + 1] = read(path)
  end
  return table.concat(out)
end
local clean

-- Makes the edit and builds; "", or the word for what is wrong with it.
local function make_edit(source, edit)
  local text = operators.apply(source.text, edit)
  if source.path:find "%.lua$" then
    local made = load(text, "=x")
    if not made then return "does not compile" end
    local count = text:gsub("[^\n]", "")
    if count == source.text:gsub("[^\n]", "")
      and string.dump(made, true) == string.dump(load(source.text, "=x"), true) then
      return "same code"
    end
  end
  local object = object_of(source.path)
  local before = object and read(object)
  write(TREE .. "/" .. source.path, text)
  if not run(600, BUILD, "../build.log") then return "does not compile" end
  if before and read(object) == before then return "same code" end
  if source.path:find "%.h$" and program() == clean then return "same code" end
  return ""
end

local function undo(source)
  write(TREE .. "/" .. source.path, source.text)
end

-- Why a spec file fails with the edit, or nil. A spec that was not run without the edit yet is run
-- so if it fails. After a time-out it is timed without the edit, for the machine may be slower now,
-- and run with the edit once more.
local function reason_of(spec, base_of, source, edit)
  local seconds = base_of.seconds(spec)
  local limit = LIMIT + FACTOR * (seconds or USUAL)
  local reason = failure.repeated(function() return passes(spec, limit) end)
  if not reason or seconds and reason == "red" then return reason end
  undo(source)
  base_of.edited()
  local took
  if seconds then
    took = base_of.again(spec, limit)
  else
    base_of.of { spec }
    took = base_of.seconds(spec)
  end
  if took and reason == "red" then return reason end
  make_edit(source, edit)
  if took and not passes(spec, LIMIT + FACTOR * took) then return reason end
end

-- The first spec that fails, or nil.
local function judge(specs, base_of, source, edit, kills)
  local path = source.path
  for _, spec in ipairs(specs) do
    -- The page of limits repeats the numbers: that it differs shows no limit at work.
    if base_of.seconds(spec) ~= false and not (edit.operator == "limit doubled"
      and spec == "spec/documentation_spec.lua") then
      local reason = reason_of(spec, base_of, source, edit)
      if reason then
        kills[path .. spec] = (kills[path .. spec] or 0) + 1
        kills[spec] = (kills[spec] or 0) + 1
        return spec .. (reason == "time" and " (time limit)" or "")
      end
    end
  end
end

-- --- the run ----------------------------------------------------------------

local function one_line(text) return (text:gsub("%s+", " "):sub(1, 100)) end

local COLUMNS = { "verdict", "path", "line", "operator", "before", "after", "by", "seconds" }

local function load_results(path)
  local results = {}
  for line in (read(path) or ""):gmatch "[^\n]+" do
    local row, at = {}, 0
    for field in (line .. "\t"):gmatch "([^\t]*)\t" do
      if at > 0 then row[COLUMNS[at]] = field end
      at = at + 1
    end
    results[math.tointeger(tonumber(line:match "^%d+"))] = row
  end
  return results
end

local function save_results(path, results)
  local out, known = {}, {}
  for n in pairs(results) do known[#known + 1] = n end
  table.sort(known)
  for i, n in ipairs(known) do
    local fields = { tostring(n) }
    for j, column in ipairs(COLUMNS) do fields[j + 1] = tostring(results[n][column]) end
    out[i] = table.concat(fields, "\t")
  end
  write(path .. ".new", table.concat(out, "\n") .. "\n")
  assert(os.rename(path .. ".new", path))
end

local function counts(verdict) return verdict:find "^killed" or verdict:find "^lived" end

-- Is there nothing more to find out about this edit in a run like this one?
local function settled(row)
  if not row then return false end
  if row.verdict == "lived near" then return (NEAR or REST) and not AGAIN end
  if row.verdict == "lived" then return not AGAIN end
  return true
end

local function report(results, last, red)
  local rooms, names, thrown, survivors = {}, {}, {}, {}
  local killed, lived, near = 0, 0, 0
  for n = 1, last do
    local row = results[n]
    if row and counts(row.verdict) then
      local room = row.path:match "^(src/[^/]+)/" or row.path:match "^(lua/mcp/[^/]+)/"
        or row.path:match "^(.*)/"
      if not rooms[room] then
        rooms[room] = { 0, 0 }
        names[#names + 1] = room
      end
      local dead = row.verdict:find "^killed" ~= nil
      rooms[room][dead and 1 or 2] = rooms[room][dead and 1 or 2] + 1
      if dead then killed = killed + 1 else lived = lived + 1 end
      if row.verdict == "killed near" then near = near + 1 end
      if not dead then survivors[#survivors + 1] = row end
    elseif row then
      thrown[row.verdict] = (thrown[row.verdict] or 0) + 1
    end
  end
  say "\nroom                        killed  lived"
  table.sort(names)
  for _, name in ipairs(names) do say("%-28s %5d %6d", name, rooms[name][1], rooms[name][2]) end
  if survivors[1] then say "\nlived:" end
  for _, row in ipairs(survivors) do
    say("  %s:%s  %s%s\n    %s\n    -> %s", row.path, row.line, row.operator,
      row.verdict == "lived near" and " (not all specs)" or "", row.before, row.after)
  end
  if not CORPORA then say "judges little, for MCP_CORPORA leads nowhere: the suites of others" end
  for _, spec in ipairs(red) do say("judges nothing, red without an edit: %s", spec) end
  for _, word in ipairs { "does not compile", "same code", "nothing to edit" } do
    say("drawn again: %d (%s)", thrown[word] or 0, word)
  end
  say("seed %d: %d of %d killed (%.1f %%), %d of them by the specs beside the file", SEED, killed,
    killed + lived, killed + lived > 0 and 100 * killed / (killed + lived) or 0, near)
end

local function main()
  say("seed %d", SEED)
  copy()
  if not run(900, BUILD, "../build.log") then
    say "the tree does not build; see build/mutate/build.log"
    os.exit(1)
  end
  clean = program()
  local list, lines = sources_of()
  local all = {}
  for i, source in ipairs(list) do all[i] = source.text end
  local sources = fingerprint(table.concat(all))
  local path = ("build/mutate/%d.tsv"):format(SEED)
  local mark = path .. ".sources"
  if read(mark) ~= FILES .. sources then
    if read(path) then say "the sources differ from those of the results kept: begun again" end
    os.remove(path)
    write(mark, FILES .. sources)
  end

  local specs, texts, kills = {}, {}, {}
  for _, spec in ipairs(lines_of("cd " .. TREE .. " && find spec -name '*_spec.lua' | sort")) do
    texts[spec] = read(TREE .. "/" .. spec)
    specs[#specs + 1] = spec
  end
  local base_of = baseline(sources)
  if not NEAR and not REST then base_of.of(specs) end

  local results = load_results(path)
  for _, row in pairs(results) do
    local spec = row.by and row.by:match "^%S+_spec%.lua"
    if spec then
      kills[row.path .. spec] = (kills[row.path .. spec] or 0) + 1
      kills[spec] = (kills[spec] or 0) + 1
    end
  end
  math.randomseed(SEED)
  local n, counted = 0, 0
  while counted * PARTS < COUNT and n < COUNT * DRAWS do
    n = n + 1
    local source, edit = draw(list, lines)
    local ours = n % PARTS == PART % PARTS
    if ours and not source then
      results[n] = { verdict = "nothing to edit", path = "-", line = 0, operator = "-",
        before = "-", after = "-", by = "-", seconds = 0 }
    elseif ours and not settled(results[n]) then
      local begun = os.time()
      local row = { path = source.path, line = operators.line_of(source.text, edit),
        operator = edit.operator, before = one_line(source.text:sub(edit.from, edit.to)),
        after = one_line(edit.text), by = "-" }
      local was = results[n]
      local near, rest = order.of(source.path, specs, texts, base_of.seconds, kills)
      if REST then rest = table.move(rest, 1, math.min(REST, #rest), 1, {}) end
      local wrong = make_edit(source, edit)
      if wrong ~= "" then
        row.verdict = wrong
      else
        local by = not (was and was.verdict == "lived near" and not AGAIN)
          and judge(near, base_of, source, edit, kills)
        row.verdict, row.by = by and "killed near" or "lived near", by or "-"
        if not by and not NEAR then
          by = judge(rest, base_of, source, edit, kills)
          row.verdict = by and "killed" or REST and "lived near" or "lived"
          row.by = by or "-"
        end
      end
      undo(source)
      base_of.edited()
      row.seconds = os.time() - begun
      results[n] = row
      save_results(path, results)
      say("%3d  %-16s %s:%d  %s  [%s]  %d s", n, row.verdict, row.path, row.line, row.operator,
        row.by, row.seconds)
    end
    if results[n] and counts(results[n].verdict) then counted = counted + 1 end
  end
  save_results(path, results)
  report(results, n, base_of.red)
end

main()
