-- SPDX-License-Identifier: MIT
-- pages_spec.lua: lua/mcp/client/pages.lua: lists in pages, of servers good and bad (4.5).
local helper = require "spec.helper"
local mcp = require "mcp"
local scripted = require "spec.scripted"
local value = require "mcp.value"

-- A client whose server has pages: a function of the cursor gives the names and the next cursor.
local function connect(era, page, options)
  return scripted.connect(scripted[era](function(far, message)
    if not message.id then return end
    local member = message.method:match "^(%a+)/list$" or "resourceTemplates"
    local names, following, more = page(message.params and message.params.cursor, message)
    local result = { [member] = value.array {}, nextCursor = following, resultType = "complete" }
    for i, name in ipairs(names) do result[member][i] = { name = name } end
    for key, given in pairs(more or {}) do result[key] = given end
    far:result(message.id, result)
  end), options)
end

local function names_of(list)
  local out = {}
  for i, entry in ipairs(list) do out[i] = entry.name end
  return table.concat(out, " ")
end

local THREE = { [0] = { { "a", "b" }, "1" }, ["1"] = { {}, "2" }, ["2"] = { { "c" } } }
local function three(cursor) return table.unpack(THREE[cursor or 0]) end

describe("a list of a server", function()
  after_each(scripted.leftovers)

  for _, era in ipairs { "legacy", "modern" } do
    describe("in the " .. era .. " era", function()
      it("comes whole, of whichever kind", function()
        local client, far = connect(era, three)
        for _, verb in ipairs { "list_tools", "list_resources", "list_resource_templates",
          "list_prompts" } do
          local list = assert(client[verb](client))
          assert.equal("a b c", names_of(list))
          assert.is_true(value.is_array(list))
        end
        local first = far:all("tools/list")[1].params
        assert.is_nil(first and first.cursor)
        assert.equal("2", far:all("prompts/list")[3].params.cursor)
        client:close()
        client = connect(era, function() return {} end)
        local list = assert(client:list_tools())
        assert.equal(0, #list)
        assert.is_true(value.is_array(list))
      end)

      it("comes entry by entry, a page when it is needed", function()
        local client, far = connect(era, three)
        local seen = {}
        for tool in client:tools() do
          seen[#seen + 1] = tool.name
          if tool.name == "b" then assert.equal(1, #far:all "tools/list") end
        end
        assert.same({ "a", "b", "c" }, seen)
        assert.equal("a", client:resources()().name)
        assert.equal(1, #far:all "resources/list")
        assert.equal("a", client:resource_templates()().name)
        assert.equal("a", client:prompts()().name)
      end)

      it("whose cursor comes twice has no end", function()
        local client, far = connect(era, function(cursor)
          return { "x" }, cursor == "1" and "2" or "1"
        end)
        local list, text, code = client:list_tools()
        assert.same({ nil, "ERPC" }, { list, code })
        assert.matches("^tools/list: malformed result from the server: nextCursor: the same cursor",
          text)
        assert.equal(3, #far:all "tools/list")
        local ok
        ok, text = pcall(function() for _ in client:tools() do end end) -- luacheck: ignore
        assert.is_false(ok)
        assert.matches("came twice", text, 1, true)
      end)

      it("has so many pages and no more", function()
        local client, far = connect(era, function(cursor)
          return { "x" }, tostring((math.tointeger(tonumber(cursor)) or 0) + 1)
        end, { limits = { pages = 5 } })
        assert.same({ nil,
          "tools/list: more than 5 pages: raise limits.pages if the list is that long", "ETOOBIG" },
          { client:list_tools() })
        assert.equal(5, #far:all "tools/list")
      end)

      it("is one, or it is an error (ERPC)", function()
        for _, more in ipairs { { tools = 5 }, { tools = { a = 1 } }, { tools = value.array { 5 } },
          { tools = value.array { {}, "x" } }, { nextCursor = 5 }, { nextCursor = true },
          { nextCursor = {} } } do
          local client = connect(era, function() return {}, nil, more end)
          assert.equal("ERPC", select(3, client:list_tools()))
          client:close()
        end
        local client = connect(era, function() return { "x" }, value.null end)
        assert.equal("x", names_of(assert(client:list_tools())))
      end)

      it("fails as its page does", function()
        local client = scripted.connect(scripted[era](function(far, message)
          if message.params and message.params.cursor then
            far:error(message.id, -32602, "bad cursor", 7)
          else
            far:result(message.id, { tools = value.array { { name = "a" } }, nextCursor = "1" })
          end
        end))
        assert.same({ nil, "bad cursor", -32602, 7 }, { client:list_tools() })
      end)
    end)
  end

  it("goes on behind an empty cursor without sessions, and ends at one in them (T-56)", function()
    for _, era in ipairs { "legacy", "modern" } do
      local client = connect(era, function(cursor)
        if cursor == nil then return { "a" }, "" end
        return { "b" }
      end)
      assert.equal(era == "modern" and "a b" or "a", names_of(assert(client:list_tools())))
      client:close()
    end
  end)

  it("comes in pages of our own server", function()
    local app = mcp.server { name = "own", page_size = 3 }
    for i = 1, 10 do app:tool("t" .. i) (function() end) end
    for _, revision in ipairs(helper.revisions) do
      local client <close> = assert(mcp.connect(app, { revision = revision }))
      assert.equal("t1 t2 t3 t4 t5 t6 t7 t8 t9 t10", names_of(assert(client:list_tools())))
    end
  end)
end)
