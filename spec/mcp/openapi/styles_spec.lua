-- SPDX-License-Identifier: MIT
-- Each style by the tables of OpenAPI, and by the expander of RFC 6570 where that has the style.
local mcp = require "mcp"
local styles = require "mcp.openapi.styles"
local uri = require "mcp.uri"

-- A parameter with the defaults of its location.
local function parameter(location, style, explode, more)
  local made = { name = "color", location = location, style = style, explode = explode }
  for name, member in pairs(more or {}) do made[name] = member end
  return made
end

local LIST, OBJECT = { "blue", "black", "brown" }, { R = 100, G = 200, B = 150 }

local function query(given, v)
  local out = {}
  styles.query(given, v, out)
  return table.concat(out, "&")
end

describe("styles", function()
  it("of a path are those of the specification", function()
    local rows = {
      { "simple", false, "blue", "blue,black,brown", "B,150,G,200,R,100" },
      { "simple", true, "blue", "blue,black,brown", "B=150,G=200,R=100" },
      { "label", false, ".blue", ".blue,black,brown", ".B,150,G,200,R,100" },
      { "label", true, ".blue", ".blue.black.brown", ".B=150.G=200.R=100" },
      { "matrix", false, ";color=blue", ";color=blue,black,brown", ";color=B,150,G,200,R,100" },
      { "matrix", true, ";color=blue", ";color=blue;color=black;color=brown",
        ";B=150;G=200;R=100" },
    }
    for _, row in ipairs(rows) do
      local given = parameter("path", row[1], row[2])
      assert.equal(row[3], styles.path(given, "blue"))
      assert.equal(row[4], styles.path(given, LIST))
      assert.equal(row[5], styles.path(given, OBJECT))
    end
    assert.equal(";color", styles.path(parameter("path", "matrix", false), ""))
  end)

  it("of RFC 6570 agree with its expander", function()
    local values = { "a b/c%&=,;.?#[]é", 7, 2.5, { "x,y", "z w", "é" },
      { a = "1,2", ["b c"] = "=&" } }
    local templates = {
      { "path", "simple", false, "{color}" }, { "path", "simple", true, "{color*}" },
      { "path", "label", true, "{.color*}" }, { "path", "matrix", false, "{;color}" },
      { "path", "matrix", true, "{;color*}" }, { "query", "form", false, "{?color}" },
      { "query", "form", true, "{?color*}" },
    }
    for _, row in ipairs(templates) do
      local template = assert(uri.template(row[4], "expand"))
      for _, v in ipairs(values) do
        local given = parameter(row[1], row[2], row[3])
        local got = row[1] == "path" and styles.path(given, v) or "?" .. query(given, v)
        assert.equal(template:expand { color = v }, got)
      end
    end
  end)

  it("of a query are those of the specification", function()
    local rows = {
      { "form", true, "color=blue", "color=blue&color=black&color=brown", "B=150&G=200&R=100" },
      { "form", false, "color=blue", "color=blue,black,brown", "color=B,150,G,200,R,100" },
      { "spaceDelimited", false, "color=blue", "color=blue%20black%20brown",
        "color=B%20150%20G%20200%20R%20100" },
      { "pipeDelimited", false, "color=blue", "color=blue%7Cblack%7Cbrown",
        "color=B%7C150%7CG%7C200%7CR%7C100" },
      { "deepObject", true, "color=blue", "color%5B%5D=blue&color%5B%5D=black&color%5B%5D=brown",
        "color%5BB%5D=150&color%5BG%5D=200&color%5BR%5D=100" },
    }
    for _, row in ipairs(rows) do
      local given = parameter("query", row[1], row[2])
      assert.equal(row[3], query(given, "blue"))
      assert.equal(row[4], query(given, LIST))
      assert.equal(row[5], query(given, OBJECT))
    end
  end)

  it("keep a comma in a value apart from the commas between values", function()
    assert.equal("color=r%2Cg,h", query(parameter("query", "form", false), { "r,g", "h" }))
    assert.equal("r%2Cg,h", styles.path(parameter("path", "simple", false), { "r,g", "h" }))
  end)

  it("nest with deepObject, and are JSON without it", function()
    local nested = { a = { b = { 1, 2 }, c = { { d = "x y" } } } }
    assert.equal("color%5Ba%5D%5Bb%5D%5B%5D=1&color%5Ba%5D%5Bb%5D%5B%5D=2"
      .. "&color%5Ba%5D%5Bc%5D%5B0%5D%5Bd%5D=x%20y",
      query(parameter("query", "deepObject", true), nested))
    assert.equal("a=%7B%22b%22%3A%5B1%2C2%5D%2C%22c%22%3A%5B%7B%22d%22%3A%22x%20y%22%7D%5D%7D",
      query(parameter("query", "form", true), nested))
  end)

  it("send what has a media type as JSON", function()
    local given = parameter("query", "form", true, { media = "application/json" })
    assert.equal("color=%7B%22z%22%3A1%7D", query(given, { z = 1 }))
    assert.equal('{"z":1}', styles.header(parameter("header", "simple", false,
      { media = "application/json" }), { z = 1 }))
  end)

  it("leave reserved characters with allowReserved, but none that ends the value", function()
    local given = parameter("query", "form", true, { reserved = true })
    assert.equal("color=a/b:c@d?e=f;g,h%2Fi%25%26%23%2B%5B%5D%20",
      query(given, "a/b:c@d?e=f;g,h%2Fi%&#+[] "))
  end)

  it("keep blank values, and leave out empty lists", function()
    assert.equal("color=", query(parameter("query", "form", true), ""))
    assert.equal("", query(parameter("query", "form", true), mcp.array {}))
    assert.equal("", query(parameter("query", "form", false), mcp.array {}))
    assert.equal("color=", query(parameter("query", "form", true, { empty = true }),
      mcp.array {}))
  end)

  it("write numbers, booleans and null as JSON has them", function()
    local given = parameter("query", "form", false)
    assert.equal("color=3,2.5,true,null", query(given, { 3.0, 2.5, true, mcp.null }))
    assert.equal("color=false", query(given, false))
  end)

  it("of a header field are not encoded, those of a cookie are", function()
    assert.equal("a b,c;d", styles.header(parameter("header", "simple", false), { "a b", "c;d" }))
    assert.equal("B=150,G=200,R=100", styles.header(parameter("header", "simple", true), OBJECT))
    local out = {}
    styles.cookie(parameter("cookie", "form", true), "a b;c", out)
    styles.cookie(parameter("cookie", "form", true), { "x", "y" }, out)
    styles.cookie(parameter("cookie", "form", false), { "x", "y" }, out)
    assert.same({ "color=a%20b%3Bc", "color=x", "color=y", "color=x,y" }, out)
  end)
end)
