/**
 * The layers around a process before it is sealed, seen from inside by `inside_probe.ts`. The same probe runs without
 * bubblewrap as the control: what it is allowed there is what a missing layer would allow.
 */
import { dlopen } from "bun:ffi";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InsideReport, InsideTask } from "../testing/inside_probe.ts";
import { layRoot } from "./root.ts";
import { Sandbox } from "./sandbox.ts";
import { outerFilter } from "./seccomp.ts";
import { onlyChild } from "./usage.ts";

const DATA_BYTES = 1024 * 1024 * 1024;
/** A range of its own, so that a server that runs beside the tests is left alone. */
const UIDS = { first: 1_990_000_000, count: 64 };

let folder = "";
let secret = -1;
let loopback: Server;
let abstract: Server;
let task: InsideTask;
let inside: InsideReport;
let outside: InsideReport;
let layers: readonly string[] = [];
let hostUid = 0;

/** The uid of the child of process `pid`, as the host sees it, once there is one. */
async function hostUidOf(pid: number): Promise<number> {
  for (;;) {
    const child = onlyChild(pid);
    const status = child === undefined ? undefined : readFileSync(`/proc/${child}/status`, "utf8");
    if (status !== undefined) return Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Takes close-on-exec from a descriptor, as one has it that the server itself inherited. */
function keepOverExec(descriptor: number): void {
  const libc = dlopen("libc.so.6", { fcntl: { args: ["i32", "i32", "i32"], returns: "i32" } });
  const F_GETFD = 1;
  const F_SETFD = 2;
  libc.symbols.fcntl(descriptor, F_SETFD, 0);
  if (libc.symbols.fcntl(descriptor, F_GETFD, 0) !== 0) throw new Error("Cannot clear close-on-exec");
}

async function listen(server: Server, at: number | string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject);
    server.listen(typeof at === "number" ? { host: "127.0.0.1", port: at } : { path: at }, resolve);
  });
}

function sandbox(isolation: "bubblewrap" | "none", probe: string): Sandbox {
  const root = layRoot({
    directory: join(folder, isolation),
    program: process.execPath,
    files: { "/probe.js": probe },
  });
  const env = { BUN_BE_BUN: "1", TASK: JSON.stringify(task) };
  return new Sandbox({
    root,
    outerFilter: outerFilter(),
    seal: new Uint8Array(0),
    rlimits: [],
    dataBytes: DATA_BYTES,
    env,
    isolation,
    uids: UIDS,
  });
}

async function reportFrom(isolation: "bubblewrap" | "none", probe: string): Promise<InsideReport> {
  const box = sandbox(isolation, probe);
  try {
    const guest = box.start(["/probe.js"], false);
    layers = guest.layers;
    if (isolation === "bubblewrap") hostUid = await hostUidOf(guest.pid);
    const chunks: Uint8Array[] = [];
    await new Promise<void>((end) => guest.read({ data: (chunk) => void chunks.push(chunk), end }));
    const text = Buffer.concat(chunks).toString();
    const { code, stderr } = await guest.exited;
    if (code !== 0) throw new Error(`The probe ended with ${code}: ${stderr}`);
    return JSON.parse(text) as InsideReport;
  } finally {
    box.close();
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "isopod-layers-"));
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, "secret"), "of another tenant");
  secret = openSync(join(folder, "secret"), "r");
  keepOverExec(secret);
  loopback = createServer((socket) => socket.end());
  await listen(loopback, 0);
  abstract = createServer((socket) => socket.end());
  const abstractName = `isopod-test-${process.pid}`;
  await listen(abstract, `\0${abstractName}`);
  task = { port: (loopback.address() as { port: number }).port, abstractName, hostPid: process.pid };
  const built = await Bun.build({ entrypoints: [join(import.meta.dir, "../testing/inside_probe.ts")], target: "bun" });
  const probe = (await built.outputs[0]?.text()) ?? "";
  inside = await reportFrom("bubblewrap", probe);
  outside = await reportFrom("none", probe);
}, 30_000);

afterAll(() => {
  loopback?.close();
  abstract?.close();
  if (secret >= 0) closeSync(secret);
  rmSync(folder, { recursive: true, force: true });
});

describe("network", () => {
  test("the host's loopback cannot be reached", () => {
    expect([inside.loopback, outside.loopback]).toEqual(["ECONNREFUSED", "allowed"]);
  });
  test("the host's abstract sockets cannot be reached", () => {
    expect(inside.abstractSocket).not.toBe("allowed");
    expect(outside.abstractSocket).toBe("allowed");
  });
  test("the metadata address has no way to it", () => {
    expect(["ENETUNREACH", "ECONNREFUSED"]).toContain(inside.metadata);
  });
});

