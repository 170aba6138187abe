/**
 * What a program may use after the seal: the second half of `seccomp_probe.ts`, one small use of each part of the
 * platform. The results that these must have stand in `seccomp_live.test.ts`.
 */

function blobUrl(source: string): string {
  return URL.createObjectURL(new Blob([source], { type: "application/javascript" }));
}

/** The first message of a Worker, or the error that ended it. */
export function firstMessage(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.onmessage = (event) => resolve(event.data);
    worker.onerror = (event) => reject(new Error(event.message));
  });
}

const WASM = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 6, 1, 4, 0, 65, 42, 11,
];

function hotLoop(): number {
  let sum = 0;
  for (let i = 0; i < 3e6; i++) sum = (sum + (i % 7)) | 0;
  return sum;
}

async function churn(): Promise<number> {
  let bytes = 0;
  while (bytes < 500 * 1024 * 1024) {
    bytes += new Uint8Array(1024 * 1024).fill(1).length;
    for (let i = 0; i < 1000; i++) void { i, text: `object ${i}` };
    if (bytes % (64 * 1024 * 1024) === 0) Bun.gc(true);
  }
  return bytes;
}

/** The uses, by name; each answers with a value that JSON can carry, or throws. */
export const WORKS: Readonly<Record<string, () => unknown>> = {
  jit: hotLoop,
  timer: () => new Promise((resolve) => setTimeout(() => resolve("fired"), 2)),
  worker: async () => {
    const worker = new Worker(blobUrl("postMessage([1, 2].map((n) => n * 2).join())"));
    const message = await firstMessage(worker);
    worker.terminate();
    return message;
  },
  manyWorkers: async () => {
    const workers = [1, 2, 3, 4].map(() => new Worker(blobUrl("postMessage(1)")));
    const sum = (await Promise.all(workers.map(firstMessage))).length;
    for (const worker of workers) worker.terminate();
    return sum;
  },
  wasm: async () => {
    const { instance } = await WebAssembly.instantiate(new Uint8Array(WASM));
    return (instance.exports.f as () => number)();
  },
  wasmMemory: () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 2000 });
    memory.grow(1000);
    return memory.buffer.byteLength;
  },
  sharedMemory: () =>
    new WebAssembly.Memory({ initial: 1, maximum: 10, shared: true }).buffer.byteLength +
    new SharedArrayBuffer(65536).byteLength,
  digest: async () => new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(100))).length,
  keys: async () =>
    (await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign"])).privateKey.type,
  random: () => crypto.getRandomValues(new Uint8Array(16)).length + crypto.randomUUID().length,
  scrypt: async () => {
    const { scrypt } = await import("node:crypto");
    return new Promise((resolve, reject) =>
      scrypt("a", "b", 32, (error, key) => (error ? reject(error) : resolve(key.length))),
    );
  },
  gzip: () => new TextDecoder().decode(Bun.gunzipSync(Bun.gzipSync(new TextEncoder().encode("zip")))),
  compressionStream: async () => {
    const stream = new Blob(["text"])
      .stream()
      .pipeThrough(new CompressionStream("gzip"))
      .pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  },
  intl: () => new Intl.DateTimeFormat("fr", { timeZone: "Asia/Tokyo", dateStyle: "long" }).format(0),
  localDate: () => new Date(0).toLocaleString("de"),
  garbage: churn,
  fetchData: async () => (await fetch("data:text/plain,hello")).text(),
  fetchBlob: async () => (await fetch(blobUrl("blob"))).text(),
  importBlob: async () => (await import(blobUrl("export default 6 * 7"))).default,
  builtins: async () => {
    const names = [
      "assert",
      "async_hooks",
      "buffer",
      "child_process",
      "crypto",
      "dns",
      "events",
      "fs",
      "http",
      "net",
      "os",
      "path",
      "perf_hooks",
      "stream",
      "timers",
      "tls",
      "url",
      "util",
      "vm",
      "worker_threads",
      "zlib",
    ];
    const modules = await Promise.all(names.map((name) => import(`node:${name}`)));
    return modules.length - names.length;
  },
  os: async () => {
    const os = await import("node:os");
    return [typeof os.cpus().length, typeof os.EOL].join();
  },
  usage: () => typeof process.cpuUsage().user,
  transpiler: () => new Bun.Transpiler({ loader: "ts" }).transformSync("let a: number = 1").trim(),
  console: () => console.error("stderr works"),
  processStdout: () => typeof process.stdout.write,
  atomicsWait: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2),
  stdin: async () => {
    for await (const chunk of Bun.stdin.stream()) return new TextDecoder().decode(chunk);
    return "ended";
  },
};
