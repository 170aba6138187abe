/** How many connections there are, for whom, and for how long; by connections that are none. */
import { expect, test } from "bun:test";
import { FakeClock } from "../../../testing/fake_clock.ts";
import type { PgConnection } from "./connection.ts";
import { PgPool } from "./pool.ts";
import type { PgPoolLimits } from "./pool_limits.ts";

/** A connection that only knows whether it is open. */
class Pretended {
  broken = false;
  destroy = () => this.close();
  close = () => {
    this.broken = true;
  };
  cancel = () => Promise.resolve();
}

function open(limits: Partial<PgPoolLimits>) {
  const clock = new FakeClock();
  const pool = new PgPool(clock, limits);
  const all: Pretended[] = [];
  const { signal } = new AbortController();
  const take = async (project: string, database: string, until = signal) => {
    const key = { project, database };
    const connection = await pool.take({
      ...{ ...key, bytes: 1, signal: until },
      open: async () => {
        const made = new Pretended();
        all.push(made);
        return made as unknown as PgConnection;
      },
    });
    return { connection, give: () => pool.give(key, connection) };
  };
  return { clock, pool, take, standing: () => all.filter(({ broken }) => !broken).length };
}

/** Whether it is settled when every other promise is. */
async function isWaiting(taken: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  taken.then(settle, settle);
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  return !settled;
}

test("a project, a database and the server have so many, and who comes after them waits", async () => {
  const { take, standing } = open({
    ...{ connectionsMax: 2, projectConnectionsMax: 3, databaseConnectionsMax: 3, serverConnectionsMax: 5 },
  });
  const [first] = await Promise.all([take("p", "a"), take("p", "a")]);
  const third = take("p", "a");
  expect(await isWaiting(third)).toBe(true);
  await take("p", "b");
  const ofProject = take("p", "c");
  expect(await isWaiting(ofProject)).toBe(true);
  await take("q", "a");
  const ofDatabase = take("r", "a");
  expect(await isWaiting(ofDatabase)).toBe(true);
  await take("r", "d");
  const ofServer = take("s", "e");
  expect([await isWaiting(ofServer), standing()]).toEqual([true, 5]);
  first.give();
  const settled = await Promise.all([third, ofProject, ofDatabase, ofServer].map(isWaiting));
  // One that was given back makes room for one, whoever that is.
  expect([settled.filter((waits) => !waits).length, standing()]).toEqual([1, 5]);
});

test("one that lies idle makes room for somebody else, and is closed when nobody comes", async () => {
  const { clock, pool, take, standing } = open({ serverConnectionsMax: 2, idleMs: 1000 });
  const [first, second] = await Promise.all([take("p", "a"), take("p", "a")]);
  first.give();
  second.give();
  const third = await take("q", "b");
  expect(standing()).toBe(2);
  third.give();
  await clock.advance(1499);
  await clock.advance(2);
  expect(standing()).toBe(0);
  const fourth = await take("p", "a");
  fourth.connection.destroy();
  fourth.give();
  await take("p", "a");
  expect(standing()).toBe(1);
  pool.close();
  expect(standing()).toBe(0);
  await expect(take("p", "a")).rejects.toMatchObject({ code: "draining" });
  expect(clock.pending).toBe(0);
});

test("who gives up lets the next one have his turn", async () => {
  const { take } = open({ connectionsMax: 1 });
  const first = await take("p", "a");
  const ender = new AbortController();
  const gone = take("p", "a", ender.signal);
  const next = take("p", "a");
  ender.abort(new Error("gone"));
  await expect(gone).rejects.toThrow("gone");
  first.give();
  expect(await isWaiting(next)).toBe(false);
});
