-- SPDX-License-Identifier: MIT
-- endless.lua: a page of a tool whose script does not end, in a real browser. It comes last:
-- Chromium keeps the process of a removed frame for a moment, and would use it for the next page.

---@param browser table of chromium.lua
---@param url string of an inspect page of apps/server.lua
---@param kit table check, equal, submit
return function(browser, url, kit)
  kit.check("apps: a script without end does not hold the inspect page (APP-89)", function()
    local page <close> = browser:open(url)
    kit.submit(page, "spin")
    page:wait "document.querySelector('[data-view=spin]')?.dataset.state === 'page'"
    -- A timer of the inspect page is on time while the other script runs, and it can be closed.
    kit.equal(true, page:eval [[new Promise((resolve) => { const begun = performance.now();
      setTimeout(() => resolve(performance.now() - begun < 2000), 500); })]])
    page:eval "document.querySelector('[data-view=spin] .bar button:last-child').click()"
    page:wait "!document.querySelector('[data-view=spin]')"
  end)
end
