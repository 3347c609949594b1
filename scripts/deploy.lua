-- SPDX-License-Identifier: MIT
-- deploy.lua: tries what docs/deploy.md says. systemd reads the unit; nginx (with and without
-- buffering) and Caddy pass on requests to a server, each with the configuration of the page, and
-- clients of both eras and all transports of HTTP call it through them.
--
--   luamcp run scripts/deploy.lua PROGRAM FOLDER
package.path = "./scripts/?.lua;" .. package.path
local children = require "children"
local core = require "mcp.core"
local mcp = require "mcp"

local free_port, start = children.free_port, children.start

local program, folder = arg[1], arg[2]
local LIMIT = 20 -- seconds to wait for a process to start

local SERVER = [[
local mcp = require "mcp"
local app = mcp.server { name = "deployed", version = "1" }
app:tool "say" { input = { text = "string" } } (function(a) return a.text end)
app:tool "steps" (function(_, ctx)
  ctx:progress(1, 2, "first")
  ctx:sleep(0.3)
  return "done"
end)
app:tool "large" (function() return ("x"):rep(300000) end)
app:tool "change" (function()
  app:remove("tool", "fresh")
  app:tool "fresh" (function() return "" end)
  return "changed"
end)
app:run { security = { allowed_hosts = { "mcp.example", "127.0.0.1" }, prefix = true },
  ready = true, quiet = false }
]]

local failed = 0
local function check(what, ok, text)
  if not ok then failed = failed + 1 end
  print(("%s  %s%s"):format(ok and "ok " or "BAD", what, ok and "" or ": " .. tostring(text)))
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  return path
end

local page = read "docs/deploy.md"

