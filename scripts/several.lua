-- SPDX-License-Identifier: MIT
-- several.lua: a server as several processes, for scripts/conformance.lua and scripts/interop.lua:
-- two workers under a supervisor, or two servers that share a Redis with nginx in front. Requests
-- reach them in turn, whichever session they belong to.
local background = require "background"

local several = {}

-- The command that serves a script, with its arguments, at a port of the system's choice.
local function serve(program, words, ...)
  local options = { ... }
  local command = { program, "run", "--http", "127.0.0.1:0" }
  table.move(options, 1, #options, #command + 1, command)
  return table.move(words, 1, #words, #command + 1, command)
end

---Two workers at one address.
---@param program string
---@param out string a folder for logs
---@param words string[] the script and its arguments
---@return table server as background.start makes it
function several.workers(program, out, words)
  return background.start(serve(program, words, "--workers", "2"), out .. "/workers.log")
end

-- One after the other as one.
local Group = { __index = {} }
Group.__close = function(self) self:stop() end

function Group.__index:is_alive()
  for _, part in ipairs(self.parts) do
    if not part:is_alive() then return false end
  end
  return true
end

-- The last one that was started ends first. The status is that of the servers.
function Group.__index:stop()
  local worst = 0
  for i = #self.parts, 1, -1 do
    local part = self.parts[i]
    local status = part:stop()
    if part.is_server and status ~= 0 then worst = status end
  end
  self.parts = {}
  return worst
end

-- A buffer would hold events back; a request goes to the next server, whatever came before.
local NGINX = [[
daemon off; pid %s/nginx.pid; error_log stderr notice;
events {}
http {
  access_log off; client_body_temp_path %s/nginx-body; proxy_temp_path %s/nginx-proxy;
  fastcgi_temp_path %s/nginx-fastcgi; uwsgi_temp_path %s/nginx-uwsgi; scgi_temp_path %s/nginx-scgi;
  upstream servers { server 127.0.0.1:%d; server 127.0.0.1:%d; keepalive 32; }
  server {
    listen 127.0.0.1:%d;
    location / {
      proxy_pass http://servers; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_read_timeout 1h;
    }
  }
}
]]

---Two servers with nginx in front, and a Redis that they share.
---@param program string
---@param out string a folder for logs
---@param words string[] the script and its arguments
---@return table server
function several.machines(program, out, words)
  local here = assert(io.popen("pwd")):read "l"
  local folder = out:sub(1, 1) == "/" and out or here .. "/" .. out
  local socket = folder .. "/redis.socket"
  local self = setmetatable({ parts = {}, log = out .. "/nginx.log" }, Group)
  local function start(...)
    local part = background.start(...)
    self.parts[#self.parts + 1] = part
    return part
  end
  local ok, problem = pcall(function()
    start({ "sh", "-c", ("exec redis-server --port 0 --unixsocket %s --save '' >&2"):format(
      background.quote(socket)) }, out .. "/redis.log", "(ready) to accept")
    local ports = {}
    for i = 1, 2 do
      local server = start(serve(program, words, "--store", "redis+unix://" .. socket),
        ("%s/server-%d.log"):format(out, i))
      server.is_server, ports[i] = true, server.port
    end
    local port = background.free_port(program, out .. "/port.log")
    local path = folder .. "/nginx.conf"
    local file <close> = assert(io.open(path, "wb"))
    file:write(NGINX:format(folder, folder, folder, folder, folder, folder, ports[1], ports[2],
      port))
    file:close()
    start({ "sh", "-c", 'PATH="$PATH:/usr/sbin"; exec nginx -e stderr -p "$0" -c "$1"', folder,
      path }, self.log, "start worker process (%d+)")
    self.url = ("http://127.0.0.1:%d/mcp"):format(port)
  end)
  if not ok then
    self:stop()
    error(problem, 0)
  end
  return self
end

return several
