/** Everything that a middleware can do wrong: each is an error with a name, and costs nobody else anything. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { linesOf, plain, startMiddlewares, tables } from "../../testing/middleware_rig.ts";
import { errorOf } from "../../testing/process_rig.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

/** By name: what it runs, the answer that its function gives, and the message. */
const WRONG: Readonly<Record<string, readonly [text: string, status: number, code: string, message: RegExp]>> = {
  crash: [plain("os.kill(os.getpid(), signal.SIGSEGV)"), 502, "middleware_failed", /^crash before ended with 139\.$/],
  hang: [
    "#!/bin/sh\nsleep 60\n",
    504,
    "middleware_timeout",
    /^hang before took longer than its limit middleware_ms = 1000/,
  ],
  "hang-child": ["#!/bin/sh\nsleep 60 &\nwait\n", 504, "middleware_timeout", /middleware_ms = 1000/],
  deaf: ["#!/bin/sh\nexec 0<&-\nsleep 60\n", 504, "middleware_timeout", /middleware_ms = 1000/],
  silent: ["#!/bin/sh\nexit 0\n", 502, "middleware_invalid", /^silent before wrote nothing, which is not JSON\.$/],
  array: ["#!/bin/sh\necho '[1,2]'\n", 502, "middleware_invalid", /neither an event nor an answer/],
  // Whoever means to refuse lets nothing pass by a slip.
  "status-text": [`#!/bin/sh\necho '{"statusCode":"4o1"}'\n`, 502, "middleware_invalid", /statusCode is "4o1"/],
  "other-status": [`#!/bin/sh\necho '{"status":401,"headers":{}}'\n`, 502, "middleware_invalid", /no statusCode/],
  "small-letters": [`#!/bin/sh\necho '{"statuscode":401}'\n`, 502, "middleware_invalid", /no statusCode/],
  null: ["#!/bin/sh\necho null\n", 502, "middleware_invalid", /null has no rawPath/],
  empty: ["#!/bin/sh\necho '{}'\n", 502, "middleware_invalid", /\{\} has no rawPath/],
  number: ["#!/bin/sh\necho 7\n", 502, "middleware_invalid", /neither an event nor an answer/],
  two: ["#!/bin/sh\necho '{}'\necho '{}'\n", 502, "middleware_invalid", /which is not JSON/],
  method: [
    plain('value["requestContext"]["http"]["method"] = "G T"'),
    502,
    "middleware_invalid",
    /its method is "G T"/,
  ],
  path: [plain('value["rawPath"] = "//"[:1] and "evil"'), 502, "middleware_invalid", /its path is "evil"/],
  header: [plain('value["headers"]["a b"] = "x"'), 502, "middleware_invalid", /its header "a b" is none/],
  split: [plain('value["headers"]["a"] = "x\\r\\nb: c"'), 502, "middleware_invalid", /has no value that can be sent/],
  body: [plain('value["body"] = 7'), 502, "middleware_invalid", /Cannot read the body of the event/],
  status: [plain('if hook == "after": value["statusCode"] = 99'), 502, "middleware_invalid", /statusCode is 99/],
  headers: [
    plain('for n in range(300): value["headers"]["x-%d" % n] = "y"'),
    502,
    "middleware_invalid",
    /headers that are too many or too long/,
  ],
  large: ["#!/bin/sh\nhead -c 13000000 /dev/zero | tr '\\0' 1\n", 502, "middleware_limit", /more than 12582912 bytes/],
  grown: [
    plain('if hook == "after": value["body"] = "x" * 7000000'),
    502,
    "middleware_limit",
    /a body of over 6291456/,
  ],
  flood: ["#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' y >&2\ncat\n", 500, "log_limit", /log_kb = 1024/],
  burns: ["#!/bin/sh\nwhile :; do :; done\n", 500, "cpu_limit", /cpu_ms = 400/],
  eats: [plain('x = b"x" * (600 * 1024 * 1024)'), 500, "memory_limit", /memory_mb = 256/],
  script: [
    "#!/bin/sh\r\ncat\r\n",
    502,
    "middleware_failed",
    /^script before cannot be started: the first line of \/var\/middlewares\/script names "\/bin\/sh\\r", which is not there: save the file with LF line ends\.$/,
  ],
  endless: ["#!/bin/sh\nyes '{}'\n", 502, "middleware_limit", /more than 12582912 bytes/],
};

