-- SPDX-License-Identifier: MIT
-- run_help: the options of `luamcp run` in words. run.lua parses them by hand and loads this only
-- to explain; completions and the man page are made from it.
local run_help = {}

-- Each is `option, what it takes, description`.
local OPTIONS = {
  { "--stdio", nil, "Serve standard input and output, as app:run() does by default." },
  { "--http", "[HOST:]PORT", "Serve HTTP at /mcp; HOST is 127.0.0.1 by default. HOST:PORT/PATH "
    .. "chooses another path. One URL for Streamable HTTP, HTTP+SSE and WebSocket." },
  { "--sse", "[HOST:]PORT", "A listener of its own for HTTP+SSE (2024-11-05)." },
  { "--websocket", "[HOST:]PORT", "A listener of its own for WebSocket." },
  { "--unix", "PATH", "Serve HTTP on a socket file." },
  { "--inspect", nil, "With --http, on loopback: a page at / to look at the server in a browser." },
  { "--health", nil, "Answer /healthz with 200 while the server is alive." },
  { "--ready", nil, "Answer /readyz with 200, and with 503 once the server is to end." },
  { "--metrics", nil, "Figures at /metrics, in the format of Prometheus." },
  { "--access-log", "FILE|-", "A line for each HTTP request, to a file or standard output; SIGHUP "
    .. "opens the file again." },
  { "--otlp", "URL", "Spans of requests for an OpenTelemetry collector (OTLP over HTTP), such as "
    .. "http://127.0.0.1:4318." },
  { "--store", "ADDRESS", "What several processes of this server share, such as "
    .. "redis://127.0.0.1: sessions, notices, streams." },
  { "--watch", nil, "Run the script again when one of its files changes." },
  { "--workers", "NUMBER", "Serve with several processes, which share the addresses." },
  { "--drain", "SECONDS", "How long to go on after the first signal to end, while /readyz says "
    .. "503; default 0." },
  { "--pid-file", "FILE", "Write the number of the process to a file, while it serves." },
  { "--user", "NAME", "Go on as this user, and its groups, once the listeners are open. The script "
    .. "itself is loaded before that, as root." },
  { "--group", "NAME", "Go on with this group in place of the user's own." },
  { "--allowed-host", "NAME", "Answer requests with this Host, too; may be repeated." },
  { "--tls-cert", "FILE", "HTTPS: the certificate, in PEM." },
  { "--tls-key", "FILE", "HTTPS: the key of the certificate, in PEM." },
  { "--memory-limit", "SIZE", "How much memory peers may make the process hold: bytes, or a number "
    .. "with k, M or G; default 256M, 0 for no limit." },
  { "--log-format", "text|json", "How lines of the log are written; default: MCP_LOG_FORMAT, else "
    .. "text." },
}

-- The same for OpenAPI documents.
local OF_DOCUMENTS = {
  { "--base-url", "ADDRESS", "Where the API is; by default what the document says." },
  { "--credential", "[SCHEME=]VARIABLE", "The variable of the environment that holds the "
    .. "credential for a security scheme of the document." },
  { "--field", "NAME:VALUE", "A header field for each request to the API; ${VARIABLE} is "
    .. "replaced." },
  { "--only", "WORD", "Only operations with this tag or operationId, or of this path; * stands "
    .. "for anything: 'GET /pets/*'. May be repeated." },
  { "--read-only", nil, "Only GET." },
}

---The text of `luamcp run --help`.
---@return string
function run_help.text()
  local wrap = require("mcp.cli.terminal").wrap
  local out = { [[
usage: luamcp [run] FILE [OPTION…] [ARGUMENT…]

Runs a Lua script that makes an MCP server (or is a client), or serves the API
that an OpenAPI document (.json, .yaml) describes.

]] }
  local function add(name, description)
    local lines = wrap(description, 54)
    if #name > 21 then
      out[#out + 1] = ("  %s\n"):format(name)
      name = ""
    end
    for i, line in ipairs(lines) do
      out[#out + 1] = ("  %-21s %s\n"):format(i == 1 and name or "", line)
    end
  end
  for _, option in ipairs(OPTIONS) do
    add(option[1] .. (option[2] and " " .. option[2] or ""), option[3])
  end
  add("--", "No option of luamcp follows: FILE, or the words of the script. What follows the "
    .. "script's own first argument belongs to the script in any case.")
  add("-h, --help", "Show this text.")
  out[#out + 1] = "\nFor an OpenAPI document, before or after it:\n\n"
  for _, option in ipairs(OF_DOCUMENTS) do
    add(option[1] .. (option[2] and " " .. option[2] or ""), option[3])
  end
  out[#out + 1] = [[

The script finds its own arguments in `arg`. MCP_LOG=debug in the environment
shows what happens, MCP_LOG=wire every byte (secrets hidden). MCP_LOG_TIME=0
leaves the time out of the lines.
]]
  return table.concat(out)
end

---Adds the options to a parser.
---@param parser table of argparse
function run_help.define(parser)
  parser:argument "file" :description "The Lua script."
  parser:argument "argument" :args "*" :description "Arguments of the script."
  local all = table.move(OF_DOCUMENTS, 1, #OF_DOCUMENTS, #OPTIONS + 1,
    table.move(OPTIONS, 1, #OPTIONS, 1, {}))
  for _, option in ipairs(all) do
    if option[2] then
      parser:option(option[1]):argname(option[2]):description(option[3])
    else
      parser:flag(option[1]):description(option[3])
    end
  end
end

return run_help
