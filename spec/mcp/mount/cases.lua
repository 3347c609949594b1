-- SPDX-License-Identifier: MIT
-- cases: what holds for a server of an app, mounted or alone in it (mcp.mount and
-- mcp.mount.single).
local assert = require "luassert"
local helper = require "spec.helper"
local mcp = require "mcp"

local cases = {}

---A call that its client cancels ends in the server.
---@param behind mcp.App the server
---@param client mcp.Client of the app
---@param prefix string in front of the server's names
function cases.cancels(behind, client, prefix)
  local ended
  behind:tool "wait" (function(_, ctx)
    ctx:sleep(60)
    ended = ctx:cancelled()
  end)
  helper.wait_until(function()
    for _, tool in ipairs(client:list_tools()) do
      if tool.name == prefix .. "wait" then return true end
    end
  end, "the tool")
  local stop = mcp.canceller()
  mcp.spawn(function()
    mcp.sleep(0.02)
    stop:cancel "enough"
  end)
  local options = { cancel = stop }
  assert.equal("ECANCELED", (select(3, client:call_tool(prefix .. "wait", {}, options))))
  helper.wait_until(function() return ended end, "the end of the handler")
end

---The tool of a server that says in all ways to whom it belongs, for cases.keeps_apart.
---@param behind mcp.App
function cases.add_private(behind)
  behind:tool "private" { input = { name = "string" } } (function(args, ctx)
    ctx:log("info", args.name)
    ctx:sleep(args.name == "A" and 0.005 or 0.02)
    ctx:log("info", args.name)
    local answer = ctx:elicit(args.name, { name = "string" })
    return answer and answer.name
  end)
end

---Two clients call it at once; neither gets what belongs to the other.
---@param front mcp.App
---@param era string of the clients
---@param behind_era string of the server: in sessions a question may have no way back
---@param prefix string
function cases.keeps_apart(front, era, behind_era, prefix)
  local wrong, clients, results, calls = {}, {}, {}, {}
  for i, name in ipairs { "A", "B" } do
    local function note(text) if text ~= name then wrong[#wrong + 1] = name .. text end end
    clients[i] = assert(mcp.connect(front, { era = era, log_level = "debug",
      on_log = function(_, data) note(data) end,
      on_elicit = function(text)
        note(text)
        return { name = name }
      end }))
    calls[i] = function()
      results[i] = clients[i]:call_tool(prefix .. "private", { name = name })
      return true
    end
  end
  helper.logged(function() mcp.all(calls) end)
  assert.same({}, wrong)
  if behind_era == "modern" then
    assert.same({ "A", "B" }, { results[1].content[1].text, results[2].content[1].text })
  end
  for _, client in ipairs(clients) do client:close() end
end

return cases
