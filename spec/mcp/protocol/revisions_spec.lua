-- SPDX-License-Identifier: MIT
-- The tables of revisions against section 1.7 of the protocol, written out once more by hand.
local revisions = require "mcp.protocol.revisions"

local function words(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, " ")
end

-- A fact that is a set is written as its members in order.
local EXPECTED = {
  ["2024-11-05"] = {
    resume = false, polling = false,
    elicitation = false, elicitation_id = false, sampling_tools = false,
    annotations = "audience priority", completions = false, completion_context = false,
    era = "legacy", batch = false, structured = "none", audio = false, resource_link = false,
    not_found = -32002, stamp = false, tasks = false, rounds = false,
    tool = "description inputSchema name",
    resource = "annotations description mimeType name size uri",
    template = "annotations description mimeType name uriTemplate",
    prompt = "arguments description name", argument = "description name required",
    implementation = "name version",
  },
  ["2025-03-26"] = {
    resume = true, polling = false,
    elicitation = false, elicitation_id = false, sampling_tools = false,
    annotations = "audience priority", completions = true, completion_context = false,
    era = "legacy", batch = true, structured = "none", audio = true, resource_link = false,
    not_found = -32002, stamp = false, tasks = false, rounds = false,
    tool = "annotations description inputSchema name",
    resource = "annotations description mimeType name size uri",
    template = "annotations description mimeType name uriTemplate",
    prompt = "arguments description name", argument = "description name required",
    implementation = "name version",
  },
  ["2025-06-18"] = {
    resume = true, polling = false,
    annotations = "audience lastModified priority", completions = true,
    completion_context = true,
    elicitation = "plain", elicitation_id = false, sampling_tools = false,
    era = "legacy", batch = false, structured = "object", audio = true, resource_link = true,
    not_found = -32002, stamp = false, tasks = false, rounds = false,
    tool = "_meta annotations description inputSchema name outputSchema title",
    resource = "_meta annotations description mimeType name size title uri",
    template = "_meta annotations description mimeType name title uriTemplate",
    prompt = "_meta arguments description name title", argument = "description name required title",
    implementation = "name title version",
  },
  ["2025-11-25"] = {
    resume = true, polling = true,
    annotations = "audience lastModified priority", completions = true,
    completion_context = true,
    elicitation = "full", elicitation_id = true, sampling_tools = true,
    era = "legacy", batch = false, structured = "object", audio = true, resource_link = true,
    not_found = -32002, stamp = false, tasks = "params", rounds = false,
    tool = "_meta annotations description execution icons inputSchema name outputSchema title",
    resource = "_meta annotations description icons mimeType name size title uri",
    template = "_meta annotations description icons mimeType name title uriTemplate",
    prompt = "_meta arguments description icons name title",
    argument = "description name required title",
    implementation = "description icons name title version websiteUrl",
  },
  ["2026-07-28"] = {
    resume = false, polling = false,
    annotations = "audience lastModified priority", completions = true,
    completion_context = true,
    elicitation = "full", elicitation_id = false, sampling_tools = true,
    era = "modern", batch = false, structured = "any", audio = true, resource_link = true,
    not_found = -32602, stamp = true, tasks = "extension", rounds = true,
    tool = "_meta annotations description icons inputSchema name outputSchema title",
    resource = "_meta annotations description icons mimeType name size title uri",
    template = "_meta annotations description icons mimeType name title uriTemplate",
    prompt = "_meta arguments description icons name title",
    argument = "description name required title",
    implementation = "description icons name title version websiteUrl",
  },
}

describe("revisions", function()
  it("are the five, newest first", function()
    local names = {}
    for i, facts in ipairs(revisions) do names[i] = facts.name end
    assert.same({ "2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05" }, names)
  end)

  for _, facts in ipairs(revisions) do
    it(facts.name .. " is as section 1.7 has it", function()
      local expected, got = EXPECTED[facts.name], {}
      for key in pairs(expected) do
        local member = facts[key]
        if type(member) == "table" then member = words(member) end
        got[key] = member
      end
      assert.same(expected, got)
    end)

    it(facts.name .. " has no fact that this spec does not check", function()
      for key in pairs(facts) do
        assert.is_true(key == "name" or EXPECTED[facts.name][key] ~= nil, key)
      end
    end)
  end

  it("every revision has the same facts", function()
    local keys = words(revisions[1])
    for _, facts in ipairs(revisions) do assert.equal(keys, words(facts), facts.name) end
  end)
end)