/** On a slow machine nothing but what is meant to must reach its limit. */
const LIMITS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(["hang", "hang-child", "deaf"].map((name) => [name, "middleware_ms = 1000"])),
  burns: "middleware_ms = 9000\nlimits = { cpu_ms = 400 }",
};

let server: TestServer;

beforeAll(async () => {
  const texts = Object.fromEntries(Object.entries(WRONG).map(([name, [text]]) => [name, text]));
  const names = Object.keys(WRONG);
  server = await startMiddlewares(
    {
      ...texts,
      same: "#!/bin/sh\nexec cat\n",
      early: plain("").replace("print(json.dumps(value))", "pass"),
      leaves: LEAVES,
    },
    tables({
      ...Object.fromEntries(
        names.map((name) => [name, `path = "f.ts"\nmiddlewares = ["${name}"]\n${LIMITS[name] ?? ""}`]),
      ),
      free: 'path = "f.ts"',
      same: 'path = "f.ts"\nmiddlewares = ["same"]',
      inline: 'path = "f.ts"\nmiddlewares = ["module"]',
      slow: 'path = "f.ts"\nmiddlewares = ["same"]\nlimits = { wall_ms = 1500 }',
      leaves: 'path = "f.ts"\nmiddlewares = ["leaves"]',
    }),
    {
      "middlewares/module.ts": "export const before = () => {};",
      "f.ts": `export default async (request: Request) => {
        const { pathname, searchParams } = new URL(request.url);
        if (pathname.endsWith("/slow")) await new Promise(() => {});
        if (pathname.endsWith("/cut")) return new Response(new ReadableStream({ start(controller) {
          controller.enqueue(new Uint8Array(1000)); queueMicrotask(() => controller.error(new Error("cut off"))); } }));
        return new Response("x".repeat(Number(searchParams.get("bytes") ?? 1)));
      };`,
    },
  );
}, 60_000);

afterAll(() => server[Symbol.asyncDispose]());

/** Leaves a process behind that has its output, which nobody must wait for. */
const LEAVES = `#!/bin/sh
sleep 50 &
exec cat
`;

const ask = (path: string, init?: RequestInit) => fetch(`${server.url}/${path}`, init);

describe("each is an error with a name, twice, and another function goes on", () => {
  for (const [name, [, status, code, message]] of Object.entries(WRONG)) {
    test(name, async () => {
      for (let time = 0; time < 2; time += 1) {
        const [answer, free] = await Promise.all([ask(name), ask("free")]);
        const error = await errorOf(answer);
        expect([answer.status, error.code, error.message]).toEqual([status, code, expect.stringMatching(message)]);
        expect([free.status, await free.text()]).toEqual([200, "x"]);
      }
    }, 20_000);
  }
});

test("what a hook leaves running is ended with it, and its output waited for no longer than a moment", async () => {
  const began = performance.now();
  expect((await ask("leaves")).status).toBe(200);
  expect(performance.now() - began).toBeLessThan(10_000);
});

test("hooks that hang end alone: those of the same function that do not are answered", async () => {
  await using mixed = await startMiddlewares(
    { some: '#!/bin/sh\ne=$(cat)\ncase "$e" in *hang-me*) sleep 60;; esac\necho "$e"\n' },
    tables({ f: 'path = "f.ts"\nmiddlewares = ["some"]\ninstances = 1\nmiddleware_ms = 1500' }),
    { "f.ts": 'export default () => "ok";' },
  );
  const all = await Promise.all(
    ["hang-me", "2", "3", "hang-me", "5"].map((x) => fetch(`${mixed.url}/f`, { headers: { x } })),
  );
  expect(all.map(({ status }) => status)).toEqual([504, 200, 200, 504, 200]);
}, 30_000);

