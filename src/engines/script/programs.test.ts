/** What a program finds around it and how it may end: input, console, process, timers, errors; through a real server. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { recordOf } from "../../testing/records.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const LIVES = `
let calls = 0;
export default {
  async fetch(request, env, ctx) {
    calls += 1;
    const { pathname } = new URL(request.url);
    if (pathname === "/throw") throw new Error("handler");
    if (pathname === "/evil") throw new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 2; } });
    if (pathname === "/later") { Promise.reject(new Error("nobody waits")); setTimeout(() => { throw new Error("a timer"); }, 1); }
    if (pathname === "/exit") process.exit(4);
    return Response.json({ calls, fn: ctx.function?.name, id: ctx.requestId, ahead: ctx.deadline - Date.now(), params: ctx.params, args: ctx.args ?? null });
  },
};`;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    prewarmed: 2,
    files: { "lives.ts": LIVES },
    config: `[[functions]]\nname = "lives"\npath = "./lives.ts"\nroutes = ["GET /:what"]\nlimits = { wall_ms = 8000 }\n`,
  });
});
afterAll(() => server[Symbol.asyncDispose]());

/** Runs a script and gives what it wrote. */
async function output(script: string, input?: string): Promise<string> {
  const body = JSON.stringify({ code: script, ...(input !== undefined && { input }) });
  const got = await server.run(body, { headers: { "content-type": "application/json" } });
  return got.text();
}

const failure = async (script: string) =>
  ((await (await server.run(script)).json()) as { error: Record<string, unknown> }).error;

describe("input", () => {
  const readers: Record<string, string> = {
    "Deno.stdin.readable": `let n = ""; for await (const chunk of Deno.stdin.readable) n += new TextDecoder().decode(chunk); console.log(n)`,
    "Bun.stdin.text()": `console.log(await Bun.stdin.text())`,
    "Bun.stdin.stream()": `console.log(await new Response(Bun.stdin.stream()).text())`,
    "process.stdin as an iterable": `const all = []; for await (const chunk of process.stdin) all.push(chunk); console.log(Buffer.concat(all).toString())`,
    "process.stdin by events": `let n = ""; process.stdin.setEncoding("utf8"); process.stdin.on("data", (text) => { n += text; }).on("end", () => console.log(n))`,
  };
  test.each(Object.entries(readers))(
    "%s is what the caller sent, and is empty when nothing was",
    async (_name, script) => {
      expect(await output(script, "ünput ✓")).toBe("ünput ✓\n");
      expect(await output(script)).toBe("\n");
    },
  );

  test("input of megabytes arrives whole, and a script that does not read it ends all the same", async () => {
    const long = "i".repeat(3_000_000);
    expect(await output(`console.log((await Bun.stdin.text()).length)`, long)).toBe("3000000\n");
    expect(await output(`console.log("not read")`, long)).toBe("not read\n");
  });
});

describe("a request", () => {
  const send = async (handler: string, body: string) => {
    const form = new FormData();
    form.append("code", `export default ${handler}`);
    form.append("input", new Blob([body]));
    return (await server.run("", { body: form })).json();
  };

  test("gives its body in every form, once", async () => {
    expect(await send(`async (r) => [await r.text(), r.bodyUsed]`, "text")).toEqual(["text", true]);
    expect(await send(`async (r) => (await r.json()).a`, '{"a":5}')).toBe(5);
    expect(await send(`async (r) => new Uint8Array(await r.arrayBuffer()).length`, "x".repeat(500_000))).toBe(500_000);
    expect(
      await send(
        `async (r) => { let n = 0; for await (const c of r.body) n += c.length; return n; }`,
        "x".repeat(900_000),
      ),
    ).toBe(900_000);
    expect(
      await send(`async (r) => { const c = r.clone(); return [await r.text(), await c.text()]; }`, "twice"),
    ).toEqual(["twice", "twice"]);
    expect(
      await send(`async (r) => { await r.text(); return r.text().then(() => "again", (e) => e.name); }`, "once"),
    ).toBe("TypeError");
  });

  test("has a signal that has not fired", async () => {
    const got = await server.run(
      `export default (r) => [r.signal instanceof AbortSignal, r.signal.aborted, r.signal === r.signal, r.method]`,
    );
    expect(await got.json()).toEqual([true, false, true, "POST"]);
  });
});

