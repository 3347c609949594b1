-- SPDX-License-Identifier: MIT
-- auth.lua: authorization as it is meant to be: an authorization server that is not ours, our
-- server with its tokens, and clients with a user: other people's, and ours. Part of interop.lua.
local background = require "background"

local quote = background.quote

local auth = {}

---@param settings table program, node, python (or false), out, scripts (where packages are found)
---@param try fun(name: string, command: string, log: string)
---@param only string words that a line has to contain
---@return boolean fine the servers ended as they should
function auth.run(settings, try, only)
  local out, scripts = settings.out, settings.scripts
  local node = function(script, ...)
    local words = { quote(settings.node), quote(scripts .. "/" .. script) }
    for _, word in ipairs { ... } do words[#words + 1] = quote(word) end
    return table.concat(words, " ")
  end
  local lines = {}
  local function add(client, era, command)
    local name = ("%-9s  %-6s  http   oauth"):format(client, era)
    if name:find(only, 1, true) then lines[#lines + 1] = { name, command } end
  end
  add("sdk 1", "legacy", function(url) return node("auth_sdk.mjs", "1", "legacy", url) end)
  for _, era in ipairs { "legacy", "modern" } do
    local revision = era == "legacy" and "2025-11-25" or "2026-07-28"
    add("sdk 2", era, function(url) return node("auth_sdk.mjs", "2", era, url) end)
    if settings.python then
      add("python", era, function(url)
        return ("%s %s %s %s"):format(quote(settings.python), "scripts/interop/auth_mcp.py", era,
          quote(url))
      end)
    end
    add("luamcp", era, function(url)
      return ("%s run scripts/interop/auth_client.lua %s %s %s"):format(
        quote(settings.program), quote(node "auth_browser.mjs"), revision, quote(url))
    end)
  end
  if #lines == 0 then return true end
  local issuer <close> = background.start({ settings.node, scripts .. "/auth_issuer.mjs", "0" },
    out .. "/issuer.log")
  local server <close> = background.start({ "env", "ISSUER=" .. issuer.url:gsub("/$", ""),
    settings.program, "run", "scripts/interop/auth_server.lua", "--http", "127.0.0.1:0" },
    out .. "/auth_server.log")
  for _, line in ipairs(lines) do try(line[1], line[2](server.url), issuer.log) end
  return server:stop() == 0
end

return auth
