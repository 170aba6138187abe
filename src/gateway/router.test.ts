import { expect, test } from "bun:test";
import { parseRoute } from "../core/route.ts";
import { createRouter, type Router } from "./router.ts";

function routerOf(...patterns: string[]): Router<string> {
  return createRouter(patterns.map((text) => ({ pattern: parseRoute(text), target: text })));
}

/** The pattern that answers, `405 <allow>` or `404`. */
function answer(router: Router<string>, method: string, address: string): string {
  const slash = address.indexOf("/");
  const match = router.match(method, address.slice(0, slash), address.slice(slash));
  if (match.kind === "found") return match.target;
  return match.kind === "method" ? `405 ${match.allow.join(", ")}` : "404";
}

function paramsOf(router: Router<string>, path: string): Record<string, string> {
  const match = router.match("GET", "localhost", path);
  if (match.kind !== "found") throw new Error(`Cannot match ${path}: ${match.kind}`);
  expect("toString" in match.params).toBeFalse();
  return { ...match.params };
}

test("static goes before a parameter, a parameter before the rest", () => {
  const router = routerOf("GET /a/*", "GET /a/:name", "GET /a/b", "GET /", "GET /a/:name/c", "GET /a/b/d");
  expect(answer(router, "GET", "x/a/b")).toBe("GET /a/b");
  expect(answer(router, "GET", "x/a/z")).toBe("GET /a/:name");
  expect(answer(router, "GET", "x/a/z/y")).toBe("GET /a/*");
  expect(answer(router, "GET", "x/a")).toBe("GET /a/*");
  expect(answer(router, "GET", "x/a/")).toBe("GET /a/*");
  expect(answer(router, "GET", "x/a/b/c")).toBe("GET /a/:name/c");
  expect(answer(router, "GET", "x/a/b/d")).toBe("GET /a/b/d");
  expect(answer(router, "GET", "x/")).toBe("GET /");
  expect(answer(router, "GET", "x/b")).toBe("404");
  expect(answer(router, "GET", "x/ab")).toBe("404");
});

test("the exact host goes first, then the longest wildcard, then any host", () => {
  const router = routerOf(
    "GET /x",
    "GET *.example.com/x",
    "GET *.eu.example.com/x",
    "GET api.eu.example.com/x",
    "GET api.eu.example.com/only",
    "GET *.example.com/wild",
  );
  expect(answer(router, "GET", "api.eu.example.com/x")).toBe("GET api.eu.example.com/x");
  expect(answer(router, "GET", "API.eu.Example.com.:8080/x")).toBe("GET api.eu.example.com/x");
  expect(answer(router, "GET", "www.eu.example.com/x")).toBe("GET *.eu.example.com/x");
  expect(answer(router, "GET", "a.b.example.com/x")).toBe("GET *.example.com/x");
  expect(answer(router, "GET", "example.com/x")).toBe("GET /x");
  expect(answer(router, "GET", "evilexample.com/x")).toBe("GET /x");
  expect(answer(router, "GET", "[::1]:8080/x")).toBe("GET /x");
  expect(answer(router, "GET", "api.eu.example.com/wild")).toBe("GET *.example.com/wild");
  expect(answer(router, "GET", "other.org/only")).toBe("404");
  expect(answer(router, "GET", `${"a.".repeat(5000)}example.com/wild`)).toBe("404");
});

test("says which hosts routes name", () => {
  const router = routerOf("GET /x", "GET *.example.com/x", "GET api.example.org/x");
  expect(router.namesHost("Api.Example.org:80")).toBeTrue();
  expect(router.namesHost("a.example.com")).toBeTrue();
  expect(router.namesHost("example.com")).toBeFalse();
  expect(router.namesHost("evil.org")).toBeFalse();
});

test("HEAD is answered by what answers GET, unless HEAD stands by itself", () => {
  const router = routerOf("GET /a/b", "ANY /a/*", "HEAD /h", "GET /h", "HEAD /g/*", "GET /g/x");
  expect(answer(router, "HEAD", "x/a/b")).toBe("GET /a/b");
  expect(answer(router, "HEAD", "x/h")).toBe("HEAD /h");
  expect(answer(router, "HEAD", "x/g/x")).toBe("GET /g/x");
  expect(answer(router, "HEAD", "x/g/y")).toBe("HEAD /g/*");
  expect(answer(router, "POST", "x/a/b")).toBe("ANY /a/*");
  expect(answer(router, "GET", "x/a/b")).toBe("GET /a/b");
});

