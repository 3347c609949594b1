-- SPDX-License-Identifier: MIT
-- kit.lua: the view kit (lua/mcp/ui/kit.js) and the example page in a frame, as hosts show them:
-- sandboxed, without an origin, under the default policy. The host here is a few lines of script
-- that record what the view sends, and send what a check wants.
local background = require "background"
local cjson = require "cjson"

local kit = {}

-- The default policy (APP-35), for a frame without an origin.
local POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
  .. "img-src data:; media-src data:; connect-src 'none'; object-src 'none'"

-- The host: `view` is the frame, `seen` what it has sent. `answers` are results by method; a method
-- without one waits until the check answers.
local HOST = [[
globalThis.host = {
  answers: {},
  open(html, policy) {
    host.frame?.remove();
    host.seen = [];
    host.frame = document.createElement("iframe");
    host.frame.sandbox = "allow-scripts";
    host.frame.style = "width:600px;height:400px;border:1px solid";
    const meta = `<meta http-equiv="Content-Security-Policy" content="${policy}">`;
    host.frame.srcdoc = html.replace(/^<!doctype html>/i, (doctype) => doctype + meta);
    document.body.append(host.frame);
  },
  post(message) { host.frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*"); },
  tell(what, params) { host.post({ method: "ui/notifications/" + what, params }); },
  answer(request, result) { host.post({ id: request.id, result }); },
  // The first message of a method since `from`.
  got(method, from = 0) { return host.seen.slice(from).find((m) => m.method === method); },
};
addEventListener("message", ({ source, data }) => {
  if (source !== host.frame?.contentWindow) return;
  host.seen.push(data);
  const answer = host.answers[data.method];
  if (data.id !== undefined && answer) host.answer(data, answer);
});
]]

-- A page that does what the host tells it, and tells what has happened to it.
local PROBE = [[<!doctype html><title>probe</title><style>body { margin: 0 }</style>
<!-- mcp.ui.kit -->
<div id="box" style="height: 50px"></div>
<script>
  mcp.capabilities.availableDisplayModes = ["inline", "fullscreen"];
  const root = document.documentElement;
  const tell = (what, params) => mcp.notify("probe/" + what, params);
  for (const name of ["input", "partial", "result", "cancel"])
    mcp["on" + name] = (...given) => tell(name, { given, kept: mcp[name] });
  mcp.oncontext = (context) => tell("context", { context, scheme: root.style.colorScheme,
    theme: root.dataset.theme, ink: getComputedStyle(root).getPropertyValue("--ink") });
  mcp.onclose = async (params) => {
    await new Promise((go) => setTimeout(go, 20));
    tell("closed", params);
    if (params.reason === "broken") throw new Error("on purpose");
  };
  mcp.onmessage = async (method, { name, args }) => {
    if (method === "do/grow") box.style.height = name;
    try {
      if (method === "do/call") tell("called", await mcp.call(name, args));
      if (method === "do/mode") tell("mode", { mode: await mcp.mode(name) });
    } catch (error) {
      tell("failed", { message: error.message, code: error.error?.code,
        isError: error.result?.isError });
    }
  };
</script>]]

-- A script that serves a page.
local function script_with(html)
  local name = os.tmpname()
  os.remove(name)
  name = name .. ".lua"
  do
    local file <close> = assert(io.open(name, "w"))
    file:write(('local app = require "mcp".server "probe"\napp:ui("ui://probe", { html = %q })\n'
      .. "app:run()\n"):format(html))
  end
  return name
end

-- The page as a client gets it.
local function read_page(program, script, uri)
  local pipe <close> = assert(io.popen(("%s read %s %s"):format(background.quote(program),
    background.quote(script), background.quote(uri))))
  return pipe:read "a"
end

---@param browser table
---@param origin table a server with an empty page
---@param with table check, equal, has, js: of browser.lua; out, program
function kit.run(browser, origin, with)
  local check, equal, has, js = with.check, with.equal, with.has, with.js
  local page <close> = browser:open(origin.url)
  page:eval(HOST)

  local function open(html) page:eval(("host.open(%s, %s)"):format(js(html), js(POLICY))) end

  -- What the view has sent by this method since message number `from`.
  local function got(method, from)
    return page:wait(("host.got(%s, %d)"):format(js(method), from or 0))
  end

  local function count() return page:eval "host.seen.length" end

  local function post(message) page:eval(("host.post(%s)"):format(cjson.encode(message))) end

  local function tell(what, params)
    page:eval(("host.tell(%s, %s)"):format(js(what), cjson.encode(params)))
  end

  local function quiet() equal("", table.concat(page.complaints, "\n"), "complaints") end

  local script = script_with(PROBE)
  local probe = read_page(with.program, script, "ui://probe")
  os.remove(script)

  check("kit: a view asks first, and is ready after the answer "
    .. "(APP-52, APP-53, APP-55, APP-56)", function()
    open(probe)
    local first = got "ui/initialize"
    equal("2.0", first.jsonrpc)
    equal("2026-01-26", first.params.protocolVersion)
    equal("probe", first.params.appInfo.name)
    equal("string", type(first.params.appInfo.version))
    equal('{"availableDisplayModes":["inline","fullscreen"]}',
      page:eval "JSON.stringify(host.seen[0].params.appCapabilities)")
    equal(1, count(), "messages before the answer")
    page:eval [[host.answer(host.seen[0], { protocolVersion: "2026-01-26", hostInfo: { name: "h",
      version: "1" }, hostCapabilities: {}, hostContext: { theme: "dark", locale: "en",
      styles: { variables: { "--ink": "rgb(1, 2, 3)" } } } })]]
    equal("{}", cjson.encode(got "ui/notifications/initialized".params))
    equal("object", page:eval "typeof host.seen[0]")
    quiet()
  end)

  check("kit: it dresses as the host says, and merges what changes (APP-58, APP-78)", function()
    local heard = got "probe/context".params
    equal("dark dark rgb(1, 2, 3) en", table.concat({ heard.scheme, heard.theme, heard.ink,
      heard.context.locale }, " "))
    local from = count()
    tell("host-context-changed", { theme = "light" })
    heard = got("probe/context", from).params
    equal("light light rgb(1, 2, 3) en", table.concat({ heard.scheme, heard.theme, heard.ink,
      heard.context.locale }, " "))
    quiet()
  end)

  check("kit: it hears of the call's arguments, parts of them, result and end "
    .. "(APP-73, APP-74, APP-75, APP-76)", function()
    tell("tool-input-partial", { arguments = { bed = "ro" } })
    equal("ro", got "probe/partial".params.given[1].bed)
    tell("tool-input", { arguments = { bed = "roses" } })
    local heard = got "probe/input".params
    equal("roses roses", heard.given[1].bed .. " " .. heard.kept.bed)
    tell("tool-result", { structuredContent = { days = 2 }, isError = true })
    heard = got "probe/result".params
    equal("2 true 2", ("%d %s %d"):format(heard.given[1].structuredContent.days,
      heard.given[1].isError, heard.kept.structuredContent.days))
    tell("tool-cancelled", { reason = "enough" })
    equal("enough", got "probe/cancel".params.given[1])
    quiet()
  end)

  check("kit: it tells its size when its content grows (APP-69)", function()
    local from = count()
    post { method = "do/grow", params = { name = "333px" } }
    page:wait(("host.seen.slice(%d).some((m) => m.method === 'ui/notifications/size-changed' "
      .. "&& m.params.height === 333 && m.params.width === 600)"):format(from))
    quiet()
  end)

  check("kit: it calls tools, and a refusal is an error in either form (APP-63, APP-80, APP-83)",
    function()
      local function call(answer)
        local from = count()
        post { method = "do/call", params = { name = "water", args = { bed = "roses" } } }
        local asked = got("tools/call", from)
        equal("water roses", asked.params.name .. " " .. asked.params.arguments.bed)
        answer.id = asked.id
        post(answer)
        return page:wait(("host.seen.slice(%d).find((m) => m.method === 'probe/called' || "
          .. "m.method === 'probe/failed')"):format(from))
      end
      local heard = call { result = { structuredContent = { fine = true } } }
      equal("probe/called", heard.method)
      equal(true, heard.params.structuredContent.fine)
      heard = call { error = { code = -32000, message = "not now" } }
      equal("probe/failed not now -32000", ("%s %s %d"):format(heard.method, heard.params.message,
        heard.params.code))
      heard = call { result = { isError = true,
        content = { { type = "text", text = "no roses" } } } }
      equal("probe/failed no roses true", ("%s %s %s"):format(heard.method, heard.params.message,
        heard.params.isError))
      -- The answer to the view's own call is no result of the host's call.
      equal(1, page:eval "host.seen.filter((m) => m.method === 'probe/result').length")
      quiet()
    end)

  check("kit: it asks for a display mode that the host has, and takes its answer (APP-61)",
    function()
      local from = count()
      tell("host-context-changed", { displayMode = "inline" })
      post { method = "do/mode", params = { name = "fullscreen" } }
      equal("inline", got("probe/mode", from).params.mode)
      equal("undefined", page:eval "typeof host.got('ui/request-display-mode')")
      tell("host-context-changed", { availableDisplayModes = { "inline", "fullscreen" } })
      page:eval "host.answers['ui/request-display-mode'] = { mode: 'pip' }"
      from = count()
      post { method = "do/mode", params = { name = "fullscreen" } }
      equal("pip", got("probe/mode", from).params.mode)
      equal("fullscreen", got("ui/request-display-mode", from).params.mode)
      quiet()
    end)

  check("kit: it answers ping, and refuses what it does not know (APP-85)", function()
    local function answer_of(id)
      return page:wait(("host.seen.find((m) => m.id === %s && !m.method)"):format(js(id)))
    end
    post { id = "p", method = "ping" }
    equal("{}", cjson.encode(answer_of "p".result))
    post { id = "t", method = "tools/list" }
    equal(-32601, answer_of "t".error.code)
    quiet()
  end)

  check("kit: it hears its host alone (APP-51)", function()
    local from = count()
    page:eval [[new Promise((go) => {
      const other = document.createElement("iframe");
      other.sandbox = "allow-scripts";
      other.srcdoc = "<script>parent.frames[0].postMessage({ jsonrpc: '2.0', id: 'evil', method: "
        + "'ping' }, '*'); parent.postMessage('sent', '*')</" + "script>";
      addEventListener("message", function heard({ data }) {
        if (data !== "sent") return;
        removeEventListener("message", heard);
        other.remove();
        go();
      });
      document.body.append(other);
    })]]
    for _, odd in ipairs { "'text'", "null", "{ jsonrpc: '1.0', id: 'odd', method: 'ping' }",
      "{ jsonrpc: '2.0', id: 'unknown', result: {} }" } do
      page:eval(("host.frame.contentWindow.postMessage(%s, '*')"):format(odd))
    end
    post { id = "after", method = "ping" }
    page:wait "host.seen.find((m) => m.id === 'after')"
    equal(from + 1, count(), "messages")
    quiet()
  end)

  check("kit: before it goes the page may finish, and a failure there does not hold it "
    .. "(APP-77)", function()
    for _, reason in ipairs { "closed", "broken" } do
      post { id = reason, method = "ui/resource-teardown", params = { reason = reason } }
      page:wait(("host.seen.find((m) => m.id === %s)"):format(js(reason)))
      equal(true, page:eval(("host.seen.findIndex((m) => m.id === %s) > host.seen.findIndex("
        .. "(m) => m.method === 'probe/closed' && m.params.reason === %s)"):format(js(reason),
        js(reason))))
    end
    has(table.concat(page.complaints, "\n"), "on purpose")
    page.complaints = {}
  end)

  check("kit: a host that tells nothing of itself is enough (APP-58)", function()
    page:eval "host.answers['ui/initialize'] = { protocolVersion: '2026-01-26' }"
    open(probe)
    got "ui/notifications/initialized"
    equal("{}", cjson.encode(got "probe/context".params.context))
    got "ui/notifications/size-changed"
    quiet()
  end)

  check("examples/garden.html: it shows the plan, and its buttons call the tool (APP-90)",
    function()
      page:eval [[host.answers["ui/initialize"] = { protocolVersion: "2026-01-26",
        hostContext: { theme: "light" } }]]
      open(read_page(with.program, "examples/garden.lua", "ui://garden/plan"))
      equal("Watering plan", got "ui/initialize".params.appInfo.name)
      got "ui/notifications/initialized"
      local from = count()
      tell("tool-result", { content = {}, structuredContent = { beds = {
        { name = "<img src=x onerror=alert(1)>", days = { "Monday" }, watered = "2026-01-02" },
        { name = "roses", days = { "Monday", "Friday" } } } } })
      page:wait(("host.seen.slice(%d).some((m) => m.method === 'ui/notifications/size-changed' "
        .. "&& m.params.height > 120)"):format(from))
      page:picture(with.out .. "/garden.png")
      -- Two presses of Tab lead to the second button.
      page:eval "host.frame.focus()"
      for _ = 1, 2 do page:press "Tab" end
      page:press "Enter"
      equal("water roses", (function(m) return m.params.name .. " " .. m.params.arguments.bed end)(
        got("tools/call", from)))
      post { id = got("tools/call", from).id, error = { code = -32000, message = "no water" } }
      tell("host-context-changed", { theme = "dark" })
      page:picture(with.out .. "/garden-dark.png")
      quiet()
    end)

  check("examples/chart.lua: the page shows the picture of the result, and else its text (APP-90)",
    function()
      page:eval [[host.answers["ui/initialize"] = { protocolVersion: "2026-01-26",
        hostContext: { theme: "light" } }]]
      for _, name in ipairs { "rain", "visits", "plants" } do
        local chart = io.popen(with.program .. " call --json examples/chart.lua chart file=" .. name
          .. ".csv title='<b>" .. name .. "' " .. (({ rain = "kind=bar x=month y:='[\"rain\"]'",
            visits = "kind=line x=day y:='[\"visitors\",\"signups\"]'",
            plants = "kind=scatter 'x=height, cm' y:='[\"leaves\"]'" })[name]))
        local result = cjson.decode(chart:read "a")
        chart:close()
        open(read_page(with.program, "examples/chart.lua", "ui://chart/picture"))
        got "ui/notifications/initialized"
        local from = count()
        tell("tool-result", result)
        page:wait(("host.seen.slice(%d).some((m) => m.method === 'ui/notifications/size-changed' "
          .. "&& m.params.height > 120)"):format(from))
        page:picture(with.out .. "/chart-" .. name .. ".png")
      end
      tell("tool-result", { isError = true, content = { { type = "text", text = "<b>no</b>" } } })
      page:picture(with.out .. "/chart-error.png")
      quiet()
    end)
end

return kit
