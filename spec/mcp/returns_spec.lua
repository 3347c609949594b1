-- SPDX-License-Identifier: MIT
-- Every public function returns, when it succeeds, exactly the values that the docs name, and no
-- nils after them: `cjson.encode(client:read_resource(uri))` would be an error otherwise.
local cjson = require "cjson"
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local env

local function set_up()
  env = { app = mcp.server "far", folder = os.tmpname() }
  local app = env.app
  app:extension { id = "io.example/spec" }
  app:skills "spec/conformance/skills"
  os.remove(env.folder)
  app:tool "echo" { input = { text = "string?" } } (function(args) return args.text or "x" end)
  app:tool "gone" (function() return "x" end)
  app:prompt "p" { arguments = { a = "string" }, complete = { a = { "one" } } }
    (function(args) return args.a end)
  app:resource "test://a" (function() return "x" end)
  app:resource "test://{b}" { list = function() return {} end } (function() return "x" end)
  app:tool "ctx" (function(_, ctx)
    env.rows(ctx)
    return "done"
  end)
  env.listening = app:listen { http = "127.0.0.1:0", quiet = true }
end

local function tear_down()
  env.listening:close()
  helper.shell("rm -rf " .. helper.quote(env.folder))
  -- Connections that were closed end in the background.
  helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
  helper.leftovers()
end

-- Rows of a table: the number of values that success gives, and the call.
local function check(rows, prefix, ...)
  local wrong = {}
  for name, row in pairs(rows) do
    local got = table.pack(row[2](...))
    if got.n ~= row[1] or got.n > 0 and got[1] == nil then
      local values = {}
      for i = 1, got.n do values[i] = tostring(got[i]) end
      wrong[#wrong + 1] = ("%s%s: expected %d values, got %d (%s)"):format(prefix, name, row[1],
        got.n, table.concat(values, ", "))
    end
  end
  table.sort(wrong)
  assert.equal("", table.concat(wrong, "\n"))
end

