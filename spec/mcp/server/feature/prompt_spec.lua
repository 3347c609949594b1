-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local mcp = require "mcp"

describe("prompt", function()
  after_each(helper.leftovers)

  local function get(handler, options, arguments, revision)
    local app = mcp.server "spec"
    app:prompt "p" (options or {}) (handler)
    local peer = helper.open(app, revision)
    local response, line
    local params = { name = "p", arguments = arguments }
    helper.logged(function()
      if peer.era then
        response, line = peer:modern("prompts/get", params)
      else
        response, line = peer:request("prompts/get", params)
      end
    end)
    peer:close()
    return response.result, response.error, line
  end

  local function returning(value) return function() return value end end

  describe("results", function()
    it("a string is one message of the user", function()
      local result = get(returning "Hello", { description = "D" })
      assert.same({ description = "D",
        messages = { { role = "user", content = { type = "text", text = "Hello" } } } },
        helper.plain(result))
    end)

    it("content, messages and lists of them", function()
      local result = get(returning { "q", mcp.assistant "a", mcp.image "\0",
        { role = "user", content = "plain" }, mcp.user(mcp.text "t") })
      local roles, kinds = {}, {}
      for i, message in ipairs(result.messages) do
        roles[i], kinds[i] = message.role, message.content.type
      end
      assert.same({ "user", "assistant", "user", "user", "user" }, roles)
      assert.same({ "text", "text", "image", "text", "text" }, kinds)
      assert.equal("assistant", get(returning(mcp.assistant "a")).messages[1].role)
    end)

    it("a full result", function()
      local result = get(returning { description = "mine", messages = { "a" } },
        { description = "declared" })
      assert.equal("mine", result.description)
      assert.equal("a", result.messages[1].content.text)
    end)

    it("an empty list is []", function()
      local _, _, line = get(returning {})
      assert.matches('"messages":[]', line, 1, true)
    end)

    it("anything else is an internal error that shows nothing of the script (E2)", function()
      local handlers = { returning(nil), returning(5), returning { { 1 } }, returning { foo = 1 },
        returning { messages = { 5 } }, function() error "secret" end, returning(print) }
      for i, handler in ipairs(handlers) do
        local _, err, line = get(handler)
        assert.is_not_nil(err, i)
        assert.equal(-32603, err.code)
        assert.equal('Internal error in prompt "p"', err.message)
        assert.is_nil(line:find "secret")
      end
    end)

    it("mcp.error goes out as it is", function()
      local _, err = get(function() error(mcp.error(-32602, "no such file")) end)
      assert.same({ code = -32602, message = "no such file" }, err)
    end)

    it("content a revision does not know is text there (1.7)", function()
      for _, revision in ipairs(helper.revisions) do
        local result = get(returning { mcp.audio("x", "audio/ogg"), mcp.resource_link "a:b" }, nil,
          nil, revision)
        assert.equal(revision == "2024-11-05" and "text" or "audio",
          result.messages[1].content.type)
        assert.equal(revision < "2025-06-18" and "text" or "resource_link",
          result.messages[2].content.type)
      end
    end)

    it("a message kept by the script stays as it was", function()
      local kept = mcp.user(mcp.audio "x")
      get(returning(kept), nil, nil, "2024-11-05")
      assert.equal("audio", kept.content.type)
    end)

    it("is stamped in the modern era, and bare before", function()
      local result = get(returning "x", nil, nil, "2026-07-28")
      assert.equal("complete", result.resultType)
      assert.equal("spec", result._meta[helper.PREFIX .. "serverInfo"].name)
      assert.is_nil(result.ttlMs)
      assert.is_nil(get(returning "x").resultType)
    end)
  end)

  describe("arguments", function()
    local OPTIONS = { arguments = { code = "string", style = "string?" } }

    it("reach the handler", function()
      local result = get(function(args)
        return args.code .. "/" .. tostring(args.style)
      end, OPTIONS, { code = "x" })
      assert.equal("x/nil", result.messages[1].content.text)
    end)

    it("a missing one is invalid params and named (4.11)", function()
      for _, given in ipairs { false, {}, { style = "s" } } do
        local _, err = get(returning "x", OPTIONS, given or nil)
        assert.equal(-32602, err.code)
        assert.matches('argument "code" is missing', err.message, 1, true)
      end
    end)

    it("an unknown one names the nearest", function()
      local _, err = get(returning "x", OPTIONS, { code = "x", stile = "y" })
      assert.equal(-32602, err.code)
      assert.matches('unknown argument "stile", did you mean "style"?', err.message, 1, true)
    end)

    it("values that are no strings are refused", function()
      local _, err = get(returning "x", OPTIONS, { code = 5 })
      assert.matches('argument "code": expected a string, got integer', err.message, 1, true)
      _, err = get(returning "x", OPTIONS, { code = mcp.array {} })
      assert.matches("got array", err.message, 1, true)
    end)

    it("that are no object are refused", function()
      for _, odd in ipairs { 5, "x", mcp.array { "x" } } do
        local _, err = get(returning "x", OPTIONS, odd)
        assert.equal(-32602, err.code)
      end
    end)

    it("in shorthand: required first, then by name", function()
      local app = mcp.server "spec"
      app:prompt "p" { arguments = { z = "string", a = "string?", b = "string" } } (function() end)
      local peer = helper.open(app)
      local list = peer:request("prompts/list").result.prompts[1].arguments
      assert.same({ { name = "b", required = true }, { name = "z", required = true },
        { name = "a" } }, helper.plain(list))
      peer:close()
    end)

    it("as a list they keep their order", function()
      local app = mcp.server "spec"
      app:prompt "p" { arguments = { "z", { name = "a", description = "D", title = "A" } } }
        (function() end)
      local peer = helper.open(app)
      assert.same({ { name = "z", required = true },
        { name = "a", description = "D", title = "A" } },
        helper.plain(peer:request("prompts/list").result.prompts[1].arguments))
      peer:close()
      peer = helper.open(app, "2025-03-26")
      assert.same({ { name = "z", required = true }, { name = "a", description = "D" } },
        helper.plain(peer:request("prompts/list").result.prompts[1].arguments))
      peer:close()
    end)
  end)

  it("the list shows each revision what it knows (1.7)", function()
    local app = mcp.server "spec"
    app:prompt "p" { title = "T", description = "D", icons = { { src = "https://x/i" } },
      meta = { ["x.org/y"] = 1 } } (function() end)
    local expected = {
      ["2024-11-05"] = "description name", ["2025-03-26"] = "description name",
      ["2025-06-18"] = "_meta description name title",
      ["2025-11-25"] = "_meta description icons name title",
      ["2026-07-28"] = "_meta description icons name title",
    }
    for revision, members in pairs(expected) do
      local peer = helper.open(app, revision)
      local response = peer.era and peer:modern "prompts/list" or peer:request "prompts/list"
      local names = {}
      for name in pairs(response.result.prompts[1]) do names[#names + 1] = name end
      table.sort(names)
      assert.equal(members, table.concat(names, " "), revision)
      peer:close()
    end
  end)

  it("an unknown prompt is invalid params and names the nearest", function()
    local app = mcp.server "spec"
    app:prompt "review" (function() return "x" end)
    local peer = helper.open(app)
    local err = peer:request("prompts/get", { name = "reveiw" }).error
    assert.equal(-32602, err.code)
    assert.equal("Unknown prompt: reveiw (did you mean review?)", err.message)
    assert.matches("expected a string, got nothing",
      peer:request("prompts/get", {}).error.message, 1,
      true)
    peer:close()
  end)

  it("declarations that are wrong are errors at their line", function()
    local function declaring(options)
      local app = mcp.server "spec"
      local ok, err = pcall(function() app:prompt "p" (options) (function() end) end)
      assert.is_false(ok)
      return err
    end
    assert.matches("prompt_spec%.lua:%d+: prompt \"p\": .*strings, not integer",
      declaring { arguments = { n = "integer" } })
    assert.matches('unknown member "requird"',
      declaring { arguments = { { name = "x", requird = true } } }, 1, true)
    assert.matches("a name or a table", declaring { arguments = { 5 } }, 1, true)
    assert.matches("a name or a table", declaring { arguments = { {} } }, 1,
      true)
  end)
end)
