-- SPDX-License-Identifier: MIT
-- The folders of src and the layers of lua/mcp, read from the sources: which may include or require
-- which. It does not test behaviour: it keeps the map in docs/architecture.md true.

local function lines_of(command)
  local list = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

local function text_of(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

local function sorted(list)
  table.sort(list)
  return list
end

describe("rooms of src", function()
  -- The rooms that each room may include, besides itself.
  local ROOMS = {
    base = {},
    wire = { base = true },
    net = { base = true },
    transport = { wire = true, net = true, base = true },
    lua = { transport = true, wire = true, net = true, base = true },
    -- A separate module, so that a program loads libcrypto only when it needs it. Its TLS engine
    -- fills a table of functions from net/tls.h; it links nothing of net.
    openssl = { base = true, net = true },
    -- The same for libz: fills a table of functions from wire/decoder.h and links nothing else.
    zlib = { base = true, wire = true },
    -- And for libyaml, which touches nothing else of ours.
    yaml = {},
    -- And for hiredis.
    hiredis = {},
    main = { lua = true, base = true },
  }

  -- The only files that may include the headers of a library.
  local FOREIGN = {
    ["^uv%.h$"] = { "^src/net/", "^src/base/err%.c$" },
    ["^llhttp%.h$"] = { "^src/wire/" },
    ["^wslay/"] = { "^src/wire/" },
    ["^pcre2%.h$"] = { "^src/wire/" },
    ["^openssl/[^/]+%.h$"] = { "^src/net/", "^src/base/", "^src/openssl/" },
    ["^zlib%.h$"] = { "^src/zlib/" },
    ["^yaml%.h$"] = { "^src/yaml/" },
    ["^hiredis/"] = { "^src/hiredis/" },
    ["^lua%.h$"] = { "^src/lua/", "^src/main%.c$", "^src/openssl/", "^src/zlib/", "^src/yaml/",
      "^src/hiredis/" },
    ["^lauxlib%.h$"] = { "^src/lua/", "^src/main%.c$", "^src/openssl/", "^src/zlib/",
      "^src/yaml/", "^src/hiredis/" },
    ["^lualib%.h$"] = { "^src/main%.c$", "^src/lua/worker_call%.c$" },
  }

  local files = sorted(lines_of "find src -name '*.[ch]'")

  local function room_of(path) return path:match "^src/([^/]+)/" or "main" end

  -- Calls visit(path, name, ours) for each include.
  local function each_include(visit)
    for _, path in ipairs(files) do
      for quote, name in text_of(path):gmatch '#%s*include%s*([<"])([^>"]+)[>"]' do
        visit(path, name, quote == '"')
      end
    end
  end

  it("are listed in this spec", function()
    assert.is_true(#files > 40)
    for _, path in ipairs(files) do
      assert.is_table(ROOMS[room_of(path)], path .. ": add its room to ROOMS in this spec")
    end
  end)

  it("include downwards only", function()
    local wrong, seen = {}, 0
    each_include(function(path, name, ours)
      if not ours then return end
      seen = seen + 1
      local from, to = room_of(path), name:match "^([^/]+)/"
      if not to then
        wrong[#wrong + 1] = ("%s includes %q: expected the room before the name"):format(path, name)
      elseif from ~= to and not ROOMS[from][to] then
        wrong[#wrong + 1] = ("%s includes %s: %s must not use %s"):format(path, name, from, to)
      end
    end)
    assert.is_true(seen > 100)
    assert.equal("", table.concat(wrong, "\n"))
  end)

  it("include library headers only where they belong", function()
    local wrong, seen = {}, {}
    each_include(function(path, name, ours)
      if ours then return end
      for pattern, places in pairs(FOREIGN) do
        if name:find(pattern) then
          local allowed = false
          for _, place in ipairs(places) do allowed = allowed or path:find(place) ~= nil end
          seen[pattern] = true
          if not allowed then wrong[#wrong + 1] = ("%s includes <%s>"):format(path, name) end
        end
      end
    end)
    for _, pattern in ipairs { "^uv%.h$", "^llhttp%.h$", "^lua%.h$" } do
      assert.is_true(seen[pattern], "no file includes " .. pattern)
    end
    assert.equal("", table.concat(wrong, "\n"))
  end)

  it("have unique file names, and no meaningless one (A9)", function()
    local at, wrong = {}, {}
    for _, path in ipairs(files) do
      local name = path:match "([^/]+)$"
      if at[name] then wrong[#wrong + 1] = path .. " and " .. at[name] end
      at[name] = path
      for _, word in ipairs { "util", "utils", "common", "helper", "helpers", "misc", "manager" } do
        if name:match "^(.-)%.[ch]$" == word then wrong[#wrong + 1] = path end
      end
    end
    assert.equal("", table.concat(wrong, "\n"))
  end)

  it("only coroutine.c resumes Lua; main.c calls it once, to start (B2)", function()
    local wrong = {}
    -- stop_lib.c has functions of Lua's own libraries, which are called by Lua code; a worker's
    -- state is not part of the runtime: it has its own entry point.
    local RESUMES = { ["src/lua/coroutine.c"] = true, ["src/lua/stop_lib.c"] = true }
    local CALLS = { ["src/lua/coroutine.c"] = true, ["src/main.c"] = true,
      ["src/lua/worker_call.c"] = true, ["src/lua/stop_lib.c"] = true,
      ["src/lua/lbudget.c"] = true }
    for _, path in ipairs(files) do
      -- Comments may mention it.
      local code = text_of(path):gsub("/%*.-%*/", "")
      if code:find "lua_resume%s*%(" and not RESUMES[path] then
        wrong[#wrong + 1] = path .. ": lua_resume"
      end
      if code:find "lua_pcallk?%s*%(" and not CALLS[path] then
        wrong[#wrong + 1] = path .. ": lua_pcall"
      end
    end
    assert.equal("", table.concat(wrong, "\n"))
  end)

  it("turn the loop in one place, which refuses nested turns", function()
    local found = {}
    for _, path in ipairs(files) do
      local code = text_of(path):gsub("/%*.-%*/", "")
      for _ in code:gmatch "uv_run%s*%(" do found[#found + 1] = path end
    end
    assert.same({ "src/net/loop.c" }, found)
    local body = text_of "src/net/loop.c":match "\nstatic int turn%(.-\n}\n"
    assert.matches("if %(loop%->turning%) return MCP_ENESTED;.*uv_run%(", body)
  end)

  it("have no mutable globals (C11)", function()
    local wrong = {}
    for _, path in ipairs(files) do
      if path:find "%.c$" then
        for line in text_of(path):gmatch "[^\n]+" do
          -- A variable of the file, not const: `static type name;` or `static type name = …;`
          if line:find "^static [%w_ ]+[%w_%*%[%]]+ ?=?[^()]*;$" and not line:find "const"
            and not line:find "inline" then
            wrong[#wrong + 1] = ("%s: %s"):format(path, line)
          end
        end
      end
    end
    -- State of the process: its byte budget, the memory counters of the hunts, the log level, and
    -- what a signal handler needs, which gets no argument.
    local KEPT = { "^src/base/account%.c", "^src/base/mem%.c", "^src/base/log%.c",
      "^src/net/interrupt%.c", "^src/net/watchdog%.c", "^src/net/hangup%.c" }
    local function is_kept(line)
      for _, pattern in ipairs(KEPT) do if line:find(pattern) then return true end end
      return false
    end
    local kept = {}
    for _, line in ipairs(wrong) do
      if not is_kept(line) then
        kept[#kept + 1] = line
      end
    end
    assert.equal("", table.concat(kept, "\n"))
  end)

  -- One line for each file in `found`, a map from file to text.
  local function listed(found)
    local lines = {}
    for name, text in pairs(found) do lines[#lines + 1] = name .. ": " .. text end
    return table.concat(sorted(lines), "\n")
  end

  it("have no file over 600 lines", function()
    local long = {}
    for _, path in ipairs(files) do
      local _, count = text_of(path):gsub("\n", "")
      if count > 600 then long[path] = count .. " lines: one noun belongs in another file" end
    end
    assert.equal("", listed(long))
  end)

  -- The set of mcp_ functions that a text defines.
  local function functions_in(code)
    local names = {}
    for head in code:gmatch "\n(%a[^\n;{}=#]-[^;{}=]-%b())%s*{" do
      local name = head:match "([%w_]+)%s*%b()$"
      if name and name:find "^mcp_" then names[name] = true end
    end
    return names
  end

  -- What a header calls: the bodies of its inline functions, and its macros.
  local function without_prototypes(code)
    local parts = {}
    for body in code:gmatch "%)%s*(%b{})" do parts[#parts + 1] = body end
    for macro in code:gsub("\\\n", " "):gmatch "\n(#%s*define[^\n]*)" do
      parts[#parts + 1] = macro
    end
    return table.concat(parts, "\n")
  end

  -- For each file (a .c with its .h), which others it calls, and a function by which it does:
  -- { file = { other = function } }. The second result says which file defines a function.
  local function calls_between()
    local code, owner, calls = {}, {}, {}
    for _, path in ipairs(files) do
      local file = path:gsub("%.[ch]$", "")
      local text = "\n" .. text_of(path):gsub("/%*.-%*/", " "):gsub('"[^"\n]*"', '""')
      for name in pairs(functions_in(text)) do owner[name] = file end
      code[file] = (code[file] or "") .. (path:find "%.h$" and without_prototypes(text) or text)
    end
    for file, text in pairs(code) do
      calls[file] = {}
      for name in text:gmatch "mcp_[%w_]+" do
        if owner[name] and owner[name] ~= file then calls[file][owner[name]] = name end
      end
    end
    return calls, owner
  end

  -- The files that `file` reaches by calls, itself too if there is a circle.
  local function reached_from(file, calls)
    local seen, open = {}, { file }
    while #open > 0 do
      for other in pairs(calls[table.remove(open)]) do
        if not seen[other] then
          seen[other] = true
          open[#open + 1] = other
        end
      end
    end
    return seen
  end

  -- The files of a circle, each with the calls that close it.
  local function circles_in(calls)
    local circles, reached = {}, {}
    for file in pairs(calls) do reached[file] = reached_from(file, calls) end
    for file, others in pairs(calls) do
      local pairs_of = {}
      for other, name in pairs(others) do
        if reached[other][file] then
          pairs_of[#pairs_of + 1] = ("calls %s (%s), which calls back"):format(other, name)
        end
      end
      if #pairs_of > 0 then circles[file] = table.concat(sorted(pairs_of), "; ") end
    end
    return circles
  end

  it("have no two files that call each other, directly or through others", function()
    local calls, owner = calls_between()
    -- The reading above finds definitions and calls.
    assert.equal("src/net/loop", owner.mcp_loop_step)
    assert.is_string(calls["src/net/peers"]["src/net/loop"])
    -- And circles_in finds circles, of two files and of three.
    assert.equal("a: calls b (f), which calls back\nb: calls a (g), which calls back",
      listed(circles_in { a = { b = "f", c = "h" }, b = { a = "g" }, c = {} }))
    assert.matches("c: calls a",
      listed(circles_in { a = { b = "f" }, b = { c = "g" }, c = { a = "h" } }))
    assert.equal("", listed(circles_in(calls)))
  end)
end)

describe("arrows of lua/mcp", function()
  -- The layers as the code has them, from below. A module requires only what lies below it, or its
  -- neighbours in a layer that is one folder. Each has its place here: see the first test.
  local LAYERS = {
    { "mcp.core", "mcp.openssl", "mcp.zlib", "mcp.libyaml", "mcp.hiredis" },
    -- Leaves: plain functions and tables. They may require each other.
    { "mcp.async", "mcp.bm25", "mcp.budget", "mcp.bundle", "mcp.closing", "mcp.coding",
      "mcp.content", "mcp.copy", "mcp.failure", "mcp.foreign", "mcp.refusal",
      "mcp.header", "mcp.jsonc", "mcp.keys", "mcp.later", "mcp.limits",
      "mcp.loading", "mcp.measures",
      "mcp.nearest", "mcp.options",
      "mcp.protocol",
      "mcp.protocol.*", "mcp.proxy", "mcp.same", "mcp.script_error", "mcp.signature",
      "mcp.terms", "mcp.text", "mcp.time", "mcp.trace", "mcp.ui",
      "mcp.uri", "mcp.uri_matcher", "mcp.uri_normal",
      "mcp.uri_tools", "mcp.url", "mcp.value", "mcp.yaml" },
    { "mcp.schema", "mcp.schema.*" },
    -- Parts of messages that both sides build or check.
    { "mcp.message.*" },
    { "mcp.misspelt" },
    -- Pictures: arithmetic and text.
    { "mcp.chart", "mcp.chart.*" },
    { "mcp.folder", "mcp.json", "mcp.process", "mcp.worker" },
    -- Fingerprints of what a server says.
    { "mcp.pin" },
    -- TLS contexts only: no connection.
    { "mcp.tls" },
    -- What several processes share. It knows nothing of what is kept there.
    { "mcp.store", "mcp.store.*" },
    -- Whole exchanges over HTTP.
    { "mcp.fetch" },
    -- Spans, and how they get to a collector.
    { "mcp.otlp.*" },
    -- Tokens, and which principal presented one; neither transports nor what is served.
    { "mcp.auth.jwks", "mcp.auth.jwt", "mcp.auth.server", "mcp.auth.server.*" },
    -- How a client obtains its tokens; it knows no transport.
    { "mcp.auth.client", "mcp.auth.client.*" },
    -- The public face of both.
    { "mcp.auth" },
    -- What is kept of the past. It knows neither a context nor a session's rules.
    { "mcp.event_store", "mcp.server.owners", "mcp.server.siphash", "mcp.server.watchers" },
    { "mcp.server.heartbeat", "mcp.server.resumable", "mcp.server.seal", "mcp.server.task_store" },
    { "mcp.server.ask", "mcp.server.ask.*" },
    { "mcp.server.context_methods", "mcp.server.session" },
    { "mcp.server.context", "mcp.server.delivery" },
    { "mcp.server.bus", "mcp.server.identity", "mcp.server.lists", "mcp.server.session_clock" },
    { "mcp.server.feature.*" },
    -- What several processes of an app share.
    { "mcp.server.shared", "mcp.server.shared.*" },
    { "mcp.server.dispatch" },
    { "mcp.server.entries", "mcp.server.transform" },
    { "mcp.server.front.*" },
    -- What goes around a request, from outside of it.
    { "mcp.server.catalog" },
    { "mcp.server.nested", "mcp.server.sandbox", "mcp.server.search" },
    { "mcp.server.code_mode" },
    { "mcp.server.middleware", "mcp.server.middleware.*", "mcp.server.overdue" },
    { "mcp.server.timeout" },
    { "mcp.server.inspect", "mcp.server.inspect.*" },
    { "mcp.server.listen", "mcp.server.listen.*" },
    -- Several processes of one server: the supervisor, and a worker's side of it.
    { "mcp.server.workers", "mcp.server.workers.*" },
    { "mcp.server.reload" },
    -- An app's tools out of the description of an API.
    { "mcp.openapi", "mcp.openapi.*" },
    -- Methods of apps that few scripts call, for the next.
    { "mcp.server.occasional" },
    { "mcp.server" },
    -- The other side; it knows the server's only to talk to an app through memory.
    { "mcp.client", "mcp.client.*" },
    -- Both sides in one.
    { "mcp.mount.names", "mcp.mount.replace", "mcp.mount.transforms" },
    { "mcp.mount.entries", "mcp.mount.link", "mcp.mount.rounds", "mcp.mount.task" },
    { "mcp.mount.alone", "mcp.mount.extension" },
    { "mcp.mount.upstream" },
    { "mcp.mount.inner", "mcp.mount.server" },
    { "mcp.mount" },
    { "mcp.mount.single" },
    { "mcp.members" },
    { "mcp" },
    -- Tests of users; the commands that load a script use it, too.
    { "mcp.testing", "mcp.testing.*" },
    { "mcp.cli", "mcp.cli.*" },
    { "mcp.on_luv" },
  }
  local LEAF = 2

  -- Modules that work without the C module: plain rules, which other programs could use as well.
  local PURE = { "mcp.failure", "mcp.jsonc", "mcp.keys", "mcp.message.param_headers",
    "mcp.message.ui",
    "mcp.nearest", "mcp.options", "mcp.protocol", "mcp.protocol.*", "mcp.schema", "mcp.schema.*",
    "mcp.server.feature.gate", "mcp.server.listen.address", "mcp.server.listen.options",
    "mcp.server.siphash", "mcp.uri", "mcp.uri_matcher", "mcp.url", "mcp.value" }
  -- The one exception below those: regular expressions are PCRE2's.
  local NOT_PURE = { ["mcp.schema.pattern"] = true }

  local function layer_of(name)
    for i, members in ipairs(LAYERS) do
      for _, member in ipairs(members) do
        if member == name then return i, false end
        if member:sub(-2) == ".*" and name:sub(1, #member - 1) == member:sub(1, -2) then
          return i, true
        end
      end
    end
    return nil
  end

  local function name_of(path)
    return (path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
  end

  local modules, requires = {}, {}
  for _, path in ipairs(sorted(lines_of "find lua/mcp -name '*.lua'")) do
    local name = name_of(path)
    -- Comments may show an example. The types of the core are never loaded.
    local code = text_of(path):gsub("%-%-[^\n]*", "")
    if not path:find "%.types%.lua$" then
      modules[#modules + 1] = name
      requires[name] = {}
      for wanted in code:gmatch 'require[ (]*"([%w_.]+)"' do requires[name][wanted] = true end
      for wanted in code:gmatch 'mcp%.later" "([%w_.]+)"' do requires[name][wanted] = true end
      for wanted in code:gmatch 'pcall%(require, "([%w_.]+)"%)' do requires[name][wanted] = true end
    end
  end

  it("go between modules that have a place", function()
    local wrong = {}
    for _, name in ipairs(modules) do
      if not layer_of(name) then wrong[#wrong + 1] = name .. ": give it a layer in this spec" end
    end
    for _, members in ipairs(LAYERS) do
      for _, member in ipairs(members) do
        local prefix = member:match "^(.*%.)%*$"
        local found = member == "mcp.core" or member == "mcp.openssl" or member == "mcp.zlib"
          or member == "mcp.libyaml" or member == "mcp.hiredis"
        for _, name in ipairs(modules) do
          found = found or name == member or prefix and name:sub(1, #prefix) == prefix
        end
        if not found then wrong[#wrong + 1] = member .. ": there is none" end
      end
    end
    assert.equal("", table.concat(wrong, "\n"))
  end)

  it("point down", function()
    assert.is_true(#modules > 30)
    local wrong = {}
    for _, name in ipairs(modules) do
      local from, in_folder = layer_of(name)
      for wanted in pairs(requires[name]) do
        local to = wanted:find "^mcp" and layer_of(wanted)
        local neighbours = to and from == to and (from == LEAF
          or in_folder and name:match "^mcp%.[^.]+" == wanted:match "^mcp%.[^.]+"
          or wanted:sub(1, #name + 1) == name .. ".")
        if wanted:find "^mcp" and (not to or to >= from) and not neighbours then
          wrong[#wrong + 1] = ("%s requires %s"):format(name, wanted)
        end
      end
    end
    assert.equal("", table.concat(sorted(wrong), "\n"))
  end)

  it("make no cycle", function()
    local state, path = {}, {}
    local function visit(name)
      if state[name] == "done" or not requires[name] then return end
      path[#path + 1] = name
      assert.is_not_equal("open", state[name], "a cycle: " .. table.concat(path, " -> "))
      state[name] = "open"
      for wanted in pairs(requires[name]) do visit(wanted) end
      state[name] = "done"
      path[#path] = nil
    end
    for _, name in ipairs(modules) do visit(name) end
  end)

  it("to the core start from no module that is plain rules", function()
    local wrong, seen = {}, 0
    for _, name in ipairs(modules) do
      for _, pure in ipairs(PURE) do
        local inside = pure == name
          or pure:sub(-2) == ".*" and name:sub(1, #pure - 1) == pure:sub(1, -2)
        if inside and not NOT_PURE[name] then
          seen = seen + 1
          if requires[name]["mcp.core"] then wrong[#wrong + 1] = name .. " requires mcp.core" end
        end
      end
    end
    assert.is_true(seen > 30)
    assert.equal("", table.concat(wrong, "\n"))
  end)

  it("only protocol/ knows a revision by name (F4)", function()
    local wrong = {}
    for _, path in ipairs(sorted(lines_of "find lua/mcp -name '*.lua'")) do
      if not path:find "^lua/mcp/protocol/" then
        local code = text_of(path):gsub("%-%-[^\n]*", "")
        for revision in code:gmatch '"(20%d%d%-%d%d%-%d%d)"' do
          wrong[#wrong + 1] = path .. ": " .. revision
        end
      end
    end
    assert.equal("", table.concat(wrong, "\n"))
  end)

  it("what is loaded for a first server is what has to be", function()
    -- The start is a matter of milliseconds because the rest waits until it is asked for.
    local program = [[package.path = %q package.cpath = %q
      local app = require "mcp".server "x"
      app:tool "t" { input = { a = "string", b = "integer?" } } (function() end)
      for name in pairs(package.loaded) do if name:find "^mcp" then print(name) end end]]
    local out = lines_of(("%s -e '%s'"):format(os.getenv "LUA" or "lua5.4",
      program:format(package.path, package.cpath)))
    assert.is_true(#out > 5)
    for _, name in ipairs(out) do
      for _, later in ipairs { "mcp.schema.compile", "mcp.schema.plain", "mcp.schema.constructors",
        "mcp.schema.describe", "mcp.content", "mcp.server.feature.prompt",
        "mcp.server.feature.resource", "mcp.server.feature.completion", "mcp.server.listen",
        "mcp.cli",
        "mcp.openssl", "mcp.zlib", "mcp.server.ask", "mcp.uri", "mcp.server.resumable",
        "mcp.event_store",
        "mcp.server.feature.subscription", "mcp.auth", "mcp.server.feature.scope",
        "mcp.server.feature.task", "mcp.server.middleware", "mcp.server.seal",
        "mcp.server.task_store", "mcp.tls", "mcp.worker", "mcp.fetch", "mcp.coding",
        "mcp.proxy", "mcp.yaml", "mcp.libyaml", "mcp.store", "mcp.hiredis",
        "mcp.chart", "mcp.ui", "mcp.message.ui", "mcp.async", "mcp.nearest", "mcp.text",
        "mcp.members",
        "mcp.server.ask.state", "mcp.server.context_methods", "mcp.server.delivery",
        "mcp.server.dispatch", "mcp.server.feature.tool", "mcp.server.overdue",
        "mcp.schema.validator", "mcp.server.heartbeat", "mcp.server.feature.cursor",
        "mcp.server.feature.metadata",
        "mcp.server.feature.ui", "mcp.server.shared", "mcp.store" } do
        assert.is_not_equal(later, name)
      end
    end
  end)
end)
