-- SPDX-License-Identifier: MIT
-- luamcp install and uninstall, in a home folder of their own, with files as hosts and people write
-- them.
local config = require "mcp.client.config"
local host_file = require "mcp.cli.host.file"
local core = require "mcp.core"
local helper = require "spec.helper"
local hosts = require "mcp.cli.host.hosts"
local jsonc = require "mcp.jsonc"

local quote = helper.quote

local SCRIPT = [[
local app = require "mcp".server { name = "weather", version = "1.2.3", title = "Weather" }
app:tool "now" { description = "The weather" } (function() return "rain" end)
app:run()
]]

-- Each host: where its file is, and what stands in it.
local FILES = {
  ["claude-desktop"] = { ".config/Claude/claude_desktop_config.json",
    '{\n  "globalShortcut": "",\n  "mcpServers": {\n    "time": {\n      "command": "uvx",\n'
    .. '      "args": [\n        "mcp-server-time"\n      ]\n    }\n  }\n}' },
  ["claude-code"] = { ".claude.json", '{\n  "numStartups": 7,\n  "projects": {\n    "/a": {\n'
    .. '      "mcpServers": {},\n      "history": [ {"display": "say \\"}\\""} ]\n    }\n  },\n'
    .. '  "mcpServers": {}\n}\n' },
  cursor = { ".cursor/mcp.json", "\u{FEFF}{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": {\"url\": "
    .. "\"https://a/mcp\"}\r\n\t}\r\n}\r\n" },
  vscode = { ".config/Code/User/mcp.json", '{\n\t// my servers\n\t"servers": {\n\t\t"gh": {\n'
    .. '\t\t\t"type": "http",\n\t\t\t"url": "https://gh/mcp", // official\n\t\t},\n\t},\n'
    .. '\t"inputs": [\n\t\t/* none yet */\n\t],\n}\n' },
  windsurf = { ".codeium/windsurf/mcp_config.json",
    '{"mcpServers":{"a":{"serverUrl":"https://a"}}}' },
  cline = { ".cline/data/settings/cline_mcp_settings.json",
    '{\n  "mcpServers": {\n    "a": {\n      "command": "x",\n      "disabled": false,\n'
    .. '      "autoApprove": [ "read" ]\n    }\n  }\n}\n' },
  zed = { ".config/zed/settings.json", '// Zed settings\n//\n{\n  "theme": "One Dark",\n'
    .. '  // "context_servers": {},\n  "vim_mode": true,\n}\n' },
  ["gemini-cli"] = { ".gemini/settings.json", '{ "ui": { "theme": "Dark" }, // dark\n'
    .. '  "mcpServers": { "a": { "httpUrl": "https://a" } } }' },
  codex = { ".codex/config.toml", '# mine\nmodel = "o3" # best\n\n[mcp_servers.time]\n'
    .. 'command = "uvx"\nargs = [\n  "mcp-server-time", # local\n]\n\n[tui]\ntheme = "x"' },
  goose = { ".config/goose/config.yaml", "# goose\nGOOSE_MODEL: gpt\nextensions:\n"
    .. "  developer:\n    bundled: true\n    enabled: true\n    available_tools:\n    - shell\n\n"
    .. "# end\nGOOSE_MODE: auto\n" },
  opencode = { ".config/opencode/opencode.jsonc",
    '{\n  "$schema": "https://opencode.ai/config.json",'
    .. '\n  "mcp": {\n    // "off": {},\n  }\n}\n' },
  kiro = { ".kiro/settings/mcp.json", '{\n "mcpServers" : { }\n}\n' },
  ["lm-studio"] = { ".lmstudio/mcp.json", "{\n  \"mcpServers\": {}\n}\n" },
  junie = { ".junie/mcp/mcp.json", "{}\n" },
}

describe("luamcp install", function()
  local home, script

  before_each(function()
    home = helper.shell("mktemp -d"):gsub("\n", "")
    script = home .. "/my project/weather.lua"
    helper.shell("mkdir " .. quote(home .. "/my project"))
    local file <close> = assert(io.open(script, "wb"))
    file:write(SCRIPT)
  end)
  after_each(function() helper.shell("rm -rf " .. quote(home)) end)

  local function put(path, text)
    path = home .. "/" .. path
    helper.shell("mkdir -p " .. quote(path:match "^(.*)/"))
    local file <close> = assert(io.open(path, "wb"))
    file:write(text)
  end

  local function get(path)
    local file <close> = io.open(home .. "/" .. path, "rb")
    return file and file:read "a"
  end

  local function stat(path, format)
    return (helper.shell(("stat -c %s %s"):format(format, quote(home .. "/" .. path))):gsub("\n",
      ""))
  end

  -- Runs luamcp in the project's folder: standard output, standard error, the status.
  local function luamcp(words, environment, before)
    local list = { before or "", "env -i HOME=" .. quote(home), "PATH=/usr/bin:/bin",
      'ASAN_OPTIONS="$ASAN_OPTIONS"' }
    for name, text in pairs(environment or {}) do list[#list + 1] = name .. "=" .. quote(text) end
    list[#list + 1] = "timeout 20 " .. quote(helper.program())
    for _, word in ipairs(words) do list[#list + 1] = quote(word) end
    local out, status = helper.shell(("cd %s && %s 2>%s </dev/null"):format(
      quote(home .. "/my project"), table.concat(list, " "), quote(home .. "/errors")))
    return out, get "errors", status
  end

  local function ok(...)
    local out, err, status = luamcp(...)
    assert.equal(0, status, err)
    return out, err
  end

  local function refused(expected, ...)
    local out, err, status = luamcp(...)
    assert.is_truthy(err:find(expected, 1, true), err)
    assert.equal(1, status)
    return out
  end

  local function install(host, ...)
    return ok { "install", "weather.lua", "--client", host, "-y", ... }
  end

  local function uninstall(host, ...)
    return ok { "uninstall", "weather", "--client", host, "-y", ... }
  end

  it("has a file here for each host", function()
    for _, id in ipairs(hosts.ids()) do assert.is_table(FILES[id], id) end
  end)

  for id, given in pairs(FILES) do
    local path, text = given[1], given[2]
    it("and uninstall leave no trace: " .. id, function()
      put(path, text)
      helper.shell("chmod 640 " .. quote(home .. "/" .. path))
      local out, err = install(id, "--env", "UNITS=metric")
      local changed = get(path)
      assert.is_truthy(changed:find(quote(script):sub(2, -2), 1, true), changed)
      assert.is_truthy(changed:find("metric", 1, true))
      assert.matches("\n@@ ", out, 1, true)
      assert.matches("next: ", err, 1, true)
      assert.equal("640", stat(path, "%a"))
      if hosts.find(id).format == "json" then
        local editor = hosts.editor(hosts.find(id))
        local entry = editor.find(changed, hosts.find(id).keys, "weather")
        assert.same({ helper.program(), "run", script }, entry.args
          and { entry.command, table.unpack(entry.args) } or entry.command)
      end
      -- Again: nothing to do. Another way: refused.
      local _, again = install(id, "--env", "UNITS=metric")
      assert.matches("has the server weather already", again, 1, true)
      refused("has a server weather already: --force changes it", { "install", "weather.lua",
        "--client", id, "-y", "--", "x" })
      assert.equal(changed, get(path))
      install(id, "--force", "--", "x")
      assert.is_truthy(get(path):find("metric", 1, true), "variables stay")
      uninstall(id)
      assert.equal(text, get(path))
      assert.equal("640", stat(path, "%a"))
      -- Two, the first one first.
      install(id)
      ok { "install", "weather.lua", "--client", id, "-y", "--name", "second" }
      uninstall(id)
      ok { "uninstall", "second", "--client", id, "-y" }
      assert.equal(text, get(path))
      -- An address.
      ok { "install", "https://example.com/mcp", "--name", "weather", "--client", id, "-y" }
      assert.is_truthy(get(path):find("https://example.com/mcp", 1, true))
      uninstall(id)
      assert.equal(text, get(path))
      assert.is_nil((get(path .. ".tmp")))
      assert.equal(path:match "[^/]+$" .. "\n",
        (helper.shell(("ls -A %s | grep -v -e '^errors$' -e '^my project$' -e '^.local$'"):format(
          quote((home .. "/" .. path):match "^(.*)/")))))
    end)

    it("and uninstall make a file and remove it: " .. id, function()
      local host = hosts.find(id)
      path = path:gsub("jsonc$", "json")
      if id ~= "claude-code" then
        refused("is " .. host.title .. " installed, and has it been started? --force makes",
          { "install", "weather.lua", "--client", id, "-y" })
        assert.is_nil((get(path)))
      end
      install(id, "--force")
      assert.is_truthy(get(path):find("weather.lua", 1, true))
      assert.equal("600", stat(path, "%a"))
      uninstall(id)
      assert.equal("errors\nmy project\n",
        (helper.shell(("ls -A %s | grep -v '^.local$'"):format(quote(home)))))
      put(path, "\n")
      install(id)
      uninstall(id)
      assert.equal("\n", get(path))
    end)

    it("changes nothing if only asked to show it, without an answer, in a broken file: " .. id,
      function()
      put(path, text)
      local out = ok { "install", "weather.lua", "--client", id, "--dry-run" }
      assert.matches("weather.lua", out, 1, true)
      assert.equal(text, get(path))
      refused("nothing was changed: there is no terminal to ask at; --yes makes the change",
        { "install", "weather.lua", "--client", id })
      assert.equal(text, get(path))
      local broken = text .. "\n{[ \t= '"
      put(path, broken)
      refused("correct it first, it has not been changed",
        { "install", "weather.lua", "--client", id, "-y", "--force" })
      assert.equal(broken, get(path))
      local _, err, status = luamcp { "uninstall", "weather", "--client", id, "-y" }
      assert.matches("it has not been changed", err, 1, true)
      assert.equal(1, status)
      assert.is_nil((get ".local/state/luamcp/installed.json"))
    end)
  end

  it("writes into a project", function()
    for id, given in pairs(FILES) do
      local host = hosts.find(id)
      if host.project then
        install(id, "--scope", "project")
        assert.is_truthy(get("my project/" .. host.project):find("weather.lua", 1, true), id)
        assert.is_nil((get(given[1])))
        uninstall(id, "--scope", "project")
      else
        refused("has no file for a project; use --scope user", { "install", "weather.lua",
          "--client", id, "--scope", "project" })
      end
    end
    assert.equal("weather.lua\n", helper.shell("ls -A " .. quote(home .. "/my project")))
  end)

  it("writes the path by which luamcp was called, not the target of a link", function()
    helper.shell(("mkdir %s/bin && ln -s %s %s/bin/luamcp"):format(quote(home),
      quote(helper.program()), quote(home)))
    for _, called in ipairs { "luamcp", "../bin/luamcp", home .. "/bin/luamcp" } do
      local out = helper.shell(("cd %s && PATH=%s/bin:/usr/bin %s install weather.lua --print")
        :format(quote(home .. "/my project"), quote(home), quote(called)))
      assert.equal(home .. "/bin/luamcp", core.decode(out).mcpServers.weather.command, called)
    end
  end)

  it("finds files by the variables of their hosts", function()
    ok({ "install", "weather.lua", "--client", "codex", "-y", "--force" },
      { CODEX_HOME = home .. "/codex" })
    assert.is_truthy(get "codex/config.toml")
    ok({ "install", "weather.lua", "--client", "goose", "-y", "--force" },
      { XDG_CONFIG_HOME = home .. "/xdg", XDG_STATE_HOME = home .. "/state" })
    assert.is_truthy(get "xdg/goose/config.yaml")
    assert.is_truthy(get "state/luamcp/installed.json")
    ok({ "install", "weather.lua", "--client", "cline", "-y", "--force" },
      { CLINE_DATA_DIR = home .. "/data" })
    assert.is_truthy(get "data/settings/cline_mcp_settings.json")
  end)

  it("follows links, and leaves them", function()
    put("dotfiles/cursor.json", "{}\n")
    helper.shell(("mkdir %s/.cursor && ln -s ../dotfiles/cursor.json %s/.cursor/mcp.json"):format(
      quote(home), quote(home)))
    install "cursor"
    assert.equal("symbolic link", stat(".cursor/mcp.json", "%F"))
    assert.is_truthy(get "dotfiles/cursor.json":find("weather.lua", 1, true))
    uninstall "cursor"
    assert.equal("{}\n", get "dotfiles/cursor.json")
    os.remove(home .. "/dotfiles/cursor.json")
    refused("it is a link to a file that does not exist", { "install", "weather.lua", "--client",
      "cursor", "-y" })
    assert.equal("symbolic link", stat(".cursor/mcp.json", "%F"))
  end)

  it("keeps the owner, or changes nothing", function()
    local user = helper.shell "id -u"
    if user ~= "0\n" then
      pending "needs root, to make a file of another user"
      return
    end
    put(".cursor/mcp.json", "{}\n")
    helper.shell(("chown 65534:65534 %s/.cursor/mcp.json"):format(quote(home)))
    install "cursor"
    assert.equal("65534:65534", stat(".cursor/mcp.json", "%u:%g"))
    -- A file of root in a folder of everybody.
    helper.shell("rm -r " .. quote(home .. "/.local"))
    put(".cursor/mcp.json", "{}\n")
    helper.shell(("chown 0:0 %s/.cursor/mcp.json; chmod -R a+rwX %s; chmod a+x /tmp"):format(
      quote(home), quote(home)))
    refused("it belongs to another user", { "install", "weather.lua", "--client", "cursor", "-y" },
      nil, "setpriv --reuid 65534 --regid 65534 --clear-groups")
    assert.equal("{}\n", get ".cursor/mcp.json")
  end)

  it("keeps copies of the file, ten at most, for its owner only", function()
    put(".cursor/mcp.json", "{ }")
    local _, err = install "cursor"
    local copy = err:match "a copy of the file is ([^\n]+)"
    assert.equal("{ }", get(copy:sub(#home + 2)))
    assert.equal("600", stat(copy:sub(#home + 2), "%a"))
    for _ = 1, 6 do
      uninstall "cursor"
      install "cursor"
    end
    assert.equal("10\n", helper.shell(("ls %s | wc -l"):format(quote(copy:match "^(.*)/"))))
  end)

  it("keeps members of an entry that it does not know", function()
    put(".kiro/settings/mcp.json", '{"mcpServers": {"weather": {"url": "https://old", "disabled": '
      .. 'true, "autoApprove": ["now"]}}}')
    install("kiro", "--force")
    local entry = assert(core.decode(get ".kiro/settings/mcp.json")).mcpServers.weather
    assert.same({ true, "now", helper.program() },
      { entry.disabled, entry.autoApprove[1], entry.command })
    assert.is_nil(entry.url)
  end)

  it("writes what hosts need for an address", function()
    local function entry(host, ...)
      local out = ok { "install", "--client", host, "--print", "--name", "n", ... }
      local found = assert(core.decode(jsonc.plain(out)))
      for _, key in ipairs(hosts.find(host).keys) do found = found[key] end
      return helper.plain(found.n)
    end
    local url = "https://h/mcp"
    assert.same({ type = "http", url = url, headers = { Authorization = "Bearer ${TOK}" } },
      entry("claude-code", url, "-H", "Authorization: Bearer ${TOK}"))
    assert.same({ type = "ws", url = "wss://h/mcp" }, entry("claude-code", "wss://h/mcp"))
    assert.same({ url = url, headers = { A = "${env:TOK}" } }, entry("cursor", url, "-H",
      "A:${TOK}"))
    assert.same({ serverUrl = url }, entry("windsurf", url))
    assert.same({ type = "streamableHttp", url = url }, entry("cline", url))
    assert.same({ type = "remote", url = url, headers = { A = "{env:TOK}" } },
      entry("opencode", url, "-H", "A: ${TOK}"))
    assert.same({ type = "http", url = "unix:///run/mcp.sock#/mcp" },
      entry("vscode", "unix:/run/mcp.sock"))
    assert.same({ type = "http", url = "unix:///run/mcp.sock#/x" },
      entry("vscode", "unix:/run/mcp.sock:/x"))
    -- By way of luamcp bridge.
    local program = helper.program()
    for _, host in ipairs { "claude-desktop", "junie" } do
      assert.same({ command = program, args = { "bridge", url, "--header", "A: b" } },
        entry(host, url, "-H", "A: b"))
    end
    assert.same({ command = program, args = { "bridge", "wss://h/mcp" } }, entry("zed",
      "wss://h/mcp"))
    assert.equal('[mcp_servers.n]\nurl = "https://h/mcp"\nbearer_token_env_var = "TOK"\n'
      .. 'http_headers = { A = "b" }\nenv_http_headers = { B = "V" }\n',
      (ok { "install", url, "--client", "codex", "--print", "--name", "n",
        "-H", "Authorization: Bearer ${TOK}", "-H", "A: b", "-H", "B: ${V}" }))
    assert.equal('[mcp_servers.weather]\ncommand = "' .. program .. '"\nargs = ["run", "' .. script
      .. '"]\nenv_vars = ["TOK"]\nenv = { A = "b" }\n', (ok { "install", "weather.lua", "--client",
        "codex", "--print", "-e", "TOK", "-e", "A=b" }))
  end)

  it("prints the usual entry, which mcp.config reads", function()
    local out, err = ok { "install", "weather.lua", "--print", "--", "--db", "a b" }
    assert.equal("", err)
    assert.same({ weather = { command = helper.program(), args = { "run", script, "--db",
      "a b" } } },
      config.load(helper.file(out)))
    helper.remove_files()
  end)

  it("makes links, never with what may be secret", function()
    local _, err = ok { "install", "weather.lua", "--client", "cursor", "--print", "-e", "TOK" }
    local encoded = err:match("^cursor://anysphere%.cursor%-deeplink/mcp/install%?name=weather&"
      .. "config=(%S+)\n$")
    local entry = assert(core.decode(core.unbase64((encoded:gsub("%%(%x%x)", function(hex)
      return string.char(tonumber(hex, 16))
    end)))))
    assert.same({ command = helper.program(), args = { "run", script },
      env = { TOK = "${env:TOK}" } },
      helper.plain(entry))
    _, err = ok { "install", "https://h/mcp", "--client", "vscode", "--print", "--name", "n" }
    assert.equal("vscode:mcp/install?%7B%22name%22%3A%20%22n%22%2C%20%22type%22%3A%20%22http"
      .. "%22%2C%20%22url%22%3A%20%22https%3A%2F%2Fh%2Fmcp%22%7D\n", err)
    _, err = ok { "install", "weather.lua", "--client", "cursor", "--print", "-e", "TOK=secret" }
    assert.equal("no link: it would carry the values of --env and --header\n", err)
  end)

  it("writes no secret of the environment", function()
    local secret = { API_TOKEN = "s3cr3t-value", HOME_KEY = "/not/a/secret", SHORT_KEY = "abc" }
    local out, err = ok({ "install", "weather.lua", "--client", "cursor", "--print", "-e",
      "X=Bearer s3cr3t-value!", "--", "--key=s3cr3t-value", "abc" }, secret)
    assert.is_nil(out:find("s3cr3t", 1, true))
    assert.is_truthy(out:find('"X": "Bearer ${env:API_TOKEN}!"', 1, true), out)
    assert.is_truthy(out:find('"--key=${env:API_TOKEN}", "abc"', 1, true), out)
    assert.matches("--env X holds the value of API_TOKEN; the entry refers to the variable", err, 1,
      true)
    for _, words in ipairs { { "-e", "X=s3cr3t-value" }, { "-e", "API_TOKEN" }, { "--",
      "s3cr3t-value" } } do
      refused("Claude Desktop cannot read the variable API_TOKEN from its environment there",
        { "install", "weather.lua", "--client", "claude-desktop", "--print", table.unpack(words) },
        secret)
    end
    refused("the address holds the value of API_TOKEN; send it with --header", { "install",
      "https://h/mcp?key=s3cr3t-value", "--client", "cursor", "--print" }, secret)
  end)

  for expected, words in pairs {
    ["expected --client HOST; hosts are claude-desktop, claude-code"] = { "weather.lua" },
    ['--client: unknown host "curser"; did you mean cursor?'] = { "weather.lua", "--client",
      "curser" },
    ["nothing.lua: no such file, and no address"] = { "nothing.lua", "--client", "cursor" },
    ['--name: expected up to 64 letters, digits, "-" and "_", got "a b"'] = { "weather.lua",
      "--client",
      "cursor", "--name", "a b" },
    ["--env: expected NAME or NAME=VALUE, got 1=2"] = { "weather.lua", "--client", "cursor", "-e",
      "1=2" },
    ["--header: expected NAME:VALUE, got x"] = { "https://h", "--client", "cursor", "-H", "x" },
    ["expected UTF-8, which configuration files are in, got caf\\xe9"] = { "weather.lua",
      "--client",
      "cursor", "--", "caf\xe9" },
    ["--header is for addresses"] = { "weather.lua", "--client", "cursor", "-H", "a:b" },
    ["--env and arguments are for scripts"] = { "https://h", "--client", "cursor", "-e", "a=b" },
    ["--output and --author are for --mcpb"] = { "weather.lua", "--client", "cursor", "-o", "x" },
    ["--mcpb: expected a script, got an address"] = { "https://h", "--mcpb" },
  } do
    it("refuses " .. table.concat(words, " "), function()
      refused(expected, { "install", table.unpack(words) })
      assert.equal("errors\nmy project\n", helper.shell("ls -A " .. quote(home)))
    end)
  end

  it("asks on a terminal", function()
    put(".cursor/mcp.json", "{}")
    local function answer(line)
      return helper.shell(("cd %s && echo %s | HOME=%s timeout 20 script -qec %s /dev/null"):format(
        quote(home .. "/my project"), line, quote(home), quote(quote(helper.program())
        .. " install weather.lua --client cursor")))
    end
    local out, status = answer "n"
    assert.matches("change " .. home .. "/.cursor/mcp.json? [y/N]", out, 1, true)
    assert.matches("nothing was changed", out, 1, true)
    assert.same({ 1, "{}" }, { status, get ".cursor/mcp.json" })
    out, status = answer "y"
    assert.matches("Cursor: weather is in ", out, 1, true)
    assert.same({ 0, true }, { status, get ".cursor/mcp.json" ~= "{}" })
  end)

  it("writes nothing over what another program has written meanwhile", function()
    put(".cursor/mcp.json", "{}")
    local out, status = helper.shell(([[
cd %s && mkfifo answer && HOME=%s timeout 20 script -qec %s /dev/null <answer >out &
cd %s && until [ -p answer ]; do sleep 0.01; done; exec 3>answer
until grep -q 'y/N' out 2>/dev/null; do sleep 0.01; done
echo '{"a":1}' >../.cursor/mcp.json; echo y >&3; exec 3>&-; wait; cat out]]):format(
      quote(home .. "/my project"), quote(home), quote(quote(helper.program())
      .. " install weather.lua --client cursor"), quote(home .. "/my project")))
    assert.equal(0, status)
    assert.matches("it has been changed meanwhile; run the command again", out, 1, true)
    assert.equal('{"a":1}\n', get ".cursor/mcp.json")
  end)

  it("changes no file that is larger than 16 MiB", function()
    put(".cursor/mcp.json", "{}" .. (" "):rep(host_file.SIZE - 1000))
    install "cursor"
    put(".cursor/mcp.json", "{}" .. (" "):rep(host_file.SIZE - 1))
    refused("larger than 16777216 bytes", { "install", "weather.lua", "--client", "cursor", "-y" })
  end)

  it("names the hosts that are here", function()
    put(".cursor/mcp.json", "{}")
    put(".codex/config.toml", "")
    refused("expected --client HOST; here are cursor, codex\n", { "install", "weather.lua" })
  end)

  it("changes nothing where no copy can be kept", function()
    put(".cursor/mcp.json", "{}")
    put(".local/state/luamcp", "a file")
    refused("nothing was changed", { "install", "weather.lua", "--client", "cursor", "-y" })
    assert.equal("{}", get ".cursor/mcp.json")
  end)

  it("warns where uninstall could leave something: what was put cannot be noted", function()
    helper.shell(("mkdir -p %s && ln -s /none/at/all %s"):format(quote(home .. "/.local"),
      quote(home .. "/.local/state")))
    local _, err = install("cursor", "--force")
    assert.matches("warning: uninstall may leave an empty table: ", err, 1, true)
    assert.is_truthy(get(".cursor/mcp.json"):find("weather.lua", 1, true))
  end)

  it("uninstall names what does not exist", function()
    put(".cursor/mcp.json", "{}")
    local _, err, status = luamcp { "uninstall", "nothing", "--client", "cursor", "-y" }
    assert.same({ "luamcp: uninstall: Cursor has no server nothing in " .. home
      .. "/.cursor/mcp.json\n", 5 }, { err, status })
  end)

  it("uninstall removes an entry of others too, and only that", function()
    put(".codex/config.toml", "[mcp_servers.weather]\ncommand = 'x'\n\n[mcp_servers.weather.env]\n"
      .. "A = 'b'\n\n[tui]\n")
    uninstall "codex"
    assert.equal("\n[tui]\n", (get ".codex/config.toml":gsub("\n+", "\n")))
    put(".codex/config.toml", "[mcp_servers]\nweather = { command = 'x' }\n")
    refused("weather is an inline table or has dotted keys; it has not been changed",
      { "uninstall", "weather", "--client", "codex", "-y" })
  end)

  it("knows the table of opencode 2", function()
    put(".config/opencode/opencode.json", '{"mcp":{"servers":{}}}')
    install "opencode"
    assert.is_table(assert(core.decode(get ".config/opencode/opencode.json")).mcp.servers.weather)
    uninstall "opencode"
    assert.equal('{"mcp":{"servers":{}}}', get ".config/opencode/opencode.json")
  end)

  it("makes a bundle that runs from where it is unpacked", function()
    local _, err = ok { "install", "weather.lua", "--mcpb", "-o", "w.mcpb", "--author", "Ada", "-e",
      "API_KEY", "-e", "UNITS=metric", "--", "--db=${HOME}" }
    assert.matches("w.mcpb: %d+ bytes; open it with Claude Desktop\n", err)
    refused("w.mcpb exists already: --force replaces it", { "install", "weather.lua", "--mcpb",
      "-o",
      "w.mcpb" })
    local out, status = helper.shell(("cd %s && unzip -q w.mcpb -d b 2>&1 && stat -c '%%a %%n' "
      .. "b/*/*"):format(quote(home .. "/my project")))
    assert.same({ "755 b/server/luamcp\n644 b/server/weather.lua\n", 0 }, { out, status })
    local manifest = helper.plain(assert(core.decode(get "my project/b/manifest.json")))
    assert.same({ "0.3", "weather", "Weather", "1.2.3", { name = "Ada" },
      { { name = "now", description = "The weather" } } }, { manifest.manifest_version,
      manifest.name, manifest.display_name, manifest.version, manifest.author, manifest.tools })
    assert.same({ type = "binary", entry_point = "server/luamcp", mcp_config = {
      command = "${__dirname}/server/luamcp",
      args = { "run", "${__dirname}/server/weather.lua", "--db=${HOME}" },
      env = { API_KEY = "${user_config.API_KEY}", UNITS = "metric" } } }, manifest.server)
    assert.is_true(manifest.user_config.API_KEY.sensitive)
    assert.equal("rain\n", (helper.shell(("cd / && env -u PATH %s call %s now"):format(
      quote(home .. "/my project/b/server/luamcp"), quote(home
        .. "/my project/b/server/weather.lua")))))
    ok { "install", "weather.lua", "--mcpb", "-o", "w2.mcpb", "--author", "Ada", "-e", "API_KEY",
      "-e", "UNITS=metric", "--", "--db=${HOME}" }
    assert.equal(get "my project/w.mcpb", get "my project/w2.mcpb", "the same bytes twice")
  end)
end)
