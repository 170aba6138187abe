import { expect, test } from "bun:test";
import { contains, formatAddress, isPublicAddress, type Network, parseAddress, parseNetwork } from "./address.ts";

const REFUSED = [
  ["0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255"],
  ["127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2"],
  ["172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1"],
  ["198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"],
  ["255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::ffff:0:127.0.0.1", "::127.0.0.1"],
  ["64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378::", "2001:2::1"],
  ["2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "5f00::1", "4000::1"],
  ["fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "febf::1", "fec0::1", "ff02::1", "ff0e::1"],
].flat();

const PUBLIC = [
  ["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"],
  [
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "223.255.255.255",
  ],
  ["2606:4700::1111", "2001:4860:4860::8888", "2003::1", "2a00:1450::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"],
].flat();

test("tells public addresses from all others", () => {
  const isPublic = (text: string) => {
    const address = parseAddress(text);
    return address !== undefined && isPublicAddress(address);
  };
  expect(REFUSED.filter(isPublic)).toEqual([]);
  expect(PUBLIC.filter((text) => !isPublic(text))).toEqual([]);
  expect(REFUSED.filter((text) => parseAddress(text) === undefined)).toEqual([]);
});

test("parses addresses and nothing else", () => {
  for (const text of [
    "",
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    "0x1.2.3.4",
    "1.2.3.4 ",
    "fe80::1%eth0",
    "::1::",
    ":",
    "1:2",
    "a.test",
  ]) {
    expect([text, parseAddress(text)]).toEqual([text, undefined]);
  }
});

test("formats an address so that it parses to the same", () => {
  for (const text of [...REFUSED, ...PUBLIC]) {
    const address = parseAddress(text) ?? new Uint8Array();
    expect(parseAddress(formatAddress(address))).toEqual(address);
  }
  expect(formatAddress(parseAddress("::ffff:10.1.2.3") ?? new Uint8Array())).toBe("10.1.2.3");
  expect(formatAddress(parseAddress("2001:db8::1:0:0:1") ?? new Uint8Array())).toBe("2001:db8:0:0:1:0:0:1");
});

test("knows which network holds an address", () => {
  const holds = (network: string, address: string) =>
    contains(parseNetwork(network) as Network, parseAddress(address) ?? new Uint8Array());
  expect(holds("10.0.0.0/8", "10.255.0.1")).toBe(true);
  expect(holds("10.0.0.0/8", "::ffff:10.0.0.1")).toBe(true);
  expect(holds("10.0.0.0/8", "11.0.0.1")).toBe(false);
  expect(holds("172.16.0.0/12", "172.31.0.1")).toBe(true);
  expect(holds("172.16.0.0/12", "172.32.0.1")).toBe(false);
  expect(holds("10.0.0.7", "10.0.0.7")).toBe(true);
  expect(holds("10.0.0.7", "10.0.0.6")).toBe(false);
  expect(holds("fc00::/7", "fdff::1")).toBe(true);
  expect(holds("fc00::/7", "fe00::1")).toBe(false);
  for (const text of ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::/129", "10.0.0/8", "a/8"]) {
    expect([text, parseNetwork(text)]).toEqual([text, undefined]);
  }
});
