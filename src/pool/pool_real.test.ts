/** The pool with real instances, through the real socket: nothing leaks, nothing stays, and one's end is one's own. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { descendants, goneAfter, instances, zygotes } from "../testing/children.ts";
import { outcomeOf } from "../testing/outcome.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

interface PoolFigures {
  readonly instances: number;
  readonly prewarmed: number;
  readonly invocations: number;
}

const figures = ({ server }: TestServer): PoolFigures => (server.status() as { pool: PoolFigures }).pool;

async function until(condition: () => boolean, deadlineMs = 10_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`Cannot wait longer than ${deadlineMs} ms for ${condition}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Instances below this process that are not among `before`. */
function guests(before: ReadonlySet<number>): number[] {
  return instances().filter((pid) => !before.has(pid));
}

/** Zygotes below this process that are not among `before`. */
function forking(before: ReadonlySet<number>): number[] {
  return zygotes().filter((pid) => !before.has(pid));
}

const FUNCTION = `let count = 0;
export default { async fetch(request) {
  const { pathname, searchParams } = new URL(request.url);
  count += 1;
  if (pathname === "/f/slow") await Bun.sleep(Number(searchParams.get("ms")));
  return new Response(String(count));
} };`;

const functionConfig = (more: string) => `[plans.anonymous]
run = "any"
concurrency = 200
[[functions]]
name = "f"
path = "./f.js"
routes = ["GET /f/*"]
${more}
`;

describe("programs", () => {
  test("share nothing: neither globals, nor prototypes, nor environment", async () => {
    await using server = await startTestServer({ prewarmed: 2 });
    const spoil = `globalThis.left = 1; Object.prototype.left = 2; String.prototype.at = () => "spoilt";
      process.env.LEFT = "3"; try { Bun.left = 4; } catch {} console.log("spoilt", process.env.GIVEN);`;
    const look = `console.log([typeof left, ({}).left, "1".at(0), process.env.LEFT, process.env.GIVEN, Bun.left, JSON.stringify({})].join(" "));`;
    for (let index = 0; index < 5; index += 1) {
      expect(await (await server.run(spoil, { headers: { "isopod-env-given": "yes" } })).text()).toBe("spoilt yes\n");
      expect(await (await server.run(look)).text()).toBe("undefined  1    {}\n");
    }
  }, 20_000);

  test("find the stock refilled after them", async () => {
    await using server = await startTestServer({ prewarmed: 3 });
    for (let index = 0; index < 6; index += 1) await (await server.run("console.log(1)")).text();
    await until(() => figures(server).prewarmed === 3);
    await until(() => figures(server).instances === 3);
  }, 20_000);
});

const VICTIMS = { "an instance": guests, "a zygote": forking };

describe("kill -9", () => {
  for (const [whom, find] of Object.entries(VICTIMS)) {
    test(`of ${whom} while all wait: what ends is replaced`, async () => {
      const before = new Set(descendants());
      await using server = await startTestServer({ prewarmed: 2 });
      await until(() => figures(server).prewarmed === 2);
      const [first] = guests(before);
      for (const pid of find(before)) process.kill(pid, "SIGKILL");
      await goneAfter([first as number], 5000);
      await until(() => figures(server).prewarmed === 2 && guests(before).length === 2);
      // Whoever comes before the server has noticed may be given what is gone, and is told so.
      const answers = [];
      while (answers.at(-1) !== "alive\n") answers.push(await (await server.run("console.log('alive')")).text());
      expect(answers.length).toBeLessThanOrEqual(3);
    }, 20_000);

    test(`of ${whom} within the answer: it is cut off and never looks complete`, async () => {
      const before = new Set(descendants());
      await using server = await startTestServer({ prewarmed: 0 });
      const response = await server.run("console.log('begun'); await Bun.sleep(60_000)");
      for (const pid of find(before)) process.kill(pid, "SIGKILL");
      const { status, text, cut, error } = await outcomeOf(server, response);
      expect([status, text, cut, error?.code]).toEqual([200, "begun\n", true, "program_ended"]);
    }, 20_000);
  }

  test("of an instance before the answer: the caller is told, nobody else notices", async () => {
    const { server, stock } = await startServerWithStock(1);
    await using _ = server;
    const running = server.run("await Bun.sleep(60_000)", {});
    await until(() => figures(server).invocations === 1);
    const innocent = fetch(`${server.url}/f/slow?ms=500`);
    await until(() => figures(server).invocations === 2);
    for (const pid of stock) process.kill(pid, "SIGKILL");
    const { status, error } = await outcomeOf(server, await running);
    expect([status, error?.code]).toEqual([500, "program_ended"]);
    expect((await innocent).status).toBe(200);
  }, 20_000);

  test("of a zygote before the answer: every caller of what it forked is told, and the next are served", async () => {
    const { server, before } = await startServerWithStock(2);
    await using _ = server;
    const running = [server.run("await Bun.sleep(60_000)", {}), fetch(`${server.url}/f/slow?ms=60000`)];
    await until(() => figures(server).invocations === 2);
    for (const pid of forking(before)) process.kill(pid, "SIGKILL");
    for (const answer of running) {
      const { status, error } = await outcomeOf(server, await answer);
      expect([status, error?.code]).toEqual([500, "program_ended"]);
    }
    await until(() => figures(server).prewarmed === 2);
    expect(await (await server.run("console.log('alive')")).text()).toBe("alive\n");
    expect((await fetch(`${server.url}/f/`)).status).toBe(200);
  }, 20_000);
});

