-- SPDX-License-Identifier: MIT
-- Every rule of the protocol has an id, a line in docs/rules.md, and a spec with the id in its
-- name. This does not test behaviour: it keeps a rule from losing its proof. IO is stdio, HL
-- Streamable HTTP with sessions, HM without sessions, HS HTTP+SSE, WS WebSocket, SEC attacks, T
-- points on which implementations differ, APP pages that hosts show for tools.

-- "1-3 7" stands for 01, 02, 03 and 07.
local RULES = {
  IO = "1-9 20-28 40-44 60-70",
  HL = "1-12 20-38 40-43 50-63",
  HM = "1-9 20-28 30-36 40-49 60-76",
  HS = "1-11",
  WS = "1-4 10-16",
  SEC = "1-10 20-29 40-46 50-57 60-67 70-81 90-93 100-103",
  T = "1-10 20-37 50-67 80-92 100-107",
  APP = "1-92",
}

-- Rules without a spec, and the reason. A rule that gets a spec must leave this list.
local UNPROVEN = {
  ["APP-18"] = "applies to hosts with a model, and the inspect page has none; what luamcp itself "
    .. "shows to a model leaves such tools out (APP-22)",
  ["APP-20"] = "the inspect page has one server",
  ["APP-37"] = "the inspect page shows the policy and what it refused, and keeps no log",
  ["APP-72"] = "is optional; the inspect page offers no sampling",
  ["APP-86"] = "is optional; the inspect page takes no tools of pages",
  ["APP-87"] = "is advice to authors of pages",
  ["APP-88"] = "is optional; the inspect page takes no tools of pages",
  ["HM-28"] = "applies to proxies between a client and a server",
  ["HM-75"] = "applies to servers without session revisions; luamcp speaks both eras (see T-07)",
  ["IO-70"] = "applies to servers without session revisions; luamcp accepts every initialize",
  ["SEC-52"] = "a requestState can be used again by the same caller until it expires "
    .. "(docs/security.md)",
  ["SEC-79"] = "applies to OAuth proxies; luamcp issues no tokens",
  ["SEC-81"] = "applies to the consent page of an authorization server",
  ["SEC-93"] = "applies to bridges from a network to stdio; luamcp has none",
  ["T-88"] = "applies to sessions without a stream to the client; luamcp sessions always have one",
  ["T-89"] = "describes tasks in other implementations",
  ["WS-03"] = "describes earlier implementations; WS-10 to WS-15 are the rules",
}

local function id_of(family, number) return ("%s-%02d"):format(family, number) end

-- All ids of such a table, in order.
local function ids_of(families)
  local list = {}
  for family, ranges in pairs(families) do
    for first, last in ranges:gmatch "(%d+)%-?(%d*)" do
      for number = tonumber(first), tonumber(last) or tonumber(first) do
        list[#list + 1] = id_of(family, math.tointeger(number))
      end
    end
  end
  table.sort(list)
  return list
end

-- The ids in the names of specs: "HS-02 to HS-04" are three.
local function read_names(text, named, where)
  for family, first, last in text:gmatch "%f[%w](%u+)%-(%d%d+) to %u*%-?(%d%d+)" do
    for number = tonumber(first), tonumber(last) do
      named[id_of(family, math.tointeger(number))] = where
    end
  end
  for family, number in text:gmatch "%f[%w](%u+)%-(%d%d+)" do
    if RULES[family] then named[id_of(family, math.tointeger(tonumber(number)))] = where end
  end
end

local function all_rules() return ids_of(RULES) end

-- A name may be longer than its line: so many lines of it are read.
local LINES = 3

-- The ids in the names of one file; `pattern` finds where a name begins.
local function read_file(path, named, ...)
  local lines = {}
  for line in io.lines(path) do lines[#lines + 1] = line end
  for at, line in ipairs(lines) do
    local name
    for _, pattern in ipairs { ... } do name = name or line:match(pattern) end
    for more = 1, name and LINES - 1 or 0 do
      if name:find("function(", 1, true) then break end
      name = name .. " " .. (lines[at + more] or "")
    end
    if name then read_names(name, named, ("%s:%d"):format(path, at)) end
  end
end

local function named_rules()
  local named = {}
  local specs <close> = assert(io.popen "find spec -name '*_spec.lua'")
  for path in specs:lines() do
    if path ~= "spec/rules_spec.lua" then
      read_file(path, named, "^%s*it%((.*)$", "^%s*describe%((.*)$")
    end
  end
  -- Checks in a browser prove rules of pages, which a spec cannot see.
  local browser <close> = assert(io.popen "find scripts/browser scripts/browser.lua -name '*.lua'")
  for path in browser:lines() do read_file(path, named, "^%s*check%((.*)$") end
  return named
end

describe("the rules of the protocol", function()
  local named = named_rules()

  it("are 379, each once", function()
    local seen, count = {}, 0
    for _, id in ipairs(all_rules()) do
      assert.is_nil(seen[id], id)
      seen[id], count = true, count + 1
    end
    assert.equal(379, count)
    for id in pairs(UNPROVEN) do assert.is_true(seen[id], id) end
    -- A spec that names an unknown rule has a misspelt id.
    for id, where in pairs(named) do
      assert.is_true(seen[id], ("%s names %s, which is not a rule"):format(where, id))
    end
  end)

  it("stand in docs/rules.md, once each", function()
    local file <close> = assert(io.open "docs/rules.md")
    local listed = {}
    for id, text in file:read "a":gmatch "\n| (%u+%-%d+) | ([^\n|]*) |" do
      assert.is_nil(listed[id], id .. " has two lines in docs/rules.md")
      listed[id] = text
    end
    local wrong = {}
    for _, id in ipairs(all_rules()) do
      if not listed[id] then wrong[#wrong + 1] = id .. ": no line in docs/rules.md" end
      listed[id] = nil
    end
    for id in pairs(listed) do wrong[#wrong + 1] = id .. ": docs/rules.md lists an unknown rule" end
    assert.equal("", table.concat(wrong, "\n"))
  end)

  it("have a spec that names them", function()
    local missing = {}
    for _, id in ipairs(all_rules()) do
      if not (named[id] or UNPROVEN[id]) then missing[#missing + 1] = id end
    end
    assert.equal("", table.concat(missing, " "))
  end)

  it("without a spec are exactly those listed here", function()
    for id in pairs(UNPROVEN) do
      assert.is_nil(named[id], ("%s has a spec: %s"):format(id, tostring(named[id])))
    end
  end)
end)
