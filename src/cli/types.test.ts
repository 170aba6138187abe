/** The types that `isopod types` writes for bindings are true: what compiles against them runs, and what is wrong does not compile. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { isopod } from "../testing/command_line.ts";
import { ProjectFolder } from "../testing/project_folder.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

const ROOT = join(import.meta.dir, "../..");
const TYPESCRIPT = join(ROOT, "node_modules/typescript/bin/tsc");

const CONFIG = `
[[functions]]
name = "all"
path = "./all.ts"
routes = ["GET /all"]
  [functions.bindings]
  KV = { type = "kv", name = "cache" }
  OLD = { type = "kv", name = "cache", mode = "read" }
  DB = { type = "sql", name = "shop" }
  FILES = { type = "blob", name = "files" }
  SEEN = { type = "blob", name = "files", mode = "read" }
  JOBS = { type = "queue", name = "jobs" }
  OTHER = { type = "function", name = "other" }
  NET = { type = "tcp", allow = ["localhost:PORT"] }
  TOKEN = { type = "secret", name = "token", value_env = "ISOPOD_TYPES_TEST" }

[[functions]]
name = "other"
path = "./other.ts"
`;

const OTHER = `
export const add = (a: number, b: number): number => a + b;
export default { fetch: (request: Request): Response => new Response(new URL(request.url).pathname) };
`;

/** Every member of every binding; each line is checked by the compiler, and what it says by running it. */
const ALL = `/// <reference path="./isopod-env.d.ts" />
import type { FunctionStub, InvocationContext, ProgramCaches } from "isopod";
declare const caches: ProgramCaches;

async function kv({ KV, OLD }: IsopodEnv["all"]) {
  const { revision }: { revision: number } = await KV.put("k", "text", { ttl: 60, metadata: { by: "me" } });
  await KV.put("j", JSON.stringify([1]), { ifRevision: 0, expiration: 4e9, expirationTtl: undefined });
  const text: string | null = await KV.get("k");
  const numbers: number[] | null = await KV.get<number[]>("j", "json");
  const bytes: Uint8Array | null = await KV.get("k", { type: "bytes" });
  const buffer: ArrayBuffer | null = await KV.get("k", "arrayBuffer");
  const stream: ReadableStream<Uint8Array> | null = await KV.get("k", { type: "stream", cacheTtl: 60 });
  const many: Map<string, string | null> = await KV.get(["k", "none"]);
  const more: Map<string, unknown> = await KV.getMany(["j"], "json");
  const entry = await KV.getWithMetadata<{ by: string }>("k", "text");
  const by: string | undefined = entry.metadata?.by;
  const page = await OLD.list<{ by: string }>({ prefix: "k", limit: 1 });
  const after: string | undefined = page.list_complete ? undefined : page.cursor;
  const watched = (await OLD.watch({ key: "k" })).getReader();
  await KV.delete("k", { ifRevision: revision });
  const { value: change } = await watched.read();
  await watched.cancel();
  return {
    text, numbers, by, after, change: change?.type, names: page.keys.map(({ name }) => name), is: entry.revision === revision,
    many: [...many], more: [...more], lengths: [bytes?.length, buffer?.byteLength, (await new Response(stream).text()).length],
  };
}

async function sql({ DB }: IsopodEnv["all"]) {
  await DB.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)");
  const insert = DB.prepare("INSERT INTO t (name) VALUES (?)");
  const { meta, success }: { meta: { changes: number }; success: boolean } = await insert.bind("Ada").run();
  const [, all] = await DB.batch<{ id: number; name: string }>([insert.bind("Bob"), DB.prepare("SELECT * FROM t")]);
  const one: { name: string } | null = await DB.prepare("SELECT name FROM t").first<{ name: string }>();
  const name: string | null = await DB.prepare("SELECT name FROM t").first<string>("name");
  const { results } = await DB.prepare("SELECT id FROM t").all<{ id: number }>();
  const [columns, ...rows] = await DB.prepare("SELECT id FROM t").raw<[number]>({ columnNames: true });
  const big: bigint | null = await DB.prepare("SELECT 9007199254740993 AS n", { bigint: true }).first<bigint>("n");
  const session = DB.withSession("first-unconstrained");
  const again: number | null = await session.prepare("SELECT count(*) AS n FROM t").first<number>("n");
  const bookmark: string | null = DB.withSession(session.getBookmark() ?? undefined).getBookmark();
  return { again, bookmark, success, changes: meta.changes, all: all?.results[1]?.name, one, name, ids: results.map(({ id }) => id), columns, rows, big: String(big) };
}

async function blob({ FILES, SEEN }: IsopodEnv["all"]) {
  const { etag } = await FILES.put("a/b", "0123456789", { httpMetadata: { contentType: "text/x" }, customMetadata: { by: "me" } });
  const object = await SEEN.get("a/b", { range: { offset: 2, length: 3 } });
  const text: string | undefined = await object?.text();
  const same = await FILES.get("a/b", { onlyIf: { etagDoesNotMatch: etag } });
  const hasBody = same !== null && same.body !== undefined;
  const denied = await FILES.put("a/b", "x", { onlyIf: { etagMatches: "other" } });
  const listed = await SEEN.list({ prefix: "a/", include: ["httpMetadata"] });
  const type = listed.objects[0]?.httpMetadata?.contentType;
  const upload = await FILES.createMultipartUpload("m");
  const part = await FILES.resumeMultipartUpload("m", upload.uploadId).uploadPart(1, "part");
  const { size } = await upload.complete([part]);
  const cursor: string | undefined = listed.truncated ? listed.cursor : undefined;
  const sum = (await SEEN.head("a/b"))?.checksums.toJSON()["md5"]?.length;
  await FILES.delete(["a/b", "m"]);
  return { text, range: object?.range, hasBody, denied, type, size, cursor, sum, gone: await FILES.head("a/b") };
}

async function rest({ JOBS, OTHER, NET, TOKEN }: IsopodEnv["all"], ctx: InvocationContext) {
  await JOBS.send({ report: 1 }, { delaySeconds: 60 });
  await JOBS.sendBatch([{ body: "text", contentType: "text" }], { delaySeconds: 60 });
  const path: string = await (await OTHER.fetch("http://other/path", { method: "POST" })).text();
  const sum: unknown = await OTHER.add?.(1, 2);
  const typed: FunctionStub<typeof import("./other.ts")> = OTHER as never;
  const better: number = await typed.add(3, 4);
  const socket = NET.connect();
  await socket.opened;
  const { value } = await socket.readable.getReader().read();
  await socket.close();
  const cache = await caches.open("own");
  await cache.put("http://cached/", new Response("kept", { headers: { "cache-control": "max-age=60" } }));
  const kept: string | undefined = await (await cache.match("http://cached/"))?.text();
  const none: Response | undefined = await caches.default.match(new Request("http://cached/"));
  const secret: string = TOKEN.toUpperCase();
  return {
    path, sum, better, kept, secret, none: none === undefined, forgot: await cache.delete("http://cached/"),
    greeting: new TextDecoder().decode(value), allow: NET.allow.length, name: ctx.function?.name,
  };
}

export default {
  async fetch(_request: Request, env: IsopodEnv["all"], ctx: InvocationContext): Promise<Response> {
    return Response.json({ kv: await kv(env), sql: await sql(env), blob: await blob(env), rest: await rest(env, ctx) });
  },
};
`;

