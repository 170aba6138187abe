/** Persistent middlewares: run once, asked by lines, started again when they end, ended when they lie. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { linesOf, PERSISTENT, persistent, startMiddlewares, tables } from "../../testing/middleware_rig.ts";
import { errorOf } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";

/** Does what the request's header asks for, unless a file says that it has been done. */
const OBEYS = `mark = "/tmp/" + value["headers"].get("x-once", "none")
if hook == "before" and not os.path.exists(mark):
    wish = value["headers"].get("x-wish")
    if "x-once" in value["headers"]: open(mark, "w").close()
    if wish == "die": os.kill(os.getpid(), signal.SIGKILL)
    if wish == "exit": sys.exit(5)
    if wish == "garbage": say("what?")
    if wish == "no-json": say('{"id": ')
    if wish == "wrong-id": say({"id": 1000000, "ok": value})
    if wish == "no-id": say({"ok": value})
    if wish == "twice": say({"id": q["id"], "ok": value})
    if wish == "neither": say({"id": q["id"]}); continue
    if wish == "error": say({"id": q["id"], "error": "not today"}); continue
    if wish == "error-object": say({"id": q["id"], "error": {"message": "nor tomorrow"}}); continue
    if wish == "null": say({"id": q["id"], "ok": None}); continue
    if wish == "short": say({"id": q["id"], "response": {"statusCode": 418, "body": "tea"}}); continue
    if wish == "hang": time.sleep(60)
    if wish == "large": say('{"id":%d,"ok":"%s"}' % (q["id"], "x" * (13 * 1024 * 1024))); continue
    if wish == "flood": sys.stderr.write("y" * 4_000_000); sys.stderr.flush()
value["headers"]["x-pid"] = str(os.getpid())
value["headers"]["x-ctx"] = json.dumps(q["ctx"])`;

/** Answers in pairs, the second question first. */
const PAIRS = `if hook == "before":
    if q["event"]["headers"].get("x-alone"): pass
    elif "held" not in globals() or held is None:
        held = (q["id"], value)
        continue
    else:
        say({"id": q["id"], "ok": value})
        q["id"], value = held
        held = None`;

/** Dies of every event that it is given. */
const POISONED = 'if "x-poison" in value["headers"]: os._exit(9)\nvalue["headers"]["x-pid"] = str(os.getpid())';

let server: TestServer;

beforeAll(async () => {
  const of = (name: string, more = "") => `path = "show.ts"\nmiddlewares = ["${name}"]\n${more}`;
  server = await startMiddlewares(
    {
      ...{ obeys: persistent(OBEYS), "obeys.json": PERSISTENT },
      ...{ pairs: persistent(PAIRS), "pairs.json": PERSISTENT },
      ...{ poisoned: persistent(POISONED), "poisoned.json": PERSISTENT },
      ...{ gone: "#!/bin/nothing\n", "gone.json": PERSISTENT },
    },
    tables({
      obeys: of("obeys", "middleware_ms = 4000\ninstances = 1"),
      own: `path = "own"\ndialect = "stdio"\ncommand = "python3 main.py"\ninstances = 1\n${'middlewares = ["obeys"]'}`,
      pairs: of("pairs", "instances = 1"),
      poisoned: of("poisoned", "instances = 1"),
      gone: of("gone"),
      free: 'path = "show.ts"',
    }),
    {
      "show.ts": `export default (request: Request) => new Response(JSON.stringify(Object.fromEntries(request.headers)), {
        headers: { "content-type": "application/json", "x-n": request.headers.get("x-n") ?? "" } });`,
      "own/main.py": `import json, sys
for line in sys.stdin:
    headers = json.loads(line)["headers"]
    print(json.dumps({"statusCode": 200, "headers": {"x-n": headers.get("x-n", "")}, "body": headers}), flush=True)
`,
    },
  );
}, 60_000);

afterAll(() => server[Symbol.asyncDispose]());

const ask = (path: string, headers: Record<string, string> = {}) => fetch(`${server.url}/${path}`, { headers });
const seen = async (answer: Response) => (await answer.json()) as Record<string, string>;
const once = () => crypto.randomUUID();

for (const path of ["obeys", "own"]) {
  test(`${path}: one process answers one request after the other, and knows of both sides`, async () => {
    const first = await ask(path);
    const { "x-pid": pid, "x-ctx": before } = await seen(first);
    const second = await seen(await ask(path));
    expect([first.headers.get("x-pid"), second["x-pid"]]).toEqual([pid ?? "", pid ?? ""]);
    const request_id = first.headers.get("isopod-request-id");
    const told = { request_id, function: path, method: "GET", path: `/${path}`, started_at_ms: expect.any(Number) };
    expect(JSON.parse(before ?? "")).toMatchObject({ ...told, deadline_ms: expect.any(Number) });
    const after = JSON.parse(first.headers.get("x-ctx") ?? "");
    expect(after).toMatchObject({ ...told, duration_ms: expect.any(Number) });
  });

  test(`${path}: one that is killed in the middle of pipelined requests is started again, and all are answered`, async () => {
    const { "x-pid": before } = await seen(await ask(path));
    const mark = once();
    const all = await Promise.all(
      Array.from({ length: 32 }, (_, at) =>
        ask(path, { "x-n": String(at), ...(at === 7 && { "x-wish": "die", "x-once": mark }) }),
      ),
    );
    expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 32 }, () => 200));
    expect(all.map(({ headers }) => headers.get("x-n"))).toEqual(Array.from({ length: 32 }, (_, at) => String(at)));
    expect((await seen(await ask(path)))["x-pid"]).not.toBe(before ?? "");
  });
}

