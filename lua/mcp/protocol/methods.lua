-- SPDX-License-Identifier: MIT
-- methods: the requests that a client can send to a server, one row for each. Code that needs to
-- know something about a method looks it up here. Pure data; the functions that serve the methods
-- are in server/dispatch.lua.
--
-- legacy      the revisions with sessions have this method
-- modern      the revisions without sessions have this method
-- capability  the method exists only while the server declares this capability
-- target      the member of params that identifies what the request is about. Over HTTP the
--             header Mcp-Name repeats it (HM-24).
-- kind        "tool", "prompt", "resource", "list" or "completion" for middleware; the others are
--             "other". Middleware gets the target as the name of a tool, prompt or resource.
-- asks        its handler may ask the client (ctx:elicit, ctx:sample, …)
-- idempotent  a client may send it again when a kept connection turns out to be dead (T-36)
-- cache_key   results may be cached; this member of params tells them apart (4.8)
-- scope       how server/feature/scope.lua finds the entry whose scopes apply: "tool", "prompt",
--             "resource" (by uri) or "ref" (what a completion refers to)
-- extension   the extension that the method belongs to, of tasks only in the revisions without
--             sessions; a server that has it registers the function
--             (server/feature/extension.lua)

---@class mcp.Method
---@field legacy boolean|nil
---@field modern boolean|nil
---@field capability string|nil
---@field target string|nil
---@field kind "tool"|"prompt"|"resource"|"list"|"completion"|nil
---@field asks boolean|nil
---@field idempotent boolean|nil
---@field cache_key string|nil
---@field scope "tool"|"prompt"|"resource"|"ref"|nil
---@field extension string|nil

local SKILLS = "io.modelcontextprotocol/skills"
local TASKS = "io.modelcontextprotocol/tasks"

---@type table<string, mcp.Method>
local methods = {
  initialize = { legacy = true, idempotent = true },
  ping = { legacy = true, idempotent = true },
  ["server/discover"] = { modern = true, idempotent = true },
  ["logging/setLevel"] = { legacy = true },

  ["tools/list"] = { legacy = true, modern = true, capability = "tools", kind = "list",
    idempotent = true, cache_key = "cursor" },
  ["tools/call"] = { legacy = true, modern = true, capability = "tools", kind = "tool",
    target = "name", asks = true, scope = "tool" },

  ["resources/list"] = { legacy = true, modern = true, capability = "resources", kind = "list",
    idempotent = true, cache_key = "cursor" },
  ["resources/templates/list"] = { legacy = true, modern = true, capability = "resources",
    kind = "list", idempotent = true, cache_key = "cursor" },
  ["resources/read"] = { legacy = true, modern = true, capability = "resources",
    kind = "resource", target = "uri", asks = true, idempotent = true, cache_key = "uri",
    scope = "resource" },
  ["resources/subscribe"] = { legacy = true, capability = "resources", scope = "resource" },
  ["resources/unsubscribe"] = { legacy = true, capability = "resources" },

  ["prompts/list"] = { legacy = true, modern = true, capability = "prompts", kind = "list",
    idempotent = true, cache_key = "cursor" },
  ["prompts/get"] = { legacy = true, modern = true, capability = "prompts", kind = "prompt",
    target = "name", asks = true, idempotent = true, scope = "prompt" },

  ["completion/complete"] = { legacy = true, modern = true, capability = "completions",
    kind = "completion", idempotent = true, scope = "ref" },

  ["tasks/get"] = { legacy = true, capability = "tasks", extension = TASKS, target = "taskId",
    idempotent = true },
  ["tasks/cancel"] = { legacy = true, capability = "tasks", extension = TASKS, target = "taskId" },
  ["tasks/update"] = { extension = TASKS, target = "taskId" },
  ["tasks/list"] = { legacy = true, capability = "tasks", idempotent = true },
  ["tasks/result"] = { legacy = true, capability = "tasks" },

  ["subscriptions/listen"] = { modern = true, idempotent = true },

  -- Served by apps with skills (server/feature/skill.lua).
  ["skills/list"] = { extension = SKILLS, legacy = true, modern = true, idempotent = true,
    cache_key = "cursor" },
  ["skills/get"] = { extension = SKILLS, legacy = true, modern = true, idempotent = true,
    cache_key = "uri", scope = "resource" },
  ["resources/directory/read"] = { extension = SKILLS, legacy = true, modern = true,
    idempotent = true },
}

return methods
