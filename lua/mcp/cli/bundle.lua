-- SPDX-License-Identifier: MIT
-- bundle: `luamcp bundle FILE -o OUTPUT`: a program that is luamcp with the script, its modules and
-- its files in it.
local exit = require "mcp.cli.exit"
local terminal = require "mcp.cli.terminal"

local bundle = { example = { "luamcp bundle server.lua -o myserver",
  "luamcp bundle server.lua --file templates --module plugin.csv" } }

-- The author's own files: no limit but what fits into memory, where folders want to have one.
local FILE_SIZE = 1 << 30

-- The program is copied in pieces of this many bytes.
local PIECE = 1 << 20

function bundle.define(parser)
  parser:argument "file"
    :description "The Lua script; arguments with which to load it follow after --."
  parser:option "-o --output" :argname "OUTPUT"
    :description "The program to write; default: the script's name without .lua."
  parser:option "--module" :argname "NAME" :count "*" :target "modules"
    :description "Also include a module that is required later than at load."
  parser:option "--file" :argname "PATH" :count "*" :target "files"
    :description "Include a file or a folder, relative to the script's folder, for mcp.asset."
  parser:option "--program" :argname "PROGRAM"
    :description "The luamcp to build on, such as a static one; default: this one."
end

local function warn(text, ...)
  io.stderr:write("luamcp: warning: ", terminal.clean(text:format(...)), "\n")
end

local function read(path)
  local file <close>, text = io.open(path, "rb")
  local bytes = file and file:read "a"
  if not bytes then return nil, text or path .. ": cannot be read" end
  return bytes
end

-- Calls `action` and returns what `require` loaded from files meanwhile: names and paths.
local function watch(action)
  local searchers, own, loaded = package.searchers, {}, {}
  for i, find in ipairs(searchers) do
    own[i] = find
    searchers[i] = function(name)
      local loader, from = find(name)
      if type(loader) == "function" and type(from) == "string" and from:sub(1, 1) ~= ":"
        and not (name == "mcp" or name:find "^mcp%.") then
        loaded[#loaded + 1] = { name = name, path = from }
      end
      return loader, from
    end
  end
  local results = table.pack(pcall(action))
  table.move(own, 1, #own, 1, searchers)
  return loaded, table.unpack(results, 1, results.n)
end

-- Adds the modules that the script and --module load; nil and a text if that fails.
local function add_modules(out, options, folder)
  package.path = ("%s/?.lua;%s/?/init.lua;%s"):format(folder, folder, package.path)
  local loaded, ok, problem = watch(function()
    require("mcp.testing").load(options.file, { args = options.command or {} }):close()
    for _, name in ipairs(options.modules) do require(name) end
  end)
  if not ok then return nil, (tostring(problem):gsub("^[^\n]-testing%.load: ", "")) end
  table.sort(loaded, function(a, b) return a.name < b.name end)
  local last
  for _, each in ipairs(loaded) do
    if each.name == last then
      goto continue
    end
    last = each.name
    if each.path:find "%.lua$" then
      local text, message = read(each.path)
      if not text then return nil, message end
      local path = each.path
      if path:sub(1, #folder + 1) == folder .. "/" then path = path:sub(#folder + 2) end
      out[#out + 1] = { kind = "module", name = each.name, path = path, text = text }
    else
      warn("module %s is a C library (%s) and not in the bundle: it must be installed where the "
        .. "program runs", each.name, each.path)
    end
    ::continue::
  end
  return true
end

-- Adds a file, or all files of a folder; nil and a text if that fails.
local function add_files(out, source, path)
  path = path:gsub("/+$", "")
  local entry, text = source:stat(path)
  if not entry then return nil, ("--file %s: %s"):format(path, text) end
  if entry.kind ~= "folder" then
    local bytes
    bytes, text = source:read(path, FILE_SIZE)
    if not bytes then return nil, ("--file %s: %s"):format(path, text) end
    path = path:gsub("^%./", "")
    out[#out + 1] = { kind = "file", name = path, path = path, text = bytes }
    return true
  end
  local list
  list, text = source:list(path)
  if not list then return nil, ("--file %s: %s"):format(path, text) end
  for _, each in ipairs(list) do
    local ok
    ok, text = add_files(out, source, path .. "/" .. each.name)
    if not ok then return nil, text end
  end
  return true
end

-- Writes the program and what follows it to a new file; nil and a text if that fails.
local function write(to, program, bytes)
  local from <close>, text = io.open(program, "rb")
  if not from then return nil, text end
  local out
  out, text = io.open(to, "wb")
  if not out then return nil, text end
  local ok = true
  for piece in from:lines(PIECE) do
    ok, text = out:write(piece)
    if not ok then break end
  end
  if ok then ok, text = out:write(bytes) end
  local closed, message = out:close()
  if not ok or not closed then return nil, text or message end
  return true
end

-- The program to build on; nil and a text if it cannot be.
local function base_of(options)
  local own = package.loaded["mcp.program"]
  local path = options.program or own and own.path()
  if not own or not path then return nil, "bundle: only the program luamcp can make one" end
  local file <close>, text = io.open(path, "rb")
  if not file then return nil, "--program: " .. text end
  local mark = require("mcp.bundle").MARK
  local size = file:seek "end"
  file:seek("set", math.max(0, size - #mark))
  if file:read "a" == mark then
    return nil, ("--program %s: expected luamcp itself, got a bundle"):format(path)
  end
  return path
end

function bundle.run(options)
  local chunk, text = loadfile(options.file, "t")
  if not chunk then return exit.fail(exit.OTHER, text, "ESCRIPT") end
  local program
  program, text = base_of(options)
  if not program then return exit.usage("%s", text) end
  local folder, name = options.file:match "^(.*)/([^/]*)$"
  folder, name = folder == "" and "/" or folder or ".", name or options.file
  local output = options.output or name:match "^(.+)%.lua$" or name .. ".bundle"
  if output == options.file then
    return exit.usage("bundle: expected another output than the script, got %s", output)
  end
  local out = { { kind = "script", name = name, path = name, text = assert(read(options.file)) } }
  local ok
  ok, text = add_modules(out, options, folder)
  if not ok then return exit.fail(exit.OTHER, text, "ESCRIPT") end
  local source
  source, text = require("mcp.folder").open(folder)
  if not source then return exit.fail(exit.OTHER, text) end
  for _, path in ipairs(options.files) do
    ok, text = add_files(out, source, path)
    if not ok then return exit.fail(exit.OTHER, text, "ENOENT") end
  end
  source:close()
  local fresh = output .. ".new"
  ok, text = write(fresh, program, require("mcp.bundle").pack(out))
  if ok then ok, text = package.loaded["mcp.program"].make_executable(fresh) end
  if ok then ok, text = os.rename(fresh, output) end
  if not ok then
    os.remove(fresh)
    return exit.fail(exit.OTHER, text)
  end
  for _, each in ipairs(out) do
    io.stdout:write(("%-7s %s\n"):format(each.kind, terminal.clean(each.name)))
  end
  io.stderr:write(("Try it: luamcp list -- %s\n"):format(output:find "/" and output
    or "./" .. output))
  return exit.OK
end

return bundle
