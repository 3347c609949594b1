-- SPDX-License-Identifier: MIT
-- README.md and docs/ are correct: their code runs and returns what they show, numbers match the
-- source, files, links and make targets exist, and every public name is described.
--
-- A block of Lua whose first line is "-- runs" is run, with `mcp`, and a new server as `app`;
-- app:run does nothing there. Comments in the block show calls and their results:
--   -- NAME { arguments }  -->  text      a tool or prompt; "(error) text" from a tool,
--   -- read URI            -->  text      "(error CODE) text" from the protocol
--   -- complete NAME.ARGUMENT TEXT  -->  value, value
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local value = require "mcp.value"

local PAGES = { "README.md" }
do
  local list <close> = assert(io.popen "ls docs/*.md")
  for path in list:lines() do PAGES[#PAGES + 1] = path end
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function exists(path)
  local file <close> = io.open(path, "rb")
  return file ~= nil
end

-- Every fenced block: { page, line, language, text }.
local function blocks()
  local out = {}
  for _, page in ipairs(PAGES) do
    local number, open = 0, nil
    for line in (read(page) .. "\n"):gmatch "([^\n]*)\n" do
      number = number + 1
      local language = line:match "^```(%w*)$"
      if open and language == "" then
        open.text = table.concat(open, "\n")
        out[#out + 1], open = open, nil
      elseif open then
        open[#open + 1] = line
      elseif language then
        open = { page = page, line = number, language = language }
      end
    end
    assert(not open, page .. ": a block that does not end")
  end
  return out
end

local function at(block) return ("%s:%d"):format(block.page, block.line) end

-- An app whose run functions do nothing, so that the spec can talk to it.
local function guarded(app)
  app.run = function() end
  app.run_stdio, app.run_http = app.run, app.run
  app.run_sse, app.run_websocket = app.run, app.run
  return app
end

-- Runs a block; returns the app it made, or the one it was given.
local function run(block)
  local given = guarded(mcp.server "docs")
  local made
  local own = setmetatable({
    server = function(...)
      made = guarded(mcp.server(...))
      return made
    end,
  }, { __index = mcp })
  local printed = {}
  local env = setmetatable({
    mcp = own, app = given,
    print = function(...) printed[#printed + 1] = table.pack(...) end,
    require = function(name) return name == "mcp" and own or require(name) end,
  }, { __index = _G })
  local chunk = assert(load(block.text, "@" .. at(block), "t", env))
  chunk()
  return made or given, printed
end

-- What a client receives, in the form of the comments.
local function received(response)
  local err, result = response.error, response.result
  if err then return ("(error %d) %s"):format(err.code, err.message) end
  if result.completion then return table.concat(result.completion.values, ", ") end
  if result.contents then return result.contents[1].text or "(bytes)" end
  if result.messages then return result.messages[1].content.text or "(no text)" end
  local first = result.content[1]
  local text = first and (first.text or "(" .. first.type .. ")") or "(nothing)"
  return result.isError and "(error) " .. text or text
end

-- Makes the calls in the block's comments and compares the results; returns their number.
local function converse(block, app)
  local count = 0
  local peer <close> = helper.open(app)
  for line in block.text:gmatch "[^\n]+" do
    local what, expected = line:match "^%-%-%s+(.-)%s+%-%->%s+(.*)$"
    if what then
      local uri = what:match "^read%s+(%S+)$"
      local name, arguments = what:match "^(%S+)%s+(%b{})$"
      local of, argument, text = what:match "^complete%s+([^%s.]+)%.(%S+)%s+(%S+)$"
      assert(uri or name or of, ("%s: unknown form of call: %s"):format(at(block), what))
      local response
      if uri then
        response = peer:request("resources/read", { uri = uri })
      elseif of then
        response = peer:request("completion/complete", { ref = { type = "ref/prompt", name = of },
          argument = { name = argument, value = text } })
      else
        arguments = assert(load("return " .. arguments, "=arguments", "t", { mcp = mcp }))()
        response = peer:request(app.tools.by_name[name] and "tools/call" or "prompts/get",
          { name = name, arguments = arguments })
      end
      assert.equal(expected, received(response), at(block) .. ": " .. what)
      count = count + 1
    end
  end
  return count
end

describe("the code of the documentation", function()
  after_each(helper.leftovers)
  local all = blocks()

  for _, block in ipairs(all) do
    if block.language == "lua" then
      it("compiles: " .. at(block), function()
        assert(load(block.text, "@" .. at(block), "t"))
        -- Readers with a narrow screen must not have to scroll.
        for line in block.text:gmatch "[^\n]+" do
          local long = not line:find("-->", 1, true) and utf8.len(line) > 100
          assert.is_false(long, at(block) .. ": a long line: " .. line)
        end
      end)
      if block.text:find "^%-%- runs\n" then
        it("runs: " .. at(block), function()
          local library = block.text:match 'require "(luasql%.[%w.]+)"'
          if library and not package.searchpath(library, package.cpath) then
            return pending(at(block) .. ": SKIPPED, there is no " .. library)
          end
          local app
          helper.logged(function() app = run(block) end)
          helper.logged(function() converse(block, app) end)
        end)
      end
    elseif block.language == "json" then
      it("is JSON: " .. at(block), function() assert(core.decode(block.text)) end)
    end
  end

  it("was found, with its results", function()
    assert.is_true(#PAGES > 20, #PAGES .. " pages were found")
    local runs, answers = 0, 0
    for _, block in ipairs(all) do
      if block.language == "lua" and block.text:find "^%-%- runs\n" then
        runs = runs + 1
        for line in block.text:gmatch "[^\n]+" do
          if line:find "^%-%-%s+.-%s+%-%->%s+.*$" then answers = answers + 1 end
        end
      end
    end
    assert.is_true(runs >= 80, runs .. " blocks are run")
    assert.is_true(answers >= 80, answers .. " answers are compared")
  end)
end)

describe("the documentation names", function()
  local manual = read "docs/server.md"
  local contributing = read "docs/contributing.md"

  -- Rules of the makefiles that people call.
  local function targets()
    local out = {}
    local files = assert(io.popen "ls Makefile bench/*.mk scripts/*.mk")
    for path in files:lines() do
      local text = read(path):gsub("\\\n", " ")
      for names in ("\n" .. text):gmatch "\n%.PHONY:([^\n]*)" do
        for name in names:gmatch "%f[%S][%w-]+%f[%s%z]" do out[name] = true end
      end
      for name in ("\n" .. text):gmatch "\n([%w-]+):[^=]" do out[name] = true end
    end
    files:close()
    return out
  end

  it("every target of make, in docs/contributing.md, and no other", function()
    local known, shown = targets(), {}
    for name in contributing:gmatch "make ([%w-]+)" do shown[name] = true end
    local count = 0
    for name in pairs(known) do
      count = count + 1
      assert.is_true(shown[name] or false, "docs/contributing.md does not mention make " .. name)
    end
    assert.is_true(count > 10)
    for line in contributing:gmatch "| (`make[^|]*) |" do
      -- In capitals: one of a family, `make hunt-NAME`.
      for name in line:gmatch "`make ([%l%d-]+)%f[^%w-]" do
        assert.is_true(known[name] or false, "docs/contributing.md: there is no make " .. name)
      end
    end
  end)

  local function assert_named(name, text)
    -- Not as the beginning of a longer name.
    assert.is_truthy(text:find(name:gsub("%p", "%%%0") .. "%f[^%w_]"),
      "docs/server.md does not mention " .. name)
  end

  it("everything public of mcp, in docs/server.md", function()
    local names = { "string", "number", "integer", "boolean", "object", "enum", "any", "list",
      "elicit", "elicit_url", "sample", "roots" }
    for _, name in ipairs(names) do assert.is_truthy(mcp[name], name) end
    local all = manual .. read "docs/client.md"
    for name in pairs(mcp) do assert_named("mcp." .. name, all) end
    for name in pairs(mcp.middleware) do
      if name ~= "use" then assert_named("mcp.middleware." .. name, manual) end
    end
  end)

  it("every method of an app, of ctx, of what listens and of a folder", function()
    local app = mcp.server "names"
    for name in pairs(getmetatable(app).__index) do
      -- Methods that only the runtime calls.
      if not ({ has = 1, capabilities = 1, implementation = 1, cacheable = 1 })[name] then
        assert_named("app:" .. name, manual)
      end
    end
    local count = 0
    local context = read "lua/mcp/server/context.lua" .. read "lua/mcp/server/context_methods.lua"
    for kind, name in context:gmatch "\nfunction (%a+)%.([%w_]+)%(" do
      if kind == "methods" then assert_named("ctx:" .. name, manual) end
      if kind == "facts" and name ~= "exchange" and name ~= "row" then
        assert_named("ctx." .. name, manual)
      end
      count = count + 1
    end
    for name in pairs(require "mcp.server.ask") do
      if name:find "^[a-z_]+$" and name ~= "state_of" then assert_named("ctx:" .. name, manual) end
    end
    assert.is_true(count >= 10)
    local listen = read "lua/mcp/server/listen/init.lua"
    for name in listen:gmatch "\nfunction Listening%.__index:([%w_]+)" do
      assert_named("listening:" .. name, manual)
    end
    local folder <close> = assert(mcp.folder "examples")
    for name in pairs(getmetatable(folder).__index) do assert_named("folder:" .. name, manual) end
  end)

  it("every option of a server, a tool, a resource and a prompt", function()
    for _, feature in ipairs { "tool", "resource", "prompt" } do
      for name in pairs(require("mcp.server.feature." .. feature).options) do
        assert_named("`" .. name, manual)
      end
    end
    local options = read "lua/mcp/server/init.lua":match "local OPTIONS = (%b{})"
    for name in options:gmatch "([%w_]+) = " do assert_named("`" .. name, manual) end
    -- Those that are tables have members.
    for _, list in ipairs { "SESSIONS", "SUBSCRIPTIONS", "TASKS" } do
      local text = read "lua/mcp/server/init.lua":match("local " .. list .. " = (%b{})")
      for name in text:gmatch "([%w_]+) = " do assert_named(name, manual) end
    end
    local lists = read "lua/mcp/server/listen/options.lua"
      .. read "lua/mcp/server/listen/address.lua"
    for _, list in ipairs { "OPTIONS", "TLS", "SECURITY", "LIMITS", "HTTP", "UNIX" } do
      local text = lists:match("local " .. list .. " = (%b{})")
      for name in text:gmatch "([%w_]+) = " do assert_named("`" .. name, manual) end
    end
  end)

  it("every option of a page, in docs/apps.md", function()
    local page, count = read "docs/apps.md", 0
    for name in pairs(require("mcp.server.feature.ui").options) do
      count = count + 1
      assert.is_truthy(page:find("`" .. name .. "`", 1, true), name)
    end
    assert.is_true(count >= 15)
    -- And what the view kit gives to a page.
    for _, name in ipairs { "oninput", "onpartial", "onresult", "oncancel", "oncontext", "onclose",
      "onmessage", "call", "send", "notify", "mode", "ready", "capabilities", "input", "result",
      "context" } do
      assert.is_truthy(mcp.ui.kit:find("%f[%w]" .. name .. "%f[%W]"), name)
      assert.is_truthy(page:find("mcp." .. name, 1, true), name)
    end
  end)

  it("every option of authorization, and what ctx.auth holds, in docs/authorization.md", function()
    local page, count = read "docs/authorization.md", 0
    for _, name in ipairs { "init", "verifier" } do
      local list = read("lua/mcp/auth/server/" .. name .. ".lua"):match "local OPTIONS = (%b{})"
      for option in list:gmatch "([%w_]+) = " do
        count = count + 1
        assert.is_truthy(page:find("`" .. option .. "`", 1, true), option)
      end
    end
    for member in read "lua/mcp/auth/server/principal.lua":gmatch "%-%-%-@field ([%w_]+)" do
      count = count + 1
      assert.is_truthy(page:find("`ctx.auth." .. member .. "`", 1, true), member)
    end
    local text = read "lua/mcp/auth/client/init.lua"
    for _, name in ipairs { "COMMON", "CREDENTIALS", "OAUTH", "ENTERPRISE", "WORKLOAD" } do
      for option in text:match("local " .. name .. " = (%b{})"):gmatch "([%w_]+) = " do
        count = count + 1
        assert.is_truthy(page:find("`" .. option .. "`", 1, true), option)
      end
    end
    assert.is_true(count >= 55, count .. " names were found")
  end)

  it("every method, fact and option of a client, in docs/client.md", function()
    local page, count = read "docs/client.md", 0
    local client <close> = assert(mcp.connect(mcp.server "names"))
    -- Methods that only the client's own modules call.
    local inner = { attach = true, ready = true, reopen = true }
    for name in pairs(getmetatable(client).__index) do
      if not inner[name] then
        count = count + 1
        assert_named("client:" .. name, page)
      end
    end
    for name in read "lua/mcp/client/init.lua":gmatch "%-%-%-@field ([%w_]+)" do
      count = count + 1
      assert_named("client." .. name, page)
    end
    for _, list in ipairs { require("mcp.client.settings").OPTIONS,
      require("mcp.client.call").OPTIONS } do
      for name in pairs(list) do
        count = count + 1
        assert.is_truthy(page:find("`" .. name .. "`", 1, true), "docs/client.md: " .. name)
      end
    end
    assert.is_true(count >= 50, count .. " names were found")
  end)

  it("links only to pages and headings that exist", function()
    -- The anchor of a heading: letters, digits, "_" and "-" in lower case, a dash for each space.
    local function anchors_of(page)
      local anchors = {}
      for line in ("\n" .. read(page)):gsub("\n```.-\n```", ""):gmatch "\n#+ ([^\n]+)" do
        local anchor = line:lower():gsub("[^%w%s_-]", ""):gsub(" ", "-")
        anchors[anchor] = true
      end
      return anchors
    end
    local wrong, count = {}, 0
    for _, page in ipairs(PAGES) do
      for target in read(page):gsub("\n```.-\n```", ""):gmatch "%]%(([^)%s]+)%)" do
        local path, anchor = target:match "^([^#]*)#?(.*)$"
        if not path:find "^%a+:" then
          local file = path == "" and page or page:match "^(.-)[^/]*$" .. path
          count = count + 1
          if not exists(file) then
            wrong[#wrong + 1] = ("%s: no page %s"):format(page, path)
          elseif anchor ~= "" and not anchors_of(file)[anchor] then
            wrong[#wrong + 1] = ("%s: no heading for %s"):format(page, target)
          end
        end
      end
    end
    assert.equal("", table.concat(wrong, "\n"))
    assert.is_true(count > 100, count .. " links were found")
  end)

  it("only files that exist", function()
    local count = 0
    -- Files that readers make.
    local theirs = { ["spec/server_spec.lua"] = true }
    for _, page in ipairs(PAGES) do
      for path in read(page):gmatch "`([%w_./-]+%.%w+)`" do
        if path:find "/" and not path:find "^[/.]" and not path:find "^build/" then
          count = count + 1
          local found = exists(path) or exists("lua/mcp/" .. path) or exists("src/" .. path)
            or exists("docs/" .. path) or theirs[path] or false
          assert.is_true(found, ("%s: there is no %s"):format(page, path))
        end
      end
    end
    assert.is_true(count > 15, count .. " paths were found")
  end)
end)

describe("docs/limits.md", function()
  local UNITS = { [""] = 1, bytes = 1, s = 1, ms = 1 / 1000, KiB = 1 << 10, MiB = 1 << 20,
    GiB = 1 << 30, levels = 1 }

  local headers = ""
  for path in assert(io.popen "find src -name '*.h'"):lines() do headers = headers .. read(path) end

  -- The value of a constant of C, or of `file.lua NAME`.
  local function constant(name)
    local text = headers:match("\n#define%s+" .. name .. "%s+([^\n/]+)")
    if text then
      text = text:gsub("(%d)u%f[^%w]", "%1")
      return load("return " .. text)()
    end
    local module, member = name:match "^([%w_/.]+)%.lua ([%w_]+)$"
    if not module then return nil end
    module = require("mcp." .. module:gsub("/init$", ""):gsub("/", "."))
    return module[member] or module.with and module.with()[member]
  end

  -- "10 s", "4 MiB", "10000".
  local function number(text)
    local digits, unit = text:match "^([%d.]+)%s*(%a*)$"
    return digits and UNITS[unit] and tonumber(digits) * UNITS[unit]
  end

  it("has the numbers of the source", function()
    local count = 0
    for line in read "docs/limits.md":gmatch "[^\n]+" do
      local name, shown = line:match "^| `([^`]+)`[^|]*| ([^|]-) |"
      local where = line:match "`(MCP_[%w_]+)`[^`]*$" or line:match "`([%w_/]+%.lua [%w_]+)`[^`]*$"
      if name and where then
        local real, listed = constant(where), number(shown)
        assert.is_truthy(real, "no constant " .. where)
        assert.is_truthy(listed, "no number: " .. line)
        -- Times in C are milliseconds.
        if shown:find "%d m?s$" and where:find "^MCP_" then real = real / 1000 end
        if where == "MCP_REGEX_HEAP" then real = real * 1024 end
        assert.equal(real, listed, name)
        count = count + 1
      end
    end
    assert.is_true(count >= 65, count .. " numbers were compared")
  end)

  it("leaves no limit out that can be set", function()
    local text = read "docs/limits.md"
    local names = read "lua/mcp/server/listen/options.lua":match "local LIMITS = (%b{})"
    for name in names:gmatch "([%w_]+) = " do
      assert.is_truthy(text:find("`limits." .. name .. "`", 1, true), name)
    end
    names = read "lua/mcp/server/init.lua"
    for _, list in ipairs { "sessions", "subscriptions", "tasks" } do
      for name in names:match("local " .. list:upper() .. " = (%b{})"):gmatch "([%w_]+) = " do
        assert.is_truthy(text:find("`" .. list .. "." .. name .. "`", 1, true), list .. "." .. name)
      end
    end
    for name in pairs(require "mcp.schema.limits".with()) do
      assert.is_truthy(text:find("`schema/limits.lua " .. name .. "`", 1, true), name)
    end
    assert.is_true(value.is_object {})
  end)

  it("leaves no number of the Lua side out", function()
    -- Numbers that are not limits.
    local other = { ["server/heartbeat.lua TRIFLE"] = true, ["server/timeout.lua CODE"] = true,
      ["cli/command.lua WIDTH"] = true, ["cli/doctor.lua TIME"] = true,
      ["testing/record.lua FORMAT"] = true, ["server/listen/metrics.lua PROBE"] = true,
      ["cli/check.lua NAME"] = true, ["cli/install.lua NAME"] = true,
      ["cli/host/secrets.lua LENGTH"] = true, ["cli/diff.lua AROUND"] = true,
      ["cli/diff.lua COLUMNS"] = true, ["cli/terminal.lua COLUMNS"] = true,
      ["cli/picture.lua CHUNK"] = true, ["cli/progress.lua SECONDS"] = true }
    local text, count = read "docs/limits.md", 0
    local pipe <close> = assert(io.popen "find lua/mcp -name '*.lua'")
    for path in pipe:lines() do
      if not path:find "^lua/mcp/protocol/" then
        for name in read(path):gmatch "\n[a-z_]+%.([A-Z_]+) = [%d.]" do
          local where = ("%s %s"):format(path:gsub("^lua/mcp/", ""), name)
          count = count + 1
          if not other[where] then
            assert.is_truthy(text:find("`" .. where .. "`", 1, true),
              "docs/limits.md does not mention " .. where)
          end
        end
      end
    end
    assert.is_true(count > 25, count .. " numbers were found")
  end)
end)
