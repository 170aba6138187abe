/** A database server that is somebody else's, and lies: it ends its own connection, and learns nothing but its own URL. */
import { afterAll, expect, test } from "bun:test";
import type { Socket } from "node:net";
import type { IsopodError } from "../../../core/errors.ts";
import { codeOf, PostgresRig } from "../../../testing/postgres_rig.ts";
import { startRawServer } from "../../../testing/raw_server.ts";
import { seededRandom } from "../../../testing/seeded_random.ts";

const rig = new PostgresRig(() => "");
afterAll(() => rig[Symbol.asyncDispose]());

/** A message of the server. */
function message(type: string, body: Uint8Array | string = "", length?: number): Buffer {
  const bytes = Buffer.from(body as string);
  const header = Buffer.alloc(5);
  header.write(type, "latin1");
  header.writeInt32BE(length ?? bytes.length + 4, 1);
  return Buffer.concat([header, bytes]);
}

const READY = message("Z", "I");
const WELCOME = Buffer.concat([message("R", Buffer.alloc(4)), message("K", Buffer.alloc(8)), READY]);
const DONE = Buffer.concat([message("C", "BEGIN\0"), READY]);

/** Serves connections that are let in, and whose every statement but ours is answered by `answer`. */
async function lie(answer: (socket: Socket) => void, workMs = 1000): Promise<{ code: string; tookMs: number }> {
  const welcomed = new WeakSet<Socket>();
  const server = await startRawServer((socket, request) => {
    if (!welcomed.has(socket)) {
      welcomed.add(socket);
      socket.write(WELCOME);
    } else if (/^Q[\s\S]{4}(BEGIN|ROLLBACK|COMMIT|DISCARD)/.test(request)) socket.write(DONE);
    else answer(socket);
  });
  try {
    const since = performance.now();
    const url = `postgres://u:p@127.0.0.1:${server.port}/d`;
    const code = await codeOf(rig.query("SELECT 1", [], { url, workMs }));
    const tookMs = performance.now() - since;
    return { code, tookMs };
  } finally {
    await server.close();
  }
}

const row = (columns: number, ...rest: readonly Uint8Array[]) => {
  const count = Buffer.alloc(2);
  count.writeInt16BE(columns);
  return message("D", Buffer.concat([count, ...rest]));
};
const begun = Buffer.concat([message("1"), message("2")]);

test("a message that makes no sense ends its connection, and nothing else", async () => {
  const lies: readonly Buffer[] = [
    message("D", Buffer.from([0xff, 0xf0])),
    row(1, Buffer.from([0x7f, 0xff, 0xff, 0xff])),
    row(1, Buffer.from([0x80, 0, 0, 0])),
    row(32767),
    message("s"),
    message("T", Buffer.from([0x7f, 0xff])),
    message("G", Buffer.alloc(3)),
    message("H", Buffer.alloc(3)),
    message("d", "data"),
    message("I"),
    message("R", Buffer.from([0, 0, 0, 3])),
    message("R", Buffer.from([0, 0, 0, 11])),
    ...["E", "N"].flatMap((type) =>
      ["no fields at all", "", "S", "S\0", "SFATAL\0C"].map((body) => message(type, body)),
    ),
    message("\0", ""),
    message("D", "", 3),
    message("D", "", -1),
    message("D", "", 0x7fffffff),
    Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
    READY,
    Buffer.concat([READY, READY, DONE, DONE]),
  ];
  for (const each of lies) {
    for (const first of [Buffer.alloc(0), begun]) {
      const { code } = await lie((socket) => socket.write(Buffer.concat([first, each])), 150);
      expect([
        each.toString("hex"),
        ["none", "database_ended", "database_lost", "sql_error", "sql_timeout", "result_too_large"].includes(code),
      ]).toEqual([each.toString("hex"), true]);
    }
  }
});

test("garbage of any kind, in any pieces, does the same", async () => {
  const random = seededRandom(7);
  const types = "RKZCDTENAGHdIs123ntS";
  for (let round = 0; round < 60; round += 1) {
    const { code } = await lie((socket) => {
      for (let count = 0; count < 20; count += 1) {
        const body = random.bytes(random.below(40));
        const whole = message(random.pick([...types]), body);
        const cut = random.below(whole.length);
        socket.write(whole.subarray(0, cut));
        socket.write(whole.subarray(cut));
      }
    }, 50);
    expect(code).not.toMatch(/internal|no IsopodError/);
  }
});