-- The blocks of a language on the page, in order.
local function blocks(language)
  local out = {}
  for text in page:gmatch("\n```" .. language .. "\n(.-\n)```") do out[#out + 1] = text end
  return out
end

-- Waits until the address answers, whatever it says.
local function wait_for(url, lines)
  local deadline = core.now() + LIMIT
  repeat
    if mcp.fetch(url, { timeout = 1 }) then return end
    mcp.sleep(0.05)
  until core.now() > deadline
  error(("%s does not answer:\n%s"):format(url, table.concat(lines, "\n")))
end

-- The path of a program, or nil and a line that says so. Users often do not search /usr/sbin.
local function find(name)
  local done = mcp.process.run { "sh", "-c",
    ("command -v %s || command -v /usr/sbin/%s"):format(name, name), timeout = 10 }
  if done and done.code == 0 then return done.stdout:match "[^\n]+" end
  print(("--   %s is not installed: scripts/deps deploy installs it"):format(name))
  return nil
end

-- --- what clients do --------------------------------------------------------------------------

-- What one client finds wrong: with a call, progress as it happens, a large result, and a change of
-- a list.
local function problems_of(open)
  local changes = 0
  local client, text = open(function() changes = changes + 1 end)
  if not client then return text end
  local problems = {}
  local function expect(ok, name, got)
    if not ok then problems[#problems + 1] = ("%s: %s"):format(name, tostring(got)) end
  end
  local result
  result, text = client:call_tool("say", { text = "hello" })
  expect(result and result.content[1].text == "hello", "a call", text)
  local first
  result, text = client:call_tool("steps", {}, { on_progress = function()
    first = first or core.now()
  end })
  local ahead = first and core.now() - first or 0
  expect(result, "a call with progress", text)
  expect(ahead > 0.2, "progress before the end", ("%.2f s ahead"):format(ahead))
  result, text = client:call_tool "large"
  expect(result and #result.content[1].text == 300000, "a large result", text)
  result, text = client:call_tool "change"
  expect(result, "a call that changes a list", text)
  local deadline = core.now() + 5
  while changes == 0 and core.now() < deadline do mcp.sleep(0.02) end
  expect(changes > 0, "a change notification", "none came")
  client:close()
  return problems[1] and table.concat(problems, "; ")
end

local function try_all(name, base, excused)
  local function try(what, open)
    local text
    for _ = 1, excused and 5 or 1 do
      text = problems_of(open)
      if not text or not (excused and text:find(excused, 1, true)) then break end
    end
    check(what, not text, text)
  end
  local ws = base:gsub("^http", "ws")
  for _, prefix in ipairs { "", "/tools" } do
    local url = ("%s%s/mcp"):format(base, prefix)
    local where = name .. (prefix == "" and "" or ", below " .. prefix)
    try(where .. ": without sessions", function(changed)
      return mcp.connect(url, { era = "modern", on_change = changed })
    end)
    try(where .. ": sessions", function(changed)
      return mcp.connect(url, { era = "legacy", on_change = changed })
    end)
    try(where .. ": HTTP+SSE", function(changed)
      local client = mcp.session(mcp.sse_client(url), { on_change = changed })
      local ok, text = client:initialize()
      if not ok then return nil, text end
      return client
    end)
    try(where .. ": WebSocket", function(changed)
      return mcp.connect(("%s%s/mcp"):format(ws, prefix), { on_change = changed })
    end)
  end
  local answer, text = mcp.fetch(base .. "/readyz")
  check(name .. ": /readyz", answer and answer.status == 200, answer and answer.status or text)
end

-- --- systemd ----------------------------------------------------------------------------------

local function check_units()
  local analyze = find "systemd-analyze"
  if not analyze then return end
  local unit, socket = table.unpack(blocks "ini")
  unit = unit:gsub("/usr/local/bin/luamcp", function() return program end)
  local done = assert(mcp.process.run { analyze, "verify",
    write(folder .. "/mcp.service", unit), write(folder .. "/mcp.socket", socket), timeout = 30 })
  -- It looks at units of the system that this one needs as well.
  local ours = {}
  for line in (done.stdout .. done.stderr):gmatch "[^\n]+" do
    if line:find("mcp%.%a+:") then ours[#ours + 1] = line end
  end
  check("systemd-analyze verify", done.code == 0 and not ours[1], table.concat(ours, "; "))
end

-- The program with a socket that systemd has opened: it is started by the first connection.
local function check_socket(script)
  local activate = find "systemd-socket-activate"
  if not activate then return end
  local port = free_port()
  local process <close>, lines = start { activate, "-l", "127.0.0.1:" .. port, program, "run",
    script }
  local base = "http://127.0.0.1:" .. port
  wait_for(base .. "/readyz", lines)
  local client, text = mcp.connect(base .. "/mcp")
  local result = client and client:call_tool("say", { text = "hello" })
  check("a socket of systemd", result and result.content[1].text == "hello", text)
  if client then client:close() end
  process:kill "TERM"
end

-- --- proxies ----------------------------------------------------------------------------------

local NGINX = [[
%s
daemon off;
pid %s/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %s/body; proxy_temp_path %s/proxy; fastcgi_temp_path %s/fastcgi;
  uwsgi_temp_path %s/uwsgi; scgi_temp_path %s/scgi;
  %s
}
]]

-- The page's configuration with ports of this machine and without a certificate.
local function nginx_text(upstream, port, buffering)
  local main, prefix = table.unpack(blocks "nginx")
  local text = main:gsub("%s*}%s*$", "\n" .. prefix .. "}\n")
  text = text:gsub("127%.0%.0%.1:8000", "127.0.0.1:" .. upstream)
    :gsub("listen 443 ssl", "listen 127.0.0.1:" .. port)
    :gsub("\n%s*ssl_[^\n]*", "")
    :gsub("server_name mcp.example", "server_name mcp.example 127.0.0.1")
  if not buffering then text = text:gsub("proxy_http_version 1.1;", "%0 proxy_buffering off;") end
  local root = core.find_user() == 0 and "user root;" or ""
  return NGINX:format(root, folder, folder, folder, folder, folder, folder, text)
end

local function check_nginx(upstream)
  local nginx = find "nginx"
  if not nginx then return end
  for _, buffering in ipairs { true, false } do
    local port = free_port()
    local path = write(folder .. "/nginx.conf", nginx_text(upstream, port, buffering))
    local process <close>, lines = start { nginx, "-e", "stderr", "-p", folder, "-c", path }
    local base = "http://127.0.0.1:" .. port
    wait_for(base .. "/readyz", lines)
    try_all("nginx" .. (buffering and "" or ", proxy_buffering off"), base)
    process:kill "TERM"
  end
end

local function check_caddy(upstream)
  local caddy = find "caddy"
  if not caddy then return end
  local port = free_port()
  local text = blocks "caddy"[1]:gsub("127%.0%.0%.1:8000", "127.0.0.1:" .. upstream)
    :gsub("mcp%.example", "http://127.0.0.1:" .. port):gsub("^{", "{\n    admin off")
  -- An old one has no such option, and cuts streams now and then, as the page says.
  local version = assert(mcp.process.run { caddy, "version", timeout = 10 }).stdout
  local major, minor = version:match "(%d+)%.(%d+)"
  local is_old = tonumber(major) == 2 and tonumber(minor) < 7
  if is_old then text = text:gsub("    servers %b{}\n", "") end
  local path = write(folder .. "/Caddyfile", text)
  local process <close>, lines = start { caddy, "run", "--adapter", "caddyfile", "--config", path,
    env = { HOME = folder, XDG_DATA_HOME = folder, XDG_CONFIG_HOME = folder } }
  local base = "http://127.0.0.1:" .. port
  wait_for(base .. "/readyz", lines)
  try_all("Caddy", base, is_old and "the stream ended before the answer came")
  process:kill "TERM"
end

-- Calls through a proxy while the server reloads its script.
local function check_reload(server, upstream)
  local client <close> = assert(mcp.connect(("http://127.0.0.1:%d/mcp"):format(upstream)))
  local calls, bad = 0, nil
  for i = 1, 40 do
    if i % 10 == 0 then server:kill "HUP" end
    local result, text = client:call_tool("say", { text = "again" })
    calls = calls + 1
    if not result then bad = text end
    mcp.sleep(0.005)
  end
  check(("%d calls during 4 reloads"):format(calls), not bad, bad)
end

mcp.run(function()
  assert(mcp.process.run { "mkdir", "-p", folder, timeout = 10 })
  folder = assert(mcp.process.run { "realpath", folder, timeout = 10 }).stdout:gsub("\n", "")
  program = assert(mcp.process.run { "realpath", program, timeout = 10 }).stdout:gsub("\n", "")
  check_units()
  local upstream = free_port()
  local script = write(folder .. "/server.lua", SERVER)
  local server <close>, said = start { program, "run", script, "--http",
    "127.0.0.1:" .. upstream }
  wait_for(("http://127.0.0.1:%d/readyz"):format(upstream), said)
  check_socket(script)
  check_nginx(upstream)
  check_caddy(upstream)
  check_reload(server, upstream)
  server:kill "TERM"
end)
if failed > 0 then
  print(failed .. " checks failed")
  os.exit(1)
end
