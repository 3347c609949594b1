-- SPDX-License-Identifier: MIT
local challenge = require "mcp.auth.client.challenge"

describe("challenge.parse (RFC 9110 11.6.1)", function()
  for text, expected in pairs {
    [""] = {},
    ["Bearer"] = { { scheme = "bearer", params = {} } },
    ['Bearer realm="a, b", scope="x y"'] =
      { { scheme = "bearer", params = { realm = "a, b", scope = "x y" } } },
    ["bearer Scope = x , error=insufficient_scope"] =
      { { scheme = "bearer", params = { scope = "x", error = "insufficient_scope" } } },
    ['Basic realm="x", Bearer error="invalid_token", Negotiate'] = {
      { scheme = "basic", params = { realm = "x" } },
      { scheme = "bearer", params = { error = "invalid_token" } },
      { scheme = "negotiate", params = {} } },
    ["Negotiate a87421000492aa874209af8bc028==, Bearer a=b"] = {
      { scheme = "negotiate", token68 = "a87421000492aa874209af8bc028==", params = {} },
      { scheme = "bearer", params = { a = "b" } } },
    ['Bearer error_description="say \\"hi\\" \\\\ there"'] =
      { { scheme = "bearer", params = { error_description = 'say "hi" \\ there' } } },
    [", ,Bearer a=b,,c=d,"] = { { scheme = "bearer", params = { a = "b", c = "d" } } },
    ["Bearer scope=a, scope=b"] = { { scheme = "bearer", params = { scope = "a" } } },
    ['Bearer a="unterminated'] = { { scheme = "bearer", params = {} } },
    ["\1nonsense"] = {},
  } do
    it(("reads %q"):format(text), function() assert.same(expected, challenge.parse(text)) end)
  end

  it("prefers Bearer, and takes DPoP", function()
    assert.equal("bearer", challenge.bearer("DPoP algs=ES256, Bearer a=b").scheme)
    assert.equal("dpop", challenge.bearer('Basic realm="x", DPoP algs=ES256').scheme)
    assert.is_nil(challenge.bearer 'Basic realm="x"')
    assert.is_nil(challenge.bearer(nil))
    -- A nonce is asked for by the challenge of the scheme in use (RFC 9449 9).
    local both = 'Bearer a=b, DPoP error="use_dpop_nonce"'
    assert.equal("dpop", challenge.bearer(both, "dpop").scheme)
    assert.equal("bearer", challenge.bearer("Bearer a=b", "dpop").scheme)
  end)

  it("looks at so much and no more", function()
    local text = "Bearer a=b, " .. ("x"):rep(challenge.LENGTH) .. ", Basic"
    local list = challenge.parse(text)
    assert.equal("b", list[1].params.a)
    assert.is_true(#list <= 2)
  end)
end)
