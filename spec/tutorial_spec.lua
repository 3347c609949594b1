-- SPDX-License-Identifier: MIT
-- docs/tutorial.md: its steps are carried out in their order, in a folder of their own.
--
-- A block after a line that ends with "as `PATH`:" is written to that file. After a line that ends
-- with "in place of `STATEMENT … }`:" it replaces that statement of the file named before.
-- A block of "console" holds commands (`$ command`) and what they print; "…" stands for any text,
-- and a line of it alone for any lines. A command that ends with "&" is a server. What needs root
-- is done below the folder: `sudo` is dropped, and addresses, ports and paths of the page become
-- those of this machine. systemctl and nginx are what the functions below make of them.
local helper = require "spec.helper"
local mcp = require "mcp"
local pace = require "spec.pace"

local quote = helper.quote

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- Every block of the page with its language and the line of text before it.
local function blocks(text)
  local out, before, open = {}, "", nil
  local number = 0
  for line in text:gmatch "([^\n]*)\n" do
    number = number + 1
    local language = line:match "^```(%w*)$"
    if open and language == "" then
      open.text = table.concat(open, "\n") .. "\n"
      out[#out + 1], open, before = open, nil, ""
    elseif open then
      open[#open + 1] = line
    elseif language then
      open = { language = language, before = before, line = number }
    elseif line ~= "" then
      before = line
    end
  end
  assert(not open, "a block does not end")
  return out
end

-- The commands of a console block, each with the lines that it prints.
local function commands(block)
  local out = {}
  for line in block.text:gmatch "([^\n]*)\n" do
    local command = line:match "^%$ (.*)$"
    if command then
      out[#out + 1] = { command = command, expected = {} }
    else
      table.insert(assert(out[#out], "output before a command").expected, line)
    end
  end
  return out
end

-- Is this what was expected? "…" is any text within a line, or any lines.
local function matches(expected, got)
  local lines = {}
  for line in got:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end

  local function from(i, j)
    if i > #expected then return j > #lines end
    if expected[i] == "…" then
      for k = j, #lines + 1 do
        if from(i + 1, k) then return true end
      end
      return false
    end
    local pattern = expected[i]:gsub("%p", "%%%0"):gsub("…", ".*")
    return lines[j] ~= nil and lines[j]:find("^" .. pattern .. "$") ~= nil and from(i + 1, j + 1)
  end

  return from(1, 1)
end

-- Ports that are free now. Nothing else on this machine uses them in the next seconds, most likely.
local function free_ports(count)
  local app, list, open = mcp.server "ports", {}, {}
  for i = 1, count do
    open[i] = app:listen { http = { port = 0 }, quiet = true }
    list[i] = math.tointeger(open[i].port)
  end
  for i = 1, count do open[i]:close() end
  mcp.run()
  return list
end

describe("docs/tutorial.md", function()
  local dir, pids, environment

  before_each(function()
    dir, pids = os.tmpname(), {}
    os.remove(dir)
    environment = dir .. "/.environment"
    assert(os.execute(("mkdir -p %s/bin"):format(dir)))
    assert(os.execute(("ln -s %s %s/bin/luamcp"):format(quote(helper.program()), dir)))
  end)
  after_each(function()
    for _, pid in ipairs(pids) do
      os.execute(("kill %d 2>/dev/null; for i in 1 2 3 4 5 6 7 8 9; do kill -0 %d 2>/dev/null "
        .. "|| break; sleep 0.1; done"):format(pid, pid))
    end
    os.execute("rm -rf " .. quote(dir))
    helper.leftovers()
  end)

  -- Runs a command with the variables that earlier ones have exported. Gives all that it printed.
  local function shell(command)
    local script = dir .. "/.script"
    local file <close> = assert(io.open(script, "w"))
    file:write("cd ", dir, "\nexport HOME=", dir, "/home XDG_STATE_HOME= XDG_CONFIG_HOME=\n",
      "PATH=", dir, "/bin:$PATH\n[ -f .environment ] && . ./.environment\n", command,
      "\nexport -p > ", environment, "\n")
    file:close()
    return helper.shell(("timeout %d sh %s 2>&1 </dev/null"):format(pace.limit(30), script))
  end

  -- Starts a server and waits until its log says `said`.
  local function start(command, said)
    local log = ("%s/.log%d"):format(dir, #pids)
    local out = shell(("{ %s; } >%s 2>&1 </dev/null & echo $!"):format(command, log))
    pids[#pids + 1] = assert(math.tointeger(tonumber(out)), out)
    for _ = 1, pace.limit(10) * 20 do
      if read(log):find(said, 1, true) then return end
      os.execute "sleep 0.05"
    end
    error(command .. " does not start:\n" .. read(log))
  end

  it("works as it is written", function()
    local front, tls, plain = table.unpack(free_ports(3))
    local page = read "docs/tutorial.md"
    -- What the page says, and what it means here. Longer texts first.
    local here = {
      { "https://notes.example", "https://localhost:" .. front },
      { "listen 443", "listen 127.0.0.1:" .. front },
      { "/etc/letsencrypt/live/notes.example/fullchain.pem", dir .. "/cert.pem" },
      { "/etc/letsencrypt/live/notes.example/privkey.pem", dir .. "/key.pem" },
      { "server_name notes.example", "server_name localhost" },
      { "8443", tls }, { "8000", plain },
      { "/usr/local/bin/luamcp", helper.program() },
      { " /srv/", " " .. dir .. "/srv/" }, { "=/etc/", "=" .. dir .. "/etc/" },
      { " /etc/", " " .. dir .. "/etc/" }, { "=/var/lib/notes", "=" .. dir .. "/var/lib/notes" },
    }
    for _, pair in ipairs(here) do
      local count
      page, count = page:gsub(pair[1]:gsub("%p", "%%%0"), (tostring(pair[2]):gsub("%%", "%%%%")))
      assert.is_true(count > 0, "the page does not have " .. pair[1])
    end

    local nginx = helper.shell "command -v nginx || ls /usr/sbin/nginx 2>/dev/null"
    nginx = nginx:match "%S+"

    -- What systemd would start: the command of the unit, in the unit's environment.
    local function start_service()
      local unit = read(dir .. "/etc/systemd/system/notes.service")
      local words = { "env", "-i" }
      for assignment in unit:gmatch "\nEnvironment=([^\n]+)" do
        words[#words + 1] = quote(assignment)
      end
      for path in unit:gmatch "\nEnvironmentFile=([^\n]+)" do
        for assignment in read(path):gmatch "[^\n]+" do words[#words + 1] = quote(assignment) end
      end
      words[#words + 1] = assert(unit:match "\nExecStart=([^\n]+)")
      assert(os.execute(("mkdir -p %s/var/lib/notes"):format(dir)))
      start("exec " .. table.concat(words, " "), "answers at")
    end

    -- nginx itself with the page's server. Without nginx, a second server with TLS takes its place:
    -- the address, the token and the calls are still those of the page.
    local function start_front()
      if nginx then
        local config = dir .. "/nginx.conf"
        local file <close> = assert(io.open(config, "w"))
        file:write(("daemon off; pid %s/nginx.pid; error_log stderr notice;\nevents {}\nhttp {\n")
          :format(dir), "access_log off;\n")
        for _, name in ipairs { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" } do
          file:write(("%s_temp_path %s/tmp-%s;\n"):format(name, dir, name))
        end
        file:write(("include %s/etc/nginx/sites-enabled/*;\n}\n"):format(dir))
        file:close()
        start(("exec %s -p %s -c %s"):format(nginx, dir, config), "start worker process")
      else
        start(("exec env NOTES_TOKEN=$(sed s/NOTES_TOKEN=// %s/etc/notes.env) NOTES_FOLDER=%s "
          .. "luamcp run %s/srv/notes/server.lua --http %d --tls-cert cert.pem --tls-key key.pem")
          :format(dir, dir .. "/var/lib/notes", dir, front), "answers at")
      end
    end

    local ran, wrote = 0, nil
    for _, block in ipairs(blocks(page)) do
      local at = "docs/tutorial.md:" .. block.line
      local path = block.before:match "as `([^`]+)`[^`]*:$"
      local statement = block.before:match "in place of `([^`]-)%s*…[^`]*`:$"
      if path then
        assert(os.execute(("mkdir -p %s"):format(quote((dir .. "/" .. path):match "^(.*)/"))))
        local file <close> = assert(io.open(dir .. "/" .. path, "w"))
        assert(file:write(block.text))
        wrote = path:find "%.lua$" and path or wrote
      elseif statement then
        local target = assert(block.before:match "[Ii]n `([^`]+)`", at)
        local text = read(dir .. "/" .. target)
        local from = assert(text:find(statement, 1, true), at .. ": no " .. statement)
        local _, to = assert(text:find("\n}\n", from, true))
        local file <close> = assert(io.open(dir .. "/" .. target, "w"))
        assert(file:write(text:sub(1, from - 1), block.text, text:sub(to + 1)))
      else
        assert.equal("console", block.language, at .. ": a block that nothing is done with")
        for _, step in ipairs(commands(block)) do
          ran = ran + 1
          local command = step.command
          if command:find "&$" then
            start("exec " .. command:gsub("%s*&$", ""), "answers at")
          elseif command:find "^sudo systemctl enable %-%-now notes$" then
            start_service()
          elseif command:find "^sudo nginx " then
            assert.equal("sudo nginx -t -q", command)
          elseif command == "sudo systemctl reload nginx" then
            start_front()
          else
            local got = shell((command:gsub("^sudo ", "")))
            assert.is_true(matches(step.expected, got), ("%s: $ %s\nexpected:\n%s\ngot:\n%s")
              :format(at, command, table.concat(step.expected, "\n"), got))
          end
        end
      end
    end
    assert.is_true(ran >= 25, ran .. " commands were run")
    assert.is_truthy(wrote)
    if not nginx then pending "nginx is not installed: its configuration was not tried" end
  end)

  it("compares what is printed", function()
    assert.is_true(matches({ "a…c" }, "abbc\n"))
    assert.is_true(matches({ "…", "x" }, "1\n2\nx\n"))
    assert.is_true(matches({}, ""))
    assert.is_false(matches({}, "x\n"))
    assert.is_false(matches({ "x" }, "x\ny\n"))
    assert.is_false(matches({ "a…c" }, "ab\nc\n"))
    assert.is_false(matches({ "a.c" }, "abc\n"))
  end)
end)
