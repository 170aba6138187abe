/**
 * The messages of queues in the store: one entry each, in the order in which they were sent.
 *
 * Who delivers a message claims it first, by compare-and-set: it is invisible for the time of the lease, and counted.
 * A crash leaves it where it is, and it is delivered again when the lease is over.
 */
import { Conflict, type Store, type StoreEntry } from "../core/store.ts";
import type { OutgoingMessage, QueueMessage } from "../core/triggers.ts";
import { TRIGGER_LIMITS } from "./limits.ts";

/** A message, and the revision that whoever changes it must name. */
export interface StoredMessage extends QueueMessage {
  readonly revision: number;
  readonly bytes: number;
}

interface MessageRecord {
  readonly at: number;
  readonly visible: number;
  readonly attempts: number;
  readonly type: QueueMessage["type"];
  readonly body: string;
}

let lastMs = 0;
let counter = 0;

/** Ids are in the order in which they were made, also within a millisecond. */
function newId(now: number): string {
  lastMs = Math.max(lastMs, now);
  counter += 1;
  const random = crypto.randomUUID().slice(0, 8);
  return `${lastMs.toString(36).padStart(9, "0")}-${counter.toString(36).padStart(7, "0")}-${random}`;
}

/** The messages of all queues. */
export class Messages {
  readonly #store: Store;
  /** The first segment of all keys. */
  readonly #prefix: string;

  constructor(store: Store, prefix: "queues" | "invocations") {
    this.#store = store;
    this.#prefix = prefix;
  }

  /** Puts a message in; its id. */
  async add(project: string, queue: string, message: OutgoingMessage, now: number): Promise<string> {
    const id = newId(now);
    const { type, body, delayMs } = message;
    await this.#put(
      [this.#prefix, project, queue, id],
      { at: now, visible: now + delayMs, attempts: 0, type, body },
      0,
    );
    return id;
  }

  /** Puts a message of another queue in, once; false when it is there already. */
  async move(project: string, to: string, { id, type, body }: StoredMessage, now: number): Promise<boolean> {
    const record = { at: now, visible: now, attempts: 0, type, body };
    return (await this.#put([this.#prefix, project, to, id], record, 0)) !== undefined;
  }

  /** A message as it stands now. */
  async get(project: string, queue: string, id: string): Promise<StoredMessage | undefined> {
    const entry = await this.#store.get([this.#prefix, project, queue, id], { fresh: true });
    return entry && messageOf(entry);
  }

  /** Messages behind `after`, in their order. */
  async list(project: string, queue: string, after: string | undefined, limit: number): Promise<StoredMessage[]> {
    const prefix = [this.#prefix, project, queue];
    const entries = await this.#store.list(prefix, {
      limit,
      ...(after !== undefined && { after: [...prefix, after] }),
    });
    return entries.map(messageOf);
  }

  /** Claims a message until a moment; undefined when somebody else was faster. */
  async claim(
    project: string,
    queue: string,
    message: StoredMessage,
    until: number,
  ): Promise<StoredMessage | undefined> {
    const attempts = message.attempts + 1;
    const revision = await this.#put(
      [this.#prefix, project, queue, message.id],
      { ...recordOf(message), visible: until, attempts },
      message.revision,
    );
    return revision === undefined ? undefined : { ...message, attempts, visibleAt: until, revision };
  }

  /** Lets a claimed message be seen again at a moment; false when somebody else has it by now. */
  async giveBack(project: string, queue: string, message: StoredMessage, visibleAt: number): Promise<boolean> {
    const record = { ...recordOf(message), visible: visibleAt };
    return (await this.#put([this.#prefix, project, queue, message.id], record, message.revision)) !== undefined;
  }

  /** Removes a message; false when somebody else has it by now. */
  async remove(project: string, queue: string, { id, revision }: StoredMessage): Promise<boolean> {
    try {
      await this.#store.delete([this.#prefix, project, queue, id], { ifRevision: revision });
      return true;
    } catch (error) {
      if (error instanceof Conflict) return false;
      throw error;
    }
  }

  /** The queues of a project that have messages. */
  names(project: string): Promise<string[]> {
    return this.#segments([this.#prefix, project]);
  }

  /** The projects that have messages. */
  projects(): Promise<string[]> {
    return this.#segments([this.#prefix]);
  }

  /** Goes over all messages of a queue, a page at a time. */
  async *pages(project: string, queue: string): AsyncGenerator<readonly StoredMessage[]> {
    for (let after: string | undefined; ; ) {
      const page = await this.list(project, queue, after, TRIGGER_LIMITS.pageMax);
      after = page.at(-1)?.id;
      if (after === undefined) return;
      yield page;
      // What is on a request's way has its turn between two pages.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** What follows a prefix in the keys that there are. */
  async #segments(prefix: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (let after: string[] | undefined; ; ) {
      const [entry] = await this.#store.list(prefix, { limit: 1, ...(after && { after }) });
      const segment = entry?.key[prefix.length];
      if (segment === undefined) return found;
      found.push(segment);
      // Behind every key that goes on from here: what follows begins with digits and letters.
      after = [...prefix, segment, "\u{10ffff}"];
    }
  }

  async #put(key: readonly string[], record: MessageRecord, ifRevision: number): Promise<number | undefined> {
    try {
      return await this.#store.put(key, new TextEncoder().encode(JSON.stringify(record)), { ifRevision });
    } catch (error) {
      if (error instanceof Conflict) return undefined;
      throw error;
    }
  }
}

function recordOf({ sentAt, visibleAt, attempts, type, body }: QueueMessage): MessageRecord {
  return { at: sentAt, visible: visibleAt, attempts, type, body };
}

function messageOf({ key, value, revision }: StoreEntry): StoredMessage {
  const { at, visible, attempts, type, body } = JSON.parse(new TextDecoder().decode(value)) as MessageRecord;
  return { id: key[3] ?? "", sentAt: at, visibleAt: visible, attempts, type, body, revision, bytes: bytesOf(body) };
}

/** What a message counts towards its project's quota. */
export function bytesOf(body: string): number {
  return Buffer.byteLength(body) + TRIGGER_LIMITS.entryBytes;
}
