/** TCP as programs have it, from a sandbox to real servers on this machine. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { startTcpServer, type TcpServer } from "../../testing/tcp_server.ts";

let echo: TcpServer;
let silent: TcpServer;
let speaker: TcpServer;
let server: TestServer;

const SPOKEN_BYTES = 3_000_000;

beforeAll(async () => {
  [echo, silent, speaker] = await Promise.all([
    startTcpServer((socket) => socket.pipe(socket)),
    startTcpServer((socket) => void socket.resume()),
    startTcpServer((socket) => socket.end(Buffer.alloc(SPOKEN_BYTES, "x"))),
  ]);
  server = await startTestServer({
    config: `
[plans.anonymous]
run = "any"
subrequests = 600
bindings.ECHO = { type = "tcp", allow = ["${echo.address}"] }
bindings.MORE = { type = "tcp", allow = ["127.0.0.1:*", "localhost:${echo.port}"] }
bindings.NAMES = { type = "tcp", allow = ["localhost:*", "*:9"] }
wall_ms = 5000
`,
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await Promise.all([echo, silent, speaker].map((each) => each[Symbol.asyncDispose]()));
});

/** What a handler with `body` answers, as text. */
const run = async (body: string): Promise<string> =>
  (await server.run(`export default async (request, env) => { ${body} }`)).text();

const TALK = `
  const talk = async (socket, text) => {
    const writer = socket.writable.getWriter();
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
    return new Response(socket.readable).text();
  };`;

describe("a connection", () => {
  test("carries bytes both ways, to the one place that is allowed or to the one that is named", async () => {
    const got = await run(`${TALK}
      return Response.json([
        await talk(env.ECHO.connect(), "one"),
        await talk(env.ECHO.connect("${echo.address}"), "two"),
        await talk(env.MORE.connect({ hostname: "localhost", port: ${echo.port} }), "three"),
        env.ECHO.allow,
      ]);`);
    expect(JSON.parse(got)).toEqual(["one", "two", "three", [echo.address]]);
    await echo.empty();
  });

  test("carries megabytes in order, as fast as they are read", async () => {
    const got = await run(`
      const socket = env.MORE.connect("${speaker.address}");
      let bytes = 0;
      for await (const chunk of socket.readable) { if (chunk.some((byte) => byte !== 120)) throw new Error("changed"); bytes += chunk.length; }
      await socket.closed;
      return Response.json(bytes);`);
    expect(got).toBe(String(SPOKEN_BYTES));
  });

  test("is answered while it is still written to", async () => {
    const got = await run(`
      const socket = env.ECHO.connect();
      const [writer, reader] = [socket.writable.getWriter(), socket.readable.getReader()];
      const heard = [];
      for (const word of ["a", "b", "c"]) {
        await writer.write(new TextEncoder().encode(word));
        heard.push(new TextDecoder().decode((await reader.read()).value));
      }
      await socket.close();
      return Response.json(heard);`);
    expect(JSON.parse(got)).toEqual(["a", "b", "c"]);
    await echo.empty();
  });

  test("is closed with its invocation, whatever the program has left open", async () => {
    expect(await run(`await env.MORE.connect("${silent.address}").opened; return new Response("left");`)).toBe("left");
    await silent.empty();
  });

  test("to a server that never answers waits until the invocation's limit", async () => {
    const got = await server.run(
      `export default async (r, env) => { for await (const c of env.MORE.connect("${silent.address}").readable) break; return new Response(); }`,
      { headers: { "content-type": "application/typescript" } },
    );
    expect([got.status, ((await got.json()) as { error: { code: string } }).error.code]).toEqual([504, "wall_limit"]);
    await silent.empty();
  }, 15_000);

  test("is one of hundreds", async () => {
    const got = await run(`${TALK}
      const all = await Promise.all(Array.from({ length: 200 }, (_, at) => talk(env.ECHO.connect(), "number " + at)));
      return Response.json(all.every((text, at) => text === "number " + at));`);
    expect(got).toBe("true");
    await echo.empty();
  });
});

describe("what is refused", () => {
  const codeOf = (expression: string) =>
    run(
      `try { await (${expression}).opened; return new Response("connected"); } catch (error) { return new Response(error.code + ": " + error.message); }`,
    );

  test("a place that is not on the list, by port and by host", async () => {
    expect(await codeOf(`env.ECHO.connect("${silent.address}")`)).toStartWith("egress_denied: Cannot connect to 127.");
    expect(await codeOf(`env.ECHO.connect("localhost:${echo.port}")`)).toStartWith("egress_denied");
    expect(await codeOf(`env.ECHO.connect("[::1]:${echo.port}")`)).toStartWith("egress_denied");
  });

  test("a name whose address is not public, where no entry names the address", async () => {
    expect(await codeOf(`env.NAMES.connect("127.0.0.1:9")`)).toStartWith("egress_denied");
    expect(await codeOf(`env.NAMES.connect("0.0.0.0:9")`)).toStartWith("egress_denied");
    expect(await codeOf(`env.NAMES.connect("2130706433:9")`)).toMatch(/^egress_(denied|failed)/);
    expect(await codeOf(`env.NAMES.connect("[::ffff:127.0.0.1]:9")`)).toStartWith("egress_denied");
  });

  test("what is no place", async () => {
    for (const text of [
      "",
      "host",
      ":1",
      "host:0",
      "host:65536",
      "host:1:2",
      "a b:1",
      "http://host:1",
      "[::1:2",
      "x@y:1",
    ]) {
      expect(await codeOf(`env.MORE.connect(${JSON.stringify(text)})`)).toStartWith(
        "bad_request: Cannot connect: expected",
      );
    }
    expect(await codeOf(`env.MORE.connect("${"a".repeat(300)}:1")`)).toStartWith("bad_request");
  });

  test("a port where nobody listens", async () => {
    expect(await codeOf(`env.MORE.connect("127.0.0.1:1")`)).toMatch(/^egress_failed: .*refused/);
  });

  test("to read what was never connected", async () => {
    const got = await run(`
      const socket = env.ECHO.connect("127.0.0.1:1");
      const all = await Promise.allSettled([socket.opened, socket.closed, socket.readable.getReader().read()]);
      return Response.json(all.map(({ status }) => status));`);
    expect(JSON.parse(got)).toEqual(Array(3).fill("rejected"));
  });

  test("more connections than the plan has requests", async () => {
    const got = await run(`
      for (let count = 0; count < 700; count += 1) await env.ECHO.connect().close();
      await Promise.all(Array.from({ length: 700 }, () => env.ECHO.connect().opened));
      return new Response("all");`);
    expect(got).toContain("subrequest_limit");
    await echo.empty();
  });
});
