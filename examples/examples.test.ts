/** The examples say what their first lines promise. Through a sandbox and a socket they are tested in `e2e/`. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { loadConfig } from "../src/control/config/file.ts";
import { isopod } from "../src/testing/command_line.ts";
import { ServeProcess } from "../src/testing/serve_process.ts";
import badge from "./badge.ts";
import hello from "./hello.ts";
import primes from "./primes.ts";
import statistics from "./statistics.ts";

const request = (path: string, init?: RequestInit) => new Request(`http://localhost:8080${path}`, init);

test("the configuration serves every example, and the addresses in its comments are routed", async () => {
  const file = new URL("./isopod.toml", import.meta.url).pathname;
  const { functions } = await loadConfig(file);
  expect(functions.map(({ name }) => name)).toEqual([
    "hello",
    "primes",
    "statistics",
    "wasm",
    "echo",
    "stars",
    "greet",
    "badge",
    "products",
    "uploads",
    "links",
    "comments",
    "reminders",
  ]);
  const text = await Bun.file(file).text();
  const addresses = [...text.matchAll(/^# .*localhost:8080\/(\w+)/gm)].map(([, name]) => name);
  expect(addresses).toEqual(functions.map(({ name }) => name));
});

test("the types of env are those of the configuration", async () => {
  const { code, stderr } = await isopod(["types", import.meta.dir, "--check"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});

test("hello greets", async () => {
  const env = { GREETING: "Hello" };
  expect(await hello.fetch(request("/hello/Ada"), env, { params: { name: "Ada" } }).text()).toBe("Hello, Ada!\n");
  expect(await hello.fetch(request("/hello"), env, { params: {} }).text()).toBe("Hello, world!\n");
});

test("primes yields one line each", async () => {
  const lines = await Array.fromAsync(primes(request("/primes/20"), {}, { params: { limit: "20" } }));
  expect(lines.join("")).toBe("2\n3\n5\n7\n11\n13\n17\n19\n");
});

test("statistics answers JSON, and says what it wants", async () => {
  const post = (body: string) => statistics.fetch(request("/statistics", { method: "POST", body }));
  const figures = { count: 4, min: 1, max: 4, mean: 2.5, median: 2.5, deviation: Math.sqrt(1.25) };
  expect(await (await post("[4, 1, 3, 2]")).json()).toEqual(figures);
  for (const body of ["", "{}", "[]", '["1"]']) expect((await post(body)).status).toBe(400);
});

test("badge is a Hono application that draws", async () => {
  const answer = await badge.request("/badge/build/%3Cb%3E");
  expect(answer.headers.get("content-type")).toBe("image/svg+xml");
  expect(await answer.text()).toContain(">&#60;b&#62;</text>");
  expect((await badge.request("/badge/build")).status).toBe(404);
});

test("what uses the SDK or a framework is served as it stands", async () => {
  const here = import.meta.dir;
  const config = (name: string, path: string) =>
    `[[functions]]\nname = "${name}"\npath = ${JSON.stringify(join(here, path))}\nroutes = ["ANY /${name}/*"]\n`;
  const head = 'listen_address = "127.0.0.1:0"\nadmin_address = "127.0.0.1:0"\n';
  const text = `${head}${config("greet", "greet.ts")}env = { GREETING = "Welcome" }\n${config("badge", "badge.ts")}${config("products", "products.ts")}`;
  await using server = await ServeProcess.start({ "isopod.toml": text });
  const greeted = await fetch(`${server.url}/greet/Ada`);
  expect([greeted.headers.get("cache-control"), await greeted.json()]).toEqual([
    "no-store",
    { greeting: "Welcome, Ada!" },
  ]);
  expect((await fetch(`${server.url}/greet/Ada`, { headers: { "x-stop": "1" } })).status).toBe(403);
  expect(await (await fetch(`${server.url}/badge/build/passing`)).text()).toContain(">passing</text>");

  const product = async (path: string) => {
    const answer = await fetch(`${server.url}/products/${path}`);
    return [answer.headers.get("cf-cache-status"), (await answer.json()) as object] as const;
  };
  const [, made] = await product("7");
  // What is put by `waitUntil` is there a moment after the answer.
  let again = await product("7?utm_source=x");
  while (again[0] === null) again = await product("7?utm_source=x");
  expect(again[0]).toBe("HIT");
  expect(again[1]).toMatchObject({ ...made, madeAt: expect.any(String) });
  expect((await product("8"))[0]).toBeNull();
});

test("uploads is a Worker for R2, and is served as it stands", async () => {
  const config = configOf("uploads", "ANY /uploads/*", '{ FILES = { type = "blob", name = "uploads" } }');
  await using server = await ServeProcess.start({ "isopod.toml": config });
  const ask = (key: string, init?: RequestInit) => fetch(`${server.url}/uploads/${key}`, init);
  const put = await ask("a/b%20c.txt", { method: "PUT", body: "0123456789", headers: { "content-type": "text/x" } });
  const etag = put.headers.get("etag") ?? "";
  expect([put.status, await put.text(), etag.length]).toEqual([201, "10 bytes\n", 34]);
  const whole = await ask("a/b%20c.txt");
  expect([whole.status, whole.headers.get("content-type"), await whole.text()]).toEqual([200, "text/x", "0123456789"]);
  const some = await ask("a/b%20c.txt", { headers: { range: "bytes=2-4" } });
  expect([some.status, some.headers.get("content-range"), await some.text()]).toEqual([206, "bytes 2-4/10", "234"]);
  // What nobody can serve is answered as if it had not been asked for, and is no error of the Worker.
  for (const range of ["bytes=90-", "bytes=0-1,3-4", "pages=1"]) {
    expect([range, (await ask("a/b%20c.txt", { headers: { range, "if-modified-since": "soon" } })).status]).toEqual([
      range,
      200,
    ]);
  }
  expect((await ask("a/b%20c.txt", { headers: { "if-none-match": etag } })).status).toBe(304);
  expect((await ask("a/b%20c.txt", { headers: { "if-match": '"other"' } })).status).toBe(412);
  expect((await ask("a/b%20c.txt", { method: "PUT", body: "new", headers: { "if-none-match": "*" } })).status).toBe(
    412,
  );
  expect(await (await ask("")).json()).toEqual([{ key: "a/b c.txt", size: 10 }]);
  expect((await ask("a/b%20c.txt", { method: "DELETE" })).status).toBe(204);
  expect((await ask("a/b%20c.txt")).status).toBe(404);
});

/** The configuration of one function, from this folder, on ports that the system chooses. */
function configOf(name: string, routes: string, bindings: string): string {
  const path = JSON.stringify(join(import.meta.dir, `${name}.js`));
  return `listen_address = "127.0.0.1:0"\nadmin_address = "127.0.0.1:0"\n[[functions]]\nname = "${name}"\npath = ${path}
routes = ["${routes}"]\nbindings = ${bindings}\n`;
}

