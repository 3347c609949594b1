-- SPDX-License-Identifier: MIT
-- cli: the luamcp command. Returns the exit status.
local core = require "mcp.core"

local cli = {}

local HELP = [[
usage: luamcp [run] FILE [OPTION…] [ARGUMENT…]

Runs a Lua script that makes an MCP server (or is a client).

  --stdio               serve standard input and output (what app:run() does
                        if nothing else is said)
  --http [HOST:]PORT    serve HTTP, at /mcp; HOST is 127.0.0.1 if it is left
                        out. HOST:PORT/PATH chooses another path. One URL for
                        Streamable HTTP, HTTP+SSE and WebSocket
  --sse [HOST:]PORT     a listener of its own for HTTP+SSE (2024-11-05)
  --websocket [HOST:]PORT  one for WebSocket
  --unix PATH           serve HTTP on a socket file
  --inspect             with --http, on loopback: a page at / to look at the
                        server with, in a browser
  --tls-cert FILE, --tls-key FILE  HTTPS: the certificate and its key, in PEM
  --memory-limit SIZE   what peers may make the process hold: bytes, or a number
                        with k, M or G after it; default 256M, 0 for no limit
  --                    no option of ours follows: FILE, or the script's words
                        (those after its first own argument are the script's
                        in any case)
  --help, --version

The script finds its own arguments in `arg`. MCP_LOG=debug in the environment
shows what happens, MCP_LOG=wire every byte (secrets hidden).
]]

local function fail(text, ...)
  io.stderr:write("luamcp: ", text:format(...), "\n")
  return 2
end

-- Options with a value: what they ask for, and what to say when the value is missing.
local WITH_VALUE = {
  ["--http"] = { "http", "an address, such as 127.0.0.1:8000" },
  ["--sse"] = { "sse", "an address, such as 127.0.0.1:8000" },
  ["--websocket"] = { "websocket", "an address, such as 127.0.0.1:8000" },
  ["--unix"] = { "unix", "the path of a socket file" },
  ["--tls-cert"] = { "cert", "a file" },
  ["--tls-key"] = { "key", "a file" },
  ["--memory-limit"] = { "memory", "a size, such as 256M" },
}

-- What of it is no address, or lacks its other half; nil if all is well.
local function complaint(asked)
  local address = require "mcp.server.listen.address"
  for _, way in ipairs { "http", "sse", "websocket" } do
    if asked[way] then
      local ok, text = pcall(address.read, asked[way], way)
      if not ok then return "--" .. text end
    end
  end
  if asked.inspect and not asked.http then return "--inspect needs --http" end
  if asked.unix == "" then return "--unix needs the path of a socket file" end
  local tls = asked.tls
  if not tls then return nil end
  if not (tls.cert and tls.key) then
    return ("--tls-%s needs --tls-%s beside it"):format(tls.cert and "cert" or "key",
      tls.cert and "key" or "cert")
  end
  if not (asked.http or asked.sse or asked.websocket) then
    return "--tls-cert needs --http, --sse or --websocket"
  end
  return nil
end

