/**
 * Both filters against a real kernel: Bun booted by bubblewrap under the outer one, sealed from inside, then attacked
 * from inside by `seccomp_probe.ts`. A second run without the seal shows which refusals are the seal's.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, closeSync, copyFileSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProbeReport } from "../testing/seccomp_probe.ts";
import { filterArch, outerFilter, sealFilter } from "./seccomp.ts";

const triple = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
const loader = process.arch === "arm64" ? "/lib/ld-linux-aarch64.so.1" : "/lib64/ld-linux-x86-64.so.2";
const libraries = [
  loader,
  ...["libc.so.6", "libpthread.so.0", "libdl.so.2", "libm.so.6"].map((name) => `/lib/${triple}/${name}`),
];

/** A uid without rights, for bubblewrap must not be started by root. */
const asUser = process.getuid?.() === 0 ? { uid: 12345, gid: 12345 } : {};

const NAMESPACES = ["user", "pid", "ipc", "uts", "net"].map((name) => `--unshare-${name}`);
const CONFINED = [
  ...NAMESPACES,
  "--disable-userns",
  "--cap-drop",
  "ALL",
  "--die-with-parent",
  "--new-session",
  "--clearenv",
];

function reasonToSkip(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (!Bun.which("bwrap")) return "bubblewrap is not installed";
  const absent = libraries.find((path) => !existsSync(path));
  if (absent) return `${absent} is absent (not a Debian layout)`;
  const trial = Bun.spawnSync(
    ["bwrap", "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "true"],
    asUser as object,
  );
  return trial.success ? undefined : "user namespaces cannot be made here";
}

const skipped = reasonToSkip();
let folder = "";

async function probe(options: { readonly seal: boolean; readonly asPid1?: boolean }): Promise<ProbeReport> {
  const program = openSync(join(folder, "filter"), "r");
  const binds = libraries.flatMap((path) => ["--ro-bind", path, path]);
  const asPid1 = options.asPid1 ?? true;
  const pid = asPid1 ? 1 : 2;
  const command = [
    ...[
      "bwrap",
      ...CONFINED,
      ...binds,
      "--ro-bind",
      join(folder, "bun"),
      "/bun",
      "--ro-bind",
      join(folder, "guest.js"),
      "/guest.js",
    ],
    ...[
      "--proc",
      "/proc",
      "--dev-bind",
      "/dev/null",
      "/dev/null",
      "--tmpfs",
      "/tmp",
      "--remount-ro",
      "/",
      "--seccomp",
      "3",
    ],
    ...(options.seal ? ["--setenv", "SEAL", sealFilter({ pid }).toBase64()] : []),
    ...(asPid1 ? ["--as-pid-1"] : []),
    ...["/bun", "/guest.js"],
  ];
  const child = Bun.spawn(command, { stdio: ["pipe", "pipe", "pipe", program], ...(asUser as object) });
  closeSync(program);
  const { stdin, stdout, stderr } = child as unknown as {
    stdin: Bun.FileSink;
    stdout: ReadableStream;
    stderr: ReadableStream;
  };
  stdin.write("from stdin");
  await stdin.flush();
  const [output, errors, code] = await Promise.all([
    new Response(stdout).text(),
    new Response(stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`The probe ended with ${code}, signal ${child.signalCode}: ${errors.slice(-2000)}`);
  return JSON.parse(output) as ProbeReport;
}

beforeAll(async () => {
  if (skipped) return;
  folder = mkdtempSync(join(tmpdir(), "isopod-seccomp-"));
  chmodSync(folder, 0o755);
  copyFileSync(process.execPath, join(folder, "bun"));
  chmodSync(join(folder, "bun"), 0o755);
  const built = await Bun.build({ entrypoints: [join(import.meta.dir, "../testing/seccomp_probe.ts")], target: "bun" });
  writeFileSync(join(folder, "guest.js"), (await built.outputs[0]?.text()) ?? "");
  writeFileSync(join(folder, "filter"), outerFilter());
});

afterAll(() => {
  if (folder) rmSync(folder, { recursive: true });
});

/** What is not refused with EPERM by the seal, with the error number. */
const OTHER_ERRORS: Readonly<Record<string, number>> = {
  ...Object.fromEntries(["open", "openat", "openat2", "creat", "newfstatat", "readlink"].map((name) => [name, 13])),
  ...Object.fromEntries(["clone3", "futex pi", "x32 getpid", "unknown"].map((name) => [name, 38])),
  "ioctl tiocsti": 25,
  "madvise mergeable": 22,
};

/** What the probe may do before it is sealed, so that its refusal later is the seal's doing. */
const OPEN_WITHOUT_SEAL = [
  "open",
  "openat",
  "mmap exec",
  "mmap rwx",
  "mmap shared",
  "mprotect exec",
  "mremap",
  "kill",
  "prctl",
  "dup2",
  "uname",
  "sysinfo",
];

describe.skipIf(skipped !== undefined)(`seccomp on a real kernel${skipped ? ` (skipped: ${skipped})` : ""}`, () => {
  test("a sealed guest is refused every way out, on every thread, and goes on working", async () => {
    const report = await probe({ seal: true });
    if (process.env.PRINT) console.log(report);
    expect(report.sealed).toBe(0);
    const expected = Object.fromEntries(Object.keys(report.main).map((label) => [label, OTHER_ERRORS[label] ?? 1]));
    expect(report.main).toEqual(expected);
    expect(report.olderWorker).toEqual(expected);
    expect(Object.entries(report.bun).filter(([, answer]) => answer === "done")).toEqual([]);
    expect(report.works).toEqual({ ...report.works, ...WORKING });
    expect(Object.entries(report.works).filter(([, result]) => String(result).startsWith("failed"))).toEqual([]);
  }, 20_000);

  test("without the seal the outer filter alone leaves files and executable memory, and nothing of the kernel's depths", async () => {
    const report = await probe({ seal: false });
    expect(report.sealed).toBeUndefined();
    expect(OPEN_WITHOUT_SEAL.filter((label) => report.main[label] !== 0 && label in report.main)).toEqual([]);
    const refused = [
      "fork",
      "clone process",
      "clone newuser",
      "unshare",
      "setns",
      "ptrace",
      "process_vm_readv",
      "bpf",
      "perf_event_open",
    ];
    const alsoRefused = [
      "keyctl",
      "add_key",
      "userfaultfd",
      "mount",
      "fsopen",
      "open_by_handle_at",
      "pidfd_getfd",
      "memfd_secret",
    ];
    for (const label of [...refused, ...alsoRefused])
      if (label in report.main) expect([label, report.main[label]]).toEqual([label, 1]);
  }, 20_000);

  test("it works beside bubblewrap's own init too", async () => {
    const report = await probe({ seal: true, asPid1: false });
    expect([report.sealed, report.main.kill, report.works.worker]).toEqual([0, 1, "2,4"]);
  }, 20_000);
});

/** Results that must stand in the report of a sealed guest. */
const WORKING = {
  timer: "fired",
  worker: "2,4",
  manyWorkers: 4,
  wasm: 42,
  wasmMemory: 1001 * 65536,
  digest: 32,
  keys: "private",
  random: 52,
  scrypt: 32,
  gzip: "zip",
  compressionStream: "text",
  intl: "1 janvier 1970",
  garbage: 500 * 1024 * 1024,
  fetchData: "hello",
  fetchBlob: "blob",
  importBlob: 42,
  builtins: 0,
  transpiler: "let a = 1;",
  atomicsWait: "timed-out",
  stdin: "from stdin",
};

test("the architecture of this machine has filters, and another is refused by name", () => {
  expect(["x86_64", "aarch64"]).toContain(filterArch());
  expect(() => filterArch("riscv64")).toThrow('Cannot make seccomp filters for architecture "riscv64"');
});
