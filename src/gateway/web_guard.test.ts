import { expect, test } from "bun:test";
import { IsopodError } from "../core/errors.ts";
import { checkWeb, isLoopbackHost, isPreflight, type WebHead, type WebRules } from "./web_guard.ts";

function head(headers: Record<string, string>, method = "GET", secure = false): WebHead {
  return { method, secure, headers: new Headers({ host: "localhost:8080", ...headers }) };
}

function rules(over: Partial<WebRules> = {}): WebRules {
  return { origins: [], loopback: true, namesHost: (host) => host === "api.example.com", ...over };
}

/** The verdict in one line. */
function verdict(request: WebHead, over: Partial<WebRules> = {}): string {
  try {
    const { kind, headers } = checkWeb(request, rules(over));
    const allowed = headers.find(([name]) => name === "access-control-allow-origin")?.[1];
    return allowed === undefined ? kind : `${kind} ${allowed}`;
  } catch (error) {
    return error instanceof IsopodError ? error.code : String(error);
  }
}

test("what no browser sends passes", () => {
  expect(verdict(head({}))).toBe("pass");
  expect(verdict(head({}, "POST"))).toBe("pass");
  expect(verdict(head({}, "OPTIONS"))).toBe("pass");
});

test("a foreign page is refused, its own page is not", () => {
  expect(verdict(head({ origin: "https://evil.example" }, "POST"))).toBe("origin_refused");
  expect(verdict(head({ origin: "null" }, "POST"))).toBe("origin_refused");
  expect(verdict(head({ origin: "" }, "POST"))).toBe("origin_refused");
  expect(verdict(head({ origin: "http://localhost:3000" }, "POST"))).toBe("origin_refused");
  expect(verdict(head({ origin: "https://localhost:8080" }, "POST"))).toBe("origin_refused");
  expect(verdict(head({ origin: "http://localhost:8080" }, "POST"))).toBe("pass");
  expect(verdict(head({ origin: "http://LOCALHOST:8080" }, "POST"))).toBe("pass");
  expect(verdict(head({ origin: "http://localhost", host: "localhost:80" }))).toBe("pass");
  expect(verdict(head({ origin: "https://x.org", host: "x.org" }, "POST", true), { loopback: false })).toBe("pass");
  expect(verdict(head({ origin: "http://x.org", host: "x.org" }, "POST", true), { loopback: false })).toBe(
    "origin_refused",
  );
});

test("spellings that could be taken for another origin are refused", () => {
  const evil = [
    "http://localhost:8080@evil.example",
    "http://localhost:8080.evil.example",
    "http://evil\\@localhost:8080",
  ];
  for (const origin of [
    ...evil,
    "localhost:8080",
    "//localhost:8080",
    "http://localhost:8080/x",
    "file://",
    "http://[::1",
    "x",
  ]) {
    expect(verdict(head({ origin }, "POST"))).toBe("origin_refused");
  }
});

test("behind a proxy that ends TLS the browser's own word counts", () => {
  const request = head({ origin: "https://x.org", host: "x.org", "sec-fetch-site": "same-origin" }, "POST");
  expect(verdict(request, { loopback: false })).toBe("pass");
});

test("on loopback a foreign Host is refused; elsewhere every Host is ours", () => {
  for (const host of [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "0.0.0.0:8080",
  ]) {
    expect(verdict(head({ host }))).toBe("host_refused");
    expect(verdict(head({ host }), { loopback: false })).toBe("pass");
  }
  expect(verdict(head({ host: "" }))).toBe("host_refused");
  expect(verdict(head({ host: "evil.example", origin: "http://evil.example", "sec-fetch-site": "same-origin" }))).toBe(
    "host_refused",
  );
  expect(verdict(head({ host: "api.example.com" }))).toBe("pass");
  for (const host of [
    "localhost",
    "a.b.LOCALHOST:1",
    "localhost.",
    "127.0.0.1:8080",
    "127.9.9.9",
    "[::1]:8080",
    "[::1]",
  ]) {
    expect(isLoopbackHost(host)).toBeTrue();
  }
  for (const host of ["notlocalhost", "[::2]", "127.0.0.1.", "::1", ".localhost", "127.0.0.1:80:80", "localhost:x"]) {
    expect(isLoopbackHost(host)).toBeFalse();
  }
});

