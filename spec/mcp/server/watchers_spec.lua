-- SPDX-License-Identifier: MIT
-- Which subscribers a resource has.
local watchers = require "mcp.server.watchers"

describe("the subscribers of a resource", function()
  local KEY = "test://watched"
  local one, two, three = { "one" }, { "two" }, { "three" }

  local function names()
    local list = {}
    for who in pairs(watchers.of(KEY)) do list[#list + 1] = who[1] end
    table.sort(list)
    return table.concat(list, " ")
  end

  after_each(function()
    for _, who in ipairs { one, two, three } do watchers.remove(KEY, who) end
    assert.equal("", names())
  end)

  it("are those that were added and not removed, each once", function()
    assert.equal("", names())
    for _ = 1, 2 do watchers.add(KEY, one) end
    assert.equal("one", names())
    for _ = 1, 2 do
      watchers.add(KEY, two)
      watchers.add(KEY, three)
    end
    assert.equal("one three two", names())
    for _ = 1, 2 do watchers.remove(KEY, two) end
    assert.equal("one three", names())
    watchers.remove(KEY, one)
    watchers.remove(KEY, three)
    assert.equal("", names())
    watchers.add(KEY, two)
    assert.equal("two", names())
  end)

  it("of another resource are others", function()
    watchers.add(KEY, one)
    watchers.add(KEY .. "2", two)
    watchers.remove(KEY, two)
    assert.equal("one", names())
    watchers.remove(KEY .. "2", two)
    assert.is_nil(next(watchers.of(KEY .. "2")))
  end)

  it("can be removed while they are gone through", function()
    for _, who in ipairs { one, two, three } do watchers.add(KEY, who) end
    local count = 0
    for who in pairs(watchers.of(KEY)) do
      watchers.remove(KEY, who)
      count = count + 1
    end
    assert.equal(3, count)
    assert.equal("", names())
  end)

  it("leave all resources of a set, other members of which do not matter", function()
    for _, key in ipairs { KEY, KEY .. "2" } do
      watchers.add(key, one)
      watchers.add(key, two)
    end
    watchers.drop({ tools = true, [KEY] = true, [KEY .. "2"] = KEY }, one)
    watchers.drop(nil, two)
    assert.equal("two", names())
    watchers.drop({ [KEY .. "2"] = true }, two)
    assert.is_nil(next(watchers.of(KEY .. "2")))
  end)

  it("are no table that the caller can add to where there are none", function()
    assert.has_error(function() watchers.of(KEY)[one] = true end)
  end)
end)