test("names the methods that are allowed, over all hosts that answer", () => {
  const router = routerOf("GET /x", "PUT *.example.com/x", "POST a.example.com/x", "DELETE /y");
  expect(answer(router, "PATCH", "a.example.com/x")).toBe("405 GET, HEAD, POST, PUT");
  expect(answer(router, "PATCH", "b.example.com/x")).toBe("405 GET, HEAD, PUT");
  expect(answer(router, "PUT", "example.com/x")).toBe("405 GET, HEAD");
  expect(answer(router, "GET", "x/y")).toBe("405 DELETE");
  expect(answer(router, "__proto__", "x/y")).toBe("405 DELETE");
  expect(answer(router, "", "x/y")).toBe("405 DELETE");
  expect(answer(router, "get", "x/x")).toBe("405 GET, HEAD");
});

test("parameters are decoded, and a broken escape is left as it is", () => {
  const router = routerOf("GET /p/:name", "GET /r/:id/*", "GET /:__proto__/z", "GET /c/:constructor");
  expect(paramsOf(router, "/p/J%C3%BCrgen%2Fx")).toEqual({ name: "Jürgen/x" });
  expect(paramsOf(router, "/p/%zz")).toEqual({ name: "%zz" });
  expect(paramsOf(router, "/p/%E0%A4%A")).toEqual({ name: "%E0%A4%A" });
  expect(paramsOf(router, "/p/a+b")).toEqual({ name: "a+b" });
  expect(paramsOf(router, "/r/1/a/b%20c/")).toEqual({ id: "1", "*": "a/b c/" });
  expect(paramsOf(router, "/r/1")).toEqual({ id: "1", "*": "" });
  expect(paramsOf(router, "/c/x")).toEqual({ constructor: "x" });
  const match = router.match("GET", "x", "/evil/z");
  expect(match.kind === "found" && Object.entries(match.params)).toEqual([["__proto__", "evil"]]);
  expect(({} as Record<string, unknown>).evil).toBeUndefined();
  expect(answer(router, "GET", "x/p/")).toBe("404");
});

test("characters with a meaning in the tree's own syntax are plain", () => {
  const router = routerOf("GET /f(x)/{y}+", "GET /constructor", "GET /__proto__/a");
  expect(answer(router, "GET", "x/f(x)/%7By%7D+")).toBe("GET /f(x)/{y}+");
  expect(answer(router, "GET", "x/fx/y")).toBe("404");
  expect(answer(router, "GET", "x/constructor")).toBe("GET /constructor");
  expect(answer(router, "GET", "x/toString")).toBe("404");
  expect(answer(router, "GET", "x/__proto__/a")).toBe("GET /__proto__/a");
});

test("refuses two routes for the same requests, but not the same route twice", () => {
  expect(() => routerOf("GET /a/:x", "GET /a/:y")).toThrow(
    'Cannot add route "GET /a/:y": it matches the same requests as "GET /a/:x"',
  );
  expect(() => routerOf("GET /a", "GET /a")).not.toThrow();
  expect(() => routerOf("GET /a", "POST /a", "ANY /a", "GET h.example/a")).not.toThrow();
});

test("hostile paths cost little and never throw", () => {
  const router = routerOf("GET /:a/:b/:c/:d/:e/x", "GET /a/:b/c/:d/*", "GET /:a/b/:c/*", "ANY *.x.y/*");
  const alphabet = ["/", "a", "b", "%", "%2F", "..", ":", "*", "__proto__", "é", "\u0000", "?"];
  let seed = 42;
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let round = 0; round < 5000; round++) {
    const path = `/${Array.from({ length: next(30) }, () => alphabet[next(alphabet.length)]).join("")}`;
    router.match("GET", next(2) === 0 ? "a.x.y" : "h", path);
  }
  const start = performance.now();
  router.match("GET", "h", "/a".repeat(8000));
  router.match("GET", "h", "/".repeat(16_000));
  expect(performance.now() - start).toBeLessThan(250);
});

test("no routes, no match", () => {
  expect(createRouter([]).match("GET", "x", "/")).toEqual({ kind: "none" });
});

test("a router that is extended has both, HEADs before those of a GET included", () => {
  const first = createRouter([{ pattern: parseRoute("GET /a/:x"), target: "a" }]);
  const second = first.extended([{ pattern: parseRoute("POST h.test/b"), target: "b" }]);
  const third = second.extended([{ pattern: parseRoute("HEAD /a/:x"), target: "head" }]);
  for (const router of [second, third]) {
    expect(router.match("GET", "x", "/a/1")).toMatchObject({ target: "a", params: { x: "1" } });
    expect(router.match("POST", "h.test", "/b")).toMatchObject({ target: "b" });
  }
  expect(second.match("HEAD", "x", "/a/1")).toMatchObject({ target: "a" });
  expect(third.match("HEAD", "x", "/a/1")).toMatchObject({ target: "head" });
  expect(() => third.extended([{ pattern: parseRoute("GET /a/:y"), target: "c" }])).toThrow("GET /a/:x");
});
