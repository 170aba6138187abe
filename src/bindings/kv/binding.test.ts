/** KV through a real server: what a function puts is there, for who holds the namespace and nobody else. */
import { expect, test } from "bun:test";
import { startTestServer } from "../../testing/server.ts";

const CODE = `
  export default async (request, env) => {
    const { pathname } = new URL(request.url);
    const [, , key] = pathname.split("/");
    try {
      if (request.method === "PUT") await env.KV.put(key, await request.text());
      if (request.method === "DELETE") await env.KV.delete(key);
      return Response.json(await env.KV.get(key));
    } catch (error) {
      return Response.json({ code: error.code, message: error.message });
    }
  };
`;

const fn = (name: string, binding: string) => `
[[functions]]
name = "${name}"
path = "./kv.js"
routes = ["ANY /${name}/:key"]
[functions.bindings]
KV = { ${binding} }
`;

test("what a function puts is there for who holds the namespace, and for nobody else", async () => {
  const config = [
    fn("writer", 'type = "kv", name = "cache"'),
    fn("reader", 'type = "kv", name = "cache", mode = "read"'),
    fn("other", 'type = "kv", name = "other"'),
    fn("narrow", 'type = "kv", name = "cache", prefix = "a/"'),
    '[plans.anonymous]\nbindings.KV = { type = "kv", name = "cache", mode = "read" }',
  ];
  await using server = await startTestServer({ files: { "kv.js": CODE }, config: config.join("\n") });
  const ask = async (method: string, path: string, body?: string): Promise<unknown> => {
    const response = await fetch(`${server.url}${path}`, { method, ...(body !== undefined && { body }) });
    return response.json();
  };
  expect(await ask("GET", "/writer/k")).toBeNull();
  expect(await ask("PUT", "/writer/k", "v")).toBe("v");
  expect(await ask("GET", "/reader/k")).toBe("v");
  expect(await ask("GET", "/other/k")).toBeNull();
  expect(await ask("PUT", "/reader/k", "w")).toMatchObject({ code: "binding_denied" });
  expect(await ask("GET", "/narrow/k")).toMatchObject({ code: "binding_denied" });
  const program = "export default async (_, env) => Response.json(await env.KV.get('k'))";
  expect(await (await server.run(program)).json()).toBe("v");
  expect(await ask("DELETE", "/writer/k")).toBeNull();
});
