-- SPDX-License-Identifier: MIT
-- list: the servers that are measured side by side, how each is run, and which version it is of.
-- It measures nothing.

local kit = require "bench.kit"

local home = kit.build .. "/peers/"
local program = kit.option("PROGRAM", kit.build .. "/luamcp")
local node = kit.build .. "/node/node_modules/.bin/node"

local list = {}

-- The first line that a command prints, nil without one.
local function said(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local line = pipe:read "l"
  return pipe:close() and line or nil
end

local function text_of(path)
  local file = io.open(path)
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return text
end

-- Why a peer is not there, from what its package manager or compiler wrote last.
local function reason(id)
  local log = text_of(home .. id .. "/build.log")
  local line = log and (log:match "error[^\n]*" or log:match "([^\n]+)\n*$")
  return line and line:gsub("https?://%S+", "…") or "it is not installed: scripts/deps peers"
end

-- A peer whose folder holds main.SUFFIX, or one that was compiled to `peer`.
local function peer(it)
  local manifest = text_of("bench/peers/" .. it.id .. "/" .. it.manifest)
  it.version = manifest:match(it.pinned:gsub("%p", "%%%0"):gsub("VERSION", "([%%d.]+%%d)"))
  local there = io.open(it.needs or home .. it.id .. "/peer")
  if there then there:close() else it.missing = reason(it.id) end
  local command = it.command or home .. it.id .. "/peer"
  it.stdio, it.http, it.session = command .. " stdio", command .. " http {port}",
    command .. " session {port}"
  return it
end

list.luamcp = {
  id = "luamcp", title = "luamcp", tools = "C and Lua 5.4",
  stdio = program .. " run bench/server.lua --stdio",
  http = program .. " run bench/server.lua --http 127.0.0.1:{port}",
  settings = "defaults",
}
list.luamcp.session = list.luamcp.http

-- In the order of the tables.
list.peers = {
  peer { id = "rmcp", title = "rmcp", manifest = "Cargo.toml",
    pinned = 'rmcp = { version = "=VERSION"', tools = said "rustc --version" or "Rust",
    settings = "release build with link-time optimization, one thread, router made once, no log; "
      .. "JSON answers, but event streams in sessions, which have no other" },
  peer { id = "mcp-go", title = "mcp-go", manifest = "go.mod", pinned = "mark3labs/mcp-go vVERSION",
    tools = said "go version" or "Go",
    settings = "defaults: JSON answers, and the schema of arguments is not checked" },
  peer { id = "go-sdk", title = "Go SDK", manifest = "go.mod",
    pinned = "modelcontextprotocol/go-sdk vVERSION", tools = said "go version" or "Go",
    settings = "JSON answers, one server for all sessions, no log" },
  peer { id = "typescript", title = "TypeScript SDK", manifest = "package.json",
    pinned = '"@modelcontextprotocol/server": "VERSION"',
    tools = "Node " .. (said(node .. " --version") or ""),
    needs = home .. "typescript/ready",
    command = node .. " " .. home .. "typescript/main.mjs",
    settings = "JSON answers, `node:http` without a framework and its guards" },
  peer { id = "python", title = "Python SDK", manifest = "requirements.txt",
    pinned = "mcp==VERSION", tools = said(home .. "python/bin/python --version") or "Python",
    needs = home .. "python/ready",
    command = home .. "python/bin/python bench/peers/python/main.py",
    settings = "JSON answers, uvicorn with uvloop and httptools, no log" },
  peer { id = "fastmcp", title = "FastMCP", manifest = "requirements.txt",
    pinned = "fastmcp==VERSION",
    tools = said(home .. "fastmcp/bin/python --version") or "Python",
    needs = home .. "fastmcp/ready",
    command = home .. "fastmcp/bin/python bench/peers/fastmcp/main.py",
    settings = "JSON answers, uvicorn with uvloop and httptools, no log" },
}

list.luamcp.version = (said(program .. " --version") or ""):match "%d[%w.-]*"

return list
