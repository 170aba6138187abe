/** Every function of WASI with arguments that nobody would pass: what comes of it is an error's number, or a named fault. */
import { expect, test } from "bun:test";
import { seededRandom } from "../../../../testing/seeded_random.ts";
import { AbiFault, GuestMemory } from "../guest_memory.ts";
import { WASI_SIGNATURES } from "../known_signatures.ts";
import type { FolderNode } from "./files/nodes.ts";
import { mountsOf, readTree } from "./files/tree.ts";
import { isWasiFunction, wasiFunctions } from "./functions.ts";
import { CommandExit, WasiSystem } from "./system.ts";

const CALLS = 30_000;
const TMP_BYTES = 64 * 1024;
/** What a node takes beside its bytes and its name. */
const NODE_BYTES = 512;
const ERRNO_MAX = 76;
/** Not the one that may wait for a quarter of an hour. */
const NAMES = Object.keys(WASI_SIGNATURES).filter((name) => name !== "poll_oneoff");
const TEXTS = [
  "a",
  "b",
  "a/b",
  "a/b/c",
  "..",
  "../a",
  "a/../..",
  "link",
  "a/",
  "/",
  "/tmp/a",
  ".",
  "",
  "tmp/a",
  "file",
  "ä\0",
];
const AT = 4096;
const STEP = 16;

type Call = (...values: (number | bigint)[]) => number;

function world(folders: ReadonlyMap<string, FolderNode>) {
  const memory = new GuestMemory(new WebAssembly.Memory({ initial: 1 }));
  for (const [index, text] of TEXTS.entries()) {
    new Uint8Array(memory.memory.buffer).set(new TextEncoder().encode(text), AT + index * STEP);
  }
  const input = {
    hasBuckets: false,
    args: ["m"],
    variables: { A: "b" },
    stdin: new Uint8Array(100),
    folders,
    stderr() {},
  };
  const system = new WasiSystem({ memory }, input);
  const calls = wasiFunctions(system, NAMES) as unknown as Map<string, Call>;
  return { memory, call: (name: string, ...values: (number | bigint)[]) => calls.get(name)?.(...values) };
}

test("every function that has a signature is there, and the other way round", () => {
  expect(Object.keys(WASI_SIGNATURES).every(isWasiFunction)).toBe(true);
  expect(isWasiFunction("constructor")).toBe(false);
});

test.each([1, 2, 3, 4])(
  "whatever is passed, nothing else comes of it, and all room is found again (seed %i)",
  (seed) => {
    const random = seededRandom(seed);
    const bytes = new TextEncoder().encode("the function's own");
    const folders = mountsOf(
      readTree(
        [
          ["file", bytes.length],
          ["deep/file", 0],
          ["link", "../../etc"],
        ],
        bytes,
      ),
      TMP_BYTES,
    );
    let { call } = world(folders);
    const closeAll = () => {
      for (let fd = 0; fd < 1100; fd += 1) call("fd_close", fd);
    };
    let done = 0;
    const faults = new Set<string>();
    for (let count = 0; count < CALLS; count += 1) {
      const name = random.pick(NAMES);
      const [letters = ""] = WASI_SIGNATURES[name as keyof typeof WASI_SIGNATURES].split(">");
      const text = AT + random.below(TEXTS.length) * STEP;
      const values = [...letters].map((letter) => {
        if (letter === "I")
          return random.pick([0n, 1n, 5n, -1n, 1n << 40n, (1n << 63n) - 1n, 0x3fff_ffffn, 2n ** 64n - 1n]);
        return random.pick([0, 1, 2, 3, 4, 4, 5, 6, 7, text, text, 1, 3, 100, 8192, 65_530, -1, 0x7fff_ffff, 255]);
      });
      try {
        const errno = call(name, ...values);
        if (errno === 0) done += 1;
        expect(Number.isInteger(errno) && (errno as number) >= 0 && (errno as number) <= ERRNO_MAX).toBe(true);
      } catch (error) {
        if (!(error instanceof AbiFault) && !(error instanceof CommandExit)) throw error;
        faults.add(error.constructor.name);
      }
      // Sooner or later everything is closed, and the paths are overwritten.
      if (count % 200 === 0) {
        closeAll();
        call = world(folders).call;
      }
    }
    expect(done).toBeGreaterThan(CALLS / 10);
    expect([...faults].sort()).toEqual(["AbiFault", "CommandExit"]);
    closeAll();
    const tmp = folders.get("/tmp") as FolderNode;
    empty(tmp);
    const again = world(folders);
    new Uint8Array(again.memory.memory.buffer).set(new TextEncoder().encode("x"), 0);
    expect(again.call("path_open", 4, 0, 0, 1, 1, 0x3fff_ffffn, 0n, 0, 100)).toBe(0);
    const left = BigInt(TMP_BYTES - 2 * NODE_BYTES - 2);
    expect(again.call("fd_allocate", 5, 0n, left + 1n)).toBe(51);
    expect(again.call("fd_allocate", 5, 0n, left)).toBe(0);
    const file = folders.get("/")?.get("file");
    const read = new Uint8Array(100);
    expect(file?.type === 4 && new TextDecoder().decode(read.subarray(0, file.read(read, 0)))).toBe(
      "the function's own",
    );
    expect([...(folders.get("/")?.entries() ?? [])].map(([name]) => name)).toEqual(["file", "deep", "link", "tmp"]);
  },
);

function empty(folder: FolderNode): void {
  for (const [name, node] of [...folder.entries()]) {
    if (node.type === 3) empty(node);
    folder.remove(name);
  }
}