const EXPECTED = {
  kv: {
    ...{ text: "text", numbers: [1], by: "me", change: "delete", names: ["k"], is: true, lengths: [4, 4, 4] },
    ...{
      many: [
        ["k", "text"],
        ["none", null],
      ],
      more: [["j", [1]]],
    },
  },
  sql: {
    ...{ again: 2, bookmark: "first-primary" },
    ...{ success: true, changes: 1, all: "Bob", one: { name: "Ada" }, name: "Ada", ids: [1, 2], columns: ["id"] },
    ...{ rows: [[1], [2]], big: "9007199254740993" },
  },
  blob: {
    ...{ text: "234", range: { offset: 2, length: 3 }, hasBody: false, denied: null, type: "text/x", size: 4 },
    ...{ sum: 32, gone: null },
  },
  rest: {
    ...{ path: "/path", sum: 3, better: 7, kept: "kept", secret: "S3CRET", none: true, forgot: true },
    ...{ greeting: "hello", allow: 1, name: "all" },
  },
};

/** Uses that are wrong; each must be an error in the line in which it stands. */
const WRONG = [
  "env.KV.get(1)",
  'env.KV.get("k", "xml")',
  'env.KV.put("k", { not: "a value" })',
  'env.KV.put("k", "v", { ttl: "1" })',
  'env.KV.delete("k", { ifRevision: "1" })',
  'const n: number = await env.KV.get("k")',
  '(await env.KV.get("k")).length',
  'env.OLD.put("k", "v")',
  'env.OLD.delete("k")',
  "env.DB.prepare(1)",
  'env.DB.prepare("SELECT ?").bind({})',
  'env.DB.batch(["SELECT 1"])',
  "env.DB.query",
  'env.FILES.put("k", 1)',
  'env.FILES.get("k", { range: { from: 1 } })',
  '(await env.FILES.get("k")).text()',
  '(await env.FILES.get("k", { onlyIf: { etagMatches: "e" } }))?.text()',
  'env.SEEN.put("k", "v")',
  'env.JOBS.send("x", { contentType: "v8" })',
  "env.JOBS.sendBatch([1])",
  "env.OTHER.fetch(1)",
  "const r: Response = env.OTHER.fetch('http://x/')",
  "env.NET.connect(80)",
  "env.TOKEN.get()",
  "env.MISSING",
] as const;

