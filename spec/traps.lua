-- SPDX-License-Identifier: MIT
-- traps: functions that compute for ever, and try to swallow what ends them. For handlers with a
-- budget, and for workers, which load this file in a state of their own.

---@param spin function computes for ever
---@return table<string, function>
return function(spin)
  return {
    in_pcall = function() while true do pcall(spin) end end,
    in_xpcall = function() while true do xpcall(spin, function() while true do end end) end end,
    nest = function()
      local function deeper(n)
        if n == 0 then spin() end
        while true do coroutine.resume(coroutine.create(deeper), n - 1) end
      end
      deeper(20)
    end,
    wrapped = function() while true do pcall(coroutine.wrap(spin)) end end,
    closing = function()
      while true do
        pcall(function()
          local _ <close> = setmetatable({}, { __close = spin })
          spin()
        end)
      end
    end,
    closed = function()
      local co = coroutine.create(function()
        local _ <close> = setmetatable({}, { __close = spin })
        coroutine.yield()
      end)
      coroutine.resume(co)
      coroutine.close(co)
    end,
    made_before = function()
      local co = coroutine.wrap(function() coroutine.yield() spin() end)
      co()
      while true do pcall(co) end
    end,
    sort = function()
      table.sort({ 3, 2, 1, 5, 4 }, function() while true do pcall(spin) end end)
    end,
    gsub = function() string.gsub("x", "x", function() while true do pcall(spin) end end) end,
    meta = function() return setmetatable({}, { __index = function() spin() end }).x end,
    c_only = function() while true do string.gsub(("x"):rep(1000), ".", string.upper) end end,
  }
end
