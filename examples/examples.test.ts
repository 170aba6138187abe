/** The examples say what their first lines promise. Through a sandbox and a socket they are tested in `e2e/`. */
import { expect, test } from "bun:test";
import { loadConfig } from "../src/control/config_file.ts";
import hello from "./hello.ts";
import primes from "./primes.ts";
import statistics from "./statistics.ts";

const request = (path: string, init?: RequestInit) => new Request(`http://localhost:8080${path}`, init);

test("the configuration serves every example, and the addresses in its comments are routed", async () => {
  const file = new URL("./isopod.toml", import.meta.url).pathname;
  const { functions } = await loadConfig(file);
  expect(functions.map(({ name }) => name)).toEqual(["hello", "primes", "statistics", "echo", "stars"]);
  const text = await Bun.file(file).text();
  const addresses = [...text.matchAll(/^# .*localhost:8080\/(\w+)/gm)].map(([, name]) => name);
  expect(addresses).toEqual(functions.map(({ name }) => name));
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
