-- SPDX-License-Identifier: MIT
-- The order in which `make mutate` runs the spec files for an edit of one source: those beside it,
-- then the others. A source without a spec of its own name is specified through what uses it, so
-- the whole mirrored folder counts as beside it, and so do the specs of its subject. The folder
-- of lua/mcp itself is too wide for that.
local order = {}

-- So many are beside a source at most. The folder of the transports alone has more than thirty,
-- some of which take half a minute; the further ones are the first of the others.
local NEAR_MAX = 14

-- Subjects whose specs are not in the folder of the same name, by patterns of the two paths.
order.SUBJECTS = {
  -- Leaks.
  { "^src/", "^spec/heap_spec" },
  { "^src/main", "^spec/mcp/cli/run_spec", "^spec/mcp/cli/surroundings_spec",
    "^spec/mcp/cli/verbs_spec", "^spec/mcp/cli/plain_spec", "^spec/mcp/limits_spec" },
  { "^lua/mcp/server/inspect/", "^spec/transport/inspect_spec" },
  { "^lua/mcp/server/listen/page", "^spec/transport/inspect_spec" },
  { "^lua/mcp/cli/inspect", "^spec/transport/inspect_spec", "^spec/mcp/cli/pages_spec" },
  { "^src/lua/worker", "^spec/mcp/worker", "^spec/mcp/busy_spec", "^spec/lua/stop_" },
  { "^src/lua/l?stop", "^spec/mcp/worker" },
  { "^src/lua/worker_", "^spec/mcp/server/code_mode_spec" },
  { "^src/lua/lchild", "^spec/mcp/process_spec", "^spec/mcp/client/transport/stdio_spec" },
  { "^src/lua/lcommand", "^spec/mcp/process_spec", "^spec/mcp/worker_spec" },
  { "^src/lua/lprocess", "^spec/mcp/process_spec" },
  { "^src/lua/lexchange", "^spec/transport/http_auth_spec", "^spec/transport/subscribe_spec",
    "^spec/mcp/server/front/", "^spec/mcp/server/context_spec" },
  { "^src/lua/lmessage", "^spec/mcp/server/front/" },
  { "^src/lua/lendpoint", "^spec/transport/addresses_spec", "^spec/transport/security_spec",
    "^spec/mcp/server/listen/", "^spec/mcp/client/transport/stdio_spec" },
  { "^src/lua/lhttp", "^spec/transport/http_call_spec", "^spec/mcp/fetch_spec",
    "^spec/mcp/client/transport/http_spec" },
  { "^src/lua/lredirect", "^spec/mcp/auth/loopback_spec", "^spec/mcp/auth/flow_spec" },
  { "^src/lua/lconn", "^spec/mcp/client/transport/", "^spec/net/connect_spec" },
  { "^src/lua/lluv", "^spec/mcp/embedding_spec", "^spec/mcp/examples_luv_spec" },
  { "^src/lua/lfolder", "^spec/mcp/folder_spec", "^spec/net/folder" },
  { "^src/lua/lhandler", "^spec/lua/" },
  { "^src/lua/core", "^spec/lua/lwatch_spec", "^spec/mcp/busy_spec", "^spec/mcp/limits_spec" },
  { "^src/lua/output", "^spec/mcp/process_spec" },
  { "^src/lua/lwait", "^spec/lua/waiter_spec" },
  { "^src/transport/", "^spec/transport/default_times_spec", "^spec/transport/held_spec" },
  { "^lua/mcp/server/listen/init", "^spec/mcp/misspelt_spec", "^spec/mcp/mistakes_spec" },
  { "^lua/mcp/server/occasional", "^spec/mcp/server/listen/init_spec", "^spec/mcp/misspelt_spec" },
  { "^lua/mcp/server/context", "^spec/mcp/trace_spec" },
  { "^lua/mcp/async", "^spec/mcp/cli/run_spec" },
  { "^lua/mcp/client/init", "^spec/mcp/misspelt_spec" },
  { "^lua/mcp/store/redis/", "^spec/mcp/store/redis_link_spec" },
  { "^lua/mcp/content", "^spec/mcp/server/feature/" },
  { "^lua/mcp/client/connect", "^spec/mcp/mount/pinned_spec" },
  { "^lua/mcp/mount/replace", "^spec/mcp/server/reload_spec" },
  { "^lua/mcp/init", "^spec/mcp/misspelt_spec" },
  { "^lua/mcp/script_error", "^spec/mcp/cli/run_spec" },
  { "^lua/mcp/server/init", "^spec/mcp/server/workers/supervisor_spec" },
  { "^src/transport/dial", "^spec/mcp/proxy_spec" },
  { "^src/lua/lwebsocket", "^spec/mcp/proxy_spec", "^spec/transport/websocket_spec" },
  { "^lua/mcp/client/transport/http", "^spec/regress/9_lost_session_400_spec" },
  { "^lua/mcp/cli/", "^spec/mcp/cli/on_terminal_spec", "^spec/mcp/cli/verbs_spec" },
  { "^lua/mcp/cli/host/", "^spec/mcp/cli/install_spec" },
  { "^src/lua/command", "^spec/mcp/process_spec", "^spec/mcp/worker" },
  { "^src/lua/lturn", "^spec/mcp/async_spec", "^spec/lua/wait_matrix_spec" },
  { "^src/lua/laccess", "^spec/transport/access_log_spec" },
  { "^src/lua/lcoding", "^spec/transport/content_coding_spec", "^spec/mcp/fetch_spec" },
  { "^src/lua/lfile_watch", "^spec/net/file_watch_spec", "^spec/mcp/server/reload_spec" },
  { "^src/lua/lid", "^spec/mcp/same_id_spec", "^spec/wire/rpc_id_spec" },
  { "^src/lua/ljson", "^spec/lua/value_spec", "^spec/mcp/json_spec", "^spec/wire/json" },
  { "^src/lua/lskip", "^spec/mcp/testing/" },
  { "^src/lua/garbage", "^spec/mcp/memory_spec", "^spec/mcp/limits_spec" },
  { "^src/base/err", "^spec/lua/core_spec", "^spec/net/" },
  { "^src/net/loop", "^spec/mcp/embedding_spec", "^spec/mcp/examples_luv_spec" },
  { "^src/net/peers", "^spec/net/per_address_spec", "^spec/transport/security_spec" },
  { "^src/net/tally", "^spec/net/per_address_spec" },
  { "^src/net/socket", "^spec/lua/lsocket_spec" },
  { "^src/net/interrupt", "^spec/mcp/busy_spec", "^spec/mcp/server/listen/service_spec" },
  { "^src/net/service", "^spec/mcp/server/listen/service_spec" },
  { "^lua/mcp/server/shared/", "^spec/mcp/shared/" },
  { "^src/lua/seconds", "^spec/lua/lclock_spec" },
  { "^src/lua/coroutine", "^spec/lua/", "^spec/mcp/async_spec" },
  { "^src/net/process", "^spec/mcp/process_spec" },
  { "^src/net/thread", "^spec/mcp/worker_spec" },
  { "^src/net/folder", "^spec/mcp/folder_spec" },
  { "^src/net/memory", "^spec/mcp/client/transport/memory_spec", "^spec/lua/lendpoint_spec" },
  { "^src/net/stream", "^spec/transport/link_spec", "^spec/transport/websocket_spec" },
  { "^src/openssl/l?tls", "^spec/net/tls_spec", "^spec/mcp/tls_spec", "^spec/transport/http_tls" },
  { "^src/transport/redirect", "^spec/mcp/auth/loopback_spec", "^spec/mcp/auth/flow_spec" },
  { "^src/transport/ws", "^spec/mcp/client/transport/websocket_spec" },
  { "^src/transport/link", "^spec/mcp/client/transport/duplex_spec", "^spec/lua/lendpoint_spec" },
  { "^src/transport/http_pool", "^spec/mcp/fetch_spec" },
  { "^src/transport/http_call", "^spec/mcp/fetch_spec" },
  { "^src/transport/pieces", "^spec/mcp/fetch_spec" },
  { "^src/wire/", "^spec/transport/origins_spec" },
  { "^src/wire/json", "^spec/mcp/json_spec" },
  { "^src/base/list", "^spec/lua/", "^spec/net/" },
  { "^src/zlib/", "^spec/transport/content_coding_spec", "^spec/mcp/fetch_spec" },
  { "^src/yaml/", "^spec/mcp/yaml_spec" },
  { "^src/transport/exchange", "^spec/mcp/server/feature/subscription_spec" },
  { "^lua/mcp/auth/", "^spec/mcp/auth/", "^spec/transport/http_auth_spec" },
  { "^lua/mcp/auth/server/init", "^spec/mcp/mistakes_spec" },
  { "^lua/mcp/server/feature/gate", "^spec/mcp/auth/server_spec" },
  { "^lua/mcp/server/feature/scope", "^spec/mcp/auth/server_spec",
    "^spec/transport/http_auth_spec" },
  { "^lua/mcp/server/dispatch", "^spec/mcp/server/ask/" },
  { "^lua/mcp/server/ask/", "^spec/mcp/server/ask/", "^spec/mcp/client/input_required_spec" },
  { "^lua/mcp/server/front/http", "^spec/transport/http_sse_spec", "^spec/transport/http_server" },
  { "^lua/mcp/client/verbs", "^spec/mcp/server/feature/extension_spec" },
  { "^lua/mcp/schema/", "^spec/mcp/schema_suite_spec", "^spec/mcp/server/feature/tool_spec",
    "^spec/regress/9_integers" },
  { "^lua/mcp/client/transport/", "^spec/transport/http_call_spec" },
}

