-- SPDX-License-Identifier: MIT
-- shop.lua: a server with made-up customers, orders, products and issues, for bench/code_mode. The
-- same data each time.
local mcp = require "mcp"

local NAMES = { "Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gita", "Hugo", "Ines", "Jon", "Kira",
  "Liam", "Mona", "Nils", "Olga", "Paul" }
local CITIES = { "Oslo", "Lima", "Kyoto", "Accra", "Quito" }
local THINGS = { "kettle", "lamp", "chair", "desk", "rug", "clock", "shelf", "mirror" }
local STATES = { "open", "paid", "shipped", "cancelled" }
local LABELS = { "bug", "question", "wontfix", "feature" }

-- A row of numbers without a pattern.
local seed = 42
local function random(n)
  seed = (seed * 1103515245 + 12345) % (1 << 31)
  return (seed >> 8) % n + 1
end

local customers, products, orders, issues, comments = {}, {}, {}, {}, {}
for i = 1, 60 do
  local name = NAMES[i % #NAMES + 1] .. " " .. string.char(65 + i % 26) .. "."
  customers[i] = { id = i, name = name, email = ("c%d@example.com"):format(i),
    city = CITIES[random(#CITIES)], since = 2015 + random(10) }
end
for i = 1, 80 do
  products[i] = { id = i, name = ("%s %d"):format(THINGS[i % #THINGS + 1], i),
    price = 10 * random(50), stock = random(40) - 1, supplier = "s" .. random(9) }
end
for i = 1, 300 do
  local lines, total = {}, 0
  for n = 1, random(5) do
    local product = products[random(#products)]
    lines[n] = { product = product.id, count = random(3), price = product.price }
    total = total + lines[n].count * product.price
  end
  orders[i] = { id = i, customer = random(#customers), status = STATES[random(#STATES)],
    total = total, lines = lines, placed = ("2026-%02d-%02d"):format(random(12), random(28)) }
end
for i = 1, 120 do
  issues[i] = { number = i, title = ("%s does not %s"):format(THINGS[random(#THINGS)],
    random(2) == 1 and "fit" or "arrive"), state = random(3) == 1 and "closed" or "open",
    label = LABELS[random(#LABELS)], author = customers[random(#customers)].name }
  comments[i] = {}
  for n = 1, random(4) - 1 do
    comments[i][n] = { author = customers[random(#customers)].name,
      text = random(6) == 1 and "I get a timeout when I pay for it." or
        "The same here, since the last delivery. Is there any news about this?" }
  end
end

local function page_of(list, size, args, keep)
  local all, out = {}, mcp.array {}
  for _, item in ipairs(list) do
    if keep(item) then all[#all + 1] = item end
  end
  local first = ((args.page or 1) - 1) * size
  for i = first + 1, math.min(first + size, #all) do out[#out + 1] = all[i] end
  return { items = out, total = #all, next_page = first + size < #all and (args.page or 1) + 1
    or nil }
end

local function without_lines(order)
  local out = {}
  for key, member in pairs(order) do
    if key ~= "lines" then out[key] = member end
  end
  return out
end

local summaries = {}
for i, order in ipairs(orders) do summaries[i] = without_lines(order) end

local PAGE = mcp.integer { min = 1, optional = true, description = "Page of the list; 1 first" }
local function string_of(text) return mcp.string { optional = true, description = text } end
local function id_of(text) return mcp.integer { min = 1, description = text } end

return function()
  local app = mcp.server "shop"
  local function tool(name, description, input, handler)
    app:tool(name) { description = description, input = input } (handler)
  end
  local function find(list, id) return list[id] or error("there is no such entry") end

  tool("list_customers", "Lists customers, 20 a page, with name, email and city",
    { page = PAGE, city = string_of "Only those of this city" },
    function(args)
      return page_of(customers, 20, args, function(customer)
        return not args.city or customer.city == args.city
      end)
    end)
  tool("get_customer", "Reads one customer", { id = id_of "The customer's id" },
    function(args) return find(customers, args.id) end)
  tool("list_orders", "Lists orders, 25 a page, without their lines",
    { page = PAGE,
      customer = mcp.integer { optional = true, description = "Only of this customer" },
      status = string_of "Only of this status: open, paid, shipped or cancelled" },
    function(args)
      return page_of(summaries, 25, args, function(order)
        return (not args.customer or order.customer == args.customer)
          and (not args.status or order.status == args.status)
      end)
    end)
  tool("get_order", "Reads one order with its lines", { id = id_of "The order's id" },
    function(args) return find(orders, args.id) end)
  tool("update_order", "Sets the status of an order",
    { id = id_of "The order's id", status = mcp.enum(STATES) },
    function(args) return { id = args.id, status = args.status } end)
  tool("list_products", "Lists products, 20 a page, with price and stock", { page = PAGE },
    function(args) return page_of(products, 20, args, function() return true end) end)
  tool("get_product", "Reads one product with price and stock", { id = id_of "The product's id" },
    function(args) return find(products, args.id) end)
  tool("list_issues", "Lists issues, 25 a page",
    { page = PAGE, state = string_of "open or closed", label = string_of "Only with this label" },
    function(args)
      return page_of(issues, 25, args, function(issue)
        return (not args.state or issue.state == args.state)
          and (not args.label or issue.label == args.label)
      end)
    end)
  tool("get_issue", "Reads one issue", { number = id_of "The issue's number" },
    function(args) return find(issues, args.number) end)
  tool("list_comments", "Lists the comments of an issue", { number = id_of "The issue's number" },
    function(args) return { items = mcp.array(find(comments, args.number)) } end)
  tool("close_issue", "Closes an issue", { number = id_of "The issue's number" },
    function(args) return { number = args.number, state = "closed" } end)
  tool("add_comment", "Adds a comment to an issue",
    { number = id_of "The issue's number", text = mcp.string { description = "The comment" } },
    function(args) return { number = args.number, text = args.text } end)
  return app
end
