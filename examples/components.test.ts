/** The samples of components, and of a script that imports a module: they are what their text says, and answer. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startTestServer } from "../src/testing/server.ts";
import { compileWat } from "../src/testing/wat.ts";
import { buildComponents } from "./wasm/components.ts";

const at = (...path: string[]): string => join(import.meta.dir, "wasm", ...path);

test("each is made of the text beside it", async () => {
  const built = await buildComponents();
  expect([...built.keys()].sort()).toEqual(["hello.wasm", "visits.wasm"]);
  for (const [file, bytes] of built) {
    expect([file, readFileSync(at("components", file)).equals(bytes)]).toEqual([file, true]);
  }
  const text = readFileSync(at("imported", "adler32.wat"), "utf8");
  const module = await compileWat(text, "adler32.wat");
  expect(readFileSync(at("imported", "adler32.wasm")).equals(module)).toBe(true);
}, 60_000);

test("they answer", async () => {
  const entry = (name: string, path: string, more = "") =>
    `[[functions]]\nname = "${name}"\npath = ${JSON.stringify(path)}\nroutes = ["ANY /${name}", "ANY /${name}/*"]\n${more}\n`;
  await using server = await startTestServer({
    config: [
      entry("hello", at("components", "hello.wasm")),
      entry("visits", at("components", "visits.wasm"), 'bindings = { VISITS = { type = "kv", name = "visits" } }'),
      entry("checksum", at("imported", "checksum.ts")),
    ].join(""),
  });
  const ask = async (path: string, init?: RequestInit) => (await fetch(server.url + path, init)).text();
  expect(await ask("/hello")).toBe("hello world");
  expect(await ask("/visits/a")).toBe("1 visits of /visits/a\n");
  expect(await ask("/visits/a")).toBe("2 visits of /visits/a\n");
  expect(await ask("/visits/b")).toBe("1 visits of /visits/b\n");
  expect(await ask("/checksum", { method: "POST", body: "Wikipedia" })).toBe("11e60398\n");
}, 60_000);