-- Is the spec one of the subject of the source?
local function shares_subject(path, spec)
  for _, subject in ipairs(order.SUBJECTS) do
    if path:find(subject[1]) then
      for i = 2, #subject do
        if spec:find(subject[i]) then return true end
      end
    end
  end
  return false
end

-- The words by which a spec may speak of a source.
local function names_of(path)
  local base = path:match "([^/]+)%.%w+$"
  -- A plain word ("sse", "http") stands in specs that speak of something else.
  local names = base:find "_" and { [base] = true } or { [base .. ".c"] = true,
    ["codecs." .. base] = true }
  local module = path:match "^lua/(.*)%.lua$"
  if module then
    module = module:gsub("/init$", ""):gsub("/", ".")
    names = { ['"' .. module .. '"'] = true }
  end
  return base, names
end

--- The spec files beside a source, and the others, each in the order in which they may notice.
---@param path string of the source
---@param specs string[]
---@param texts table<string, string> of the specs
---@param seconds fun(spec: string): number|false|nil how long it takes
---@param kills table<string, integer> by spec, and by path and spec together
---@return string[] near
---@return string[] rest
function order.of(path, specs, texts, seconds, kills)
  local base, names = names_of(path)
  local bare = base:gsub("^l(%l)", "%1")
  -- src/main.c has no folder of its own.
  local folder = path:match "^src/(.*)/" or path:match "^lua/(.*)/" or ""
  local near, rest = {}, {}
  for i, spec in ipairs(specs) do
    local mirror = spec:match("^spec/(.*)/[^/]+$") == folder
    local name = spec:match "([^/]+)_spec%.lua$"
    local mentioned = false
    for word in pairs(names) do
      mentioned = mentioned or texts[spec]:find("%f[%w_]" .. word:gsub("%p", "%%%0") .. "%f[^%w_]")
        or word:find '"' and texts[spec]:find(word, 1, true)
    end
    local same = name == base or name:find("^" .. base .. "_") or name == bare
    if base == "init" then same = spec:find(folder:match "[^/]+$", 1, true) and mirror end
    -- The spec of the folder, and for the module of OpenSSL what speaks TLS.
    local above = spec == "spec/" .. folder .. "_spec.lua"
      or folder == "openssl/module" and (spec:find "^spec/openssl/" or spec:find "/tls_spec")
    local word = base:match "^%a+"
    local akin = mirror and #word > 2 and name:find("^" .. word) ~= nil
    -- What src/lua binds is specified where Lua uses it: src/lua/worker_pool.c in
    -- spec/mcp/worker_spec.lua.
    if folder == "lua" then
      local noun = bare:match "^%a+"
      akin = akin or #noun > 4 and name:match "^%a+" == noun
    end
    local subject = shares_subject(path, spec)
    local score = (kills[path .. spec] or 0) * 20 + (kills[spec] or 0)
      + (mirror and 10 or 0) + (mentioned and 20 or 0) + (same and 40 or 0)
      + (mirror and name == base and 20 or 0)
      + (above and 30 or 0) + (akin and 10 or 0) + (subject and 15 or 0)
      - (seconds(spec) or 0) / 2
    local entry = { spec = spec, score = score, at = i }
    local beside = mirror and (same or folder ~= "mcp")
    local list = (beside or mentioned or above or akin or subject) and near or rest
    list[#list + 1] = entry
  end
  local function before(a, b)
    if a.score ~= b.score then return a.score > b.score end
    return a.at < b.at
  end
  local function sorted(list)
    table.sort(list, before)
    local out = {}
    for i, entry in ipairs(list) do out[i] = entry.spec end
    return out
  end
  near, rest = sorted(near), sorted(rest)
  local further = table.move(near, NEAR_MAX + 1, #near, 1, {})
  rest = table.move(rest, 1, #rest, #further + 1, further)
  return table.move(near, 1, math.min(#near, NEAR_MAX), 1, {}), rest
end

return order