describe("around a script", () => {
  test("memory figures, arguments, a folder and the platform's facades", async () => {
    const script = `
      const m = process.memoryUsage();
      console.log([m.rss, m.heapTotal, m.heapUsed, m.external, m.arrayBuffers, process.memoryUsage.rss()].every((n) => Number.isInteger(n) && n >= 0) && m.rss > 1e6);
      console.log(process.cwd(), process.argv.slice(2).join(), Deno.args.join(), process.stdout.isTTY, Deno.build.os);
      process.stdout.write("a"); process.stdout.write(new Uint8Array([98, 10]), () => {}); Deno.stdout.writeSync(new TextEncoder().encode("c\\n"));`;
    const body = JSON.stringify({ code: script, args: ["x", 2] });
    const got = await server.run(body, { headers: { "content-type": "application/json" } });
    expect(await got.text()).toBe("true\n/ x,2 x,2 false linux\nab\nc\n");
  });

  test("the console formats as it does elsewhere", async () => {
    const script = `
      console.log("%s is %d, %i, %f, %j %o%%", "a", "1.5", "2.9", "3.5x", { b: 1 }, "o", "rest", 5n);
      console.log({ a: 1 }, [undefined], null, undefined, Symbol("s"), 1n, "%d");
      console.group("outer"); console.log("in\\nside"); console.group(); console.log("deeper"); console.groupEnd(); console.groupEnd(); console.log("out");
      console.count(); console.count(); console.countReset(); console.count(); console.info("%c styled", "color: red"); console.log(); console.log("100%");`;
    expect(await output(script)).toBe(
      [
        'a is 1.5, 2, 3.5, {"b":1} o% rest 5n',
        "{\n  a: 1,\n} [ undefined ] null undefined Symbol(s) 1n %d",
        "outer\n  in\n  side\n    deeper\nout",
        "default: 1\ndefault: 2\ndefault: 1\n styled\n\n100%\n",
      ].join("\n"),
    );
  });

  test("megabytes of output arrive in order", async () => {
    const text = await output(`for (let i = 0; i < 60_000; i += 1) console.log("line " + i + " " + "x".repeat(60))`);
    const lines = text.trimEnd().split("\n");
    expect([lines.length, lines[59_999]]).toEqual([60_000, `line 59999 ${"x".repeat(60)}`]);
  });
});

