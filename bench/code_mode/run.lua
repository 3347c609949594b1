-- SPDX-License-Identifier: MIT
-- run.lua: what tasks of several calls cost a model, in tokens and turns, with the tools called one
-- by one and with run_lua.
--
--   luamcp run bench/code_mode/run.lua
--
-- No model takes part: the calls are those of bench/code_mode/tasks.lua, made for real. A turn is
-- one answer of the model: a round of calls ("rounds": as many as it can make at once; "single":
-- one call), or the answer at the end. A script comes after a search. Tokens are bytes divided by
-- 4. "once" is what the model reads or writes of definitions, calls and results, each once; "in
-- all" is the sum of what it has before it in each turn, which is what is paid for without a cache.
local core = require "mcp.core"
local mcp = require "mcp"
local shop = dofile "bench/code_mode/shop.lua"
local tasks = dofile "bench/code_mode/tasks.lua"

local function tokens(text) return #text / 4 end

local function definitions(client)
  local size = 0
  for _, tool in ipairs(assert(client:list_tools())) do
    size = size + tokens(core.encode { name = tool.name, description = tool.description,
      inputSchema = tool.inputSchema })
  end
  return size
end

-- What a conversation has come to.
local function conversation(client, question)
  local self = { turns = 0, calls = 0, all = 0, context = definitions(client) + tokens(question) }
  -- One round: what the model writes, then what it reads.
  function self.round(calls)
    local results, wrote, read = {}, 0, 0
    if #calls == 0 then return results end
    for i, call in ipairs(calls) do
      local result = assert(client:call_tool(call[1], call[2]))
      local text = result.content[1].text
      assert(not result.isError, text)
      wrote = wrote + tokens(core.encode { name = call[1], arguments = call[2] })
      read = read + tokens(text)
      results[i] = result.structuredContent or text
    end
    self.turns, self.calls = self.turns + 1, self.calls + #calls
    self.all = self.all + self.context + wrote
    self.context = self.context + wrote + read
    return results
  end
  function self.answer(text)
    self.turns = self.turns + 1
    self.context = self.context + tokens(text)
    self.all = self.all + self.context
    return text
  end
  return self
end

local function run_direct(task)
  local client <close> = assert(mcp.connect(shop()))
  local talk = conversation(client, task[1])
  return talk, talk.answer(task.direct(talk.round))
end

local function run_script(task)
  local app = shop()
  app:code_mode { budget = { calls = 100 } }
  local client <close> = assert(mcp.connect(app))
  local talk = conversation(client, task[1])
  talk.round { { "run_lua", { code = ("return search(%q)"):format(task.search) } } }
  local text = talk.round { { "run_lua", { code = task.script } } }[1]
  return talk, talk.answer(text)
end

print(("%-67s %5s %23s %15s %17s"):format("", "", "turns", "tokens once", "tokens in all"))
print(("%-67s %5s %7s %7s %7s %7s %7s %8s %8s"):format("task", "calls", "single", "rounds",
  "script", "rounds", "script", "rounds", "script"))

local sum = {}

local function show(name, row)
  print(("%-67s %5d %7d %7d %7d %7.0f %7.0f %8.0f %8.0f"):format(name, table.unpack(row)))
end

for _, task in ipairs(tasks) do
  local direct, answer = run_direct(task)
  local script, same = run_script(task)
  assert(answer == same, ("%s: %q and %q"):format(task[1], answer, same))
  local row = { direct.calls, direct.calls + 1, direct.turns, script.turns, direct.context,
    script.context, direct.all, script.all }
  show(task[1], row)
  for i, number in ipairs(row) do sum[i] = (sum[i] or 0) + number end
end
show("all", sum)
