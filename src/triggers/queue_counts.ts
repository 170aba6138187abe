/**
 * How much the queues of each project hold: counted when somebody first asks, and kept up from then on.
 *
 * What other servers do to the same queues is not heard of here, so that a count is taken anew before it refuses anything.
 */
import type { Clock } from "../core/clock.ts";
import type { Messages } from "./messages.ts";

/** What a queue, or all of a project, holds. */
export interface HeldMessages {
  messages: number;
  bytes: number;
}

/** Room for messages that are being written. */
export interface TakenRoom {
  /** They are written, or will not be. */
  settled(): void;
}

interface ProjectCount {
  readonly countedAt: number;
  readonly queues: Map<string, HeldMessages>;
}

/** The counts. */
export class QueueCounts {
  readonly #messages: Messages;
  readonly #clock: Clock;
  readonly #projects = new Map<string, Promise<ProjectCount>>();
  /** The counts that are known, for who cannot wait. */
  readonly #known = new Map<string, ProjectCount>();
  /** What is being written, by project: a count waits for it, and what comes after waits for the count. */
  readonly #writing = new Map<string, Set<Promise<void>>>();

  constructor(messages: Messages, clock: Clock) {
    this.#messages = messages;
    this.#clock = clock;
  }

  /** What the queues of a project hold. @param ageMsMax counts anew what was counted longer ago */
  async of(project: string, ageMsMax = Number.POSITIVE_INFINITY): Promise<ReadonlyMap<string, HeldMessages>> {
    for (;;) {
      const counting = this.#projects.get(project);
      const known = await counting;
      // Somebody counts anew.
      if (counting !== this.#projects.get(project)) continue;
      if (known !== undefined && this.#clock.now() - known.countedAt <= ageMsMax) return known.queues;
      const next = this.#count(project);
      this.#projects.set(project, next);
      next.catch(() => {
        if (this.#projects.get(project) === next) this.#projects.delete(project);
      });
    }
  }

  /**
   * Takes room for messages that are to be written; undefined where the project would hold more than `bytesMax`. Of many
   * who ask at once, each counts for the next.
   */
  async take(
    { project, queue, messages, bytes }: HeldMessages & { readonly project: string; readonly queue: string },
    bytesMax: number,
    ageMsMax?: number,
  ): Promise<TakenRoom | undefined> {
    const queues = await this.of(project, ageMsMax);
    const held = [...queues.values()].reduce((sum, each) => sum + each.bytes, 0);
    if (held + bytes > bytesMax) return undefined;
    this.add(project, queue, messages, bytes);
    const { promise, resolve } = Promise.withResolvers<void>();
    const writing = this.#writing.get(project) ?? new Set();
    this.#writing.set(project, writing.add(promise));
    const settled = () => {
      resolve();
      writing.delete(promise);
      if (writing.size === 0 && this.#writing.get(project) === writing) this.#writing.delete(project);
    };
    return { settled };
  }

  /** Messages came, or went when the numbers are negative. */
  add(project: string, queue: string, messages: number, bytes: number): void {
    const queues = this.#known.get(project)?.queues;
    if (queues === undefined) return;
    const held = queues.get(queue) ?? { messages: 0, bytes: 0 };
    const next = { messages: Math.max(0, held.messages + messages), bytes: Math.max(0, held.bytes + bytes) };
    if (next.messages === 0) queues.delete(queue);
    else queues.set(queue, next);
  }

  /** Counts anew when somebody asks. */
  forget(project: string): void {
    this.#projects.delete(project);
    this.#known.delete(project);
  }

  /** How many messages wait in the queues that have been counted, by project and queue. */
  all(): { readonly queue: string; readonly messages: number }[] {
    return [...this.#known].flatMap(([project, { queues }]) =>
      [...queues].map(([queue, { messages }]) => ({ queue: `${project}/${queue}`, messages })),
    );
  }

  async #count(project: string): Promise<ProjectCount> {
    await Promise.all(this.#writing.get(project) ?? []);
    const queues = new Map<string, HeldMessages>();
    for (const name of await this.#messages.names(project)) {
      const held = { messages: 0, bytes: 0 };
      for await (const page of this.#messages.pages(project, name)) {
        held.messages += page.length;
        held.bytes += page.reduce((sum, { bytes }) => sum + bytes, 0);
      }
      if (held.messages > 0) queues.set(name, held);
    }
    const counted = { countedAt: this.#clock.now(), queues };
    this.#known.set(project, counted);
    return counted;
  }
}
