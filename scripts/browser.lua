-- SPDX-License-Identifier: MIT
-- browser.lua: a real browser, headless Chromium, against a server: the inspect page as a user
-- operates it, pages of other origins as clients, and pages of MCP Apps in a frame. Each check
-- prints one line, with the rule of docs/rules.md that it tests. Screenshots go to the build
-- folder.
--
--   lua5.4 scripts/browser.lua [WORD]     only the checks that contain WORD
--
-- MCP_BUILD is the build folder (build), PROGRAM the program in it.
package.path = "./scripts/?.lua;./scripts/browser/?.lua;" .. package.path
local background = require "background"
local admission = require "apps.admission"
local apps = require "apps.checks"
local chromium = require "chromium"
local consent = require "apps.consent"
local cjson = require "cjson"
local endless = require "apps.endless"

local BUILD = os.getenv "MCP_BUILD" or "build"
local PROGRAM = os.getenv "PROGRAM" or BUILD .. "/luamcp"
local OUT = BUILD .. "/browser"
-- The folder of the public package for pages of tools; nil if there is none.
local PACKAGE = BUILD .. "/node/node_modules/@modelcontextprotocol/ext-apps/dist/src"
do
  local file <close> = io.open(PACKAGE .. "/app-with-deps.js")
  if not file then PACKAGE = nil end
end

local only = ... or ""
local passed, failed = 0, 0

local function check(name, fn, ...)
  if not name:find(only, 1, true) then return end
  local ok, reason = pcall(fn, ...)
  io.write(ok and "ok      " or "FAILED  ", name, "\n")
  if ok then
    passed = passed + 1
  else
    failed = failed + 1
    io.write("        ", tostring(reason), "\n")
  end
end

local function equal(expected, got, what)
  if expected ~= got then
    error(("%s: %s expected, got %s"):format(what or "value", expected, got), 2)
  end
end

local function has(text, part)
  if not tostring(text):find(part, 1, true) then
    error(("%q expected in %q"):format(part, tostring(text)), 2)
  end
end

-- JavaScript of a text.
local function js(text) return (cjson.encode(text):gsub("\\/", "/")) end

-- --- the inspect page ------------------------------------------------------------------

-- The entry of a tool, resource or prompt.
local function entry(name) return ("document.querySelector('[data-name=' + CSS.escape(%s) + ']')")
  :format(js(name)) end