test("a request's body over 6 MiB is refused where a middleware would be given it", async () => {
  const body = "x".repeat(6 * 1024 * 1024 + 1);
  for (const path of ["same", "inline"]) {
    const answer = await ask(path, { method: "POST", body });
    const { code, message } = await errorOf(answer);
    expect([answer.status, code]).toEqual([413, "body_too_large"]);
    expect(message).toContain("6291456 bytes, the most that middlewares are given");
  }
  const fits = await ask("same", { method: "POST", body: body.slice(1) });
  expect(fits.status).toBe(200);
}, 30_000);

test("an answer over 6 MiB fails where a middleware would be given it, with the limit's name", async () => {
  const answer = await ask(`same?bytes=${6 * 1024 * 1024 + 1}`);
  const error = await errorOf(answer);
  const limit = { name: "middlewareBodyBytesMax", value: 6 * 1024 * 1024 };
  expect([answer.status, error]).toMatchObject([502, { code: "middleware_limit", limit }]);
  expect((await (await ask(`same?bytes=${6 * 1024 * 1024}`)).text()).length).toBe(6 * 1024 * 1024);
}, 30_000);

test("hooks and function together have the function's wall limit, and what it failed of is told as before", async () => {
  const slow = await ask("slow/slow");
  // With the limit that was set, whatever the hooks have left of it.
  const { code, message } = await errorOf(slow);
  expect([slow.status, code, message]).toEqual([504, "wall_limit", expect.stringContaining("wall_ms = 1500.")]);
  const cut = await ask("same/cut");
  expect([cut.status, (await errorOf(cut)).code]).toEqual([500, "uncaught_exception"]);
  expect(await linesOf(server, cut)).toEqual([]);
});

test("who hangs up ends the hook", async () => {
  const gone = new AbortController();
  const asked = ask("hang", { signal: gone.signal }).catch((error: Error) => error.name);
  await ask("free");
  gone.abort();
  expect(await asked).toBe("AbortError");
  expect((await ask("free")).status).toBe(200);
});

const MISTAKES: Readonly<Record<string, readonly [place: (folder: string) => void, message: string]>> = {
  missing: [() => {}, 'the middleware "m" is not there: nothing is at '],
  folder: [(folder) => mkdirSync(join(folder, "m")), 'the middleware "m" is no file '],
  mode: [(folder) => writeFileSync(join(folder, "m"), "#!/bin/sh\n"), 'the middleware "m" cannot be executed '],
  link: [
    (folder) => symlinkSync("/bin/cat", join(folder, "m")),
    'the middleware "m" is a symbolic link out of its folder ',
  ],
  dangling: [(folder) => symlinkSync("nothing", join(folder, "m")), 'the middleware "m" is not there'],
  manifest: [
    (folder) => {
      writeFileSync(join(folder, "m"), "#!/bin/sh\n");
      chmodSync(join(folder, "m"), 0o755);
      writeFileSync(join(folder, "m.json"), '{"protocol":"ndjson/9"}');
    },
    'the middleware "m" has a manifest with a mistake at "protocol" (m.json)',
  ],
};

for (const [name, [place, message]] of Object.entries(MISTAKES)) {
  test(`one that is wrong on the disk is a mistake of the configuration: ${name}`, async () => {
    await using own = await startTestServer({ files: { "f.ts": "export default () => 1;", "middlewares/other": "" } });
    place(join(own.directory, "middlewares"));
    const config = tables({ f: 'path = "f.ts"\nmiddlewares = ["m"]' });
    await expect(own.reload(config)).rejects.toThrow(message);
  });
}

test("names that lead elsewhere, stand twice, or are too many, are mistakes", async () => {
  await using own = await startTestServer({ files: { "f.ts": "export default () => 1;", "middlewares/m.ts": "" } });
  const reload = (list: string) => own.reload(tables({ f: `path = "f.ts"\nmiddlewares = [${list}]` }));
  await expect(reload('"../m"')).rejects.toThrow('the middleware "../m" has no name');
  await expect(reload('"m", "m"')).rejects.toThrow('"m" stands twice');
  await expect(reload(Array.from({ length: 17 }, (_, at) => `"m${at}"`).join(","))).rejects.toThrow("more than 16");
  await expect(own.reload(tables({ f: 'path = "f.ts"\nmiddleware_ms = 5' }))).rejects.toThrow(
    "there are no middlewares",
  );
});
