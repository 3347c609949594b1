-- SPDX-License-Identifier: MIT
-- A busted output handler for people and for machines: one line a file, all
-- there is to know about what went wrong as soon as its file is done, what was
-- skipped and why, and a last line that never changes its form:
--   N passed, N failed            or            N passed, N failed, N skipped
-- "failed" counts failures and errors, a file that does not load among them.
-- Use: busted --output=spec/report.lua    (-v adds a line for each test)
-- Where MCP_SPEC_RESULT names a file, what stands at the end goes there as a Lua table instead:
-- spec/run.lua runs many files and adds them up.

require "spec.own_line"
local pretty = require "pl.pretty"

local function say(format, ...)
  io.write(select("#", ...) > 0 and format:format(...) or format, "\n")
  io.flush() -- a spec that takes the process down must not take this with it
end

local function indent(text, by)
  return (by .. text:gsub("\n", "\n" .. by):gsub("[ \t]+\n", "\n"))
end

local function text_of(message)
  if message == nil then return nil end
  local mt = type(message) == "table" and getmetatable(message)
  if type(message) ~= "table" or mt and mt.__tostring then return tostring(message) end
  return pretty.write(message)
end

-- The frames that are the specs' and the project's own.
local function frames_of(trace)
  local kept = {}
  for line in (trace and trace.traceback or ""):gmatch "[^\n]+" do
    if line:find "^%s" and not line:find "/busted/" and not line:find "/luassert/"
      and not line:find "%[C%]" and not line:find "bin/busted" then
      kept[#kept + 1] = (line:gsub("^%s+", "  from "))
    end
  end
  return table.concat(kept, "\n")
end

local function place_of(entry)
  local trace = entry.element.trace or entry.trace
  if not trace or not trace.short_src then return nil end
  return trace.short_src .. ":" .. (trace.currentline or 0)
end

return function(options)
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base" ()
  local total = { passed = 0, failed = 0, skipped = 0 }
  local file = nil                  -- what the current file has come to so far
  local bad, skipped, files = {}, {}, 0

  -- Busted keeps its entries in lists; what is new since `mark` is this file's.
  local function entries_since(mark)
    local new = {}
    for _, kind in ipairs { "failure", "error" } do
      local list = handler[kind .. "s"]
      for i = mark[kind] + 1, #list do
        new[#new + 1] = { kind = kind, entry = list[i] }
      end
      mark[kind] = #list
    end
    return new
  end

  local mark = { failure = 0, error = 0, pending = 0 }

  local function describe(kind, entry)
    local name = entry.name ~= "" and entry.name or text_of(entry.message)
    bad[#bad + 1] = ("%s  %s"):format(place_of(entry) or "-", name)
    say("\n  %s: %s", kind == "error" and "ERROR" or "FAILED", name)
    local place = place_of(entry)
    if place then say("    at %s", place) end
    say(indent(text_of(entry.message) or "no message", "    "))
    local frames = frames_of(entry.trace)
    if frames ~= "" then say(indent(frames, "    ")) end
    if entry.randomseed then say("    random seed: %s", entry.randomseed) end
  end

  local function note_pendings()
    for i = mark.pending + 1, #handler.pendings do
      local entry = handler.pendings[i]
      local reason = text_of(entry.message) or "no reason given"
      skipped[#skipped + 1] = ("%s  %s: %s"):format(place_of(entry) or "-", entry.name,
        (reason:gsub("^%S+:%d+: ", "")))
    end
    mark.pending = #handler.pendings
  end

  local function counts()
    return handler.successesCount, handler.failuresCount + handler.errorsCount,
      handler.pendingsCount
  end

  local function summary(passed, failed, pending)
    return ("%d passed, %d failed"):format(passed, failed)
      .. (pending > 0 and (", %d skipped"):format(pending) or "")
  end

  -- The name goes out first, so that a hang or a crash shows where it was.
  function handler.fileStart(element)
    file = { counts() }
    files = files + 1
    io.write(("%-44s"):format(element.name))
    io.flush()
    if options.verbose then io.write "\n" end
    return nil, true
  end

  function handler.fileEnd(element)
    local passed, failed, pending = counts()
    passed, failed, pending = passed - file[1], failed - file[2], pending - file[3]
    if options.verbose then io.write((" "):rep(44)) end
    local note = failed > 0 and "  FAILED" or pending > 0 and "  skipped some" or ""
    say("%4d ok%s  %6.2f s%s", passed, (failed > 0 and (" %d bad"):format(failed) or "")
      .. (pending > 0 and (" %d skipped"):format(pending) or ""), element.duration or 0, note)
    local new = entries_since(mark)
    for _, it in ipairs(new) do describe(it.kind, it.entry) end
    if #new > 0 then say "" end
    note_pendings()
    return nil, true
  end

  function handler.testEnd(element, _, status)
    if options.verbose then
      say("  %-8s %6.1f ms  %s", status, (element.duration or 0) * 1000,
        handler.getFullName(element))
    end
    return nil, true
  end

  function handler.suiteReset()
    mark = { failure = 0, error = 0, pending = 0 }
    return nil, true
  end

  function handler.suiteStart(_, run, runs, seed)
    if runs > 1 then say("run %d of %d", run, runs) end
    if seed then say("in an order drawn from SEED=%d", seed) end
    -- A file that does not load has failed before the first one starts.
    for _, it in ipairs(entries_since(mark)) do describe(it.kind, it.entry) end
    return nil, true
  end

  function handler.suiteEnd()
    -- What no file's end has shown: an empty folder, a file that is not there.
    for _, it in ipairs(entries_since(mark)) do describe(it.kind, it.entry) end
    note_pendings()
    local passed, failed, pending = counts()
    total.passed, total.failed = total.passed + passed, total.failed + failed
    total.skipped = total.skipped + pending
    return nil, true
  end

  local function write_result(path)
    local out_file = assert(io.open(path, "w"))
    local function list(entries)
      local out = {}
      for i, entry in ipairs(entries) do out[i] = ("%q"):format(entry) end
      return "{" .. table.concat(out, ", ") .. "}"
    end
    out_file:write(("return { passed = %d, failed = %d, skipped = %d, files = %d, seconds = %.2f,\n"
      .. "bad = %s, pending = %s }\n"):format(total.passed, total.failed, total.skipped, files,
      handler.getDuration(), list(bad), list(skipped)))
    out_file:close()
  end

  -- After everything else that busted does, so that the last line is the last.
  function handler.exit()
    local result = os.getenv "MCP_SPEC_RESULT"
    if result then
      write_result(result)
      return nil, true
    end
    if #skipped > 0 then
      say("\nSKIPPED %d, and so nothing is known about:", #skipped)
      for _, line in ipairs(skipped) do say("  %s", line) end
    end
    if #bad > 0 then
      say("\nFAILED %d:", #bad)
      for _, line in ipairs(bad) do say("  %s", line) end
    end
    say("\n%d files, %.1f s", files, handler.getDuration())
    say(summary(total.passed, total.failed, total.skipped))
    -- Busted exits with the number of failures; a system keeps eight bits of it.
    if total.failed > 0 and total.failed % 256 == 0 then os.exit(1) end
    return nil, true
  end

  busted.subscribe({ "suite", "reset" }, handler.suiteReset)
  busted.subscribe({ "suite", "start" }, handler.suiteStart)
  busted.subscribe({ "suite", "end" }, handler.suiteEnd)
  busted.subscribe({ "file", "start" }, handler.fileStart)
  busted.subscribe({ "file", "end" }, handler.fileEnd)
  busted.subscribe({ "test", "end" }, handler.testEnd, { predicate = handler.cancelOnPending })
  busted.subscribe({ "exit" }, handler.exit)
  return handler
end
