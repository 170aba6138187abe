/**
 * The section `wasm`: hello by each ABI against a script's, what making an instance costs, and one instance whose invocations
 * all wait for a slow backend. An ABI joins by its entry in `HELLOS`.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import wabt from "wabt";
import { goal, type Pace, type Section, wrongAnswers } from "./hello.ts";
import { startIsopod } from "./isopod.ts";
import type { Peer } from "./peer.ts";
import { figure, table } from "./report.ts";
import { type Measurement, medianOf, runLoad } from "./run_load.ts";

const SECONDS = 2.5;
const WARM_UP_SECONDS = 2;
const CONNECTIONS = 32;
const WAITING = 200;
/** Long enough that what 200 connections cost does not count: 400 answers a second at the most. */
const BACKEND_MS = 500;
const WAITING_SECONDS = 5;
const INSTANCES = 5000;

const sample = (name: string): Uint8Array => readFileSync(join(import.meta.dir, "..", "examples", "wasm", name));

/** Answers hello world as a command of WASI, and does nothing else. */
const COMMAND = `(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\\10\\00\\00\\00\\25\\00\\00\\00")
  (data (i32.const 16) "Content-Type: text/plain\\n\\nhello world")
  (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))`;

interface Hello {
  readonly name: string;
  /** In the function's table. */
  readonly lines: string;
  readonly file: string;
  content(): string | Uint8Array | Promise<Uint8Array>;
}

const SCRIPT = "script";
const HANDLE = "handle";
const HELLOS: readonly Hello[] = [
  {
    ...{ name: SCRIPT, lines: "", file: "hello.ts" },
    content: () => 'export default { fetch: () => new Response("hello world") };',
  },
  { name: HANDLE, lines: 'export = "hello"', file: "hello.wasm", content: () => sample("hello.wasm") },
  { name: "WASI command", lines: "", file: "command.wasm", content: () => assemble(COMMAND) },
];

async function assemble(text: string): Promise<Uint8Array> {
  const { parseWat } = await wabt();
  return Uint8Array.from(parseWat("command.wat", text).toBinary({}).buffer);
}

/** Measures the ABIs in turn, several times over, then instances and waiting. */
export async function measureWasm({ rounds, scale }: Pace): Promise<Section> {
  await using stack = new AsyncDisposableStack();
  const peers: Peer[] = [];
  for (const { name, lines, file, content } of HELLOS) {
    const config = `[plans.anonymous]\nrun = "none"\nconcurrency = 10000\n[[functions]]\nname = "hello"\npath = "./${file}"\nroutes = ["GET /hello"]\n${lines}\n`;
    peers.push(stack.use(await startIsopod({ name, config, files: { [file]: await content() } })));
  }
  const load = { path: "/hello", expect: "hello world", connections: CONNECTIONS };
  for (const peer of peers) await runLoad(peer, { ...load, seconds: WARM_UP_SECONDS * scale });
  const found = new Map<string, Measurement[]>();
  for (let round = 0; round < rounds; round++) {
    for (const peer of peers) {
      const measured = await runLoad(peer, { ...load, seconds: SECONDS * scale });
      found.set(peer.name, [...(found.get(peer.name) ?? []), measured]);
    }
  }
  const hellos = new Map([...found].map(([name, all]) => [name, medianOf(all)]));
  const waiting = await measureWaiting(BACKEND_MS);
  const prompt = await measureWaiting(0);
  const instanceUs = await measureInstances();
  return report(hellos, waiting, prompt, instanceUs);
}

