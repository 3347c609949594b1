-- SPDX-License-Identifier: MIT
-- Runs spec files side by side, one busted process a file, and reports them as one suite. A file's
-- output is printed in one piece when the file is done, so nothing is interleaved. The files that
-- took longest the last time start first. The exit status is 1 if anything failed.
--
--   lua spec/run.lua JOBS COMMAND PATH...
--
-- JOBS is the number of processes at a time, COMMAND what runs one file (its path is appended),
-- PATH a spec file or a folder of them. A process that ends without a result (a crash, or no end
-- within MCP_SPEC_TIMEOUT seconds, 600 by default) counts as one failure.
--
-- With MCP_SPEC_AGAIN=1 a file that failed is run once more when all others are done, alone: some
-- specs measure time, and a machine that is busy with something else makes them late. What passes
-- then is listed as UNSTABLE, with the failures of its first run, and counts as passed.

local BUILD = os.getenv "MCP_BUILD" or "build"
local OUT = BUILD .. "/spec/results"
local DURATIONS = BUILD .. "/spec/durations"
local TIMEOUT = os.getenv "MCP_SPEC_TIMEOUT" or "600"
local AGAIN = os.getenv "MCP_SPEC_AGAIN" == "1"

local function quote(text) return "'" .. text:gsub("'", [['\'']]) .. "'" end

local function read(path)
  local file = io.open(path)
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local function find_files(paths)
  local quoted = {}
  for i, path in ipairs(paths) do quoted[i] = quote(path) end
  return lines_of("find " .. table.concat(quoted, " ") .. " -name '*_spec.lua' | sort")
end

-- Seconds of the last run by file; a file that has none is assumed to take long.
local function read_durations()
  local known = {}
  for seconds, path in (read(DURATIONS) or ""):gmatch "(%S+) (%S+)\n" do
    known[path] = tonumber(seconds)
  end
  return known
end

local function write_durations(known)
  local file = io.open(DURATIONS, "w")
  if not file then return end
  for path, seconds in pairs(known) do file:write(("%.2f %s\n"):format(seconds, path)) end
  file:close()
end

local function name_of(path) return (path:gsub("/", "+")) end

-- One shell command that runs a file, keeps its output, and says on its own output that it is done.
local RUN_ONE = [[
out=$1/$(printf %%s "$2" | tr / +)
MCP_SPEC_RESULT=$out.result %s%s "$2" >"$out.log" 2>&1 </dev/null
printf '%%s %%s\n' $? "$2"]]

local function start(jobs, command, files)
  local limit = #lines_of "command -v timeout" > 0 and "timeout " .. TIMEOUT .. " " or ""
  local list = assert(io.open(OUT .. "/files", "w"))
  for _, path in ipairs(files) do list:write(path, "\0") end
  list:close()
  return assert(io.popen(("xargs -0 -n 1 -P %d sh -c %s sh %s <%s"):format(jobs,
    quote(RUN_ONE:format(limit, command)), quote(OUT), quote(OUT .. "/files"))))
end

local function result_of(path, status)
  local chunk = loadfile(OUT .. "/" .. name_of(path) .. ".result", "t", {})
  if chunk then return chunk() end
  local how = status == 124 and "did not end within " .. TIMEOUT .. " s"
    or "ended without a result, exit status " .. status
  return { passed = 0, failed = 1, skipped = 0, seconds = 0, files = 1,
    bad = { path .. "  " .. how }, pending = {}, broken = how }
end

local function main(jobs, command, ...)
  local files, known = find_files { ... }, read_durations()
  local started = tonumber(lines_of "date +%s.%N"[1])
  if #files == 0 then
    print(("no spec files in %s\n0 passed, 0 failed"):format(table.concat({ ... }, " ")))
    os.exit(1)
  end
  table.sort(files, function(a, b)
    local long, short = known[a] or 1e9, known[b] or 1e9
    if long ~= short then return long > short end
    return a < b
  end)
  os.execute(("rm -rf %s && mkdir -p %s"):format(quote(OUT), quote(OUT)))

  local results, failed = {}, {}
  local function run(at_a_time, paths)
    for line in start(at_a_time, command, paths):lines() do
      local status, path = line:match "^(%d+) (.*)$"
      local result = result_of(path, tonumber(status))
      known[path] = result.seconds
      io.write(read(OUT .. "/" .. name_of(path) .. ".log") or "")
      if result.broken then print(("%s  %s"):format(path, result.broken)) end
      if result.failed > 0 and not results[path] then failed[#failed + 1] = path end
      io.flush()
      results[path] = result
    end
  end
  run(jobs, files)
  local unstable = {}
  if AGAIN and #failed > 0 then
    print(("\nONCE MORE, alone: %s"):format(table.concat(failed, " ")))
    local first, again = {}, failed
    for _, path in ipairs(again) do
      first[path], results[path] = results[path], nil
      os.remove(OUT .. "/" .. name_of(path) .. ".result")
    end
    failed = {}
    run(1, again)
    for _, path in ipairs(again) do
      if results[path] and results[path].failed == 0 then
        table.move(first[path].bad, 1, #first[path].bad, #unstable + 1, unstable)
      end
    end
  end

  local total = { passed = 0, failed = 0, skipped = 0, files = 0, bad = {}, pending = {} }
  for _, result in pairs(results) do
    for _, count in ipairs { "passed", "failed", "skipped", "files" } do
      total[count] = total[count] + result[count]
    end
    for _, list in ipairs { "bad", "pending" } do
      table.move(result[list], 1, #result[list], #total[list] + 1, total[list])
    end
  end
  write_durations(known)

  if total.files < #files then
    total.failed = total.failed + 1
    total.bad[#total.bad + 1] = ("%d of %d files were not run"):format(#files - total.files, #files)
  end
  local function list(head, entries)
    if #entries == 0 then return end
    table.sort(entries)
    print(head:format(#entries))
    for _, entry in ipairs(entries) do print("  " .. entry) end
  end
  list("\nSKIPPED %d, and so nothing is known about:", total.pending)
  list("\nUNSTABLE %d: failed beside other files, passed alone", unstable)
  list("\nFAILED %d:", total.bad)
  if failed[1] then print("\nto run it alone: make test SPEC=" .. failed[1]) end
  print(("\n%d files, %.1f s, %s at a time"):format(total.files,
    tonumber(lines_of "date +%s.%N"[1]) - started, jobs))
  print(("%d passed, %d failed"):format(total.passed, total.failed)
    .. (total.skipped > 0 and (", %d skipped"):format(total.skipped) or ""))
  os.exit(total.failed == 0)
end

main(...)
