/**
 * A store in memory, for tests of what is built on the port. It passes the port's suite.
 *
 * Its contents stand in a `MemoryContents`, of which several stores may be opened, as several processes would.
 */
import { type Clock, systemClock } from "../core/clock.ts";
import type { Store, StoreCondition, StoreEntry, StoreEvent, StoreKey } from "../core/store.ts";
import { Conflict } from "../core/store.ts";
import {
  checkCondition,
  checkKey,
  checkListLimit,
  checkPrefix,
  checkRevision,
  checkValue,
  STORE_LIMITS,
  shown,
  storeClosed,
  tooManyWatches,
} from "../core/store_rules.ts";
import { compareKeys } from "./key_order.ts";
import { MemoryBlobs } from "./memory_blobs.ts";

interface Version {
  readonly key: StoreKey;
  /** Undefined is the tombstone of a deleted entry. */
  readonly value: Uint8Array | undefined;
  readonly revision: number;
}

/** What stores that are opened on it share. */
export class MemoryContents {
  readonly versions = new Map<string, Version>();
  readonly blobs = new Map<string, { bytes: Uint8Array; touchedAt: number }>();
  readonly listeners = new Set<() => void>();
  revision = 0;
  horizon = 0;
}

/** A store whose contents end with the test. */
export class MemoryStore implements Store {
  readonly blobs: MemoryBlobs;
  #contents: MemoryContents;
  #closing = new AbortController();
  #watches = 0;

  constructor(contents = new MemoryContents(), clock: Clock = systemClock) {
    this.#contents = contents;
    this.blobs = new MemoryBlobs(contents.blobs, clock, this.#closing.signal);
  }

  async get(key: StoreKey): Promise<StoreEntry | undefined> {
    checkKey(key);
    this.#checkOpen();
    const found = this.#contents.versions.get(nameOf(key));
    return found && entryOf(found);
  }

  async put(key: StoreKey, value: Uint8Array, condition: StoreCondition = {}): Promise<number> {
    checkKey(key);
    checkValue(key, value);
    return this.#change(key, Uint8Array.from(value), condition);
  }

  async delete(key: StoreKey, condition: StoreCondition = {}): Promise<number> {
    checkKey(key);
    return this.#change(key, undefined, condition);
  }

  async list(
    prefix: StoreKey,
    options: { readonly after?: StoreKey | undefined; readonly limit?: number | undefined } = {},
  ): Promise<StoreEntry[]> {
    checkPrefix(prefix);
    const { after } = options;
    if (after !== undefined) checkKey(after);
    const limit = checkListLimit(options.limit);
    this.#checkOpen();
    const entries = this.#under(prefix).flatMap((version) => entryOf(version) ?? []);
    const behind = entries.sort(byKey).filter(({ key }) => after === undefined || compareKeys(key, after) > 0);
    let bytes = 0;
    const over = behind.findIndex(({ value }, index) => {
      bytes += value.length;
      return index > 0 && bytes > STORE_LIMITS.listBytesMax;
    });
    return behind.slice(0, over < 0 ? limit : Math.min(limit, over));
  }

  async *watch(
    prefix: StoreKey,
    { from, signal }: { readonly from?: number | undefined; readonly signal: AbortSignal },
  ): AsyncGenerator<StoreEvent> {
    checkPrefix(prefix);
    if (from !== undefined) checkRevision(from, "from");
    if (this.#watches >= STORE_LIMITS.watchesMax) throw tooManyWatches();
    const end = AbortSignal.any([signal, this.#closing.signal]);
    this.#watches += 1;
    try {
      yield* this.#follow(prefix, from, end);
    } finally {
      this.#watches -= 1;
    }
  }

  async compact(revision: number): Promise<void> {
    checkRevision(revision, "revision");
    this.#checkOpen();
    const contents = this.#contents;
    contents.horizon = Math.max(contents.horizon, Math.min(revision, contents.revision));
    for (const [name, version] of contents.versions) {
      if (version.value === undefined && version.revision <= contents.horizon) contents.versions.delete(name);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
  }

  async *#follow(prefix: StoreKey, from: number | undefined, end: AbortSignal): AsyncGenerator<StoreEvent> {
    const contents = this.#contents;
    let reached = from ?? 0;
    // Deletes up to here are of entries that this watch has never told of.
    let unknownUpTo = from === undefined ? contents.revision : 0;
    let synced = false;
    while (!end.aborted) {
      if (Math.max(reached, unknownUpTo) < contents.horizon || reached > contents.revision) {
        yield { type: "reset" };
        [reached, unknownUpTo, synced] = [0, contents.revision, false];
        continue;
      }
      const next = this.#under(prefix)
        .filter(({ revision, value }) => revision > reached && (value !== undefined || revision > unknownUpTo))
        .sort((first, second) => first.revision - second.revision)[0];
      if (next !== undefined) {
        reached = next.revision;
        const { key, value, revision } = next;
        yield value === undefined
          ? { type: "delete", key, revision }
          : { type: "put", key, value: value.slice(), revision };
        continue;
      }
      reached = contents.revision;
      if (!synced) {
        synced = true;
        yield { type: "sync", revision: reached };
      }
      if (contents.revision === reached) await this.#changed(end);
    }
  }

  #changed(end: AbortSignal): Promise<void> {
    const { listeners } = this.#contents;
    return new Promise((resolve) => {
      if (end.aborted) return resolve();
      const settle = () => {
        listeners.delete(settle);
        end.removeEventListener("abort", settle);
        resolve();
      };
      listeners.add(settle);
      end.addEventListener("abort", settle);
    });
  }

  #change(key: StoreKey, value: Uint8Array | undefined, condition: StoreCondition): number {
    checkCondition(condition);
    this.#checkOpen();
    const contents = this.#contents;
    const current = contents.versions.get(nameOf(key));
    const revision = current?.value === undefined ? 0 : current.revision;
    const { ifRevision } = condition;
    if (ifRevision !== undefined && (ifRevision !== revision || (value === undefined && revision === 0))) {
      throw new Conflict(`Cannot change ${shown(key)}: revision ${ifRevision} was expected, and ${revision} is there`);
    }
    contents.revision += 1;
    contents.versions.set(nameOf(key), { key: [...key], value, revision: contents.revision });
    for (const listener of [...contents.listeners]) listener();
    return contents.revision;
  }

  #under(prefix: StoreKey): Version[] {
    return [...this.#contents.versions.values()].filter(({ key }) =>
      prefix.every((segment, index) => key[index] === segment),
    );
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw storeClosed();
  }
}

const byKey = (first: StoreEntry, second: StoreEntry) => compareKeys(first.key, second.key);
const nameOf = (key: StoreKey) => JSON.stringify(key);
const entryOf = ({ key, value, revision }: Version): StoreEntry | undefined =>
  value && { key, value: value.slice(), revision };
