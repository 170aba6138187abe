/** The binding behind `caches`, asked as no correct guest asks: spaces, names, lifetimes, and many bodies at a time. */
import { expect, test } from "bun:test";
import type { BindingCall, CallScope } from "../../core/binding.ts";
import { FakeClock } from "../../testing/fake_clock.ts";
import { seededRandom } from "../../testing/seeded_random.ts";
import { createCacheApi } from "./binding.ts";

const MB = 1024 * 1024;

function setUp() {
  const clock = new FakeClock();
  const cache = createCacheApi(clock);
  let subrequests = 0;
  const scope = (signal = new AbortController().signal) =>
    ({
      ...{ requestId: "r", project: "p", functionName: "f", depth: 0, signal, deadline: 0 },
      countSubrequest: () => {
        subrequests += 1;
      },
      countSubrequestBytes: () => {},
    }) satisfies CallScope;
  const call = (space: string, method: string, url: string, more: Partial<BindingCall> = {}, signal?: AbortSignal) =>
    cache.call({ method, url, headers: [], body: null, redirect: "manual", ...more }, space, scope(signal));
  const head = (headers: readonly (readonly [string, string])[] = [], status = 200) =>
    [["head", encodeURIComponent(JSON.stringify([status, headers]))]] as const;
  const put = (space: string, url: string, text: string, headers: readonly (readonly [string, string])[] = []) =>
    call(space, "PUT", url, { headers: head(headers), body: new Response(text).body });
  const get = async (space: string, url: string) => {
    const { status, body } = await call(space, "GET", url);
    return status === 404 ? undefined : new TextDecoder().decode(body as Uint8Array);
  };
  return { clock, cache, call, put, get, head, count: () => subrequests };
}
const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => "done",
    (error) => error.code ?? String(error),
  );

test("no name and no address of a cache reaches into another space, or another cache", async () => {
  const { put, get, call } = setUp();
  await put("p/run/a b", "/default?https://x/", "secret");
  await put("p/run/a", "/n:other?https://x/", "named");
  for (const name of ["b default", "default default", "n:a b", "n:a?b", "", "x", "n:other/", "default\0", "n:ä"]) {
    const asked = await outcome(get("p/run/a", `/${name}?https://x/`));
    expect([name, ["bad_request", "done"].includes(asked)]).toEqual([name, true]);
    if (asked === "done") expect(await get("p/run/a", `/${name}?https://x/`)).toBeUndefined();
  }
  for (const url of ["https://x/ ", "/default?", "default?https://x/", "/default?file:///x", "/default?https://"]) {
    expect(await outcome(get("p/run/a", url))).toBe("bad_request");
  }
  expect(await outcome(call("p/run/a", "PATCH", "/default?https://x/"))).toBe("bad_request");
  expect(await get("p/run/a b", "/default?https://x/")).toBe("secret");
  expect(await get("p/run/a", "/default?https://x/")).toBeUndefined();
});

test("lives as long as its headers say, two hours when they say nothing, and counts as subrequests", async () => {
  const { clock, put, get, count } = setUp();
  const at = (name: string) => `/default?https://x/${name}`;
  await put("p/functions", at("minute"), "m", [["cache-control", "Max-Age=60"]]);
  await put("p/functions", at("aged"), "a", [
    ["cache-control", "max-age=60"],
    ["age", "50"],
  ]);
  await put("p/functions", at("shared"), "s", [["cache-control", "max-age=1000, s-maxage=5"]]);
  await put("p/functions", at("silent"), "n");
  const left = () => Promise.all(["minute", "aged", "shared", "silent"].map((name) => get("p/functions", at(name))));
  expect(await left()).toEqual(["m", "a", "s", "n"]);
  await clock.advance(6000);
  expect(await left()).toEqual(["m", "a", undefined, "n"]);
  await clock.advance(5000);
  expect(await left()).toEqual(["m", undefined, undefined, "n"]);
  await clock.advance(7_188_000);
  expect(await left()).toEqual([undefined, undefined, undefined, "n"]);
  await clock.advance(2000);
  expect(await left()).toEqual([undefined, undefined, undefined, undefined]);
  expect(count()).toBe(24);
});

test("heads that no correct guest sends are refused", async () => {
  const { call } = setUp();
  const wrong = [
    "",
    "%",
    "null",
    "[]",
    "[200]",
    "[100,[]]",
    "[206,[]]",
    '["200",[]]',
    '[200,[["a"]]]',
    '[200,[["vary","*"]]]',
  ];
  for (const text of [...wrong, `[200,[["a","${"x".repeat(200_000)}"]]]`]) {
    const headers = [["head", encodeURIComponent(text)]] as const;
    expect([text.slice(0, 20), await outcome(call("s", "PUT", "/default?https://x/", { headers }))]).toEqual([
      text.slice(0, 20),
      "bad_request",
    ]);
  }
});

test("many bodies at a time, slow ones and broken ones take no more than the space has", async () => {
  const { cache, call, head, get } = setUp();
  const slow: ReadableStreamDefaultController<Uint8Array>[] = [];
  const giveUp = new AbortController();
  const puts = Array.from({ length: 30 }, (_, index) => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        slow.push(controller);
        controller.enqueue(new Uint8Array(7 * MB));
      },
    });
    return outcome(call("p/hostile", "PUT", `/default?https://x/${index}`, { headers: head(), body }, giveUp.signal));
  });
  await call("p/other", "PUT", "/default?https://x/", { headers: head(), body: new Response("ours").body });
  for (const controller of slow.slice(0, 20)) controller.close();
  for (const controller of slow.slice(20, 25)) controller.error(new Error("broken"));
  giveUp.abort();
  await Promise.all(puts);
  const kept = await Promise.all(puts.map((_, index) => get("p/hostile", `/default?https://x/${index}`)));
  expect(kept.filter((each) => each !== undefined).length).toBeLessThanOrEqual(9);
  expect(await get("p/other", "/default?https://x/")).toBe("ours");
  await cache.close();
  expect(await outcome(get("p/other", "/default?https://x/"))).toBe("binding_failed");
});

test("whatever is put, asked for and deleted, each space finds what it put last", async () => {
  const { put, get, call } = setUp();
  const random = seededRandom(11);
  const known = new Map<string, string>();
  for (let round = 0; round < 2000; round += 1) {
    const [space, url] = [`p${random.below(3)}/functions`, `/n:${random.below(2)}?https://x/${random.below(5)}`];
    const name = `${space} ${url}`;
    const what = random.below(4);
    if (what === 0) {
      await put(space, url, `v${round}`);
      known.set(name, `v${round}`);
    } else if (what === 1) {
      expect((await call(space, "DELETE", url)).status).toBe(known.delete(name) ? 204 : 404);
    } else expect(await get(space, url)).toBe(known.get(name));
  }
});
