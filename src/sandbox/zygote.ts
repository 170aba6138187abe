/**
 * A zygote: one sandboxed guest of ours, booted and without any program, that forks instances.
 *
 * What it is asked goes over a socket that can carry descriptors, what it says comes back as records on its output. It
 * is trusted as little as any guest: what it says wrongly ends it, and with it, by the kernel, all that it has forked.
 */
import type { GuestProcess } from "../core/engine.ts";
import { IsopodError } from "../core/errors.ts";
import { type Deferred, deferred } from "../stdx/deferred.ts";
import type { CgroupSlot } from "./cgroup_slot.ts";
import { findForked, threadCount } from "./forked_lookup.ts";
import { ForkedProcess } from "./forked_process.ts";
import { closeAll, sendDescriptors, socketPair } from "./native.ts";
import { onlyChild } from "./usage.ts";

/** What a zygote is made of. */
export interface ZygoteParts {
  /** The process: bubblewrap, with the zygote below it. */
  readonly process: GuestProcess;
  /** Our end of the socket that requests go over; closed with the zygote. */
  readonly requests: number;
  /** What an instance's hello must hold. */
  readonly hello: GuestProcess["hello"];
  readonly layers: readonly string[];
  takeSlot(): CgroupSlot | undefined;
}

/** The zygote must be ready, and answer, within this time, in milliseconds. */
const ANSWER_MS = 10_000;

/** What it says, as `engines/script/guest/zygote.ts` does: a word, a process, a status, of 32 bits each. */
const SAID = { ready: 1, forked: 2, ended: 3 } as const;
const RECORD_BYTES = 12;

const FORK = 0x46;

/** One zygote. */
export class Zygote {
  /** Settles when it is gone. */
  readonly ended: Promise<void>;
  readonly #parts: ZygoteParts;
  readonly #ready: Deferred<void> = deferred();
  /** Who waits for a fork, in the order of their requests. */
  readonly #asked: Deferred<number>[] = [];
  /** By their numbers in the zygote's namespace. */
  readonly #instances = new Map<number, ForkedProcess>();
  /** Ends of instances that were told before their forks had been dealt with. */
  readonly #early = new Map<number, number>();
  #pid: number | undefined;
  #usable = true;
  #retired = false;
  #forks = 0;

  constructor(parts: ZygoteParts) {
    this.#parts = parts;
    this.#read();
    this.ended = parts.process.exited.then((end) => this.#gone(`${end.code} ${end.stderr}`));
  }

  /** Whether it can be asked for more. */
  get usable(): boolean {
    return this.#usable;
  }

  /** Instances that it has been asked for. */
  get forks(): number {
    return this.#forks;
  }

  /** Resolves when it has booted. @throws {IsopodError} `start_failed` */
  async boot(): Promise<void> {
    const late = setTimeout(() => this.close(), ANSWER_MS);
    try {
      await this.#ready.promise;
      this.#pid = onlyChild(this.#parts.process.pid);
      if (this.#pid === undefined) throw new IsopodError("start_failed", { cause: "the zygote is not to be found" });
    } finally {
      clearTimeout(late);
    }
  }

  /** Forks an instance. @throws {IsopodError} `start_failed` */
  async fork(): Promise<GuestProcess> {
    const pairs = [socketPair(), socketPair()] as const;
    const [[ours, theirs], [errors, theirErrors]] = pairs;
    let slot: CgroupSlot | undefined;
    try {
      slot = this.#parts.takeSlot();
      const pid = await this.#ask([theirs, theirErrors]);
      this.#requireOneThread();
      const found = findForked(this.#pid as number, pid);
      if (found === undefined) throw new IsopodError("start_failed", { cause: "the forked instance ended at once" });
      slot?.add(found.hostPid);
      const { hello, layers } = this.#parts;
      const instance = new ForkedProcess({ ...found, channel: ours, errors, slot, hello, layers });
      this.#instances.set(pid, instance);
      instance.exited.then(() => {
        this.#instances.delete(pid);
        this.#leave();
      });
      const early = this.#early.get(pid);
      this.#early.delete(pid);
      if (early !== undefined) instance.over(early);
      return instance;
    } catch (cause) {
      slot?.release();
      // What was forked all the same finds its channel closed, and ends.
      closeAll([ours, errors]);
      throw cause instanceof IsopodError ? cause : new IsopodError("start_failed", { cause });
    } finally {
      closeAll([theirs, theirErrors]);
      this.#leave();
    }
  }

  /** Ends it when nothing is left of what it has forked: it is asked for no more. */
  retire(): void {
    this.#retired = true;
    this.#leave();
  }

  /** Ends it, and all that it has forked. */
  close(): void {
    this.#parts.process.kill();
  }

  async #ask(descriptors: readonly number[]): Promise<number> {
    if (!this.#usable) throw new IsopodError("start_failed", { cause: "the zygote is gone" });
    this.#forks += 1;
    const answer = deferred<number>();
    sendDescriptors(this.#parts.requests, FORK, descriptors);
    this.#asked.push(answer);
    const late = setTimeout(() => this.close(), ANSWER_MS);
    try {
      return await answer.promise;
    } finally {
      clearTimeout(late);
    }
  }

  /** A child of a process with several threads would wait for those that it does not have; threads do not go again. */
  #requireOneThread(): void {
    if (threadCount(this.#pid as number) === 1) return;
    this.#usable = false;
    throw new IsopodError("start_failed", { cause: "the zygote has more than one thread" });
  }

  #leave(): void {
    if (this.#retired && this.#instances.size === 0 && this.#asked.length === 0) this.close();
  }

  #read(): void {
    let rest: Uint8Array = new Uint8Array(0);
    const data = (chunk: Uint8Array) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      let at = 0;
      for (; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
        this.#hear(view.getInt32(at, true), view.getInt32(at + 4, true), view.getInt32(at + 8, true));
      }
      rest = bytes.slice(at);
    };
    this.#parts.process.read({ data, end: () => this.close() });
  }

  /** What no correct zygote says ends it. */
  #hear(word: number, pid: number, status: number): void {
    if (word === SAID.ready) return this.#ready.resolve();
    if (word === SAID.ended) return this.#heardEnd(pid, exitCode(status));
    const asked = word === SAID.forked ? this.#asked.shift() : undefined;
    if (asked === undefined) return this.close();
    if (pid > 0) asked.resolve(pid);
    else asked.reject(new IsopodError("start_failed", { cause: "the zygote cannot fork" }));
  }

  #heardEnd(pid: number, code: number): void {
    const instance = this.#instances.get(pid);
    if (instance === undefined) this.#early.set(pid, code);
    else instance.over(code);
  }

  #gone(cause: string): void {
    this.#usable = false;
    closeAll([this.#parts.requests]);
    const error = new IsopodError("start_failed", { cause: `the zygote has ended: ${cause}` });
    this.#ready.reject(error);
    for (const asked of this.#asked.splice(0)) asked.reject(error);
    // The kernel has ended them with the first process of their namespace's parent.
    for (const instance of this.#instances.values()) instance.over(128 + 9);
  }
}

/** An exit code, or 128 + the signal's number, of the status that the kernel gives (wait(2)). */
function exitCode(status: number): number {
  return (status & 0x7f) === 0 ? (status >>> 8) & 0xff : 128 + (status & 0x7f);
}
