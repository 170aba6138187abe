/**
 * What the store holds, in memory: fed by one watch, read by everything that only reads.
 *
 * A record that cannot be read is reported and skipped: one bad entry must not take the others with it. When the store
 * is lost, what was known stays, and the watch is begun again where it was.
 */
import type { Clock } from "../../core/clock.ts";
import type { Store, StoreEvent, StoreKey } from "../../core/store.ts";
import { type AuditRecord, auditRecord, RECORDS, type RecordKind, type RecordOf, readJson } from "../deploy/records.ts";
import { ReachedRevision } from "./reached_revision.ts";

/** A record with where it stands. */
export interface Known<Kind extends RecordKind> {
  readonly key: StoreKey;
  readonly value: RecordOf<Kind>;
  readonly revision: number;
}

/** A change; `value` is undefined when the record is gone. */
export interface RecordChange {
  readonly kind: RecordKind;
  readonly key: StoreKey;
}

/** Who hears of changes. */
export interface ReplicaEvents {
  /** These records have changed, and are as `get` gives them. */
  changed(changes: readonly RecordChange[]): void;
  /** Something was audited, here or by another server of the same store. */
  audited(entry: AuditRecord): void;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

type Tables = { readonly [Kind in RecordKind]: Map<string, Known<Kind>> };

const RETRY_MS = 500;

/** The replica. */
export class Replica {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #events: ReplicaEvents;
  readonly #tables = Object.fromEntries(Object.keys(RECORDS).map((kind) => [kind, new Map()])) as unknown as Tables;
  readonly #ending = new AbortController();
  readonly #reached: ReachedRevision;
  #synced = false;
  /** Keys that a snapshot after a reset has not named yet: what is left at its end is gone. */
  #unconfirmed: Map<string, RecordChange> | undefined;
  /** Changes of a snapshot, told at its end. */
  #held: RecordChange[] = [];
  #over: Promise<void> = Promise.resolve();

  constructor(store: Store, clock: Clock, events: ReplicaEvents) {
    this.#store = store;
    this.#clock = clock;
    this.#events = events;
    this.#reached = new ReachedRevision(clock);
  }

  /** Reads everything, and follows from then on. @throws {Error} when the store cannot be read */
  async open(): Promise<void> {
    const events = this.#watch(undefined);
    for (;;) {
      const { value, done } = await events.next();
      if (done) throw new Error("Cannot read the store: its watch ended");
      this.#take(value);
      if (value.type === "sync") break;
    }
    this.#over = this.#follow(events);
  }

  /** The record under a key of `kind`, whose first segment is left out. */
  get<Kind extends RecordKind>(kind: Kind, ...rest: string[]): Known<Kind> | undefined {
    return this.#tables[kind].get(JSON.stringify(rest));
  }

  /** All records of a kind whose keys begin with `rest`. */
  all<Kind extends RecordKind>(kind: Kind, ...rest: string[]): Known<Kind>[] {
    const table: ReadonlyMap<string, Known<Kind>> = this.#tables[kind];
    if (rest.length === 0) return [...table.values()];
    const beginning = JSON.stringify(rest).slice(0, -1);
    const found: Known<Kind>[] = [];
    for (const [key, known] of table) if (key.startsWith(`${beginning},`) || key === `${beginning}]`) found.push(known);
    return found;
  }

  /** Resolves when everything up to `revision` is known here. @throws {IsopodError} `store_unavailable` */
  reached(revision: number): Promise<void> {
    return this.#reached.wait(revision);
  }

  /** Follows no longer. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#over;
  }

  #watch(from: number | undefined): AsyncIterator<StoreEvent> {
    return this.#store.watch([], { from, signal: this.#ending.signal })[Symbol.asyncIterator]();
  }

  async #follow(first: AsyncIterator<StoreEvent>): Promise<void> {
    let events = first;
    while (!this.#ending.signal.aborted) {
      try {
        for (let next = await events.next(); !next.done; next = await events.next()) this.#take(next.value);
      } catch (error) {
        if (this.#ending.signal.aborted) return;
        this.#events.report("The store cannot be watched; trying again", { cause: String(error), retryMs: RETRY_MS });
      }
      if (this.#ending.signal.aborted) return;
      await this.#pause();
      events = this.#watch(this.#reached.revision);
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#ending;
      const done = () => {
        cancel();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.#clock.after(RETRY_MS, done);
      signal.addEventListener("abort", done);
    });
  }

  #take(event: StoreEvent): void {
    if (event.type === "reset") return this.#reset();
    if (event.type === "sync") {
      this.#synced = true;
      const gone = [...(this.#unconfirmed?.values() ?? [])];
      for (const { kind, key } of gone) this.#tables[kind].delete(JSON.stringify(key.slice(1)));
      this.#unconfirmed = undefined;
      this.#tell([...this.#held.splice(0), ...gone]);
    } else {
      const change = this.#apply(event);
      if (change !== undefined && this.#synced) this.#tell([change]);
      else if (change !== undefined) this.#held.push(change);
    }
    // Within a snapshot revisions are in no order: it counts as a whole, at its end.
    if (this.#synced) this.#reached.advance(event.revision);
  }

  #reset(): void {
    this.#synced = false;
    this.#unconfirmed = new Map();
    for (const [kind, table] of Object.entries(this.#tables) as [RecordKind, Map<string, Known<RecordKind>>][]) {
      for (const { key } of table.values()) this.#unconfirmed.set(JSON.stringify(key), { kind, key });
    }
  }

  #tell(changes: readonly RecordChange[]): void {
    if (changes.length === 0) return;
    try {
      this.#events.changed(changes);
    } catch (error) {
      this.#events.report("A change of the store could not be taken over", { cause: String(error) });
    }
  }

  #apply(event: Extract<StoreEvent, { type: "put" | "delete" }>): RecordChange | undefined {
    const [kind = "", ...rest] = event.key;
    if (kind === "audit" && event.type === "put" && this.#synced) return this.#audited(event.value);
    if (!isKind(kind)) return undefined;
    const at = JSON.stringify(rest);
    const table = this.#tables[kind] as Map<string, Known<RecordKind>>;
    if (event.type === "delete") return table.delete(at) ? { kind, key: event.key } : undefined;
    this.#unconfirmed?.delete(JSON.stringify(event.key));
    if ((table.get(at)?.revision ?? 0) >= event.revision) return undefined;
    const parsed = RECORDS[kind].safeParse(readJson(event.value));
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const cause = `${issue?.path.join(".")}: ${issue?.message}`;
      this.#events.report("An entry of the store cannot be read and is skipped", { key: event.key.join("/"), cause });
      return undefined;
    }
    table.set(at, { key: event.key, value: parsed.data as RecordOf<RecordKind>, revision: event.revision });
    return { kind, key: event.key };
  }

  #audited(value: Uint8Array): undefined {
    const parsed = auditRecord.safeParse(readJson(value));
    if (parsed.success) this.#events.audited(parsed.data);
  }
}

function isKind(text: string): text is RecordKind {
  return Object.hasOwn(RECORDS, text);
}
