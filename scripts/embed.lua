-- SPDX-License-Identifier: MIT
-- embed.lua: compiles the Lua modules below a folder and writes them as one C array, for the
-- program. Any other file becomes a module that returns the file's text: inspect/script/page.js is
-- require "mcp.server.inspect.script.page.js". Usage: lua embed.lua ROOT FILE...
-- NAME=FILE embeds a module of others, such as argparse, under its own name.
-- With MCP_SLIM the names of variables are left out, see slim.lua.
local root = assert(arg[1], "usage: embed.lua ROOT FILE|NAME=FILE...")
local slim = os.getenv "MCP_SLIM" and dofile((arg[0]:gsub("embed%.lua$", "slim.lua")))

local function module_name(path)
  local name = path:sub(#root + 2):gsub("%.lua$", ""):gsub("/", ".")
  return (name:gsub("%.init$", ""))
end

local function compile(path)
  if path:find "%.lua$" then return assert(loadfile(path, "t")) end
  local file <close> = assert(io.open(path, "rb"))
  return assert(load(("return %q"):format(file:read "a"), "@" .. path))
end

local out = { [[
/* Made by scripts/embed.lua. */
#include <stddef.h>
/* On pages of its own, so that they can be released once the program is loaded. */
__attribute__((aligned(4096))) static const unsigned char code[] =
]] }
-- As text, for the compiler takes ten times as long for a list of as many numbers.
local escapes = {}
for i = 0, 255 do escapes[string.char(i)] = ("\\%03o"):format(i) end
local names, offset = {}, 0
for i = 2, #arg do
  local name, path = arg[i]:match "^([%w.]+)=(.*)$"
  path = path or arg[i]
  -- Line numbers stay in: a traceback is worth more than the bytes.
  -- The command that uses a library reports its errors, so names in tracebacks may go.
  local code = string.dump(compile(path), name ~= nil)
  if slim then code = slim.code(code) end
  for j = 1, #code, 1024 do
    out[#out + 1] = '"' .. code:sub(j, j + 1023):gsub(".", escapes) .. '"\n'
  end
  names[#names + 1] = ('  {"%s", (const char *)code + %d, %d},'):format(
    name or module_name(path), offset, #code)
  offset = offset + #code
end
out[#out + 1] = [[;
typedef struct { const char *name; const char *code; size_t size; } embedded_t;
extern const embedded_t mcp_embedded[];
const embedded_t mcp_embedded[] = {
]] .. table.concat(names, "\n") .. "\n  {NULL, NULL, 0}};\n"
io.write(table.concat(out))
