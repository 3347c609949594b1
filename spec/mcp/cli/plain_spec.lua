-- SPDX-License-Identifier: MIT
-- What plain.lua reads must be what argparse reads of the same words, for every command.
local command = require "mcp.cli.command"
local plain = require "mcp.cli.plain"
local verbs = require "mcp.cli.verbs"

describe("plain words", function()
  -- Parsers by command, with and without words after `--`.
  local parsers = {}

  -- What argparse makes of words: options, or nil for a mistake.
  local function parsed(name, words, rest)
    local key = name .. (rest and " --" or "")
    parsers[key] = parsers[key] or command.parser(name, rest)
    local ok, options = parsers[key]:pparse(words)
    return ok and options or nil
  end

  local function read(name, words, rest)
    return plain.read(require("mcp.cli." .. name).define, words, rest)
  end

  -- Words that each command is tried with, alone, in pairs and in threes.
  local WORDS = { "server.lua", "--json", "--timeout", "5", "-e", "A=1", "bash", "--env", "-x",
    "--", "--timeout=5", "-eA=1", "--name", "-o" }

  local function same(name, words, rest, counts)
    local own = read(name, words, rest)
    local theirs = parsed(name, words, rest)
    local said = name .. " " .. table.concat(words, " ")
    if own then
      assert.same(theirs, own, said)
      counts.read = counts.read + 1
    elseif theirs then
      counts.left = counts.left + 1
    end
  end

  for _, name in ipairs(verbs.names()) do
    if name ~= "run" then
      it("of luamcp " .. name .. " are read as argparse reads them", function()
        local counts = { read = 0, left = 0 }
        same(name, {}, nil, counts)
        for _, first in ipairs(WORDS) do
          same(name, { first }, nil, counts)
          same(name, { first }, { "program" }, counts)
          for _, second in ipairs(WORDS) do
            same(name, { "server.lua", first, second }, nil, counts)
          end
        end
        -- Both happen: some are read here, and the rest is left to argparse.
        assert(counts.read > 0, "argparse read all of them")
      end)
    end
  end

  it("are left to argparse where they are not plain", function()
    for _, words in ipairs { { "--help" }, { "-h", "x" }, { "x", "--timeout" },
      { "x", "--json=1" },
      { "x", "--timeout", "-1" }, { "x", "--timeout", "many" }, { "x", "y" }, {},
      { "x", "--timeout", "1", "--timeout", "2" } } do
      assert.is_nil(read("list", words))
    end
  end)

  it("are all that luamcp list loads beside a client", function()
    local program <close> = assert(io.popen((os.getenv "LUA" or "lua5.4") .. [[ -e '
      require "mcp.cli.command".run("list", { "examples/hello.lua" })
      for name in pairs(package.loaded) do print("loaded " .. name) end' 2>&1]]))
    local printed = program:read "a"
    assert.matches("greet%(name: string%)", printed)
    for _, name in ipairs { "argparse", "mcp.server", "mcp.server.dispatch", "mcp.schema",
      "mcp.uri", "mcp.client.serve", "mcp.client.watch", "mcp.misspelt" } do
      assert.is_nil(printed:find("loaded " .. name .. "\n", 1, true), name .. " was loaded")
    end
    assert.matches("loaded mcp.client\n", printed)
  end)

  it("keep options that may be repeated in order, and defaults are converted", function()
    local options = read("list", { "-e", "A=1", "x.lua", "--env", "B=2", "--timeout", "0.5" })
    assert.same({ env = { "A=1", "B=2" }, header = {}, target = "x.lua", timeout = 0.5 }, options)
    assert.equal(5, read("bench", { "x.lua", "name" }).seconds)
  end)
end)
