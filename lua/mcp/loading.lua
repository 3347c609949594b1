-- SPDX-License-Identifier: MIT
-- loading: the script that is being loaded, for what it starts. Apart from async.lua, which few
-- servers use, as the program sets it for every script.
local loading = {}

---A script whose tasks end when it is replaced: `thread`, which runs it, and `started`, whose
---member `tasks` is the waiter that starts them. Set by what loads one.
---@type table|nil
loading.script = nil

return loading
