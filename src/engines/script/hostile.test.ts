/**
 * Programs that turn on their own guest by native calls: its descriptors, its channel, its memory. Each may end its own
 * instance and nothing else; beside each, a stream of another program goes on, and the next program finds all well.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { zygotes } from "../../testing/children.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const arm = process.arch === "arm64";
const CALL = arm
  ? { read: 63, write: 64, close: 57, kill: 129, exit: 94, munmap: 215, sendto: 206 }
  : { read: 0, write: 1, close: 3, kill: 62, exit: 231, munmap: 11, sendto: 44 };

const NATIVE = `import { dlopen, ptr } from "bun:ffi";
const { syscall } = dlopen("libc.so.6", { syscall: { args: Array(7).fill("u64_fast"), returns: "i64_fast" } }).symbols;
const call = (nr, ...args) => Number(syscall(nr, ...[...args, 0, 0, 0, 0, 0, 0].slice(0, 6)));
`;

/** What each program does to itself. */
const HOSTILE: Readonly<Record<string, string>> = {
  "writes garbage over its channel": `const junk = crypto.getRandomValues(new Uint8Array(4096));
    for (let fd = 0; fd < 16; fd++) call(${CALL.write}, fd, ptr(junk), junk.length);`,
  "writes frames that claim gigabytes": `const head = new Uint8Array([255, 255, 255, 255, 5, 1, 0, 0, 0]);
    for (let fd = 0; fd < 16; fd++) call(${CALL.write}, fd, ptr(head), head.length);`,
  "answers streams that nobody opened": `const frame = new Uint8Array([0, 0, 0, 0, 6, 255, 255, 0, 0]);
    for (let fd = 0; fd < 16; fd++) call(${CALL.write}, fd, ptr(frame), frame.length);`,
  "sends half a frame and waits": `const part = new Uint8Array([64, 0, 0, 0, 5, 1, 0]);
    call(${CALL.write}, 0, ptr(part), part.length); await new Promise(() => setTimeout(() => {}, 60_000));`,
  "closes every descriptor": `for (let fd = 0; fd < 64; fd++) call(${CALL.close}, fd);`,
  "reads what the host says to its guest": `const buffer = new Uint8Array(65536); call(${CALL.read}, 0, ptr(buffer), buffer.length);`,
  "signals everybody": `for (const pid of [0xffffffff, 0, 1, 2, 3]) call(${CALL.kill}, pid, 9); console.log("still here");`,
  "pulls its memory from under itself": `const held = new Uint8Array(1 << 20); call(${CALL.munmap}, ptr(held) & ~4095, 1 << 20); held.fill(1);`,
  "ends without a word": `call(${CALL.exit}, 0);`,
  "floods standard error": `const text = new Uint8Array(65536).fill(65); for (;;) call(${CALL.write}, 2, ptr(text), text.length);`,
};

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    prewarmed: 3,
    config: '[plans.anonymous]\nrun = "any"\nwall_ms = 1500\n',
  });
});
afterAll(() => server[Symbol.asyncDispose]());

for (const [what, code] of Object.entries(HOSTILE)) {
  test(`a program that ${what} costs nobody else anything`, async () => {
    const before = zygotes();
    const ticks = server.run("for (let i = 0; i < 10; i++) { console.log(i); await Bun.sleep(20); }");
    const hostile = await server.run(`${NATIVE}\n${code}`);
    // Cut off, refused or complete: what counts is that it is over.
    await hostile.text().catch(() => "");
    expect(await (await ticks).text()).toBe("0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    expect(await (await server.run("console.log('well')")).text()).toBe("well\n");
    expect(zygotes()).toEqual(before);
  }, 20_000);
}
