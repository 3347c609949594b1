-- SPDX-License-Identifier: MIT
-- pictures.lua: the pictures of the documentation, made by running what they show: sessions of the
-- terminal as SVG in docs/pictures, and, with --browser, the inspect page as PNG in the build
-- folder. The server is the one of docs/tutorial.md.
--
-- MCP_BUILD is the build folder (build), PROGRAM the program in it.
package.path = "./scripts/?.lua;./scripts/browser/?.lua;./scripts/pictures/?.lua;" .. package.path
local background = require "background"
local svg = require "svg"

local quote = background.quote
local BUILD = os.getenv "MCP_BUILD" or "build"
local OUT = BUILD .. "/pictures"

local function shell(command, ...)
  local pipe = assert(io.popen(command:format(...)))
  local text = pipe:read "a"
  pipe:close()
  return text
end

local HERE = shell "pwd":gsub("\n", "")
local PROGRAM = shell("realpath %s", quote(os.getenv "PROGRAM" or BUILD .. "/luamcp"))
  :gsub("\n", "")

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

-- What the terminal shows: { name, title, commands }.
local SESSIONS = {
  { "call", "luamcp call: results of a tool, and an error with a suggestion", {
    'luamcp call server.lua add name=tea text="Boil water. Wait."',
    "luamcp call server.lua search text=WATER",
    "luamcp call server.lua search txt=water",
    "luamcp read server.lua notes:///tea",
  } },
  { "list", "luamcp list: the tools and resources of a server", { "luamcp list server.lua" } },
  { "inspect", "luamcp inspect: all that a server says of itself", {
    "luamcp inspect server.lua",
  } },
  { "doctor", "luamcp doctor: finds the step that fails and says what to change", {
    "luamcp doctor http://127.0.0.1:8000/",
    "luamcp doctor http://127.0.0.1:8000/mcp",
  } },
}

assert(os.execute(("rm -rf %s && mkdir -p %s/work/bin docs/pictures && ln -s %s %s/work/bin/luamcp")
  :format(quote(OUT), quote(OUT), quote(PROGRAM), quote(OUT))))
local WORK = shell("realpath %s/work", quote(OUT)):gsub("\n", "")
local page = read "docs/tutorial.md"
write(WORK .. "/server.lua", assert(page:match "as `server%.lua`:\n\n```lua\n(.-)\n```"))

local function serve(...)
  return background.start({ "env", "NOTES_FOLDER=" .. WORK .. "/notes", PROGRAM, "run",
    WORK .. "/server.lua", "--http", "0", ... }, OUT .. "/server.log")
end

local server = serve()

-- Runs a command as on a terminal of 80 columns with colours. The port that the system chose is
-- shown as the one that readers will use.
local function run(command)
  local text = shell("cd %s && PATH=%s/bin:$PATH COLUMNS=80 CLICOLOR_FORCE=1 sh -c %s 2>&1 "
    .. "</dev/null", quote(WORK), quote(WORK),
    quote((command:gsub(":8000/", ":" .. server.port .. "/"))))
  return (text:gsub(":" .. server.port .. "/", ":8000/"))
end

for _, session in ipairs(SESSIONS) do
  local steps = {}
  for i, command in ipairs(session[3]) do
    steps[i] = { command = command, output = run(command) }
  end
  local path = ("docs/pictures/%s.svg"):format(session[1])
  write(path, svg.draw(steps, session[2]))
  print(path)
end
server:stop()

if ... == "--browser" then
  local chromium = require "chromium"
  server = serve "--inspect"
  local browser <close> = chromium.start(HERE .. "/" .. OUT)
  local tab <close> = browser:open(server.url:match "^(http://[^/]+)" .. "/")
  local entry = "document.querySelector('[data-name=search]')"
  tab:wait(entry)
  tab:eval(([[(() => {
    const entry = %s;
    entry.open = true;
    const input = entry.querySelector("form [name=text]");
    input.value = "water";
    input.dispatchEvent(new Event("input", { bubbles: true }));
    entry.querySelector("form").requestSubmit();
  })()]]):format(entry))
  tab:wait(entry .. ".querySelector('.results .took')")
  tab:picture(OUT .. "/inspect.png")
  print(OUT .. "/inspect.png")
  server:stop()
end
os.execute(("cd %s && rm -rf work profile server.log chromium.log to from"):format(quote(OUT)))