test("links is a Worker for KV, and is served as it stands", async () => {
  const config = configOf("links", "ANY /links/*", '{ LINKS = { type = "kv", name = "links" } }');
  await using server = await ServeProcess.start({ "isopod.toml": config });
  const ask = (path: string, init?: RequestInit) =>
    fetch(`${server.url}/links/${path}`, { redirect: "manual", ...init });
  const put = async (path: string, body: string) => (await ask(path, { method: "PUT", body })).status;
  expect(await put("a/docs%20é?days=7", "https://example.com/docs")).toBe(201);
  expect(await put("a/docs%20é?days=7", "https://example.com/new")).toBe(204);
  expect(await put("b", "https://example.com/b")).toBe(201);
  expect(await put("c", "no address")).toBe(400);
  const followed = await ask("a/docs%20é");
  expect([followed.status, followed.headers.get("location")]).toEqual([302, "https://example.com/new"]);
  const { links } = (await (await ask("?prefix=a/")).json()) as { links: { expiration: number }[] };
  expect<unknown>(links).toEqual([{ name: "a/docs é", expiration: expect.any(Number), changes: 2 }]);
  expect((links[0]?.expiration ?? 0) - Date.now() / 1000).toBeWithin(6.9 * 86_400, 7 * 86_400 + 1);
  expect(await (await ask("")).json()).toMatchObject({ links: [{ changes: 2 }, { name: "b", changes: 1 }] });
  expect((await ask("b", { method: "DELETE" })).status).toBe(204);
  expect((await ask("b")).status).toBe(404);
});

test("comments is a Worker for D1, and is served as it stands once its table was made", async () => {
  const config = configOf("comments", "ANY /comments/*", '{ DB = { type = "sql", name = "comments" } }');
  await using server = await ServeProcess.start({ "isopod.toml": config });
  const ask = async (slug: string, init?: RequestInit) => {
    const answer = await fetch(`${server.url}/comments/${slug}`, init);
    return [answer.status, await answer.text()];
  };
  const post = (slug: string, comment: object) => ask(slug, { method: "POST", body: JSON.stringify(comment) });
  expect(await ask("hello")).toEqual([500, expect.stringContaining("no such table: comments")]);
  const env = { ISOPOD_URL: server.adminUrl, ISOPOD_DATA: join(server.directory, "data") };
  const migrate = ["sql", "migrate", "comments", join(import.meta.dir, "comments")];
  expect(await isopod(migrate, { env })).toMatchObject({ code: 0, stderr: "" });
  expect(await post("hello", { author: "Ada", body: "Well said'); drop table comments; --" })).toEqual([
    201,
    "Created",
  ]);
  expect(await post("other", { author: "Bob", body: "No" })).toEqual([201, "Created"]);
  expect((await post("hello", { author: "Ada" }))[0]).toBe(400);
  const first = { id: 1, author: "Ada", body: "Well said'); drop table comments; --" };
  expect(await ask("hello")).toEqual([200, JSON.stringify([first])]);
  expect(await ask("hello", { method: "DELETE" })).toEqual([200, '{"left":1}']);
  expect(await ask("hello")).toEqual([200, "[]"]);
});

test("reminders come when it is time, and every morning", async () => {
  const here = JSON.stringify(join(import.meta.dir, "reminders.ts"));
  const table = (await Bun.file(new URL("./isopod.toml", import.meta.url)).text()).split("\n# curl").at(-1) ?? "";
  const own = table.slice(table.indexOf("[[functions]]")).replace('"./reminders.ts"', here);
  const text = `listen_address = "127.0.0.1:0"\nadmin_address = "127.0.0.1:0"\n${own}`;
  await using server = await ServeProcess.start({ "isopod.toml": text });
  const post = (body: string) => fetch(`${server.url}/reminders`, { method: "POST", body });
  for (const wrong of ["", "{}", '{"text": "x", "seconds": -1}']) expect((await post(wrong)).status).toBe(400);
  const answer = await post('{"text": "tea is ready"}');
  expect([answer.status, await answer.text()]).toEqual([202, "You will be told in 0 seconds\n"]);
  await server.logged("Reminder: tea is ready");
  const run = "/v1/projects/default/schedules/reminders/default/run";
  expect((await server.admin(run, { method: "POST", body: "{}" })).status).toBe(200);
  await server.logged("Reminder: good morning");
});
