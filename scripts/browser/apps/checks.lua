-- SPDX-License-Identifier: MIT
-- checks.lua: the inspect page as a host of MCP Apps, in a real browser: pages of tools that behave
-- (one without a library, one with the public package), pages with mistakes, and hostile pages.
local cjson = require "cjson"

-- What a hostile page has tried, and what must have come of it. Not "nothing": it was refused.
local REFUSED = { "parent document", "top document", "top property", "other views",
  "parent script", "domain", "own origin", "localStorage", "sessionStorage", "indexedDB", "caches",
  "cookie", "service worker", "fetch", "fetch proxy", "fetch server", "xhr", "websocket", "events",
  "image", "script", "style", "font", "worker", "eval", "webassembly", "import", "base",
  "policy of a frame", "policy gone", "popup", "navigate top", "navigate parent", "fullscreen" }

-- What gives a page nothing to see.
local NOTHING = { "frame", "beacon", "form top", "download", "alert", "straight to the host",
  "as the proxy", "to the proxy" }

local ANSWERS = {
  early = "-32600: tools/call came before ui/notifications/initialized",
  again = "-32600: ui/initialize came twice", ["frame element"] = "null",
  ["model's tool"] = '-32000: the tool secret is not for pages: its visibility lacks "app"',
  ["no tool"] = "-32602: this server has no tool x",
  initialize = "-32601: Method not found: initialize",
  level = "-32601: Method not found: logging/setLevel",
  subscribe = "-32601: Method not found: resources/subscribe",
  prompt = "-32601: Method not found: prompts/get",
  sampling = "-32601: Method not found: sampling/createMessage",
  proto = "-32601: Method not found: __proto__",
  constructor = "-32601: Method not found: constructor",
  ["bad link"] = "-32000: not an http(s) URL: javascript:alert(1)",
  ["file link"] = "-32000: not an http(s) URL: file:///etc/passwd",
  ["bad role"] = '-32602: expected role "user" and a list of content',
  ["web download"] = "-32000: a link to the web is not downloaded: http://169.254.169.254/",
  mode = "inline",
}

