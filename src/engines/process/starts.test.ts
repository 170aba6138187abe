/** Programs that cannot be started: the caller is told what is wrong with the file, and what mends it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { errorOf, type RigFunction, startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";

/** A program of this machine: for another processor, or with a loader that nobody has. */
const PROGRAM = readFileSync("/bin/true");
const FOREIGN = Buffer.from(PROGRAM);
FOREIGN.writeUInt16LE(0xf3f3, 18);
const OTHER_LIBC = Buffer.from(PROGRAM.toString("latin1").replace("/ld-linux", "/ld-nolib"), "latin1");

/** The file, and what is said of it after "Cannot start the program: ". */
const FILES: Readonly<Record<string, readonly [string | Uint8Array, RegExp]>> = {
  crlf: [
    "#!/bin/bash\r\necho\r\n",
    /^the first line of \/var\/task\/bootstrap names "\/bin\/bash\\r", which is not there: save the file with LF line ends$/,
  ],
  gone: [
    "#!/no/such/thing -x\n",
    /^the first line of \/var\/task\/bootstrap names "\/no\/such\/thing", which is not there$/,
  ],
  file: ["#!/etc/hosts\n", /^the first line of \/var\/task\/bootstrap names "\/etc\/hosts", which is not executable$/],
  nobody: ["#!\r\n", /^the first line of \/var\/task\/bootstrap names no interpreter after its #!$/],
  plain: ["echo hi\n", /^\/var\/task\/bootstrap has no #! line and is no program that Linux can execute$/],
  empty: ["", /has no #! line/],
  bom: ["\ufeff#!/bin/sh\n", /begins with a byte order mark before its #! line: save the file as UTF-8 without one$/],
  foreign: [FOREIGN, /^\/var\/task\/bootstrap is no program for this kind of machine \(\w+\)$/],
  libc: [OTHER_LIBC, /^\/var\/task\/bootstrap needs the loader "[^"]*\/ld-nolib[^"]*", which is not there: build it/],
  long: [`#!/${"a".repeat(5000)}\n`, /^the first line of \/var\/task\/bootstrap names "\/a{119}", which is not there$/],
};

const COMMANDS: Readonly<Record<string, readonly [string, RegExp]>> = {
  mode: ["./main.py", /^\/var\/task\/main.py is not executable: chmod \+x makes it so$/],
  missing: ["./none", /^there is no \/var\/task\/none$/],
  unknown: ["no-such-program", /^"no-such-program" is in no folder of PATH$/],
  nearby: ["rt.py", /^"rt.py" is in no folder of PATH: .\/rt.py would be that of \/var\/task$/],
};

let server: TestServer;
beforeAll(async () => {
  const functions: Record<string, RigFunction> = {};
  for (const [name, [bootstrap]] of Object.entries(FILES)) {
    functions[name] = { code: "", files: { bootstrap }, config: 'command = "./bootstrap"' };
  }
  for (const [name, [command]] of Object.entries(COMMANDS)) {
    functions[name] = { code: "print()", config: `command = "${command}"` };
  }
  functions["port"] = { code: "", config: 'dialect = "http"\nenv.PORT = "80a"' };
  server = await startProcesses(functions);
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

test.each(Object.entries({ ...FILES, ...COMMANDS }))("says what is wrong: %s", async (name, [, said]) => {
  const { code, message } = await errorOf(await fetch(`${server.url}/${name}`));
  expect(code).toBe("init_failed");
  expect(message).toStartWith("Cannot start the program: ");
  expect(message.replace("Cannot start the program: ", "")).toMatch(said);
});

test("a place that nobody can listen at is told by its name", async () => {
  const { code, message } = await errorOf(await fetch(`${server.url}/port`));
  expect([code, message]).toEqual([
    "init_failed",
    'Cannot start the program: PORT is "80a": expected a port or the absolute path of a socket',
  ]);
});
