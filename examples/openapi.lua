-- Tools for the operations of an HTTP API, from its OpenAPI document.
--
--   BOOKSHOP_TOKEN=secret luamcp examples/openapi.lua http://127.0.0.1:8080
local mcp = require "mcp"

local app = mcp.server { name = "bookshop", version = "1.0" }

app:openapi((arg[0]:match "^(.*)/" or ".") .. "/bookshop.yaml", {
  base_url = arg[1],                                   -- otherwise the document's server
  auth = { token = os.getenv "BOOKSHOP_TOKEN" },
  rules = {
    { methods = "DELETE", as = "exclude" },
    { id = "^getBook$", as = "resource" },             -- api:///books/{id}
    { id = "^addBook$", description = "Add a book. Ask the user before you do." },
  },
  pages = { max = 5 },                                 -- read up to five pages as one list
})

app:run()
