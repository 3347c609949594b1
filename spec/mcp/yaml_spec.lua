-- SPDX-License-Identifier: MIT
local json = require "mcp.json"
local value = require "mcp.value"
local yaml = require "mcp.yaml"

local function as_json(text, options)
  local found, err = yaml.decode(text, options)
  assert.is_nil(err)
  return json.encode(found, { sorted = true })
end

local function refusal(text, options)
  local found, err, code = yaml.decode(text, options)
  assert.is_nil(found)
  assert.equal("EPROTO", code)
  return err
end

describe("yaml.decode", function()
  -- The core schema of YAML 1.2, and what is easily taken for something else.
  for text, expected in pairs {
    ["a: 1\nb: [x, 'y', \"z\\n\"]\n"] = '{"a":1,"b":["x","y","z\\n"]}',
    ["- null\n- ~\n-\n- Null\n- 'null'"] = '[null,null,null,null,"null"]',
    ["[true, False, TRUE, yes, on, 'true']"] = '[true,false,true,"yes","on","true"]',
    ["[7, -7, +7, 007, 0x1F, 0o17, 1_000]"] = '[7,-7,7,7,31,15,"1_000"]',
    ["[1.5, -.5, 1e3, 1., 1.5e-1, ., e3]"] = '[1.5,-0.5,1000.0,1.0,0.15,".","e3"]',
    ["[9223372036854775807, 2024-01-02, 1:30, 0b11, 1.2.3]"]
      = '[9223372036854775807,"2024-01-02","1:30","0b11","1.2.3"]',
    ["{}"] = "{}", ["[]"] = "[]", ["'x'"] = '"x"', ["--- 5\n..."] = "5",
    ["200: ok\ntrue: x\n1.50: y"] = '{"1.50":"y","200":"ok","true":"x"}',
    ["a: |\n  one\n  two\nb: >-\n  three\n  four"] = '{"a":"one\\ntwo\\n","b":"three four"}',
    ["{<<: {a: 1}, b: 2}"] = '{"<<":{"a":1},"b":2}',
    ["[!!str 12, !!int '3', !!float 4, ! 5, !!null '', !!bool 'true']"]
      = '["12",3,4.0,"5",null,true]',
    ["!!map {a: !!seq [1]}"] = '{"a":[1]}',
    ["\u{FEFF}a: é # comment"] = '{"a":"é"}',
    ["%YAML 1.2\n---\na: 1"] = '{"a":1}',
  } do
    it(("%q"):format(text), function() assert.equal(expected, as_json(text)) end)
  end

  it("marks arrays and nulls as JSON does", function()
    local found = yaml.decode "a: []\nb: {}\nc:"
    assert.is_true(value.is_array(found.a))
    assert.is_true(value.is_object(found.b))
    assert.equal(value.null, found.c)
  end)

  for text, expected in pairs {
    ["a: 1\na: 2"] = 'line 2, column 1: the key "a" appears twice',
    ["a: [1, 2\nb: 3"] = "line 2, column 2: ",
    ["a: 'x"] = "line 1, column 6: ",
    ["a:\n\t- x"] = "line 2, column 1: ",
    ["a: .inf"] = "line 1, column 4: .inf has no place in JSON; quote it for a string",
    ["- -.INF"] = "line 1, column 3: -.INF has no place",
    ["a: .nan"] = ".nan has no place",
    ["a: 1e999"] = "line 1, column 4: the number is too large",
    ["a: 0x10000000000000000"] = "the number is too large",
    ["a: 0o1000000000000000000000"] = "the number is too large",
    ["? [a]\n: 1"] = "line 1, column 3: a key is a plain or quoted text",
    ["?\n: 1"] = "a key is missing",
    ["a: !x 1"] = 'the tag "!x" is not supported',
    ["a: !x {}"] = 'the tag "!x" is not supported',
    ["a: !x []"] = 'the tag "!x" is not supported',
    ["!x a: 1"] = 'the tag "!x" is not supported',
    ["a: !!binary aGk="] = 'the tag "tag:yaml.org,2002:binary" is not supported',
    ["a: !!int x"] = '"x" is no int',
    ["a: !!int 1.5"] = '"1.5" is no int',
    ["a: 1\n---\nb: 2"] = "line 2, column 1: a second document: only one is taken",
    [""] = "line 1, column 1: there is no document",
    ["# nothing"] = "there is no document",
    ["a: &x 1"] = "line 1, column 4: an anchor, &x: anchors are not taken here",
    ["a: *x"] = "an alias, *x: aliases are not taken here",
    ["x: 1\na: é\xff"] = "line 2, column 5: invalid leading UTF-8 octet",
    ["a: \0"] = "control characters are not allowed",
    ["a\0: 1"] = "line 1, ",
  } do
    it(("refuses %q"):format(text), function()
      local err = refusal(text)
      assert.is_truthy(err:find(expected, 1, true), err)
    end)
  end

  it("copies what an alias names, if aliases are taken", function()
    local found = yaml.decode("a: &x {k: [1]}\nb: *x\nc: &y 2\nd: *y", { aliases = true })
    assert.same(found.a, found.b)
    assert.are_not.equal(found.a, found.b)
    assert.are_not.equal(found.a.k, found.b.k)
    assert.is_true(value.is_array(found.b.k))
    assert.equal(2, found.d)
    assert.matches("the alias %*n comes before", refusal("a: *n", { aliases = true }))
    assert.matches("the alias %*x comes before", refusal("&x [*x]", { aliases = true }))
    assert.matches("a plain or quoted text", refusal("&x a: 1\n*x : 2", { aliases = true }))
  end)

  it("gives up at its limits", function()
    local deep = ("["):rep(yaml.MAX_DEPTH) .. ("]"):rep(yaml.MAX_DEPTH)
    assert.is_table(yaml.decode(deep))
    assert.matches("nested too deeply", refusal("[" .. deep .. "]"))
    assert.matches("nested too deeply", refusal(("{a: "):rep(200000)))
    assert.matches("nested too deeply",
      refusal("- &x " .. deep .. "\n- [*x]", { aliases = true }))

    local bomb = { "- &l0 [x]" }
    for i = 1, 9 do
      bomb[#bomb + 1] = ("- &l%d [%s]"):format(i, ("*l%d,"):format(i - 1):rep(9) .. "x")
    end
    assert.matches("more than 1000000 values", refusal(table.concat(bomb, "\n"),
      { aliases = true }))

    local found, err, code = yaml.decode((" "):rep(yaml.MAX_TEXT + 1))
    assert.is_nil(found)
    assert.equal("ETOOBIG", code)
    assert.matches("expected at most 16777216", err)
  end)

  it("ends with a value or an error for every cut of a document", function()
    local text = "---\nname: 'a'\nlist:\n  - {x: 1, \"y\": [2, 3]}\n  - |\n    text é\n"
      .. "z: !!str 1\n..."
    for last = 0, #text do
      local found, err = yaml.decode(text:sub(1, last))
      assert.is_true((found == nil) ~= (err == nil), text:sub(1, last))
    end
  end)

  it("names the package when libyaml cannot be loaded", function()
    local loaded = package.loaded["mcp.libyaml"]
    package.loaded["mcp.libyaml"] = nil
    package.preload["mcp.libyaml"] = function() error("libyaml-0.so.2: cannot open", 0) end
    finally(function()
      package.preload["mcp.libyaml"] = nil
      package.loaded["mcp.libyaml"] = loaded
    end)
    local found, err, code = yaml.decode "a: 1"
    assert.is_nil(found)
    assert.equal("ENOTSUP", code)
    assert.matches("Debian: libyaml%-0%-2%): .*cannot open", err)
  end)
end)

describe("mcp.libyaml", function()
  it("closes twice, and reads nothing after", function()
    local parser = require("mcp.libyaml").parser "a: 1"
    assert.equal("document", (parser:next()))
    parser:close()
    parser:close()
    assert.has_error(function() parser:next() end)
  end)
end)