-- Splits the command line: what is ours, and what is the script's.
local function parse(args)
  local out = { script = {}, asked = nil }
  local i, file = 1, nil
  local function ask(key, given)
    if key == "memory" then
      out.memory = given
      return
    end
    out.asked = out.asked or {}
    local into = out.asked
    if key == "cert" or key == "key" then
      into.tls = into.tls or {}
      into = into.tls
    end
    into[key] = given
  end
  while i <= #args do
    local word = args[i]
    local name, given = word:match "^(%-%-[%a-]+)=(.*)$"
    local option = WITH_VALUE[name or word]
    if word == "--" then
      out.divided = file ~= nil
      for j = i + 1, #args do
        if file then out.script[#out.script + 1] = args[j] else file = args[j] end
      end
      break
    elseif word == "--stdio" or word == "--inspect" then
      ask(word:sub(3), true)
    elseif option then
      if not name then
        i = i + 1
        given = args[i]
      end
      if not given then return nil, ("%s needs %s"):format(word, option[2]) end
      ask(option[1], given)
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
      -- From its first own word on they are the script's, whatever they look like.
      table.move(args, i, #args, 1, out.script)
      break
    end
    i = i + 1
  end
  out.file = file
  return out
end

-- Frames of the runtime are hidden: they do not help the author of the script.
local OURS = debug.getinfo(1, "S").short_src:match "^(.*)cli%.lua$" or ""

-- An error of the script as its author reads it: the text, and the script's own frames where there
-- is more than the place that the text names already. An error in our own files keeps all.
local function explain(raised)
  local text = type(raised) == "string" and raised
  if not text then
    local meta = getmetatable(raised)
    text = type(meta) == "table" and meta.__tostring and tostring(raised)
      or ("(an error of type %s)"):format(type(raised))
  end
  local whole = debug.traceback(text, 2)
  if os.getenv "MCP_LOG" == "debug" or text:sub(1, #OURS) == OURS then return whole end
  local lines, frames, first, in_trace = {}, {}, nil, false
  for line in whole:gmatch "[^\n]+" do
    local frame = in_trace and line:match "^\t(.*)"
    if line == "stack traceback:" then
      in_trace = true
    elseif not frame then
      lines[#lines + 1] = line
    elseif not frame:find "^%[C%]" and not frame:find "^%(%.%.%." then
      local ours = frame:sub(1, #OURS) == OURS
      first = first or (ours and "ours" or "theirs")
      frame = frame:gsub("in %a+ 'chunk'$", "in main chunk")
      if not ours then frames[#frames + 1] = "\t" .. frame end
    end
  end
  text = table.concat(lines, "\n")
  local place = text:match "^[^\n]-:%d+: "
  -- `error(text, 0)` of the script: it wants to say this and no more.
  local alone = not place and first == "theirs" and type(raised) == "string"
  if alone or place and #frames < 2 or #frames == 0 then return text end
  return text .. "\nstack traceback:\n" .. table.concat(frames, "\n")
end

-- Warns of arguments after the script that resemble one of the program's options.
local function warn_of_typos(words)
  local nearest = require "mcp.nearest"
  local known = { "--stdio", "--inspect" }
  for name in pairs(WITH_VALUE) do known[#known + 1] = name end
  for _, word in ipairs(words) do
    local name = word:match "^(%-%-[%a-]+)"
    local meant = name and nearest.find(name, known)
    if meant and nearest.distance(name, meant) == 1 then
      core.log("warning", ("%s is left to the script; did you mean %s? (-- before it says no)")
        :format(name, meant))
    end
  end
end

-- Modules beside the script are found as well.
local function add_path(file)
  local folder = file:match "^(.*)/[^/]*$" or "."
  package.path = ("%s/?.lua;%s/?/init.lua;%s"):format(folder, folder, package.path)
end

-- Lua's own print flushes. Until a script serves, it is not known whether standard
-- output will carry messages; left in the buffer, a banner goes to standard error
-- when it turns out to be, and where it belongs when it does not.
local function print_buffered(...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  io.stdout:write(table.concat(words, "\t"), "\n")
end

local LEVELS = { "wire", "debug", "info", "notice", "warning", "error", "off" }

-- The value of MCP_LOG if it is no known level: a program must not run without the log lines that
-- the user asked for.
local function wrong_level()
  local wanted = os.getenv "MCP_LOG"
  if not wanted or wanted == "" then return nil end
  for _, name in ipairs(LEVELS) do
    if name == wanted then return nil end
  end
  local meant = require("mcp.nearest").find(wanted, LEVELS)
  return ("MCP_LOG: one of %s expected, got %q%s"):format(table.concat(LEVELS, ", "), wanted,
    meant and ("; did you mean %s?"):format(meant) or "")
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
  local wrong = wrong_level() or options.asked and complaint(options.asked)
  if wrong then return fail("%s", wrong) end
  if options.memory then
    local limits = require "mcp.limits"
    local size = limits.size(options.memory)
    if not size or size ~= 0 and size < limits.LEAST then
      return fail("--memory-limit: expected a size such as 256M, 1M or more, got %s",
        options.memory)
    end
    limits.set { memory = size }
  end
  local chunk, text = loadfile(options.file, "t")
  if not chunk then return fail("%s", text) end
  local script = options.script
  if not options.divided then warn_of_typos(script) end
  script[0] = options.file
  _G.arg = script
  _G.print = print_buffered
  add_path(options.file)
  local server = require "mcp.server"
  server.asked = options.asked
  local ok, problem = xpcall(function()
    local result = chunk(table.unpack(script))
    -- A script may leave the running to us: `return app`.
    local meta = type(result) == "table" and getmetatable(result)
    if type(meta) == "table" and meta.__name == "mcp.server" then result:run() end
  end, explain)
  local closing = package.loaded["mcp.closing"]
  if closing then closing.await() end
  if not ok then
    fail("%s", problem)
    return 1
  end
  -- A script that serves, or connects to an app in memory, has loaded one of these.
  if server.made and not package.loaded["mcp.server.listen"]
    and not package.loaded["mcp.client.transport.memory"] then
    fail("%s makes a server and never runs it: app:run() is missing", options.file)
    return 1
  end
  return 0
end

return cli.main