/** 200 at a time in one instance, each of which waits for its backend's answer, that takes so long. */
async function measureWaiting(backendMs: number): Promise<Measurement> {
  const backend = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => setTimeout(() => socket.end("at last"), backendMs));
  });
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
  const { port } = backend.address() as { readonly port: number };
  const address = `127.0.0.1:${port}`;
  const config = `[plans.anonymous]\nrun = "none"\nconcurrency = 10000\n[[functions]]\nname = "waits"\npath = "./backend.wasm"\nroutes = ["GET /waits"]\ninstances = 1\nlimits = { concurrency = 1000 }\nenv = { "/env/backend" = "${address}" }\nbindings = { TCP = { type = "tcp", allow = ["${address}"] } }\n`;
  try {
    await using isopod = await startIsopod({ config, files: { "backend.wasm": sample("backend.wasm") } });
    const load = { path: "/waits", expect: "at last", connections: WAITING };
    await runLoad(isopod, { ...load, seconds: 2 * WARM_UP_SECONDS });
    return await runLoad(isopod, { ...load, seconds: WAITING_SECONDS });
  } finally {
    backend.close();
  }
}

/** What an instance of the smallest module costs in a sealed guest, memory included, as its own clock sees it: p50 in µs. */
async function measureInstances(): Promise<number> {
  const bytes = Buffer.from(sample("hello.wasm")).toString("base64");
  const code = `
    const module = new WebAssembly.Module(Uint8Array.fromBase64("${bytes}"));
    const memory = new WebAssembly.Memory({ initial: 1 });
    const env = Object.fromEntries(WebAssembly.Module.imports(module).map(({ name }) => [name, () => {}]));
    const times = [];
    export default async () => {
      for (let at = 0; at < ${INSTANCES}; at++) {
        const begun = Bun.nanoseconds();
        new WebAssembly.Instance(module, { env: { ...env, memory } }).exports.hello();
        times.push(Bun.nanoseconds() - begun);
      }
      return Response.json(times.sort((a, b) => a - b)[times.length >> 1] / 1000);
    };`;
  const config =
    '[[functions]]\nname = "f"\npath = "./f.js"\nroutes = ["GET /f"]\nlimits = { cpu_ms = 60000, wall_ms = 60000 }\n';
  await using isopod = await startIsopod({ config, files: { "f.js": code } });
  return (await (await fetch(`http://127.0.0.1:${isopod.port}/f`)).json()) as number;
}

function report(
  hellos: ReadonlyMap<string, Measurement>,
  waiting: Measurement,
  prompt: Measurement,
  instanceUs: number,
): Section {
  const rate = (name: string) => hellos.get(name)?.perSecond ?? Number.NaN;
  const rows = [...hellos].map(([name, { perSecond, p50Ms, p99Ms, serverUs, instanceUs: own }]) => {
    return [name, ...[perSecond, p50Ms, p99Ms, serverUs, own, perSecond / rate(SCRIPT)].map(figure)];
  });
  // What nobody's waiting takes away: all of them at once, or else what the machine can do of such requests.
  const most = Math.min((WAITING * 1000) / BACKEND_MS, prompt.perSecond);
  const more = [
    ["an instance of hello.wasm, made and called, p50", `${figure(instanceUs)} µs`],
    [`${WAITING} at a time that wait ${BACKEND_MS} ms, one instance`, `${figure(waiting.perSecond)} a second`],
    ["the same with a backend that answers at once", `${figure(prompt.perSecond)} a second`],
    ["waiting, p50", `${figure(waiting.p50Ms)} ms`],
    [
      "waiting, processor time of the server and of the instance",
      `${figure(waiting.serverUs)} and ${figure(waiting.instanceUs)} µs`,
    ],
  ];
  const head = ["hello of a fresh instance", "req/s", "p50 ms", "p99 ms", "server µs", "instance µs", "× script"];
  return {
    text: `${table([head, ...rows])}\n\n${table([["modules", "figure"], ...more])}`,
    goals: [
      goal("warm hello of a module by `handle` against that of a script", rate(HANDLE) / rate(SCRIPT), 0.5),
      goal(`${WAITING} that wait in one instance, against none that waits for another`, waiting.perSecond / most, 0.8),
    ],
    figures: { ...Object.fromEntries(hellos), waiting, prompt, instanceUs },
    failures: wrongAnswers(new Map([...hellos, ["waiting", waiting], ["prompt", prompt]])),
  };
}
