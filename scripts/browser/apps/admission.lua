-- SPDX-License-Identifier: MIT
-- admission.lua: the inspect page where clients need a token, and before other servers
-- (luamcp inspect --web), in a real browser.

---@param browser table of chromium.lua
---@param kit table check, equal, has, call, entry, submit
---@param start fun(name: string, words: string[]): table starts luamcp; `url` is that of the page
---@param garden string address of apps/server.lua
return function(browser, kit, start, garden)
  local check, equal, has = kit.check, kit.equal, kit.has

  local function state(page)
    return page:wait [[document.getElementById("state").textContent
      .match(/revision|admitted/)?.input]]
  end

  check("inspect: with authorization the page works with its token, once", function()
    local server <close> = start("guarded", { "run", "scripts/browser/apps/guarded.lua" })
    has(server.url, "#token=")
    do
      local page <close> = browser:open(server.url)
      has(state(page), "revision")
      equal(server.url:match "^[^#]+", page:eval "location.href", "the token left the address")
      equal("inspect true", (kit.call(page, "subject"):match "inspect true"))
      -- It keeps a key in its memory, and nowhere else.
      equal("0 0 ", page:eval [[localStorage.length + " " + sessionStorage.length + " "
        + document.cookie]])
      page:eval "socket.close()"
      page:wait "document.getElementById('state').className === 'bad'"
      page:wait "document.getElementById('state').textContent.includes('revision')"
      equal("inspect true", (kit.call(page, "subject"):match "inspect true"))
    end
    do
      local page <close> = browser:open(server.url)
      has(state(page), "not admitted: open the address that the program has printed last")
    end
    -- It has printed another.
    local log <close> = assert(io.open(server.log))
    local again = log:read "a":match "inspect it at.*inspect it at (http%S+)"
    local page <close> = browser:open(again)
    has(state(page), "revision")
  end)

  for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
    check("inspect --web: pages of tools of another server, in " .. revision, function()
      local server <close> = start("web-" .. revision, { "inspect", "--web", "--revision", revision,
        garden })
      local page <close> = browser:open(server.url)
      has(state(page), "revision")
      kit.submit(page, "watering", { bed = "Roses" })
      page:wait "document.querySelector('[data-view=watering]')?.dataset.state === 'ready'"
      page:wait_frame("When to water", "document.querySelector('h1').textContent === 'Roses'")
      page:wait_frame("When to water", "document.querySelectorAll('li').length === 2")
      page:in_frame("When to water", "document.getElementById('move').click()")
      page:wait "document.querySelector('dialog.consent [data-word=allow]:not([disabled])')"
      page:eval "document.querySelector('dialog.consent [data-word=allow]').click()"
      page:wait_frame("When to water", "document.querySelector('li').textContent === 'Tuesday'")
    end)
  end
end
