-- SPDX-License-Identifier: MIT
-- verbs: the commands of luamcp in the order of the help. The only list of them: the parser, the
-- completions and the man page are made from it.
local verbs = {}

-- Each is `name, arguments, summary`; the module is mcp.cli.NAME.
local LIST = {
  { "run", "FILE [OPTION…] [ARGUMENT…]",
    "serve a Lua script or an OpenAPI document (run may be left out)" },
  { "list", "TARGET", "show the tools, resources and prompts of a server" },
  { "call", "TARGET TOOL [key=value…]", "call a tool" },
  { "read", "TARGET URI", "read a resource" },
  { "prompt", "TARGET NAME [key=value…]", "get a prompt" },
  { "complete", "TARGET NAME ARGUMENT [TEXT]", "complete an argument of a prompt or template" },
  { "check", "FILE", "load a server without serving and say what is wrong" },
  { "new", "NAME", "start a project: a server, a test and a host's file" },
  { "install", "FILE|URL", "put a server into the configuration of a host" },
  { "uninstall", "NAME", "take a server out of the configuration of a host" },
  { "inspect", "TARGET", "show everything about a server" },
  { "doctor", "TARGET", "connect step by step and say what is wrong" },
  { "pin", "TARGET", "keep fingerprints of a server, and show what has changed" },
  { "bench", "TARGET [TOOL key=value…]", "measure how fast a server answers" },
  { "bridge", "TARGET", "serve a server to hosts that cannot reach it" },
  { "gateway", "[FILE]", "serve all servers of an mcpServers file as one" },
  { "record", "TARGET -o FILE", "bridge a server and write the conversation down" },
  { "replay", "FILE", "serve a recorded conversation" },
  { "bundle", "FILE", "make a program of a script, its modules and files" },
  { "completion", "bash|zsh|fish", "print what makes a shell complete luamcp" },
  { "version", "", "show the versions of luamcp and of its libraries" },
}

local NAMES, KNOWN = {}, {}
for i, verb in ipairs(LIST) do
  NAMES[i], KNOWN[verb[1]] = verb[1], verb
end

---@return string[] names in the order of the help
function verbs.names() return NAMES end

---@param name string
---@return { [1]: string, [2]: string, [3]: string }|nil verb name, arguments, summary
function verbs.known(name) return KNOWN[name] end

---The text of `luamcp --help`.
---@return string
function verbs.help()
  local out = { [[
usage: luamcp [run] FILE [OPTION…] [ARGUMENT…]
       luamcp COMMAND [OPTION…] …

]] }
  for _, verb in ipairs(LIST) do
    out[#out + 1] = ("  %-11s %s\n"):format(verb[1], verb[3])
  end
  out[#out + 1] = [[

TARGET is an address (https://…, ws://…, unix:/…), a Lua script, or a name from
an mcpServers file; a command is given after --: luamcp list -- npx some-server
luamcp COMMAND --help shows the options of a command, luamcp run --help those
of a server. MCP_LOG=debug in the environment shows what happens.
]]
  return table.concat(out)
end

return verbs