describe("the end of a script", () => {
  test("comes when nothing is waited for: timers run out, intervals are cleared, exit and exitCode hold", async () => {
    const timers = `setTimeout(() => console.log("c"), 10); const i = setInterval(() => { console.log("b"); clearInterval(i); }, 1); console.log("a");`;
    expect(await output(timers)).toBe("a\nb\nc\n");
    expect(await output(`console.log("a"); setTimeout(() => console.log("never"), 60_000); process.exit(0);`)).toBe(
      "a\n",
    );
    expect(await output(`setInterval(() => {}, 1); setTimeout(() => { console.log("x"); Deno.exit(); }, 5);`)).toBe(
      "x\n",
    );
    expect(
      await output(`console.log("top"); const r = await fetch("data:text/plain,inner"); console.log(await r.text());`),
    ).toBe("top\ninner\n");
  });

  test.each([
    ["an error of the top level", `throw new Error("top");`, "Error: top", 1],
    [
      "one in a timer",
      `setTimeout(() => { throw new TypeError("tick"); }, 1); await new Promise((r) => setTimeout(r, 3000));`,
      "TypeError: tick",
      1,
    ],
    [
      "a rejection that nobody handles",
      `Promise.reject(new Error("lost"));\nawait new Promise((r) => setTimeout(r, 3000));`,
      "Error: lost",
      1,
    ],
    ["a rejection in its very last turn", `setTimeout(() => Promise.reject(new Error("last")), 1);`, "Error: last", 1],
    ["a value that is no error", `\nthrow { a: 1 };`, "Uncaught {\n  a: 1,\n}", undefined],
    ["an exit code", `process.exit(3);`, "The program exited with code 3", undefined],
    ["a denied request", `await fetch("http://example.org/");`, expect.stringContaining("example.org"), undefined],
  ])("by %s is a failed run that says so", async (_name, script, message, line) => {
    const error = await failure(script);
    expect(error).toMatchObject({ code: "uncaught_exception", message, ...(line !== undefined && { line }) });
  });

  test.each([
    [`throw new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 2; } });`],
    [`const e = new Error("x"); Object.defineProperty(e, "message", { get() { throw 5; } }); throw e;`],
    [`throw new Error("\\u0001".repeat(60_000));`],
    [`throw new Error("\\ud800".repeat(60_000));`],
    [`const e = new Error("x"); e.stack = { toString() { throw 1; } }; throw e;`],
  ])("by what cannot be described is a failed run all the same: %s", async (script) => {
    const error = await failure(script);
    expect(error.code).toBe("uncaught_exception");
    expect(String(error.message).length).toBeLessThan(5000);
  });

  test("a module that exits has not answered", async () => {
    for (const code of [0, 3]) {
      const error = await failure(`export default () => { process.exit(${code}); }`);
      expect(error).toMatchObject({
        code: "uncaught_exception",
        message: `The program exited with code ${code} before it had answered`,
      });
    }
  });

  test("a request that is too long to be passed on fails in the program, which goes on", async () => {
    const script = `
      const tries = [["http://a.b/" + "x".repeat(300_000), {}], ["http://a.b/", { headers: Array.from({ length: 300 }, (_, i) => ["x-" + i, "1"]) }]];
      for (const [url, init] of tries) console.log(await fetch(url, init).catch((error) => error.message));`;
    const message = "Cannot send the request: its address and headers are too many or too long\n";
    expect(await output(script)).toBe(message + message);
  });
});

test("a function outlives what its handlers and timers throw, and not an exit", async () => {
  const get = async (path: string) => fetch(`${server.url}/${path}`);
  const first = (await (await get("ok")).json()) as Record<string, unknown>;
  expect(first).toMatchObject({ calls: 1, fn: "lives", params: { what: "ok" }, args: null });
  expect(first.ahead).toBeWithin(4000, 8001);
  expect(((await (await get("throw")).json()) as { error: object }).error).toMatchObject({
    code: "uncaught_exception",
    message: "Error: handler",
  });
  expect((await get("evil")).status).toBe(500);
  const later = await get("later");
  expect(later.headers.get("isopod-request-id")).toBe(((await later.json()) as { id: string }).id);
  expect(await (await get("ok")).json()).toMatchObject({ calls: 5 });
  expect(((await (await get("exit")).json()) as { error: object }).error).toMatchObject({ code: "program_ended" });
  expect(await (await get("ok")).json()).toMatchObject({ calls: 1 });
});

test("what a Web Worker writes to its console is in the log of the run", async () => {
  const worker = `console.log("from the worker"); console.error("and its errors"); postMessage("done");`;
  const response = await server.run(`
const worker = new Worker(URL.createObjectURL(new Blob([${JSON.stringify(worker)}], { type: "text/javascript" })));
await new Promise((resolve) => { worker.onmessage = resolve; });
worker.terminate();
await Bun.sleep(50);
console.log("over");`);
  expect(await response.text()).toBe("over\n");
  const { logs } = await recordOf(server, response);
  expect(logs.map(({ text }) => text).sort()).toEqual(["and its errors", "from the worker"]);
});
