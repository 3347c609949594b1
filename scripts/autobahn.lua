-- SPDX-License-Identifier: MIT
-- autobahn.lua: the public Autobahn suite against our WebSockets in echo mode (spec/ws/echo.c): as
-- the server of its client, then as the client of its server. Prints a line for each, and each case
-- that went wrong; the suite's own reports are in build/autobahn/.
--
-- MCP_BUILD is the build folder, ECHO the program in echo mode, PYTHON2 a Python 2.7.
package.path = "./scripts/?.lua;" .. package.path
local background = require "background"
local cjson = require "cjson"

local quote = background.quote

local BUILD = os.getenv "MCP_BUILD" or "build"
local ECHO = os.getenv "ECHO" or BUILD .. "/ws/echo"
local OUT = BUILD .. "/autobahn"
local LIB = OUT .. "/lib"
local SUITE = "autobahntestsuite==25.10.1"
-- Without compression. In section 7 three have no right answer and only inform.
local CASES, INFORMING = 301, 3

local function shell(format, ...)
  return os.execute(format:format(...)) == true
end

local function find_python()
  local asked = os.getenv "PYTHON2"
  local names = { "python2.7", "python2", "pypy" }
  -- pyenv keeps them where no path leads.
  local kept <close> =
    assert(io.popen 'ls -d "$(pyenv root 2>/dev/null)"/versions/*2.7*/bin/python 2>/dev/null')
  for name in kept:lines() do names[#names + 1] = name end
  if asked and asked ~= "" then names = { asked } end
  for _, name in ipairs(names) do
    if shell("%s -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null",
      quote(name)) then
      return name
    end
  end
  return nil
end

local function install(python)
  if shell("test -d %s/autobahntestsuite", quote(LIB)) then return true end
  io.write("autobahn: installing the suite into ", LIB, "\n")
  return shell("%s -m pip install -q --disable-pip-version-check --target=%s %s >%s/pip.log 2>&1",
    quote(python), quote(LIB), quote(SUITE), quote(OUT))
end

-- Prints what the report of one side says. Is it all right?
local function tell(side)
  local path = ("%s/%s/index.json"):format(OUT, side)
  local file <close> = io.open(path, "rb")
  if not file then
    print(("FAILED  %s: there is no report; see %s/%s.log"):format(side, OUT, side))
    return false
  end
  local cases = cjson.decode(file:read "a").luamcp or {}
  local count, good, informing, wrong = 0, 0, 0, {}
  for name, case in pairs(cases) do
    count = count + 1
    if case.behavior == "OK" and case.behaviorClose == "OK" then
      good = good + 1
    elseif case.behavior == "INFORMATIONAL" then
      informing = informing + 1
    else
      wrong[#wrong + 1] = ("        %s: %s, close %s"):format(name, case.behavior,
        case.behaviorClose)
    end
  end
  table.sort(wrong)
  local ok = count == CASES and good == CASES - INFORMING and #wrong == 0
  print(("%s  %s: %d cases, %d passed, %d inform, %d failed"):format(ok and "ok    " or "FAILED",
    side, count, good, informing, #wrong))
  for _, line in ipairs(wrong) do print(line) end
  return ok
end

local function main()
  assert(shell("mkdir -p %s", quote(OUT)))
  local python = find_python()
  if not python then
    print "autobahn: the suite needs Python 2.7; say where it is with PYTHON2=…"
    return false
  end
  if not install(python) then
    print(("autobahn: the suite cannot be installed; see %s/pip.log"):format(OUT))
    return false
  end
  shell("rm -rf %s/server %s/client", quote(OUT), quote(OUT))
  do
    local echo <close> = background.start({ ECHO, "server", "0" }, OUT .. "/echo.log")
    shell("%s spec/ws/suite.py %s %s/server client ws://127.0.0.1:%d >%s/server.log 2>&1",
      quote(python), quote(LIB), quote(OUT), echo.port, quote(OUT))
  end
  do
    local suite <close> = background.start({ python, "spec/ws/suite.py", LIB, OUT .. "/client",
      "server" }, OUT .. "/client.log")
    shell("%s client %d luamcp", quote(ECHO), suite.port)
  end
  local server, client = tell "server", tell "client"
  return server and client
end

os.exit(main(), true)
