-- SPDX-License-Identifier: MIT
-- Extensions that an app registers: what they declare, who may use them, and how their methods are
-- served, in both eras, through memory and over HTTP.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local ID = "io.example/thing"

-- The text of what `fn` raises.
local function raised(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

describe("app:extension", function()
  local app

  before_each(function() app = mcp.server "spec" end)

  it("names what is wrong, at the line of the caller", function()
    local ROWS = {
      { nil, "expected a table such as" },
      { {}, "id: expected an identifier" },
      { { id = "thing" }, 'got "thing"' },
      { { id = ID, setings = {} }, 'did you mean "settings"?' },
      { { id = ID, settings = { 1 } }, "settings: expected a table with names" },
      { { id = ID, settings = { f = print } }, "settings: " },
      { { id = ID, settings = { revision = "1" } }, "an option of its own" },
      { { id = ID, revision = "" }, "revision: expected a text" },
      { { id = ID, revision = 2 }, "expected a string" },
      { { id = ID, legacy = false, modern = false }, "one of them" },
      { { id = ID, methods = { print } }, "expected names such as" },
      { { id = ID, methods = { [""] = print } }, "an empty one" },
      { { id = ID, methods = { ["notifications/x"] = print } }, "cannot be the name" },
      { { id = ID, methods = { ["a/b"] = 1 } }, 'method "a/b": expected a function' },
      { { id = ID, methods = { ["a/b"] = {} } }, "handler: expected a function, got nil" },
      { { id = ID, methods = { ["a/b"] = { handler = print, traget = "x" } } },
        'did you mean "target"?' },
      { { id = ID, methods = { ["a/b"] = { handler = print, scope = "tol" } } },
        'did you mean "tool"?' },
      { { id = ID, methods = { ["a/b"] = { handler = print, scopes = { "x" } } } },
        "this server has no authorization" },
      { { id = ID, methods = { ["a/b"] = { handler = print, timeout = -1 } } }, "timeout: " },
      { { id = ID, notifications = { ["x/y"] = print } }, 'begins with "notifications/"' },
      { { id = ID, notifications = { ["notifications/cancelled"] = print } },
        'notification "notifications/cancelled" belongs to the protocol itself' },
      { { id = ID, notifications = { ["notifications/x"] = 1 } },
        "expected a function, got number" },
      { { id = ID, notifications = { print } }, "expected names such as" },
      { { id = ID, listen = { toolsListChanged = true } }, "belongs to the protocol itself" },
      { { id = ID, listen = { things = false } }, "expected true or a function, got boolean" },
      { { id = ID, results = { "complete" } }, "belongs to the protocol itself" },
      { { id = ID, results = { 1 } }, "results[1]: expected a string, got number" },
      { { id = ID, results = { "" } }, "results[1]: expected a text, got an empty one" },
      { { id = ID, results = { ticket = true } }, "results: expected a list of strings" },
      { { id = ID, notifications = { ["notifications/message"] = print } },
        'notification "notifications/message" belongs to the protocol itself' },
      { { id = ID, meta = {} }, 'option "meta": expected a function' },
      { { id = helper.PREFIX .. "tasks" }, "is built in: tools have the option task" },
    }
    for i = 1, #ROWS do
      local text = raised(function() app:extension(ROWS[i][1]) end)
      assert.matches(ROWS[i][2], text, 1, true)
      assert.matches("extension_spec.lua:%d+: ", text)
      assert.is_false(app.extensions)
    end
    assert.matches("colon", raised(app.extension, { id = ID }))
  end)

  it("names what its methods are given in place of a context or of params", function()
    local thing = app:extension { id = ID }
    for text, fn in pairs {
      ["extension:settings_of: expected the context of a request, as handlers get it, got nil"] =
        function() thing:settings_of() end,
      ["extension:send: expected the context of a request, as handlers get it, got another table"] =
        function() thing:send({}, "notifications/x") end,
      ["extension:question: params: expected a table with names, got integer"] =
        function() thing:question("a/b", 5) end,
    } do
      local message = raised(fn)
      assert.truthy(message:find(text, 1, true), message)
      assert.matches("extension_spec.lua:%d+: ", message)
    end
  end)

  it("names both sides of a clash", function()
    app:extension { id = ID, methods = { ["thing/do"] = print } }
    local text = raised(function()
      app:extension { id = "io.example/other", methods = { ["thing/do"] = print } }
    end)
    assert.matches('extension "io.example/other": method "thing/do" belongs to the extension '
      .. '"io.example/thing", registered at spec/mcp/server/feature/extension_spec.lua:', text, 1,
      true)
    text = raised(function()
      app:extension { id = "io.example/other", methods = { ["tools/call"] = print } }
    end)
    assert.matches('method "tools/call" belongs to the protocol itself', text, 1, true)
    for kind, member in pairs {
      ['notification "notifications/a"'] = { notifications = { ["notifications/a"] = print } },
      ['filter "things"'] = { listen = { things = true } },
      ['result type "odd"'] = { results = { "odd" } },
    } do
      local clashing = mcp.server "spec"
      for i, id in ipairs { ID, "io.example/other" } do
        member.id = id
        local ok, problem = pcall(clashing.extension, clashing, member)
        assert.equal(i == 1, ok)
        if i == 2 then
          assert.matches(kind .. ' belongs to the extension "io.example/thing", registered at',
            problem, 1, true)
        end
      end
    end
    text = raised(function() app:extension { id = ID } end)
    assert.matches('extension "io.example/thing" is registered already, at spec/', text, 1, true)
  end)

  it("gives a handle", function()
    local handle = app:extension { id = ID, revision = "2" }
    assert.equal(ID, handle.id)
    assert.equal("2", handle.revision)
    assert.equal("mcp.extension (io.example/thing)", tostring(handle))
  end)
end)

for _, way in ipairs { "memory", "http" } do
  for _, era in ipairs { "modern", "legacy" } do
    describe(("an extension (%s, %s)"):format(way, era), function()
      local app, listening, clients

      before_each(function()
        app, clients = mcp.server { name = "spec", timeout = 30 }, {}
        app:tool "has" (function(args, ctx)
          local settings = ctx:has_extension(args.id or ID)
          return settings and { depth = settings.depth or 0 } or "no"
        end)
      end)

      after_each(function()
        for _, client in ipairs(clients) do client:close() end
        if listening then listening:close() end
        listening = nil
        helper.leftovers()
      end)

      local function connect(extensions, more)
        if way == "http" and not listening then
          listening = app:listen { http = "127.0.0.1:0", quiet = true }
        end
        local options = { era = era, extensions = extensions }
        for name, member in pairs(more or {}) do options[name] = member end
        local client = assert(mcp.connect(listening and listening.urls[1] or app, options))
        clients[#clients + 1] = client
        return client
      end

      local function text_of(result) return result.content[1].text end

      it("is declared with its settings and its revision", function()
        app:extension { id = ID, revision = "2", settings = { depth = 3 } }
        app:extension { id = "io.example/other", [era] = false }
        local client = connect { [ID] = { revision = "2", depth = 7 } }
        assert.same({ [ID] = { depth = 3, revision = "2" } }, client.capabilities.extensions)
        assert.same({ depth = 3, revision = "2" }, client:extension(ID))
        assert.is_nil(client:extension "io.example/other")
        assert.same({ depth = 7 }, client:call_tool("has").structuredContent)
      end)

      it("is not active for a client that does not declare it, or in another revision", function()
        app:extension { id = ID, revision = "2" }
        for _, declared in ipairs { {}, { [ID] = true }, { [ID] = { revision = "1" } } } do
          local client = connect(declared)
          assert.is_nil(client:extension(ID))
          assert.equal("no", text_of(client:call_tool("has")))
        end
        assert.is_nil(connect():extension(ID))
        assert.equal("no", text_of(connect({ ["io.example/none"] = true }):call_tool("has",
          { id = "io.example/none" })))
      end)

      it("serves its methods to clients that declare it", function()
        local handle = app:extension { id = ID, revision = "2", methods = {
          ["thing/do"] = { target = "name", handler = function(ctx, params)
            return { name = params.name, depth = ctx:has_extension(ID).depth }
          end },
          ["thing/open"] = { open = true, handler = function() return { open = true } end },
          ["thing/nothing"] = function() end,
        } }
        assert.equal(ID, handle.id)
        local client = connect { { id = ID, revision = "2", settings = { depth = 7 },
          methods = { ["thing/do"] = { target = "name" } } } }
        local result = assert(client:request("thing/do", { name = "a b" }))
        assert.equal("a b", result.name)
        assert.equal(7, result.depth)
        assert.equal(era == "modern" and "complete" or nil, result.resultType)
        assert.is_table(client:request "thing/nothing")
        -- Another client, without a table of methods, names the member itself.
        client = connect { [ID] = { revision = "2" } }
        assert.equal("ü", client:request("thing/do", { name = "ü" }, { target = "name" }).name)

        client = connect { [ID] = {} }
        assert.is_true(client:request "thing/open".open)
        local result_none, text, code, data = client:request("thing/do", { name = "x" },
          { target = "name" })
        assert.is_nil(result_none)
        assert.equal(era == "modern" and -32021 or -32601, code)
        assert.matches('extensions["io.example/thing"] of revision "2" (the client declares none)',
          text, 1, true)
        assert.same({ requiredCapabilities = { extensions = { [ID] = { revision = "2" } } } }, data)
        assert.equal(-32601, select(3, client:request "thing/none"))
      end)

      it("may be open as a whole, and its methods belong to one era", function()
        app:extension { id = ID, open = true, methods = {
          ["thing/a"] = function() return { a = 1 } end,
          ["thing/b"] = { [era] = false, handler = print },
          ["thing/c"] = { open = false, handler = print },
        } }
        local client = connect()
        assert.equal(1, client:request "thing/a".a)
        assert.equal(-32601, select(3, client:request "thing/b"))
        assert.equal(era == "modern" and -32021 or -32601, select(3, client:request "thing/c"))
      end)

      it("answers errors as other handlers do", function()
        app:extension { id = ID, methods = {
          ["thing/raises"] = function() error "at home" end,
          ["thing/fails"] = function() return nil, mcp.error(-32050, "odd", { x = 1 }) end,
          ["thing/says"] = function() return nil, "no luck" end,
          ["thing/list"] = function() return { 1, 2 } end,
          ["thing/text"] = function() return "text" end,
          ["thing/function"] = function() return { f = print } end,
        } }
        local client = connect { [ID] = true }
        local _, text, code, data = client:request "thing/fails"
        assert.same({ "odd", -32050, { x = 1 } }, { text, code, data })
        for _, name in ipairs { "raises", "says", "list", "text", "function" } do
          _, text, code = client:request("thing/" .. name)
          assert.equal(-32603, code)
          assert.equal("Internal error in thing/" .. name .. (name == "function"
            and ": f: function" or ""), text)
        end
      end)

      it("hears the notifications of clients that declare it", function()
        local heard = {}
        app:extension { id = ID, notifications = {
          ["notifications/a"] = function(ctx, params)
            heard[#heard + 1] = ("%s %s"):format(params.n, ctx:has_extension(ID).depth)
          end,
          ["notifications/bad"] = function() error "at home" end,
        } }
        app:extension { id = "io.example/open", open = true, notifications = {
          ["notifications/open"] = function() heard[#heard + 1] = "open" end,
        } }
        local client = connect { [ID] = { depth = 7 } }
        local other = connect { [ID] = { revision = "2" } }
        assert(other:notify("notifications/a", { n = 0 }))
        assert(other:notify "notifications/open")
        assert(other:ping())
        local log = helper.logged(function()
          assert(client:notify "notifications/bad")
          assert(client:notify("notifications/a", { n = 1 }))
          helper.wait_until(function() return heard[2] end, "the notification")
        end)
        assert.matches("notifications/bad: [^\n]*: at home", log)
        assert.same({ "open", "1 7" }, heard)
      end)

      it("adds to _meta of the results of clients that declare it", function()
        app:tool "plain" (function() return "x" end)
        app:extension { id = ID, meta = function(ctx, result)
          if ctx.method == "tools/list" then error "lists are shared" end
          return { ["io.example/n"] = result.content and #result.content or 0 }
        end, methods = { ["thing/do"] = function() return { a = 1 } end } }
        local client = connect { [ID] = true }
        assert.equal(2, #client:list_tools())
        local called = client:call_tool "plain"
        assert.equal(1, called._meta["io.example/n"])
        assert.equal("x", text_of(called))
        local result = client:request "thing/do"
        assert.equal(0, result._meta["io.example/n"])
        assert.equal(era == "modern" and "spec" or nil,
          (result._meta[helper.PREFIX .. "serverInfo"] or {}).name)
        result = connect():call_tool "plain"
        assert.is_nil((result._meta or {})["io.example/n"])
      end)

      it("has results of its own type", function()
        local thing = app:extension { id = ID, results = { "thing" }, open = true, methods = {
          ["thing/own"] = function() return { resultType = "thing", a = 1 } end,
          ["thing/odd"] = function() return { resultType = "odd" } end,
        } }
        app:tool "made" (function() return thing:result("thing", { b = 2 }) end)
        local client = connect { { id = ID, results = { "thing" } } }
        assert.equal("thing", client:request "thing/own".resultType)
        local log = helper.logged(function()
          assert.equal(-32603, select(3, client:request "thing/odd"))
        end)
        assert.matches('resultType: expected one that the option "results" lists, got "odd"', log,
          1, true)
        local result = client:call_tool "made"
        assert.equal("thing", result.resultType)
        assert.equal(2, result.b)
        -- A client that does not know the type gets an error instead.
        local code = select(3, connect():call_tool "made")
        assert.equal(era == "modern" and -32021 or -32601, code)
        if era == "modern" then
          local none, text = connect { { id = ID } }:request "thing/own"
          assert.is_nil(none)
          assert.matches('resultType: expected "complete"', text, 1, true)
        end
        assert.matches('unknown result type "thin", did you mean "thing"?',
          raised(function() thing:result("thin", {}) end), 1, true)
        assert.matches("expected a table with names", raised(thing.result, thing, "thing", { 1 }),
          1, true)
      end)

      it("sends notifications before the response", function()
        local sent = {}
        local thing
        thing = app:extension { id = ID, open = true, methods = { ["thing/do"] = function(ctx)
          sent[#sent + 1] = thing:send(ctx, "notifications/a", { n = 1 })
          return {}
        end } }
        local heard = {}
        local client = connect { { id = ID, notifications = {
          ["notifications/a"] = function(params, own) heard[#heard + 1] = { params.n, own } end,
        } } }
        assert(client:request "thing/do")
        assert(connect():request "thing/do")
        assert.same({ true, false }, sent)
        helper.wait_until(function() return heard[1] end, "the notification")
        assert.equal(1, heard[1][1])
        assert.equal(client, heard[1][2])
      end)

      it("asks its own questions", function()
        local thing
        thing = app:extension { id = ID, revision = "2", open = true, methods = {
          ["thing/do"] = { asks = true, handler = function(ctx, params)
            local answers, text, code = ctx:ask {
              colour = thing:question("thing/ask", { what = params.what }) }
            if not answers then return { text = text, code = code } end
            return { colour = answers.colour.colour }
          end },
        } }
        app:tool "asks" (function(_, ctx)
          return ctx:ask { a = thing:question "thing/ask" }.a.colour
        end)
        local client = connect { { id = ID, revision = "2",
          methods = { ["thing/do"] = { asks = true } },
          requests = { ["thing/ask"] = function(params)
            return { colour = "red " .. (params.what or "nothing") }
          end },
        } }
        assert.equal("red x", client:request("thing/do", { what = "x" }).colour)
        assert.equal("red nothing", text_of(client:call_tool "asks"))
        local _, text, code, data = connect { { id = ID,
          methods = { ["thing/do"] = { asks = true } } } }:request "thing/do"
        assert.equal(era == "modern" and -32021 or -32600, code, text)
        if era == "modern" then
          assert.same({ extensions = { [ID] = { revision = "2" } } }, data.requiredCapabilities)
        end
      end)

      it("passes through middleware, and its methods have their own time", function()
        local seen = {}
        app:use(function(request, next)
          seen[#seen + 1] = request.method .. " " .. request.kind
          return next(request)
        end)
        app:extension { id = ID, methods = {
          ["thing/slow"] = { timeout = 0.05, handler = function(ctx) ctx:sleep(30) end },
        } }
        local client = connect { [ID] = true }
        local began = core.now()
        local _, text, code = client:request("thing/slow", { a = 1 })
        assert.equal("thing/slow timed out after 0.05 s", text)
        assert.equal(-32001, code)
        assert.is_true(core.now() - began < 20)
        assert.equal("thing/slow other", seen[#seen])
      end)
    end)
  end
end

describe("a method of an extension", function()
  after_each(function() helper.leftovers() end)

  it("needs the scopes that it names, and those of the entry it is about", function()
    local scope = require "mcp.server.feature.scope"
    local app = mcp.server "spec"
    app.auth = { of = {}, scopes = { "mcp" }, insufficient = function(_, all)
      return { status = 403, message = "lacks " .. table.concat(all, " ") }
    end }
    app:tool "t" { scopes = { "tools" } } (function() end)
    app:extension { id = ID, methods = {
      ["thing/do"] = { scopes = { "things" }, scope = "tool", handler = print },
      ["thing/free"] = print,
    } }
    assert.equal(2, app.scoped)
    local x = { transport = function() return "http" end }
    local function refused(method, params, scopes)
      app.auth.of[x] = require("mcp.auth.server.principal").new { subject = "a", scopes = scopes }
      local err
      helper.logged(function() err = scope.admit(app, {}, x, method, params) end)
      return err and err.message
    end
    assert.equal("lacks mcp things", refused("thing/do", {}, {}))
    assert.equal("lacks mcp things tools", refused("thing/do", { name = "t" }, { "things" }))
    assert.equal("lacks mcp things tools", refused("thing/do", { name = "t" }, { "tools" }))
    assert.is_nil(refused("thing/do", { name = "t" }, { "tools", "things" }))
    assert.is_nil(refused("thing/do", { name = "none" }, { "things" }))
    assert.is_nil(refused("thing/free", { name = "t" }, {}))
  end)

  it("binds the answers of its questions to all params", function()
    local app = mcp.server "spec"
    local thing
    thing = app:extension { id = ID, methods = { ["thing/do"] = { asks = true, target = "name",
      handler = function(ctx, params)
        return { a = ctx:ask { a = thing:question "thing/ask" }.a.a, n = params.n }
      end } } }
    local peer = helper.open(app, "2026-07-28")
    local function call(params)
      params._meta = helper.envelope { [helper.PREFIX .. "clientCapabilities"] =
        { extensions = { [ID] = {} } } }
      peer:send { jsonrpc = "2.0", id = 1, method = "thing/do", params = params }
      return (peer:receive())
    end
    local first = call({ name = "x", n = 1 }).result
    assert.equal("input_required", first.resultType)
    local function again(name, n)
      return call { name = name, n = n, requestState = first.requestState,
        inputResponses = { a = { a = "yes" } } }
    end
    assert.equal(-32602, again("x", 2).error.code)
    assert.equal(-32602, again("y", 1).error.code)
    local result = again("x", 1).result
    assert.same({ "yes", 1 }, { result.a, result.n })
  end)

  it("has a budget", function()
    local app = mcp.server { name = "spec", budget = { output = 1000 } }
    app:extension { id = ID, open = true, methods = {
      ["thing/much"] = function() return { a = ("x"):rep(2000) } end,
      ["thing/more"] = { budget = { output = 5000 }, handler = function()
        return { a = ("x"):rep(2000) }
      end },
    } }
    local client <close> = assert(mcp.connect(app))
    helper.logged(function()
      local _, text, code = client:request "thing/much"
      assert.matches('method "thing/much" exceeded its output budget', text, 1, true)
      assert.equal(-32603, code)
    end)
    assert.equal(2000, #client:request "thing/more".a)
  end)

  it("is not slower for others: an app without extensions has no table of them", function()
    local app = mcp.server "spec"
    app:tool "t" (function() return "x" end)
    local client <close> = assert(mcp.connect(app))
    assert(client:call_tool "t")
    assert.is_false(app.extensions)
    assert.equal(require("mcp.server.feature.tool").call, app.handlers.modern["tools/call"])
  end)
end)

describe("the notifications of an extension", function()
  local app, thing, clients, heard

  before_each(function()
    app, clients, heard = mcp.server "spec", {}, {}
  end)

  after_each(function()
    for _, client in ipairs(clients) do client:close() end
    helper.leftovers()
  end)

  local function connect(name, era, listen, more)
    local given = { id = ID, listen = listen, notifications = {
      ["notifications/a"] = function(params)
        heard[#heard + 1] = name .. " " .. params.n
        table.sort(heard)
      end } }
    for key, member in pairs(more or {}) do given[key] = member end
    local client = assert(mcp.connect(app, { era = era, extensions = { given } }))
    clients[#clients + 1] = client
    return client
  end

  it("go to the clients that listen to them, and to sessions", function()
    thing = app:extension { id = ID, listen = {
      thingsChanged = true,
      thingIds = function(_, ids)
        local there = mcp.array()
        for _, id in ipairs(ids) do
          if id ~= "none" then there[#there + 1] = id end
        end
        return there[1] and there or nil
      end,
    } }
    local all = connect("all", "modern", { thingsChanged = true })
    local some = connect("some", "modern", { thingIds = { "1", "none" } })
    connect("silent", "modern")
    -- The server has read notifications/initialized before the ping.
    assert(connect("session", "legacy"):ping())
    assert.same({ "1" }, some.listening.honoured.thingIds)
    assert.is_true(all.listening.honoured.thingsChanged)

    assert.equal(3, thing:notify("notifications/a", { n = 1 }))
    assert.equal(2, thing:notify("notifications/a", { n = 2 }, { filter = "thingsChanged" }))
    local function notify_id(n, id, sessions)
      return thing:notify("notifications/a", { n = n },
        { filter = "thingIds", value = id, sessions = sessions })
    end
    assert.equal(1, notify_id(3, "1"))
    assert.equal(0, notify_id(4, "2"))
    assert.equal(2, notify_id(5, "1", true))
    assert.equal(1, thing:notify("notifications/a", { n = 6 }, { where = function(subscriber)
      return subscriber.session ~= nil
    end }))
    helper.wait_until(function() return #heard == 9 end, "the notifications")
    assert.same({ "all 1", "all 2", "session 1", "session 2", "session 5", "session 6", "some 1",
      "some 3", "some 5" }, heard)
  end)

  it("begin with what the filter's function sends", function()
    app:extension { id = ID, listen = { thingIds = function(_, ids)
      return ids, function(subscriber)
        assert.is_true(subscriber:is_open())
        assert.same({ thingIds = ids }, subscriber.filter)
        assert.is_true(subscriber:send("notifications/a", { n = ids[1] }))
      end
    end } }
    connect("new", "modern", { thingIds = { "7" } })
    helper.wait_until(function() return heard[1] end, "the first")
    assert.same({ "new 7" }, heard)
  end)

  it("change with client:listen", function()
    thing = app:extension { id = ID, listen = { thingsChanged = true, others = true } }
    local client = connect("c", "modern")
    assert.equal(0, thing:notify("notifications/a", { n = 0 }))
    assert.same({ thingsChanged = true }, client:listen(ID, { thingsChanged = true,
      none = true }))
    assert.equal(1, thing:notify("notifications/a", { n = 1 }))
    assert.same({}, client:listen(ID))
    helper.wait_until(function()
      return thing:notify("notifications/a", { n = 2 }) == 0
    end, "the end of the subscription")
    assert.matches('"toolsListChanged" belongs to the protocol',
      raised(client.listen, client, ID, { toolsListChanged = true }), 1, true)
    assert.matches("is not in the option extensions",
      raised(client.listen, client, "io.example/none", {}), 1, true)
    local session = connect("s", "legacy")
    assert.same({ nil, "subscriptions/listen is not part of revision 2025-11-25", "ENOTSUP" },
      { session:listen(ID, { thingsChanged = true }) })
    assert.same({ nil, "the server does not have the extension io.example/thing", "ENOTSUP" },
      { connect("r", "modern", nil, { revision = "2" }):listen(ID, {}) })
  end)

  it("are refused to clients that have not declared it, and errors of a filter are sent", function()
    app:extension { id = ID, listen = { thingsChanged = true, thingIds = function(_, ids)
      if ids == "raise" then error "at home" end
      return nil, mcp.error(-32602, "no such thing")
    end } }
    local function listen(filter, declared)
      local client = assert(mcp.connect(app, { era = "modern", timeout = 5,
        extensions = declared ~= false and { [ID] = true } or nil }))
      clients[#clients + 1] = client
      local _, text, code = client:request("subscriptions/listen", { notifications = filter })
      return code, text
    end
    assert.equal(-32021, (listen({ thingsChanged = true }, false)))
    assert.same({ -32602, "no such thing" }, { listen { thingIds = { "1" } } })
    assert.same({ -32602, "subscriptions/listen: notifications.thingsChanged: expected a boolean, "
      .. "got string" }, { listen { thingsChanged = "x" } })
    helper.logged(function() assert.equal(-32603, (listen { thingIds = "raise" })) end)
  end)

  it("are answered with an error where the filter's function returns what cannot be", function()
    app:extension { id = ID, listen = { honoured = function() return print end,
      began = function() return true, 5 end } }
    for name, text in pairs { honoured = 'filter "honoured": expected what JSON can hold',
      began = 'filter "began": expected a function as the second value, got number' } do
      local client = assert(mcp.connect(app, { era = "modern", timeout = 5,
        extensions = { [ID] = true } }))
      clients[#clients + 1] = client
      local code
      local log = helper.logged(function()
        code = select(3, client:request("subscriptions/listen", { notifications = { [name] = 1 } }))
      end)
      assert.equal(-32603, code)
      assert.truthy(log:find(text, 1, true), log)
    end
  end)

  it("are no more than there may be, however long the filter's functions wait", function()
    app.bus.max = 2
    local waiting, go = 0, false
    app:extension { id = ID, listen = { slow = function()
      waiting = waiting + 1
      while not go do mcp.sleep(0.001) end
      return true
    end } }
    local failed = 0
    for _ = 1, 4 do
      local client = assert(mcp.connect(app, { era = "modern", extensions = { [ID] = true } }))
      clients[#clients + 1] = client
      mcp.spawn(function()
        local _, _, code = client:request("subscriptions/listen",
          { notifications = { slow = true } })
        if code == -32603 then failed = failed + 1 end
      end)
    end
    helper.wait_until(function() return waiting == 4 end, "all are asked")
    go = true
    helper.wait_until(function() return failed == 2 end, "two are refused")
    assert.equal(2, app.bus.count)
  end)

  it("are checked where they are sent", function()
    thing = app:extension { id = ID, listen = { thingsChanged = true } }
    for _, row in ipairs {
      { "expected a name that begins with", "thing/a" },
      { "expected a name that begins with", nil },
      { "expected a table with names", "notifications/a", { 1 } },
      { "params: ", "notifications/a", { f = print } },
      { 'did you mean "filter"?', "notifications/a", {}, { filtr = "x" } },
      { 'did you mean "thingsChanged"?', "notifications/a", {}, { filter = "thingChanged" } },
    } do
      local text = raised(function()
        thing:notify(row[2], row[3], row[4])
      end)
      assert.matches(row[1], text, 1, true)
      assert.matches("^spec/mcp/server/feature/extension_spec.lua:%d+: ", text)
    end
    assert.matches("called with a colon", raised(function() thing.notify "notifications/a" end), 1,
      true)
  end)

  it("charge what clients listen to, and give it back", function()
    thing = app:extension { id = ID, listen = { thingIds = function(_, ids) return ids end } }
    local ids = {}
    for i = 1, 1000 do ids[i] = ("%032d"):format(i) end
    local client = connect("c", "modern", { thingIds = ids })
    local share = app.extensions.listen_share
    assert.is_true(share:held() > 32000)
    client:close()
    helper.wait_until(function()
      thing:notify("notifications/a", { n = 1 })
      return share:held() == 0
    end, "the release")
    -- What has ended makes room for others, without a notification.
    for _ = 1, 40 do
      local short = connect("c", "modern", { thingIds = { "1" } })
      short:close()
    end
    assert.is_true(app.extensions.listen_count <= 32)
  end)
end)