test("on loopback a load or a navigation from another site is refused without an Origin too", () => {
  expect(verdict(head({ "sec-fetch-site": "cross-site" }))).toBe("origin_refused");
  expect(verdict(head({ "sec-fetch-site": "same-site" }))).toBe("origin_refused");
  expect(verdict(head({ "sec-fetch-site": "none" }))).toBe("pass");
  expect(verdict(head({ "sec-fetch-site": "same-origin" }))).toBe("pass");
  expect(verdict(head({ "sec-fetch-site": "cross-site" }), { origins: ["*"] })).toBe("pass");
  expect(verdict(head({ "sec-fetch-site": "cross-site" }), { origins: ["https://app.example.com"] })).toBe(
    "origin_refused",
  );
  expect(verdict(head({ "sec-fetch-site": "cross-site" }), { loopback: false })).toBe("pass");
});

test("a plan's origins open it", () => {
  const origins = ["https://app.example.com", "http://localhost:5173/"];
  expect(verdict(head({ origin: "https://app.example.com" }), { origins })).toBe("pass https://app.example.com");
  expect(verdict(head({ origin: "https://app.example.com:443" }), { origins })).toBe(
    "pass https://app.example.com:443",
  );
  expect(verdict(head({ origin: "http://localhost:5173" }), { origins })).toBe("pass http://localhost:5173");
  expect(verdict(head({ origin: "http://app.example.com" }), { origins })).toBe("origin_refused");
  expect(verdict(head({ origin: "https://app.example.com.evil" }), { origins })).toBe("origin_refused");
  expect(verdict(head({ origin: "https://any.example" }), { origins: ["*"] })).toBe("pass *");
  expect(verdict(head({ origin: "null" }), { origins: ["*"] })).toBe("pass *");
  const { headers } = checkWeb(head({ origin: "https://app.example.com" }), rules({ origins }));
  expect(headers).toContainEqual(["vary", "Origin"]);
  expect(headers.find(([name]) => name === "access-control-expose-headers")?.[1]).toContain("Isopod-Request-Id");
  expect(checkWeb(head({}), rules({ origins })).headers).toEqual([["vary", "Origin"]]);
});

test("a preflight is answered with what it asks for", () => {
  const asked = {
    origin: "https://app.example.com",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type,isopod-env-name, bad name, x\u00e9",
    "access-control-request-private-network": "true",
  };
  const request = head(asked, "OPTIONS");
  expect(isPreflight(request)).toBeTrue();
  expect(verdict(request)).toBe("origin_refused");
  const answer = checkWeb(request, rules({ origins: ["https://app.example.com"] }));
  expect(answer.kind).toBe("preflight");
  expect(Object.fromEntries(answer.headers)).toEqual({
    "access-control-allow-origin": "https://app.example.com",
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "authorization, content-type, isopod-env-name",
    "access-control-allow-private-network": "true",
    "access-control-max-age": "600",
    vary: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
  });
});

test("a header's value never leaves its line", () => {
  const hostile: WebHead = {
    method: "OPTIONS",
    secure: false,
    headers: {
      get: (name) =>
        ({ host: "localhost", origin: "https://a.b\r\nx: y", "access-control-request-method": "GET\r\nx: y" })[name] ??
        null,
    },
  };
  expect(verdict(hostile, { origins: ["https://a.b"] })).toBe("origin_refused");
  const { headers } = checkWeb(hostile, rules({ origins: ["*"] }));
  for (const [, value] of headers) expect(value).not.toMatch(/[\r\n]/);
});