-- Opens an entry, gives its fields values, and presses its button.
local function submit(page, name, values)
  page:wait(entry(name))
  page:eval(([[(() => {
    const entry = %s;
    entry.open = true;
    for (const [name, value] of Object.entries(%s)) {
      const input = entry.querySelector(`form [name="${name}"]`);
      if (typeof value === "boolean") input.checked = value; else input.value = value;
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
    entry.querySelector("form").requestSubmit();
  })()]]):format(entry(name), next(values or {}) and cjson.encode(values) or "{}"))
end

-- What is shown below the form, once it has come.
local function result(page, name)
  return page:wait(([[(() => {
    const results = %s.querySelector(".results");
    return results.querySelector(".took") && results.innerText;
  })()]]):format(entry(name)))
end

local function call(page, name, values)
  submit(page, name, values)
  return result(page, name)
end

-- No complaint of the browser: script errors, refused loads, violations of the page's policy.
local function quiet(page)
  equal("", table.concat(page.complaints, "\n"), "complaints")
end

local function inspect_page(browser, server)
  local page <close> = browser:open(server.url:match "^(http://[^/]+)" .. "/")
  check("inspect: the page connects, shows the server's name, and lists its tools", function()
    has(page:wait "document.getElementById('state').textContent.match(/revision .+/)?.input",
      "1.2.3")
    equal("Tried in a browser <b>", page:eval "document.getElementById('name').textContent")
    equal("Nothing of this is <i>markup</i>.",
      page:eval "document.getElementById('about').textContent")
    page:wait(entry "order")
    page:wait(entry "note://{name}")
    page:wait(entry "review")
    quiet(page)
  end)
  check("inspect: a form is made of a nested schema, and its result is shown", function()
    page:eval(entry "order" .. ".open = true")
    equal("number 1 10 2", page:eval(([[(() => { const i = %s.querySelector("[name=count]");
      return [i.type, i.min, i.max, i.value].join(" "); })()]]):format(entry "order")))
    page:eval(([[(() => {
      const entry = %s;
      entry.querySelector("fieldset legend input").click();
      entry.querySelector('[aria-label="Add to tags"]').click();
      entry.querySelector('[aria-label="Add to tags"]').click();
    })()]]):format(entry "order"))
    submit(page, "order", { name = "Ada", size = 1, gift = 0, street = "Main St", zip = "7",
      ["tags 1"] = "a", ["tags 2"] = "b" })
    local shown = result(page, "order")
    local given = cjson.decode(shown:match "(%b{})")
    equal("Ada", given.name)
    equal(2, given.count, "the default")
    equal("large", given.size)
    equal(true, given.gift)
    equal("Main St 7", ("%s %d"):format(given.address.street, given.address.zip))
    equal("a b", table.concat(given.tags, " "))
    quiet(page)
  end)
  check("inspect: what cannot be right is not sent from a form, and can be as JSON", function()
    submit(page, "order", { count = "11" })
    equal(false, page:eval(entry "order" .. ".querySelector('form').checkValidity()"))
    page:eval(([[(() => {
      const entry = %s;
      [...entry.querySelectorAll("label")].find((l) => /as JSON/.test(l.textContent))
        .querySelector("input").click();
      entry.querySelector("textarea.json").value = '{"count":11}';
      entry.querySelector("form").requestSubmit();
    })()]]):format(entry "order"))
    has(page:wait(([[(() => { const t = %s.querySelector(".results").innerText;
      return /missing/.test(t) && t; })()]]):format(entry "order")), "the tool reported an error")
  end)
  check("inspect: what a server says never becomes markup or script", function()
    has(call(page, "evil", { ["<img src=x onerror=evil()>"] = nil }), "<img src=x onerror")
    equal("undefined", page:eval "typeof window.evil")
    equal(0, page:eval "document.querySelectorAll('main img, main script, main b.evil').length")
    quiet(page)
  end)
  check("inspect: the policy lets no other script run, and reach nowhere else", function()
    local before = #page.complaints
    page:eval [[(() => {
      const script = document.createElement("script");
      script.textContent = "window.evil = 'inserted'";
      document.body.append(script);
      const div = document.createElement("div");
      div.innerHTML = "<img src=x onerror=\"window.evil='handler'\">";
      document.body.append(div);
      script.remove();
      globalThis.inserted = div;
    })()]]
    equal("refused", page:eval [[fetch("http://127.0.0.1:1/").catch(() => "refused")]])
    equal("undefined", page:eval "typeof window.evil")
    if #page.complaints == before then error "nothing was reported" end
    has(table.concat(page.complaints, "\n"), "Content Security Policy")
    page:eval "inserted.remove()"
    page.complaints = {}
  end)
  check("inspect: a tool that appears is shown, and what was typed stays", function()
    equal("null", tostring(page:eval("String(" .. entry "grown" .. ")")))
    page:eval(([[(() => { const e = %s; e.open = true;
      e.querySelector("[name=steps]").value = "41"; })()]]):format(entry "slow"))
    has(call(page, "grow"), "grew")
    page:wait(entry "grown")
    equal("41", page:eval(entry "slow" .. ".querySelector('[name=steps]').value"))
    has(call(page, "grown"), "I am new")
    quiet(page)
  end)
  check("inspect: progress and log notices are seen, and a call can be cancelled", function()
    submit(page, "slow", { steps = "600" })
    page:wait(entry "slow" .. ".querySelector('progress').value > 0")
    has(page:wait(entry "slow" .. ".querySelector('.running span').textContent"), "on step")
    has(page:wait "document.getElementById('log').innerText", "step 1")
    page:eval(entry "slow" .. ".querySelector('.running button').click()")
    has(result(page, "slow"), "cancelled")
    has(page:wait "document.getElementById('traffic').textContent", "notifications/cancelled")
    has(call(page, "touch"), "1")
    quiet(page)
  end)
  check("inspect: a question of the server is answered by the keyboard alone", function()
    submit(page, "ask")
    has(page:wait "document.querySelector('dialog[open]')?.innerText", "<b>name</b>")
    page:eval "document.querySelector('dialog [name=name]').focus()"
    page:type "Grace"
    page:press "Enter"
    has(result(page, "ask"), "Hello Grace")
    submit(page, "ask")
    page:wait "document.querySelector('dialog[open]')"
    page:press "Escape"
    has(result(page, "ask"), "cancel")
    quiet(page)
  end)
  check("inspect: only http(s) URLs are opened (SEC-66)", function()
    submit(page, "visit")
    equal("sign.example:8443", page:wait "document.querySelector('dialog[open] strong').innerText")
    page:press "Escape"
    has(result(page, "visit"), "cancel")
    -- Our server would not send these.
    for _, url in ipairs { "javascript:window.evil=1", "file:///etc/passwd", "data:text/html,x",
      "https://user:word@sign.example/", "nonsense" } do
      page:eval("take(" .. js(cjson.encode { jsonrpc = "2.0", id = "q", method =
        "elicitation/create", params = { mode = "url", message = "m", url = url } }) .. ")")
      has(page:wait "document.querySelector('dialog[open]')?.innerText",
        "not an http(s) URL, not opened: " .. url)
      page:eval "document.querySelector('dialog form').requestSubmit()"
      has(page:wait "document.querySelector('dialog[open] [role=alert]').textContent",
        "this URL cannot be opened")
      page:press "Escape"
      equal("cancel",
        page:wait "JSON.parse(document.querySelector('.out pre').textContent).result.action")
    end
    equal("undefined", page:eval "typeof window.evil")
    quiet(page)
  end)
  check("inspect: the user answers sampling; roots come from the text area", function()
    submit(page, "write")
    has(page:wait "document.querySelector('dialog[open]')?.innerText", "<u>a word</u>")
    page:eval [[(() => { const d = document.querySelector("dialog");
      d.querySelector("[name=text]").value = "Hello";
      d.querySelector("form").requestSubmit(); })()]]
    has(result(page, "write"), "Hello")
    page:eval [[(() => { const r = document.getElementById("roots"); r.value = "file:///x";
      r.dispatchEvent(new Event("change")); })()]]
    has(call(page, "where"), "file:///x")
    quiet(page)
  end)
  check("inspect: pictures, failures, templates and prompts are shown", function()
    has(call(page, "picture"), "a dot")
    equal(1, page:wait(entry "picture" .. ".querySelector('img').naturalWidth"))
    has(call(page, "fail"), "the tool reported an error")
    has(call(page, "note://{name}", { name = "a b/c" }), "about a b/c")
    has(call(page, "review", { code = "x = 1" }), "Review: x = 1")
    quiet(page)
  end)
  check("inspect: the messages are shown newest first, filtered and cleared", function()
    local first = page:eval "document.querySelector('#traffic summary').textContent"
    call(page, "touch")
    equal(true, first ~= page:eval "document.querySelector('#traffic summary').textContent")
    page:eval [[(() => { const f = document.getElementById("filter");
      f.value = "elicitation/create"; f.dispatchEvent(new Event("input")); })()]]
    local seen = page:eval [[[...document.querySelectorAll("#traffic details")]
      .filter((e) => e.checkVisibility()).length]]
    equal(true, seen >= 2 and seen < 10, "number of messages")
    page:eval [[(() => { const f = document.getElementById("filter"); f.value = "";
      f.dispatchEvent(new Event("input")); document.getElementById("clear").click(); })()]]
    equal(0, page:eval "document.getElementById('traffic').childElementCount")
  end)
  check("inspect: every input has an accessible name, and a key moves to the search",
    function()
      equal("", page:eval [[(() => [...document.querySelectorAll("input, select, textarea, button")]
        .filter((node) => !node.labels?.length && !node.getAttribute("aria-label")
          && node.textContent.trim() === "").map((node) => node.outerHTML).join("\n"))()]])
      page:eval "document.activeElement.blur()"
      page:press "/"
      equal("search", page:eval "document.activeElement.id")
      page:type "touch"
      equal("touch", page:wait [[[...document.querySelectorAll("main details[data-name]")]
        .filter((e) => e.checkVisibility()).map((e) => e.dataset.name).join(" ")]])
      page:eval [[(() => { const s = document.getElementById("search"); s.value = "";
        s.dispatchEvent(new Event("input")); })()]]
    end)
  check("inspect: after the connection was lost it is back by itself", function()
    page:eval "socket.close()"
    page:wait "document.getElementById('state').className === 'bad'"
    page:wait "document.getElementById('state').className === ''"
    has(call(page, "touch"), "3")
    quiet(page)
  end)
  page:wait(entry "order")
  page:eval(([[(() => { const e = %s; [...e.querySelectorAll("label")].find((l) =>
    /as JSON/.test(l.textContent)).querySelector("input").click(); e.scrollIntoView(); })()]])
    :format(entry "order"))
  page:picture(OUT .. "/inspect.png")
  page:command("Emulation.setEmulatedMedia", { features = cjson.decode
    '[{"name":"prefers-color-scheme","value":"dark"}]' })
  page:picture(OUT .. "/inspect-dark.png")
  page:command("Emulation.setDeviceMetricsOverride", { width = 420, height = 900,
    deviceScaleFactor = 1, mobile = true })
  equal(true, page:eval "document.documentElement.scrollWidth <= 420", "fits a narrow window")
  page:picture(OUT .. "/inspect-narrow.png")
end

-- --- pages of other origins -------------------------------------------------------------

-- What a page does to be a client. Each gives what the tool said, or throws.
local CLIENTS = [[
globalThis.MODERN = "2026-07-28";
globalThis.LEGACY = "2025-11-25";
globalThis.post = (message, fields) => fetch(URL_OF_SERVER, { method: "POST", headers: {
  "Content-Type": "application/json", "Accept": "application/json, text/event-stream", ...fields },
  body: JSON.stringify({ jsonrpc: "2.0", ...message }) });
globalThis.hello = { method: "initialize", id: 0, params: { protocolVersion: LEGACY,
  capabilities: {}, clientInfo: { name: "page", version: "1" } } };
globalThis.read_message = async (answer) => {
  const text = await answer.text();
  return JSON.parse(answer.headers.get("content-type").startsWith("text/event-stream")
    ? text.split("\n").findLast((line) => line.startsWith("data: {")).slice(6) : text);
};
globalThis.said = (message) => {
  if (!message.result) throw new Error(JSON.stringify(message));
  return message.result.content[0].text;
};
globalThis.by_session = async () => {
  const first = await post(hello);
  const fields = { "Mcp-Session-Id": first.headers.get("Mcp-Session-Id"),
    "MCP-Protocol-Version": LEGACY };
  await post({ method: "notifications/initialized" }, fields);
  const answer = await post({ id: 1, method: "tools/call", params: { name: "slow",
    arguments: { steps: 1 }, _meta: { progressToken: 1 } } }, fields);
  const text = said(await read_message(answer));
  const gone = await fetch(URL_OF_SERVER, { method: "DELETE", headers: fields });
  return text + " " + gone.status;
};
globalThis.stateless = async () => said(await read_message(await post({ id: 1,
  method: "tools/call", params: { name: "stay", arguments: {}, _meta: {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {} } } }, { "MCP-Protocol-Version": MODERN,
  "Mcp-Method": "tools/call", "Mcp-Name": "stay" })));
globalThis.by_websocket = () => new Promise((resolve, reject) => {
  const socket = new WebSocket(URL_OF_SERVER.replace("http", "ws"), "mcp");
  const send = (message) => socket.send(JSON.stringify({ jsonrpc: "2.0", ...message }));
  socket.onerror = () => reject(new Error("refused"));
  socket.onopen = () => send(hello);
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.id === 0) {
      send({ method: "notifications/initialized" });
      send({ id: 1, method: "tools/call", params: { name: "stay", arguments: {} } });
    } else if (message.id === 1) {
      resolve(said(message) + " " + socket.protocol);
      socket.close();
    }
  };
});
globalThis.by_sse = () => new Promise((resolve, reject) => {
  const source = new EventSource(URL_OF_SERVER);
  let to;
  const send = (message) => fetch(to, { method: "POST", headers: {
    "Content-Type": "application/json" }, body: JSON.stringify({ jsonrpc: "2.0", ...message }) });
  source.onerror = () => { source.close(); reject(new Error("refused")); };
  source.addEventListener("endpoint", (event) => {
    to = new URL(event.data, URL_OF_SERVER);
    send({ ...hello, params: { ...hello.params, protocolVersion: "2024-11-05" } });
  });
  source.addEventListener("message", async (event) => {
    const message = JSON.parse(event.data);
    if (message.id === 0) {
      await send({ method: "notifications/initialized" });
      send({ id: 1, method: "tools/call", params: { name: "stay", arguments: {} } });
    } else if (message.id === 1) {
      source.close();
      resolve(said(message));
    }
  });
});
// Without a preflight, as a form could send it. The page cannot read the response.
globalThis.blindly = (type) => fetch(URL_OF_SERVER, { method: "POST", mode: "no-cors", headers: {
  "Content-Type": type }, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call",
  params: { name: "touch", arguments: {}, _meta: {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {} } } }) }).then((answer) => answer.type);
]]

