-- SPDX-License-Identifier: MIT
-- consent.lua: what a page of a tool asks its host for, in a real browser: links, messages, files,
-- its end; what the user refuses; changes of the server that reach a page; and a page with our kit.

---@param browser table of chromium.lua
---@param url string of an inspect page of apps/server.lua
---@param kit table check, equal, has, entry, submit
---@param start fun(name: string, words: string[]): table starts luamcp; `url` is that of the page
return function(browser, url, kit, start)
  local check, equal, has = kit.check, kit.equal, kit.has
  local page <close> = browser:open(url)
  local VIEW = "document.querySelector('[data-view=\"asks\"]')"

  local function open()
    kit.submit(page, "asks")
    page:wait(VIEW .. "?.dataset.state === 'ready'")
  end

  -- The page asks for something. The answer is there when the user has decided.
  local function ask(method, params)
    page:in_frame("Asks", ("begin(%q, %s)"):format(method, params))
  end

  local function decide(word)
    page:wait "document.querySelector('dialog.consent [data-word]:not([disabled])')"
    local text = page:eval "document.querySelector('dialog.consent').innerText"
    page:eval(("document.querySelector('dialog.consent [data-word=%s]').click()"):format(word))
    return text
  end

  local function outcome() return page:wait_frame("Asks", "outcome") end

  check("apps: a link is opened after a question, and shown as it is (APP-65)", function()
    open()
    page:eval "window.open = (...given) => { globalThis.opened = given.join(' '); }"
    ask("ui/open-link", "{ url: 'https://docs.example/a?b#c' }")
    has(decide "deny", "https://docs.example/a?b#c")
    equal("-32000: refused by the user", outcome())
    equal("undefined", page:eval "typeof globalThis.opened")
    ask("ui/open-link", "{ url: 'https://docs.example/a?b#c' }")
    decide "allow"
    equal("{}", outcome())
    equal("https://docs.example/a?b#c _blank noopener,noreferrer", page:eval "globalThis.opened")
  end)

  check("apps: a question cannot be answered by a key that was meant for the page", function()
    ask("ui/open-link", "{ url: 'https://docs.example/' }")
    page:wait "document.querySelector('dialog.consent')"
    -- At once, before the buttons work.
    equal(true, page:eval [[[...document.querySelectorAll("dialog.consent button")]
      .every((button) => button.disabled)]])
    page:wait "document.querySelector('dialog.consent [data-word]:not([disabled])')"
    equal("deny", page:eval "document.activeElement.dataset.word")
    page:press "Escape"
    equal("-32000: refused by the user", outcome())
  end)

  check("apps: a message for the model needs consent; a context replaces the one before (APP-66, "
    .. "APP-67)", function()
    ask("ui/message", "{ role: 'user', content: { type: 'text', text: 'Hello <b>model</b>' } }")
    has(decide "allow", "Hello <b>model</b>")
    equal("{}", outcome())
    has(page:eval(VIEW .. ".querySelector('.model').textContent"), "Hello <b>model</b>")
    for _, text in ipairs { "first", "second" } do
      ask("ui/update-model-context", ("{ content: [{ type: 'text', text: '%s' }] }"):format(text))
      equal("{}", outcome())
    end
    local shown = page:eval(VIEW .. ".querySelector('.model').textContent")
    has(shown, "second")
    equal(nil, shown:match "first")
  end)

  check("apps: a file is saved after a question, under a clean name (APP-70)", function()
    page:eval [[HTMLAnchorElement.prototype.click = function () {
      globalThis.saved = this.download; }]]
    ask("ui/download-file", "{ contents: [{ type: 'resource', resource: { uri: "
      .. "'file:///x/..%2f..%2f.bash\\u202erc?a', text: 'x' } }] }")
    has(decide "allow", "Save a file?")
    equal("{}", outcome())
    equal("_.._.bash_rc", page:eval "globalThis.saved")
    ask("ui/download-file", "{ contents: [{ type: 'resource_link', uri: 'ui://garden/silent' }] }")
    decide "allow"
    equal("{}", outcome())
    equal("silent", page:eval "globalThis.saved")
  end)

  check("apps: what may always be done is not asked again; what is refused for good is not either",
    function()
      ask("tools/call", "{ name: 'move', arguments: { from: 'x', to: 'y' } }")
      decide "always"
      has(outcome(), "structuredContent")
      ask("tools/call", "{ name: 'move', arguments: { from: 'x', to: 'y' } }")
      has(outcome(), "structuredContent")
      ask("ui/open-link", "{ url: 'https://docs.example/' }")
      decide "block"
      equal("-32000: refused by the user", outcome())
      ask("ui/open-link", "{ url: 'https://docs.example/' }")
      equal("-32000: refused by the user, and from now on", outcome())
    end)

  check("apps: so many questions wait, and so many requests are in progress", function()
    page:eval(VIEW .. ".querySelector('.bar button:last-child').click()")
    page:wait("!" .. VIEW)
    open()
    page:in_frame("Asks", [[for (let i = 0; i < 6; i++) {
      begin("ui/open-link", { url: "https://docs.example/" + i }); }]])
    page:wait [[[...document.querySelectorAll("#traffic .to-view.bad pre")].filter((e) =>
      e.textContent.includes("more than 4 questions are waiting")).length === 2]]
    for _ = 1, 4 do
      decide "deny"
      page:wait "!document.querySelector('dialog.consent [data-word]:not([disabled])')"
    end
    page:in_frame("Asks", [[for (let i = 0; i < 18; i++) {
      begin("tools/call", { name: "grow", arguments: { steps: 6 } }); }]])
    page:wait [[[...document.querySelectorAll("#traffic .to-view.bad pre")].filter((e) =>
      e.textContent.includes("more than 16 requests in progress")).length === 2]]
    page:wait "[...views].every((view) => view.bridge.flights.size === 0)"
  end)

  check("apps: changes of the server reach a page: lists, and its own text (APP-33, APP-79)",
    function()
      ask("tools/call", "{ name: 'change' }")
      page:wait_frame("Asks", "heard.includes('notifications/tools/list_changed')")
      -- The page itself changes next, so it is loaded again.
      page:in_frame("Asks", "globalThis.old = true")
      ask("tools/call", "{ name: 'rewrite' }")
      page:wait_frame("Asks", "globalThis.old === undefined && outcome === null")
      page:wait(VIEW .. "?.dataset.state === 'ready'")
    end)

  check("apps: what the page is granted is in the answer to ui/initialize (APP-57)", function()
    local sent = page:eval [[[...document.querySelectorAll("#traffic .to-view pre")].map((e) =>
      JSON.parse(e.textContent)).find((m) => m.result?.hostCapabilities).result]]
    equal("luamcp-inspect", sent.hostInfo.name)
    equal("https://api.example", sent.hostCapabilities.sandbox.csp.connectDomains[1])
    equal(1, #sent.hostCapabilities.sandbox.csp.connectDomains)
    equal(true, sent.hostCapabilities.serverTools.listChanged)
    equal(nil, sent.hostCapabilities.sampling)
    -- What is declared for the list of resources counts, where the contents say nothing (APP-30).
    equal(nil, sent.hostCapabilities.sandbox.permissions.camera)
    has(page:eval(VIEW .. ".querySelector('.policy').textContent"), "allow camera")
  end)

  check("apps: the user allows what was refused, and the page is loaded with it", function()
    page:eval(([[(() => { const node = [...%s.querySelectorAll(".policy label")]
      .find((label) => label.textContent.includes("private networks")); node.click(); })()]])
      :format(VIEW))
    page:wait(VIEW .. ".querySelector('.policy pre').textContent.includes('http://127.0.0.1:9')")
    page:wait(VIEW .. ".dataset.state === 'ready'")
    page:eval(([[(() => { const node = [...%s.querySelectorAll(".policy label")]
      .find((label) => label.textContent.includes("camera")); node.click(); })()]]):format(VIEW))
    page:wait(VIEW .. ".querySelector('iframe')?.allow === 'camera *'")
    page:wait(VIEW .. ".dataset.state === 'ready'")
  end)

  check("apps: a page may ask to be closed, and is asked before that (APP-71, APP-77)", function()
    page:in_frame("Asks", "notify('ui/notifications/request-teardown', {})")
    page:wait("!" .. VIEW)
    has(page:eval [[document.querySelector("#traffic .to-view code").textContent]], "teardown")
  end)

  check("apps: the example with our kit works in the inspect page (APP-06)", function()
    local example <close> = start("example", { "run", "examples/garden.lua", "--http", "0",
      "--inspect" })
    local shown <close> = browser:open(example.url)
    kit.submit(shown, "watering_plan")
    shown:wait "document.querySelector('.view')?.dataset.state === 'ready'"
    shown:wait_frame("Watering plan", "document.querySelectorAll('button').length === 3")
    equal("", shown:eval "document.querySelector('.view .notes').innerText")
    shown:in_frame("Watering plan", "document.querySelector('button').click()")
    shown:wait "document.querySelector('dialog.consent [data-word=allow]:not([disabled])')"
    shown:eval "document.querySelector('dialog.consent [data-word=allow]').click()"
    shown:wait_frame("Watering plan", "/\\d{4}-/.test(document.querySelector('tbody').textContent)")
    shown:wait "parseInt(document.querySelector('.view iframe').style.height) > 160"
    equal("", table.concat(shown.complaints, "\n"))
    shown:picture(kit.out .. "/apps-kit.png")
  end)
end
