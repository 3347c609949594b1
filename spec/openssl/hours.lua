-- SPDX-License-Identifier: MIT
-- hours.lua: what becomes of TLS sessions in the course of hours. The connections are made by
-- day.lua, in a process whose time of day is moved.
local certificate = require "codecs.certificate"
local scratch = require "spec.scratch"

-- Which connections of `side` (day.lua) at these minutes are "full" and which "resumed", a word
-- each. The certificate between the authority and both peers is valid for `life` minutes.
return function(side, protocol, life, ...)
  local ca = certificate.make { name = "Spec CA", ca = true }
  local between = certificate.make { issuer = ca, name = "Between", ca = true, serial = 2,
    to = life * 60 }
  local function peer(more)
    more.issuer, more.serial = between, 3
    local made = certificate.make(more)
    return made.cert .. made.key .. between.cert
  end
  local folder <close> = scratch()
  for name, text in pairs { ca = ca.cert, chain = between.cert,
    server = peer { names = "DNS:localhost" },
    client = peer { name = "Ada", use = "clientAuth" } } do
    folder:write(name .. ".pem", text)
  end
  local preload = os.getenv "LD_PRELOAD"
  local child <close> = assert(io.popen(table.concat({ "MCP_SPEC_DAY=" .. folder.path .. "/day",
    "LD_PRELOAD=" .. (preload and preload .. ":" or "") .. os.getenv "MCP_BUILD" .. "/spec/day.so",
    os.getenv "LUA" or "lua5.4", "spec/openssl/day.lua", folder.path, side, protocol, ...,
  }, " ") .. " 2>&1"))
  local text = child:read "a"
  return (text:gsub("%s+", " "):gsub(" $", ""))
end
