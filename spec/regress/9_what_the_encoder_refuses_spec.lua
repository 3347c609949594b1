-- SPDX-License-Identifier: MIT
-- What JSON cannot carry is found by the encoder, when a handler has long returned. Whoever reads
-- the answer, or the log, must still learn which tool it was and where in its result.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local raw = require "codecs.raw"

local BAD = ("x"):rep(11) .. "\xff" -- not UTF-8 at byte 12
local WHERE = "not valid UTF-8 at byte 12"

describe("what only the encoder refuses", function()
  local app
  before_each(function() app = mcp.server "spec" end)
  after_each(helper.leftovers)

  -- One request in a revision, and what was logged meanwhile.
  local function ask(revision, method, params)
    local peer, response = helper.open(app, revision), nil
    local log = helper.logged(function()
      response = (peer.era and peer.modern or peer.request)(peer, method, params)
    end)
    return response, log, peer
  end

  for _, revision in ipairs { "2024-11-05", "2025-11-25", "2026-07-28" } do
    describe("with a client of " .. revision, function()
      for name, case in pairs {
        ["a text"] = { function() return BAD end, "content[1].text" },
        ["a text among others"] = { function() return { mcp.text "a", mcp.text(BAD) } end,
          "content[2].text" },
        ["the text of an error"] = { function() error(BAD, 0) end, "content[1].text" },
        ["nil and a text"] = { function() return nil, BAD end, "content[1].text" },
        ["a whole result"] = { function()
          return { content = { { type = "text", text = "a", annotations = { x = BAD } } } }
        end, "content[1].annotations.x" },
        ["a link"] = { function() return mcp.resource_link("test://a", { title = BAD }) end,
          revision > "2025-06" and "content[1].title" or nil },
        ["a media type"] = { function() return mcp.image("png", BAD) end, "content[1].mimeType" },
        ["a number that is none"] = { function()
          return { content = { { type = "text", text = 0 / 0 } } }
        end, "content[1].text", "NaN" },
      } do
        it("in a tool's result is an error result with tool and place: " .. name, function()
          app:tool "x" (case[1])
          local response, log = ask(revision, "tools/call", { name = "x" })
          if not case[2] then
            assert.is_nil(response.result.isError)
            return
          end
          local text = ('tool "x": %s: %s'):format(case[2], case[3] or WHERE)
          assert.is_true(response.result.isError)
          assert.equal(text, response.result.content[1].text)
          assert.matches("error: " .. text, log, 1, true)
          assert.equal(revision == "2026-07-28" and "complete" or nil, response.result.resultType)
          assert.equal(revision == "2026-07-28",
            response.result._meta ~= nil and response.result._meta[helper.PREFIX .. "serverInfo"]
              ~= nil)
        end)
      end

      it("in structured content names the member", function()
        app:tool "x" (function() return { a = { BAD } } end)
        app:tool "y" { output = "any" } (function()
          return { content = { mcp.text "a" }, structuredContent = { a = BAD } }
        end)
        local response = ask(revision, "tools/call", { name = "x" })
        assert.is_true(response.result.isError)
        assert.equal('tool "x" returned what JSON cannot carry: a[1]: ' .. WHERE,
          response.result.content[1].text)
        response = ask(revision, "tools/call", { name = "y" })
        if revision == "2024-11-05" then
          assert.equal("a", response.result.content[1].text) -- it has no structured content
        else
          assert.is_true(response.result.isError)
          assert.equal(('tool "y": structuredContent%s.a: %s'):format(
            revision == "2025-11-25" and ".result" or "", WHERE), response.result.content[1].text)
        end
      end)

      it("in an mcp.error: the code stays, and the text if that is good", function()
        app:tool "x" (function() error(mcp.error(7, "no such thing", { a = BAD })) end)
        app:tool "y" (function() error(mcp.error(8, BAD, { a = 1 })) end)
        local response, log = ask(revision, "tools/call", { name = "x" })
        assert.same({ code = 7, message = "no such thing" }, response.error)
        assert.matches('error: tool "x": error: data.a: ' .. WHERE, log, 1, true)
        response, log = ask(revision, "tools/call", { name = "y" })
        assert.same({ code = 8, message = 'tool "y": error: message: ' .. WHERE }, response.error)
        assert.matches('error: tool "y": error: message: ' .. WHERE, log, 1, true)
      end)

      it("in a resource and a prompt is an error with name and place", function()
        app:resource "test://a" (function() return { text = BAD } end)
        app:prompt "p" (function() return BAD end)
        local response, log = ask(revision, "resources/read", { uri = "test://a" })
        local text = 'resource "test://a": contents[1].text: ' .. WHERE
        assert.same({ code = -32603, message = "Internal error in " .. text }, response.error)
        assert.matches(text, log, 1, true)
        response, log = ask(revision, "prompts/get", { name = "p" })
        text = 'prompt "p": messages[1].content.text: ' .. WHERE
        assert.same({ code = -32603, message = "Internal error in " .. text }, response.error)
        assert.matches(text, log, 1, true)
      end)

      it("in a completion is left out, and logged", function()
        app:prompt "p" { arguments = { a = "string?" }, complete = {
          a = function() return { "one", BAD, "two" } end } } (function() return "x" end)
        local response, log = ask(revision, "completion/complete", {
          ref = { type = "ref/prompt", name = "p" }, argument = { name = "a", value = "" } })
        assert.same({ values = { "one", "two" }, total = 2, hasMore = false },
          helper.plain(response.result.completion))
        assert.equal('error: prompt "p": complete: "a": [2] is omitted: ' .. WHERE, log)
      end)

      it("in an entry that a template lists is left out, and logged", function()
        app:resource "test://{id}" { list = function()
          return { "test://1", { uri = "test://2", title = BAD, name = BAD },
            { uri = "test://3", meta = { f = print } }, "test://4" }
        end } (function() return "x" end)
        local response, log = ask(revision, "resources/list")
        local uris = {}
        for i, one in ipairs(response.result.resources) do uris[i] = one.uri end
        assert.equal("test://1", uris[1])
        assert.equal("test://4", uris[#uris])
        assert.matches('error: template "test://{id}": list: an entry is omitted: ', log, 1, true)
        assert.is_nil(log:find("\xff", 1, true))
      end)

      it("in an entry that was changed after it was registered is left out", function()
        local meta = { a = 1 }
        app:tool "kept" { input = { a = mcp.string {} }, meta = meta } (function() end)
        app:prompt "good" (function() return "x" end)
        app:prompt "bad" { meta = meta } (function() return "x" end)
        app:resource "test://good" (function() return "x" end)
        app:resource "test://bad" { meta = meta } (function() return "x" end)
        meta.a = BAD
        -- A tool is as it was when it was registered.
        local tools = ask(revision, "tools/list").result.tools
        assert.equal("kept", tools[1].name)
        assert.same(revision > "2025-06" and { a = 1 } or nil, tools[1]._meta)
        for method, list in pairs { ["prompts/list"] = "prompts",
          ["resources/list"] = "resources" } do
          local response, log = ask(revision, method)
          if revision == "2024-11-05" then
            assert.equal(2, #response.result[list]) -- it knows no _meta here
          else
            assert.equal(1, #response.result[list])
            assert.matches("good", response.result[list][1].name, 1, true)
            assert.matches('bad" is omitted from a list: _meta.a: ' .. WHERE, log, 1, true)
          end
        end
      end)
    end)
  end

  it("is left out of lists that differ by caller, and of pages", function()
    local meta = { a = 1 }
    for _, options in ipairs { { name = "spec", page_size = 10 }, { name = "spec" } } do
      app = mcp.server(options)
      meta.a = 1
      app:prompt "good" { visible = not options.page_size and function() return true end or nil } (
        function() return "x" end)
      app:prompt "bad" { meta = meta } (function() return "x" end)
      meta.a = BAD
      local response, log = ask("2025-11-25", "prompts/list")
      assert.equal(1, #response.result.prompts)
      assert.matches('prompt "bad" is omitted from a list: _meta.a', log, 1, true)
    end
  end)

  it("in a batch takes no other answer with it", function()
    app:tool "bad" (function() return BAD end)
    app:tool "worse" (function() error(mcp.error(7, "m", { BAD })) end)
    app:tool "good" (function() return "fine" end)
    local peer = helper.open(app, "2025-03-26")
    local list = {}
    for i, name in ipairs { "bad", "good", "worse" } do
      list[i] = { jsonrpc = "2.0", id = i, method = "tools/call", params = { name = name } }
    end
    helper.logged(function() peer:send(list) end)
    local answers = peer:receive()
    assert.equal('tool "bad": content[1].text: ' .. WHERE, answers[1].result.content[1].text)
    assert.equal("fine", answers[2].result.content[1].text)
    assert.same({ code = 7, message = "m" }, answers[3].error)
  end)

  -- A context that waits for the next call has let go of the tool's entry (server/reload.lua).
  describe("over HTTP, where contexts are used again,", function()
    local listening, post
    before_each(function()
      app:tool "one" { input = {} } (function(_) return BAD end)
      app:tool "two" { input = {} } (function(_, _) return BAD end)
      app:tool "good" { input = {} } (function(_) return "fine" end)
      listening = app:listen { http = 0, quiet = true }
    end)
    after_each(function() listening:close() end)

    -- Sends a body, gives the head and the body of its answer.
    local function connect(fields)
      local socket, came = assert(raw.connect(listening.port)), ""
      post = function(body)
        local text = ("POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
          .. "Accept: application/json, text/event-stream\r\n%sContent-Length: %d\r\n\r\n%s")
          :format(fields, #body, body)
        assert.equal(#text, socket:send(text))
        local head, answer
        helper.wait_until(function()
          came = came .. socket:receive()
          head, answer = came:match "^(.-\r\n\r\n)(.*)$"
          local length = head and tonumber(head:lower():match "content%-length: (%d+)")
          return length and #answer >= length
        end, "an answer to " .. body)
        came = ""
        return head, answer
      end
      return setmetatable({}, { __close = function()
        socket:close()
        helper.settle()
      end })
    end

    local function check(name, params)
      local log = helper.logged(function()
        local _, answer = post(('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%s}')
          :format(params:format(name)))
        local response = core.decode(answer)
        if name == "good" then
          assert.equal("fine", response.result.content[1].text)
          return
        end
        assert.is_nil(response.error)
        assert.is_true(response.result.isError)
        assert.equal(('tool "%s": content[1].text: %s'):format(name, WHERE),
          response.result.content[1].text)
      end)
      assert.equal(name == "good" and ""
        or ('error: tool "%s": content[1].text: %s'):format(name, WHERE), log)
    end

    local function all(params)
      for _, name in ipairs { "one", "one", "one", "good", "good", "one", "two", "two", "two",
        "good", "one" } do
        check(name, params)
      end
      -- One that does not exist is not the one before it.
      local log = helper.logged(function()
        local _, answer = post(('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%s}')
          :format(params:format "none"))
        assert.matches("Unknown tool: none", core.decode(answer).error.message, 1, true)
      end)
      assert.equal("", log)
    end

    it("has the tool and the place: of a session", function()
      local first <close> = connect ""
      assert.is_table(first)
      local head = post('{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":'
        .. '"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}')
      local second <close> = connect(("Mcp-Session-Id: %s\r\n"):format(
        head:match "Mcp%-Session%-Id: ([^\r]+)"))
      assert.is_table(second)
      all '{"name":"%s","arguments":{}}'
    end)

    it("has the tool and the place: without a session", function()
      for _, name in ipairs { "one", "two" } do
        local client <close> = connect("MCP-Protocol-Version: 2026-07-28\r\n"
          .. "Mcp-Method: tools/call\r\nMcp-Name: " .. name .. "\r\n")
        assert.is_table(client)
        for _ = 1, 4 do
          check(name, '{"name":"%s","arguments":{},"_meta":{'
            .. '"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
            .. '"io.modelcontextprotocol/clientCapabilities":{}}}')
        end
      end
    end)
  end)

  it("around a tool is named by it, too: middleware", function()
    app:tool "x" (function() return "good" end)
    app:use(function(request, following)
      local result = following(request)
      result._meta = { seen = BAD }
      return result
    end)
    local response = ask("2025-11-25", "tools/call", { name = "x" })
    assert.equal('tool "x": _meta.seen: ' .. WHERE, response.result.content[1].text)
  end)

  it("in log data and the message of progress raises where it was written", function()
    local seen = {}
    app:tool "x" (function(_, ctx)
      seen[1] = select(2, pcall(function() ctx:log("error", { text = BAD }) end))
      seen[2] = select(2, pcall(function() ctx:log("error", "fine", BAD) end))
      seen[3] = select(2, pcall(function() ctx:progress(1, 2, BAD) end))
      seen[4] = select(2, pcall(function() ctx:log("error", { f = print }) end))
      ctx:log("error", BAD)
    end)
    local peer = helper.open(app)
    local response
    helper.logged(function()
      response = peer:request("tools/call", { name = "x", _meta = { progressToken = 1 } })
    end)
    for i, text in ipairs { "ctx:log: data.text: " .. WHERE,
      "ctx:log: logger: " .. WHERE, "ctx:progress: message: " .. WHERE,
      "ctx:log: data.f: function" } do
      assert.matches("^spec/regress/9_what_the_encoder_refuses_spec%.lua:%d+: ", seen[i])
      assert.matches(text, seen[i], 1, true)
    end
    assert.is_true(response.result.isError)
    assert.equal("ctx:log: data: " .. WHERE, response.result.content[1].text)
    assert.same({}, peer.notices)
  end)

  it("in a question names the method and the place", function()
    app:tool "x" (function(_, ctx)
      return ctx:sample { messages = { "a", BAD }, max_tokens = 5 }
    end)
    local peer = helper.connect(app)
    peer:initialize("2025-11-25", { sampling = {} })
    local result
    helper.logged(function() result = peer:call "x" end)
    assert.equal("ctx:sample: cannot be JSON: messages[2].content.text: " .. WHERE,
      result.content[1].text)
  end)

  describe("is refused at registration", function()
    local function refused(text, fn)
      local ok, err = pcall(fn)
      assert.is_false(ok, "nothing was refused: " .. text)
      assert.matches("^spec/regress/9_what_the_encoder_refuses_spec%.lua:%d+: ", err)
      assert.matches(text, err, 1, true)
    end

    it("in schemas, annotations, icons, names of arguments, completions", function()
      refused('tool "t": inputSchema.properties.a.description: ' .. WHERE, function()
        app:tool "t" { input = { a = mcp.string { description = BAD } } } (function() end)
      end)
      refused('tool "t": outputSchema.properties.a.title: ' .. WHERE, function()
        app:tool "t" { output = { a = mcp.string { title = BAD } } } (function() end)
      end)
      refused('tool "t": annotations.title: ' .. WHERE, function()
        app:tool "t" { annotations = { title = BAD } } (function() end)
      end)
      refused('tool "t": icons[1].mimeType: ' .. WHERE, function()
        app:tool "t" { icons = { { src = "https://example.org/a", mime = BAD } } } (function() end)
      end)
      refused('prompt "p": ', function()
        app:prompt "p" { arguments = { { name = "a", title = BAD } } } (function() end)
      end)
      refused('prompt "p": complete: "a": [2]: ' .. WHERE, function()
        app:prompt "p" { arguments = { a = "string" }, complete = { a = { "x", BAD } } } (
          function() end)
      end)
      refused('resource "test://a": icons[1].src', function()
        app:resource "test://a" { icons = { { src = "data:\xff" } } } (function() end)
      end)
    end)

    it("in what the server says of itself", function()
      for name, text in pairs { name = "name", version = "version", title = "title",
        description = "description", website = "website", instructions = "instructions" } do
        refused(("mcp.server: %s: %s"):format(text, WHERE), function()
          local options = { name = "spec" }
          options[name] = BAD
          mcp.server(options)
        end)
      end
    end)
  end)

  it("costs no good answer anything", function()
    app:tool "x" (function() return "\u{20ac}" end)
    local response, log = ask("2025-11-25", "tools/call", { name = "x" })
    assert.equal("\u{20ac}", response.result.content[1].text)
    assert.equal("", log)
    assert.is_function(core.raw)
  end)
end)
