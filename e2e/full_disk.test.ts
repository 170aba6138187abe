/**
 * A server whose disk has no room left, for its store or for its blobs: what is there goes on, what is new is refused by
 * name, and taken once there is room.
 */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { deploy, saying } from "../src/testing/control_client.ts";
import { ANY_PORTS, launchServer, temporaryFolder, tokenHeaders } from "./launched_server.ts";

const CLI = join(import.meta.dir, "../src/cli/main.ts");
/** Random bytes of one deploy that helps to fill the disk. */
const FILLING_BYTES = 60_000;
const DEPLOYS_MAX = 60;

/** In a mount namespace of the server's own: nobody else sees the small file system, and it goes with the server. */
function serveOn(folder: string, small: string, size: string): ReturnType<typeof launchServer> {
  const script = `mount -t tmpfs -o size=${size} tmpfs "${small}" && exec "$0" "$@"`;
  const serve = [process.execPath, CLI, "serve", ...ANY_PORTS, "--data", join(folder, "data")];
  return launchServer(["unshare", "-m", "sh", "-c", script, ...serve], { cwd: folder });
}

function apiOf({ admin }: { readonly admin: string }, data: string) {
  return {
    admin: (path: string, init: RequestInit = {}) =>
      fetch(`${admin}${path}`, { ...init, headers: { ...tokenHeaders(data), ...init.headers } }),
  };
}

/** Keeps bodies under their path; what is refused is answered with its code. */
const KEEPER = `export default async (request, { B }) => {
  const key = new URL(request.url).pathname;
  try {
    if (request.method === "PUT") return Response.json({ size: (await B.put(key, request.body)).size });
    if (request.method === "DELETE") return Response.json(await B.delete(key) ?? null);
    const object = await B.get(key);
    return object === null ? new Response(null, { status: 404 }) : new Response(object.body);
  } catch ({ code }) {
    return Response.json({ code });
  }
};`;

const reason =
  process.getuid?.() !== 0
    ? "needs root, for a file system of its own"
    : Bun.spawnSync(["unshare", "-m", "true"]).success
      ? undefined
      : "mount namespaces cannot be made here";

test.skipIf(reason !== undefined)(
  `a full disk refuses deploys and nothing else${reason === undefined ? "" : ` (skipped: ${reason})`}`,
  async () => {
    using folder = temporaryFolder();
    const data = join(folder.path, "data");
    const store = join(data, "store");
    mkdirSync(store, { recursive: true });
    await using server = await serveOn(folder.path, store, "2m");
    const api = apiOf(server, data);
    const served = async () => (await fetch(`${server.url}/a`)).text();
    expect((await deploy(api, "a", saying("one"), { routes: ["GET /a"] })).status).toBe(200);
    expect(await served()).toBe("one");

    let refused: Awaited<ReturnType<typeof deploy>> | undefined;
    for (let count = 0; count < DEPLOYS_MAX && refused === undefined; count += 1) {
      const filling = Buffer.from(crypto.getRandomValues(new Uint8Array(FILLING_BYTES))).toString("base64");
      const answer = await deploy(api, `filling-${count}`, `/* ${filling} */ ${saying("x")}`);
      if (answer.status !== 200) refused = answer;
    }
    expect([refused?.status, refused?.body.error.code]).toEqual([507, "storage_full"]);
    expect(await served()).toBe("one");
    expect((await deploy(api, "a", `/* ${"y".repeat(50_000)} */ ${saying("two")}`)).status).toBe(507);
    expect(await served()).toBe("one");

    const grow = ["nsenter", "-m", "-t", String(server.pid), "mount", "-o", "remount,size=20m", store];
    expect(Bun.spawnSync(grow).exitCode).toBe(0);
    expect((await deploy(api, "a", saying("two"), { routes: ["GET /a"] })).status).toBe(200);
    expect(await served()).toBe("two");
  },
  60_000,
);

test.skipIf(reason !== undefined)(
  `a full disk refuses blobs and loses none${reason === undefined ? "" : ` (skipped: ${reason})`}`,
  async () => {
    using folder = temporaryFolder();
    const data = join(folder.path, "data");
    const blobs = join(data, "blobs");
    mkdirSync(blobs, { recursive: true });
    await using server = await serveOn(folder.path, blobs, "8m");
    const settings = { bindings: { B: { type: "blob", name: "kept" } } };
    const made = await deploy(apiOf(server, data), "keeper", KEEPER, { routes: ["ANY /k/*"], settings });
    expect(made.status).toBe(200);
    const ask = (key: string, init?: RequestInit) => fetch(`${server.url}/k/${key}`, init);
    const put = async (key: string, body: Uint8Array<ArrayBuffer>) =>
      (await ask(key, { method: "PUT", body })).json() as Promise<{ readonly code?: string; readonly size?: number }>;

    const kept = new Map<string, Uint8Array<ArrayBuffer>>();
    let refused: string | undefined;
    for (let n = 0; n < 20 && refused === undefined; n += 1) {
      const body = crypto.getRandomValues(new Uint8Array(60_000));
      const whole = new Uint8Array(1_200_000).map((_, at) => (body[at % body.length] ?? 0) ^ n);
      const { code, size } = await put(`${n}`, whole);
      if (size === whole.length) kept.set(`${n}`, whole);
      refused = code;
    }
    expect([refused, kept.size > 2]).toEqual(["storage_full", true]);
    const intact = async () => {
      for (const [key, body] of kept) expect(Bun.hash(await (await ask(key)).bytes())).toBe(Bun.hash(body));
    };
    await intact();
    const inside = join(`/proc/${server.pid}/root`, blobs, "default", "drafts");
    expect(readdirSync(inside)).toEqual([]);
    expect(await (await ask("0", { method: "DELETE" })).json()).toBeNull();
    kept.delete("0");
    expect(await put("again", new Uint8Array(1_000_000))).toEqual({ size: 1_000_000 });
    await intact();
  },
  60_000,
);
