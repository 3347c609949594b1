-- SPDX-License-Identifier: MIT
-- cli: the luamcp command. Returns the exit status.
local core = require "mcp.core"

local cli = {}

local HELP = [[
usage: luamcp [run] FILE [--stdio] [--http [HOST:]PORT] [ARGUMENT…]

Runs a Lua script that makes an MCP server (or is a client).

  --stdio               serve standard input and output (what app:run() does
                        if nothing else is said)
  --http [HOST:]PORT    serve Streamable HTTP, at /mcp; HOST is 127.0.0.1 if
                        it is left out. HOST:PORT/PATH chooses another path
  --                    no option of ours follows: FILE, or the script's words
  --help, --version

The script finds its own arguments in `arg`. MCP_LOG=debug in the environment
shows what happens, MCP_LOG=wire every byte (secrets hidden).
]]

local function fail(text, ...)
  io.stderr:write("luamcp: ", text:format(...), "\n")
  return 2
end

-- Splits the command line: what is ours, and what is the script's.
local function parse(args)
  local out = { script = {}, asked = nil }
  local i, file = 1, nil
  local function ask(key, given)
    out.asked = out.asked or {}
    out.asked[key] = given
  end
  while i <= #args do
    local word = args[i]
    if word == "--" then
      for j = i + 1, #args do
        if file then out.script[#out.script + 1] = args[j] else file = args[j] end
      end
      break
    elseif word == "--stdio" then
      ask("stdio", true)
    elseif word == "--http" then
      i = i + 1
      if not args[i] then return nil, "--http needs an address, such as 127.0.0.1:8000" end
      ask("http", args[i])
    elseif word:match "^%-%-http=" then
      ask("http", word:sub(8))
    elseif not file and (word == "--help" or word == "-h") then
      out.help = true
      return out
    elseif not file and (word == "--version" or word == "-v") then
      out.version = true
      return out
    elseif not file and word == "run" and i == 1 then
      out.run = true
    elseif not file and word:sub(1, 1) == "-" and word ~= "-" then
      return nil, ("unknown option %s; luamcp --help lists them"):format(word)
    elseif not file then
      file = word
    else
      out.script[#out.script + 1] = word
    end
    i = i + 1
  end
  out.file = file
  return out
end

-- Modules beside the script are found as well.
local function add_path(file)
  local folder = file:match "^(.*)/[^/]*$" or "."
  package.path = ("%s/?.lua;%s/?/init.lua;%s"):format(folder, folder, package.path)
end

-- Lua's own print flushes. Until a script serves, nobody knows whether standard
-- output will be the wire; left in the buffer, a banner goes to standard error
-- when it turns out to be, and where it belongs when it does not.
local function print_buffered(...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  io.stdout:write(table.concat(words, "\t"), "\n")
end

---@param args table the words of the command line, [0] being the program
---@return integer status
function cli.main(args)
  local options, message = parse(args)
  if not options then return fail("%s", message) end
  if options.help then
    io.stdout:write(HELP)
    return 0
  end
  if options.version then
    io.stdout:write("luamcp ", core.version, " (", _VERSION, ")\n")
    return 0
  end
  if not options.file then
    io.stderr:write(HELP)
    return 2
  end
  if options.asked and options.asked.http then
    local ok, why = pcall(require("mcp.listen").address, options.asked.http)
    if not ok then return fail("--%s", why) end
  end
  local chunk, why = loadfile(options.file, "t")
  if not chunk then return fail("%s", why) end
  local script = options.script
  script[0] = options.file
  _G.arg = script
  _G.print = print_buffered
  add_path(options.file)
  local server = require "mcp.server"
  server.asked = options.asked
  local result = chunk(table.unpack(script))
  -- A script may leave the running to us: `return app`.
  if type(result) == "table" and getmetatable(result) and
    getmetatable(result).__name == "mcp.server" then
    result:run()
  end
  return 0
end

return cli.main
