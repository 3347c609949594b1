-- SPDX-License-Identifier: MIT
-- offers: what a server offers, as the commands list it.
local arguments = require "mcp.cli.arguments"
local errors = require "mcp.protocol.errors"
local foreign = require "mcp.foreign"

local offers = {}

---The lists in the order in which they are shown: the member of the JSON, the heading, the
---capability that declares it, the client's method, and how an entry is named.
offers.LISTS = {
  { key = "tools", heading = "Tools", capability = "tools", method = "list_tools",
    describe = function(tool)
      return foreign.first(tool.name, "?"), arguments.signature(tool.inputSchema)
    end },
  { key = "resources", heading = "Resources", capability = "resources", method = "list_resources",
    describe = function(resource) return foreign.first(resource.uri, "?"), "" end },
  { key = "resourceTemplates", heading = "Templates", capability = "resources",
    method = "list_resource_templates",
    describe = function(template) return foreign.first(template.uriTemplate, "?"), "" end },
  { key = "prompts", heading = "Prompts", capability = "prompts", method = "list_prompts",
    describe = function(prompt)
      local words = {}
      for i, each in ipairs(foreign.objects(prompt.arguments)) do
        words[i] = foreign.first(each.name, "?") .. (each.required == true and "" or "?")
      end
      return foreign.first(prompt.name, "?"), "(" .. table.concat(words, ", ") .. ")"
    end },
}

---Reads the lists of a server.
---@param client mcp.Client
---@param wanted table<string, boolean>|nil capabilities; nil: all
---@return table<string, table[]>|nil lists by key
---@return string|nil text
---@return any code
function offers.read(client, wanted)
  local out = {}
  for _, each in ipairs(offers.LISTS) do
    if (not wanted or wanted[each.capability]) and client.capabilities[each.capability] ~= nil then
      local entries, text, code = client[each.method](client)
      -- A server need not have templates only because it has resources.
      if not entries and code == errors.METHOD_NOT_FOUND then entries = {} end
      if not entries then return nil, text, code end
      out[each.key] = entries
    end
  end
  return out
end

---The text of a failed request. A server without the feature says only "Method not found".
---@param feature string such as "resources"
---@param text string
---@param code any
---@return string
function offers.failure(feature, text, code)
  return code == errors.METHOD_NOT_FOUND and "the server offers no " .. feature or text
end

return offers
