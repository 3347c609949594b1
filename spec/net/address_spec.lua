-- SPDX-License-Identifier: MIT
-- address_spec.lua: src/net/address.c: which addresses a name supplied by a peer may resolve to.
local address = require "codecs.address"

-- Each line: addresses of one range, its edges among them.
local PRIVATE = {
  ["0.0.0.0/8, unspecified"] = "0.0.0.0 0.0.0.1 0.255.255.255",
  ["10.0.0.0/8 (RFC 1918)"] = "10.0.0.0 10.1.2.3 10.255.255.255",
  ["100.64.0.0/10, carriers (RFC 6598)"] = "100.64.0.0 100.100.100.200 100.127.255.255",
  ["127.0.0.0/8, loopback"] = "127.0.0.0 127.0.0.1 127.1.2.3 127.255.255.255",
  ["169.254.0.0/16, link-local (RFC 3927)"] = "169.254.0.0 169.254.169.254 169.254.255.255",
  ["172.16.0.0/12 (RFC 1918)"] = "172.16.0.0 172.20.1.1 172.31.255.255",
  ["192.0.0.0/24 (RFC 6890)"] = "192.0.0.0 192.0.0.192 192.0.0.255",
  ["192.0.2.0/24, documentation (RFC 5737)"] = "192.0.2.0 192.0.2.255",
  ["192.88.99.0/24 (RFC 7526)"] = "192.88.99.1",
  ["192.168.0.0/16 (RFC 1918)"] = "192.168.0.0 192.168.1.1 192.168.255.255",
  ["198.18.0.0/15, benchmarks (RFC 2544)"] = "198.18.0.0 198.19.255.255",
  ["198.51.100.0/24, documentation"] = "198.51.100.0 198.51.100.255",
  ["203.0.113.0/24, documentation"] = "203.0.113.0 203.0.113.255",
  ["224.0.0.0/4, multicast (RFC 5771)"] = "224.0.0.0 224.0.0.251 239.255.255.255",
  ["240.0.0.0/4, reserved and broadcast"] = "240.0.0.0 255.255.255.254 255.255.255.255",
  ["a host of its cloud's guests"] = "168.63.129.16",
  ["::, unspecified"] = "::",
  ["::1, loopback"] = "::1",
  ["::/96, IPv4-compatible (given up)"] = "::2 ::127.0.0.1 ::8.8.8.8",
  ["::ffff:0:0/96, IPv4-mapped (RFC 4291)"] = "::ffff:127.0.0.1 ::ffff:10.0.0.1 "
    .. "::ffff:169.254.169.254 ::ffff:192.168.0.1 ::ffff:0.0.0.0 ::ffff:224.0.0.1",
  ["64:ff9b::/96, NAT64 (RFC 6052)"] = "64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 "
    .. "64:ff9b::a9fe:a9fe",
  ["64:ff9b:1::/48, NAT64 of one's own (RFC 8215)"] = "64:ff9b:1::1 64:ff9b:1::8.8.8.8",
  ["100::/64, discard (RFC 6666)"] = "100::1",
  ["2001::/23, Teredo and the like"] = "2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 "
    .. "2001:10::1 2001:1ff:ffff::1",
  ["2001:db8::/32, documentation (RFC 3849)"] = "2001:db8::1 2001:db8:ffff::1",
  ["2002::/16, 6to4 of a private one (RFC 3056)"] = "2002:7f00:1::1 2002:a00:1::1 2002:a9fe:a9fe:: "
    .. "2002:c0a8:101::1",
  ["ISATAP of a private one (RFC 5214)"] = "2400:cb00::5efe:10.0.0.1 2400:cb00::200:5efe:127.0.0.1",
  ["3ffe::/16 and 3fff::/20"] = "3ffe::1 3fff::1 3fff:fff::1",
  ["4000::/3 and what is not given out"] = "4000::1 8000::1 e000::1 1000::1",
  ["fc00::/7, unique local (RFC 4193)"] = "fc00::1 fd00:ec2::254 fdff:ffff::1",
  ["fe80::/10, link-local"] = "fe80::1 fe80::a00:27ff:fe4e:66a1 febf::1",
  ["fec0::/10, site-local (given up)"] = "fec0::1 feff::1",
  ["ff00::/8, multicast"] = "ff02::1 ff0e::1",
}

-- The neighbours of those ranges, and ways to public IPv4 addresses.
local PUBLIC = [[
  1.0.0.0 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
  169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255
  192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0
  223.255.255.255 168.63.129.15
  2001:200::1 2001:db7:ffff::1 2001:db9::1 2001:4860:4860::8888 2606:4700::1111 2a00:1450::1
  3ffd::1 2003::1 3fff:1000::1 2400:cb00::5efd:10.0.0.1
  ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1 2400:cb00::5efe:8.8.8.8 ]]

describe("an address is public", function()
  for range, list in pairs(PRIVATE) do
    it("not in " .. range .. " (SEC-75)", function()
      for text in list:gmatch "%S+" do
        local public = address.judge(text)
        assert.is_false(public, text)
      end
    end)
  end

  it("right beside those ranges", function()
    local count = 0
    for text in PUBLIC:gmatch "%S+" do
      local public, loopback = address.judge(text)
      assert.is_true(public, text)
      assert.is_false(loopback, text)
      count = count + 1
    end
    assert.equal(38, count)
  end)
end)

describe("an address is loopback", function()
  it("in 127.0.0.0/8, mapped too, and ::1 alone", function()
    for text in ("127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 ::ffff:127.9.9.9"):gmatch "%S+" do
      assert.is_true(select(2, address.judge(text)), text)
    end
    for text in ("0.0.0.0 126.0.0.1 128.0.0.1 10.0.0.1 :: ::2 ::127.0.0.1 ::ffff:10.0.0.1 "
      .. "64:ff9b::127.0.0.1 2002:7f00:1::1 fe80::1"):gmatch "%S+" do
      assert.is_false(select(2, address.judge(text)), text)
    end
  end)
end)

describe("what is no IP address", function()
  it("is neither", function() assert.same({ false, false }, { address.judge_other() }) end)
end)
