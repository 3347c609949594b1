-- SPDX-License-Identifier: MIT
-- tasks.lua: ten tasks, each in two forms: `direct`, what a model does that calls the tools one
-- round after the other, with as many calls in a round as it could make at once; and `script`,
-- what it writes for run_lua. Both come to the same answer.

-- All pages of a list: the first, which says how many there are, then the others at once.
local function pages(round, name, size, args)
  local function with(page)
    local out = {}
    for key, member in pairs(args or {}) do out[key] = member end
    out.page = page
    return { name, out }
  end
  local first = round { with(nil) }[1]
  local calls, items = {}, first.items
  for page = 2, (first.total + size - 1) // size do calls[#calls + 1] = with(page) end
  for _, more in ipairs(calls[1] and round(calls) or {}) do
    for _, item in ipairs(more.items) do items[#items + 1] = item end
  end
  return items
end

local ALL = [[
local function all(list, args)
  local items, page = {}, 1
  repeat
    args.page = page
    local got = list(args)
    for _, item in ipairs(got.items) do items[#items + 1] = item end
    page = got.next_page
  until not page
  return items
end
]]

return {
  { "which products have less than 3 in stock", search = "list products stock",
    direct = function(round)
      local names = {}
      for _, product in ipairs(pages(round, "list_products", 20)) do
        if product.stock < 3 then names[#names + 1] = product.name end
      end
      return table.concat(names, ", ")
    end,
    script = ALL .. [[
local names = {}
for _, p in ipairs(all(tools.list_products, {})) do
  if p.stock < 3 then names[#names + 1] = p.name end
end
return table.concat(names, ", ")]] },

  { "how much has customer 7 paid for", search = "list orders of customer",
    direct = function(round)
      local sum = 0
      for _, status in ipairs { "paid", "shipped" } do
        local list = pages(round, "list_orders", 25, { customer = 7, status = status })
        for _, order in ipairs(list) do
          sum = sum + order.total
        end
      end
      return tostring(sum) .. " for " .. round { { "get_customer", { id = 7 } } }[1].name
    end,
    script = ALL .. [[
local sum = 0
for _, status in ipairs { "paid", "shipped" } do
  for _, o in ipairs(all(tools.list_orders, { customer = 7, status = status })) do
    sum = sum + o.total
  end
end
return sum .. " for " .. tools.get_customer { id = 7 }.name]] },

  { "is everything of order 40 in stock", search = "read order lines and product stock",
    direct = function(round)
      local order, calls, missing = round { { "get_order", { id = 40 } } }[1], {}, {}
      for i, line in ipairs(order.lines) do calls[i] = { "get_product", { id = line.product } } end
      for i, product in ipairs(round(calls)) do
        if product.stock < order.lines[i].count then missing[#missing + 1] = product.name end
      end
      return #missing == 0 and "yes" or "missing: " .. table.concat(missing, ", ")
    end,
    script = [[
local missing = {}
for _, line in ipairs(tools.get_order { id = 40 }.lines) do
  local p = tools.get_product { id = line.product }
  if p.stock < line.count then missing[#missing + 1] = p.name end
end
return #missing == 0 and "yes" or "missing: " .. table.concat(missing, ", ")]] },

  { "close all open issues with the label wontfix", search = "list and close issues",
    direct = function(round)
      local calls = {}
      for _, issue in ipairs(pages(round, "list_issues", 25,
        { state = "open", label = "wontfix" })) do
        calls[#calls + 1] = { "close_issue", { number = issue.number } }
      end
      return #round(calls) .. " closed"
    end,
    script = ALL .. [[
local list = all(tools.list_issues, { state = "open", label = "wontfix" })
for _, issue in ipairs(list) do tools.close_issue { number = issue.number } end
return #list .. " closed"]] },

  { "which open bugs have a comment about a timeout", search = "list issues comments",
    direct = function(round)
      local list, calls, found = pages(round, "list_issues", 25,
        { state = "open", label = "bug" }), {}, {}
      for i, issue in ipairs(list) do calls[i] = { "list_comments", { number = issue.number } } end
      for i, got in ipairs(round(calls)) do
        for _, comment in ipairs(got.items) do
          if comment.text:find "timeout" then
            found[#found + 1] = list[i].number
            break
          end
        end
      end
      return table.concat(found, ", ")
    end,
    script = ALL .. [[
local found = {}
for _, issue in ipairs(all(tools.list_issues, { state = "open", label = "bug" })) do
  for _, c in ipairs(tools.list_comments { number = issue.number }.items) do
    if c.text:find "timeout" then found[#found + 1] = issue.number break end
  end
end
return table.concat(found, ", ")]] },

  { "emails of customers with an open order over 2500", search = "list orders, read customer",
    direct = function(round)
      local calls, seen, emails = {}, {}, {}
      for _, order in ipairs(pages(round, "list_orders", 25, { status = "open" })) do
        if order.total > 2500 and not seen[order.customer] then
          seen[order.customer] = true
          calls[#calls + 1] = { "get_customer", { id = order.customer } }
        end
      end
      for i, customer in ipairs(round(calls)) do emails[i] = customer.email end
      return table.concat(emails, ", ")
    end,
    script = ALL .. [[
local seen, emails = {}, {}
for _, o in ipairs(all(tools.list_orders, { status = "open" })) do
  if o.total > 2500 and not seen[o.customer] then
    seen[o.customer] = true
    emails[#emails + 1] = tools.get_customer { id = o.customer }.email
  end
end
return table.concat(emails, ", ")]] },

  { "the largest order of each of customers 1 to 6", search = "list orders of customer",
    direct = function(round)
      local calls, out = {}, {}
      for id = 1, 6 do calls[id] = { "list_orders", { customer = id } } end
      for id, got in ipairs(round(calls)) do
        local most = 0
        for _, order in ipairs(got.items) do most = math.max(most, order.total) end
        out[id] = most
      end
      return table.concat(out, ", ")
    end,
    script = [[
local out = {}
for id = 1, 6 do
  out[id] = 0
  for _, o in ipairs(tools.list_orders { customer = id }.items) do
    out[id] = math.max(out[id], o.total)
  end
end
return table.concat(out, ", ")]] },

  { "ship the paid orders 1 to 34 whose lines are all in stock",
    search = "list orders, order lines, product stock, set order status",
    direct = function(round)
      local calls, stock = {}, {}
      for _, order in ipairs(round { { "list_orders", { status = "paid" } } }[1].items) do
        if order.id <= 34 then calls[#calls + 1] = { "get_order", { id = order.id } } end
      end
      local orders = round(calls)
      calls = {}
      for _, order in ipairs(orders) do
        for _, line in ipairs(order.lines) do
          if not stock[line.product] then
            stock[line.product] = true
            calls[#calls + 1] = { "get_product", { id = line.product } }
          end
        end
      end
      for _, product in ipairs(round(calls)) do stock[product.id] = product.stock end
      calls = {}
      for _, order in ipairs(orders) do
        local all = true
        for _, line in ipairs(order.lines) do all = all and stock[line.product] >= line.count end
        if all then
          calls[#calls + 1] = { "update_order", { id = order.id, status = "shipped" } }
        end
      end
      local ids = {}
      for i, order in ipairs(round(calls)) do ids[i] = order.id end
      return table.concat(ids, ", ")
    end,
    script = [[
local stock, ids = {}, {}
for _, o in ipairs(tools.list_orders { status = "paid" }.items) do
  if o.id <= 34 then
    local ok = true
    for _, line in ipairs(tools.get_order { id = o.id }.lines) do
      local id = line.product
      stock[id] = stock[id] or tools.get_product { id = id }.stock
      ok = ok and stock[id] >= line.count
    end
    if ok then
      tools.update_order { id = o.id, status = "shipped" }
      ids[#ids + 1] = o.id
    end
  end
end
return table.concat(ids, ", ")]] },

  { "how many customers does each city have", search = "list customers city",
    direct = function(round)
      local counts, out = {}, {}
      for _, customer in ipairs(pages(round, "list_customers", 20)) do
        counts[customer.city] = (counts[customer.city] or 0) + 1
      end
      for city, count in pairs(counts) do out[#out + 1] = city .. " " .. count end
      table.sort(out)
      return table.concat(out, ", ")
    end,
    script = ALL .. [[
local counts, out = {}, {}
for _, c in ipairs(all(tools.list_customers, {})) do
  counts[c.city] = (counts[c.city] or 0) + 1
end
for city, n in pairs(counts) do out[#out + 1] = city .. " " .. n end
table.sort(out)
return table.concat(out, ", ")]] },

  { "tell the authors of open questions about kettles that they are read",
    search = "list issues, add comment",
    direct = function(round)
      local calls = {}
      for _, issue in ipairs(pages(round, "list_issues", 25,
        { state = "open", label = "question" })) do
        if issue.title:find "kettle" then
          calls[#calls + 1] = { "add_comment", { number = issue.number,
            text = "Thank you, we read this and come back to you." } }
        end
      end
      return #round(calls) .. " answered"
    end,
    script = ALL .. [[
local n = 0
for _, issue in ipairs(all(tools.list_issues, { state = "open", label = "question" })) do
  if issue.title:find "kettle" then
    tools.add_comment { number = issue.number,
      text = "Thank you, we read this and come back to you." }
    n = n + 1
  end
end
return n .. " answered"]] },
}