/** A server with a function, and the processes of the instances that it has ready. */
async function startServerWithStock(prewarmed: number) {
  const before = new Set(descendants());
  const server = await startTestServer({ config: functionConfig(""), files: { "f.js": FUNCTION }, prewarmed });
  // The build of the function is over, too.
  await until(() => figures(server).prewarmed === prewarmed && guests(before).length === prewarmed);
  return { server, before, stock: guests(before) };
}

describe("scaling", () => {
  test("grows under load to the function's maximum and not beyond", async () => {
    const config = functionConfig("instances = 3\nlimits = { concurrency = 2 }");
    await using server = await startTestServer({ config, files: { "f.js": FUNCTION }, prewarmed: 0 });
    const before = new Set(descendants());
    let most = 0;
    const sample = setInterval(() => {
      most = Math.max(most, guests(before).length);
    }, 5);
    const all = await Promise.all(Array.from({ length: 24 }, () => fetch(`${server.url}/f/slow?ms=100`)));
    clearInterval(sample);
    expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 24 }, () => 200));
    expect(most).toBe(3);
  }, 20_000);

  test("idle instances go", async () => {
    const config = `${functionConfig("")}[pool]\nprewarmed = 0\nidle_ms = 200\n`;
    await using server = await startTestServer({ config, files: { "f.js": FUNCTION } });
    expect(await (await fetch(`${server.url}/f/`)).text()).toBe("1");
    expect(figures(server).instances).toBe(1);
    await until(() => figures(server).instances === 0);
    expect(await (await fetch(`${server.url}/f/`)).text()).toBe("1");
  }, 20_000);

  test("an instance is replaced after so many invocations", async () => {
    const config = `${functionConfig("")}[pool]\nprewarmed = 1\ninvocations = 3\n`;
    await using server = await startTestServer({ config, files: { "f.js": FUNCTION } });
    const counts: string[] = [];
    for (let index = 0; index < 7; index += 1) counts.push(await (await fetch(`${server.url}/f/`)).text());
    expect(counts).toEqual(["1", "2", "3", "1", "2", "3", "1"]);
  }, 20_000);
});

describe("no room", () => {
  async function expectOverloaded(response: Response): Promise<void> {
    expect(response.status).toBe(503);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    const { error } = (await response.json()) as { error: { code: string; request_id: string } };
    expect(error.code).toBe("overloaded");
    expect(error.request_id).toBe(response.headers.get("isopod-request-id") ?? "");
  }

  test("among the server's instances: 503 and Retry-After", async () => {
    const config = `${functionConfig("")}[pool]\nprewarmed = 0\ninstances = 1\n`;
    await using server = await startTestServer({ config, files: { "f.js": FUNCTION } });
    const slow = fetch(`${server.url}/f/slow?ms=500`);
    await until(() => figures(server).invocations === 1 && figures(server).instances === 1);
    await expectOverloaded(await server.run("console.log(1)"));
    expect((await slow).status).toBe(200);
    expect(await (await server.run("console.log(1)")).text()).toBe("1\n");
  }, 20_000);

  test("in a function's queue: 503 and Retry-After, and who waits is served", async () => {
    const config = `${functionConfig("instances = 1\nlimits = { concurrency = 1 }")}[pool]\nprewarmed = 0\nqueue = 2\n`;
    await using server = await startTestServer({ config, files: { "f.js": FUNCTION } });
    expect((await fetch(`${server.url}/f/`)).status).toBe(200);
    const first = fetch(`${server.url}/f/slow?ms=300`);
    await until(() => figures(server).invocations === 1);
    const rest = Array.from({ length: 5 }, () => fetch(`${server.url}/f/`));
    const answers = await Promise.all([first, ...rest]);
    const statuses = answers.map(({ status }) => status).toSorted((one, other) => one - other);
    expect(statuses).toEqual([200, 200, 200, 503, 503, 503]);
    for (const answer of answers) if (answer.status === 503) await expectOverloaded(answer);
  }, 20_000);
});

describe("shutdown", () => {
  test("what runs ends well, what comes is refused, and nothing is left", async () => {
    const descriptors = () => readdirSync("/proc/self/fd").length;
    const before = new Set(descendants());
    const open = descriptors();
    const server = await startTestServer({ config: functionConfig(""), files: { "f.js": FUNCTION }, prewarmed: 2 });
    const running = [fetch(`${server.url}/f/slow?ms=400`), server.run("await Bun.sleep(400); console.log('done')")];
    await until(() => figures(server).invocations === 2 && guests(before).length >= 2);
    const pids = descendants().filter((pid) => !before.has(pid));
    const closed = server[Symbol.asyncDispose]();
    const late = await fetch(`${server.url}/f/`).then(
      ({ status }) => status,
      () => 0,
    );
    expect([0, 503]).toContain(late);
    const texts = await Promise.all(running.map(async (response) => (await response).text()));
    expect(texts).toEqual(["1", "done\n"]);
    await closed;
    await goneAfter(pids, 1000);
    expect(descendants().filter((pid) => !before.has(pid))).toEqual([]);
    for (const parent of ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup"]) {
      const names = (() => {
        try {
          return readdirSync(parent);
        } catch {
          return [];
        }
      })();
      expect(names).not.toContain(`isopod-${process.pid}`);
    }
    Bun.gc(true);
    await until(() => descriptors() <= open + 8);
  }, 20_000);
});
