/** The part of the store's suite that compares it with a map, over random changes, openings and watches. */
import { expect, test } from "bun:test";
import { Conflict, type Store, type StoreKey } from "../core/store.ts";
import { compareKeys } from "./key_order.ts";
import { type SeededRandom, seededRandom } from "./seeded_random.ts";
import { Follower } from "./store_follower.ts";
import type { StoreFixture } from "./store_rig.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const STEPS = 150;
const SEGMENTS = ["a", "b", "ab", "\0", "a\0", "é", "\u{1f98a}"];
const PREFIXES: readonly StoreKey[] = [[], ["a"], ["a\0"], ["a", "b"]];

interface Standing {
  readonly value: Uint8Array;
  readonly revision: number;
}

/** What should stand, and what is asked of the stores beside it. */
class Model {
  readonly entries = new Map<string, Standing>();
  head = 0;
  #random: SeededRandom;
  #stores: readonly Store[];

  constructor(random: SeededRandom, stores: readonly Store[]) {
    this.#random = random;
    this.#stores = stores;
  }

  get store(): Store {
    return this.#random.pick(this.#stores);
  }

  /** One random change, with the outcome that it must have. */
  async change(): Promise<void> {
    const random = this.#random;
    const key = Array.from({ length: 1 + random.below(3) }, () => random.pick(SEGMENTS));
    const name = JSON.stringify(key);
    const revision = this.entries.get(name)?.revision ?? 0;
    const ifRevision = random.pick([undefined, undefined, revision, random.below(this.head + 2)]);
    const isDelete = random.below(4) === 0;
    const value = random.bytes(random.below(20));
    const refused = ifRevision !== undefined && (ifRevision !== revision || (isDelete && revision === 0));
    const change = isDelete ? this.store.delete(key, { ifRevision }) : this.store.put(key, value, { ifRevision });
    const outcome = await change.catch((error: unknown) => error);
    if (refused) {
      expect(outcome).toBeInstanceOf(Conflict);
      return;
    }
    expect(outcome).toBeGreaterThan(this.head);
    this.head = outcome as number;
    if (isDelete) this.entries.delete(name);
    else this.entries.set(name, { value, revision: this.head });
  }

  /** What should stand under a prefix, in order. */
  under(prefix: StoreKey): { key: StoreKey; value: Uint8Array; revision: number }[] {
    return [...this.entries]
      .map(([name, standing]) => ({ key: JSON.parse(name) as StoreKey, ...standing }))
      .filter(({ key }) => prefix.every((segment, index) => key[index] === segment))
      .sort((first, second) => compareKeys(first.key, second.key));
  }
}

/** A watch that is read now and then, given up and resumed. */
class RandomReader {
  readonly prefix: StoreKey;
  follower: Follower;

  constructor(store: Store, prefix: StoreKey) {
    this.prefix = prefix;
    this.follower = new Follower(store, prefix);
  }

  /** Reads until what has been told is what should stand. */
  async catchUp(model: Model): Promise<void> {
    const { state } = this.follower;
    const wanted = model.under(this.prefix);
    const isThere = () =>
      state.size === wanted.length &&
      wanted.every(({ key, revision }) => state.get(JSON.stringify(key))?.revision === revision);
    while (!isThere()) {
      if ((await this.follower.next()) === undefined) throw new Error("The watch has ended before it told everything");
    }
    const found = [...state].map(([name, standing]) => ({ key: JSON.parse(name) as StoreKey, ...standing }));
    expect(found.sort((first, second) => compareKeys(first.key, second.key))).toEqual(wanted);
  }

  /** Gives the watch up and resumes it by another opening, where it has got so far. */
  async resume(store: Store): Promise<void> {
    const { follower } = this;
    await follower[Symbol.asyncDispose]();
    this.follower = new Follower(store, this.prefix, follower.reached);
    if (follower.reached === undefined) return;
    for (const [key, standing] of follower.state) this.follower.state.set(key, standing);
  }
}

/** The tests. */
export function testModel(at: StoreFixture): void {
  for (const seed of SEEDS) {
    test(`behaves as a map does, and so do its watches (seed ${seed})`, async () => {
      const random = seededRandom(seed);
      const model = new Model(random, [at.store, at.other]);
      const readers = PREFIXES.map((prefix) => new RandomReader(model.store, prefix));
      for (let step = 0; step < STEPS; step += 1) {
        const choice = random.below(20);
        const reader = random.pick(readers);
        if (choice === 0) await model.store.compact(random.below(model.head + 2));
        else if (choice === 1) await reader.resume(model.store);
        else if (choice < 5) await reader.catchUp(model);
        else await model.change();
        if (choice === 6) expect(await model.store.list(reader.prefix)).toEqual(model.under(reader.prefix));
      }
      for (const reader of readers) {
        await reader.catchUp(model);
        await reader.follower[Symbol.asyncDispose]();
      }
      expect(await model.store.list([])).toEqual(model.under([]));
    });
  }
}
