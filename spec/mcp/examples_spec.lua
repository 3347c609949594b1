-- SPDX-License-Identifier: MIT
-- Every example runs, by the program and over its pipes.
local core = require "mcp.core"
local helper = require "spec.helper"

local PREFIX = helper.PREFIX

-- Runs an example with these messages on its standard input; gives the answers by id, and in order.
local function run(words, messages)
  local lines = {}
  for i, message in ipairs(messages) do lines[i] = core.encode(message) end
  local list = { "timeout", "10", helper.quote(helper.program()), "run" }
  for _, word in ipairs(words) do list[#list + 1] = helper.quote(word) end
  local input = helper.file(table.concat(lines, "\n") .. "\n")
  local out, status = helper.shell(("%s <%s 2>/dev/null"):format(table.concat(list, " "),
    helper.quote(input)))
  local by_id, order = {}, {}
  for line in out:gmatch "[^\n]+" do
    local message = assert(core.decode(line))
    order[#order + 1] = message
    if message.id then by_id[message.id] = message end
  end
  return by_id, order, status
end

local function request(id, method, params)
  return { jsonrpc = "2.0", id = id, method = method, params = params }
end

local HELLO = request(0, "initialize", { protocolVersion = "2025-11-25", capabilities = {},
  clientInfo = { name = "spec", version = "1" } })
local READY = { jsonrpc = "2.0", method = "notifications/initialized" }

local function call(id, name, arguments)
  return request(id, "tools/call", { name = name, arguments = arguments })
end

describe("examples", function()
  after_each(helper.remove_files)

  it("there is a test here for each", function()
    local tested = { ["hello.lua"] = true, ["files.lua"] = true,
      ["auth_server.lua"] = true, ["all_transports.lua"] = true,
      -- spec/mcp/examples_openapi_spec.lua
      ["openapi.lua"] = true,
      -- spec/mcp/examples_skills_spec.lua
      ["skills.lua"] = true,
      -- spec/mcp/examples_sqlite_spec.lua
      ["sqlite.lua"] = true, ["sqlite_worker.lua"] = true,
      -- spec/mcp/examples_notes_spec.lua
      ["notes.lua"] = true, ["job.lua"] = true,
      -- spec/mcp/examples_search_spec.lua
      ["search.lua"] = true, ["code_mode.lua"] = true, ["code_mode_script.lua"] = true,
      -- spec/mcp/examples_fetch_spec.lua
      ["fetch.lua"] = true,
      -- spec/mcp/examples_chart_spec.lua
      ["chart.lua"] = true,
      -- spec/mcp/examples_garden_spec.lua
      ["garden.lua"] = true,
      -- spec/mcp/examples_runner_spec.lua
      ["runner.lua"] = true,
      -- spec/mcp/examples_luv_spec.lua
      ["with_luv.lua"] = true, ["with_cqueues.lua"] = true,
      -- spec/mcp/client/examples_spec.lua
      ["client_stdio.lua"] = true, ["client_memory.lua"] = true, ["client_websocket.lua"] = true,
      ["client_http.lua"] = true, ["client_sse.lua"] = true, ["client_auth.lua"] = true,
      ["notebook.lua"] = true, ["client_notebook.lua"] = true,
      -- spec/mcp/auth/flow_spec.lua
      ["client_oauth.lua"] = true }
    local folder <close> = assert(core.folder "examples")
    for _, entry in ipairs(assert(folder:list())) do
      if entry.name:find "%.lua$" then assert.is_true(tested[entry.name], entry.name) end
    end
  end)

  describe("hello.lua", function()
    it("greets, in a session", function()
      local got, order, status = run({ "examples/hello.lua" }, { HELLO, READY,
        request(1, "tools/list"), call(2, "greet", { name = "Ada" }), call(3, "greet", {}) })
      assert.equal(0, status)
      assert.equal(4, #order)
      assert.equal("hello", got[0].result.serverInfo.name)
      assert.equal("greet", got[1].result.tools[1].name)
      assert.same({ "name" }, helper.plain(got[1].result.tools[1].inputSchema.required))
      assert.equal("Hello, Ada!", got[2].result.content[1].text)
      assert.is_true(got[3].result.isError)
      assert.matches('"name"', got[3].result.content[1].text, 1, true)
    end)

    it("greets, without one", function()
      local got = run({ "examples/hello.lua" }, {
        request(1, "server/discover", { _meta = helper.envelope() }),
        request(2, "tools/call", { name = "greet", arguments = { name = "Ada" },
          _meta = helper.envelope() }) })
      assert.equal("hello", got[1].result._meta[PREFIX .. "serverInfo"].name)
      assert.equal("Hello, Ada!", got[2].result.content[1].text)
    end)
  end)

  describe("all_transports.lua", function()
    local mcp = require "mcp"
    local support = require "spec.support"
    after_each(support.stop_all)

    local function serve(way)
      local file <close> = assert(io.open "examples/all_transports.lua")
      return support.start("nil", { script = file:read "a", [4] = way, [5] = "0" })
    end

    -- What a client finds there.
    local function visit(transport)
      local session <close> = mcp.session(transport, { timeout = 10 })
      assert(session:initialize())
      assert.equal("universal_tool", assert(session:list_tools())[1].name)
      assert.equal("config://server", assert(session:list_resources())[1].uri)
      assert.equal("generate_report", assert(session:list_prompts())[1].name)
      return assert(session:call_tool("universal_tool", { message = "hello" })).content[1].text
    end

    it("is the same over standard input and output, which is what it serves if not told", function()
      for _, args in ipairs { { "examples/all_transports.lua" },
        { "examples/all_transports.lua", "stdio" } } do
        assert.equal("Processed: hello (stdio)",
          visit(mcp.stdio_client { command = helper.program(), args = args }))
      end
    end)

    it("over Streamable HTTP", function()
      local url = serve "http":wait_said "answers at (http://%S+)\n"
      assert.equal("Processed: hello (http)", visit(mcp.streamable_http_client(url)))
    end)

    it("over HTTP+SSE", function()
      local url = serve "sse":wait_said "answers at (http://%S+)\n"
      assert.equal("Processed: hello (sse)", visit(mcp.sse_client(url)))
    end)

    it("over WebSocket", function()
      local url = serve "websocket":wait_said "answers at (ws://%S+)\n"
      assert.equal("Processed: hello (websocket)", visit(mcp.websocket_client(url)))
    end)

    it("and over all of them at once, with pages of one origin let in", function()
      local server = serve "multi"
      local http, sse, socket = server:wait_said(
        "answers at (http://%S+)\n.-answers at (http://%S+)\n.-answers at (ws://%S+)\n")
      assert.equal("Processed: hello (http)", visit(mcp.streamable_http_client(http)))
      assert.equal("Processed: hello (sse)", visit(mcp.sse_client(sse)))
      assert.equal("Processed: hello (websocket)", visit(mcp.websocket_client(socket)))
      local function from(origin)
        return visit(mcp.streamable_http_client(http, { headers = { Origin = origin } }))
      end
      assert.equal("Processed: hello (http)", from "http://localhost:3000")
      local _, why = pcall(from, "http://evil.example")
      assert.matches("status 403", why, 1, true)
    end)

    it("refuses an unknown transport", function()
      local out, status = helper.shell(helper.quote(helper.program())
        .. " examples/all_transports.lua carrier-pigeon 2>&1")
      assert.equal("luamcp: transport: expected stdio, http, sse, websocket or multi, "
        .. 'got "carrier-pigeon"\n', out)
      assert.equal(1, status)
    end)
  end)

  describe("auth_server.lua", function()
    local jwt = require "mcp.auth.jwt"
    local support = require "spec.support"
    after_each(support.stop_all)

    it("keeps everybody's notes apart, and asks for scopes", function()
      local pem, jwk = require("mcp.openssl").generate_key "EdDSA"
      local file <close> = assert(io.open "examples/auth_server.lua")
      local server = support.start("nil", { script = file:read "a", env = {
        "ISSUER=https://as.test", "PORT=0", "RESOURCE=https://notes.test/mcp",
        "JWKS=" .. helper.file(core.encode { keys = { jwk } }) } })
      server.port = math.tointeger(server:wait_said "answers at http://[^%s]-:(%d+)/")
      local function ask(subject, scope, tool, arguments)
        local claims = { iss = "https://as.test", aud = "https://notes.test/mcp", sub = subject,
          exp = os.time() + 60, scope = scope }
        local token = subject and assert(jwt.sign({ alg = "EdDSA" }, claims, pem))
        local client <close> = support.client(server)
        local answer = client:ask(support.call(1, tool, arguments,
          { Authorization = token and "Bearer " .. token or nil }))
        return answer.status, answer.json and answer.json.result and
          answer.json.result.content[1].text
      end
      assert.equal(401, (ask(nil, nil, "list")))
      assert.equal(403, (ask("ada", "other", "list")))
      assert.equal(403, (ask("ada", "notes", "add", { text = "tea" })))
      local status, text = ask("ada", "notes notes:write", "add", { text = "tea" })
      assert.equal(200, status)
      assert.equal("Noted for ada", text)
      assert.equal(200, (ask("ada", "notes notes:all", "add", { text = "milk" })))
      status, text = ask("ada", "notes", "list")
      assert.equal(200, status)
      assert.equal("tea\nmilk", text)
      status, text = ask("eve", "notes", "list")
      assert.equal(200, status)
      assert.equal("", text)
    end)
  end)

  describe("files.lua", function()
    local WORDS = { "examples/files.lua", "examples/library" }

    it("shows its files, and no address leads outside", function()
      local outside = {
        "folder:///../files.lua", "folder:///../../Makefile", "folder:///garden/../../files.lua",
        "folder:///%2e%2e/files.lua", "folder:///..%2ffiles.lua", "folder:///%2e%2e%2ffiles.lua",
        "folder:////etc/passwd", "folder:///%2fetc%2fpasswd", "folder:///etc/passwd",
        "folder:///garden/%2e%2e/%2e%2e/files.lua", "folder:///tea.md%00",
        "folder:///tea.md%00.txt",
        "folder:///..\\files.lua", "folder:///./../files.lua", "folder:///",
        "folder:///garden", "folder:///garden/", "file:///etc/passwd", "folder://host/tea.md",
        "folder:///nosuch.md", "folder:///%252e%252e/files.lua",
      }
      local messages = { HELLO, READY, request(1, "resources/list"),
        request(2, "resources/templates/list"),
        request(3, "resources/read", { uri = "folder:///garden/spring.md" }) }
      for i, uri in ipairs(outside) do
        messages[#messages + 1] = request(100 + i, "resources/read", { uri = uri })
      end
      local got, _, status = run(WORDS, messages)
      assert.equal(0, status)
      local names = {}
      for i, file in ipairs(got[1].result.resources) do
        names[i] = file.uri
        assert.is_true(file.size > 0)
      end
      assert.same({ "folder:///garden/herbst.txt", "folder:///garden/spring.md",
        "folder:///planets.csv", "folder:///rain.txt", "folder:///tea.md" }, names)
      assert.equal("folder:///{+path}", got[2].result.resourceTemplates[1].uriTemplate)
      local contents = got[3].result.contents[1]
      assert.equal("text/markdown", contents.mimeType)
      assert.equal(assert(io.open "examples/library/garden/spring.md"):read "a", contents.text)
      for i, uri in ipairs(outside) do
        local answer = got[100 + i]
        assert.is_nil(answer.result, uri)
        assert.equal(-32002, answer.error.code, uri)
      end
    end)

    it("refuses links that lead outside", function()
      local folder = helper.file ""
      os.remove(folder)
      assert(os.execute("mkdir " .. helper.quote(folder)))
      assert(os.execute(("cd %s && ln -s /etc/passwd out.txt && ln -s .. up && echo in > in.txt "
        .. "&& ln -s in.txt link.txt"):format(helper.quote(folder))))
      local got = run({ "examples/files.lua", folder }, { HELLO, READY,
        request(1, "resources/list"), request(2, "resources/read", { uri = "folder:///out.txt" }),
        request(3, "resources/read", { uri = "folder:///up/passwd" }),
        request(4, "resources/read", { uri = "folder:///in.txt" }),
        call(5, "search", { query = "root" }) })
      os.execute("rm -r " .. helper.quote(folder))
      assert.equal(1, #got[1].result.resources)
      assert.equal(-32002, got[2].error.code)
      assert.equal(-32002, got[3].error.code)
      assert.equal("in\n", got[4].result.contents[1].text)
      assert.same({}, helper.plain(got[5].result.structuredContent.matches))
    end)

    it("finds lines, with a limit, and says what is wrong with a call", function()
      local got = run(WORDS, { HELLO, READY, call(1, "search", { query = "THE", limit = 2 }),
        call(2, "search", { query = "no line has this in it" }), call(3, "search", { query = "" }),
        call(4, "search", { query = "x", limit = 0 }), call(5, "search", {}) })
      local matches = got[1].result.structuredContent.matches
      assert.equal(2, #matches)
      for _, match in ipairs(matches) do
        assert.matches("the", match.text:lower(), 1, true)
        assert.is_true(match.line >= 1)
      end
      assert.same({}, helper.plain(got[2].result.structuredContent.matches))
      assert.equal('{"matches":[]}', got[2].result.content[1].text)
      for id = 3, 5 do assert.is_true(got[id].result.isError, id) end
    end)

    it("has a prompt", function()
      local got = run(WORDS, { HELLO, READY,
        request(1, "prompts/get", { name = "summarise", arguments = { path = "tea.md" } }),
        request(2, "prompts/get", { name = "summarise", arguments = { path = "../hello.lua" } }),
        request(3, "prompts/get", { name = "summarise" }) })
      local messages = got[1].result.messages
      assert.equal("folder:///tea.md", messages[1].content.resource.uri)
      assert.equal("text", messages[2].content.type)
      assert.equal(-32602, got[2].error.code)
      assert.equal(-32602, got[3].error.code)
    end)

    it("without a folder says how to use it", function()
      local _, order, status = run({ "examples/files.lua" }, {})
      assert.equal(0, #order)
      assert.equal(1, status)
    end)
  end)
end)