local TRANSPORTS = {
  { "Streamable HTTP with a session", "by_session()", "slept 200" },
  { "Streamable HTTP without one", "stateless()", "stayed" },
  { "WebSocket", "by_websocket()", "stayed mcp" },
  { "HTTP+SSE", "by_sse()", "stayed" },
}

local function prepare(page, server)
  page:eval("globalThis.URL_OF_SERVER = " .. js(server.url) .. ";" .. CLIENTS)
end

-- Does the same in a frame that has no origin, and tells what came of it.
local function sandboxed(page, server, way)
  local script = ("<script>globalThis.URL_OF_SERVER = %s; %s; %s.then((text) => text, "
    .. "() => 'refused').then((text) => parent.postMessage(text, '*'))</script>")
    :format(js(server.url), CLIENTS, way)
  return page:eval(([[new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts";
    window.onmessage = (event) => { frame.remove(); resolve(event.data); };
    frame.srcdoc = %s;
    document.body.append(frame);
  })]]):format(js(script)))
end

-- `server` answers the pages of `friend`, and `open` those without an origin.
local function pages(browser, server, open, friend, stranger)
  do
    local page <close> = browser:open(friend.url)
    prepare(page, server)
    for _, transport in ipairs(TRANSPORTS) do
      check("a page of an allowed origin calls a tool over " .. transport[1], function()
        equal(transport[3], page:eval(transport[2]))
        quiet(page)
      end)
    end
    check("it reads why a call was refused, and an unknown session from a broken network",
      function()
        equal("406", page:eval [[post(hello, { Accept: "text/html" })
          .then((answer) => String(answer.status))]])
        equal("404", page:eval [[post({ id: 1, method: "ping" }, { "Mcp-Session-Id": "none",
          "MCP-Protocol-Version": LEGACY }).then((answer) => String(answer.status))]])
      end)
    check("it is not allowed header fields that MCP has not (SEC-01)", function()
      equal("refused", page:eval [[post(hello, { "X-Other": "1" }).then(() => "in",
        () => "refused")]])
    end)
  end
  do
    local page <close> = browser:open(stranger.url)
    prepare(page, server)
    for _, transport in ipairs(TRANSPORTS) do
      check("a page of another port is refused (SEC-01) over " .. transport[1], function()
        equal("refused", page:eval(transport[2] .. ".then((text) => text, () => 'refused')"))
      end)
    end
    check("what it sends without asking first calls nothing (SEC-01, SEC-04)", function()
      local before = page:eval "blindly('text/plain')"
      equal("opaque", before)
      equal("opaque", page:eval "blindly('application/x-www-form-urlencoded')")
    end)
    check("a page without an origin (a sandboxed frame) is refused (SEC-01)", function()
      for _, transport in ipairs(TRANSPORTS) do
        equal(transport[3], sandboxed(page, open, transport[2]),
          transport[1] .. ", where null is allowed")
        equal("refused", sandboxed(page, server, transport[2]), transport[1])
      end
    end)
    check("it can neither read nor frame the inspect page", function()
      local root = js(server.url:match "^(http://[^/]+)" .. "/")
      equal("refused", page:eval(("fetch(%s).then(() => 'in', () => 'refused')"):format(root)))
      page.complaints = {}
      page:eval(([[new Promise((resolve) => { const frame = document.createElement("iframe");
        frame.onload = resolve; frame.src = %s; document.body.append(frame); })]]):format(root))
      has(table.concat(page.complaints, "\n"), "frame")
    end)
  end
  do
    -- A foreign host name that resolves to this server: DNS rebinding.
    local rebound = server.url:gsub("127%.0%.0%.1", "rebound.example")
    local page <close> = browser:open(friend.url)
    prepare(page, { url = rebound })
    check("a request with a foreign Host is refused (SEC-02)", function()
      for _, transport in ipairs(TRANSPORTS) do
        equal("refused", page:eval(transport[2] .. ".then((text) => text, () => 'refused')"),
          transport[1])
      end
      local there <close> = browser:open((rebound:gsub("/mcp$", "/")))
      has(there:eval "document.body.innerText", "Host: expected a name of this server")
      equal(false, there:eval "!!document.getElementById('tools')")
    end)
  end
  do
    local page <close> = browser:open(friend.url)
    prepare(page, server)
    check("all that was refused has called nothing (SEC-01, SEC-02, SEC-04)", function()
      equal("1", page:eval [[(async () => {
        const first = await post(hello);
        const fields = { "Mcp-Session-Id": first.headers.get("Mcp-Session-Id"),
          "MCP-Protocol-Version": LEGACY };
        await post({ method: "notifications/initialized" }, fields);
        return said(await read_message(await post({ id: 1, method: "tools/call",
          params: { name: "touch", arguments: {} } }, fields)));
      })()]])
    end)
  end
