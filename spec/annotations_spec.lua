-- SPDX-License-Identifier: MIT
-- Every public function says what it takes and gives, in the annotations that language servers
-- read; the C module's stand in lua/mcp/core.types.lua.
local core = require "mcp.core"
local mcp = require "mcp"

local function lines_of(path)
  local list = {}
  for line in io.lines(path) do list[#list + 1] = line end
  return list
end

local sources = {}
local function source_of(path)
  sources[path] = sources[path] or lines_of(path)
  return sources[path]
end

-- The annotation right above a line of a file, or nil.
local function annotation_above(path, line)
  local source, text = source_of(path), {}
  for i = line - 1, 1, -1 do
    local comment = source[i]:match "^%s*%-%-%-(.*)$"
    if not comment then break end
    table.insert(text, 1, comment)
  end
  return text[1] and table.concat(text, "\n") or nil
end

-- The names of the parameters in a definition, without self.
local function parameters(fn)
  local names, info = {}, debug.getinfo(fn, "u")
  for i = 1, info.nparams do names[i] = debug.getlocal(fn, i) end
  if info.isvararg then names[#names + 1] = "..." end
  return names
end

local wrong
local function complain(...) wrong[#wrong + 1] = (...):format(select(2, ...)) end

-- Is this Lua function annotated, with each of its parameters? `self` names its first one.
local function check(name, fn, has_self)
  local info = debug.getinfo(fn, "S")
  if info.what == "C" then return end
  local path = info.source:match "^@(.*)$"
  local text = annotation_above(path, info.linedefined)
  if not text then
    complain("%s (%s:%d) has no annotation", name, path:match "lua/mcp/.*$" or path,
      info.linedefined)
    return
  end
  for i, parameter in ipairs(parameters(fn)) do
    if not (has_self and i == 1) and parameter ~= "_" and parameter ~= "..."
      and not text:find("@param " .. parameter .. "[%s?]") then
      complain("%s (%s:%d): @param %s is missing", name, path:match "lua/mcp/.*$" or path,
        info.linedefined, parameter)
    end
  end
end

describe("documentation", function()
  before_each(function() wrong = {} end)

  local function report() assert.equal("", table.concat(wrong, "\n")) end

  it("of every function of mcp", function()
    local seen = 0
    local made_by = { user = true, assistant = true } -- closures of one function
    -- Those that are loaded at their first use.
    for _, name in ipairs { "run", "spawn", "sleep", "all", "step", "fd", "timeout" } do
      assert.is_function(mcp[name])
    end
    for name, member in pairs(mcp) do
      if type(member) == "function" and not made_by[name] then
        seen = seen + 1
        check("mcp." .. name, member)
      end
    end
    assert.is_true(seen > 10)
    report()
  end)

  it("of the constructors of arguments", function()
    for _, name in ipairs { "string", "number", "integer", "boolean", "object", "enum", "any",
      "list" } do
      local member = mcp[name]
      assert.is_true(type(member) == "function"
        or type(member) == "table" and getmetatable(member).__call ~= nil, name)
    end
  end)

  it("of every method of an app", function()
    local methods, seen = getmetatable(mcp.server "x").__index, 0
    for name, member in pairs(methods) do
      seen = seen + 1
      check("app:" .. name, member, true)
    end
    assert.is_true(seen > 10)
    report()
  end)

  it("of every method of a client, and of what makes one", function()
    local client, seen = mcp.session(mcp.stdio_client { "none" }), 0
    for name, member in pairs(getmetatable(client).__index) do
      seen = seen + 1
      check("client:" .. name, member, true)
    end
    for _, name in ipairs { "connect", "session", "stdio_client", "websocket_client", "canceller",
      "client_cache" } do
      check("mcp." .. name, mcp[name])
    end
    assert.is_true(seen > 20)
    report()
  end)

  it("of every method of ctx", function()
    local seen = 0
    local source = source_of(package.searchpath("mcp.server.context_methods", package.path))
    for i, line in ipairs(source) do
      local name = line:match "^function methods[.:]([%w_]+)"
      if name then
        seen = seen + 1
        local path = package.searchpath("mcp.server.context_methods", package.path)
        if not annotation_above(path, i) then complain("ctx:%s has no annotation", name) end
      end
    end
    assert.is_true(seen > 4)
    report()
  end)

  it("of every fact of ctx, in the class", function()
    local path = package.searchpath("mcp.server.context", package.path)
    local text = table.concat(source_of(path), "\n")
    for name in text:gmatch "\nfunction facts%.([%w_]+)" do
      assert.is_truthy(text:find("---@field " .. name .. " ", 1, true), "ctx." .. name)
    end
  end)

  describe("of the C module", function()
    local PATH = "lua/mcp/core.types.lua"
    local text = table.concat(lines_of(PATH), "\n")

    it("every function, every field", function()
      local seen = 0
      assert.is_table(core.regex) -- what is opened when it is first asked for (seldom.c)
      for name, member in pairs(core) do
        seen = seen + 1
        local pattern = type(member) == "function" and "\nfunction core%." .. name .. "%("
          or "\ncore%." .. name .. " = "
        if not text:find(pattern) then complain("core.%s is not in %s", name, PATH) end
      end
      for name in pairs(core.regex) do
        if not text:find("function core.regex." .. name .. "(", 1, true) then
          complain("core.regex.%s is not in %s", name, PATH)
        end
      end
      assert.is_true(seen > 20)
      report()
    end)

    local CLASSES = { exchange = "mcp.exchange", endpoint = "mcp.endpoint", sender = "mcp.sender",
      waiter = "mcp.waiter", http_pool = "mcp.http_pool", http_response = "mcp.http_response",
      wire_end = "mcp.wire_end", regex = "mcp.regex", folder = "mcp.folder.core",
      process = "mcp.process" }

    -- Where __index is a function, the methods stand beside it.
    local function methods_of(type_name)
      local metatable = assert(debug.getregistry()[type_name], type_name)
      return metatable.methods or metatable.__index
    end

    it("every method of its objects", function()
      -- Its type is made at its first use.
      assert.is_table(mcp.process)
      for class, type_name in pairs(CLASSES) do
        for name in pairs(methods_of(type_name)) do
          if not text:find("\nfunction " .. class .. ":" .. name .. "(", 1, true) then
            complain("%s:%s is not in %s", class, name, PATH)
          end
        end
      end
      report()
    end)

    it("nothing that is not there", function()
      for class, name in text:gmatch "\nfunction ([%w_.]+)[.:]([%w_]+)%(" do
        if class == "core" then
          if core[name] == nil then complain("core.%s does not exist", name) end
        elseif CLASSES[class] then
          if not methods_of(CLASSES[class])[name] then
            complain("%s:%s does not exist", class, name)
          end
        end
      end
      report()
    end)

    it("each with a line above it", function()
      for i, line in ipairs(lines_of(PATH)) do
        -- close() of everything speaks for itself.
        if line:find "^function core%." and not annotation_above(PATH, i) then
          complain("%s:%d: %s", PATH, i, line)
        end
      end
      report()
    end)

    it("is never loaded", function()
      local pipe = assert(io.popen "grep -rl 'core.types' lua --include=*.lua")
      for path in pipe:lines() do
        for line in io.lines(path) do
          assert.is_nil(line:find 'require[ (]*"mcp%.core%.types"', path)
        end
      end
      pipe:close()
    end)
  end)
end)
