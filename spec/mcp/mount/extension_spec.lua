-- SPDX-License-Identifier: MIT
-- Extensions of mounted servers, in every pair of eras.
local extension = require "mcp.mount.extension"
local helper = require "spec.helper"
local mcp = require "mcp"
local single = require "mcp.mount.single"

local ID = "io.example/thing"

describe("extensions of another server", function()
  local inner, thing, front, clients, declared, received, look, between

  before_each(function()
    clients, declared, received = {}, {}, {}
    look = extension.LOOK
    extension.LOOK = 0.01
    inner = mcp.server "inner"
    inner:tool "x" (function() return "x" end)
    thing = inner:extension {
      id = ID, revision = "2", settings = { depth = 3 }, listen = { thingsChanged = true },
      results = { "thing" },
      notifications = { ["notifications/thing/sent"] = function(_, params)
        received[#received + 1] = params.n
      end },
      methods = {
        ["thing/do"] = { target = "name", asks = true, handler = function(ctx, params)
          declared[#declared + 1] = ctx:has_extension(ID).from
          if params.name == "part" then thing:send(ctx, "notifications/thing/part", { n = 1 }) end
          if params.name ~= "ask" then return { resultType = "thing", name = params.name } end
          local answers, text, code = ctx:ask { a = thing:question("thing/ask", { what = "x" }) }
          if not answers then return nil, mcp.error(code, text) end
          return { name = answers.a.name }
        end },
        ["thing/fails"] = function() return nil, mcp.error(-32050, "odd", { x = 1 }) end,
      },
    }
  end)

  after_each(function()
    for _, client in ipairs(clients) do client:close() end
    if front then single.close(front) end
    if between then single.close(between) end
    between = nil
    front = nil
    extension.LOOK = look
    mcp.sleep(0.01)
    helper.leftovers()
  end)

  -- What stands in front of the server: an app that is it, one that has mounted it, and one that
  -- has mounted an app of the same process.
  local FRONTS = {
    single = function(era)
      return assert(single.open("there", function(options)
        options.era = era
        return mcp.connect(inner, options)
      end))
    end,
    mount = function(era)
      return mcp.server("front"):mount("gh", inner, { era = era, sessions = "client" })
    end,
    -- As a gateway has it.
    gateway = function(era)
      between = single.new("gh", "gh", inner, { era = era, sessions = "client" })
      return mcp.server("front"):mount("gh", between)
    end,
    app = function() return mcp.server("front"):mount("gh", inner) end,
  }

  local function connect(kind, front_era, inner_era, heard, revision)
    front = front or FRONTS[kind](inner_era)
    local client = assert(mcp.connect(front, { era = front_era, extensions = { {
      id = ID, revision = revision or "2", settings = { from = "client" },
      listen = { thingsChanged = true }, results = { "thing" },
      methods = { ["thing/do"] = { target = "name", asks = true } },
      notifications = {
        ["notifications/thing/changed"] = function(params) heard[#heard + 1] = params.n end,
        ["notifications/thing/part"] = function(params) heard[#heard + 1] = "part " .. params.n end,
      },
      requests = { ["thing/ask"] = function(params) return { name = "asked " .. params.what } end },
    } } }))
    clients[#clients + 1] = client
    return client
  end

  for _, case in ipairs {
    { "single", "modern", "modern" }, { "single", "legacy", "modern" },
    { "single", "legacy", "legacy" }, { "mount", "modern", "modern" },
    { "mount", "legacy", "modern" }, { "mount", "legacy", "legacy" }, { "app", "modern", "app" },
    { "gateway", "modern", "modern" }, { "gateway", "legacy", "modern" },
    { "app", "legacy", "app" },
  } do
    local kind, front_era, inner_era = table.unpack(case)
    describe(("(%s: %s in front of %s)"):format(kind, front_era, inner_era), function()
      it("pass: settings, methods, results, errors, questions and notifications", function()
        local heard = {}
        local client = connect(kind, front_era, inner_era, heard)
        assert.same({ depth = 3, revision = "2" }, client:extension(ID))
        local result = assert(client:request("thing/do", { name = "a" }))
        assert.equal("a", result.name)
        assert.equal("thing", result.resultType)
        assert.same({ "client" }, declared)
        assert.same({ nil, "odd", -32050, { x = 1 } }, { client:request "thing/fails" })

        assert(client:request("thing/do", { name = "part" }))
        helper.wait_until(function() return heard[1] end, "the part")
        assert.same({ "part 1" }, heard)

        assert.equal("asked x", assert(client:request("thing/do", { name = "ask" })).name)

        -- A client with sessions has no filter that a server without could be asked for.
        if front_era == "modern" or inner_era ~= "modern" then
          assert(client:ping())
          helper.wait_until(function()
            return thing:notify("notifications/thing/changed", { n = 7 },
              { filter = front_era == "modern" and "thingsChanged" or nil }) > 0
          end, "a client that listens")
          helper.wait_until(function() return heard[2] end, "the change")
          assert.same({ "part 1", 7 }, heard)
        end

        assert(client:notify("notifications/thing/sent", { n = 5 }))
        helper.wait_until(function() return received[1] end, "the notification")
        assert.same({ 5 }, received)
        assert.equal(-32601, select(3, client:request "thing/unknown"))
      end)

      it("compare revisions on both sides", function()
        local client = connect(kind, front_era, inner_era, {}, "1")
        assert.is_nil(client:extension(ID))
        assert.equal(front_era == "modern" and -32021 or -32601,
          select(3, client:request("thing/do", { name = "a" })))
      end)
    end)
  end

  it("are not declared for servers that do not have them", function()
    front = mcp.server("front"):mount("gh", inner, { era = "modern" })
    local client = assert(mcp.connect(front, { extensions = { ["io.example/none"] = true } }))
    clients[1] = client
    assert.same({ [ID] = { depth = 3, revision = "2" } }, client.capabilities.extensions)
    assert.equal(-32601, select(3, client:request "none/do"))
    -- Nor by an app whose server has gone away.
    front:unmount "gh"
    local later = assert(mcp.connect(front))
    clients[2] = later
    assert.is_nil((later.capabilities.extensions or {})[ID])
  end)

  it("are asked of the server whose name or address is meant, or of one after another", function()
    local other = mcp.server "other"
    other:extension { id = "io.example/other", open = true, methods = {
      ["other/do"] = function(_, params) return { did = "other " .. params.uri } end,
      ["thing/do"] = function(_, params) return { did = "other " .. params.name } end,
    } }
    front = mcp.server "front"
    front:mount("gh", inner, { era = "modern" })
    front:mount("o", other, { era = "modern" })
    local client = assert(mcp.connect(front, { era = "modern", extensions = { {
      id = ID, revision = "2", results = { "thing" } } } }))
    clients[1] = client
    assert.equal("other x://a", assert(client:request("other/do", { uri = "x://a" })).did)
    assert.equal("other x://a", assert(client:request("other/do", { uri = "o+x://a" })).did)
    assert.equal("a", assert(client:request("thing/do", { name = "a" })).name)
    assert.equal("other a", assert(client:request("thing/do", { name = "o_a" })).did)
  end)

  it("bounds what is read and remembered", function()
    local pages, known = extension.PAGES, extension.KNOWN
    extension.PAGES, extension.KNOWN = 3, 2
    local asked = 0
    local endless = mcp.server "endless"
    endless:extension { id = helper.PREFIX .. "skills", open = true, methods = {
      ["skills/list"] = function()
        asked = asked + 1
        return { skills = mcp.array {}, nextCursor = "more" }
      end } }
    local methods = {}
    for i = 1, 5 do methods["a/" .. i] = function() return { i = i } end end
    endless:extension { id = "io.example/a", open = true, methods = methods }
    front = mcp.server "front"
    front:mount("gh", endless, { era = "modern" })
    local client = assert(mcp.connect(front, { era = "modern" }))
    clients[1] = client
    assert.same({}, assert(client:list_skills()))
    assert.equal(3, asked)
    for i = 1, 5 do assert.equal(i, assert(client:request("a/" .. i, {})).i) end
    local count = 0
    for _ in pairs(front.mounts.methods_of) do count = count + 1 end
    assert.is_true(count <= 2)
    extension.PAGES, extension.KNOWN = pages, known
  end)

  it("of skills keep what has no address", function()
    local listing = mcp.server "listing"
    listing:extension { id = helper.PREFIX .. "skills", open = true, methods = {
      ["skills/list"] = function()
        return { skills = { { uri = "skill://a/SKILL.md",
          resources = { { uri = "skill://a/x" }, { name = "none" }, "text" } } } }
      end } }
    front = mcp.server "front"
    front:mount("gh", listing, { era = "modern" })
    clients[1] = assert(mcp.connect(front, { era = "modern" }))
    local skill = assert(clients[1]:request("skills/list", {})).skills[1]
    assert.equal("gh+skill://a/SKILL.md", skill.uri)
    assert.same({ { uri = "gh+skill://a/x" }, { name = "none" }, "text" },
      helper.plain(skill.resources))
  end)

  it("of skills are put together, under the addresses of the app", function()
    local folder = os.tmpname()
    os.remove(folder)
    local file = helper.file "---\nname: tea\ndescription: How to make tea.\n---\nSteep.\n"
    helper.shell(("mkdir -p %s/tea && cp %s %s/tea/SKILL.md"):format(folder, file, folder))
    inner:skills(folder)
    for _, era in ipairs { "modern", "legacy" } do
      for _, inner_era in ipairs { "modern", "legacy", "app" } do
        front = mcp.server "front"
        front:skills "examples/skills"
        front:mount("gh", inner, { era = inner_era ~= "app" and inner_era or nil })
        front:mount("x", mcp.server "without", { era = "modern" })
        local client = assert(mcp.connect(front, { era = era }))
        local list = assert(client:list_skills())
        local uris = {}
        for i, skill in ipairs(list) do uris[i] = skill.uri end
        assert.same({ "skill://release-notes/SKILL.md", "gh+skill://tea/SKILL.md" }, uris)
        assert.matches("Steep.", assert(client:read_skill(list[2].uri)).text, 1, true)
        assert.equal("release-notes", assert(client:read_skill(list[1].uri)).name)
        assert.equal("gh+skill://tea/SKILL.md",
          assert(client:list_directory "gh+skill://tea")[1].uri)
        client:close()
        front:unmount "gh"
        front:unmount "x"
      end
    end
    front = nil
    helper.shell("rm -rf " .. helper.quote(folder))
    helper.remove_files()
  end)
end)
