-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local mcp = require "mcp"

describe("completion", function()
  after_each(helper.leftovers)

  local app
  before_each(function()
    app = mcp.server "spec"
    app:prompt "review" {
      arguments = { language = "string", file = "string?", note = "string?" },
      complete = {
        language = { "Lua", "LuaJIT", "C", "c++" },
        file = function(text, ctx, chosen)
          return { text, ctx.method, chosen.language or "nothing chosen" }
        end,
      },
    } (function() return "x" end)
    app:prompt "bare" { arguments = { a = "string" } } (function() return "x" end)
    app:resource "notes://{folder}/{name}" {
      complete = { folder = function() return { "home", "work" } end },
    } (function() return "x" end)
    app:resource "notes://today" (function() return "x" end)
  end)

  local function ask(params, revision)
    local peer = helper.open(app, revision)
    local response, line = (peer.era and peer.modern or peer.request)(peer, "completion/complete",
      params)
    peer:close()
    return response.result and response.result.completion, response.error, line, response.result
  end

  local function prompt(name, argument, text, context, revision)
    return ask({ ref = { type = "ref/prompt", name = name },
      argument = { name = argument, value = text }, context = context }, revision)
  end

  local function template(uri, argument, text)
    return ask { ref = { type = "ref/resource", uri = uri },
      argument = { name = argument, value = text } }
  end

  it("a list completes by prefix, ignoring case, in its own order (4.6)", function()
    for text, expected in pairs {
      lua = { "Lua", "LuaJIT" }, LUAJ = { "LuaJIT" }, c = { "C", "c++" }, ["c+"] = { "c++" },
      [""] = { "Lua", "LuaJIT", "C", "c++" }, x = {}, ["%"] = {},
    } do
      local got = prompt("review", "language", text)
      assert.same({ values = expected, total = #expected, hasMore = false }, helper.plain(got),
        text)
    end
  end)

  it("works in every revision; no values are [] (1.2)", function()
    for _, revision in ipairs(helper.revisions) do
      assert.same({ "Lua", "LuaJIT" },
        helper.plain(prompt("review", "language", "lu", nil, revision).values), revision)
      local _, _, line, result = prompt("review", "language", "zz", nil, revision)
      assert.matches('"values":[]', line, 1, true)
      assert.equal(revision == "2026-07-28" and "complete" or nil, result.resultType)
    end
  end)

  it("a function gets text, context, and what is chosen from 2025-06-18 on (4.6)", function()
    local context = { arguments = { language = "Lua" } }
    for _, revision in ipairs(helper.revisions) do
      local got = prompt("review", "file", "ab", context, revision)
      assert.same({ "ab", "completion/complete",
        revision < "2025-06-18" and "nothing chosen" or "Lua" }, helper.plain(got.values), revision)
    end
    for _, nothing in ipairs { {}, { arguments = {} } } do
      assert.equal("nothing chosen", prompt("review", "file", "ab", nothing).values[3])
    end
  end)

  it("a function may wait", function()
    app:prompt "slow" { arguments = { a = "string" }, complete = { a = function(text, ctx)
      ctx:sleep(0.01)
      return { text .. "!" }
    end } } (function() return "x" end)
    assert.same({ "hm!" }, helper.plain(prompt("slow", "a", "hm").values))
  end)

  it("a template's variables are completed, by the text of the template", function()
    assert.same({ "home", "work" },
      helper.plain(template("notes://{folder}/{name}", "folder", "").values))
    local _, err = template("notes://a/b", "folder", "")
    assert.equal(-32602, err.code)
  end)

  it("an argument without a completer has no values, and that is no error", function()
    assert.same({ values = {}, total = 0, hasMore = false },
      helper.plain(prompt("review", "note", "x")))
    assert.same({}, helper.plain(prompt("bare", "a", "x").values))
    assert.same({}, helper.plain(template("notes://{folder}/{name}", "name", "").values))
  end)

  it("at most 100 values go out, with how many there are (4.6)", function()
    local list, total = {}, nil
    app:prompt "many" { arguments = { a = "string" }, complete = { a = function()
      return list, total
    end } } (function() return "x" end)
    for count, more in pairs { [99] = false, [100] = false, [101] = true, [250] = true } do
      list = {}
      for i = 1, count do list[i] = "v" .. i end
      local got = prompt("many", "a", "")
      assert.same({ math.min(count, 100), count, more }, { #got.values, got.total, got.hasMore })
      assert.equal("v" .. math.min(count, 100), got.values[#got.values])
    end
    list, total = { "a" }, 5000
    assert.same({ values = { "a" }, total = 5000, hasMore = true },
      helper.plain(prompt("many", "a", "")))
    total = true
    assert.same({ values = { "a" }, hasMore = true }, helper.plain(prompt("many", "a", "")))
    total = 0
    assert.same({ values = { "a" }, total = 1, hasMore = false },
      helper.plain(prompt("many", "a", "")))
    list, total = nil, nil
    assert.same({ values = {}, total = 0, hasMore = false }, helper.plain(prompt("many", "a", "")))
  end)

  it("unknown prompts, templates and arguments are -32602 and name the nearest (4.6)", function()
    for text, err in pairs {
      ["did you mean review?"] = { prompt("reviwe", "language", "") },
      ['did you mean "language"?'] = { prompt("review", "langauge", "") },
      ["unknown prompt: nosuch"] = { prompt("nosuch", "a", "") },
      ["did you mean notes://{folder}/{name}?"] = { template("notes://{folder}/{nam}", "x", "") },
      ['did you mean "folder"?'] = { template("notes://{folder}/{name}", "foldr", "") },
      ["there is none"] = { template("notes://today", "folder", "") },
    } do
      assert.equal(-32602, err[2].code)
      assert.matches(text, err[2].message, 1, true)
    end
  end)

  it("parameters of another shape are -32602 and say what came", function()
    local good = { type = "ref/prompt", name = "review" }
    local argument = { name = "language", value = "" }
    for text, params in pairs {
      ["ref: expected an object, got nothing"] = { argument = argument },
      ["ref: expected an object, got string"] = { ref = "review", argument = argument },
      ['got "ref/tool"'] = { ref = { type = "ref/tool", name = "x" }, argument = argument },
      ["ref.type"] = { ref = {}, argument = argument },
      ["ref.name: expected a string"] = { ref = { type = "ref/prompt" }, argument = argument },
      ["ref.uri: expected a string"] = { ref = { type = "ref/resource" }, argument = argument },
      ["argument: expected an object"] = { ref = good },
      ["expected strings, got string and nothing"] = { ref = good,
        argument = { name = "language" } },
      ["expected strings, got string and integer"] = { ref = good,
        argument = { name = "language", value = 5 } },
      ["context: expected an object"] = { ref = good, argument = argument, context = 5 },
      ["context.arguments: expected an object"] = { ref = good, argument = argument,
        context = { arguments = "x" } },
      ["context.arguments: expected an object, got array"] = { ref = good, argument = argument,
        context = { arguments = { "x" } } },
      ['"file": expected a string, got integer'] = { ref = good, argument = argument,
        context = { arguments = { file = 5 } } },
    } do
      local _, err = ask(params)
      assert.is_table(err, text)
      assert.equal(-32602, err.code)
      assert.matches(text, err.message, 1, true)
    end
  end)

  it("the capability is declared from 2025-03-26, if there is a completer (1.5, T-65)", function()
    for _, revision in ipairs(helper.revisions) do
      local peer = helper.connect(app)
      local got
      if revision == "2026-07-28" then
        got = peer:modern("server/discover").result.capabilities
      else
        got = peer:initialize(revision).capabilities
      end
      peer:close()
      assert.equal(revision ~= "2024-11-05", got.completions ~= nil, revision)
    end
  end)

  it("without any completer there is no capability and no method (4.6: -32601)", function()
    app = mcp.server "spec"
    app:prompt "bare" { arguments = { a = "string" } } (function() return "x" end)
    for _, revision in ipairs(helper.revisions) do
      local _, err = prompt("bare", "a", "x", nil, revision)
      assert.equal(-32601, err.code)
    end
    local peer = helper.connect(app)
    assert.is_nil(peer:initialize().capabilities.completions)
    -- It comes and goes with what is registered.
    app:prompt "p" { arguments = { a = "string" }, complete = { a = { "x" } } } (function() end)
    assert.is_table(peer:request("completion/complete", { ref = { type = "ref/prompt",
      name = "bare" }, argument = { name = "a", value = "" } }).result)
    app:remove("prompt", "p")
    assert.equal(-32601, peer:request("completion/complete", {}).error.code)
    peer:close()
  end)

  it("a completer that fails is an internal error that shows nothing of the script (E2)", function()
    local results = { function() error "secret" end, function() return "secret" end,
      function() return { 5 } end, function() return {}, "x" end, function() return {}, -1 end }
    for i, fn in ipairs(results) do
      app:prompt("bad" .. i) { arguments = { a = "string" }, complete = { a = fn } }
        (function() return "x" end)
      local answer
      local log = helper.logged(function()
        answer = table.pack(prompt("bad" .. i, "a", ""))
      end)
      local err, line = answer[2], answer[3]
      assert.equal(-32603, err.code, i)
      assert.equal(('Internal error in prompt "bad%d"'):format(i), err.message)
      assert.is_nil(line:find "secret")
      assert.matches("bad" .. i, log)
    end
  end)

  it("mcp.error goes out as it is", function()
    app:prompt "p" { arguments = { a = "string" }, complete = { a = function()
      error(mcp.error(-32000, "busy"))
    end } } (function() end)
    local _, err = prompt("p", "a", "")
    assert.same({ code = -32000, message = "busy" }, err)
  end)

  it("declarations that are wrong are errors at their line", function()
    local function declaring(kind, name, options)
      local ok, err = pcall(function() app[kind](app, name) (options) (function() end) end)
      assert.is_false(ok)
      assert.matches("completion_spec%.lua:%d+: ", err)
      return err
    end
    local arguments = { language = "string" }
    assert.matches('unknown argument "langage", did you mean "language"?',
      declaring("prompt", "p", { arguments = arguments, complete = { langage = {} } }), 1, true)
    assert.matches("there is none", declaring("prompt", "p", { complete = { a = {} } }), 1, true)
    assert.matches("expected a list of strings or a function, got number",
      declaring("prompt", "p", { arguments = arguments, complete = { language = 5 } }), 1, true)
    assert.matches("[2]: expected a string, got number",
      declaring("prompt", "p", { arguments = arguments, complete = { language = { "a", 5 } } }), 1,
      true)
    assert.matches("expected a list of strings or a function",
      declaring("prompt", "p", { arguments = arguments, complete = { language = { a = "b" } } }), 1,
      true)
    assert.matches('unknown argument "nam", did you mean "name"?',
      declaring("resource", "n:{name}", { complete = { nam = {} } }), 1, true)
    assert.matches("only a template has variables",
      declaring("resource", "n:name", { complete = { name = {} } }), 1, true)
  end)
end)
