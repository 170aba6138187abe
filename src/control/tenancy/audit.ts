/**
 * The audit: who changed what, kept in the store, the newest first, for a while.
 *
 * A change is made first and audited then; when that fails, the server's log has it.
 */
import type { Clock } from "../../core/clock.ts";
import type { Store, StoreKey } from "../../core/store.ts";
import { type AuditRecord, auditRecord, readJson, toBytes } from "../deploy/records.ts";

/** How long an entry is kept, in milliseconds, and how many entries there are at the most. */
const KEPT_MS = 90 * 24 * 3600 * 1000;
const ENTRIES_MAX = 100_000;
/** Entries that one question looks at, whoever's they are. */
const LOOKED_AT_MAX = 10_000;
/** So that the newest entry has the first key. */
const TIME_MAX = 1e15;

/** An entry without its time. */
export type AuditEntry = Omit<AuditRecord, "at">;

/** The audit. */
export class Audit {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #report: (message: string, fields: Readonly<Record<string, unknown>>) => void;

  constructor(
    store: Store,
    clock: Clock,
    report: (message: string, fields: Readonly<Record<string, unknown>>) => void,
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#report = report;
  }

  /** Writes down what was done. Never rejects. */
  async add(entry: AuditEntry): Promise<void> {
    const at = this.#clock.wallNow();
    try {
      await this.#store.put(keyAt(at, crypto.randomUUID()), toBytes({ at, ...entry }));
    } catch (error) {
      this.#report("A change could not be audited", { ...entry, cause: String(error) });
    }
  }

  /** Entries, the newest first. @param after a cursor that an earlier page has given */
  async list(
    project: string | undefined,
    limit: number,
    after: string | undefined,
  ): Promise<{ entries: AuditRecord[]; next: string | undefined }> {
    const entries: AuditRecord[] = [];
    let last = after;
    for (let seen = 0; seen < LOOKED_AT_MAX; ) {
      const page = await this.#store.list(["audit"], {
        after: last === undefined ? undefined : ["audit", last],
        limit: 500,
      });
      if (page.length === 0) return { entries, next: undefined };
      for (const { key, value } of page) {
        if (entries.length >= limit) return { entries, next: last };
        last = key[1];
        const parsed = auditRecord.safeParse(readJson(value));
        if (parsed.success && (project === undefined || parsed.data.project === project)) entries.push(parsed.data);
      }
      seen += page.length;
    }
    return { entries, next: last };
  }

  /** Removes what is too old or too much; how many entries that were. */
  async prune(): Promise<number> {
    const cutoff = keyAt(this.#clock.wallNow() - KEPT_MS, "");
    const bound = await this.#boundKey();
    let after: StoreKey = bound !== undefined && (bound[1] ?? "") < (cutoff[1] ?? "") ? bound : cutoff;
    for (let removed = 0; ; ) {
      const page = await this.#store.list(["audit"], { after, limit: 500 });
      if (page.length === 0) return removed;
      for (const { key } of page) await this.#store.delete(key);
      removed += page.length;
      after = page.at(-1)?.key ?? after;
    }
  }

  /** The key behind which there are more entries than are kept. */
  async #boundKey(): Promise<StoreKey | undefined> {
    let after: StoreKey | undefined;
    for (let seen = 0; seen < ENTRIES_MAX; ) {
      const page = await this.#store.list(["audit"], { after, limit: 1000 });
      if (page.length === 0) return undefined;
      seen += page.length;
      after = page.at(-1)?.key;
    }
    return after;
  }
}

function keyAt(at: number, random: string): StoreKey {
  return ["audit", `${String(Math.max(0, TIME_MAX - at)).padStart(16, "0")}-${random}`];
}
