/** The KV binding at its port: the conformance suites, and what it refuses. */
import { expect, test } from "bun:test";
import { bindingCall, describeBinding, fakeScope, userErrorOf } from "../../testing/binding-suite.ts";
import { describeEnvBinding } from "../../testing/env-binding-suite.ts";
import { endlessBody, grantOf, KvRig } from "../../testing/kv_rig.ts";

describeBinding("kv", async () => {
  const rig = new KvRig();
  await rig.put("long", "x".repeat(1024 * 1024));
  return {
    binding: rig.binding,
    countsRequests: false,
    grant: grantOf({ mode: "read-write" }),
    good: bindingCall("/values/long"),
    denied: bindingCall("/nothing"),
    silent: bindingCall("/values/k", { method: "PUT", body: endlessBody() }),
    endless: bindingCall("/changes"),
    gone: async () => {},
    close: () => rig.close(),
  };
});

describeEnvBinding({
  type: "kv",
  script: { write: "await B.put(id, text)", read: "return B.get(id)" },
  python: {
    write: 'B("PUT", "/values/" + quote(id, ""), text)',
    read: 's, b = B("GET", "/values/" + quote(id, ""))\nreturn None if s == 404 else b.decode()',
  },
});

test("what breaks a limit is refused by its name", async () => {
  await using rig = new KvRig();
  const put = (key: string, headers: [string, string][] = []) =>
    userErrorOf(rig.call("PUT", `/values/${encodeURIComponent(key)}`, { headers, body: "v" }));
  expect((await put("é".repeat(257))).message).toContain("at most 512 bytes, not 514");
  for (const key of ["", ".", ".."]) expect((await put(key)).code).toBe("bad_request");
  expect((await put("k", [["ttl", "0"]])).message).toContain("expected ttl to be a whole number from 1");
  expect((await put("k", [["expiration", "1000"]])).code).toBe("bad_request");
  expect((await put("k", [["metadata", encodeURIComponent(JSON.stringify("m".repeat(1023)))]])).details.limit).toEqual({
    name: "metadataBytesMax",
    value: 1024,
  });
  const long = "x".repeat(25 * 1024 * 1024);
  expect(await rig.put("fits", long)).toBe(1);
  expect((await userErrorOf(rig.put("k", `${long}y`))).details.limit?.name).toBe("valueBytesMax");
  for (const url of ["/keys?limit=1001", "/keys?limit=0", "/keys?limit=x", "/keys?cursor=%00", "/values/%ff"]) {
    expect((await userErrorOf(rig.call("GET", url))).code).toBe("bad_request");
  }
  expect((await userErrorOf(rig.call("POST", "/values", { body: JSON.stringify(Array(101).fill("k")) }))).code).toBe(
    "bad_request",
  );
});

test("an expired entry is seen by nobody, counts for no condition, and is collected", async () => {
  await using rig = new KvRig();
  await rig.put("short", "x".repeat(100_000), { ttl: "10" });
  await rig.put("row", "v", { ttl: "10" });
  expect(await rig.text("short")).toHaveLength(100_000);
  rig.clock.advance(10_000);
  expect(await rig.text("short")).toBeNull();
  expect(await rig.keys()).toEqual([]);
  expect(await rig.put("row", "again", { "if-revision": "0" })).toBeGreaterThan(2);
  // Files go after the rows; closing waits for that.
  await rig.binding.close();
  expect(rig.files()).toEqual([]);
});

test("what has expired makes room where the quota would be passed", async () => {
  await using rig = new KvRig(10_000);
  await rig.put("a", "x".repeat(6000), { ttl: "10" });
  expect((await userErrorOf(rig.put("b", "x".repeat(6000)))).details.limit).toEqual({
    name: "kvBytesMax",
    value: 10_000,
  });
  rig.clock.advance(9_999);
  await userErrorOf(rig.put("b", "x".repeat(6000)));
  rig.clock.advance(1);
  await rig.put("b", "x".repeat(6000));
  expect(await rig.text("b")).toHaveLength(6000);
});

test("the quota holds while many write at once, replaces count once, and a refused value leaves no file", async () => {
  await using rig = new KvRig(1_000_000);
  const writes = Array.from({ length: 40 }, (_, at) => rig.put(`k${at}`, "x".repeat(100_000)).catch(() => 0));
  const kept = (await Promise.all(writes)).filter((revision) => revision > 0).length;
  expect(kept).toBe(9);
  expect(rig.files()).toHaveLength(9);
  const [key = ""] = await rig.keys();
  for (let round = 0; round < 5; round += 1) await rig.put(key, "y".repeat(100_000));
  expect(await rig.keys()).toHaveLength(9);
});

test("of writers that expect one revision, one wins", async () => {
  await using rig = new KvRig();
  let revision = 0;
  for (let round = 0; round < 20; round += 1) {
    const racing = Array.from({ length: 8 }, (_, at) =>
      rig.put("k", `${round}.${at}`, { "if-revision": String(revision) }).catch((error) => error.code),
    );
    const outcomes = await Promise.all(racing);
    const won = outcomes.filter((outcome) => typeof outcome === "number");
    expect(won).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "changed_meanwhile")).toHaveLength(7);
    revision = Number(won[0]);
    expect(await rig.text("k")).toBe(`${round}.${outcomes.indexOf(revision)}`);
  }
});

test("a follower hears the last change of every key it wants, and is told when it has missed some", async () => {
  await using rig = new KvRig();
  const scope = fakeScope();
  const { body } = await rig.binding.call(bindingCall("/changes?prefix=a"), grantOf(), scope);
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  const next = async () => new TextDecoder().decode((await reader.read()).value);
  await rig.put("b", "1");
  const revision = await rig.put("a1", "1");
  expect(await next()).toBe(`${JSON.stringify({ type: "put", key: "a1", revision })}\n`);
  await rig.call("DELETE", "/values/a1");
  expect(await next()).toBe(`${JSON.stringify({ type: "delete", key: "a1" })}\n`);
  await Promise.all(Array.from({ length: 1100 }, (_, at) => rig.put(`a${at}`, "1")));
  expect(await next()).toBe(`${JSON.stringify({ type: "reset" })}\n`);
  const waiting = reader.read();
  scope.ender.abort();
  await userErrorOf(waiting);
});
