-- SPDX-License-Identifier: MIT
-- offers: what a server offers, list by list, and what is said of a list that cannot be read.
local errors = require "mcp.protocol.errors"
local offers = require "mcp.cli.offers"

-- A client whose tools are read and whose resources end in this way.
local function client_with(...)
  local answer = table.pack(...)
  local client = { capabilities = { tools = {}, resources = {} } }
  for _, each in ipairs(offers.LISTS) do
    client[each.method] = function()
      if each.capability == "tools" then return { { name = "t" } } end
      return table.unpack(answer, 1, answer.n)
    end
  end
  return client
end

describe("the lists of a server", function()
  it("are read where the server has them", function()
    local lists = assert(offers.read(client_with { { name = "r" } }))
    assert.equal("t", lists.tools[1].name)
    assert.equal("r", lists.resources[1].name)
    assert.is_nil(lists.prompts)
  end)

  it("are empty where the method is missing, as templates may be", function()
    local lists = assert(offers.read(client_with(nil, "no", errors.METHOD_NOT_FOUND)))
    assert.same({}, lists.resources)
  end)

  it("are none at all if one cannot be read", function()
    assert.same({ nil, "cut", "EGONE" }, { offers.read(client_with(nil, "cut", "EGONE")) })
  end)

  it("are read as far as they are wanted", function()
    local lists = assert(offers.read(client_with(nil, "cut", "EGONE"), { tools = true }))
    assert.equal("t", lists.tools[1].name)
  end)
end)
