-- SPDX-License-Identifier: MIT
-- demo.lua: starts examples/files.lua and talks to it with our own client: over standard input and
-- output and over HTTP, in both eras of the protocol, then over what else there is. It prints what
-- is called and what comes back. Every answer is checked: a wrong one ends it with status 1. Run by
-- `make demo`, from the root of the tree.
package.path = "./scripts/?.lua;" .. package.path
local background = require "background"
local mcp = require "mcp"

local BUILD = os.getenv "MCP_BUILD" or "build"
local PROGRAM = os.getenv "PROGRAM" or BUILD .. "/luamcp"
local SERVER = { "run", "examples/files.lua", "examples/library" }
local OUT = BUILD .. "/demo"
local WIDTH = 92

-- What is printed ------------------------------------------------------------------------------

local function say(...) io.write(string.format(...), "\n") end

local function heading(text) say("\n%s\n%s", text, ("-"):rep(utf8.len(text))) end

local function shorten(line, width)
  if utf8.len(line) <= width then return line end
  return line:sub(1, utf8.offset(line, width) - 1) .. "…"
end

local function fail(format, ...) error("demo FAILED: " .. format:format(...), 0) end

-- What is called, as it stands in a program.
local function call_text(errand)
  local words = {}
  for i, word in ipairs(errand) do
    if type(word) == "table" then
      local members = {}
      for name, member in pairs(word) do
        members[#members + 1] = ("%s = %s"):format(name,
          type(member) == "string" and ("%q"):format(member) or member)
      end
      table.sort(members)
      word = "{ " .. table.concat(members, ", ") .. " }"
    elseif i > 1 then
      word = ("%q"):format(word)
    end
    words[i] = word
  end
  return ("client:%s(%s)"):format(words[1], table.concat(words, ", ", 2))
end

-- What is called, and what must come back --------------------------------------------------------

-- The members `key` of a list.
local function each(list, key)
  local out = {}
  for i, item in ipairs(list) do out[i] = item[key] end
  return out
end