---@param page table of chromium.lua, with the inspect page of apps/server.lua
---@param kit table check, equal, has, entry, submit, result, quiet
---@param out string folder for pictures
---@param packaged boolean is the public package there?
return function(page, kit, out, packaged)
  local check, equal, has = kit.check, kit.equal, kit.has

  local function view(name) return ("document.querySelector('[data-view=\"%s\"]')"):format(name) end

  local function wait_state(name, state)
    page:wait(("%s?.dataset.state === %q"):format(view(name), state))
  end

  local function notes(name)
    return page:eval(view(name) .. ".querySelector('.notes').innerText")
  end

  -- What a page has handed over for the model.
  local function for_model(name)
    return cjson.decode((page:eval(view(name) .. ".querySelector('.model pre').textContent")))
  end

  -- Waits until a part of a view has a text.
  local function wait_text(name, part, text)
    page:wait(("%s?.querySelector('%s')?.textContent.includes(%q)"):format(view(name), part, text))
  end

  local function close(name)
    page:eval(("(() => { const node = %s; if (node) [...node.querySelectorAll('button')]"
      .. ".find((b) => b.textContent === 'Close').click(); })()"):format(view(name)))
    page:wait(("!%s"):format(view(name)))
  end

  -- The messages that match a word, oldest first: "to-view ui/notifications/tool-input".
  local function messages(word)
    return page:eval(([[[...document.querySelectorAll("#traffic details")].reverse()
      .map((e) => e.classList[0] + " " + e.querySelector("code").textContent)
      .filter((text) => text.includes(%q)).join(", ")]]):format(word))
  end

  local function clear() page:eval "document.getElementById('clear').click()" end

  -- What is in the frame of a view.
  local function inside(name, expression)
    return page:in_frame(name == "package" and "With the public package" or "When to water",
      expression)
  end

  local function consent(word)
    page:wait "document.querySelector('dialog.consent [data-word]:not([disabled])')"
    local text = page:eval "document.querySelector('dialog.consent').innerText"
    page:eval(("document.querySelector('dialog.consent [data-word=%s]').click()"):format(word))
    return text
  end

  check("apps: the page declares the extension, and tells tools with pages apart (APP-02, APP-03)",
    function()
      page:wait(kit.entry "watering")
      equal("text/html;profile=mcp-app", page:eval [[
        [...document.querySelectorAll("#traffic .out pre")].map((e) => JSON.parse(e.textContent))
          .find((message) => message.method === "initialize").params.capabilities
          .extensions["io.modelcontextprotocol/ui"].mimeTypes.join()]])
      has(page:eval(kit.entry "watering" .. ".innerText"), "watering")
      has(page:eval(kit.entry "watering" .. ".textContent"), "shows a page")
      has(page:eval(kit.entry "move" .. ".textContent"), "for pages only")
      has(page:eval(kit.entry "secret" .. ".textContent"), "not for pages")
    end)

  check("apps: a page gets input and result in order, after its handshake (APP-15, APP-44, APP-45, "
    .. "APP-35, APP-49, APP-54, APP-73, APP-75)", function()
    kit.submit(page, "watering", { bed = "Roses" })
    wait_state("watering", "ready")
    page:wait(("document.querySelectorAll('#traffic .to-view').length >= 3"))
    equal("to-view ui/notifications/tool-input, to-view ui/notifications/tool-result",
      messages "to-view ui/notifications")
    local first = "from-view ui/initialize, from-view ui/notifications/initialized"
    equal(first, (messages "from-view"):sub(1, #first))
    -- The server did not declare the extension.
    equal("undefined", page:eval "typeof server.capabilities.extensions")
    equal("Roses", inside("watering", "document.querySelector('h1').textContent"))
    equal("MondayFriday", inside("watering", "document.querySelector('ol').textContent"))
    equal("", notes "watering")
    -- Nothing is declared (APP-35).
    equal([[default-src 'none';
object-src 'none';
form-action 'none';
worker-src 'none';
connect-src 'none';
script-src 'unsafe-inline';
style-src 'unsafe-inline';
img-src data:;
font-src 'none';
media-src data:;
frame-src 'none';
base-uri 'self']], page:eval(view "watering" .. ".querySelector('.policy pre').textContent"))
  end)

  check("apps: the frame has the size that the page wants, within its limits (APP-59, APP-60)",
    function()
      local height = inside("watering", "document.body.offsetHeight")
      page:wait(("%s.querySelector('iframe').style.height === '%dpx'"):format(view "watering",
        height))
      page:eval(view "watering" .. ".querySelector('[name=height]').value = 60")
      page:eval(view "watering" .. ".querySelector('[name=height]').dispatchEvent("
        .. "new Event('change'))")
      page:wait(view "watering" .. ".querySelector('iframe').style.height === '60px'")
      page:eval(view "watering" .. ".querySelector('[name=height]').value = 600")
      page:eval(view "watering" .. ".querySelector('[name=height]').dispatchEvent("
        .. "new Event('change'))")
    end)

  check("apps: the user is asked before a page calls a tool that does more than read (APP-19, "
    .. "APP-82, APP-92)", function()
    clear()
    inside("watering", "document.getElementById('move').click()")
    local asked = consent "deny"
    has(asked, "Call the tool move?")
    has(asked, '"from": "Monday"')
    has(asked, "asked by the page of watering")
    page:wait [[document.querySelector("#traffic .to-view.bad pre")?.textContent
      .includes("refused by the user")]]
    equal("", messages "out tools/call")
    inside("watering", "document.getElementById('move').click()")
    consent "allow"
    page:wait_frame("When to water", "document.querySelector('ol').textContent === 'TuesdayFriday'")
    -- The page counts its own requests and progress tokens, from 0; ours are other numbers.
    local sent = page:eval [[[...document.querySelectorAll("#traffic .out pre")].map((e) =>
      JSON.parse(e.textContent)).filter((m) => m.method === "tools/call")]]
    equal(1, #sent)
    equal("Tuesday", sent[1].params.arguments.to)
    equal(sent[1].id, sent[1].params._meta.progressToken)
    equal(true, sent[1].id > 5)
  end)

  check("apps: theme, locale and size are passed on as they change (APP-58, APP-78)", function()
    local function set(name, given)
      page:eval(("(() => { const input = %s.querySelector('[name=%s]'); input.value = '%s'; "
        .. "input.dispatchEvent(new Event('change')); })()"):format(view "watering", name, given))
    end
    set("theme", "dark")
    page:wait_frame("When to water", "document.documentElement.style.colorScheme === 'dark'")
    set("locale", "de-AT")
    page:wait_frame("When to water", "document.documentElement.lang === 'de-AT'")
    set("theme", "")
    page:wait_frame("When to water", "document.documentElement.style.colorScheme === 'light'")
    equal("light-dark(#ffffff, #121316)", inside("watering", "getComputedStyle("
      .. "document.documentElement).getPropertyValue('--color-background-primary')"))
  end)

  check("apps: a page gets a mode that it has declared, and no other (APP-62, APP-68)", function()
    equal(true, page:eval(view "watering" .. ".querySelector('[data-mode=pip]').disabled"))
    inside("watering", "document.getElementById('large').click()")
    page:wait_frame("When to water",
      "document.getElementById('line').textContent === 'mode fullscreen'")
    equal("fullscreen", page:eval(view "watering" .. ".dataset.mode"))
    page:picture(out .. "/apps-fullscreen.png")
    page:press "Escape"
    page:wait(view "watering" .. ".dataset.mode === 'inline'")
  end)

  check("apps: several pages are open at once; one is closed by the next call unless it is kept",
    function()
      page:eval(view "watering" .. ".querySelector('.bar [type=checkbox]').click()")
      kit.submit(page, "watering", { bed = "Herbs" })
      page:wait "document.querySelectorAll('[data-view=watering][data-state=ready]').length === 2"
      kit.submit(page, "watering", { bed = "Lawn" })
      page:wait "document.querySelectorAll('[data-view=watering]').length === 2"
      page:picture(out .. "/apps-two.png")
      page:eval(view "watering" .. ".querySelector('.bar button:last-child').click()")
      page:wait "document.querySelectorAll('[data-view=watering]').length === 1"
    end)

  check("apps: a page learns that it ends, and does not delay that (APP-77)", function()
    clear()
    close "watering"
    equal("to-view ui/resource-teardown", messages "teardown")
    equal(1, page:eval "document.querySelectorAll('#traffic .from-view').length")
    -- This one never answers; it has no handshake, so that nothing is sent to it.
    kit.submit(page, "silent")
    wait_state("silent", "page")
    clear()
    close "silent"
    equal("", messages "to-view")
  end)

  check("apps: a call that is cancelled or fails reaches the page (APP-75, APP-76)", function()
    kit.submit(page, "slow")
    wait_state("slow", "ready")
    page:eval(kit.entry "slow" .. ".querySelector('.running button').click()")
    page:wait_frame("When to water", [[document.getElementById('line').textContent
      === 'cancelled: cancelled']])
    close "slow"
    kit.submit(page, "broken")
    wait_state("broken", "ready")
    page:wait_frame("When to water", [[document.getElementById('line').textContent
      === 'error: the tap is broken']])
    close "broken"
  end)

  if packaged then
    check("apps: a page with the public package calls, reads and reports (APP-63, APP-64, APP-67)",
      function()
        kit.submit(page, "package", { bed = "Kale" })
        wait_state("package", "ready")
        wait_text("package", ".model", "grown")
        local seen = for_model "package"
        equal("grown", seen.grown)
        equal("leaf 1 leaf 2 leaf 3", table.concat(seen.steps, " "))
        equal("light luamcp-inspect true", ("%s %s %s"):format(seen.theme, seen.host, seen.bytes))
        equal("pip", seen.mode)
        equal("Kale", inside("package", "document.getElementById('title').textContent"))
        page:picture(out .. "/apps-package.png")
        equal("", notes "package")
        close "package"
        has(page:eval "document.getElementById('log').innerText", "torn down")
      end)
  end

  check("apps: the policy is made of checked origins; what is refused is shown (APP-34, APP-36 "
    .. "to APP-38)", function()
    -- A page that it could reach for.
    kit.submit(page, "watering", { bed = "Roses" })
    wait_state("watering", "ready")
    kit.submit(page, "hostile")
    wait_text("hostile", ".policy", "default-src")
    local policy = page:eval(view "hostile" .. ".querySelector('.policy pre').textContent")
    equal([[default-src 'none';
object-src 'none';
form-action 'none';
worker-src 'none';
connect-src https://api.example wss://live.example:8443;
script-src 'unsafe-inline' https://*.static.example;
style-src 'unsafe-inline' https://*.static.example;
img-src data: https://*.static.example;
font-src https://*.static.example;
media-src data: https://*.static.example;
frame-src 'none';
base-uri 'self']], policy)
    equal("policy 3 outside origins 12 refused",
      page:eval(view "hostile" .. ".querySelector('.policy summary').textContent"))
    equal(12, page:eval(view "hostile" .. ".querySelectorAll('.refused').length"))
    has(page:eval(view "hostile" .. ".querySelector('.policy').textContent"),
      "connectDomains: https://a.example; script-src *")
    has(page:eval(view "hostile" .. ".querySelector('.policy').textContent"), "allow camera")
  end)

  check("apps: a hostile page reaches nothing beyond its frame (APP-41, APP-46, APP-47, APP-50, "
    .. "APP-51, APP-63, APP-65, APP-80, APP-81, APP-89)", function()
    -- It takes its time: what gives nothing is waited for.
    page:wait_long(view "hostile" .. "?.querySelector('.model pre')", 40)
    local tried = for_model "hostile"
    for _, name in ipairs(REFUSED) do equal("refused", tried[name], name) end
    for _, name in ipairs(NOTHING) do equal("nothing", tried[name], name) end
    for name, answer in pairs(ANSWERS) do equal(answer, tried[name], name) end
    equal("2 days a week", inside("watering", "document.getElementById('line').textContent"),
      "what the other page shows")
    equal(nil, tried.straight, "an answer to what was sent past the proxy")
    equal(nil, tried.listed:match "secret", "a tool that is not for pages")
    has(tried.listed, "move")
    equal("ui/notifications/tool-input ui/notifications/tool-result", tried.heard)
    has(notes "hostile", "the page sent something that is no JSON-RPC 2.0 message")
    equal("ready", page:eval(view "hostile" .. ".dataset.state"))
    equal("600px", page:eval(view "hostile" .. ".querySelector('iframe').style.height"))
    equal("", page:eval "document.querySelector('dialog')?.innerText ?? ''")
    page:picture(out .. "/apps-hostile.png")
    close "hostile"
    close "watering"
  end)

  check("apps: a page that goes elsewhere, loads again or sends a form is removed", function()
    for _, name in ipairs { "elsewhere", "again", "form" } do
      kit.submit(page, name)
      wait_state(name, "gone")
      has(notes(name), "the page went elsewhere or loaded itself again: it was removed")
      equal(0, page:eval(view(name) .. ".querySelectorAll('iframe').length"))
      close(name)
    end
  end)

  check("apps: an endless stream of messages ends the page, not the inspect page", function()
    kit.submit(page, "flood")
    wait_state("flood", "gone")
    has(notes "flood", "the page sent messages without end: it was removed")
    close "flood"
    page:eval "document.getElementById('clear').click()"
  end)

  check("apps: mistakes of servers are named (APP-09, APP-12, APP-13, APP-25, APP-26)", function()
    kit.submit(page, "missing")
    wait_state("missing", "gone")
    has(notes "missing", "there is no page to show: Resource not found: ui://garden/nowhere")
    kit.submit(page, "typed")
    wait_state("typed", "page")
    has(notes "typed", "the type of the page must be text/html;profile=mcp-app, got text/html+mcp")
    has(notes "typed", "csp has no effect on a tool: it belongs to the resource of the page")
    has(notes "typed", 'visibility: expected a list of "model" and "app", got app')
    has(notes "typed", "the page does not begin with <!doctype html>")
    kit.submit(page, "dumb")
    wait_state("dumb", "ready")
    has(notes "dumb", "the result has no content: a host without apps, and the model, see nothing")
    has(page:eval(kit.entry "foreign" .. ".textContent"),
      "the address of the page must begin with ui://, got https://evil.example/")
    page:picture(out .. "/apps-mistakes.png")
    for _, name in ipairs { "missing", "typed", "dumb" } do close(name) end
  end)

  check("apps: the pages learn that the connection ends (APP-77)", function()
    kit.submit(page, "watering", { bed = "Roses" })
    wait_state("watering", "ready")
    clear()
    page:eval "document.getElementById('reconnect').click()"
    page:wait(("!%s"):format(view "watering"))
    has(messages "teardown", "to-view ui/resource-teardown")
    page:wait "document.getElementById('state').textContent.includes('revision')"
  end)

  -- Pictures, in light and dark, wide and narrow.
  kit.submit(page, "watering", { bed = "Roses" })
  wait_state("watering", "ready")
  page:eval(view "watering" .. ".querySelector('.controls').parentElement.open = true")
  page:eval(kit.entry "watering" .. ".scrollIntoView()")
  page:wait(view "watering" .. ".querySelector('iframe').style.height !== '150px'")
  page:picture(out .. "/apps.png")
  page:command("Emulation.setEmulatedMedia", { features = cjson.decode
    '[{"name":"prefers-color-scheme","value":"dark"}]' })
  page:wait_frame("When to water", "document.documentElement.style.colorScheme === 'dark'")
  page:picture(out .. "/apps-dark.png")
  page:command("Emulation.setDeviceMetricsOverride", { width = 400, height = 900,
    deviceScaleFactor = 1, mobile = true })
  check("apps: it fits a window of 400 pixels", function()
    equal(true, page:eval "document.documentElement.scrollWidth <= 400")
  end)
  page:eval(view "watering" .. ".scrollIntoView()")
  page:picture(out .. "/apps-narrow.png")
end
