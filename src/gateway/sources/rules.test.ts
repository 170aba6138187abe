import { expect, test } from "bun:test";
import { createSourceRules, parseSourceRule } from "./rules.ts";

const rules = createSourceRules(
  ["raw.example.org/acme/", "http://127.0.0.1:9000/", "https://cdn.example.org/pkg", "Both.example.org/"].map(
    parseSourceRule,
  ),
);

function located(address: string): string {
  try {
    return rules.locate(address).href;
  } catch (error) {
    return error instanceof Error && error.message.startsWith("Cannot fetch program") ? "refused" : String(error);
  }
}

test("what is under a source is allowed, with its own scheme", () => {
  expect(located("//raw.example.org/acme/x.ts")).toBe("https://raw.example.org/acme/x.ts");
  expect(located("//RAW.example.ORG:443/acme/x.ts?v=1#top")).toBe("https://raw.example.org/acme/x.ts?v=1");
  expect(located("https://raw.example.org/%61cme/x%20y.ts")).toBe("https://raw.example.org/%61cme/x%20y.ts");
  expect(located("//127.0.0.1:9000/x.ts")).toBe("http://127.0.0.1:9000/x.ts");
  expect(located("//cdn.example.org/pkg")).toBe("https://cdn.example.org/pkg");
  expect(located("//cdn.example.org/pkg/a@1.2.3/+esm")).toBe("https://cdn.example.org/pkg/a@1.2.3/+esm");
  expect(located("https://both.example.org/x")).toBe("https://both.example.org/x");
});

test("what is not is refused", () => {
  const refused = [
    "http://raw.example.org/acme/x.ts",
    "https://127.0.0.1:9000/x.ts",
    "http://127.0.0.1/x.ts",
    "http://127.0.0.1:9001/x.ts",
    "//raw.example.org:8443/acme/x.ts",
    "//raw.example.org/acmeevil/x.ts",
    "//raw.example.org/ACME/x.ts",
    "//raw.example.org/",
    "//raw.example.org.evil/acme/x.ts",
    "//cdn.example.org/pkgevil",
    "//evil.example/raw.example.org/acme/x.ts",
    "ftp://raw.example.org/acme/x.ts",
    "file:///etc/passwd",
    "data:text/javascript,1",
    "raw.example.org/acme/x.ts",
    "",
    "//",
    "///raw.example.org/acme/x.ts",
  ];
  for (const address of refused) expect([address, located(address)]).toEqual([address, "refused"]);
});

test("no spelling leads out of a prefix, or in by a side door", () => {
  const base = "//raw.example.org/acme/";
  const tricks = [
    "../evil",
    "x/../../evil",
    "%2e%2e/evil",
    ".%2E/evil",
    "%2e/x",
    "./x",
    "..",
    "x/..",
    "%252e%252e/x",
    "%25252e%25252e/x",
    "..%2fevil",
    "..%2Fevil",
    "%2e%2e%2fevil",
    "..%5cevil",
    "..\\evil",
    "%5c..%5cevil",
    "a%2fb",
    "%252fb",
    "x//y",
    "/x",
    "x/%00",
    "x\ty",
    "x\ny",
    " x",
    "%e0%2e%2e%2f",
    "%ff%252f",
  ];
  for (const trick of tricks) expect([trick, located(base + trick)]).toEqual([trick, "refused"]);
  const hosts = [
    "//raw.example.org@evil.example/acme/x",
    "//user@raw.example.org/acme/x",
    "//user:pw@raw.example.org/acme/x",
    "//@raw.example.org/acme/x",
    "//evil.example\\@raw.example.org/acme/x",
    "//evil.example#@raw.example.org/acme/x",
    "//evil.example?@raw.example.org/acme/x",
    "//raw.example.org:443@evil.example/acme/x",
    "https:/raw.example.org/acme/x",
    "https:\\\\raw.example.org\\acme\\x",
    "https:///evil.example/acme/x",
  ];
  for (const host of hosts) expect([host, located(host)]).toEqual([host, "refused"]);
  expect(located("//raw.example.org./acme/x")).toBe("refused");
});

test("random mixtures are refused or stay below the prefix", () => {
  let seed = 5;
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const pieces = [
    "/",
    "..",
    ".",
    "%2e",
    "%2f",
    "%5c",
    "\\",
    "acme",
    "raw.example.org",
    "@",
    ":",
    "443",
    "?",
    "#",
    "%",
    "%25",
    "x",
    "//",
  ];
  for (let round = 0; round < 5000; round++) {
    const address = `//raw.example.org/${Array.from({ length: next(12) }, () => pieces[next(pieces.length)]).join("")}`;
    const result = located(address);
    if (result !== "refused") expect(result).toMatch(/^https:\/\/raw\.example\.org\/acme(\/|\?|$)/);
  }
});

test("an entry of the configuration that cannot be one is named", () => {
  expect(parseSourceRule("HTTPS://a.b/c")).toEqual({ scheme: "https", prefix: "a.b/c" });
  for (const text of ["", "/x", "a.b/x?y", "a.b/../x", "u@a.b/x", "ftp://a.b/x", "a b"]) {
    expect(() => parseSourceRule(text)).toThrow("Cannot read source");
  }
});