local function lines_of(text, most)
  local out = {}
  for line in text:gmatch "[^\n]+" do
    out[#out + 1] = line
    if #out == most then break end
  end
  return out
end

-- Each calls a method of the client. `show` makes lines of what came back; among them must be
-- all of `expect`. A call returns a result, or nil, a message and a code.
local ERRANDS = {
  { "list_tools", show = function(tools)
      local out = {}
      for i, tool in ipairs(tools) do out[i] = tool.name .. ": " .. tool.description end
      return out
    end, expect = { "search: Find the lines" } },
  { "list_resources", show = function(resources)
      local out = each(resources, "uri")
      table.sort(out)
      return out
    end, expect = { "folder:///garden/spring.md", "folder:///planets.csv", "folder:///rain.txt",
      "folder:///tea.md" } },
  { "list_prompts", show = function(prompts) return each(prompts, "name") end,
    expect = { "summarise" } },
  { "call_tool", "search", { query = "rain", limit = 2 }, show = function(result)
      local out = {}
      for i, match in ipairs(result.structuredContent.matches) do
        out[i] = ("%s:%d: %s"):format(match.path, match.line, match.text)
      end
      return out
    end, expect = { "rain.txt:1: Rain" } },
  -- What the model reads when its call was wrong, so that it can mend it.
  { "call_tool", "search", { qery = "rain" }, show = function(result)
      return result.isError and lines_of(result.content[1].text, 2) or { "no error" }
    end, expect = { 'argument "query" is missing', 'did you mean "query"?' } },
  { "read_resource", "folder:///rain.txt", show = function(result)
      return lines_of(result.contents[1].text, 2)
    end, expect = { "Rain, at the Desk" } },
  { "read_resource", "folder:///../etc/passwd", show = function(result, text, code)
      return { ("nil, %q, %s"):format(text, code), result and "something" }
    end, expect = { "Resource not found" } },
  { "get_prompt", "summarise", { path = "tea.md" }, show = function(result)
      return { result.messages[2].content.text, result.messages[1].content.resource.uri }
    end, expect = { "Summarise this file", "folder:///tea.md" } },
}

-- Calls, prints (`most` lines of what came back) and checks.
local function run(client, errand, most)
  local method = client[errand[1]]
  local result, text, code = method(client, table.unpack(errand, 2))
  say("  %s", call_text(errand))
  if not result and errand[2] ~= "folder:///../etc/passwd" then
    fail("%s: %s (%s)", errand[1], text, code)
  end
  local lines = errand.show(result, text, code)
  for i = 1, math.min(#lines, most) do say("      %s", shorten(lines[i], WIDTH - 6)) end
  if #lines > most then say("      … and %d more", #lines - most) end
  local all = table.concat(lines, "\n")
  for _, wanted in ipairs(errand.expect) do
    if not all:find(wanted, 1, true) then
      fail("%s: there should be %q in\n%s", errand[1], wanted, all)
    end
  end
  if #lines == 0 or all:find("root:", 1, true) then fail("%s: got\n%s", errand[1], all) end
end

-- Connects; prints the call, and the name of the server.
local function connect(target, options, shown)
  local client, text, code = mcp.connect(target, options)
  say("  client = mcp.connect(%s)", shown)
  if not client then fail("%s (%s)", text, code) end
  say("      %s %s, revision %s", client.server.name, client.server.version, client.revision)
  if client.server.name ~= "files" then
    fail("server: expected files, got %q", client.server.name)
  end
  return client
end

local ERAS = {
  { "stateless", "modern", "2026-07-28" },
  { "with a session", "legacy", "2025-11-25" },
}

-- The same errands in both eras: all that comes back, then a line of each.
local function both_eras(number, over, target, shown)
  for i, era in ipairs(ERAS) do
    heading(("%d. %s, %s"):format(number + i - 1, over, era[1]))
    local options = i > 1 and { era = era[2] } or nil
    local client <close> = connect(target, options,
      shown .. (i > 1 and (", { era = %q }"):format(era[2]) or ""))
    if client.revision ~= era[3] then fail("revision %s expected", era[3]) end
    for _, errand in ipairs(ERRANDS) do run(client, errand, i == 1 and 5 or 1) end
  end
end

local function over_stdio()
  local words = table.concat(SERVER, '", "')
  both_eras(1, "Standard input and output", { command = PROGRAM, args = SERVER },
    ('{ "luamcp", "%s" }'):format(words))
end

-- One server, and all that it answers at one address.
local function over_the_network()
  -- The path of a socket file must be short, and build/ may lie deep.
  local pipe <close> = assert(io.popen "mktemp -d")
  local folder = pipe:read "l"
  local path = folder .. "/mcp.sock"
  local words = { PROGRAM, SERVER[1], "--http", "127.0.0.1:0", "--unix", path,
    table.unpack(SERVER, 2) }
  local server <close> = background.start(words, OUT .. "/server.log")
  heading "One server for the rest"
  say("  $ luamcp %s", table.concat(words, " ", 2))
  say("  files 1.0.0 answers at %s", server.url)
  both_eras(3, "Streamable HTTP", server.url, ("%q"):format(server.url))

  heading "5. The other ways to the same server"
  do
    local client <close> = mcp.session(mcp.sse_client(server.url))
    say("  client = mcp.session(mcp.sse_client(%q)) client:initialize()", server.url)
    assert(client:initialize())
    run(client, ERRANDS[4], 1)
  end
  for _, address in ipairs { (server.url:gsub("^http", "ws")), "unix:" .. path } do
    local client <close> = connect(address, nil, ("%q"):format(address))
    run(client, ERRANDS[4], 1)
  end

  heading "6. A request from a foreign page is refused"
  local client, text, code = mcp.connect(server.url, { headers = {
    Origin = "http://evil.example" } })
  say("  mcp.connect(%q, { headers = { Origin = \"http://evil.example\" } })", server.url)
  say("      nil, %q, %s", text, code)
  if client or code ~= "EHTTP403" then fail("a page of another origin was let in") end

  local status = server:stop()
  if status ~= 0 then fail("the server ended with status %s; see %s", status, server.log) end
  -- It has taken its socket file away.
  if not os.remove(folder) then fail("something is left in %s", folder) end
end

assert(os.execute("mkdir -p " .. background.quote(OUT)))
say("examples/files.lua serves the folder examples/library: each text file is a resource,\n"
  .. "\"search\" is a tool, \"summarise\" a prompt. Indented: what came back.")
over_stdio()
over_the_network()
say("\nAll answers were as they should be.")