-- Each of the names has a row.
local function check_complete(names, rows, prefix)
  local lacking = {}
  for _, name in ipairs(names) do
    if rows[name] == nil then lacking[#lacking + 1] = prefix .. name end
  end
  assert.equal("", table.concat(lacking, " "), "these have no row here")
end

local function names_of(...)
  local names = {}
  for _, members in ipairs { ... } do
    for name, member in pairs(members) do
      if type(member) == "function" and not name:find "^__" then names[#names + 1] = name end
    end
  end
  return names
end

local function content(...) return ... end

local SKIP = {} -- no function, or one that is checked elsewhere here

local MCP = {
  server = { 1, function() return mcp.server "x" end },
  error = { 1, function() return mcp.error(1, "x") end },
  null = SKIP, auth = SKIP, json = SKIP, ui = SKIP, uri = SKIP, process = SKIP, middleware = SKIP,
  _VERSION = SKIP,
  array = { 1, function() return mcp.array() end },
  text = { 1, function() return mcp.text "x" end },
  image = { 1, function() return mcp.image "x" end },
  audio = { 1, function() return mcp.audio "x" end },
  resource_link = { 1, function() return mcp.resource_link "test://a" end },
  embedded = { 1, function() return mcp.embedded("test://a", "x") end },
  blob = { 1, function() return mcp.blob "x" end },
  user = { 1, function() return mcp.user "x" end },
  assistant = { 1, function() return mcp.assistant "x" end },
  run = { 3, function() return mcp.run(content, 1, nil, 3) end },
  spawn = { 0, function() return mcp.spawn(content, 1) end },
  sleep = { 1, function() return mcp.sleep(0) end },
  waiter = { 1, function() return mcp.waiter() end },
  all = { 1, function() return mcp.all { function() return 1, 2 end } end },
  step = { 1, function() return mcp.step(0) end },
  fd = { 1, function() return mcp.fd() end },
  timeout = { 1, function()
    mcp.spawn(mcp.sleep, 0.01)
    return mcp.timeout()
  end },
  string = { 1, function() return mcp.string {} end },
  number = { 1, function() return mcp.number {} end },
  integer = { 1, function() return mcp.integer {} end },
  boolean = { 1, function() return mcp.boolean {} end },
  object = { 1, function() return mcp.object {} end },
  enum = { 1, function() return mcp.enum { "a" } end },
  any = { 1, function() return mcp.any {} end },
  list = { 1, function() return mcp.list { "string" } end },
  transform = SKIP, -- functions
  connect_all = { 2, function() return mcp.connect_all {} end },
  connect = { 1, function()
    local client = mcp.connect(env.listening.urls[1])
    client:close()
    return mcp.connect(env.app)
  end },
  session = { 1, function() return mcp.session(mcp.stdio_client { command = "none" }) end },
  config = { 1, function()
    local path = helper.file '{ "mcpServers": { "a": { "command": "b" } } }'
    return mcp.config(path)
  end },
  stdio_client = { 1, function() return mcp.stdio_client { command = "none" } end },
  websocket_client = { 1, function() return mcp.websocket_client "ws://127.0.0.1:1/" end },
  streamable_http_client = { 1, function()
    return mcp.streamable_http_client "http://127.0.0.1:1/"
  end },
  sse_client = { 1, function() return mcp.sse_client "http://127.0.0.1:1/" end },
  canceller = { 1, function() return mcp.canceller() end },
  client_cache = { 1, function() return mcp.client_cache(3) end },
  worker = { 1, function()
    local worker = mcp.worker { "spec/pace.lua" }
    worker:close()
    return worker
  end },
  chart = { 1, function()
    return mcp.chart { kind = "bar", rows = { { a = 1 } }, x = "a", y = "a" }
  end },
  fetch = { 1, function() return mcp.fetch(env.listening.urls[1] .. "/nowhere") end },
  folder = { 1, function() return mcp.folder "examples" end },
  asset = { 1, function()
    local bundle = require "mcp.bundle"
    local before = bundle.folder
    bundle.folder = "examples"
    return (function(...)
      bundle.folder = before
      return ...
    end)(mcp.asset "files.lua")
  end },
  time = { 2, function() return mcp.time() end },
  timestamp = { 1, function() return mcp.timestamp(0) end },
  limits = SKIP, -- sets a limit of the process: limits_spec
  elicit = { 1, function() return mcp.elicit("?", { a = "string" }) end },
  elicit_url = { 1, function() return mcp.elicit_url("?", "https://x.example/") end },
  sample = { 1, function()
    return mcp.sample { messages = { mcp.user "x" }, max_tokens = 1 }
  end },
  roots = { 1, function() return mcp.roots() end },
}

local SKILL = "skill://acme/billing/refunds/SKILL.md"

local CLIENT = {
  initialize = { 1, function(client) return client:initialize() end },
  is_open = { 1, function(client) return client:is_open() end },
  list_tools = { 1, function(client) return client:list_tools() end },
  list_resources = { 1, function(client) return client:list_resources() end },
  list_resource_templates = { 1, function(client) return client:list_resource_templates() end },
  list_prompts = { 1, function(client) return client:list_prompts() end },
  tools = { 1, function(client) return client:tools() end },
  resources = { 1, function(client) return client:resources() end },
  resource_templates = { 1, function(client) return client:resource_templates() end },
  prompts = { 1, function(client) return client:prompts() end },
  call_tool = { 1, function(client) return client:call_tool("echo", { text = "x" }) end },
  read_resource = { 1, function(client) return client:read_resource "test://a" end },
  get_prompt = { 1, function(client) return client:get_prompt("p", { a = "x" }) end },
  list_skills = { 1, function(client) return client:list_skills() end },
  skills = { 1, function(client) return client:skills() end },
  get_skill = { 1, function(client) return client:get_skill(SKILL) end },
  read_skill = { 1, function(client)
    local skill = client:read_skill(SKILL)
    assert.equal(1, select("#", skill:files()))
    assert.equal(2, select("#", skill:read "letters/granted.txt"))
    return skill
  end },
  list_directory = { 1, function(client)
    return client:list_directory "skill://acme/billing/refunds"
  end },
  complete = { 1, function(client) return client:complete({ prompt = "p" }, "a", "o") end },
  subscribe = { 1, function(client) return client:subscribe("test://a", print) end },
  unsubscribe = { 1, function(client)
    assert(client:subscribe("test://b", print))
    return client:unsubscribe "test://b"
  end },
  roots_changed = { 1, function(client) return client:roots_changed() end },
  set_log_level = { 1, function(client) return client:set_log_level "error" end },
  ping = { 1, function(client) return client:ping() end },
  request = { 1, function(client)
    return client:request("resources/read", { uri = "test://a" })
  end },
  extension = { 1, function(client) return client:extension "io.example/spec" end },
  listen = SKIP, -- of an extension that has a filter: extension_spec
  notify = { 1, function(client) return client:notify "notifications/x" end },
  close = { 0, function() return assert(mcp.connect(env.app)):close() end },
  -- not for programs
  attach = SKIP, ready = SKIP, reopen = SKIP,
}

local CTX = {
  progress = { 1, function(ctx) return ctx:progress(1, 2, "x") end },
  log = { 1, function(ctx) return ctx:log("error", "x") end },
  sleep = { 1, function(ctx) return ctx:sleep(0) end },
  span = { 3, function(ctx) return ctx:span("x", content, 1, nil, 3) end },
  has_ui = { 1, function(ctx) return ctx:has_ui() end },
  has_extension = { 1, function(ctx) return ctx:has_extension "io.example/spec" end },
  cancelled = { 1, function(ctx) return ctx:cancelled() end },
  close_stream = { 1, function(ctx) return ctx:close_stream() end },
  once = { 1, function(ctx) return ctx:once("k", function() return 1, 2 end) end },
  require_capability = { 0, function(ctx)
    return ctx:require_capability { elicitation = { form = {} } }
  end },
  elicit = SKIP, elicit_url = SKIP, sample = SKIP, roots = SKIP, ask = SKIP,
}

-- Where they can be asked at once, in a session.
local QUESTIONS = {
  elicit = { 1, function(ctx) return ctx:elicit("?", { a = "string" }) end },
  elicit_url = { 2, function(ctx) return ctx:elicit_url("?", "https://x.example/") end },
  sample = { 1, function(ctx)
    return ctx:sample { messages = { mcp.user "x" }, max_tokens = 1 }
  end },
  roots = { 1, function(ctx) return ctx:roots() end },
  ask = { 1, function(ctx) return ctx:ask { a = mcp.roots() } end },
}

local APP = {
  tool = { 1, function(app)
    local tool = app:tool "t"
    assert.equal(1, select("#", tool {}))
    local fn = function() end
    assert.equal(1, select("#", tool(fn)))
    return tool
  end },
  resource = { 1, function(app) return app:resource "test://r" (print) end },
  prompt = { 1, function(app) return app:prompt "q" (print) end },
  remove = { 1, function(app) return app:remove("tool", "gone") end },
  skills = { 1, function(app)
    return app:skills("spec/conformance/skills", { prefix = "more" })
  end },
  ui = { 0, function(app) return app:ui("ui://x", { html = "<!doctype html>x" }) end },
  transform = { 0, function() return mcp.server "other":transform(print) end },
  mount = { 1, function() return mcp.server "other":mount("x", mcp.server "another") end },
  unmount = { 1, function(app) return app:unmount "none" end },
  mounted = { 1, function(app) return app:mounted() end },
  extension = { 1, function(app) return app:extension { id = "io.example/x" } end },
  route = { 0, function(app) return app:route("/r", function() return "x" end) end },
  use = { 0, function(app) return app:use(function(request, next) return next(request) end) end },
  code_mode = { 0, function() return mcp.server "other":code_mode() end },
  search = { 0, function() return mcp.server "other":search() end },
  resource_updated = { 0, function(app) return app:resource_updated "test://a" end },
  changed = { 0, function(app) return app:changed "tools" end },
  openapi = { 1, function(app) return app:openapi { openapi = "3.0.0", paths = {} } end },
  counters = { 1, function(app) return app:counters() end },
  listen = { 1, function(app)
    local listening = app:listen { http = "127.0.0.1:0", quiet = true }
    listening:close()
    return listening
  end },
  reload_tls = SKIP, -- needs TLS: tls_spec
  reload = { 1, function()
    return mcp.server "other":reload(function() return mcp.server "other" end)
  end },
  -- They serve until the process is stopped.
  run = SKIP, run_stdio = SKIP, run_http = SKIP, run_sse = SKIP, run_websocket = SKIP,
  -- not for programs
  cacheable = SKIP, implementation = SKIP, has = SKIP, capabilities = SKIP,
}

local WAITER = {
  wake = { 1, function(waiter) return waiter:wake() end },
  wait = { 1, function(waiter)
    waiter:wake()
    return waiter:wait()
  end },
  is_woken = { 1, function(waiter) return waiter:is_woken() end },
  spawn = { 0, function(waiter) return waiter:spawn(content) end },
  cancel = { 0, function(waiter) return waiter:cancel() end },
}

local LISTENING = {
  is_open = { 1, function(listening) return listening:is_open() end },
  is_gone = { 1, function(listening) return listening:is_gone() end },
  reload_tls = SKIP, -- needs TLS: tls_spec
  close = { 0, function()
    return env.app:listen({ http = "127.0.0.1:0", quiet = true }):close()
  end },
}

local CANCELLER = { cancel = { 0, function(canceller) return canceller:cancel "x" end } }

local RESPONSE = {
  text = { 1, function(response) return response():text() end },
  json = SKIP, -- of an answer that is JSON: fetch_spec
  chunk = { 1, function(response)
    local opened <close> = response(true)
    return opened:chunk()
  end },
  chunks = { 4, function(response) -- with what `for` closes
    local opened <close> = response(true)
    return opened:chunks()
  end },
  close = { 0, function(response) return response(true):close() end },
}

local FOLDER = {
  write = { 1, function(folder) return folder:write("w", "x") end },
  append = { 1, function(folder) return folder:append("a", "x") end },
  read = { 1, function(folder) return folder:write("r", "x") and folder:read "r" end },
  file = { 1, function(folder) return folder:write("o", "x") and folder:file "o" end },
  list = { 1, function(folder) return folder:list() end },
  stat = { 1, function(folder) return folder:stat "" end },
  exists = { 1, function(folder) return folder:exists "nothing" end },
  remove = { 1, function(folder) return folder:write("d", "x") and folder:remove "d" end },
  rename = { 1, function(folder) return folder:write("m", "x") and folder:rename("m", "n") end },
  make_folder = { 1, function(folder) return folder:make_folder "f" end },
  close = { 0, function() return assert(mcp.folder "examples"):close() end },
}

describe("on success", function()
  before_each(set_up)
  after_each(tear_down)

  it("every function of mcp returns what it says", function()
    local names = {}
    for _, name in ipairs(require("mcp.members").names(mcp)) do
      names[#names + 1] = name
    end
    assert.is_true(#names > 40)
    check_complete(names, MCP, "mcp.")
    local rows = {}
    for name, row in pairs(MCP) do rows[name] = row[1] and row or nil end
    check(rows, "mcp.")
  end)

  local function answers()
    return { roots = {}, extensions = { ["io.example/spec"] = {} },
      on_elicit = function() return { a = "x" } end,
      on_elicit_url = function() return true end,
      on_sample = function() return { role = "assistant", content = mcp.text "x", model = "m" } end,
      on_progress = content, on_log = content, log_level = "debug" }
  end

  local function only(rows)
    local out = {}
    for name, row in pairs(rows) do out[name] = row[1] and row or nil end
    return out
  end

  for _, era in ipairs { "legacy", "modern" } do
    for _, way in ipairs { "memory", "http" } do
      it(("every method of a client (%s, %s)"):format(era, way), function()
        local options = answers()
        options.era, options.on_progress = era, nil
        local target = way == "memory" and env.app or env.listening.urls[1]
        local client <close> = assert(mcp.connect(target, options))
        check_complete(names_of(getmetatable(client).__index), CLIENT, "client:")
        check(only(CLIENT), "client:", client)
        -- And a second time, where results may be kept.
        check(only(CLIENT), "client:", client)
        assert.is_string(cjson.encode(client:read_resource "test://a"))
        assert.is_string(cjson.encode(client:call_tool "echo"))
        assert.is_string(cjson.encode(client:list_tools()))
        assert.is_string(cjson.encode(client:get_prompt("p", { a = "x" })))
      end)

      it(("every method of ctx (%s, %s)"):format(era, way), function()
        local options = answers()
        options.era, options.on_progress = era, nil
        local target = way == "memory" and env.app or env.listening.urls[1]
        local client <close> = assert(mcp.connect(target, options))
        local problem, ran
        env.rows = function(ctx)
          local methods = require("mcp.server.context_methods").open(getmetatable(ctx))
          check_complete(names_of(methods), CTX, "ctx:")
          ran, problem = pcall(function()
            check(only(CTX), "ctx:", ctx)
            if era == "legacy" then check(QUESTIONS, "ctx:", ctx) end
          end)
        end
        assert(client:call_tool("ctx", {}, { on_progress = content }))
        assert.is_true(ran, problem)
      end)
    end
  end

  it("every method of an app", function()
    check_complete(names_of(getmetatable(env.app).__index), APP, "app:")
    check(only(APP), "app:", env.app)
  end)

  it("every method of the objects that they make", function()
    local waiter = mcp.waiter()
    check_complete(names_of(getmetatable(waiter).__index), WAITER, "waiter:")
    waiter:wake()
    check(only(WAITER), "waiter:", waiter)
    check_complete(names_of(getmetatable(env.listening).__index), LISTENING, "listening:")
    check(only(LISTENING), "listening:", env.listening)
    local canceller = mcp.canceller()
    check_complete(names_of(getmetatable(canceller).__index), CANCELLER, "canceller:")
    check(only(CANCELLER), "canceller:", canceller)
    local function response(stream)
      return assert(mcp.fetch(env.listening.urls[1] .. "/nowhere", { stream = stream }))
    end
    check_complete(names_of(getmetatable(response()).__index), RESPONSE, "response:")
    check(only(RESPONSE), "response:", response)
    local folder <close> = assert(mcp.folder(env.folder, { create = true }))
    check_complete(names_of(getmetatable(folder).__index), FOLDER, "folder:")
    check(only(FOLDER), "folder:", folder)
  end)

  it("every function of mcp.json, mcp.uri and mcp.process", function()
    local json = {
      encode = { 1, function() return mcp.json.encode { 1 } end },
      decode = { 1, function() return mcp.json.decode "[1]" end },
    }
    check_complete(names_of(mcp.json), json, "mcp.json.")
    check(only(json), "mcp.json.")
    local uri = {
      escape = { 1, function() return mcp.uri.escape "a b" end },
      unescape = { 1, function() return mcp.uri.unescape "a%20b" end },
      expand = { 1, function() return mcp.uri.expand("a{b}", { b = "c" }) end },
      match = { 1, function() return mcp.uri.match("a{b}", "ac") end },
      resolve = { 1, function() return mcp.uri.resolve("http://a/b", "c") end },
      parse = { 1, function() return mcp.uri.parse "http://a/b" end },
      normalize = { 1, function() return mcp.uri.normalize "HTTP://a" end },
    }
    check_complete(names_of(mcp.uri), uri, "mcp.uri.")
    check(only(uri), "mcp.uri.")
    local process = {
      run = { 1, function() return mcp.process.run { "true" } end },
      start = { 1, function()
        local started = mcp.process.start { "true" }
        started:wait()
        return started
      end },
    }
    check_complete(names_of(mcp.process), process, "mcp.process.")
    check(only(process), "mcp.process.")
  end)
end)
