-- SPDX-License-Identifier: MIT
-- capabilities: what a client declares to a server. A file of its own because every handshake needs
-- it, and the answers to a server's questions (serve) only few programs.
local capabilities = {}

---The capabilities that this client declares, according to its callbacks.
---@param settings table
---@param facts table of a revision
---@return table
function capabilities.of(settings, facts)
  local out = {}
  for name, member in pairs(settings.capabilities or {}) do out[name] = member end
  if settings.extensions then out.extensions = settings.extensions:declared() end
  if settings.roots then
    out.roots = facts.era == "legacy" and { listChanged = true } or {}
  end
  if settings.on_sample then
    out.sampling = {}
    if facts.sampling_tools and settings.sampling then
      out.sampling.tools = settings.sampling.tools and {} or nil
      out.sampling.context = settings.sampling.context and {} or nil
    end
  end
  if facts.elicitation == "full" then
    if settings.on_elicit or settings.on_elicit_url then
      out.elicitation = { form = settings.on_elicit and {} or nil,
        url = settings.on_elicit_url and {} or nil }
    end
  elseif facts.elicitation and settings.on_elicit then
    out.elicitation = {}
  end
  return out
end

return capabilities
