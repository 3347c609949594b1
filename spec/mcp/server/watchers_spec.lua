-- SPDX-License-Identifier: MIT
-- Which subscribers a resource has.
local watchers = require "mcp.server.watchers"

describe("the subscribers of a resource", function()
  local KEY = "test://watched"
  local first, second, third = { "first" }, { "second" }, { "third" }

  local function names()
    local list = {}
    for subscriber in pairs(watchers.of(KEY)) do list[#list + 1] = subscriber[1] end
    table.sort(list)
    return table.concat(list, " ")
  end

  after_each(function()
    for _, subscriber in ipairs { first, second, third } do watchers.remove(KEY, subscriber) end
    assert.equal("", names())
  end)

  it("are those that were added and not removed, each once", function()
    assert.equal("", names())
    for _ = 1, 2 do watchers.add(KEY, first) end
    assert.equal("first", names())
    for _ = 1, 2 do
      watchers.add(KEY, second)
      watchers.add(KEY, third)
    end
    assert.equal("first second third", names())
    for _ = 1, 2 do watchers.remove(KEY, second) end
    assert.equal("first third", names())
    watchers.remove(KEY, first)
    watchers.remove(KEY, third)
    assert.equal("", names())
    watchers.add(KEY, second)
    assert.equal("second", names())
  end)

  it("of another resource are others", function()
    watchers.add(KEY, first)
    watchers.add(KEY .. "2", second)
    watchers.remove(KEY, second)
    assert.equal("first", names())
    watchers.remove(KEY .. "2", second)
    assert.is_nil(next(watchers.of(KEY .. "2")))
  end)

  it("can be removed while they are gone through", function()
    for _, subscriber in ipairs { first, second, third } do watchers.add(KEY, subscriber) end
    local count = 0
    for subscriber in pairs(watchers.of(KEY)) do
      watchers.remove(KEY, subscriber)
      count = count + 1
    end
    assert.equal(3, count)
    assert.equal("", names())
  end)

  it("leave all resources of a set, other members of which do not matter", function()
    for _, key in ipairs { KEY, KEY .. "2" } do
      watchers.add(key, first)
      watchers.add(key, second)
    end
    watchers.drop({ tools = true, [KEY] = true, [KEY .. "2"] = KEY }, first)
    watchers.drop(nil, second)
    assert.equal("second", names())
    watchers.drop({ [KEY .. "2"] = true }, second)
    assert.is_nil(next(watchers.of(KEY .. "2")))
  end)

  it("are no table that the caller can add to where there are none", function()
    assert.has_error(function() watchers.of(KEY)[first] = true end)
  end)
end)