describe("files", () => {
  test("there are the program's and nothing else", () => {
    expect([inside.passwd, outside.passwd]).toEqual(["ENOENT", "allowed"]);
    expect(
      inside.root.filter((name) => !["lib", "lib64", "usr"].includes(name) && !name.endsWith("filter.bpf")),
    ).toEqual(["dev", "probe.js", "proc", "program", "tmp"]);
  });
  test("nothing can be written", () => {
    for (const [at, result] of Object.entries(inside.writes)) expect([at, result]).not.toEqual([at, "allowed"]);
    expect(outside.writes["/tmp"]).toBe("allowed");
    rmSync(`/tmp/isopod-probe-${outside.status["Pid"]}`);
  });
  test("/proc holds the sandbox's own processes, which is one", () => {
    expect(inside.pids).toEqual([1]);
    expect(outside.pids).toContain(process.pid);
  });
  test("no descriptor of the server is inherited, close-on-exec or not", () => {
    for (const { descriptors } of [inside, outside]) {
      const ours = descriptors.filter((target) => target.includes(folder) && !target.endsWith("/filter.bpf"));
      expect(ours).toEqual([]);
      // Its own three, which are pairs of sockets.
      expect(new Set(descriptors.filter((target) => target.startsWith("socket:"))).size).toBeLessThanOrEqual(3);
    }
  });
});

describe("identity", () => {
  test("the uid inside is one of the sandboxes' and never the host's 0", () => {
    const expected = process.getuid?.() === 0 ? UIDS.first : process.getuid?.();
    expect(hostUid).toBe(expected as number);
    expect(hostUid).not.toBe(0);
    expect(inside.status["Uid"]?.split("\t")).toEqual(["1000", "1000", "1000", "1000"]);
  });
  test("there are no capabilities, and there can be none", () => {
    for (const name of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      expect([name, inside.status[name]]).toEqual([name, "0000000000000000"]);
    expect(outside.status["CapBnd"]).not.toBe("0000000000000000");
    expect([inside.status["NoNewPrivs"], outside.status["NoNewPrivs"]]).toEqual(["1", "0"]);
  });
  test("no user namespace can be made", () => {
    expect([inside.userNamespacesMax, outside.userNamespacesMax]).not.toContain("");
    expect(inside.newUserNamespace).toBe(-1);
  });
  test("the outer filter is in place", () => {
    expect([inside.status["Seccomp"], outside.status["Seccomp"]]).toEqual(["2", "0"]);
  });
  test("every namespace is its own", () => {
    for (const name of ["user", "pid", "ipc", "uts", "net", "mnt"]) {
      const host = readlinkSync(`/proc/self/ns/${name}`);
      expect([name, inside.namespaces[name] === host]).toEqual([name, false]);
      expect([name, outside.namespaces[name] === host]).toEqual([name, true]);
    }
  });
  test("the host's processes cannot be signalled", () => {
    expect(inside.signalsHost).toBe("ESRCH");
  });
  test("environment and host name tell nothing of the server", () => {
    expect(Object.keys(inside.env).toSorted()).toEqual(["BUN_BE_BUN", "PWD", "TASK"]);
    expect(inside.hostname).toBe("isopod");
  });
});

describe("memory", () => {
  test("is bounded by a cgroup, or else by RLIMIT_DATA", () => {
    const [soft, hard] = /^Max data size\s+(\S+)\s+(\S+)/m.exec(inside.limits)?.slice(1) ?? [];
    if (layers.some((layer) => layer.startsWith("cgroup"))) expect([soft, hard]).toEqual(["unlimited", "unlimited"]);
    else expect([soft, hard]).toEqual([String(DATA_BYTES), String(DATA_BYTES)]);
  });
});

describe("refusals", () => {
  test("a range of uids with 0 in it, or of the machine's people", () => {
    const root = layRoot({ directory: join(folder, "uids"), program: process.execPath, files: {} });
    const options = {
      root,
      outerFilter: outerFilter(),
      seal: new Uint8Array(0),
      rlimits: [],
      dataBytes: DATA_BYTES,
      env: {},
      isolation: "bubblewrap",
    } as const;
    for (const first of [0, 1, 999]) {
      if (process.getuid?.() === 0)
        expect(() => new Sandbox({ ...options, uids: { first, count: 10 } })).toThrow("never uid 0");
    }
    root.remove();
  });

  test("a machine without bubblewrap: the error names the package, and no server starts", async () => {
    const command = [
      process.execPath,
      join(import.meta.dir, "../cli/main.ts"),
      "serve",
      "--data",
      join(folder, "data"),
    ];
    const env = { PATH: join(folder, "empty"), HOME: folder };
    const child = Bun.spawn([...command, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], {
      env,
      stdout: "ignore",
      stderr: "pipe",
    });
    const stderr = await new Response(child.stderr).text();
    expect(await child.exited).toBe(1);
    expect(stderr).toContain("bubblewrap is not installed");
    expect(stderr).toMatch(/install\b.*\bbubblewrap/);
  }, 20_000);
});