test("what never ends is ended: rows, notices, silence, and half a connection", async () => {
  const flooded = new WeakSet<Socket>();
  const flood = (bytes: Buffer) => (socket: Socket) => {
    if (flooded.has(socket)) return;
    flooded.add(socket);
    const more = () => {
      while (!socket.destroyed && socket.write(bytes));
    };
    socket.on("drain", more);
    more();
  };
  const notices = Buffer.concat(Array(1000).fill(message("N", "SNOTICE\0C00000\0Mhello\0\0")) as Buffer[]);
  expect((await lie(flood(notices), 15_000)).code).toBe("result_too_large");
  const passwords = Buffer.concat(Array(1000).fill(message("R", Buffer.from([0, 0, 0, 3]))) as Buffer[]);
  expect(["result_too_large", "sql_timeout"]).toContain((await lie(flood(passwords), 500)).code);
  const before = process.memoryUsage().rss;
  const endless = await lie((socket) => socket.write(message("D", Buffer.alloc(1 << 20), 0x3fffffff)), 15_000);
  expect(endless.code).toBe("result_too_large");
  expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024);
  const silent = await lie(() => {}, 200);
  expect([silent.code, silent.tookMs < 1500]).toEqual(["sql_timeout", true]);
  expect((await lie((socket) => socket.end(), 2000)).code).toBe("database_lost");
  expect((await lie((socket) => socket.destroy(), 2000)).code).toBe("database_lost");
  const slow = await lie((socket) => {
    const one = message("N", "SNOTICE\0\0");
    let at = 0;
    const timer = setInterval(() => socket.write(one.subarray(at % one.length, ++at % one.length || undefined)), 10);
    socket.on("close", () => clearInterval(timer));
  }, 200);
  expect([slow.code, slow.tookMs < 1500]).toEqual(["sql_timeout", true]);
});

test("who never lets in, or asks without end, holds nobody up", async () => {
  for (const first of [
    Buffer.alloc(0),
    Buffer.concat(Array(100_000).fill(message("R", Buffer.from([0, 0, 0, 3]))) as Buffer[]),
    Buffer.concat(Array(20_000).fill(message("S", "name\0value\0")) as Buffer[]),
    message("R", Buffer.from([0, 0, 0, 10]), 0x3fffffff),
    message("E", "SFATAL\0C28P01\0Mpassword authentication failed for user u at 127.0.0.1\0\0"),
    Buffer.from("S"),
  ]) {
    const server = await startRawServer((socket) => void socket.write(first));
    const url = `postgres://u:hunter2@127.0.0.1:${server.port}/d`;
    const error = (await rig.query("SELECT 1", [], { url, workMs: 150 }).catch((thrown) => thrown)) as IsopodError;
    expect(["binding_failed", "sql_timeout"]).toContain(error.code);
    expect(JSON.stringify([error.message, error.details])).not.toMatch(/hunter2|127\.0\.0\.1|password auth/);
    await server.gone();
    await server.close();
  }
});

test("it learns its own URL, and nothing that the operator has set for others", async () => {
  const variables = { PGPASSWORD: "the operator's", PGUSER: "the operator", PGOPTIONS: "-c a=b", PGAPPNAME: "x" };
  const more = { PGREPLICATION: "database", PGSSLMODE: "no-verify", PGCLIENT_ENCODING: "latin1", PGDATABASE: "theirs" };
  const before = { ...process.env };
  Object.assign(process.env, variables, more);
  try {
    let heard = "";
    const server = await startRawServer((socket, request) => {
      heard += request;
      // Once the password has come, too, there is nothing left to hear.
      if (request.startsWith("p")) socket.end();
      else socket.write(message("R", Buffer.from([0, 0, 0, 3])));
    });
    const at = `127.0.0.1:${server.port}`;
    await codeOf(rig.query("SELECT 1", [], { url: `postgres://u@${at}`, workMs: 10_000 }));
    await server.close();
    expect(heard.slice(8)).toStartWith("user\0u\0database\0u\0application_name\0isopod\0client_encoding\0UTF8\0\0p");
    expect(heard).not.toMatch(/operator|a=b|theirs|latin1/);
    expect(await codeOf(rig.query("SELECT 1", [], { url: `postgres://${at}/d` }))).toBe("binding_failed");
  } finally {
    for (const name of Object.keys({ ...variables, ...more })) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
});
