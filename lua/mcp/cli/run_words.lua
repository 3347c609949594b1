-- SPDX-License-Identifier: MIT
-- run_words: the words of `luamcp run`: what they ask for, and what is wrong with them. Parsed by
-- hand, because most words belong to the script.
local run_words = {}

-- Options with a value: what they ask for, and what to say when the value is missing.
local WITH_VALUE = {
  ["--http"] = { "http", "an address, such as 127.0.0.1:8000" },
  ["--sse"] = { "sse", "an address, such as 127.0.0.1:8000" },
  ["--websocket"] = { "websocket", "an address, such as 127.0.0.1:8000" },
  ["--unix"] = { "unix", "the path of a socket file" },
  ["--tls-cert"] = { "cert", "a file" },
  ["--tls-key"] = { "key", "a file" },
  ["--drain"] = { "drain", "seconds" },
  ["--access-log"] = { "access_log", "a file, or - for standard output" },
  ["--otlp"] = { "otlp", "the URL of a collector, such as http://127.0.0.1:4318" },
  ["--store"] = { "store", "an address, such as redis://127.0.0.1" },
  ["--pid-file"] = { "pid_file", "a file" },
  ["--user"] = { "user", "the name of a user" },
  ["--group"] = { "group", "the name of a group" },
  ["--allowed-host"] = { "allowed_hosts", "the name of a host" },
  ["--memory-limit"] = { "memory", "a size, such as 256M" },
  ["--workers"] = { "workers", "a number of processes" },
  ["--log-format"] = { "log_format", "text or json" },
}

local FLAGS = { ["--stdio"] = true, ["--inspect"] = true, ["--health"] = true, ["--ready"] = true,
  ["--metrics"] = true, ["--watch"] = true }

-- What of it is no address, or lacks its other half; nil if all is well.
local function complaint(asked)
  for _, way in ipairs { "http", "sse", "websocket" } do
    if asked[way] then
      local ok, text = pcall(require("mcp.server.listen.address").read, asked[way], way)
      if not ok then return "--" .. text end
    end
  end
  if asked.drain then
    local seconds = tonumber(asked.drain)
    if not seconds or not (seconds >= 0 and seconds <= 3600) then
      return ("--drain: expected 0 to 3600 seconds, got %s"):format(asked.drain)
    end
    asked.drain = seconds
  end
  if asked.workers then
    local count = math.tointeger(tonumber(asked.workers))
    local most = require("mcp.server.listen.options").WORKERS
    if not count or count < 1 or count > most then
      return ("--workers: expected a number from 1 to %d, got %s"):format(most, asked.workers)
    end
    asked.workers = count
  end
  for _, name in ipairs { "pid_file", "user", "group" } do
    if asked[name] == "" then
      return ("--%s: expected a name, got an empty one"):format((name:gsub("_", "-")))
    end
  end
  if asked.inspect and not asked.http then return "--inspect needs --http" end
  if asked.store then
    local ok, text = pcall(require("mcp.store").open, asked.store)
    if not ok then return "--" .. text end
  end
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

---Is it an OpenAPI document? A script is not even looked at.
---@param file string|nil
---@return boolean|nil
function run_words.is_document(file)
  return file and not file:find "%.lua$" and require("mcp.openapi.document").is_path(file)
end

-- An option of a document, or nil.
local function of_documents(word, file)
  if word == "--read-only" then return word end
  if not word:find "^%-%-" or file and not run_words.is_document(file) then return nil end
  return require("mcp.cli.document").WITH_VALUE[word]
end

-- Splits the command line: what is ours, and what is the script's.
local function parse(args)
  local out = { script = {}, asked = nil, document = {} }
  local i, file = 1, nil
  local function ask(key, given)
    if key == "memory" or key == "log_format" or key == "watch" then
      out[key] = given
      return
    end
    out.asked = out.asked or {}
    local into = out.asked
    if key == "cert" or key == "key" then
      into.tls = into.tls or {}
      into = into.tls
    end
    if key == "allowed_hosts" then
      into.allowed_hosts = into.allowed_hosts or {}
      given, into, key = given, into.allowed_hosts, #into.allowed_hosts + 1
    end
    into[key] = given
  end
  while i <= #args do
    local word = args[i]
    local name, given = word:match "^(%-%-[%a-]+)=(.*)$"
    local option = WITH_VALUE[name or word]
    local special = not option and of_documents(name or word, file)
    if word == "--" then
      out.divided = file ~= nil
      for j = i + 1, #args do
        if file then out.script[#out.script + 1] = args[j] else file = args[j] end
      end
      break
    elseif FLAGS[word] then
      ask(word:sub(3), true)
    elseif option then
      if not name then
        i = i + 1
        given = args[i]
      end
      if not given then return nil, ("%s needs %s"):format(word, option[2]) end
      ask(option[1], given)
    elseif special == word then
      out.document.read_only = true
    elseif special then
      if not name then
        i = i + 1
        given = args[i]
      end
      if not given then return nil, ("%s needs %s"):format(word, special[2]) end
      local into = out.document
      if special[1] == "base_url" then
        into.base_url = given
      else
        into[special[1]] = into[special[1]] or {}
        table.insert(into[special[1]], given)
      end
    elseif not file and (word == "--help" or word == "-h") then
      out.help = true
      return out
    elseif not file and word:sub(1, 1) == "-" and word ~= "-" then
      return nil, ("unknown option %s; luamcp run --help lists them"):format(word)
    elseif not file then
      file = word
    elseif run_words.is_document(file) then
      return nil, ("unexpected word %s after the document"):format(word)
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

-- Does what is about the process itself; what is wrong with it, or nil.
local function apply(options)
  if options.log_format then
    local wrong = require("mcp.cli.log_level").wrong_format("--log-format", options.log_format)
    if wrong then return wrong end
    require("mcp.core").log_format(options.log_format)
  end
  if options.memory then
    local limits = require "mcp.limits"
    local size = limits.size(options.memory)
    if not size or size ~= 0 and size < limits.LEAST then
      return ("--memory-limit: expected a size such as 256M, 1M or more, got %s"):format(
        options.memory)
    end
    limits.set { memory = size }
  end
  return nil
end

---Reads the words after `luamcp run`.
---@param args string[]
---@return table|nil options file (nil: none was given), script (its own words), divided (by --),
---document (options of an OpenAPI document), help, watch, asked (as server.asked)
---@return string|nil message
function run_words.read(args)
  local options, message = parse(args)
  if not options or options.help or not options.file then return options, message end
  local wrong = options.asked and complaint(options.asked) or apply(options)
  if wrong then return nil, wrong end
  return options
end

---What is wrong with an argument after the script that resembles one of the program's options, or
---nil: a server that listens elsewhere than it was asked to must not start.
---@param words string[]
---@return string|nil
function run_words.typo(words)
  if not table.concat(words, " "):find("--", 1, true) then return nil end
  local nearest = require "mcp.nearest"
  local known = { "--stdio", "--inspect" }
  for name in pairs(WITH_VALUE) do known[#known + 1] = name end
  for _, word in ipairs(words) do
    local name = word:match "^(%-%-[%a-]+)"
    local meant = name and nearest.find(name, known)
    if meant and name ~= meant and nearest.distance(name, meant) == 1 then
      return ("unknown option %s, did you mean %s? Put -- before it if it is the script's"):format(
        name, meant)
    end
  end
  return nil
end

return run_words
