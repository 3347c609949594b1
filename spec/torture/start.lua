-- SPDX-License-Identifier: MIT
-- Starting with too little memory: the program is run once for each allocation
-- that fails. It must answer, or say what is wrong, and never be killed. Needs
-- a build with MCP_MEM_FAULTS, whose program MCP_FAIL_ALLOC makes fail.
--   lua5.4 spec/torture/start.lua PROGRAM FOLDER [SHARE]
local program, folder, share = arg[1], arg[2], tonumber(arg[3] or 1)
local core = require "mcp.core"

local INPUT = folder .. "/start.in"
local OUTPUT = folder .. "/start.out"
local COMPLAINTS = folder .. "/start.err"
local SECONDS = 10

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

-- luacheck: push no max line length
write(INPUT, [[
{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":2,"method":"tools/list"}
{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"add","arguments":{"a":"you"}}}
{"jsonrpc":"2.0","id":4,"method":"resources/read","params":{"uri":"torture://item/a"}}
]])
-- luacheck: pop
local ANSWERS = 4

-- One start: its exit status, what it said and what it complained about.
local function start(plan)
  local _, kind, status = os.execute(("MCP_FAIL_ALLOC=%s MCP_LOG=warning timeout -s KILL %d "
    .. "%s run spec/torture/serve.lua <%s >%s 2>%s")
    :format(plan, SECONDS, program, INPUT, OUTPUT, COMPLAINTS))
  if kind == "signal" then status = status + 128 end
  return status, read(OUTPUT), read(COMPLAINTS)
end

local function judge(status, output, complaints)
  if status == 137 then return "it did not end" end
  if status == 99 then return "valgrind found an error" end
  if status >= 128 then
    return ("it was killed by signal %d: %s"):format(status - 128, complaints)
  end
  local answers = 0
  for line in output:gmatch "[^\n]+" do
    answers = answers + 1
    if not core.decode(line) then return "it said what is no message: " .. line end
  end
  if (status ~= 0 or answers < ANSWERS) and complaints == "" then
    return ("status %d, %d answers, and not a word about it"):format(status, answers)
  end
  return nil
end

local status, output, complaints = start "count"
local count = tonumber(complaints:match "(%d+) allocations")
assert(status == 0 and select(2, output:gsub("\n", "")) == ANSWERS,
  "the program does not work at all")
assert(count, "this build cannot fail: it needs -DMCP_MEM_FAULTS")

local started, points, findings = os.time(), 0, 0
local stride = math.max(1, math.floor(1 / share))
for _, onward in ipairs { "", "+" } do
  for nth = 1, count, stride do
    local problem = judge(start(nth .. onward))
    points = points + 1
    if problem then
      findings = findings + 1
      print(("FOUND start: MCP_FAIL_ALLOC=%d%s: %s"):format(nth, onward, problem))
    end
  end
end
print(("start-up: %d points, %d walked in %d s, %d findings"):format(count, points,
  os.time() - started, findings))
if findings > 0 then os.exit(false) end