test("answers may come in another order, and reach those who asked", async () => {
  const all = await Promise.all(Array.from({ length: 16 }, (_, at) => ask("pairs", { "x-n": String(at) })));
  expect(all.map(({ headers }) => headers.get("x-n"))).toEqual(Array.from({ length: 16 }, (_, at) => String(at)));
});

test("what it cannot bear fails after the second time, and fails alone", async () => {
  const all = await Promise.all(
    Array.from({ length: 12 }, (_, at) => ask("poisoned", { "x-n": String(at), ...(at === 5 && { "x-poison": "1" }) })),
  );
  expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 12 }, (_, at) => (at === 5 ? 502 : 200)));
  const message = "poisoned ended with 9 before it had answered, twice.";
  expect(await errorOf(all[5] as Response)).toMatchObject({ code: "middleware_failed", message });
});

const WRONG: Readonly<Record<string, readonly [status: number, code: string, message: RegExp]>> = {
  exit: [502, "middleware_failed", /^obeys ended with 5 before it had answered, twice\.$/],
  garbage: [502, "middleware_invalid", /^obeys wrote "what\?", which is no answer in JSON\.$/],
  "no-json": [502, "middleware_invalid", /which is no answer in JSON/],
  "wrong-id": [502, "middleware_invalid", /^obeys answered for 1000000, which it was not asked/],
  "no-id": [502, "middleware_invalid", /^obeys answered for no id, which it was not asked/],
  neither: [502, "middleware_invalid", /^obeys answered with neither "ok" nor "error"\.$/],
  error: [502, "middleware_failed", /^obeys answered with an error: not today\.$/],
  "error-object": [502, "middleware_failed", /nor tomorrow/],
  hang: [504, "middleware_timeout", /^obeys before took longer than its limit middleware_ms = 4000\.$/],
  large: [502, "middleware_limit", /^obeys wrote more than 12582912 bytes\.$/],
  flood: [500, "log_limit", /log_kb = 1024/],
};

describe("each is an error with a name, and the next request is answered", () => {
  for (const [wish, [status, code, message]] of Object.entries(WRONG)) {
    test(wish, async () => {
      const answer = await ask("obeys", { "x-wish": wish });
      expect([answer.status, await errorOf(answer)]).toMatchObject([status, { code, message: expect.any(String) }]);
      expect((await ask("obeys")).status).toBe(200);
      expect((await ask("free")).status).toBe(200);
      const again = await errorOf(await ask("obeys", { "x-wish": wish }));
      expect(again.message).toMatch(message);
    }, 20_000);
  }
});

test("who answers twice is ended, and what it answered first counts", async () => {
  const { "x-pid": before } = await seen(await ask("obeys"));
  const answer = await ask("obeys", { "x-wish": "twice" });
  // The first answer may have been read with the second, which ends the process that is to be asked after the function.
  expect([200, 502]).toContain(answer.status);
  const after = await seen(await ask("obeys"));
  expect(after["x-pid"]).not.toBe(before ?? "");
});

test("an answer of null leaves everything as it is; one with a response ends the request", async () => {
  expect((await ask("obeys", { "x-wish": "null" })).status).toBe(200);
  const short = await ask("obeys", { "x-wish": "short" });
  expect([short.status, await short.text()]).toEqual([418, "tea"]);
});

test("one that cannot be started is an error with a name", async () => {
  const answer = await ask("gone");
  expect(answer.status).toBe(502);
  const { code, message } = await errorOf(answer);
  expect(code).toBe("middleware_failed");
  expect(message).toMatch(/^gone serve cannot be started: the first line of .* names "[^"]*", which is not there\.$/);
});

test("who hangs up is forgotten, and what is answered for them does no harm", async () => {
  const { "x-pid": before } = await seen(await ask("pairs", { "x-alone": "1" }));
  const gone = new AbortController();
  const held = fetch(`${server.url}/pairs`, { signal: gone.signal }).catch(() => undefined);
  const waits = ask("pairs", { "x-n": "1" });
  gone.abort();
  await held;
  // Whichever came first is answered by the other's coming, or by this one's.
  const more = ask("pairs", { "x-n": "2" });
  const rest = ask("pairs", { "x-n": "3" });
  const done = await Promise.race([Promise.all([waits, more]), Promise.all([waits, rest]), Promise.all([more, rest])]);
  expect(done.map(({ status }) => status)).toEqual([200, 200]);
  expect(before).toBeUndefined();
  expect(await linesOf(server, done[0])).toEqual([]);
});