let folder: ProjectFolder;
let server: TestServer;
let greeter: Bun.TCPSocketListener<undefined>;

beforeAll(async () => {
  greeter = Bun.listen<undefined>({
    ...{ hostname: "localhost", port: 0 },
    socket: { open: (socket) => void socket.write("hello"), data() {} },
  });
  const config = CONFIG.replace("PORT", String(greeter.port));
  const files = { "all.ts": ALL, "other.ts": OTHER };
  folder = new ProjectFolder({ ...files, "isopod.toml": config });
  mkdirSync(join(folder.path, "node_modules"));
  symlinkSync(ROOT, join(folder.path, "node_modules", "isopod"));
  process.env["ISOPOD_TYPES_TEST"] = "s3cret";
  server = await startTestServer({ files, config });
});
afterAll(async () => {
  delete process.env["ISOPOD_TYPES_TEST"];
  greeter.stop(true);
  folder[Symbol.dispose]();
  await server?.[Symbol.asyncDispose]();
});

/** What the compiler says of a file of the folder. */
function compiled(file: string): string {
  const flags = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--ignoreConfig", "--types", ""];
  const modules = ["--module", "preserve", "--allowImportingTsExtensions", "--customConditions", "bun"];
  const library = ["--target", "esnext", "--lib", "esnext,dom", "--skipLibCheck"];
  const command = [process.execPath, TYPESCRIPT, ...flags, ...modules, ...library, file];
  return Bun.spawnSync(command, { cwd: folder.path }).stdout.toString();
}

test("a function that uses every member of every binding compiles, and what the types say is what there is", async () => {
  const { code, stdout } = await isopod(["types", folder.path, "--json"]);
  expect(code).toBe(0);
  const of = (name: string) => `import("isopod").${name}`;
  expect(JSON.parse(stdout).functions.all).toEqual({
    ...{ KV: of("KVNamespace"), OLD: of("ReadOnlyKVNamespace"), DB: of("D1Database"), FILES: of("R2Bucket") },
    ...{ SEEN: of("ReadOnlyR2Bucket"), JOBS: of("Queue"), OTHER: of("FunctionStub"), NET: of("TcpConnector") },
    TOKEN: "string",
  });
  expect(compiled("all.ts")).toBe("");
  expect(await (await fetch(`${server.url}/all`)).json()).toEqual(EXPECTED);
}, 60_000);

test("what is wrong does not compile", () => {
  const lines = WRONG.map((line, at) => `async function f${at}(env: IsopodEnv["all"]) { ${line}; }`);
  folder.write("wrong.ts", `/// <reference path="./isopod-env.d.ts" />\n${lines.join("\n")}`);
  const said = compiled("wrong.ts");
  const found = new Set([...said.matchAll(/^wrong\.ts\((\d+),/gm)].map(([, line]) => Number(line)));
  expect(WRONG.filter((_, at) => !found.has(at + 2))).toEqual([]);
}, 60_000);