end

local function start(name, words)
  return background.start({ PROGRAM, "run", table.unpack(words) }, ("%s/%s.log"):format(OUT, name))
end

-- A command that shows the inspect page.
local function start_page(name, words)
  return background.start({ PROGRAM, table.unpack(words) }, ("%s/%s.log"):format(OUT, name),
    "inspect it at (http%S+)")
end

local function main()
  assert(os.execute(("mkdir -p %s"):format(background.quote(OUT))))
  local friend <close> = start("friend", { "scripts/browser/origin.lua" })
  local stranger <close> = start("stranger", { "scripts/browser/origin.lua" })
  local origin = friend.url:match "^(http://[^/]+)"
  local inspected <close> = start("inspected", { "scripts/browser/server.lua" })
  local served <close> = start("served", { "scripts/browser/server.lua", origin })
  local open <close> = start("open", { "scripts/browser/server.lua", "null" })
  local garden <close> = start("garden", { "scripts/browser/apps/server.lua", PACKAGE })
  local browser <close> = chromium.start(OUT, "MAP *.example 127.0.0.1")
  pages(browser, served, open, friend, stranger)
  require("kit").run(browser, friend, { check = check, equal = equal, has = has, js = js,
    out = OUT, program = PROGRAM })
  inspect_page(browser, inspected)
  do
    local page <close> = browser:open(garden.url:match "^(http://[^/]+)" .. "/")
    apps(page, { check = check, equal = equal, has = has, entry = entry, submit = submit,
      result = result, quiet = quiet }, OUT, PACKAGE ~= nil)
  end
  consent(browser, garden.url:match "^(http://[^/]+)" .. "/", { check = check, equal = equal,
    has = has, entry = entry, submit = submit, out = OUT }, start_page)
  admission(browser, { check = check, equal = equal, has = has, call = call, submit = submit },
    start_page, garden.url)
  endless(browser, garden.url:match "^(http://[^/]+)" .. "/", { check = check, equal = equal,
    submit = submit })
  print(("browser: %d passed, %d failed; pictures in %s"):format(passed, failed, OUT))
  return failed == 0 and passed > 0
end

os.exit(main(), true)
