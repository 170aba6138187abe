import { describe, expect, test } from "bun:test";
import { targetOf } from "./request.ts";
import { allowsTarget, checkEgressRule, namesAddress, parseEgressRule } from "./rule.ts";

function allows(entry: string, url: string, method = "GET"): boolean {
  return allowsTarget(parseEgressRule(entry), targetOf(method, new URL(url)));
}

describe("an entry", () => {
  const cases: [entry: string, url: string, allowed: boolean, method?: string][] = [
    ["api.example.com", "https://api.example.com/x", true],
    ["api.example.com", "https://API.example.com./x", true],
    ["API.Example.COM.", "https://api.example.com/", true],
    ["api.example.com", "http://api.example.com/", false],
    ["api.example.com", "https://api.example.com:444/", false],
    ["api.example.com", "https://xapi.example.com/", false],
    ["api.example.com", "https://api.example.com.evil.test/", false],
    ["http://api.example.com", "http://api.example.com/", true],
    ["http://api.example.com", "https://api.example.com/", false],
    ["https://api.example.com:8443", "https://api.example.com:8443/", true],
    ["https://api.example.com:8443", "http://api.example.com:8443/", false],
    ["api.example.com:80", "http://api.example.com/", true],
    ["api.example.com:8080", "https://api.example.com:8080/", true],
    ["api.example.com:*", "http://api.example.com:1/", true],
    ["*.example.com", "https://a.b.example.com/", true],
    ["*.example.com", "https://example.com/", false],
    ["*.example.com", "https://badexample.com/", false],
    ["*.example.org:443", "https://a.example.org/", true],
    ["*", "https://anything.test/", true],
    ["*", "http://anything.test/", false],
    ["http://*", "http://anything.test/", true],
    ["GET api.example.com", "https://api.example.com/", true],
    ["get,head api.example.com", "https://api.example.com/", true, "HEAD"],
    ["GET, POST api.example.com", "https://api.example.com/", true, "POST"],
    ["GET api.example.com", "https://api.example.com/", false, "POST"],
    ["ANY api.example.com", "https://api.example.com/", true, "PURGE"],
    ["b\u00fccher.test", "https://b\u00fccher.test/", true],
    ["b\u00fccher.test", "https://xn--bcher-kva.test/", true],
    ["10.0.0.0/8", "https://10.1.2.3/", true],
    ["10.0.0.0/8:9000", "http://10.1.2.3:9000/", true],
    ["10.0.0.0/8", "https://name.test/", false],
    ["127.0.0.1:9000", "http://127.0.0.1:9000/", true],
    ["127.0.0.1:9000", "http://0x7f.1:9000/", true],
    ["2130706433:9000", "http://127.0.0.1:9000/", true],
    ["127.0.0.1:9000", "http://localhost:9000/", false],
    ["localhost:9000", "http://localhost:9000/", true],
    ["[::1]:9000", "http://[::1]:9000/", true],
    ["::1", "https://[::1]/", true],
    ["fd00::/8", "https://[fd12::1]/", true],
    ["[fd00::/8]:9000", "http://[fd12::1]:9000/", true],
    ["[fd00::]/8:9000", "http://[fd12::1]:9000/", true],
  ];
  for (const [entry, url, allowed, method] of cases) {
    test(`${entry} ${allowed ? "allows" : "does not allow"} ${method ?? "GET"} ${url}`, () => {
      expect(allows(entry, url, method)).toBe(allowed);
    });
  }
});

test("only an address, a network or localhost names an address", () => {
  const names = (entry: string, url: string, address: readonly number[]) =>
    namesAddress(
      parseEgressRule(entry),
      targetOf("GET", new URL(url)),
      Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...address]),
    );
  expect(names("10.0.0.0/8", "https://db.test/", [10, 0, 0, 1])).toBe(true);
  expect(names("10.0.0.0/8", "https://db.test:444/", [10, 0, 0, 1])).toBe(false);
  expect(names("POST 10.0.0.0/8", "https://db.test/", [10, 0, 0, 1])).toBe(false);
  expect(names("db.test", "https://db.test/", [10, 0, 0, 1])).toBe(false);
  expect(names("*", "https://db.test/", [127, 0, 0, 1])).toBe(false);
  expect(names("localhost", "https://localhost/", [127, 0, 0, 1])).toBe(true);
  expect(names("localhost", "https://localhost/", [10, 0, 0, 1])).toBe(false);
  expect(names("localhost", "https://other.test/", [127, 0, 0, 1])).toBe(false);
});

describe("a malformed entry", () => {
  const cases: [entry: string, why: RegExp][] = [
    ["", /host is missing/],
    [":443", /host is missing/],
    ["https://", /host is missing/],
    ["api.example.com/v1", /never a path/],
    ["ftp://api.example.com", /scheme must be http or https, not "ftp"/],
    ["api.example.com:0", /port must be/],
    ["api.example.com:65536", /port must be/],
    ["api.example.com:http", /port must be/],
    ["api.*.com", /a \* stands alone/],
    ["*.*.com", /a \* stands alone/],
    ["*example.com", /a \* stands alone/],
    ["GET POST api.example.com", /form/],
    ["G@T api.example.com", /"G@T" is not a method/],
    ["user@api.example.com", /not a host name/],
    ["0.0.0.0/0", /for every public host write \*/],
    ["::/0", /for every public host write \*/],
    ["10.0.0.0/33", /never a path/],
    ["1.2.3.4.5", /not a host name/],
  ];
  for (const [entry, why] of cases) {
    test(JSON.stringify(entry), () => {
      expect(() => parseEgressRule(entry)).toThrow(why);
      expect(() => parseEgressRule(entry)).toThrow(/^Cannot parse egress entry "/);
    });
  }
});

test("a new entry begins with a method of HTTP, if with any word", () => {
  for (const entry of ["api.example.com", "GET,post api.example.com", "ANY api.example.com", "purge api.example.com"])
    checkEgressRule(entry);
  expect(() => checkEgressRule("GTE api.example.com")).toThrow('"GTE" is no method of HTTP; did you mean "GET"?');
  expect(() => checkEgressRule("api.example.com 443")).toThrow("is not a method");
  expect(() => checkEgressRule("bad host")).toThrow('"BAD" is no method of HTTP');
});
