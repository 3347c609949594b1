-- SPDX-License-Identifier: MIT
-- memory.lua: our client with the npm package server-memory, over stdio: the entities that
-- it stores can be read back.
--
--   luamcp run scripts/interop/ours/memory.lua ERA COMMAND [ARGUMENT…]
package.path = "./scripts/interop/ours/?.lua;" .. package.path
local check = require "check"
local same, text = check.same, check.text

-- That server takes a path from where its own file is, so it gets a whole one.
local FILE = os.getenv "PWD" .. "/" .. os.getenv "INTEROP_SCRATCH" .. "/memory.jsonl"
os.remove(FILE)

check.errand({}, function(client)
  same(client.server.name, "memory-server")
  local call = function(...) return assert(client:call_tool(...)) end
  local ada = { name = "Ada", entityType = "person", observations = { "Writes programs" } }
  local bob = { name = "Bob", entityType = "person", observations = { "Älter \u{1F642}" } }
  local knows = { from = "Ada", to = "Bob", relationType = "knows" }

  same(call("create_entities", { entities = { ada, bob } }).structuredContent,
    { entities = { ada, bob } })
  same(call("create_relations", { relations = { knows } }).structuredContent,
    { relations = { knows } })
  local both = { entities = { ada, bob }, relations = { knows } }
  local graph = call "read_graph"
  same(graph.structuredContent, both)
  assert(#text(graph) > 0)

  same(call("add_observations",
    { observations = { { entityName = "Ada", contents = { "Counts" } } } }).structuredContent,
    { results = { { entityName = "Ada", addedObservations = { "Counts" } } } })
  same(call("search_nodes", { query = "Counts" }).structuredContent.entities[1].observations,
    { "Writes programs", "Counts" })
  same(call("delete_entities", { entityNames = { "Ada" } }).structuredContent.success, true)
  same(call("read_graph").structuredContent, { entities = { bob }, relations = {} })

  local wrong, reason, code = client:call_tool("create_entities", { entities = "none" })
  assert(wrong and wrong.isError or code == -32602, reason)
end, { MEMORY_FILE_PATH = FILE })
