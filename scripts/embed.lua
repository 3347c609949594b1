-- SPDX-License-Identifier: MIT
-- embed.lua: compiles the Lua modules below a folder and writes them as one C array, for the
-- program. Any other file becomes a module that returns the file's text: inspect/script/page.js is
-- require "mcp.server.inspect.script.page.js". Usage: lua embed.lua ROOT FILE...
-- NAME=FILE embeds a module of others, such as argparse, under its own name.
-- The names of variables are left out (slim.lua), and what every server loads lies together: the
-- start touches few pages.
local root = assert(arg[1], "usage: embed.lua ROOT FILE|NAME=FILE...")
local slim = dofile((arg[0]:gsub("embed%.lua$", "slim.lua")))

-- What a server loads first: the command, what scripts require, and what serves.
local FIRST = { "mcp.cli", "mcp.cli.log_level", "mcp.cli.run", "mcp", "mcp.schema", "mcp.loading",
  "mcp.server.listen", "mcp.server.front.duplex", "mcp.server.owners", "mcp.server.listen.serve",
  "mcp.server.dispatch" }

local function module_name(path)
  local name = path:sub(#root + 2):gsub("%.lua$", ""):gsub("/", ".")
  return (name:gsub("%.init$", ""))
end

local function text_of(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function compile(path, text)
  if path:find "%.lua$" then return assert(load(text, "@" .. path, "t")) end
  return assert(load(("return %q"):format(text), "@" .. path))
end

local modules, by_name = {}, {}
for i = 2, #arg do
  local name, path = arg[i]:match "^([%w.]+)=(.*)$"
  path = path or arg[i]
  local text = text_of(path)
  -- Line numbers stay in: a traceback is worth more than the bytes.
  -- The command that uses a library reports its errors, so names in tracebacks may go.
  local code = slim.code(string.dump(compile(path, text), name ~= nil))
  local module = { name = name or module_name(path), text = text, code = code }
  modules[#modules + 1], by_name[module.name] = module, module
end

-- Those first that are loaded with FIRST: a line such as `local x = require …` requires at once.
local order = {}
local function place(module)
  if not module or module.placed then return end
  module.placed = true
  order[#order + 1] = module
  for wanted in ("\n" .. module.text):gmatch '\nlocal [%w_]+ = require[ (]*"([%w_.]+)"' do
    place(by_name[wanted])
  end
end
for _, name in ipairs(FIRST) do place(assert(by_name[name], name)) end
for _, module in ipairs(modules) do place(module.text and not module.placed and module) end

-- As text, for the compiler takes ten times as long for a list of as many numbers.
local escapes = {}
for i = 0, 255 do escapes[string.char(i)] = ("\\%03o"):format(i) end
local out = { [[
/* Made by scripts/embed.lua. */
#include "lua/embedded.h"
/* On pages of its own, so that they can be released once the program is loaded. */
__attribute__((aligned(4096))) const unsigned char mcp_embedded_code[] =
]] }
local offset = 0
for _, module in ipairs(order) do
  local code = module.code
  for j = 1, #code, 1024 do
    out[#out + 1] = '"' .. code:sub(j, j + 1023):gsub(".", escapes) .. '"\n'
  end
  module.offset, offset = offset, offset + #code
end

-- Sorted, to be found by halves. Offsets, where pointers would be relocated at each start.
table.sort(modules, function(a, b) return a.name < b.name end)
local names, rows, at = {}, {}, 0
for i, module in ipairs(modules) do
  names[i] = ('"%s\\0"\n'):format(module.name)
  rows[i] = ("  {%d, %d, %d},"):format(at, module.offset, #module.code)
  at = at + #module.name + 1
end
out[#out + 1] = ";\nconst char mcp_embedded_names[] =\n" .. table.concat(names) .. ";\n"
  .. "const mcp_embedded_t mcp_embedded[] = {\n" .. table.concat(rows, "\n") .. "\n};\n"
  .. ("const size_t mcp_embedded_count = %d;\n"):format(#modules)
io.write(table.concat(out))
