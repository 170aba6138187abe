/** SIGKILL of the server in the middle of batches: none is there by half, none that was acknowledged is lost, nothing is left open. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { POSTGRES_PROCESS, type ToldBatch } from "../../../testing/postgres_process.ts";
import { PostgresServer, postgresFolder } from "../../../testing/postgres_server.ts";
import { seededRandom } from "../../../testing/seeded_random.ts";
import { ServeProcess } from "../../../testing/serve_process.ts";
import { StoreChild } from "../../../testing/store_child.ts";

const missing = postgresFolder() === undefined;
const name = missing ? "a server that is killed (skipped: PostgreSQL is not installed)" : "a server that is killed";
const KILLS = 100;
const SERVER_KILLS = 5;

let server: PostgresServer;
beforeAll(async () => {
  if (missing) return;
  server = await PostgresServer.start();
  await server.admin("CREATE TABLE t (batch int, row int)");
}, 60_000);
afterAll(async () => await server?.[Symbol.asyncDispose]());

/** Batches by how many of their rows are there, once no transaction is open any more. */
async function standing(): Promise<Map<number, number>> {
  const open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'isopod'";
  while ((await server.admin(open)) !== "0");
  const lines = (await server.admin("SELECT batch, count(*) FROM t GROUP BY batch"))
    .split("\n")
    .filter((line) => line !== "");
  return new Map(lines.map((line) => line.split("|").map(Number) as [number, number]));
}

async function killedWriter(seed: number): Promise<ToldBatch[]> {
  await using child = new StoreChild("write", server.url(), seed, [], POSTGRES_PROCESS);
  const told: ToldBatch[] = [];
  const enough = 4 + seededRandom(seed).below(20);
  while (told.length < enough) {
    const line = await child.line();
    if (line === undefined) throw new Error("The writer has ended by itself");
    told.push(line as ToldBatch);
  }
  await child.kill();
  return [...told, ...((await child.rest()) as ToldBatch[])];
}

describe.skipIf(missing)(name, () => {
  test(`${KILLS} times leaves whole batches alone`, async () => {
    const told: ToldBatch[] = [];
    for (let kill = 0; kill < KILLS; kill += 4) {
      const seeds = [0, 1, 2, 3].map((lane) => kill + lane);
      told.push(...(await Promise.all(seeds.map(killedWriter))).flat());
    }
    const rows = await standing();
    const made = told.filter(({ type }) => type === "made");
    for (const { batch } of made) expect([batch, rows.get(batch)]).toEqual([batch, 3]);
    for (const [batch, count] of rows) expect([batch, count]).toEqual([batch, 3]);
    expect(made.length).toBeGreaterThan(KILLS);
  }, 120_000);

  test("as a whole does the same", async () => {
    const code = `export default async (request, env) => {
      const from = Number(new URL(request.url).searchParams.get("from"));
      const insert = env.DB.prepare("INSERT INTO t SELECT ?, ? FROM pg_sleep(0.001)");
      return new Response(new ReadableStream({ async pull(to) {
        for (let batch = from; ; batch += 1) {
          await env.DB.batch([1, 2, 3].map((row) => insert.bind(batch, row)));
          to.enqueue(new TextEncoder().encode(batch + "\\n"));
        }
      } }));
    }`;
    const table = `listen_address = "127.0.0.1:0"\nadmin_address = "127.0.0.1:0"\n[[functions]]\nname = "f"\npath = "./f.js"\nroutes = ["GET /f"]\n`;
    const binding = '[functions.bindings]\nDB = { type = "sql", dialect = "postgres", value_file = "./url.txt" }\n';
    const files = { "isopod.toml": table + binding, "f.js": code, "url.txt": server.url() };
    let before: ServeProcess | undefined;
    const made: number[] = [];
    try {
      for (let kill = 1; kill <= SERVER_KILLS; kill += 1) {
        const isopod: ServeProcess = await ServeProcess.start(files, before);
        before = isopod;
        const answer = await fetch(`${isopod.url}/f?from=${kill * 100_000_000}`);
        let text = "";
        const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
        while (text.split("\n").length < 5 + kill) text += new TextDecoder().decode((await reader.read()).value);
        isopod.signal("SIGKILL");
        await isopod.exited;
        made.push(...text.split("\n").slice(0, -1).map(Number));
      }
    } finally {
      await before?.[Symbol.asyncDispose]();
    }
    const rows = await standing();
    for (const batch of made) expect([batch, rows.get(batch)]).toEqual([batch, 3]);
    for (const [batch, count] of rows) expect([batch, count]).toEqual([batch, 3]);
  }, 120_000);
});
