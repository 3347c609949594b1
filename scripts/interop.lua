-- SPDX-License-Identifier: MIT
-- interop.lua: other people's clients against the example servers, over stdio and HTTP, in both
-- eras: the two major versions of the TypeScript SDK and the inspector's command line. What they
-- do and what must come back is in interop/.
--
--   lua5.4 scripts/interop.lua [WORD]     only the lines that contain WORD
--
-- MCP_BUILD is the build folder (build), PROGRAM the program in it.
package.path = "./scripts/?.lua;" .. package.path
local background = require "background"

local quote = background.quote

local BUILD = os.getenv "MCP_BUILD" or "build"
local PROGRAM = os.getenv "PROGRAM" or BUILD .. "/luamcp"
local OUT = BUILD .. "/interop"
local NODE = BUILD .. "/node/node_modules/.bin/node"
-- Here the scripts find the packages.
local SCRIPTS = BUILD .. "/node/interop"
local LOG = OUT .. "/output.log"

local EXAMPLES = { "files", "hello" }

local ARGUMENTS = {
  files = { "examples/files.lua", "examples/library" },
  hello = { "examples/hello.lua" },
}

local function read_file(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a" or ""
end

local function shell(format, ...)
  return os.execute(format:format(...)) == true
end

local function words(list)
  local out = {}
  for i, word in ipairs(list) do out[i] = quote(word) end
  return table.concat(out, " ")
end

-- The clients. `run` gives the command for an example, an era, and a URL or nil for stdio.
local function sdk(script)
  return function(example, era, url)
    return words { NODE, SCRIPTS .. "/" .. script, example, era, url }
  end
end

-- The inspector, with its settings in the build folder. It must print the name of the tool.
local TOOLS = { files = '"name": *"search"', hello = '"name": *"greet"' }

local function inspector(example, era, url)
  local command = words { NODE, BUILD .. "/node/node_modules/.bin/mcp-inspector", "--cli" }
  -- What comes behind the program is the program's, so options come first.
  local options = words { "--protocol-era", era, "--format", "json", "--quiet", "--method",
    "tools/list" }
  local target = url and words { "--transport", "http", "--server-url", url }
    or words { "--", PROGRAM, "run", table.unpack(ARGUMENTS[example]) }
  return ("HOME=%s %s %s %s && grep -q %s %s"):format(quote(OUT), command, options, target,
    quote(TOOLS[example]), quote(LOG))
end

local CLIENTS = {
  { name = "sdk 1", run = sdk "sdk1.mjs", eras = { "legacy" }, examples = EXAMPLES },
  { name = "sdk 2", run = sdk "sdk2.mjs", eras = { "legacy", "modern", "auto" },
    examples = EXAMPLES },
  { name = "inspector", run = inspector, eras = { "legacy", "modern" }, examples = EXAMPLES },
}

local passed, failed = 0, 0

local function try(name, command, log)
  local ok = shell("PROGRAM=%s; export PROGRAM; { %s; } >%s 2>&1 </dev/null", quote(PROGRAM),
    command, quote(LOG))
  io.write(ok and "ok      " or "FAILED  ", name, "\n")
  if ok then
    passed = passed + 1
    return
  end
  failed = failed + 1
  for line in (read_file(LOG) .. (log and read_file(log) or "")):gmatch "[^\n]+" do
    io.write("        ", line, "\n")
  end
end

local function main(only)
  if not shell("BUILD=%s scripts/deps interop", quote(BUILD)) then return false end
  assert(shell("mkdir -p %s %s && cp scripts/interop/*.mjs %s", quote(OUT), quote(SCRIPTS),
    quote(SCRIPTS)))
  local http <close> = setmetatable({}, { __close = function(servers)
    for _, server in pairs(servers) do server:stop() end
  end })
  for _, example in ipairs(EXAMPLES) do
    http[example] = background.start({ PROGRAM, "run", "--http", "127.0.0.1:0",
      table.unpack(ARGUMENTS[example]) }, ("%s/%s.log"):format(OUT, example))
  end
  for _, client in ipairs(CLIENTS) do
    for _, era in ipairs(client.eras) do
      for _, transport in ipairs { "stdio", "http" } do
        for _, example in ipairs(client.examples) do
          local name = ("%-9s  %-6s  %-5s  %s.lua"):format(client.name, era, transport, example)
          local server = transport == "http" and http[example] or nil
          if name:find(only, 1, true) then
            try(name, client.run(example, era, server and server.url), server and server.log)
          end
        end
      end
    end
  end
  for _, example in ipairs(EXAMPLES) do
    local status = http[example]:stop()
    if status ~= 0 then
      failed = failed + 1
      print(("FAILED  %s.lua ended with status %s; see %s"):format(example, status,
        http[example].log))
    end
  end
  print(("interop: %d passed, %d failed"):format(passed, failed))
  return failed == 0 and passed > 0
end

os.exit(main(arg[1] or ""), true)
