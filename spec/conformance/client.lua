-- SPDX-License-Identifier: MIT
-- client.lua: what the official conformance suite drives as a client. `make conformance` has the
-- suite start it once for each scenario, with the server's address as the last word:
--
--   MCP_CONFORMANCE_SCENARIO            which one
--   MCP_CONFORMANCE_PROTOCOL_VERSION    the revision to speak
--   MCP_CONFORMANCE_CONTEXT             JSON, where a scenario has something to say
--
-- Nothing here knows a header or a status: what the suite looks for is done by the library.
local cjson = require "cjson"
local mcp = require "mcp"

local URL = arg[#arg]
local SCENARIO = os.getenv "MCP_CONFORMANCE_SCENARIO" or "default"
local REVISION = os.getenv "MCP_CONFORMANCE_PROTOCOL_VERSION"
local CONTEXT = cjson.decode(os.getenv "MCP_CONFORMANCE_CONTEXT" or "{}")

-- A client, connected; nothing goes on without one.
local function connect(options)
  options = options or {}
  options.revision = REVISION
  options.client = { name = "luamcp-conformance", version = "1.0.0" }
  return assert(mcp.connect(URL, options))
end

local scenarios = {}

-- Whoever has no entry of its own: looks around and calls the first tool.
function scenarios.default(client)
  local tools = assert(client:list_tools())
  if tools[1] then assert(client:call_tool(tools[1].name, {})) end
end

scenarios["initialize"] = function(client) assert(client:list_tools()) end

-- What a client can do goes along with each request.
scenarios["request-metadata"] = {
  options = {
    on_elicit = function() return {} end,
    on_sample = function() return "I am no model." end,
    roots = { { uri = "file:///tmp" } },
  },
  run = scenarios["initialize"],
}

-- The schema in the list points to the network, and nobody may follow.
scenarios["json-schema-ref-no-deref"] = scenarios["initialize"]

scenarios["tools_call"] = function(client)
  assert(client:list_tools())
  assert(client:call_tool("add_numbers", { a = 5, b = 3 }))
end

scenarios["elicitation-sep1034-client-defaults"] = {
  -- The question comes by the standalone stream, so that has to be open: wait for it.
  options = { on_elicit = function() return {} end, limits = { stream_wait = 10 } },
  run = function(client) assert(client:call_tool("test_client_elicitation_defaults", {})) end,
}

-- Listing fetches no file (sep-2640-host-no-prefetch).
scenarios["sep-2640-client-no-prefetch"] = function(client)
  assert(#assert(client:list_skills()) > 0)
end

-- What is fetched is not what the entry says: the skill must not be loaded, and so no other file of
-- it is read.
local function load_skill(client)
  for entry in client:skills() do
    local skill = assert(client:read_skill(entry))
    for _, uri in ipairs(skill:files()) do assert(skill:read(uri)) end
  end
end

for _, what in ipairs { "digest", "frontmatter", "size" } do
  scenarios["sep-2640-client-verify-" .. what] = load_skill
end

scenarios["sse-retry"] = {
  -- The next GET after the call gets its answer, whatever it asks for, so the standalone stream has
  -- to be open before.
  options = { limits = { stream_wait = 10 } },
  run = function(client) assert(client:call_tool("test_reconnection", {})) end,
}

local asked = 0
scenarios["sep-2322-client-request-state"] = {
  options = { on_elicit = function()
    asked = asked + 1
    return { confirmed = true }
  end },
  run = function(client)
    assert(client:list_tools())
    mcp.all {
      function() assert(client:call_tool("test_mrtr_echo_state", {})) end,
      -- Another call while the first one is between its rounds.
      function() assert(client:call_tool("test_mrtr_unrelated", {})) end,
    }
    assert(client:call_tool("test_mrtr_no_state", {}))
    assert(client:call_tool("test_mrtr_no_result_type", {}))
    assert(asked == 2)
  end,
}

scenarios["http-standard-headers"] = function(client)
  assert(client:list_tools())
  assert(client:call_tool("test_headers", {}))
  assert(client:list_resources())
  assert(client:read_resource "file:///path/to/file%20name.txt")
  assert(client:list_prompts())
  assert(client:get_prompt("test_prompt", {}))
end

scenarios["http-custom-headers"] = function(client)
  assert(client:list_tools())
  for _, call in ipairs(CONTEXT.toolCalls) do
    assert(client:call_tool(call.name, call.arguments))
  end
end

scenarios["http-invalid-tool-headers"] = function(client)
  for _, tool in ipairs(assert(client:list_tools())) do
    assert(client:call_tool(tool.name, { region = "eu-west1" }))
  end
end

scenarios["json-schema-2020-12-preservation"] = function(client)
  for _, tool in ipairs(assert(client:list_tools())) do
    if tool.name == "json_schema_2020_12_tool" then
      assert(client:call_tool("json_schema_echo", { schema = tool.inputSchema }))
    end
  end
end

-- --- authorization ------------------------------------------------------------------------

-- The suite's authorization server asks nobody: where it would send the browser back to is where
-- its answer points to.
local function authorize(url)
  local answer = assert(require "mcp.fetch".get(url, { redirects = 0 }))
  return answer.headers.location
end

-- What all providers are told here: the servers are on this machine.
local function with(options)
  options.allow_private, options.revision = true, REVISION
  return options
end

local PROVIDERS = {
  ["auth/pre-registration"] = function(auth)
    return auth.oauth(with { on_authorize = authorize, client_id = CONTEXT.client_id,
      client_secret = CONTEXT.client_secret, issuer = CONTEXT.issuer })
  end,
  ["auth/client-credentials-basic"] = function(auth)
    return auth.client_credentials(with { client_id = CONTEXT.client_id,
      client_secret = CONTEXT.client_secret })
  end,
  ["auth/client-credentials-jwt"] = function(auth)
    return auth.client_credentials(with { client_id = CONTEXT.client_id,
      private_key = CONTEXT.private_key_pem, algorithm = CONTEXT.signing_algorithm })
  end,
  ["auth/enterprise-managed-authorization"] = function(auth)
    return auth.enterprise(with { client_id = CONTEXT.client_id,
      client_secret = CONTEXT.client_secret, idp_client_id = CONTEXT.idp_client_id,
      idp_token_endpoint = CONTEXT.idp_token_endpoint, id_token = CONTEXT.idp_id_token })
  end,
  ["auth/wif-jwt-bearer"] = function(auth)
    return auth.workload(with { client_id = CONTEXT.client_id, assertion = CONTEXT.valid_jwt })
  end,
}

local function provider_of(scenario)
  if not scenario:find "^auth/" then return nil end
  local make = PROVIDERS[scenario]
  if make then return make(mcp.auth) end
  return mcp.auth.oauth(with { on_authorize = authorize, dpop = scenario:find "^auth/dpop" and true,
    client_name = "luamcp-conformance",
    client_metadata_url = "https://conformance-test.local/client-metadata.json" })
end

-- --- the run --------------------------------------------------------------------------------

local scenario = scenarios[SCENARIO] or scenarios.default
local run = type(scenario) == "table" and scenario.run or scenario
local options = type(scenario) == "table" and scenario.options or {}
options.auth = provider_of(SCENARIO)
local client <close> = connect(options)
run(client)
